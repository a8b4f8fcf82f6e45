// SPDX-License-Identifier: GPL-2.0

//! Time goes on where a CPU waits for it, or stands still.

use crate::machine::{machine, take_irqs};

pub(crate) type Jiffies = usize;

/// Nobody here looks at when it was.
pub(crate) fn jiffies() -> Jiffies {
    0
}

#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) struct Stopwatch(i64);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(machine().clock_ns.get())
    }

    pub(crate) fn to_bits(self) -> usize {
        self.0 as usize
    }

    pub(crate) fn from_bits(bits: usize) -> Self {
        Self(bits as i64)
    }

    pub(crate) fn elapsed_ns(&self) -> i64 {
        machine().clock_ns.get() - self.0
    }
}

/// Lets the other threads go on: nothing changes here unless they do. Interrupts come as well.
pub(crate) fn cpu_relax() {
    let clock_ns = &machine().clock_ns;
    clock_ns.set(clock_ns.get() + machine().world.relax_ns);

    take_irqs();
    loom::thread::yield_now();
}
