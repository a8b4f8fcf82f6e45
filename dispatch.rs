// SPDX-License-Identifier: GPL-2.0

//! The dispatch loop: finds the next task for a CPU, or asks the BPF scheduler for one.
//!
//! C counterpart: `balance_one()` and the rest of `balance_scx()` in
//! [`kernel/sched/ext.c`](srctree/kernel/sched/ext.c). The core scheduler calls it before it picks
//! the next task of a CPU whose current one is of sched_ext or idle.
//!
//! Lock order: a run queue's, then a DSQ's. Run queues are locked one at a time: what is called
//! on the way may drop the lock and take others, so nothing read before is used after.

#![deny(unsafe_code)]

mod consume;
mod finish;
mod fit;

use crate::{
    kick,
    sched::{
        counter,
        dsp_ctx::DspCtx,
        dsq::{
            self,
            Dsq, //
        },
        exit::scx_error,
        kick_flags::KickFlags,
        ops_state::Owned,
        pass::{
            self,
            Pass, //
        },
        pending::Caller,
        relock::Relock,
        rq::{
            Balancing,
            Flags,
            Locked,
            Rq,
            ThisRq, //
        },
        scan::Scan,
        scheduler::{
            self,
            Scheduler, //
        },
        task::Task,
        trace, //
    }, //
};

/// How often the BPF scheduler is asked in one cycle before other work gets its turn.
#[doc(alias = "SCX_DSP_MAX_LOOPS")]
const DSP_MAX_LOOPS: u32 = 32;

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

/// Balances `rq` with what takes no search: a task that goes on, or one on the local DSQ. `None` if
/// it takes one, which is [`balance_by_search`]; else [`settle`] comes next.
///
/// Has no use for data of ours, so none of it has to be kept while the kernel is called.
///
/// # Context
///
/// Hook `balance`: any context that schedules, IRQs off. `rq` is that of the executing CPU, locked
/// and unpinned on entry and return, its clock up to date. Does not sleep. The lock stays held.
#[inline(always)]
pub(crate) fn balance_at_hand(rq: &mut Rq<Locked>, prev: &Task) -> Option<DspVerdict> {
    if is_shared(rq) {
        return None;
    }
    rq.forget_balance();
    at_hand(rq, prev)
}

/// Tells the pick and others what was [at hand](balance_at_hand).
///
/// # Context
///
/// As [`balance_at_hand`], which just said so.
#[inline(always)]
pub(crate) fn settle(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>, verdict: DspVerdict) {
    if verdict == DspVerdict::KeepPrev {
        keep_prev(this_rq, rq);
        rq.move_pick_seq();
    }
    pass::come_by(this_rq);
    pass::set_found(this_rq);
    this_rq.count(counter::BALANCE);
}

/// Makes sure that `rq` and, where core scheduling picks for them too, its SMT siblings have a
/// task to run next to the one they run, `prev` on `rq`.
///
/// # Context
///
/// As [`balance_at_hand`], which came to nothing and has not given up the lock since. The lock is
/// dropped and retaken in between.
#[doc(alias = "balance_scx")]
#[inline(always)]
pub(crate) fn balance_by_search(
    this_rq: &ThisRq<'_>,
    rq: &mut Rq<Locked>,
    prev: &Task,
) -> DspVerdict {
    pass::come_by(this_rq);
    let mut pass = Pass::begin(this_rq);
    // Once for all siblings: the search for one must not forget what that for another left.
    Scan::of(this_rq).begin();

    let verdict = if is_shared(rq) {
        balance_core(this_rq, rq, prev)
    } else {
        this_rq.count(counter::BALANCE);
        let verdict = search(this_rq, rq, prev);
        if verdict != DspVerdict::Nothing {
            pass.set_found();
        }
        if verdict == DspVerdict::KeepPrev {
            keep_prev(this_rq, rq);
        }
        verdict
    };

    // From here to the pick no lock is dropped: who waits for a task that goes on has its answer.
    if verdict == DspVerdict::KeepPrev {
        rq.move_pick_seq();
    }
    verdict
}

