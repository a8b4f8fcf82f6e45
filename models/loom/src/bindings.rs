// SPDX-License-Identifier: GPL-2.0

//! As much of C as the checked files call.

#![allow(non_camel_case_types, non_upper_case_globals)]

use crate::compat::sync::atomic::Atomic;
use core::{alloc::Layout, ptr::null_mut};
use kernel::ffi::c_void;
use std::alloc::{alloc_zeroed, dealloc};

pub(crate) const scx_kick_flags_SCX_KICK_IDLE: u32 = 1;
pub(crate) const scx_kick_flags_SCX_KICK_PREEMPT: u32 = 2;
pub(crate) const scx_kick_flags_SCX_KICK_WAIT: u32 = 4;

/// Large enough for all models.
pub(crate) static nr_cpu_ids: u32 = 4;

pub(crate) const RUST_SCX_IN_NMI: u32 = 0x8000_0000;

/// How many words the kicks take that wait.
const PENDING: usize = 16;

pub(crate) struct rust_scx_pending {
    words: [usize; PENDING],
}

pub(crate) struct rust_scx_mailbox {
    pub(crate) requests: Atomic,
}

/// What is not shared here has nothing to do with kicks.
#[repr(C)]
pub(crate) struct rust_scx_watch {
    pass: Atomic,
    rest: [Atomic; 15],
}

/// A CPU's own data.
pub(crate) struct rust_scx_pcpu {
    pub(crate) waits: *mut c_void,
    pub(crate) pending: rust_scx_pending,
    pub(crate) mailbox: rust_scx_mailbox,
    pub(crate) watch: rust_scx_watch,
}

impl rust_scx_pcpu {
    /// One whose passes others look at, or not.
    pub(crate) fn new(has_passes: bool) -> Self {
        Self {
            waits: null_mut(),
            pending: rust_scx_pending {
                words: [0; PENDING],
            },
            mailbox: rust_scx_mailbox {
                requests: Atomic::swapped(),
            },
            watch: rust_scx_watch {
                pass: if has_passes {
                    Atomic::watched()
                } else {
                    Atomic::new(0)
                },
                rest: core::array::from_fn(|_| Atomic::new(0)),
            },
        }
    }
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
