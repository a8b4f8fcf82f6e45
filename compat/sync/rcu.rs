// SPDX-License-Identifier: GPL-2.0

//! UPSTREAM: rust/kernel/sync/rcu.rs, 7.3
//!
//! RCU read side.
//!
//! C header: [`include/linux/rcupdate.h`](srctree/include/linux/rcupdate.h)

use crate::bindings;
use core::marker::PhantomData;

/// Proof that an RCU read-side critical section is open.
///
/// # Invariants
///
/// The section was opened when this was created and ends when it is dropped.
#[must_use = "the critical section ends when the guard is dropped"]
pub(crate) struct Guard(PhantomData<*mut ()>);

/// Opens an RCU read-side critical section.
///
/// # Context
///
/// Any. Does not sleep, and neither may the caller while it has the guard.
pub(crate) fn read_lock() -> Guard {
    // SAFETY: May be called anywhere.
    unsafe { bindings::rcu_read_lock() };
    // INVARIANT: Opened above, closed by `drop`.
    Guard(PhantomData)
}

impl Drop for Guard {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the section is open.
        unsafe { bindings::rcu_read_unlock() };
    }
}
