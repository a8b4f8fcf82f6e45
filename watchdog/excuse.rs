// SPDX-License-Identifier: GPL-2.0

//! Waits that the BPF scheduler is not to blame for.
//!
//! `Documentation/watchdog.md` has the rules, and why they cannot be made use of for long.

#![deny(unsafe_code)]

use super::{
    clock::{
        absence,
        enough,
        grant,
        later,
        MACHINE_SINCE,
        TIMEOUT, //
    }, //
};
use crate::{
    compat::sync::atomic::Relaxed,
    sched::{
        counter,
        pass::PassState,
        report::{
            Curr,
            Kind,
            Report, //
        },
        rq::{
            waiting::Place,
            Locked,
            Rq, //
        },
        task::Task,
        time::{
            jiffies,
            jiffies_to_msecs,
            since,
            time_after,
            Jiffies, //
        },
        watch::Watch, //
    },
};

/// Why a task may wait for long without the BPF scheduler being to blame.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Excuse {
    /// A higher class has had the CPU for long without a break.
    Class,
    /// The CPU does nothing that a CPU does all the time: a hypervisor runs something else on it.
    Stolen,
}

impl Excuse {
    pub(super) fn find(rq: &Rq<Locked>, watch: &Watch) -> Option<Self> {
        let pass = PassState::from_watch(watch);
        let absence = absence();
        let absent = since(watch.passed_at.load(Relaxed));
        if pass.is_inside() || absent <= absence {
            return None;
        }

        // It passes by here before anything of sched_ext runs or the CPU idles, so neither was the
        // case since.
        let curr = rq.curr();
        if curr.above_scx() {
            return (absent <= enough()).then_some(Self::Class);
        }

        // An idle CPU need not tick. It need not react at once, either, so look twice.
        let silent = if curr.is_idle() {
            curr.must_resched() && found_again(watch, pass)
        } else {
            since(watch.looked_at.load(Relaxed)) > absence
        };
        silent.then_some(Self::Stolen)
    }
}

/// Whether the last scan found the CPU in this pass already, and remembered it.
fn found_again(watch: &Watch, pass: PassState) -> bool {
    let last = PassState::from_bits(watch.scanned_pass.load(Relaxed));
    watch.scanned_pass.store(pass.to_bits(), Relaxed);
    pass == last
}

/// Whether the BPF scheduler is to blame for `p`, which has waited for longer than it may.
#[cold]
#[inline(never)]
pub(super) fn is_stalled(
    rq: &Rq<Locked>,
    watch: &Watch,
    p: &Task,
    excuse: Option<Excuse>,
    told: &mut Option<Excused>,
) -> bool {
    let timeout = TIMEOUT.load(Relaxed);
    let now = jiffies();
    let overdue = |began: Jiffies| time_after(now, began.wrapping_add(timeout));

    let mut began = later(p.runnable_at(), MACHINE_SINCE.load(Relaxed));
    if !overdue(began) {
        return false;
    }

    // Only for tasks that no other CPU can serve.
    let bound = p.is_bound();
    if !bound && rq.waiting(p).place != Place::Local {
        return true;
    }
    if bound {
        began = later(began, watch.bound_since.load(Relaxed));
    }
    began = later(began, watch.local_since.load(Relaxed));
    if overdue(began) {
        // What is bound and kept off by a higher class has been excused above. The rest is a guess,
        // or could have been put elsewhere.
        if excuse.is_none() || !grant(&watch.granted_at) {
            return true;
        }
        watch.local_since.store(now, Relaxed);
    }

    rq.count(match excuse {
        Some(Excuse::Stolen) => counter::EXCUSED_STOLEN,
        _ => counter::EXCUSED_CLASS,
    });
    if let (Some(excuse), None) = (excuse, told.as_ref()) {
        let report = Report {
            waiter: Some((p.comm(), p.pid())),
            waiting: Some(rq.waiting(p)),
            curr: Some(Curr::of(rq)),
            ..Report::new(Kind::Excused, rq.cpu(), jiffies_to_msecs(since(began)))
        };
        *told = Some(Excused { excuse, report });
    }
    false
}

/// What the user is told once the lock is dropped.
pub(super) struct Excused {
    excuse: Excuse,
    report: Report,
}

/// Names who is to blame for a wait, once for each time that a CPU is taken.
pub(super) fn tell(watch: &Watch, Excused { excuse, report }: &Excused) {
    let told_at = watch.told_at.load(Relaxed);
    watch.told_at.store(jiffies(), Relaxed);
    if since(told_at) <= TIMEOUT.load(Relaxed) {
        return;
    }

    let (Some(waiter), Some(curr)) = (&report.waiter, &report.curr) else {
        return;
    };
    report.tell(format_args!(
        "{}[{}] waits for CPU {}, which {} {} for {} ms: the scheduler is not to blame",
        waiter.0.as_bstr(),
        waiter.1,
        report.cpu.as_u32(),
        match excuse {
            Excuse::Class => "has been running",
            Excuse::Stolen => "has not been seen to do anything in",
        },
        curr,
        jiffies_to_msecs(since(watch.passed_at.load(Relaxed)))
    ));
}

#[cfg(CONFIG_KUNIT)]
mod tests {
    use super::*;
    use crate::compat::kunit::{
        assert,
        kunit_tests, //
    };

    kunit_tests!(rust_scx_excuse: [
        what_was_found_is_remembered,
    ]);

    fn what_was_found_is_remembered() {
        let watch = Watch::unused();
        let pass = PassState::from_watch(&watch);
        assert!(!found_again(&watch, pass));
        assert!(found_again(&watch, pass));
        watch.pass.store(4, Relaxed);
        assert!(!found_again(&watch, PassState::from_watch(&watch)));
        assert!(!found_again(&watch, pass));
    }
}
