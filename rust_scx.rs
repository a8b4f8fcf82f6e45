// SPDX-License-Identifier: GPL-2.0

//! The core of sched_ext in Rust.
//!
//! Between a BPF scheduler and the CPUs stand three things, which this module takes over from C
//! when it is inserted and hands back when it is removed:
//!
//! - [`dispatch`] finds the next task for a CPU, or asks the BPF scheduler for one;
//! - [`kick`] makes other CPUs reschedule;
//! - [`watchdog`] throws out a BPF scheduler that lets tasks starve.
//!
//! These three decide and contain no unsafe code. They see the kernel through [`sched`], which has
//! types for run queues and their locks, tasks, and the rest. [`ops`] is where the kernel calls in.
//! [`compat`] stands in for what later versions of the `kernel` crate have.

use kernel::prelude::*;

mod bindings;
mod compat;
mod dispatch;
mod kick;
mod ops;
mod sched;
mod watchdog;

module! {
    type: RustScx,
    name: "rust_scx",
    author: "rust_scx maintainers",
    description: "The core of sched_ext in Rust",
    license: "GPL",
}

/// Fields are dropped in this order: nobody counts anymore when the counters go.
struct RustScx {
    _in_charge: ops::Registration,
    _counters: sched::counter::Debugfs,
}

impl kernel::Module for RustScx {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // First, since a scheduler may be enabled as soon as we are in charge.
        let counters = sched::counter::Debugfs::new();
        Ok(Self {
            _in_charge: ops::Registration::new()?,
            _counters: counters,
        })
    }
}
