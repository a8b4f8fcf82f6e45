// SPDX-License-Identifier: GPL-2.0
#include <linux/topology.h>

struct cpumask *rust_helper_topology_sibling_cpumask(unsigned int cpu)
{
	return topology_sibling_cpumask(cpu);
}
