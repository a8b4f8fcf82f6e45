// SPDX-License-Identifier: GPL-2.0

//! Kicks that wait for the end of what they came amid.
//!
//! What a program of the BPF scheduler dispatches takes effect when it has returned: only then is
//! the task on its DSQ. Whom it kicked, before or after the call that dispatches, is to find that.
//!
//! A CPU's kicks are kept by that CPU alone, with IRQs off, and are gone before it takes IRQs again
//! or when its irq_work has run.

use super::{
    mailbox::Requests,
    rq::ThisRq, //
};
use crate::{
    bindings,
    compat::cpu::CpuId, //
};
use core::{
    cell::Cell,
    mem::size_of,
    ptr::addr_of, //
};
use kernel::bindings::{
    scx_kf_mask_SCX_KF_DISPATCH as KF_DISPATCH,
    scx_kf_mask_SCX_KF_ENQUEUE as KF_ENQUEUE,
    scx_kf_mask_SCX_KF_SELECT_CPU as KF_SELECT_CPU, //
};

/// How many CPUs can be kicked amid one operation without a set of all.
const NR_KICKS: usize = 7;

/// Who kicks.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// No operation of the BPF scheduler with a run queue locked: a timer, a syscall, a program that
    /// traces, this module.
    Outside,
    /// `ops.dispatch()`, `ops.enqueue()` or `ops.select_cpu()`. When what they dispatch has taken
    /// effect we are called again.
    Dispatcher,
    /// Another operation. We are not called again, and a task may be enqueued after it.
    Operation,
    /// An NMI, whatever it came amid.
    Nmi,
}

impl Caller {
    /// In what this CPU is.
    ///
    /// # Context
    ///
    /// A run queue's lock held, so no NMI.
    #[inline]
    pub(crate) fn of(this_rq: &ThisRq<'_>) -> Self {
        Self::from_mask(this_rq.kf_mask())
    }

    /// By what kfuncs may be called, as [`ThisRq::kf_mask`] has it, or by `RUST_SCX_IN_NMI`.
    #[inline]
    pub(crate) fn from_mask(mask: u32) -> Self {
        if mask == 0 {
            Self::Outside
        } else if mask == bindings::RUST_SCX_IN_NMI {
            Self::Nmi
        } else if mask & (KF_DISPATCH | KF_ENQUEUE | KF_SELECT_CPU) != 0 {
            Self::Dispatcher
        } else {
            Self::Operation
        }
    }
}

/// What came of adding a kick.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is the first for its CPU.
    First,
    /// There is one for that CPU, which is for all that was asked for now.
    More,
    /// There is no room for another CPU.
    NoRoom,
}

/// The kicks of one CPU that are still to be carried out. All zeroes: none.
///
/// # Invariants
///
/// Those in use have the number of a CPU each.
#[repr(C)]
pub(crate) struct Pending {
    /// How many of the kicks are in use; these come first.
    len: Cell<usize>,
    /// Whether the irq_work is to put them off once more.
    put_off: Cell<bool>,
    kicks: [Kick; NR_KICKS],
}

#[repr(C)]
struct Kick {
    cpu: Cell<usize>,
    requests: Cell<Requests>,
}

const _: () = assert!(size_of::<Pending>() == size_of::<bindings::rust_scx_pending>());

impl Pending {
    /// Those of this CPU.
    ///
    /// # Context
    ///
    /// No NMI.
    #[inline]
    pub(crate) fn of<'a>(this_rq: &'a ThisRq<'_>) -> &'a Self {
        // SAFETY: Valid by `percpu::of`, as long as there is code of ours to run.
        let words = unsafe { addr_of!((*this_rq.pcpu()).pending) };
        // CAST: The same size; all zeroes are valid.
        // SAFETY: As above. Nobody else has a reference, as IRQs are off as long as there is a
        // `ThisRq`, and NMIs have none.
        unsafe { &*words.cast::<Self>() }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len.get() == 0
    }

    /// Adds a kick if there is no other.
    #[inline(always)]
    pub(crate) fn add_first(&self, cpu: CpuId, requests: Requests) -> bool {
        let is_first = self.is_empty();
        if is_first {
            let [first, ..] = &self.kicks;
            self.fill(first, 1, cpu, requests);
        }
        is_first
    }

    /// Adds a kick.
    pub(crate) fn add(&self, cpu: CpuId, requests: Requests) -> Added {
        let number = cpu.as_u32() as usize;
        let len = self.len.get();
        let used = self.kicks.get(..len).unwrap_or(&[]);

        if let Some(kick) = used.iter().find(|kick| kick.cpu.get() == number) {
            kick.requests.set(kick.requests.get().and(requests));
            Added::More
        } else if let Some(kick) = self.kicks.get(len) {
            self.fill(kick, len.wrapping_add(1), cpu, requests);
            Added::First
        } else {
            Added::NoRoom
        }
    }

    /// Has the last of `len` kicks be one of `cpu`.
    #[inline(always)]
    fn fill(&self, last: &Kick, len: usize, cpu: CpuId, requests: Requests) {
        last.cpu.set(cpu.as_u32() as usize);
        last.requests.set(requests);
        // INVARIANT: Just so.
        self.len.set(len);
    }

