// SPDX-License-Identifier: GPL-2.0

//! As much of C as the checked files call.

#![allow(non_camel_case_types, non_upper_case_globals)]

use core::alloc::Layout;
use kernel::ffi::{c_ulong, c_void};
use std::alloc::{alloc_zeroed, dealloc};

pub(crate) const scx_kick_flags_SCX_KICK_IDLE: u32 = 1;
pub(crate) const scx_kick_flags_SCX_KICK_PREEMPT: u32 = 2;
pub(crate) const scx_kick_flags_SCX_KICK_WAIT: u32 = 4;

/// Large enough for all models.
pub(crate) static nr_cpu_ids: u32 = 3;

/// A CPU's own data.
pub(crate) struct rust_scx_pcpu {
    pub(crate) waits: *mut c_void,
}

/// The records of waits that are to be freed need their size here.
const RECORDS: Layout = match Layout::from_size_align(4096, 16) {
    Ok(layout) => layout,
    Err(_) => panic!(),
};

pub(crate) unsafe fn kvzalloc_node(size: usize, _node: i32) -> *mut c_void {
    assert!(size <= RECORDS.size());
    // SAFETY: Not of size 0.
    unsafe { alloc_zeroed(RECORDS).cast() }
}

/// There is no RCU here: models free when all threads are gone.
pub(crate) unsafe fn kvfree_rcu_mightsleep(p: *mut c_void) {
    // SAFETY: From `kvzalloc_node`.
    unsafe { dealloc(p.cast(), RECORDS) };
}

pub(crate) unsafe fn rcu_assign_pointer<T>(p: *mut *mut T, v: *mut T) {
    // SAFETY: By the requirement of the callers.
    unsafe { p.write(v) };
}

pub(crate) unsafe fn atomic_long_read_acquire(p: *const c_ulong) -> c_ulong {
    // SAFETY: By the requirement of the callers.
    unsafe { p.read() }
}

pub(crate) unsafe fn smp_store_release(p: *mut c_ulong, v: c_ulong) {
    // SAFETY: By the requirement of the callers.
    unsafe { p.write(v) };
}

pub(crate) unsafe fn atomic_long_cmpxchg(p: *mut c_ulong, old: c_ulong, new: c_ulong) -> c_ulong {
    // SAFETY: By the requirement of the callers.
    unsafe {
        let was = p.read();
        if was == old {
            p.write(new);
        }
        was
    }
}
