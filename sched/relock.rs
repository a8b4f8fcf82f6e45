// SPDX-License-Identifier: GPL-2.0

//! To exchange the lock of one run queue for that of another.

use super::{
    counter,
    rq::{
        Locked,
        Rq, //
    },
};
use crate::bindings;

/// The lock of exactly one run queue is held: at first that of `home`, and when this is dropped
/// that of `home` again.
///
/// While it exists `home` cannot be looked at, so nothing that was read under its lock before is
/// taken for true after. IRQs stay off throughout.
///
/// # Invariants
///
/// The lock of `at` is held.
pub(crate) struct Relock<'a> {
    home: &'a mut Rq<Locked>,
    at: &'static Rq,
}

impl<'a> Relock<'a> {
    pub(crate) fn new(home: &'a mut Rq<Locked>) -> Self {
        let at = Rq::of(home.cpu());
        // INVARIANT: It is that of `home`.
        Self { home, at }
    }

    /// The run queue that is locked now.
    pub(crate) fn at(&mut self) -> &mut Rq<Locked> {
        // SAFETY: Locked, by the type invariant, and by `&mut self` until this borrow ends.
        // `home` itself cannot be used meanwhile.
        unsafe { Rq::assume_locked(self.at.as_raw()) }
    }

    /// Locks `to` instead.
    pub(crate) fn go(&mut self, to: &'static Rq) {
        if to.cpu() != self.at.cpu() {
            self.pass(to, |from, to| {
                // SAFETY: Locked, by the type invariant.
                unsafe { bindings::raw_spin_rq_unlock(from) };
                // SAFETY: No other run queue is locked now, and IRQs are off.
                unsafe { bindings::raw_spin_rq_lock(to) };
            });
        }
    }

    /// Has `f` unlock the one and lock the other.
    pub(super) fn pass(
        &mut self,
        to: &'static Rq,
        f: impl FnOnce(*mut bindings::rq, *mut bindings::rq),
    ) {
        f(self.at.as_raw(), to.as_raw());
        // INVARIANT: It is `to` that is locked.
        self.at = to;
        self.at().count(counter::LOCK_SWITCHES);
    }
}

impl Drop for Relock<'_> {
    fn drop(&mut self) {
        self.go(Rq::of(self.home.cpu()));
    }
}
