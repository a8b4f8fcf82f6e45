// SPDX-License-Identifier: GPL-2.0
#include <linux/rcupdate.h>

void rust_helper_kvfree_rcu_mightsleep(void *ptr)
{
	kvfree_rcu_mightsleep(ptr);
}

void rust_helper_rcu_assign_pointer(void **p, void *v)
{
	rcu_assign_pointer(*(void __rcu **)p, v);
}
