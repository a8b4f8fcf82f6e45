// SPDX-License-Identifier: GPL-2.0
#include <linux/percpu.h>

void *rust_helper_this_cpu_ptr(void *base)
{
	return this_cpu_ptr((void __percpu *)base);
}
