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
