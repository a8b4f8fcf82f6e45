// SPDX-License-Identifier: GPL-2.0

//! How a BPF program wants a CPU kicked.
//!
//! C header: [`include/linux/sched/ext_core.h`](srctree/include/linux/sched/ext_core.h)

use super::mailbox::Requests;
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

    /// For tracepoints.
    pub(crate) const fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }
}

/// The flags that ask for so much, and no more.
impl From<Requests> for KickFlags {
    fn from(requests: Requests) -> Self {
        if requests.has(Requests::PREEMPT) {
            Self::PREEMPT
        } else if requests.has(Requests::RESCHED) {
            Self::NONE
        } else {
            Self::IDLE
        }
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

    kunit_tests!(rust_scx_kick_flags: [
        each_is_one_bit,
        has_what_was_passed,
        none_has_none,
        unknown_bits_are_ignored,
        requests_have_flags,
    ]);

    fn each_is_one_bit() {
        for flag in [KickFlags::IDLE, KickFlags::PREEMPT, KickFlags::WAIT] {
            assert_eq!(flag.to_bits().count_ones(), 1);
        }
    }

    fn has_what_was_passed() {
        let flags = KickFlags::from_bits(KickFlags::PREEMPT.to_bits() | KickFlags::WAIT.to_bits());
        assert!(flags.has(KickFlags::PREEMPT));
        assert!(flags.has(KickFlags::WAIT));
        assert!(!flags.has(KickFlags::IDLE));
    }

    fn none_has_none() {
        for flag in [KickFlags::IDLE, KickFlags::PREEMPT, KickFlags::WAIT] {
            assert!(!KickFlags::NONE.has(flag));
        }
    }

    fn unknown_bits_are_ignored() {
        let flags = KickFlags::from_bits((1 << 63) | KickFlags::IDLE.to_bits());
        assert!(flags.has(KickFlags::IDLE));
        assert!(!flags.has(KickFlags::PREEMPT));
    }

    fn requests_have_flags() {
        let bits = |requests| KickFlags::from(requests).to_bits();
        assert_eq!(bits(Requests::IDLE), KickFlags::IDLE.to_bits());
        assert_eq!(bits(Requests::RESCHED), KickFlags::NONE.to_bits());
        assert_eq!(
            bits(Requests::RESCHED.and(Requests::PREEMPT)),
            KickFlags::PREEMPT.to_bits()
        );
        // Whoever is told to reschedule need not idle.
        assert_eq!(
            bits(Requests::RESCHED.and(Requests::IDLE)),
            KickFlags::NONE.to_bits()
        );
    }
}
