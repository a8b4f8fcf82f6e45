// SPDX-License-Identifier: GPL-2.0
#include <linux/cpumask.h>

void rust_helper_cpumask_clear_cpu(unsigned int cpu, struct cpumask *mask)
{
	cpumask_clear_cpu(cpu, mask);
}

unsigned int rust_helper_cpumask_next(int n, const struct cpumask *mask)
{
	return cpumask_next(n, mask);
}

void rust_helper_cpumask_set_cpu(unsigned int cpu, struct cpumask *mask)
{
	cpumask_set_cpu(cpu, mask);
}

bool rust_helper_cpumask_test_and_clear_cpu(unsigned int cpu, struct cpumask *mask)
{
	return cpumask_test_and_clear_cpu(cpu, mask);
}
