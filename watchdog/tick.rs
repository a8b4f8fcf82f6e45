// SPDX-License-Identifier: GPL-2.0

//! What CPUs look after in their ticks: the scan, and each other.

#![deny(unsafe_code)]

use super::{
    clock::{
        absence,
        grant,
        DEADLINE,
        GRACED,
        LENIENT,
        MACHINE_GRANTED_AT,
        TICKS_PER_LOOK,
        TIMEOUT,
        TIMESTAMP, //
    },
    stuck::check_buddy, //
};
use crate::{
    compat::{
        cpu::CpuId,
        sync::atomic::{
            Acquire,
            Relaxed,
            Release, //
        },
    },
    sched::{
        counter,
        cpumask,
        exit::scx_report,
        pass::PassState,
        report::{
            Curr,
            Kind,
            Report, //
        },
        rq::{
            Locked,
            Rq, //
        },
        time::{
            jiffies,
            jiffies_to_msecs,
            msecs_to_jiffies,
            since,
            time_after,
            Jiffies, //
        },
        watch::Watch, //
    },
};

/// Checks that the watchdog itself gets to run, and that another CPU is not stuck.
///
/// # Context
///
/// Hook `tick`: hardirq context of every CPU, `rq` is its run queue, locked and pinned.
#[inline(always)]
pub(crate) fn tick(rq: &Rq<Locked>) {
    let now = jiffies();
    let watch = Watch::of(rq.cpu());
    if time_after(now, watch.no_look_until.load(Relaxed)) {
        look(rq, watch, now);
    }
}

/// What one tick in [`TICKS_PER_LOOK`] does.
#[inline(never)]
fn look(rq: &Rq<Locked>, watch: &Watch, now: Jiffies) {
    rq.count(counter::TICK_CHECKS);

    let gap = now.wrapping_sub(watch.looked_at.load(Relaxed));
    watch.looked_at.store(now, Relaxed);

    if time_after(now, DEADLINE.load(Relaxed)) {
        check_deadline(rq, now);
    }
    let watches = check_buddy(rq, watch, now, gap);
    // All CPUs look in the same ticks, as they began with a buddy each.
    let until = if watches {
        now
    } else {
        now | (TICKS_PER_LOOK - 1)
    };
    watch.no_look_until.store(until, Relaxed);
}

/// The scan is overdue: throws the scheduler out, but for the first time.
///
/// A machine that was stopped finds itself here in its first tick, before any work item can run.
/// So there is a second look a little later.
#[cold]
fn check_deadline(rq: &Rq<Locked>, now: Jiffies) {
    let timeout = TIMEOUT.load(Relaxed);
    let last_scan = TIMESTAMP.load(Relaxed);

    if !time_after(now, last_scan.wrapping_add(timeout)) {
        // The scan has only just begun, or another CPU in here wrote after it.
        DEADLINE.store(last_scan.wrapping_add(timeout), Relaxed);
        return;
    }
    // ORDERING: Pairs with the release below: who sees that there is a grace sees until when.
    if GRACED.load(Acquire) != last_scan {
        rq.count(counter::TICK_GRACES);
        let grace = msecs_to_jiffies(1000).min(timeout / 2).max(1);
        DEADLINE.store(now.wrapping_add(grace), Relaxed);
        // ORDERING: Pairs with the acquire above.
        GRACED.store(last_scan, Release);
        return;
    }
    if !time_after(now, DEADLINE.load(Relaxed)) {
        return;
    }
    // The work item, or the timer that starts it, may be on a CPU that stands still.
    if cpumask::online().iter().any(stands_still) && grant(&MACHINE_GRANTED_AT) {
        rq.count(counter::TICK_GRACES);
        LENIENT.store(1, Relaxed);
        DEADLINE.store(now.wrapping_add(timeout), Relaxed);
        return;
    }

    let ms = jiffies_to_msecs(now.wrapping_sub(last_scan));
    rq.count(counter::TICK_STALLS);
    let curr = Curr::of(rq);
    let report = Report {
        curr: Some(curr),
        ..Report::new(Kind::Watchdog, rq.cpu(), ms)
    };
    scx_report(
        &report,
        format_args!(
            "watchdog failed to check in for {}.{:03}s, says CPU {} running {}",
            ms / 1000,
            ms % 1000,
            rq.cpu().as_u32(),
            curr
        ),
    );
}

/// Whether `cpu` should tick, and does not, outside of the dispatch path.
fn stands_still(cpu: CpuId) -> bool {
    let watch = Watch::of(cpu);
    !PassState::from_watch(watch).is_inside()
        && since(watch.passed_at.load(Relaxed)) > absence()
        && since(watch.looked_at.load(Relaxed)) > absence()
        && !Rq::of(cpu).idles()
}