/// Whether SMT siblings have a say in what is picked here.
fn is_shared(rq: &Rq<Locked>) -> bool {
    rq.picks_for_siblings() || rq.has(Flags::IN_BALANCE)
}

/// Balances the run queues of a core. It may leave the CPU idle, whatever is found.
#[cold]
#[inline(never)]
fn balance_core(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>, prev: &Task) -> DspVerdict {
    let verdict = balance_one(this_rq, rq, prev);
    rq.for_each_sibling(|rq, prev| {
        rq.update_clock();
        let _ = balance_one(this_rq, rq, prev);
    });
    rq.for_each_sibling(|rq, _| {
        if rq.has(Flags::BAL_KEEP) {
            rq.move_pick_seq();
        }
    });

    // Each may have dropped the lock that they share.
    if is_valid(verdict, rq, prev) {
        verdict
    } else {
        balance_one(this_rq, rq, prev)
    }
}

/// Whether a verdict from before the lock was dropped still holds.
fn is_valid(verdict: DspVerdict, rq: &Rq<Locked>, prev: &Task) -> bool {
    match verdict {
        DspVerdict::Local => rq.has_local_tasks(),
        DspVerdict::KeepPrev => prev.queued(),
        DspVerdict::Nothing => true,
    }
}

/// Balances one run queue of a core.
#[doc(alias = "dispatch_one")]
#[inline(never)]
fn balance_one(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>, prev: &Task) -> DspVerdict {
    this_rq.count(counter::BALANCE);

    // A sibling's CPU is at it and has dropped the lock for now. What it finds it puts there, and
    // the pick comes back if that is late: it sees that this balance was none.
    if rq.has(Flags::IN_BALANCE) {
        this_rq.count(counter::BALANCE_TWICE);
        return if prev.queued() {
            DspVerdict::KeepPrev
        } else {
            DspVerdict::Nothing
        };
    }

    rq.forget_balance();
    let verdict = at_hand(rq, prev).unwrap_or_else(|| search(this_rq, rq, prev));
    if verdict == DspVerdict::KeepPrev {
        keep_prev(this_rq, rq);
    }
    verdict
}

/// Tells the pick that the previous task goes on.
fn keep_prev(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>) {
    this_rq.count(counter::KEEP_PREV);
    rq.set(Flags::BAL_KEEP);
}

/// What is there without a search.
#[inline(always)]
fn at_hand(rq: &mut Rq<Locked>, prev: &Task) -> Option<DspVerdict> {
    // The BPF scheduler is to be told first, see `search`.
    if Scheduler::current().has(Scheduler::CPU_PREEMPT) && rq.cpu_released() {
        return None;
    }

    if prev.on_scx() {
        rq.update_curr();
        // The same, read anew: it takes less than to keep it while the kernel is called.
        let prev = rq.curr();

        // A task with time left comes first: whatever else was fetched would only have to wait
        // behind it. Not so while bypassing, when all tasks take turns so that a scheduler that
        // hands out endless slices can be thrown out.
        if may_go_on(prev) && !rq.has(Flags::BYPASSING) {
            return Some(DspVerdict::KeepPrev);
        }
    }
    rq.has_local_tasks().then_some(DspVerdict::Local)
}