    /// Takes one out.
    pub(crate) fn take(&self) -> Option<(CpuId, Requests)> {
        let last = self.len.get().checked_sub(1)?;
        self.len.set(last);
        let kick = self.kicks.get(last)?;
        // SAFETY: By the type invariant.
        let cpu = unsafe { CpuId::from_i32_unchecked(kick.cpu.get() as i32) };
        Some((cpu, kick.requests.get()))
    }

    /// Has the next run of the irq_work do nothing but call for another.
    pub(crate) fn put_off(&self) {
        self.put_off.set(true);
    }

    /// Whether it was put off since this was last asked.
    pub(crate) fn take_put_off(&self) -> bool {
        self.put_off.replace(false)
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
    use kernel::bindings::{
        scx_kf_mask_SCX_KF_CPU_RELEASE as KF_CPU_RELEASE,
        scx_kf_mask_SCX_KF_REST as KF_REST,
        scx_kf_mask_SCX_KF_UNLOCKED as KF_UNLOCKED, //
    };

    kunit_tests!(rust_scx_pending: [
        who_kicks_goes_by_what_it_may_call,
        all_zeroes_is_nothing,
        what_is_added_is_taken_once,
        only_the_first_is_added_as_such,
        a_cpu_is_kicked_once_for_all_requests,
        there_is_no_room_for_one_too_many,
        is_put_off_once,
    ]);

    fn pending() -> Pending {
        Pending {
            len: Cell::new(0),
            put_off: Cell::new(false),
            kicks: core::array::from_fn(|_| Kick {
                cpu: Cell::new(0),
                requests: Cell::new(Requests::NONE),
            }),
        }
    }

    fn cpu() -> Option<CpuId> {
        CpuId::from_u32(0)
    }

    fn who_kicks_goes_by_what_it_may_call() {
        let is = |mask, caller| assert!(Caller::from_mask(mask) == caller);
        is(KF_UNLOCKED, Caller::Outside);
        is(bindings::RUST_SCX_IN_NMI, Caller::Nmi);
        is(KF_DISPATCH, Caller::Dispatcher);
        is(KF_ENQUEUE, Caller::Dispatcher);
        is(KF_ENQUEUE | KF_SELECT_CPU, Caller::Dispatcher);
        // Those that are nested.
        is(KF_DISPATCH | KF_REST, Caller::Dispatcher);
        is(KF_CPU_RELEASE | KF_ENQUEUE, Caller::Dispatcher);
        is(KF_CPU_RELEASE, Caller::Operation);
        is(KF_REST, Caller::Operation);
    }

    fn all_zeroes_is_nothing() {
        let pending = pending();
        assert!(pending.is_empty());
        assert!(pending.take().is_none());
        assert!(pending.is_empty());
    }

    fn what_is_added_is_taken_once() {
        let pending = pending();
        let Some(cpu) = cpu() else { return };
        assert!(pending.add(cpu, Requests::IDLE) == Added::First);
        assert!(!pending.is_empty());
        assert!(pending.take() == Some((cpu, Requests::IDLE)));
        assert!(pending.is_empty() && pending.take().is_none());
    }

    fn only_the_first_is_added_as_such() {
        let pending = pending();
        let Some(cpu) = cpu() else { return };
        assert!(pending.add_first(cpu, Requests::IDLE));
        assert!(!pending.add_first(cpu, Requests::RESCHED));
        assert!(pending.take() == Some((cpu, Requests::IDLE)));
        assert!(pending.is_empty());
    }

    fn a_cpu_is_kicked_once_for_all_requests() {
        let pending = pending();
        let Some(cpu) = cpu() else { return };
        assert!(pending.add(cpu, Requests::IDLE) == Added::First);
        assert!(pending.add(cpu, Requests::RESCHED) == Added::More);
        assert!(pending.take() == Some((cpu, Requests::IDLE.and(Requests::RESCHED))));
        assert!(pending.is_empty());
    }

    fn there_is_no_room_for_one_too_many() {
        let pending = pending();
        let Some(cpu) = cpu() else { return };
        for (number, kick) in pending.kicks.iter().enumerate() {
            kick.cpu.set(number.wrapping_add(1));
        }
        pending.len.set(NR_KICKS - 1);
        assert!(pending.add(cpu, Requests::IDLE) == Added::First);
        assert!(pending.add(cpu, Requests::IDLE) == Added::More);
        pending.len.set(NR_KICKS);
        if let Some(kick) = pending.kicks.last() {
            kick.cpu.set(NR_KICKS);
        }
        assert!(pending.add(cpu, Requests::IDLE) == Added::NoRoom);
        assert_eq!(pending.len.get(), NR_KICKS);
    }

    fn is_put_off_once() {
        let pending = pending();
        assert!(!pending.take_put_off());
        pending.put_off();
        assert!(pending.take_put_off());
        assert!(!pending.take_put_off());
    }
}
