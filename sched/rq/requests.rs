// SPDX-License-Identifier: GPL-2.0

//! Whom a CPU has to kick.

use super::Rq;
use crate::sched::cpumask::Cpumask;
use core::ptr::addr_of_mut;
use kernel::bindings::cpumask;

/// Whom a CPU has to kick, and how, where it cannot be left to the target's [mailbox](crate::sched::mailbox).
pub(crate) struct KickRequests<'a> {
    pub(crate) kick: &'a Cpumask,
    pub(crate) idle: &'a Cpumask,
    pub(crate) preempt: &'a Cpumask,
    pub(crate) wait: &'a Cpumask,
}

impl<State> Rq<State> {
    /// The requests for kicks that its CPU has noted.
    pub(crate) fn kick_requests(&self) -> KickRequests<'_> {
        let rq = self.as_raw();
        // SAFETY: Allocated at boot for all run queues, changed with atomic operations only.
        unsafe {
            KickRequests {
                kick: Cpumask::from_raw(addr_of_mut!((*rq).scx.cpus_to_kick).into_mask()),
                idle: Cpumask::from_raw(addr_of_mut!((*rq).scx.cpus_to_kick_if_idle).into_mask()),
                preempt: Cpumask::from_raw(addr_of_mut!((*rq).scx.cpus_to_preempt).into_mask()),
                wait: Cpumask::from_raw(addr_of_mut!((*rq).scx.cpus_to_wait).into_mask()),
            }
        }
    }
}

impl KickRequests<'_> {
    /// Drops them all.
    pub(crate) fn clear(&self) {
        for set in [self.kick, self.idle, self.preempt, self.wait] {
            for cpu in set.iter() {
                set.clear_atomic(cpu);
            }
        }
    }
}

/// C's `cpumask_var_t`, which is a pointer with CONFIG_CPUMASK_OFFSTACK and an array without.
trait CpumaskVar {
    /// # Safety
    ///
    /// `self` points to an initialized one.
    unsafe fn into_mask(self) -> *mut cpumask;
}

impl CpumaskVar for *mut *mut cpumask {
    unsafe fn into_mask(self) -> *mut cpumask {
        // SAFETY: By the requirement of the trait.
        unsafe { self.read() }
    }
}

impl CpumaskVar for *mut [cpumask; 1] {
    unsafe fn into_mask(self) -> *mut cpumask {
        self.cast()
    }
}
