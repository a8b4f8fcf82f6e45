// SPDX-License-Identifier: GPL-2.0

//! The watchdog: throws out a BPF scheduler that lets a task starve.
//!
//! C counterpart: `scx_watchdog_workfn()`, `check_rq_for_timeouts()` and `scx_tick()` in
//! [`kernel/sched/ext.c`](srctree/kernel/sched/ext.c).
//!
//! A work item in C runs [`scan`] on an unbound workqueue every [`interval`]. Workqueues need
//! CPUs too, which the BPF scheduler may deny them, so [`tick()`] watches the watchdog. It also
//! watches another CPU: one that is stuck in `ops.dispatch()` starves more than tasks.
//!
//! Not every task that waits for long does so through the BPF scheduler's fault: see [`Excuse`].
//! `Documentation/watchdog.md` has the rules, and why they cannot be made use of for long.
//!
//! Lock order: [`scan`] takes one run queue's lock at a time.

#![deny(unsafe_code)]

mod clock;
mod excuse;
mod stall;
mod stuck;
mod tick;

use self::{
    clock::{
        absence,
        grant,
        DEADLINE,
        GRACED,
        GRANT_TIMEOUTS,
        LENIENT,
        MACHINE_GRANTED_AT,
        MACHINE_SINCE,
        SCANNED_AT,
        TIMEOUT,
        TIMESTAMP, //
    },
    excuse::{
        is_stalled,
        tell,
        Excuse,
        Excused, //
    },
    stall::report_stall,
    stuck::{
        find_stuck,
        report_stuck,
        Stuck, //
    }, //
};
use crate::{
    compat::{
        cpu::CpuId,
        sync::atomic::Relaxed, //
    },
    sched::{
        counter,
        cpumask,
        pass,
        rq::Rq,
        time::{
            cond_resched,
            jiffies,
            jiffies_to_msecs,
            time_after,
            Jiffies, //
        },
        watch::Watch, //
    },
};
use kernel::prelude::*;

pub(crate) use self::{
    clock::interval,
    tick::tick, //
};

/// How many tasks are looked at before a run queue's lock is dropped, and IRQs are let in.
const SCAN_STEP: usize = 64;

/// Begins to watch a scheduler that may leave tasks waiting for `timeout` jiffies.
///
/// # Context
///
/// Hook `enable`: process context under `scx_ops_enable_mutex`, before any task is on sched_ext.
pub(crate) fn enable(timeout: Jiffies) {
    let now = jiffies();
    let long_ago = now.wrapping_sub(timeout.wrapping_mul(GRANT_TIMEOUTS));

    TIMEOUT.store(timeout, Relaxed);
    TIMESTAMP.store(now, Relaxed);
    SCANNED_AT.store(now, Relaxed);
    // Not that of any scan to come.
    GRACED.store(now.wrapping_sub(1), Relaxed);
    DEADLINE.store(now.wrapping_add(timeout), Relaxed);
    MACHINE_SINCE.store(now, Relaxed);
    MACHINE_GRANTED_AT.store(long_ago, Relaxed);
    LENIENT.store(0, Relaxed);
    stuck::enable();

    for cpu in cpumask::possible().iter() {
        let watch = Watch::of(cpu);
        pass::reset(cpu);
        watch.passed_at.store(now, Relaxed);
        watch.looked_at.store(now, Relaxed);
        watch.no_look_until.store(now, Relaxed);
        watch.buddy.store(cpu.as_u32() as usize, Relaxed);
        watch.kicks.store(0, Relaxed);
        let trips = counter::read(cpu, counter::GUARD_TRIPS);
        watch.old_trips.store(trips as usize, Relaxed);
        watch.scanned_pass.store(0, Relaxed);
        watch.bound_since.store(now, Relaxed);
        watch.local_since.store(now, Relaxed);
        watch.granted_at.store(long_ago, Relaxed);
        watch.told_at.store(long_ago, Relaxed);
    }
}

