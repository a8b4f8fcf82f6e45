// SPDX-License-Identifier: GPL-2.0

//! UPSTREAM: rust/kernel/sync/barrier.rs, 7.3

use crate::bindings;

/// All accesses before are ordered before all after.
pub(crate) fn smp_mb() {
    // SAFETY: Nothing but a barrier.
    unsafe { bindings::smp_mb() };
}
