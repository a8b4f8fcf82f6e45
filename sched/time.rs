// SPDX-License-Identifier: GPL-2.0

//! Jiffies, and how to spend time.
//!
//! C header: [`include/linux/jiffies.h`](srctree/include/linux/jiffies.h)

use crate::bindings;
use core::ptr::addr_of;
use kernel::{
    ffi::c_ulong,
    time::Ktime, //
};

/// A point in time, in jiffies since boot, modulo the machine word.
pub(crate) type Jiffies = usize;

/// The current time.
pub(crate) fn jiffies() -> Jiffies {
    // SAFETY: Always valid; C declares it volatile, as it changes under us.
    unsafe { addr_of!(bindings::jiffies).cast::<usize>().read_volatile() }
}

/// Whether `a` is later than `b`, across the wrap.
pub(crate) fn time_after(a: Jiffies, b: Jiffies) -> bool {
    // A distance of more than half the range is one backwards.
    (b.wrapping_sub(a) as isize) < 0
}

/// How much time has passed since `then`.
pub(crate) fn since(then: Jiffies) -> Jiffies {
    jiffies().wrapping_sub(then)
}

/// How long `jiffies` are in milliseconds.
pub(crate) fn jiffies_to_msecs(jiffies: usize) -> u32 {
    // SAFETY: Pure arithmetic.
    unsafe { bindings::jiffies_to_msecs(jiffies as c_ulong) }
}

/// Milliseconds since boot, without those of suspend.
pub(crate) fn uptime_ms() -> i64 {
    Ktime::ktime_get().to_ms()
}

/// How many jiffies `ms` milliseconds are, rounded up.
pub(crate) fn msecs_to_jiffies(ms: u32) -> Jiffies {
    kernel::time::msecs_to_jiffies(ms) as Jiffies
}

/// Measures how long something takes.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) struct Stopwatch(i64);

impl Stopwatch {
    /// Begins now.
    ///
    /// # Context
    ///
    /// Any but NMI, while timekeeping is not suspended.
    pub(crate) fn start() -> Self {
        Self(Ktime::ktime_get().to_ns())
    }

    /// As a word, to be stored.
    pub(crate) fn to_bits(self) -> usize {
        self.0 as usize
    }

    /// From what [`to_bits`](Self::to_bits) gave.
    pub(crate) fn from_bits(bits: usize) -> Self {
        Self(bits as i64)
    }

    /// Nanoseconds since [`start`](Self::start).
    pub(crate) fn elapsed_ns(&self) -> i64 {
        Ktime::ktime_get().to_ns().wrapping_sub(self.0)
    }
}

/// Tells the CPU that we spin.
pub(crate) fn cpu_relax() {
    // SAFETY: May be called anywhere.
    unsafe { bindings::cpu_relax() };
}

/// Lets others run if they should.
///
/// # Context
///
/// Process context. May sleep.
pub(crate) fn cond_resched() {
    // SAFETY: Callers are in process context.
    unsafe { bindings::cond_resched() };
}

#[cfg(CONFIG_KUNIT)]
mod tests {
    use super::*;
    use crate::compat::kunit::{
        assert,
        assert_eq,
        kunit_tests, //
    };

    kunit_tests!(rust_scx_time: [
        later_is_after,
        now_is_not_after,
        later_across_the_wrap,
        at_most_half_the_range,
        time_passes,
        milliseconds_and_back,
        stopwatch_as_a_word,
    ]);

    /// Jiffies begin five minutes before the 32 bit wrap; the 64 bit one is what tests have to make.
    const AROUND_THE_WRAP: [Jiffies; 5] = [usize::MAX - 1, usize::MAX, 0, 1, 2];

    fn later_is_after() {
        assert!(time_after(101, 100));
        assert!(!time_after(100, 101));
    }

    fn now_is_not_after() {
        for now in AROUND_THE_WRAP {
            assert!(!time_after(now, now));
        }
    }

    fn later_across_the_wrap() {
        for (i, earlier) in AROUND_THE_WRAP.into_iter().enumerate() {
            for later in AROUND_THE_WRAP.into_iter().skip(i).skip(1) {
                assert!(time_after(later, earlier));
                assert!(!time_after(earlier, later));
            }
        }
    }

    fn at_most_half_the_range() {
        let half = usize::MAX / 2;
        for then in AROUND_THE_WRAP {
            assert!(time_after(then.wrapping_add(half), then));
            assert!(!time_after(then.wrapping_add(half).wrapping_add(2), then));
        }
    }

    fn time_passes() {
        let now = jiffies();
        // A loaded machine may take its time.
        assert!(since(now) < msecs_to_jiffies(60_000));
        assert!(since(now.wrapping_sub(1000)) >= 1000);
        // Something to come is far in the past: nobody asks for it.
        assert!(since(now.wrapping_add(msecs_to_jiffies(600_000))) > usize::MAX / 2);
    }

    fn milliseconds_and_back() {
        assert_eq!(msecs_to_jiffies(0), 0);
        for ms in [1, 7, 100, 1000, 30_000] {
            let back = jiffies_to_msecs(msecs_to_jiffies(ms));
            // Rounded up to a jiffy, which is 10 ms at most.
            assert!((ms..ms + 10).contains(&back));
        }
    }

    fn stopwatch_as_a_word() {
        let began = Stopwatch::start();
        assert!(Stopwatch::from_bits(began.to_bits()) == began);
        assert!(Stopwatch(-1) == Stopwatch::from_bits(Stopwatch(-1).to_bits()));
        assert!(began.elapsed_ns() >= 0);
    }
}
