// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>
#include <linux/topology.h>

/* the node is that of @cpu, as cpu_to_node() is an inline too */
void *rust_helper_kvzalloc_node(size_t size, int cpu)
{
	return kvzalloc_node(size, GFP_KERNEL, cpu_to_node(cpu));
}
