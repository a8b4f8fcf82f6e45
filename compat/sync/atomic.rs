// SPDX-License-Identifier: GPL-2.0

//! UPSTREAM: rust/kernel/sync/atomic.rs, 7.3
//!
//! Atomics of the Linux kernel memory model. `core::sync::atomic` follows another
//! one and is not to be used.

use crate::bindings;
use core::cell::UnsafeCell;
use kernel::ffi::c_ulong;

/// A `usize` that several CPUs access at once.
#[repr(transparent)]
pub(crate) struct Atomic(UnsafeCell<usize>);

// SAFETY: All accesses are marked as C's `READ_ONCE()` and `WRITE_ONCE()` or stronger.
unsafe impl Sync for Atomic {}

/// The ordering of a load.
pub(crate) trait Load {
    /// # Safety
    ///
    /// `p` is valid for reads.
    unsafe fn load(p: *const usize) -> usize;
}

/// The ordering of a store.
pub(crate) trait Store {
    /// # Safety
    ///
    /// `p` is valid for writes.
    unsafe fn store(p: *mut usize, v: usize);
}

/// No ordering.
pub(crate) struct Relaxed;

/// Later accesses stay behind this load.
pub(crate) struct Acquire;

/// Earlier accesses stay before this store.
pub(crate) struct Release;

impl Load for Relaxed {
    unsafe fn load(p: *const usize) -> usize {
        // SAFETY: By the requirement of the trait. Volatile is what C's READ_ONCE() is.
        unsafe { p.read_volatile() }
    }
}

impl Store for Relaxed {
    unsafe fn store(p: *mut usize, v: usize) {
        // SAFETY: By the requirement of the trait. Volatile is what C's WRITE_ONCE() is.
        unsafe { p.write_volatile(v) };
    }
}

impl Load for Acquire {
    unsafe fn load(p: *const usize) -> usize {
        // SAFETY: By the requirement of the trait.
        // CAST: `usize` and C's `unsigned long` are the same in the kernel.
        unsafe { bindings::atomic_long_read_acquire(p.cast()) as usize }
    }
}

impl Store for Release {
    unsafe fn store(p: *mut usize, v: usize) {
        // SAFETY: By the requirement of the trait.
        // CAST: `usize` and C's `unsigned long` are the same in the kernel.
        unsafe { bindings::smp_store_release(p.cast(), v as c_ulong) };
    }
}

impl Atomic {
    pub(crate) const fn new(v: usize) -> Self {
        Self(UnsafeCell::new(v))
    }

    /// # Safety
    ///
    /// `p` is valid for reads and writes during `'a`, and all accesses meanwhile are atomic.
    pub(crate) unsafe fn from_ptr<'a>(p: *mut usize) -> &'a Self {
        // SAFETY: By the requirement above; `repr(transparent)`.
        unsafe { &*p.cast::<Self>() }
    }

    pub(crate) fn load<O: Load>(&self, _: O) -> usize {
        // SAFETY: A reference is valid.
        unsafe { O::load(self.0.get()) }
    }

    /// Stores `new` if the value is `old`, and says whether it was. A full barrier if so.
    pub(crate) fn cmpxchg(&self, old: usize, new: usize) -> bool {
        // SAFETY: A reference is valid, and all accesses are atomic.
        // CAST: As in `Acquire`.
        unsafe {
            bindings::atomic_long_cmpxchg(self.0.get().cast(), old as c_ulong, new as c_ulong)
                == old as c_ulong
        }
    }

    pub(crate) fn store<O: Store>(&self, v: usize, _: O) {
        // SAFETY: A reference is valid, and all accesses are atomic.
        unsafe { O::store(self.0.get(), v) };
    }
}
