// SPDX-License-Identifier: GPL-2.0

//! Sets of CPUs that change while one looks at them.

use crate::{
    compat::cpu::CpuId,
    machine::machine, //
};
use loom::sync::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Relaxed}, //
};
use std::cell::Cell;

pub(crate) struct Cpumask {
    bits: AtomicUsize,
    /// What has been asked for and not been done. It changes together with the bits: loom switches
    /// between its own operations, and nowhere else.
    owed: Cell<usize>,
}

impl Cpumask {
    pub(crate) fn new(bits: usize) -> Self {
        Self {
            bits: AtomicUsize::new(bits),
            owed: Cell::new(0),
        }
    }

    fn bit(cpu: CpuId) -> usize {
        1 << cpu.as_u32()
    }

    pub(crate) fn test(&self, cpu: CpuId) -> bool {
        self.bits.load(Relaxed) & Self::bit(cpu) != 0
    }

    /// The kernel's set_bit() orders nothing. The sets' users are on one CPU, which sees its own
    /// accesses in order; ours are threads, hence AcqRel here and below.
    pub(crate) fn set_atomic(&self, cpu: CpuId) {
        self.bits.fetch_or(Self::bit(cpu), AcqRel);
        self.owed.set(self.owed.get() | Self::bit(cpu));
    }

    pub(crate) fn take_atomic(&self, cpu: CpuId) -> bool {
        self.test(cpu) && self.bits.fetch_and(!Self::bit(cpu), AcqRel) & Self::bit(cpu) != 0
    }

    pub(crate) fn clear_atomic(&self, cpu: CpuId) {
        self.bits.fetch_and(!Self::bit(cpu), AcqRel);
    }

    pub(crate) fn done(&self, cpu: CpuId) {
        self.owed.set(self.owed.get() & !Self::bit(cpu));
    }

    pub(crate) fn is_owed(&self, cpu: CpuId) -> bool {
        self.owed.get() & Self::bit(cpu) != 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = CpuId> + '_ {
        (0..machine().world.nr_cpus)
            .filter_map(CpuId::from_u32)
            .filter(|cpu| self.test(*cpu))
    }
}

pub(crate) fn possible() -> &'static Cpumask {
    &machine().possible
}

/// All CPUs are online all the time.
pub(crate) fn online() -> &'static Cpumask {
    &machine().possible
}
