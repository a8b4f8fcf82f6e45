// SPDX-License-Identifier: GPL-2.0

//! UPSTREAM: rust/kernel/cpu.rs, 7.3
//!
//! CPU numbers.
//!
//! C header: [`include/linux/cpu.h`](srctree/include/linux/cpu.h)

use crate::bindings;

/// How many CPU numbers there are: all possible CPUs are below.
pub(crate) fn nr_cpu_ids() -> u32 {
    // SAFETY: Set during boot, constant since before any module can be loaded.
    unsafe { bindings::nr_cpu_ids }
}

/// The number of a CPU.
///
/// # Invariants
///
/// Less than [`nr_cpu_ids`].
#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) struct CpuId(u32);

impl CpuId {
    /// `None` unless there can be such a CPU.
    pub(crate) fn from_u32(id: u32) -> Option<Self> {
        // INVARIANT: Just compared.
        (id < nr_cpu_ids()).then_some(Self(id))
    }

    /// `None` unless there can be such a CPU.
    pub(crate) fn from_i32(id: i32) -> Option<Self> {
        Self::from_u32(u32::try_from(id).ok()?)
    }

    /// # Safety
    ///
    /// `id` is less than [`nr_cpu_ids`].
    pub(crate) unsafe fn from_i32_unchecked(id: i32) -> Self {
        // INVARIANT: By the requirement above.
        Self(id as u32)
    }

    /// The bare number.
    pub(crate) fn as_u32(self) -> u32 {
        self.0
    }
}
