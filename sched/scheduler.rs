// SPDX-License-Identifier: GPL-2.0

//! The BPF scheduler in charge, and what it brings along.
//!
//! C header: [`include/linux/sched/ext_core.h`](srctree/include/linux/sched/ext_core.h)

#[cfg(CONFIG_USE_PERCPU_NUMA_NODE_ID)]
use super::percpu;
use crate::{
    bindings,
    compat::{
        cpu::CpuId,
        sync::atomic::{
            Acquire,
            Atomic,
            Load,
            Relaxed, //
        },
    },
};
#[cfg(CONFIG_USE_PERCPU_NUMA_NODE_ID)]
use core::ptr::addr_of;
use core::ptr::NonNull;
use kernel::{
    bindings::scx_dispatch_q,
    ffi::c_int, //
};

/// A set of properties of a BPF scheduler, `enum scx_core_flags`.
#[derive(Copy, Clone)]
pub(crate) struct Scheduler(usize);

/// Those of the one in charge. None while none is enabled.
static FLAGS: Atomic = Atomic::new(0);

/// Pointers of its [`bindings::scx_core_args`], 0 before the first.
static DSP_CTX: Atomic = Atomic::new(0);
static GLOBAL_DSQS: Atomic = Atomic::new(0);
static EXIT_KIND: Atomic = Atomic::new(0);
static DSQ_GEN: Atomic = Atomic::new(0);

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
    EXIT_KIND.store(args.exit_kind as usize, Relaxed);
    DSQ_GEN.store(args.dsq_gen as usize, Relaxed);
    GLOBAL_DSQS.store(args.global_dsqs as usize, Relaxed);
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

/// The global DSQ of the node of `cpu`, there forever once a scheduler was enabled.
#[inline]
pub(super) fn global_dsq(cpu: CpuId) -> Option<NonNull<scx_dispatch_q>> {
    let dsqs = NonNull::new(GLOBAL_DSQS.load(Relaxed) as *mut *mut scx_dispatch_q)?;
    // Each time, as a CPU that is plugged in later brings its node along.
    let node = usize::try_from(node_of(cpu)).ok()?;
    // SAFETY: Valid by the requirement of `set`; the array has a DSQ for each node.
    NonNull::new(unsafe { dsqs.as_ptr().add(node).read() })
}

#[cfg(CONFIG_USE_PERCPU_NUMA_NODE_ID)]
#[inline]
fn node_of(cpu: CpuId) -> c_int {
    // SAFETY: A per-CPU symbol, so valid by `percpu::at`, and read in one piece.
    unsafe { percpu::at(addr_of!(bindings::numa_node), cpu).read_volatile() }
}

#[cfg(not(CONFIG_USE_PERCPU_NUMA_NODE_ID))]
fn node_of(cpu: CpuId) -> c_int {
    // SAFETY: A `CpuId` is in range.
    unsafe { bindings::cpu_to_node(cpu.as_u32()) }
}

/// Moves whenever a user DSQ goes. 0 before the first scheduler, which has none.
#[inline]
pub(super) fn dsq_gen() -> usize {
    match NonNull::new(DSQ_GEN.load(Relaxed) as *mut usize) {
        // ORDERING: Before the look-up. Pairs with the full barrier in C's `destroy_dsq()`, between
        // taking a DSQ out of the table and moving this.
        // SAFETY: Valid by the requirement of `set`, and an `atomic_long_t` is an aligned `usize`.
        Some(gen) => unsafe { Acquire::load(gen.as_ptr()) },
        None => 0,
    }
}

#[cfg(CONFIG_KUNIT)]
mod tests {
    use super::*;
    use crate::compat::kunit::{
        assert,
        assert_eq,
        kunit_tests, //
    };

    kunit_tests!(rust_scx_scheduler: [
        properties_are_told_apart,
        none_has_no_property,
    ]);

    const ALL: [Scheduler; 4] = [
        Scheduler::HAS_DISPATCH,
        Scheduler::CPU_PREEMPT,
        Scheduler::ENQ_LAST,
        Scheduler::CORE_SCHED,
    ];

    fn properties_are_told_apart() {
        for (i, a) in ALL.into_iter().enumerate() {
            for (k, b) in ALL.into_iter().enumerate() {
                assert_eq!(a.has(b), i == k);
            }
        }
    }

    fn none_has_no_property() {
        for property in ALL {
            assert!(!Scheduler(0).has(property));
        }
    }
}
