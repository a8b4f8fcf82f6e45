// SPDX-License-Identifier: GPL-2.0

//! How a BPF program wants a CPU kicked.
//!
//! C header: [`include/linux/sched/ext_core.h`](srctree/include/linux/sched/ext_core.h)

use crate::bindings;

/// Flags of `scx_bpf_kick_cpu()`.
#[derive(Copy, Clone)]
pub(crate) struct KickFlags(u64);

impl KickFlags {
    /// Just reschedule.
    pub(crate) const NONE: Self = Self(0);
    /// Only if the target is idle, or may become so without asking the BPF scheduler.
    pub(crate) const IDLE: Self = Self(bindings::scx_kick_flags_SCX_KICK_IDLE as u64);
    /// Even if the target's task has time left.
    pub(crate) const PREEMPT: Self = Self(bindings::scx_kick_flags_SCX_KICK_PREEMPT as u64);
    /// And go on only when the target has been through the scheduler.
    pub(crate) const WAIT: Self = Self(bindings::scx_kick_flags_SCX_KICK_WAIT as u64);

    /// From what the program passed. Bits without a meaning are ignored, as C does.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// As the program passed them.
    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }
}
