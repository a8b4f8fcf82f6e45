// SPDX-License-Identifier: GPL-2.0

//! The watchdog: throws out a BPF scheduler that lets a task starve.
//!
//! C counterpart: `scx_watchdog_workfn()`, `check_rq_for_timeouts()` and `scx_tick()` in
//! [`kernel/sched/ext.c`](srctree/kernel/sched/ext.c).
//!
//! A work item in C runs [`scan`] on an unbound workqueue every [`interval`]. Workqueues need
//! CPUs too, which the BPF scheduler may deny them, so [`tick`] watches the watchdog. It also
//! watches another CPU: one that is stuck in `ops.dispatch()` starves more than tasks.
//!
//! Not every task that waits for long does so through the BPF scheduler's fault: see [`Excuse`].
//! `Documentation/watchdog.md` has the rules, and why they cannot be made use of for long.
//!
//! Lock order: [`scan`] takes one run queue's lock at a time.

#![deny(unsafe_code)]

mod stuck;

use self::stuck::{
    check_buddy,
    find_stuck,
    found_again,
    report_stuck,
    Stuck,
    TICKS_PER_LOOK, //
};
use crate::{
    compat::{
        cpu::CpuId,
        sync::atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
    },
    sched::{
        counter,
        cpumask,
        exit::scx_report,
        pass::{
            self,
            PassState, //
        },
        report::{
            Kind,
            Report, //
        },
        rq::{
            waiting::{
                Class,
                Place, //
            },
            Locked,
            Rq, //
        },
        task::{
            Comm,
            Task, //
        },
        time::{
            cond_resched,
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
use kernel::prelude::*;

/// How many tasks are looked at before a run queue's lock is dropped, and IRQs are let in.
const SCAN_STEP: usize = 64;

/// An excuse that is a guess is accepted once in so many timeouts.
const GRANT_TIMEOUTS: usize = 8;

/// How long a task may be runnable without running, in jiffies.
static TIMEOUT: Atomic = Atomic::new(usize::MAX / 2);

/// When the last scan began, and when it ended.
static TIMESTAMP: Atomic = Atomic::new(0);
static SCANNED_AT: Atomic = Atomic::new(0);

/// When a tick becomes suspicious. All that a tick reads of what is shared.
static DEADLINE: Atomic = Atomic::new(0);

/// The [`TIMESTAMP`] after which [`DEADLINE`] has been put off.
static GRACED: Atomic = Atomic::new(0);

/// No wait counts before this: the machine stood still. And when it was last moved.
static MACHINE_SINCE: Atomic = Atomic::new(0);
static MACHINE_GRANTED_AT: Atomic = Atomic::new(0);

/// Not 0: a tick has used this grant, and the scan that comes after may, too.
static LENIENT: Atomic = Atomic::new(0);

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

/// Jiffies from one scan to the next.
///
/// Half the timeout, so that no task waits for more than one and a half of it. At least one
/// jiffy: at 0 the work item would requeue itself without a pause, and keep a CPU busy.
pub(crate) fn interval() -> Jiffies {
    (TIMEOUT.load(Relaxed) / 2).max(1)
}

/// How long a CPU must have been out of the BPF scheduler's reach to be excused.
fn absence() -> Jiffies {
    (TIMEOUT.load(Relaxed) / 4)
        .max(msecs_to_jiffies(100))
        .max(2 * TICKS_PER_LOOK)
}

fn later(a: Jiffies, b: Jiffies) -> Jiffies {
    if time_after(a, b) {
        a
    } else {
        b
    }
}

/// Whether a guess may be accepted now. If so, not again for a while.
fn grant(granted_at: &Atomic) -> bool {
    let every = TIMEOUT.load(Relaxed).wrapping_mul(GRANT_TIMEOUTS);
    let granted = since(granted_at.load(Relaxed)) >= every;
    if granted {
        granted_at.store(jiffies(), Relaxed);
    }
    granted
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
        // Its lock is held, most likely.
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

/// Why a task may wait for long without the BPF scheduler being to blame.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Excuse {
    /// A higher class has had the CPU for long without a break.
    Class,
    /// The CPU does nothing that a CPU does all the time: a hypervisor runs something else on it.
    Stolen,
}

impl Excuse {
    fn find(rq: &Rq<Locked>, watch: &Watch) -> Option<Self> {
        let pass = PassState::from_watch(watch);
        let absence = absence();
        if pass.is_inside() || since(watch.passed_at.load(Relaxed)) <= absence {
            return None;
        }

        // It passes by here before anything of sched_ext runs or the CPU idles, so neither was the
        // case since.
        let curr = rq.curr();
        if curr.above_scx() {
            return Some(Self::Class);
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

/// Whether the BPF scheduler is to blame for `p`, which has waited for longer than it may.
#[cold]
#[inline(never)]
fn is_stalled(
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
            curr: Some(curr_of(rq)),
            ..Report::new(Kind::Excused, rq.cpu(), jiffies_to_msecs(since(began)))
        };
        *told = Some(Excused { excuse, report });
    }
    false
}

/// What the user is told once the lock is dropped.
struct Excused {
    excuse: Excuse,
    report: Report,
}

/// Names who is to blame for a wait, once for each time that a CPU is taken.
fn tell(watch: &Watch, Excused { excuse, report }: &Excused) {
    let told_at = watch.told_at.load(Relaxed);
    watch.told_at.store(jiffies(), Relaxed);
    if since(told_at) <= TIMEOUT.load(Relaxed) {
        return;
    }

    let (Some(waiter), Some(curr)) = (&report.waiter, &report.curr) else {
        return;
    };
    report.tell(format_args!(
        "{}[{}] waits for CPU {}, which {} {}[{}] ({}) for {} ms: the scheduler is not to blame",
        waiter.0.as_bstr(),
        waiter.1,
        report.cpu.as_u32(),
        match excuse {
            Excuse::Class => "has been running",
            Excuse::Stolen => "has not been seen to do anything in",
        },
        curr.0.as_bstr(),
        curr.1,
        curr.2,
        jiffies_to_msecs(since(watch.passed_at.load(Relaxed)))
    ));
}

#[cold]
fn report_stall(rq: &Rq<Locked>, watch: &Watch, p: &Task) {
    rq.count(counter::STALLS);

    let trips = (counter::read(rq.cpu(), counter::GUARD_TRIPS) as usize)
        .wrapping_sub(watch.old_trips.load(Relaxed));
    let ms = jiffies_to_msecs(since(p.runnable_at()));
    let waiting = rq.waiting(p);
    let curr = curr_of(rq);
    let report = Report {
        waiter: Some((p.comm(), p.pid())),
        waiting: Some(waiting),
        curr: Some(curr),
        passed_at: Some(watch.passed_at.load(Relaxed)),
        kicked_at: (watch.kicks.load(Relaxed) != 0).then(|| watch.kicked_at.load(Relaxed)),
        guard_trips: Some(trips),
        ..Report::new(Kind::Stall, rq.cpu(), ms)
    };
    // Tools look for the words up to the "s".
    scx_report(
        &report,
        format_args!(
            "{}[{}] failed to run for {}.{:03}s on CPU {}: waits {}, the CPU runs {}[{}] ({}), \
             last dispatch {}, last kick {}, {} guard trips",
            p.comm().as_bstr(),
            p.pid(),
            ms / 1000,
            ms % 1000,
            rq.cpu().as_u32(),
            waiting,
            curr.0.as_bstr(),
            curr.1,
            curr.2,
            Ago(report.passed_at),
            Ago(report.kicked_at),
            trips
        ),
    );
}

fn curr_of(rq: &Rq<Locked>) -> (Comm, i32, Class) {
    (rq.curr().comm(), rq.curr().pid(), rq.class_of_curr())
}

/// A point in time, if there was one, for users.
struct Ago(Option<Jiffies>);

impl core::fmt::Display for Ago {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            Some(then) => write!(f, "{} ms ago", jiffies_to_msecs(since(then))),
            None => f.write_str("never"),
        }
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
    let curr = curr_of(rq);
    let report = Report {
        curr: Some(curr),
        ..Report::new(Kind::Watchdog, rq.cpu(), ms)
    };
    scx_report(
        &report,
        format_args!(
            "watchdog failed to check in for {}.{:03}s, says CPU {} running {}[{}] ({})",
            ms / 1000,
            ms % 1000,
            rq.cpu().as_u32(),
            curr.0.as_bstr(),
            curr.1,
            curr.2
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

#[cfg(CONFIG_KUNIT)]
mod tests {
    use super::*;
    use crate::compat::kunit::{
        assert,
        assert_eq,
        kunit_tests, //
    };

    kunit_tests!(rust_scx_watchdog: [
        later_of_two,
        a_scan_is_a_jiffy_apart_at_least,
        an_absence_is_not_a_blink,
        how_long_ago,
    ]);

    use kernel::str::CString;

    fn later_of_two() {
        for (earlier, late) in [(1, 2), (usize::MAX, 0), (usize::MAX - 5, 5)] {
            assert_eq!(later(earlier, late), late);
            assert_eq!(later(late, earlier), late);
            assert_eq!(later(late, late), late);
        }
    }

    fn a_scan_is_a_jiffy_apart_at_least() {
        assert!(interval() >= 1);
    }

    fn an_absence_is_not_a_blink() {
        assert!(absence() >= msecs_to_jiffies(100));
    }

    fn how_long_ago() {
        let shows = |when, text: &[u8]| {
            CString::try_from_fmt(format_args!("{}", Ago(when))).is_ok_and(|s| s.as_bytes() == text)
        };
        assert!(shows(None, b"never"));
        // Time goes on between the two, by a jiffy or a few.
        let ms = |ago: u32| jiffies().wrapping_sub(msecs_to_jiffies(ago));
        assert!(!shows(Some(ms(5000)), b"never"));
        assert!(!shows(Some(ms(5000)), b"0 ms ago"));
        let now = CString::try_from_fmt(format_args!("{}", Ago(Some(jiffies()))));
        assert!(now.is_ok_and(|s| s.as_bytes().ends_with(b" ms ago")));
    }
}