/// Looks for a task elsewhere, as there is none [at hand](at_hand).
#[inline(always)]
fn search(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>, prev: &Task) -> DspVerdict {
    let scheduler = Scheduler::current();

    // However the search ends, the guard clears IN_BALANCE.
    let rq = &mut rq.enter_balance();

    // The BPF scheduler hears that the CPU is its own again before it is asked for anything.
    if scheduler.has(Scheduler::CPU_PREEMPT) && rq.cpu_released() {
        rq.cpu_acquire();
        if let Some(verdict) = at_hand(rq, prev) {
            return verdict;
        }
    }

    if consume_global(this_rq, rq) {
        return DspVerdict::Local;
    }

    // C's scx_rq_online() also asks whether the CPU is active, which it stops to be before
    // hotplug waits for a grace period. That may need our tasks to run.
    if rq.has(Flags::BYPASSING) {
        this_rq.count(counter::BYPASS);
    } else if scheduler.has(Scheduler::HAS_DISPATCH) && rq.has(Flags::ONLINE) {
        let verdict = dispatch_loop(this_rq, rq, prev);
        if verdict != DspVerdict::Nothing {
            return verdict;
        }
    }

    // Better the previous task than none, unless the BPF scheduler wants to be asked.
    if prev.queued()
        && (!scheduler.has(Scheduler::ENQ_LAST) || rq.has(Flags::BYPASSING))
        && rq.runs(prev)
    {
        return DspVerdict::KeepPrev;
    }
    DspVerdict::Nothing
}

/// Asks the BPF scheduler until there is a task to run here or it has none to give.
///
/// What it gives may be gone again, or have been for other CPUs, by the time we look: BPF
/// schedulers rely on being asked again then. So one that only ever gives what cannot run here
/// could hold the CPU with IRQs off for good, were it not for [`DSP_MAX_LOOPS`].
#[inline(always)]
fn dispatch_loop(this_rq: &ThisRq<'_>, rq: &mut Balancing<'_>, prev: &Task) -> DspVerdict {
    this_rq.count(counter::DISPATCH);
    let Some(mut ctx) = DspCtx::of(this_rq) else {
        return DspVerdict::Nothing;
    };

    for round in 1..=DSP_MAX_LOOPS {
        this_rq.count(counter::DISPATCH_ROUNDS);
        ctx.begin(rq);
        let prev_runs = prev.on_scx() && rq.runs(prev);
        rq.call_dispatch(prev_runs.then_some(prev));
        finish::flush(this_rq, rq, &mut ctx);
        kick::carry_out_pending(this_rq);

        // The lock was dropped: the previous task may have left sched_ext or got a new slice. That of
        // a sibling may have been switched away from, which takes no balance if that was picked for.
        if may_go_on(prev) && rq.runs(prev) {
            return DspVerdict::KeepPrev;
        }
        if rq.has_local_tasks() || consume_global(this_rq, rq) {
            return DspVerdict::Local;
        }

        match after_round(round, ctx.nr_tasks()) {
            Next::Round => (),
            Next::Enough => break,
            Next::Trip => {
                rq.count(counter::GUARD_TRIPS);
                trace::guard_trip(rq.cpu(), round);
                // Let this cycle end, which turns IRQs on for the watchdog and others, and come
                // back for another. It is the next task, most likely the idle one, that has to
                // give way; rescheduling the current one now would be forgotten. Hence the detour
                // by irq_work.
                kick::kick(*this_rq, rq.cpu(), KickFlags::NONE, Caller::of(this_rq));
            }
        }
        pass::get_on(this_rq);
    }
    DspVerdict::Nothing
}

/// What comes after a round of the dispatch loop that brought nothing to run here.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Next {
    /// Another one, as there may be something now.
    Round,
    /// No other: the BPF scheduler has nothing to give.
    Enough,
    /// No other in this cycle, whatever it has.
    Trip,
}

/// The guard: `nr_tasks` is what that round, the `round`th, has produced.
#[inline(always)]
fn after_round(round: u32, nr_tasks: u32) -> Next {
    if round >= DSP_MAX_LOOPS {
        Next::Trip
    } else if nr_tasks == 0 {
        Next::Enough
    } else {
        Next::Round
    }
}

/// Whether `task` is runnable and has time left.
fn may_go_on(task: &Task) -> bool {
    task.queued() && task.has_slice()
}

