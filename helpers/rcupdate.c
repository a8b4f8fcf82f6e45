// SPDX-License-Identifier: GPL-2.0
#include <linux/rcupdate.h>

void rust_helper_kvfree_rcu_mightsleep(unsigned long *ptr)
{
	kvfree_rcu_mightsleep(ptr);
}

void rust_helper_rcu_assign_pointer(unsigned long **p, unsigned long *v)
{
	rcu_assign_pointer(*(unsigned long __rcu **)p, v);
}

void rust_helper_rcu_read_lock(void)
{
	rcu_read_lock();
}

void rust_helper_rcu_read_unlock(void)
{
	rcu_read_unlock();
}