/// Looks for tasks that have been waiting for too long, on all CPUs.
///
/// # Context
///
/// Hook `watchdog_scan`: process context, a work item of which one runs at a time. Takes the run
/// queues' locks with IRQs off, one after the other, and may sleep in between.
#[doc(alias = "scx_watchdog_workfn")]
pub(crate) fn scan() {
    // First, since it is being late that the tick looks for, not being slow.
    let now = jiffies();
    TIMESTAMP.store(now, Relaxed);
    DEADLINE.store(now.wrapping_add(TIMEOUT.load(Relaxed)), Relaxed);

    counter::count_serialized(counter::SCANS);
    check_lateness(now);

    for cpu in cpumask::online().iter() {
        if check_cpu(cpu) {
            // The scheduler is on its way out, once is enough.
            break;
        }
        cond_resched();
    }
    SCANNED_AT.store(jiffies(), Relaxed);
}

/// Lets all waits begin anew if the scan comes much too late.
///
/// The machine may have been stopped, and all tasks with it. Or the BPF scheduler let the work item
/// wait: [`grant`] sees to it that this does not help it for long.
fn check_lateness(now: Jiffies) {
    let due = SCANNED_AT.load(Relaxed).wrapping_add(interval());
    if !time_after(now, due.wrapping_add(absence())) {
        return;
    }
    if LENIENT.load(Relaxed) != 0 || grant(&MACHINE_GRANTED_AT) {
        LENIENT.store(0, Relaxed);
        counter::count_serialized(counter::SCANS_LATE);
        MACHINE_SINCE.store(now, Relaxed);
        pr_info!(
            "the watchdog is {} ms late, tasks may have waited through no fault of the scheduler\n",
            jiffies_to_msecs(now.wrapping_sub(due))
        );
    }
}

/// Says whether the scheduler was thrown out for what it did to `cpu`.
fn check_cpu(cpu: CpuId) -> bool {
    let watch = Watch::of(cpu);
    // It is the scan alone that counts these.
    counter::count(cpu, counter::SCAN_RQS);

    match find_stuck(watch) {
        Stuck::No => (),
        // To wait for its lock with IRQs off is to get stuck with it.
        Stuck::Maybe => return false,
        Stuck::Yes => {
            report_stuck(cpu, watch);
            return true;
        }
    }

    let rq = Rq::of(cpu);
    // A task that is missed here has not been waiting for long.
    if !rq.has_runnable() {
        return false;
    }

    let mut told = None;
    let stalled = check_rq_for_timeouts(rq, watch, &mut told);
    if let Some(excused) = told {
        tell(watch, &excused);
    }
    stalled
}

/// Looks at all tasks that wait on `rq` from now to the end of the scan, a few at a time.
///
/// Those that have been looked at are put behind the others, where new ones come too. So after as
/// many as there were at the beginning, each of these has been at the front, or has left.
fn check_rq_for_timeouts(rq: &Rq, watch: &Watch, told: &mut Option<Excused>) -> bool {
    let mut excuse = None;
    let mut left = None;
    loop {
        let mut rq = rq.lock_irqsave();
        rq.count(counter::SCAN_LOCKS);
        let todo = left.unwrap_or_else(|| {
            excuse = Excuse::find(&rq, watch);
            if excuse == Some(Excuse::Class) {
                watch.bound_since.store(jiffies(), Relaxed);
            }
            rq.nr_runnable()
        });

        // Hardly ever has one waited for that long: all that is read of the others.
        let bound = jiffies().wrapping_sub(TIMEOUT.load(Relaxed));
        let mut seen = 0;
        for p in rq.runnable().take(todo.min(SCAN_STEP)) {
            if time_after(bound, p.runnable_at()) && is_stalled(&rq, watch, p, excuse, told) {
                report_stall(&rq, watch, p);
                return true;
            }
            seen += 1;
        }
        counter::add(rq.cpu(), counter::SCAN_TASKS, seen as u64);

        // No more than a step, or no more tasks.
        if seen < SCAN_STEP || seen == todo {
            return false;
        }
        rq.rotate_runnable(seen);
        left = Some(todo.saturating_sub(seen));
        drop(rq);
        cond_resched();
    }
}

/// `cpu` was kicked.
///
/// # Context
///
/// Its run queue's lock is held.
pub(crate) fn kicked(cpu: CpuId) {
    let watch = Watch::of(cpu);
    watch.kicked_at.store(jiffies(), Relaxed);
    watch.kicks.store(1, Relaxed);
}
