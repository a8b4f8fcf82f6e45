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
        Candidate,
        Dsq,
        Walk, //
    },
    ops_state::Taken,
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

/// A task that may run here.
enum Found<'h> {
    /// It was moved to the local DSQ.
    Here,
    /// It is ours if we are faster than others.
    Taken(Taken<'h>),
}

/// What came of a step.
enum Step<'h> {
    Found(Found<'h>),
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
#[inline(always)]
pub(super) fn consume<'h>(
    this_rq: &'h ThisRq<'_>,
    rq: &mut Rq<Locked>,
    dsq: &'h Dsq,
    is_wanted: impl Fn() -> bool,
) -> bool {
    // Without the lock: who puts a task there for us to find kicks us after that.
    if dsq.is_empty() {
        return false;
    }
    // Most often it is the very first, or that is the only one: no search, and none of its frame.
    let first = dsq.with_first(this_rq, rq, |candidate| {
        let is_last = candidate.is_last();
        match take(candidate) {
            Ok(found) => First::Found(found),
            Err(Misfit::NotAllowed) if is_last => First::Only,
            Err(_) => First::NotFound,
        }
    });
    match first.unwrap_or(First::Only) {
        First::Found(found) => get(this_rq, rq, found) || search(this_rq, rq, dsq, is_wanted),
        First::Only => false,
        First::NotFound => search(this_rq, rq, dsq, is_wanted),
    }
}

/// What came of a look at the first task.
enum First<'h> {
    Found(Found<'h>),
    /// It may not run here, and there is no other.
    Only,
    NotFound,
}

/// Takes a task off the DSQ, if it may run here.
#[inline(always)]
fn take<'h>(candidate: Candidate<'_, '_, 'h>) -> Result<Found<'h>, Misfit> {
    if candidate.is_here() {
        candidate.move_to_local();
        return Ok(Found::Here);
    }
    fits(candidate.task(), candidate.rq()).map(|()| Found::Taken(candidate.take()))
}

/// Gets what was found to the local DSQ. False if somebody else was faster.
#[inline(always)]
fn get(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>, found: Found<'_>) -> bool {
    match found {
        Found::Here => {
            this_rq.count(counter::CONSUME_LOCAL);
            true
        }
        Found::Taken(taken) => fetch(this_rq, rq, taken),
    }
}

/// From the run queue of another CPU.
#[inline(never)]
fn fetch(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>, taken: Taken<'_>) -> bool {
    let here = Rq::of(rq.cpu());
    let is_ours = taken.migrate(&mut Relock::new(rq), here);
    this_rq.count(if is_ours {
        counter::CONSUME_REMOTE
    } else {
        counter::LOST_RACE
    });
    is_ours
}

/// As [`consume`], where that is not the first task.
#[inline(never)]
fn search<'h>(
    this_rq: &'h ThisRq<'_>,
    rq: &mut Rq<Locked>,
    dsq: &'h Dsq,
    is_wanted: impl Fn() -> bool,
) -> bool {
    // Only for itself can a CPU come back, and not on its way down.
    let limited = rq.cpu() == this_rq.cpu() && rq.is_online();
    let scan = Scan::of(this_rq);
    let mut steps = 0u32;

    if limited && scan.has_seen(dsq) {
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
            Step::Found(found) => {
                if get(this_rq, rq, found) {
                    return true;
                }
            }
            Step::NotFound(seq) => {
                // It may be seen again before all others are.
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
        let task = candidate.task();
        match take(candidate) {
            Ok(found) => return Step::Found(found),
            // It is about to be free to go, and nobody else might come for it.
            Err(Misfit::MigrationDisabled) if limited && task.on_cpu() => walk.miss(),
            Err(_) => {}
        }
    }
}
