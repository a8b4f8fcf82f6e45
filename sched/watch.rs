// SPDX-License-Identifier: GPL-2.0

//! What the watchdog knows of each CPU.

use super::{
    percpu,
    rq::ThisRq, //
};
use crate::{
    bindings,
    compat::{
        cpu::CpuId,
        sync::atomic::Atomic, //
    },
};
use core::{
    mem::size_of,
    ptr::addr_of, //
};

/// Notes on one CPU, all of them words that may be read at any time. Times are in jiffies.
///
/// Two lines of their own: each CPU writes the first of its own in every pass and tick, and
/// reads it of another in every tick.
#[repr(C)]
pub(crate) struct Watch {
    // Written by the CPU itself, with IRQs off.
    /// See [`PassState`](super::pass::PassState).
    pub(crate) pass: Atomic,
    /// When it last began to look for a task.
    pub(crate) passed_at: Atomic,
    /// When it last looked after others in a tick. As long as it ticks, that is not long ago.
    pub(crate) looked_at: Atomic,
    /// Ticks up to then have nothing to look after.
    pub(crate) no_look_until: Atomic,
    /// The CPU that it looks at, the pass that this one was last seen in, and for how
    /// long.
    pub(crate) buddy: Atomic,
    pub(crate) buddy_pass: Atomic,
    pub(crate) buddy_time: Atomic,
    _own: Atomic,

    // Written under the CPU's rq lock.
    /// When it was last kicked, if [`kicks`](Self::kicks) is not 0.
    pub(crate) kicked_at: Atomic,
    pub(crate) kicks: Atomic,
    // Written by the scan, of which one runs at a time.
    /// What it had counted of guard trips when the scheduler came.
    pub(crate) old_trips: Atomic,
    /// What the last scan found the CPU at that kept it from the CPU's tasks or made it doubt; or 0.
    pub(crate) scanned_pass: Atomic,
    /// Waits of tasks that are bound to this CPU do not count before this.
    pub(crate) bound_since: Atomic,
    /// Waits of tasks that are on its local DSQ or bound to it do not count before this, ...
    pub(crate) local_since: Atomic,
    /// ... which was last moved then.
    pub(crate) granted_at: Atomic,
    /// When the user was last told.
    pub(crate) told_at: Atomic,
}

const _: () = assert!(size_of::<Watch>() == size_of::<bindings::rust_scx_watch>());

impl Watch {
    /// That of `cpu`.
    #[inline]
    pub(crate) fn of(cpu: CpuId) -> &'static Self {
        // SAFETY: Just so.
        unsafe { Self::of_pcpu(percpu::of(cpu)) }
    }

    /// That of the executing CPU.
    #[inline]
    pub(crate) fn of_this(this_rq: &ThisRq<'_>) -> &'static Self {
        // SAFETY: Just so.
        unsafe { Self::of_pcpu(this_rq.pcpu()) }
    }

    /// # Safety
    ///
    /// `pcpu` comes from [`percpu::of`].
    #[inline]
    unsafe fn of_pcpu(pcpu: *mut bindings::rust_scx_pcpu) -> &'static Self {
        // SAFETY: Valid by `percpu::of`, as long as there is code of ours to run.
        let words = unsafe { addr_of!((*pcpu).watch) };
        // CAST: The same size, and words only. Nobody but us accesses them.
        // SAFETY: As above; all zeroes are valid.
        unsafe { &*words.cast::<Self>() }
    }
}

#[cfg(CONFIG_KUNIT)]
impl Watch {
    /// One that is no CPU's, for tests.
    pub(crate) fn unused() -> Self {
        // SAFETY: Words, of which all zeroes are valid.
        unsafe { core::mem::zeroed() }
    }
}
