// SPDX-License-Identifier: GPL-2.0

//! To take a task from a DSQ for this CPU.
//!
//! Tasks that may not run here are passed over, however many there are. C does so under the DSQ's
//! lock and with IRQs off until it has seen all of them, and the other CPUs wait for that lock.
//! Here it goes in steps of [`STEP`] tasks, between which the lock is free, and after [`MAX_STEPS`]
//! of them the CPU finishes its scheduling cycle, takes IRQs, and goes on where it was. If it is amid
//! too many DSQs to keep a place in another one, that comes as soon as it is through with one of them.
//!
//! Nothing is stranded: a pass that did not see all tasks, or that missed some which were added in
//! front of it, leaves a note, and a CPU with such a note does not stay idle.

#![deny(unsafe_code)]

use super::fit::{
    fits,
    Misfit, //
};
use crate::sched::{
    counter,
    dsq::{
        Dsq,
        Walk, //
    },
    ops_state::Held,
    pass,
    relock::Relock,
    rq::{
        Locked,
        Rq,
        ThisRq, //
    },
    scan::Scan, //
};

/// How many tasks are looked at before the DSQ's lock is given to others.
const STEP: u32 = 64;

/// How many steps there are in one call.
const MAX_STEPS: u32 = 8;

/// What came of a step.
enum Step<'h> {
    /// A task was moved to the local DSQ.
    Moved,
    /// A task is ours if we are faster than others.
    Held(Held<'h>),
    /// There is no task for this CPU, up to that sequence of the DSQ.
    NotFound(u32),
    /// It was not the last step of a pass, or another pass is needed.
    Unfinished,
    /// It was not the last step, and its place could not be kept.
    NoPlace,
}

/// Moves the first task of `dsq` that may run on the CPU of `rq` to its local DSQ. Goes on only as
/// long as `is_wanted`.
///
/// # Context
///
/// Balance: `rq` is locked and in balance; its lock is dropped and retaken on the way.
#[doc(alias = "consume_dispatch_q")]
pub(super) fn consume<'h>(
    this_rq: &'h ThisRq<'_>,
    rq: &mut Rq<Locked>,
    dsq: &'h Dsq,
    is_wanted: impl Fn() -> bool,
) -> bool {
    // Only for itself can a CPU come back, and not on its way down.
    let limited = rq.cpu() == this_rq.cpu() && rq.is_online();
    let scan = Scan::of(this_rq);
    let mut steps = 0u32;

    // Without the lock: who puts a task there for us to find kicks us after that.
    if dsq.is_empty() || (scan.is_going_on() && limited && scan.has_seen(dsq)) {
        return false;
    }
    loop {
        if steps >= MAX_STEPS {
            this_rq.count(counter::SCAN_BREAKS);
            scan.set_unfinished();
            return false;
        }
        if steps != 0 && !is_wanted() {
            this_rq.count(counter::SCAN_ABORTS);
            return false;
        }
        steps = if limited { steps.saturating_add(1) } else { 0 };

        match step(dsq.walk(this_rq, rq, limited), limited) {
            Step::Moved => {
                this_rq.count(counter::CONSUME_LOCAL);
                return true;
            }
            Step::Held(held) => {
                let here = Rq::of(rq.cpu());
                let mut lock = Relock::new(rq);
                if let Some(owned) = held.regain(&mut lock) {
                    owned.migrate(&mut lock, here, 0);
                    this_rq.count(counter::CONSUME_REMOTE);
                    return true;
                }
                this_rq.count(counter::LOST_RACE);
            }
            Step::NotFound(seq) => {
                // Others are not finished, or this may be found again before they are.
                if limited && (steps > 1 || scan.is_going_on()) {
                    scan.saw(dsq, seq);
                }
                return false;
            }
            Step::Unfinished => this_rq.count(counter::SCAN_STEPS),
            Step::NoPlace => {
                this_rq.count(counter::SCAN_STEPS);
                steps = MAX_STEPS;
            }
        }
        pass::get_on(this_rq);
    }
}

/// Looks at the next [`STEP`] tasks, or, unless it is `limited`, at all of them.
#[inline(always)]
fn step<'h>(mut walk: Walk<'_, 'h>, limited: bool) -> Step<'h> {
    let mut left = if limited { STEP } else { u32::MAX };

    loop {
        if left == 0 {
            return if walk.park() {
                Step::Unfinished
            } else {
                Step::NoPlace
            };
        }
        left = left.saturating_sub(1);

        let Some(candidate) = walk.next() else {
            return match walk.saw_all() {
                Some(seq) => Step::NotFound(seq),
                // The next one begins at the first task.
                None => Step::Unfinished,
            };
        };
        if candidate.is_here() {
            candidate.move_to_local();
            return Step::Moved;
        }
        match fits(candidate.task(), candidate.rq()) {
            Ok(()) => return Step::Held(candidate.take()),
            // It is about to be free to go, and nobody else might come for it.
            Err(Misfit::MigrationDisabled) if limited && candidate.task().on_cpu() => {
                walk.miss();
            }
            Err(_) => {}
        }
    }
}
