// SPDX-License-Identifier: GPL-2.0

//! What a BPF scheduler brings along.
//!
//! C header: [`include/linux/sched/ext_core.h`](srctree/include/linux/sched/ext_core.h)

use crate::bindings;

/// A set of properties of a BPF scheduler, `enum scx_core_flags`.
#[derive(Copy, Clone)]
pub(crate) struct Scheduler(usize);

impl Scheduler {
    pub(crate) const NONE: Self = Self(0);
    /// It implements `ops.dispatch()`.
    pub(crate) const HAS_DISPATCH: Self =
        Self(bindings::scx_core_flags_SCX_CORE_HAS_DISPATCH as usize);
    /// It wants to know when other classes take a CPU and give it back.
    pub(crate) const CPU_PREEMPT: Self =
        Self(bindings::scx_core_flags_SCX_CORE_CPU_PREEMPT as usize);
    /// It decides itself whether the last task of a CPU goes on (`SCX_OPS_ENQ_LAST`).
    pub(crate) const ENQ_LAST: Self = Self(bindings::scx_core_flags_SCX_CORE_ENQ_LAST as usize);

    pub(crate) const fn from_bits(bits: usize) -> Self {
        Self(bits)
    }

    pub(crate) const fn bits(self) -> usize {
        self.0
    }

    pub(crate) const fn has(self, property: Self) -> bool {
        self.0 & property.0 != 0
    }
}
