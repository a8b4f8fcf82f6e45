// SPDX-License-Identifier: GPL-2.0

//! What the module has by this name, made of loom's.

#[path = "../../../../watched.rs"]
mod watched;

use loom::sync::atomic::Ordering;
pub(crate) use watched::*;

pub(crate) trait AtomicType: Copy {
    /// What is in the task instead of it.
    type Loom;
    fn load(loom: &Self::Loom, order: Ordering) -> Self;
    fn store(loom: &Self::Loom, v: Self, order: Ordering);
}

impl AtomicType for usize {
    type Loom = Usize;

    fn load(loom: &Usize, order: Ordering) -> usize {
        loom.load(order)
    }

    fn store(loom: &Usize, v: usize, order: Ordering) {
        loom.store(v, order);
    }
}

impl AtomicType for i32 {
    type Loom = I32;

    fn load(loom: &I32, order: Ordering) -> i32 {
        loom.load(order)
    }

    fn store(loom: &I32, v: i32, order: Ordering) {
        loom.store(v, order);
    }
}

#[repr(transparent)]
pub(crate) struct Atomic<T: AtomicType = usize>(T::Loom);

impl<T: AtomicType> Atomic<T> {
    /// # Safety
    ///
    /// `p` is valid during `'a`.
    pub(crate) unsafe fn from_ptr<'a>(p: *mut T::Loom) -> &'a Self {
        // SAFETY: By the requirement above; `repr(transparent)`.
        unsafe { &*p.cast::<Self>() }
    }

    pub(crate) fn load<O: Order>(&self, _: O) -> T {
        T::load(&self.0, O::ORDER)
    }

    pub(crate) fn store<O: Order>(&self, v: T, _: O) {
        T::store(&self.0, v, O::ORDER);
    }
}

impl Atomic {
    /// A full barrier in the kernel; what is checked here gets by with less.
    pub(crate) fn cmpxchg(&self, old: usize, new: usize) -> bool {
        self.0
            .compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
    }
}
