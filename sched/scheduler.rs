// SPDX-License-Identifier: GPL-2.0

//! The BPF scheduler in charge, and what it brings along.
//!
//! C header: [`include/linux/sched/ext_core.h`](srctree/include/linux/sched/ext_core.h)

use crate::{
    bindings,
    compat::sync::atomic::{
        Atomic,
        Relaxed, //
    },
};
use core::ptr::NonNull;
use kernel::bindings::scx_dispatch_q;

/// A set of properties of a BPF scheduler, `enum scx_core_flags`.
#[derive(Copy, Clone)]
pub(crate) struct Scheduler(usize);

/// Those of the one in charge. None while none is enabled.
static FLAGS: Atomic = Atomic::new(0);

/// Pointers of its [`bindings::scx_core_args`], 0 before the first.
static DSP_CTX: Atomic = Atomic::new(0);
static GLOBAL_DSQS: Atomic = Atomic::new(0);
static EXIT_KIND: Atomic = Atomic::new(0);

impl Scheduler {
    /// It implements `ops.dispatch()`.
    pub(crate) const HAS_DISPATCH: Self =
        Self(bindings::scx_core_flags_SCX_CORE_HAS_DISPATCH as usize);
    /// It wants to know when other classes take a CPU and give it back.
    pub(crate) const CPU_PREEMPT: Self =
        Self(bindings::scx_core_flags_SCX_CORE_CPU_PREEMPT as usize);
    /// It decides itself whether the last task of a CPU goes on (`SCX_OPS_ENQ_LAST`).
    pub(crate) const ENQ_LAST: Self = Self(bindings::scx_core_flags_SCX_CORE_ENQ_LAST as usize);
    /// It orders the tasks of SMT siblings, by `ops.core_sched_before()`.
    pub(crate) const CORE_SCHED: Self = Self(bindings::scx_core_flags_SCX_CORE_CORE_SCHED as usize);

    /// The one in charge; without any property if none is.
    #[inline]
    pub(crate) fn current() -> Self {
        Self(FLAGS.load(Relaxed))
    }

    pub(crate) const fn has(self, property: Self) -> bool {
        self.0 & property.0 != 0
    }
}

/// A BPF scheduler is in charge from now on.
///
/// # Context
///
/// Process context, while no task is on sched_ext.
///
/// # Safety
///
/// The pointers are valid forever, or as long as a task is on sched_ext that to the contexts.
pub(crate) unsafe fn set(args: &bindings::scx_core_args) {
    DSP_CTX.store(args.dsp_ctx as usize, Relaxed);
    GLOBAL_DSQS.store(args.global_dsqs as usize, Relaxed);
    EXIT_KIND.store(args.exit_kind as usize, Relaxed);
    FLAGS.store(args.flags as usize, Relaxed);
}

/// No BPF scheduler is in charge from now on.
///
/// # Context
///
/// As [`set`].
pub(crate) fn clear() {
    FLAGS.store(0, Relaxed);
    DSP_CTX.store(0, Relaxed);
}

/// Whether the scheduler is being thrown out, or none is there: nothing has to be done for it
/// that takes long.
pub(crate) fn is_leaving() -> bool {
    match NonNull::new(EXIT_KIND.load(Relaxed) as *mut i32) {
        // SAFETY: Valid by the requirement of `set`, and an `atomic_t` is an aligned `i32`.
        Some(kind) => unsafe { kind.as_ptr().read_volatile() != 0 },
        None => true,
    }
}

/// The dispatch contexts, a per-CPU pointer.
pub(super) fn dsp_ctx() -> Option<NonNull<bindings::scx_dsp_ctx>> {
    NonNull::new(DSP_CTX.load(Relaxed) as *mut bindings::scx_dsp_ctx)
}

/// The global DSQs by node.
pub(super) fn global_dsqs() -> Option<NonNull<*mut scx_dispatch_q>> {
    NonNull::new(GLOBAL_DSQS.load(Relaxed) as *mut *mut scx_dispatch_q)
}
