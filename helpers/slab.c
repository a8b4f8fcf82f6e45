// SPDX-License-Identifier: GPL-2.0
#include <linux/slab.h>
#include <linux/topology.h>

/* the node is that of @cpu, as cpu_to_node() is an inline too */
void *rust_helper_kvcalloc_node(size_t n, size_t size, int cpu)
{
	return kvcalloc_node(n, size, GFP_KERNEL, cpu_to_node(cpu));
}
