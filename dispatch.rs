// SPDX-License-Identifier: GPL-2.0

//! The dispatch loop: finds the next task for a CPU, or asks the BPF scheduler for one.
//!
//! C counterpart: `balance_one()` and the rest of `balance_scx()` in
//! [`kernel/sched/ext.c`](srctree/kernel/sched/ext.c). The core scheduler calls it before it picks
//! the next task of a CPU whose current one is of sched_ext or idle.
//!
//! Lock order: the run queue's lock is held on entry and on return. What is called on the way
//! may drop it and take others, one at a time, so nothing read before is used after.

#![deny(unsafe_code)]

use crate::{
    compat::sync::atomic::{
        Atomic,
        Relaxed, //
    },
    kick,
    sched::{
        counter,
        kick_flags::KickFlags,
        rq::{
            Balancing,
            Flags,
            Locked,
            Rq, //
        },
        scheduler::Scheduler,
        task::Task, //
    },
};

/// How often the BPF scheduler is asked in one cycle before other work gets its turn.
#[doc(alias = "SCX_DSP_MAX_LOOPS")]
const DSP_MAX_LOOPS: u32 = 32;

/// What the BPF scheduler brings along. Nothing while none is enabled.
static SCHEDULER: Atomic = Atomic::new(Scheduler::NONE.bits());

/// A BPF scheduler with these properties is in charge from now on; [`Scheduler::NONE`]: none is.
///
/// # Context
///
/// Process context, while no task is on sched_ext.
pub(crate) fn set_scheduler(scheduler: Scheduler) {
    SCHEDULER.store(scheduler.bits(), Relaxed);
}

/// How a search for a task ended.
#[must_use = "the core scheduler has to be told"]
#[derive(Copy, Clone, PartialEq, Eq)]
#[doc(alias = "scx_dsp_verdict")]
pub(crate) enum DspVerdict {
    /// There is a task on the local DSQ.
    Local,
    /// The previous task goes on.
    KeepPrev,
    /// There is nothing to run.
    Nothing,
}

/// Makes sure that `rq` and, where core scheduling picks for them too, its SMT siblings have a
/// task to run next to the one they run, `prev` on `rq`.
///
/// # Context
///
/// Hook `balance`: any context that schedules, IRQs off. `rq` is that of the executing CPU, locked
/// and unpinned on entry and return, its lock dropped and retaken in between. Its clock is up to
/// date. Does not sleep.
#[doc(alias = "balance_scx")]
pub(crate) fn balance(rq: &mut Rq<Locked>, prev: &Task) -> DspVerdict {
    let verdict = balance_one(rq, prev);
    if rq.picks_for_siblings() {
        balance_siblings(rq);
    }

    // From here to the pick no lock is dropped: who waits for a task that goes on has its answer.
    if verdict == DspVerdict::KeepPrev {
        rq.move_pick_seq();
    }
    verdict
}

#[cold]
fn balance_siblings(rq: &mut Rq<Locked>) {
    rq.for_each_sibling(|rq, prev| {
        rq.update_clock();
        let _ = balance_one(rq, prev);
    });
    // Each may have dropped the lock that they share.
    rq.for_each_sibling(|rq, _| {
        if rq.has(Flags::BAL_KEEP) {
            rq.move_pick_seq();
        }
    });
}

/// As [`balance`], for one run queue, which may be that of an SMT sibling.
#[doc(alias = "dispatch_one")]
fn balance_one(rq: &mut Rq<Locked>, prev: &Task) -> DspVerdict {
    rq.count(counter::BALANCE);

    // However the search ends, the guard clears IN_BALANCE.
    let verdict = find_task(&mut rq.enter_balance(), prev);

    if verdict == DspVerdict::KeepPrev {
        rq.count(counter::KEEP_PREV);
        rq.set(Flags::BAL_KEEP);
    }
    verdict
}

fn find_task(rq: &mut Balancing<'_>, prev: &Task) -> DspVerdict {
    let scheduler = Scheduler::from_bits(SCHEDULER.load(Relaxed));

    // The BPF scheduler hears that the CPU is its own again before it is asked for anything.
    if scheduler.has(Scheduler::CPU_PREEMPT) && rq.cpu_released() {
        rq.cpu_acquire();
    }

    let prev_on_scx = prev.on_scx();
    if prev_on_scx {
        rq.update_curr();

        // A task with time left comes first: whatever else was fetched would only have to wait
        // behind it. Not so while bypassing, when all tasks take turns so that a scheduler that
        // hands out endless slices can be thrown out.
        if may_go_on(prev) && !rq.has(Flags::BYPASSING) {
            return DspVerdict::KeepPrev;
        }
    }

    if rq.has_local_tasks() || rq.consume_global() {
        return DspVerdict::Local;
    }

    // C's scx_rq_online() also asks whether the CPU is active, which it stops to be before
    // hotplug waits for a grace period. That may need our tasks to run.
    if rq.has(Flags::BYPASSING) {
        rq.count(counter::BYPASS);
    } else if scheduler.has(Scheduler::HAS_DISPATCH) && rq.has(Flags::ONLINE) {
        let verdict = dispatch_loop(rq, prev, prev_on_scx);
        if verdict != DspVerdict::Nothing {
            return verdict;
        }
    }

    // Better the previous task than none, unless the BPF scheduler wants to be asked.
    if prev.queued() && (!scheduler.has(Scheduler::ENQ_LAST) || rq.has(Flags::BYPASSING)) {
        return DspVerdict::KeepPrev;
    }
    DspVerdict::Nothing
}

/// Asks the BPF scheduler until there is a task to run here or it has none to give.
///
/// What it gives may be gone again, or have been for other CPUs, by the time we look: BPF
/// schedulers rely on being asked again then. So one that only ever gives what cannot run here
/// could hold the CPU with IRQs off for good, were it not for [`DSP_MAX_LOOPS`].
fn dispatch_loop(rq: &mut Balancing<'_>, prev: &Task, prev_on_scx: bool) -> DspVerdict {
    rq.count(counter::DISPATCH);

    for round in 1..=DSP_MAX_LOOPS {
        rq.count(counter::DISPATCH_ROUNDS);
        let produced = rq.dispatch(prev_on_scx.then_some(prev));

        // The lock was dropped: the previous task may have left sched_ext or got a new slice.
        if may_go_on(prev) {
            return DspVerdict::KeepPrev;
        }
        if rq.has_local_tasks() || rq.consume_global() {
            return DspVerdict::Local;
        }

        if round == DSP_MAX_LOOPS {
            rq.count(counter::GUARD_TRIPS);
            // Let this cycle end, which turns IRQs on for the watchdog and others, and come back
            // for another. It is the next task, most likely the idle one, that has to give way;
            // rescheduling the current one now would be forgotten. Hence the detour by irq_work.
            kick::kick(&rq.executing(), rq.cpu(), KickFlags::NONE);
        } else if produced == 0 {
            break;
        }
    }
    DspVerdict::Nothing
}

/// Whether `task` is runnable and has time left.
fn may_go_on(task: &Task) -> bool {
    task.queued() && task.has_slice()
}
