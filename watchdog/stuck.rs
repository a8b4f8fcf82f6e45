// SPDX-License-Identifier: GPL-2.0

//! CPUs that are stuck while they look for a task, and who notices.
//!
//! A CPU in the dispatch path has IRQs off, so it cannot notice itself. The others look at it in
//! their ticks, and the scan does in case that none ticks.

#![deny(unsafe_code)]

use super::clock::TICKS_PER_LOOK;
use crate::{
    compat::{
        cpu::CpuId,
        sync::atomic::{
            Atomic,
            Relaxed, //
        },
    },
    sched::{
        counter,
        cpumask,
        exit::scx_report,
        pass::PassState,
        report::{
            Kind,
            Report, //
        },
        rq::{
            cpus_may_vanish,
            Locked,
            Rq, //
        },
        time::{
            jiffies_to_msecs,
            msecs_to_jiffies,
            since,
            Jiffies, //
        },
        watch::Watch, //
    },
};

/// How long a CPU may be in one pass of the dispatch path without getting on: where it runs all the
/// time or somebody says if it does not, and elsewhere.
const MAX_DISPATCH_MS: u32 = 1000;
const MAX_DISPATCH_GUESSED_MS: u32 = 4000;

/// The one that holds here, in jiffies.
static MAX_DISPATCH: Atomic = Atomic::new(usize::MAX / 2);

/// For so long another CPU must have watched it not get on; and what counts at most from one of its
/// ticks to the next, as the machine may have been stopped.
const MIN_WATCHED_MS: u32 = 500;
const MAX_GAP_MS: u32 = 25;

/// A CPU that has been in a pass for so long may be stuck, and its lock is better not waited for.
const MAX_WAIT_MS: u32 = 20;

/// Begins to look.
pub(super) fn enable() {
    let ms = if cpus_may_vanish() {
        MAX_DISPATCH_GUESSED_MS
    } else {
        MAX_DISPATCH_MS
    };
    MAX_DISPATCH.store(msecs_to_jiffies(ms), Relaxed);
}

/// Looks at one other CPU, and at the next one the next time unless this one is looking for a task
/// then, which is what it says: it is to be looked at in each tick. That takes long only if it is
/// stuck there. All CPUs begin with their neighbours, so that there is somebody for each.
///
/// What has been watched is made up of `gap`s between own looks: a stopped machine has none. A CPU
/// that a hypervisor has taken away is not watched.
#[inline]
pub(super) fn check_buddy(rq: &Rq<Locked>, watch: &Watch, now: Jiffies, gap: Jiffies) -> bool {
    let Some(buddy) = CpuId::from_u32(watch.buddy.load(Relaxed) as u32) else {
        return false;
    };
    let pass = PassState::of(buddy);
    if pass.is_inside() && buddy != rq.cpu() {
        watch_buddy(rq, watch, gap, buddy, pass);
        return true;
    }
    if now % TICKS_PER_LOOK == 0 {
        let next = cpumask::online().next_around(buddy).unwrap_or(buddy);
        watch.buddy.store(next.as_u32() as usize, Relaxed);
    }
    false
}

/// This CPU may be next to get stuck, on the lock that the other one holds, and others may be
/// already. So who comes late, or ticks but now and then, has to do.
#[cold]
fn watch_buddy(rq: &Rq<Locked>, watch: &Watch, gap: Jiffies, buddy: CpuId, pass: PassState) {
    if Rq::of(buddy).cpu_is_taken() {
        return;
    }
    let mut time = watch.buddy_time.load(Relaxed);
    if watch.buddy_pass.load(Relaxed) == pass.to_bits() {
        time = time.wrapping_add(gap.min(msecs_to_jiffies(MAX_GAP_MS)));
    } else {
        watch.buddy_pass.store(pass.to_bits(), Relaxed);
        time = 0;
    }
    let began = Watch::of(buddy).passed_at.load(Relaxed);
    if time > msecs_to_jiffies(MIN_WATCHED_MS) && since(began) > MAX_DISPATCH.load(Relaxed) {
        rq.count(counter::STUCK_DISPATCHES);
        report_stuck(buddy, Watch::of(buddy));
        time = 0;
    }
    watch.buddy_time.store(time, Relaxed);
}

/// Whether a CPU is stuck while it looks for a task.
pub(super) enum Stuck {
    No,
    /// It has been at it for a while, and its lock is held, most likely. If the last scan had seen
    /// that, too, and it is long, it would be certain: what is seen once may be a machine that was
    /// stopped.
    Maybe,
    Yes,
}