/// Takes a task from the global DSQ of the CPU's node.
#[doc(alias = "consume_global_dsq")]
#[inline(always)]
fn consume_global(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>) -> bool {
    // While a scheduler is being thrown out, this is where all tasks are.
    Dsq::global(rq.cpu()).is_some_and(|dsq| consume::consume(this_rq, rq, dsq, || true))
}

/// Takes a task from the user DSQ with that ID, after what `ops.dispatch()` asked for so far.
///
/// # Context
///
/// Hook `consume`: from `ops.dispatch()` for `rq`, which is locked as in [`balance_by_search`].
#[doc(alias = "scx_bpf_consume")]
pub(crate) fn consume(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>, dsq_id: u64) -> bool {
    let Some(mut ctx) = DspCtx::of(this_rq) else {
        return false;
    };
    finish::flush(this_rq, rq, &mut ctx);

    let Some(dsq) = Dsq::user(this_rq, dsq_id) else {
        report_invalid(dsq_id);
        return false;
    };
    let consumed = consume::consume(this_rq, rq, dsq, || !scheduler::is_leaving());
    if consumed {
        // It may be gone again before it runs, which is a reason to ask once more.
        ctx.add_tasks(1);
    }
    consumed
}

#[cold]
fn report_invalid(dsq_id: u64) {
    scx_error(format_args!("invalid DSQ ID 0x{dsq_id:016x}"));
}

/// Puts a task that was enqueued for the local DSQ of another CPU there.
///
/// # Context
///
/// Hook `to_local`: `rq` is that of the task, locked and unpinned; its lock is dropped and retaken
/// on the way.
pub(crate) fn to_local(
    this_rq: &ThisRq<'_>,
    rq: &mut Rq<Locked>,
    owned: Owned<'_>,
    to: &'static Rq,
    enq_flags: u64,
) {
    finish::put_on_local(this_rq, &mut Relock::new(rq), owned, to, enq_flags);
}

/// Goes on with a scan that was too long for one cycle, unless there is something to run.
///
/// # Context
///
/// After a switch of tasks, `rq` is that of the executing CPU and locked.
pub(crate) fn come_back(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>) {
    if Scan::of(this_rq).is_unfinished() && rq.curr().below_scx() {
        rq.resched_curr();
    }
}

/// Undoes what a scheduler has left.
///
/// # Context
///
/// Hook `disable`: process context under `scx_ops_enable_mutex`, no task on sched_ext.
pub(crate) fn disable() {
    scheduler::clear();
    dsq::recall_cursors();
}

#[cfg(CONFIG_KUNIT)]
mod tests {
    use super::*;
    use crate::compat::kunit::{
        assert,
        assert_eq,
        kunit_tests, //
    };

    kunit_tests!(rust_scx_guard: [
        goes_on_as_long_as_there_is_something,
        ends_when_there_is_nothing,
        trips_after_32_rounds,
        trips_whatever_the_last_round_brought,
    ]);

    fn goes_on_as_long_as_there_is_something() {
        for round in 1..DSP_MAX_LOOPS {
            assert!(after_round(round, 1) == Next::Round);
            assert!(after_round(round, u32::MAX) == Next::Round);
        }
    }

    fn ends_when_there_is_nothing() {
        for round in 1..DSP_MAX_LOOPS {
            assert!(after_round(round, 0) == Next::Enough);
        }
    }

    fn trips_after_32_rounds() {
        let rounds = (1..).take_while(|&round| after_round(round, 1) == Next::Round);
        assert_eq!(rounds.count() + 1, 32);
        assert!(after_round(32, 1) == Next::Trip);
    }

    fn trips_whatever_the_last_round_brought() {
        for nr_tasks in [0, 1, u32::MAX] {
            assert!(after_round(DSP_MAX_LOOPS, nr_tasks) == Next::Trip);
            assert!(after_round(u32::MAX, nr_tasks) == Next::Trip);
        }
    }
}
