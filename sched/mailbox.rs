// SPDX-License-Identifier: GPL-2.0

//! What others ask of a CPU.
//!
//! All sources write into one word of the target's, and whoever finds it empty calls the target's
//! irq_work. It takes all that has come by then. What is asked for is the same whoever asks, so it
//! need not be kept apart by source, and takes no array over all CPUs.

use super::percpu;
use crate::compat::{
    cpu::CpuId,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};
use core::ptr::addr_of_mut;

/// Requests to one CPU.
#[derive(Copy, Clone, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Requests(usize);

impl Requests {
    /// For nothing.
    #[cfg(CONFIG_KUNIT)]
    pub(crate) const NONE: Self = Self(0);
    /// To reschedule, ...
    pub(crate) const RESCHED: Self = Self(1);
    /// ... and not to go on with a task of sched_ext, or ...
    pub(crate) const PREEMPT: Self = Self(2);
    /// ... only if it idles.
    pub(crate) const IDLE: Self = Self(4);
    /// By the CPU itself: to see to the [sets](super::rq::KickRequests) that it has noted.
    pub(crate) const SETS: Self = Self(8);

    /// To reschedule.
    #[inline]
    pub(crate) const fn resched(preempt: bool) -> Self {
        if preempt {
            Self::RESCHED.and(Self::PREEMPT)
        } else {
            Self::RESCHED
        }
    }

    #[inline]
    pub(crate) fn has(self, request: Self) -> bool {
        self.0 & request.0 != 0
    }

    #[inline]
    pub(crate) const fn and(self, request: Self) -> Self {
        Self(self.0 | request.0)
    }
}

/// The requests to one CPU that it has not seen yet.
pub(crate) struct Mailbox(&'static Atomic);

impl Mailbox {
    /// That of `cpu`.
    #[inline]
    pub(crate) fn of(cpu: CpuId) -> Self {
        // SAFETY: Valid by `percpu::of`, as long as there is code of ours to run.
        let requests = unsafe { addr_of_mut!((*percpu::of(cpu)).mailbox.requests) };
        // CAST: `usize` and C's `unsigned long` are the same in the kernel.
        // SAFETY: As above, and nobody accesses it but here.
        Self(unsafe { Atomic::from_ptr(requests.cast()) })
    }

    /// Adds `requests` and says whether it was empty: then the irq_work must be queued, which
    /// otherwise somebody else has done or is about to do. A full barrier.
    #[inline]
    pub(crate) fn post(&self, requests: Requests) -> bool {
        self.0.fetch_or(requests.0) == 0
    }

    /// Empties it. A full barrier: what sources did before they asked is visible.
    #[inline]
    pub(crate) fn take(&self) -> Requests {
        Requests(self.0.xchg(0))
    }

    /// What is in it, for users.
    pub(crate) fn peek(&self) -> Requests {
        Requests(self.0.load(Relaxed))
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

    kunit_tests!(rust_scx_mailbox: [
        requests_are_sets,
        the_first_post_calls,
        take_gets_all_and_empties,
        after_a_take_the_next_post_calls,
        what_was_not_asked_for_is_not_taken,
        peek_leaves_it,
    ]);

    const ALL: [Requests; 4] = [
        Requests::RESCHED,
        Requests::PREEMPT,
        Requests::IDLE,
        Requests::SETS,
    ];

    /// One that is no CPU's, and empty.
    fn mailbox() -> Mailbox {
        // Tests run one at a time.
        static WORD: Atomic = Atomic::new(0);
        WORD.store(0, Relaxed);
        Mailbox(&WORD)
    }

    fn requests_are_sets() {
        for (i, a) in ALL.into_iter().enumerate() {
            for (k, b) in ALL.into_iter().enumerate() {
                assert_eq!(a.has(b), i == k);
                assert!(a.and(b).has(a) && a.and(b).has(b));
            }
        }
    }

    fn the_first_post_calls() {
        let mailbox = mailbox();
        assert!(mailbox.post(Requests::IDLE));
        assert!(!mailbox.post(Requests::RESCHED));
        assert!(!mailbox.post(Requests::IDLE));
    }

    fn take_gets_all_and_empties() {
        let mailbox = mailbox();
        for request in ALL {
            mailbox.post(request);
        }
        let taken = mailbox.take();
        for request in ALL {
            assert!(taken.has(request));
            assert!(!mailbox.peek().has(request));
        }
        assert!(mailbox.take() == Requests::NONE);
    }

    fn after_a_take_the_next_post_calls() {
        let mailbox = mailbox();
        mailbox.post(Requests::SETS);
        mailbox.take();
        assert!(mailbox.post(Requests::SETS));
    }

    fn what_was_not_asked_for_is_not_taken() {
        let mailbox = mailbox();
        mailbox.post(Requests::RESCHED.and(Requests::PREEMPT));
        let taken = mailbox.take();
        assert!(taken.has(Requests::RESCHED) && taken.has(Requests::PREEMPT));
        assert!(!taken.has(Requests::IDLE) && !taken.has(Requests::SETS));
    }

    fn peek_leaves_it() {
        let mailbox = mailbox();
        mailbox.post(Requests::IDLE);
        assert!(mailbox.peek() == Requests::IDLE);
        assert!(mailbox.take() == Requests::IDLE);
    }
}
