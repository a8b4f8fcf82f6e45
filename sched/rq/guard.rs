// SPDX-License-Identifier: GPL-2.0

//! What is undone with the end of a scope: a lock that is held, a search that is marked.

use super::{
    Flags,
    Locked,
    Rq,
    ThisRq, //
};
use crate::bindings;
use core::ops::{
    Deref,
    DerefMut, //
};
use kernel::ffi::c_ulong;

impl Rq {
    /// Takes the lock.
    ///
    /// # Context
    ///
    /// Any but NMI. No run queue's lock is held. IRQs are off until the guard is dropped.
    pub(crate) fn lock_irqsave(&self) -> RqGuard<'_, Restored> {
        // SAFETY: The run queue is there; the guard unlocks.
        let flags = unsafe { bindings::raw_spin_rq_lock_irqsave(self.as_raw()) };
        RqGuard {
            rq: self,
            irqs: Restored(flags),
        }
    }

    /// Takes the lock if that is possible at once, even under the lock of any run queue,
    /// this one included.
    pub(crate) fn try_lock(&self, _irqs_off: &ThisRq<'_>) -> Option<RqGuard<'_, Off>> {
        // SAFETY: The run queue is there; the guard unlocks. IRQs are off.
        let locked = unsafe { bindings::raw_spin_rq_trylock(self.as_raw()) };
        // Lazily: a guard that is made unlocks when it is dropped.
        locked.then(|| RqGuard {
            rq: self,
            irqs: Off,
        })
    }
}

/// The lock of a run queue, held. IRQs are off, and what becomes of them then is `I`.
#[must_use = "the lock is released when the guard is dropped"]
pub(crate) struct RqGuard<'a, I: Irqs> {
    rq: &'a Rq,
    irqs: I,
}

/// What becomes of IRQs with the end of a lock. A type, so that no unlock has to find out.
pub(crate) trait Irqs {
    /// # Safety
    ///
    /// `rq` is locked, and `self` is from when that was done.
    unsafe fn unlock(&self, rq: *mut bindings::rq);
}

/// They were off before, and stay that.
pub(crate) struct Off;

impl Irqs for Off {
    #[inline(always)]
    unsafe fn unlock(&self, rq: *mut bindings::rq) {
        // SAFETY: By the requirement of the trait.
        unsafe { bindings::raw_spin_rq_unlock(rq) };
    }
}

/// They are what they were before, as these flags say.
pub(crate) struct Restored(c_ulong);

impl Irqs for Restored {
    unsafe fn unlock(&self, rq: *mut bindings::rq) {
        // SAFETY: By the requirement of the trait.
        unsafe { bindings::raw_spin_rq_unlock_irqrestore(rq, self.0) };
    }
}

impl<I: Irqs> Deref for RqGuard<'_, I> {
    type Target = Rq<Locked>;

    fn deref(&self) -> &Rq<Locked> {
        // SAFETY: The lock is held.
        // CAST: `repr(transparent)`, the state has no size.
        unsafe { &*self.rq.as_raw().cast::<Rq<Locked>>() }
    }
}

impl<I: Irqs> DerefMut for RqGuard<'_, I> {
    fn deref_mut(&mut self) -> &mut Rq<Locked> {
        // SAFETY: The lock is held, and by `&mut self` nobody borrows through this guard.
        // CAST: `repr(transparent)`, the state has no size.
        unsafe { &mut *self.rq.as_raw().cast::<Rq<Locked>>() }
    }
}

impl<I: Irqs> Drop for RqGuard<'_, I> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: The guard is made when the lock has been taken, and this is its end.
        unsafe { self.irqs.unlock(self.rq.as_raw()) };
    }
}

impl Rq<Locked> {
    /// Marks the CPU as vacant until the returned guard is dropped.
    pub(crate) fn enter_balance(&mut self) -> Balancing<'_> {
        self.change_flags(0, Flags::IN_BALANCE.0);
        Balancing(self)
    }
}

/// A locked run queue that is looking for a task.
///
/// # Invariants
///
/// `IN_BALANCE` is set from its creation until it is dropped.
#[must_use = "the flag is cleared when this is dropped"]
pub(crate) struct Balancing<'a>(&'a mut Rq<Locked>);

impl Deref for Balancing<'_> {
    type Target = Rq<Locked>;

    fn deref(&self) -> &Rq<Locked> {
        self.0
    }
}

impl DerefMut for Balancing<'_> {
    fn deref_mut(&mut self) -> &mut Rq<Locked> {
        self.0
    }
}

impl Drop for Balancing<'_> {
    fn drop(&mut self) {
        self.0.change_flags(Flags::IN_BALANCE.0, 0);
    }
}
