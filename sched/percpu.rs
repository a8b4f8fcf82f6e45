// SPDX-License-Identifier: GPL-2.0

//! Our per-CPU data, defined in `shim.c`.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)

use crate::{
    bindings,
    compat::cpu::CpuId, //
};
use core::ptr::addr_of;

/// Where `cpu` has what `base`, a per-CPU symbol or pointer, stands for.
///
/// Valid for every possible CPU, as long as `base` is.
#[inline]
pub(super) fn at<T>(base: *const T, cpu: CpuId) -> *mut T {
    let offsets = addr_of!(bindings::__per_cpu_offset).cast::<usize>();

    // SAFETY: The table has NR_CPUS entries, a `CpuId` is below `nr_cpu_ids`, which is not
    // above that. It is written during boot only.
    let offset = unsafe { offsets.add(cpu.as_u32() as usize).read() };

    // A per-CPU symbol plus the CPU's offset is no pointer into the symbol's own allocation.
    (base as usize).wrapping_add(offset) as *mut T
}

/// Where `cpu` has its [`struct@bindings::rust_scx_pcpu`].
///
/// Valid as long as the module is loaded, for every possible CPU. Whoever dereferences it
/// answers for the access to be exclusive or atomic.
#[inline]
pub(crate) fn of(cpu: CpuId) -> *mut bindings::rust_scx_pcpu {
    at(addr_of!(bindings::rust_scx_pcpu), cpu)
}
