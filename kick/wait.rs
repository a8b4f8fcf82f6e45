// SPDX-License-Identifier: GPL-2.0

//! Waiting for CPUs that were kicked with `SCX_KICK_WAIT`.
//!
//! Why it ends: a target that is waited for has been told to reschedule, and reschedules
//! unless it cannot. Waiting is no reason why it could not: a CPU that waits and is told to
//! reschedule leaves [`wait`], goes through the scheduler, and comes back to wait for the rest. So
//! CPUs may wait for each other in any figure. With IRQs on it answers IPIs meanwhile, so who
//! waits for such an answer is not kept. What remains is a target that is stuck elsewhere: that
//! is given up after [`MAX_WAIT_NS`].

#![deny(unsafe_code)]

use super::{
    noted::call_for_sets,
    target::is_above, //
};
use crate::sched::{
    counter::{
        self,
        Counter, //
    },
    pick_seq::{
        Wait,
        Waits, //
    },
    rq::{
        Flags,
        Locked,
        Rq,
        ThisRq, //
    },
    task::need_resched,
    time::cpu_relax,
    trace, //
};

/// How long a CPU waits for others to reschedule, in nanoseconds.
///
/// Far more than a pass through the scheduler takes, and little enough for nobody to notice a
/// machine that stands still.
const MAX_WAIT_NS: i64 = 10_000_000;

/// Whether [`wait`] has something to do on this CPU.
///
/// # Context
///
/// Hook `balance`: as [`wait`], before the switch.
#[inline]
pub(crate) fn must_wait(this_rq: &ThisRq<'_>) -> bool {
    Waits::of(this_rq).is_some_and(|waits| !waits.is_empty())
}

/// Waits until the CPUs that were kicked with `SCX_KICK_WAIT` have been through the scheduler.
///
/// # Context
///
/// After a switch of tasks, or the decision that there is none: process context, preemption off,
/// IRQs off on entry and return. `rq` is that of the executing CPU and locked; the lock is dropped,
/// and IRQs are on, in between. Does not sleep.
#[doc(alias = "kick_sync_wait_bal_cb")]
pub(crate) fn wait(rq: &mut Rq<Locked>) {
    // It is the next task of sched_ext that has to wait. A balance comes before that, unless 6.12 picks
    // without one, see `is_above`: then it waits after its next.
    if is_above(rq) {
        return;
    }
    while let Some(next) = next_wait(&rq.executing()) {
        // The scheduler that asked for it is on its way out.
        if rq.has(Flags::BYPASSING) {
            forget_waits(&rq.executing(), counter::WAITS_CANCELLED);
            return;
        }
        if is_overdue(&next) {
            remove_waits(&rq.executing(), counter::WAIT_TIMEOUTS, |wait| wait == next);
            continue;
        }
        // Whoever told us may be waiting for us.
        if need_resched() {
            rq.count(counter::WAIT_RESCHEDS);
            return;
        }

        rq.unlocked(|rq| spin(rq, next));
    }
}

/// The first wait that is not over. Drops those that are.
fn next_wait(this_rq: &ThisRq<'_>) -> Option<Wait> {
    remove_waits(this_rq, counter::WAITS_DONE, is_over);

    let waits = Waits::of(this_rq)?;
    let next = waits.iter().next();
    if next.is_none() && waits.take_overflown() {
        call_for_sets(this_rq);
    }
    next
}

fn is_over(wait: Wait) -> bool {
    Rq::of(wait.cpu).pick_seq() != wait.seq
}

fn is_overdue(wait: &Wait) -> bool {
    wait.since.elapsed_ns() > MAX_WAIT_NS
}

fn remove_waits(this_rq: &ThisRq<'_>, why: Counter, which: impl Fn(Wait) -> bool) {
    if let Some(waits) = Waits::of(this_rq) {
        waits.remove(|wait| {
            let over = which(wait);
            if over {
                this_rq.count(why);
                this_rq.count(length_of(wait.since.elapsed_ns()));
                trace::wait(wait.cpu, wait.since, why);
            }
            over
        });
    }
}

/// How long a wait of so many nanoseconds is, by the name of its counter.
fn length_of(ns: i64) -> Counter {
    match ns {
        ..=1_000 => counter::WAIT_1US,
        1_001..=10_000 => counter::WAIT_10US,
        10_001..=100_000 => counter::WAIT_100US,
        100_001..=1_000_000 => counter::WAIT_1MS,
        1_000_001..=MAX_WAIT_NS => counter::WAIT_10MS,
        _ => counter::WAIT_LONGER,
    }
}

/// Drops all waits of this CPU, those that found no room included.
fn forget_waits(this_rq: &ThisRq<'_>, why: Counter) {
    remove_waits(this_rq, why, |_| true);
    if Waits::of(this_rq).is_some_and(Waits::take_overflown) {
        let requests = this_rq.kick_requests();
        for cpu in requests.wait.iter() {
            requests.wait.clear_atomic(cpu);
            this_rq.count(why);
        }
    }
}

/// Waits, on the CPU of `rq`, until there may be something else to do than to wait.
///
/// # Context
///
/// Process context, preemption off, IRQs on, no run queue's lock held.
fn spin(rq: &Rq, wait: Wait) {
    while !is_over(wait) && !is_overdue(&wait) && !need_resched() && !rq.has(Flags::BYPASSING) {
        cpu_relax();
    }
}

#[cfg(CONFIG_KUNIT)]
mod tests {
    use super::*;
    use crate::{
        compat::{
            cpu::CpuId,
            kunit::{
                assert,
                assert_eq,
                kunit_tests, //
            },
        },
        sched::time::Stopwatch, //
    };

    kunit_tests!(rust_scx_wait: [
        a_wait_goes_to_the_counter_of_its_length,
        no_wait_is_without_a_counter,
        longer_than_a_wait_may_be_is_overdue,
    ]);

    fn a_wait_goes_to_the_counter_of_its_length() {
        let bounds = [
            (1_000, counter::WAIT_1US, counter::WAIT_10US),
            (10_000, counter::WAIT_10US, counter::WAIT_100US),
            (100_000, counter::WAIT_100US, counter::WAIT_1MS),
            (1_000_000, counter::WAIT_1MS, counter::WAIT_10MS),
            (10_000_000, counter::WAIT_10MS, counter::WAIT_LONGER),
        ];
        for (ns, up_to, beyond) in bounds {
            assert_eq!(length_of(ns), up_to);
            assert_eq!(length_of(ns + 1), beyond);
        }
    }

    fn no_wait_is_without_a_counter() {
        assert_eq!(length_of(0), counter::WAIT_1US);
        // A clock that goes back.
        assert_eq!(length_of(-1), counter::WAIT_1US);
        assert_eq!(length_of(i64::MIN), counter::WAIT_1US);
        assert_eq!(length_of(i64::MAX), counter::WAIT_LONGER);
    }

    fn longer_than_a_wait_may_be_is_overdue() {
        let Some(cpu) = CpuId::from_u32(0) else {
            return;
        };
        let began = |ns: i64| Wait {
            cpu,
            seq: 0,
            since: Stopwatch::from_bits((Stopwatch::start().to_bits() as i64 - ns) as usize),
        };
        assert!(is_overdue(&began(MAX_WAIT_NS + 1)));
        // A minute to come.
        assert!(!is_overdue(&began(-60_000_000_000)));
    }
}
