// SPDX-License-Identifier: GPL-2.0
#include <linux/atomic.h>

unsigned long rust_helper_atomic_long_read_acquire(const unsigned long *v)
{
	return atomic_long_read_acquire((const atomic_long_t *)v);
}