/// As [`check_buddy`], for the scan: if all other CPUs idle, none ticks.
///
/// Passes that only take a while keep one scan in two from the CPU's tasks at most, or a BPF
/// scheduler could hide them.
pub(super) fn find_stuck(watch: &Watch) -> Stuck {
    let pass = PassState::from_watch(watch);
    let last = PassState::from_bits(watch.scanned_pass.load(Relaxed));
    let time = since(watch.passed_at.load(Relaxed));
    let long = time > MAX_DISPATCH.load(Relaxed);

    if !pass.is_inside()
        || time <= msecs_to_jiffies(MAX_WAIT_MS)
        || (last.is_inside() && pass != last && !long)
    {
        if last.is_inside() {
            watch.scanned_pass.store(0, Relaxed);
        }
        return Stuck::No;
    }
    watch.scanned_pass.store(pass.to_bits(), Relaxed);
    if long && pass == last {
        Stuck::Yes
    } else {
        Stuck::Maybe
    }
}

#[cold]
pub(super) fn report_stuck(cpu: CpuId, watch: &Watch) {
    let passed_at = watch.passed_at.load(Relaxed);
    let ms = jiffies_to_msecs(since(passed_at));
    let report = Report {
        passed_at: Some(passed_at),
        ..Report::new(Kind::Stuck, cpu, ms)
    };
    scx_report(
        &report,
        format_args!(
            "CPU {} is stuck in the dispatch path since {ms} ms",
            cpu.as_u32()
        ),
    );
}

#[cfg(CONFIG_KUNIT)]
mod tests {
    use super::*;
    use crate::{
        compat::kunit::{
            assert,
            kunit_tests, //
        },
        sched::time::jiffies,
    };

    kunit_tests!(rust_scx_stuck: [
        not_inside_is_not_stuck,
        not_for_long_is_not_stuck,
        stuck_if_found_twice,
        who_gets_on_is_not_stuck,
        for_a_while_is_not_stuck,
        long_after_a_while_is_stuck,
        one_scan_in_two_at_most_is_kept_away,
    ]);

    /// A CPU that has been inside of a pass for longer than it may, by `more`.
    fn inside_for(more: Jiffies) -> Watch {
        let watch = Watch::unused();
        let long = MAX_DISPATCH.load(Relaxed).wrapping_add(more);
        watch.pass.store(1, Relaxed);
        watch.passed_at.store(jiffies().wrapping_sub(long), Relaxed);
        watch
    }

    fn not_inside_is_not_stuck() {
        let watch = inside_for(1000);
        watch.pass.store(0, Relaxed);
        for _ in 0..3 {
            assert!(matches!(find_stuck(&watch), Stuck::No));
        }
    }

    fn not_for_long_is_not_stuck() {
        let watch = inside_for(0);
        for _ in 0..3 {
            watch.passed_at.store(jiffies(), Relaxed);
            assert!(matches!(find_stuck(&watch), Stuck::No));
        }
    }

    fn stuck_if_found_twice() {
        let watch = inside_for(1000);
        assert!(matches!(find_stuck(&watch), Stuck::Maybe));
        assert!(matches!(find_stuck(&watch), Stuck::Yes));
        assert!(matches!(find_stuck(&watch), Stuck::Yes));
    }

    fn who_gets_on_is_not_stuck() {
        let watch = inside_for(1000);
        for _ in 0..3 {
            assert!(matches!(find_stuck(&watch), Stuck::Maybe));
            // One step.
            watch
                .pass
                .store(watch.pass.load(Relaxed).wrapping_add(4), Relaxed);
        }
    }

    /// A CPU that has been inside of a pass for a while.
    fn inside_for_a_while() -> Watch {
        let watch = inside_for(0);
        let a_while = msecs_to_jiffies(2 * MAX_WAIT_MS);
        watch
            .passed_at
            .store(jiffies().wrapping_sub(a_while), Relaxed);
        watch
    }

    fn for_a_while_is_not_stuck() {
        let watch = inside_for_a_while();
        for _ in 0..3 {
            assert!(matches!(find_stuck(&watch), Stuck::Maybe));
        }
    }

    fn long_after_a_while_is_stuck() {
        let watch = inside_for_a_while();
        assert!(matches!(find_stuck(&watch), Stuck::Maybe));
        let passed_at = inside_for(1000).passed_at.load(Relaxed);
        watch.passed_at.store(passed_at, Relaxed);
        assert!(matches!(find_stuck(&watch), Stuck::Yes));
    }

    fn one_scan_in_two_at_most_is_kept_away() {
        let watch = inside_for_a_while();
        for _ in 0..3 {
            assert!(matches!(find_stuck(&watch), Stuck::Maybe));
            watch
                .pass
                .store(watch.pass.load(Relaxed).wrapping_add(4), Relaxed);
            assert!(matches!(find_stuck(&watch), Stuck::No));
        }
    }
}
