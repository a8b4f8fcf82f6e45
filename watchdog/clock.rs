// SPDX-License-Identifier: GPL-2.0

//! How long tasks may wait, when the scan was last here, and how often a guess may move that.

#![deny(unsafe_code)]

use crate::{
    compat::sync::atomic::{
        Atomic,
        Relaxed, //
    },
    sched::time::{
        jiffies,
        msecs_to_jiffies,
        since,
        time_after,
        Jiffies, //
    },
};

/// How far apart the ticks are in which a CPU looks after others. A power of two.
pub(super) const TICKS_PER_LOOK: usize = 8;

/// An excuse that is a guess is accepted once in so many timeouts.
pub(super) const GRANT_TIMEOUTS: usize = 8;

/// For so many timeouts at most, a task of a higher class is an excuse.
///
/// The kernel serves tasks of fair beside it (`fair_server`), and none of sched_ext: without the
/// BPF scheduler they get to run in the end. With timeouts of at most 30 s that is before hung
/// tasks are complained of, after 120 s by default.
const CLASS_TIMEOUTS: usize = 2;

/// How long a task may be runnable without running, in jiffies.
pub(super) static TIMEOUT: Atomic = Atomic::new(usize::MAX / 2);

/// When the last scan began, and when it ended.
pub(super) static TIMESTAMP: Atomic = Atomic::new(0);
pub(super) static SCANNED_AT: Atomic = Atomic::new(0);

/// When a tick becomes suspicious. All that a tick reads of what is shared.
pub(super) static DEADLINE: Atomic = Atomic::new(0);

/// The [`TIMESTAMP`] after which [`DEADLINE`] has been put off.
pub(super) static GRACED: Atomic = Atomic::new(0);

/// No wait counts before this: the machine stood still. And when it was last moved.
pub(super) static MACHINE_SINCE: Atomic = Atomic::new(0);
pub(super) static MACHINE_GRANTED_AT: Atomic = Atomic::new(0);

/// Not 0: a tick has used this grant, and the scan that comes after may, too.
pub(super) static LENIENT: Atomic = Atomic::new(0);

/// Jiffies from one scan to the next.
///
/// Half the timeout, so that no task waits for more than one and a half of it. At least one
/// jiffy: at 0 the work item would requeue itself without a pause, and keep a CPU busy.
pub(crate) fn interval() -> Jiffies {
    (TIMEOUT.load(Relaxed) / 2).max(1)
}

/// How long a CPU must have been out of the BPF scheduler's reach to be excused.
pub(super) fn absence() -> Jiffies {
    (TIMEOUT.load(Relaxed) / 4)
        .max(msecs_to_jiffies(100))
        .max(2 * TICKS_PER_LOOK)
}

/// How long a higher class may have had a CPU and be an excuse.
pub(super) fn enough() -> Jiffies {
    TIMEOUT.load(Relaxed).wrapping_mul(CLASS_TIMEOUTS)
}

pub(super) fn later(a: Jiffies, b: Jiffies) -> Jiffies {
    if time_after(a, b) {
        a
    } else {
        b
    }
}

/// Whether a guess may be accepted now. If so, not again for a while.
pub(super) fn grant(granted_at: &Atomic) -> bool {
    let every = TIMEOUT.load(Relaxed).wrapping_mul(GRANT_TIMEOUTS);
    let granted = since(granted_at.load(Relaxed)) >= every;
    if granted {
        granted_at.store(jiffies(), Relaxed);
    }
    granted
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
    ]);

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
}
