// SPDX-License-Identifier: GPL-2.0
#include <linux/spinlock.h>

void rust_helper_raw_spin_lock(struct raw_spinlock *lock)
{
	raw_spin_lock(lock);
}

void rust_helper_raw_spin_unlock(struct raw_spinlock *lock)
{
	raw_spin_unlock(lock);
}
