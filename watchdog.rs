// SPDX-License-Identifier: GPL-2.0

//! The watchdog: throws out a BPF scheduler that lets a task starve.
//!
//! C counterpart: `scx_watchdog_workfn()`, `check_rq_for_timeouts()` and `scx_tick()` in
//! [`kernel/sched/ext.c`](srctree/kernel/sched/ext.c).
//!
//! A work item in C runs [`scan`] on an unbound workqueue every [`interval`]. Workqueues need
//! CPUs too, which the BPF scheduler may deny them, so [`tick`] watches the watchdog.
//!
//! Lock order: [`scan`] takes one run queue's lock at a time.

#![deny(unsafe_code)]

use crate::{
    compat::sync::atomic::{
        Atomic,
        Relaxed, //
    },
    sched::{
        counter, cpumask,
        exit::scx_stall,
        rq::{
            Locked,
            Rq, //
        },
        time::{
            cond_resched,
            jiffies,
            jiffies_to_msecs,
            time_after,
            Jiffies, //
        },
    },
};

/// How long a task may be runnable without running, in jiffies.
static TIMEOUT: Atomic = Atomic::new(usize::MAX / 2);

/// When the last scan began, in jiffies.
static TIMESTAMP: Atomic = Atomic::new(0);

/// Begins to watch a scheduler that may leave tasks waiting for `timeout` jiffies.
///
/// # Context
///
/// Hook `enable`: process context under `scx_ops_enable_mutex`, before any task is on sched_ext.
pub(crate) fn enable(timeout: Jiffies) {
    TIMEOUT.store(timeout, Relaxed);
    TIMESTAMP.store(jiffies(), Relaxed);
}

/// Jiffies from one scan to the next.
///
/// Half the timeout, so that no task waits for more than one and a half of it. At least one
/// jiffy: at 0 the work item would requeue itself without a pause, and keep a CPU busy.
pub(crate) fn interval() -> Jiffies {
    (TIMEOUT.load(Relaxed) / 2).max(1)
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
    TIMESTAMP.store(jiffies(), Relaxed);

    counter::count_serialized(counter::SCANS);

    for cpu in cpumask::online().iter() {
        if check_rq_for_timeouts(&Rq::of(cpu).lock_irqsave()) {
            // The scheduler is on its way out, once is enough.
            break;
        }
        cond_resched();
    }
}

/// Says whether a task of `rq` was found stalled, and reports the first one.
fn check_rq_for_timeouts(rq: &Rq<Locked>) -> bool {
    rq.count(counter::SCAN_RQS);

    let timeout = TIMEOUT.load(Relaxed);
    for p in rq.runnable() {
        let runnable_at = p.runnable_at();
        let now = jiffies();
        if !time_after(now, runnable_at.wrapping_add(timeout)) {
            continue;
        }

        let ms = jiffies_to_msecs(now.wrapping_sub(runnable_at));
        rq.count(counter::STALLS);
        // Tools look for these words.
        scx_stall(format_args!(
            "{}[{}] failed to run for {}.{:03}s",
            p.comm().as_bstr(),
            p.pid(),
            ms / 1000,
            ms % 1000
        ));
        return true;
    }
    false
}

/// Checks that the watchdog itself gets to run.
///
/// # Context
///
/// Hook `tick`: hardirq context of every CPU, `rq` is its run queue, locked and pinned.
pub(crate) fn tick(rq: &Rq<Locked>) {
    rq.count(counter::TICK_CHECKS);

    let last_scan = TIMESTAMP.load(Relaxed);
    let now = jiffies();
    if !time_after(now, last_scan.wrapping_add(TIMEOUT.load(Relaxed))) {
        return;
    }

    let ms = jiffies_to_msecs(now.wrapping_sub(last_scan));
    rq.count(counter::TICK_STALLS);
    scx_stall(format_args!(
        "watchdog failed to check in for {}.{:03}s",
        ms / 1000,
        ms % 1000
    ));
}
