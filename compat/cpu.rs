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

#[cfg(CONFIG_KUNIT)]
mod tests {
    use super::*;
    use crate::compat::kunit::{
        assert,
        kunit_tests, //
    };

    kunit_tests!(rust_scx_cpu: [
        those_below_the_limit,
        none_at_the_limit_and_above,
        none_below_0,
    ]);

    fn those_below_the_limit() {
        for id in [0, nr_cpu_ids() - 1] {
            assert!(CpuId::from_u32(id).is_some_and(|cpu| cpu.as_u32() == id));
            assert!(CpuId::from_i32(id as i32) == CpuId::from_u32(id));
        }
    }

    fn none_at_the_limit_and_above() {
        for id in [nr_cpu_ids(), nr_cpu_ids() + 1, i32::MAX as u32, u32::MAX] {
            assert!(CpuId::from_u32(id).is_none());
        }
        assert!(CpuId::from_i32(nr_cpu_ids() as i32).is_none());
    }

    fn none_below_0() {
        for id in [-1, -2, i32::MIN] {
            assert!(CpuId::from_i32(id).is_none());
        }
    }
}
