// SPDX-License-Identifier: GPL-2.0

//! What a CPU runs. Only looked at under the lock of its run queue.

use super::rq::ThisRq;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::cell::Cell;

/// Changes while its run queue is locked.
pub(crate) struct Task {
    on_ext: Cell<bool>,
    /// Looked at without the lock as well.
    idle: AtomicBool,
    expired: Cell<bool>,
}

impl Task {
    pub(crate) fn on_ext() -> Self {
        Self {
            on_ext: Cell::new(true),
            idle: AtomicBool::new(false),
            expired: Cell::new(false),
        }
    }

    pub(crate) fn on_scx(&self) -> bool {
        self.on_ext.get() && !self.is_idle()
    }

    pub(crate) fn above_scx(&self) -> bool {
        !self.on_ext.get()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.idle.load(Relaxed)
    }

    /// It makes no difference here.
    pub(crate) fn needs_ipi(&self) -> bool {
        true
    }

    pub(crate) fn set_idle(&self, idle: bool) {
        self.idle.store(idle, Relaxed);
    }

    /// Gives it another class, which is above.
    pub(crate) fn leave_ext(&self) {
        self.on_ext.set(false);
    }

    pub(crate) fn expire_slice(&self) {
        self.expired.set(true);
    }

    pub(crate) fn take_expired(&self) -> bool {
        self.expired.take()
    }
}

pub(crate) fn need_resched() -> bool {
    ThisRq::get().need_resched()
}
