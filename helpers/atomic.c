// SPDX-License-Identifier: GPL-2.0
#include <linux/atomic.h>

unsigned long rust_helper_atomic_long_read_acquire(const unsigned long *v)
{
	return atomic_long_read_acquire((const atomic_long_t *)v);
}

void rust_helper_smp_store_release(unsigned long *p, unsigned long v)
{
	smp_store_release(p, v);
}

unsigned long rust_helper_atomic_long_fetch_or(unsigned long *v, unsigned long bits)
{
	return atomic_long_fetch_or(bits, (atomic_long_t *)v);
}

unsigned long rust_helper_atomic_long_xchg(unsigned long *v, unsigned long new)
{
	return atomic_long_xchg((atomic_long_t *)v, new);
}

void rust_helper_smp_mb(void)
{
	smp_mb();
}

unsigned long rust_helper_atomic_long_cmpxchg(unsigned long *v, unsigned long old,
					      unsigned long new)
{
	return atomic_long_cmpxchg((atomic_long_t *)v, old, new);
}
