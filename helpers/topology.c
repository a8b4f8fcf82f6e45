// SPDX-License-Identifier: GPL-2.0
#include <linux/topology.h>

int rust_helper_cpu_to_node(unsigned int cpu)
{
	return cpu_to_node(cpu);
}

struct cpumask *rust_helper_topology_sibling_cpumask(unsigned int cpu)
{
	return topology_sibling_cpumask(cpu);
}
