// SPDX-License-Identifier: GPL-2.0

//! Made of loom's.

pub(crate) mod atomic;

pub(crate) mod barrier {
    use loom::sync::atomic::{fence, Ordering::SeqCst};

    pub(crate) fn smp_mb() {
        fence(SeqCst);
    }
}
