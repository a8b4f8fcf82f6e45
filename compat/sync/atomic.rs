// SPDX-License-Identifier: GPL-2.0

//! UPSTREAM: rust/kernel/sync/atomic.rs, 7.3
//!
//! Atomics of the Linux kernel memory model. `core::sync::atomic` follows another
//! one and is not to be used.

use crate::bindings;
#[cfg(CONFIG_X86_64)]
use core::arch::asm;
use core::cell::UnsafeCell;
use kernel::ffi::c_ulong;

/// A type that a CPU reads and writes in one piece.
///
/// # Safety
///
/// It is so.
pub(crate) unsafe trait AtomicType: Copy {}

// SAFETY: A machine word.
unsafe impl AtomicType for usize {}

// SAFETY: No larger than a machine word.
unsafe impl AtomicType for i32 {}

/// A value that several CPUs access at once.
#[repr(transparent)]
pub(crate) struct Atomic<T: AtomicType = usize>(UnsafeCell<T>);

// SAFETY: All accesses are marked as C's `READ_ONCE()` and `WRITE_ONCE()` or stronger.
unsafe impl<T: AtomicType> Sync for Atomic<T> {}

/// The ordering of a load.
pub(crate) trait Load<T> {
    /// # Safety
    ///
    /// `p` is valid for reads.
    unsafe fn load(p: *const T) -> T;
}

/// The ordering of a store.
pub(crate) trait Store<T> {
    /// # Safety
    ///
    /// `p` is valid for writes.
    unsafe fn store(p: *mut T, v: T);
}

/// No ordering.
pub(crate) struct Relaxed;

/// Later accesses stay behind this load.
pub(crate) struct Acquire;

/// Earlier accesses stay before this store.
pub(crate) struct Release;

impl<T: AtomicType> Load<T> for Relaxed {
    unsafe fn load(p: *const T) -> T {
        // SAFETY: By the requirement of the trait. Volatile is what C's READ_ONCE() is.
        unsafe { p.read_volatile() }
    }
}

impl<T: AtomicType> Store<T> for Relaxed {
    unsafe fn store(p: *mut T, v: T) {
        // SAFETY: By the requirement of the trait. Volatile is what C's WRITE_ONCE() is.
        unsafe { p.write_volatile(v) };
    }
}

// x86 does neither move an access before an earlier load nor behind a later store: only the compiler
// is to be kept from it, which is what C's are there. Elsewhere they are called.
impl Load<usize> for Acquire {
    #[inline(always)]
    unsafe fn load(p: *const usize) -> usize {
        #[cfg(CONFIG_X86_64)]
        {
            // SAFETY: By the requirement of the trait.
            let v = unsafe { p.read_volatile() };
            barrier();
            v
        }
        #[cfg(not(CONFIG_X86_64))]
        // SAFETY: By the requirement of the trait.
        // CAST: `usize` and C's `unsigned long` are the same in the kernel.
        unsafe {
            bindings::atomic_long_read_acquire(p.cast()) as usize
        }
    }
}

impl Store<usize> for Release {
    #[inline(always)]
    unsafe fn store(p: *mut usize, v: usize) {
        #[cfg(CONFIG_X86_64)]
        {
            barrier();
            // SAFETY: By the requirement of the trait.
            unsafe { p.write_volatile(v) };
        }
        #[cfg(not(CONFIG_X86_64))]
        // SAFETY: By the requirement of the trait.
        // CAST: `usize` and C's `unsigned long` are the same in the kernel.
        unsafe {
            bindings::smp_store_release(p.cast(), v as c_ulong)
        };
    }
}

/// The compiler moves no access across this. What C's `barrier()` is.
#[cfg(CONFIG_X86_64)]
#[inline(always)]
fn barrier() {
    // SAFETY: Does nothing; not being `nomem`, it may have accessed any memory.
    unsafe { asm!("", options(nostack, preserves_flags)) };
}

impl<T: AtomicType> Atomic<T> {
    pub(crate) const fn new(v: T) -> Self {
        Self(UnsafeCell::new(v))
    }

    /// # Safety
    ///
    /// `p` is valid for reads and writes during `'a`, and all accesses meanwhile are atomic.
    pub(crate) unsafe fn from_ptr<'a>(p: *mut T) -> &'a Self {
        // SAFETY: By the requirement above; `repr(transparent)`.
        unsafe { &*p.cast::<Self>() }
    }

    #[inline]
    pub(crate) fn load<O: Load<T>>(&self, _: O) -> T {
        // SAFETY: A reference is valid.
        unsafe { O::load(self.0.get()) }
    }

    #[inline]
    pub(crate) fn store<O: Store<T>>(&self, v: T, _: O) {
        // SAFETY: A reference is valid, and all accesses are atomic.
        unsafe { O::store(self.0.get(), v) };
    }
}

impl Atomic {
    /// Stores `new` and says what was there before. A full barrier.
    pub(crate) fn xchg(&self, new: usize) -> usize {
        // SAFETY: A reference is valid, and all accesses are atomic.
        // CAST: As in `Acquire`.
        unsafe { bindings::atomic_long_xchg(self.0.get().cast(), new as c_ulong) as usize }
    }

    /// Sets `bits` and says what was there before. A full barrier.
    pub(crate) fn fetch_or(&self, bits: usize) -> usize {
        // SAFETY: A reference is valid, and all accesses are atomic.
        // CAST: As in `Acquire`.
        unsafe { bindings::atomic_long_fetch_or(self.0.get().cast(), bits as c_ulong) as usize }
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
}

#[cfg(CONFIG_KUNIT)]
mod tests {
    use super::*;
    use crate::compat::kunit::{
        assert,
        assert_eq,
        kunit_tests, //
    };

    kunit_tests!(rust_scx_atomic: [
        stored_is_loaded,
        a_small_one_is_signed,
        xchg_says_what_was_there,
        fetch_or_adds_bits,
        cmpxchg_only_where_expected,
    ]);

    fn stored_is_loaded() {
        let word = Atomic::new(1_usize);
        assert_eq!(word.load(Relaxed), 1);
        word.store(2, Relaxed);
        assert_eq!(word.load(Acquire), 2);
        word.store(usize::MAX, Release);
        assert_eq!(word.load(Relaxed), usize::MAX);
    }

    fn a_small_one_is_signed() {
        let sign = Atomic::new(-1_i32);
        assert_eq!(sign.load(Relaxed), -1);
        sign.store(3, Relaxed);
        assert_eq!(sign.load(Relaxed), 3);
    }

    fn xchg_says_what_was_there() {
        let word = Atomic::new(5);
        assert_eq!(word.xchg(6), 5);
        assert_eq!(word.load(Relaxed), 6);
    }

    fn fetch_or_adds_bits() {
        let word = Atomic::new(0b0101);
        assert_eq!(word.fetch_or(0b0110), 0b0101);
        assert_eq!(word.load(Relaxed), 0b0111);
    }

    fn cmpxchg_only_where_expected() {
        let word = Atomic::new(1);
        assert!(!word.cmpxchg(2, 3));
        assert_eq!(word.load(Relaxed), 1);
        assert!(word.cmpxchg(1, 3));
        assert_eq!(word.load(Relaxed), 3);
    }
}
