// SPDX-License-Identifier: GPL-2.0

//! What the module has by this name, made of loom's.

use loom::sync::atomic::{
    AtomicI32,
    AtomicU32,
    AtomicUsize,
    Ordering, //
};

/// One of loom's atomics, all accesses of which are tried in all orders.
///
/// loom tries two accesses in both orders if one of them is the last to that atomic, before the
/// other. So a load hides an earlier one of another thread from a store that follows. Counting
/// accesses makes each of them a store, to something else: it orders nothing in memory.
pub(crate) struct Watched<A> {
    loom: A,
    accesses: AtomicUsize,
}

impl<A> Watched<A> {
    fn watch(&self) -> &A {
        self.accesses.fetch_add(1, Ordering::Relaxed);
        &self.loom
    }
}

pub(crate) type I32 = Watched<AtomicI32>;
pub(crate) type U32 = Watched<AtomicU32>;
pub(crate) type Usize = Watched<AtomicUsize>;

macro_rules! watched {
    ($($atomic:ty, $int:ty;)*) => {
        $(
            impl Watched<$atomic> {
                pub(crate) fn new(v: $int) -> Self {
                    Self {
                        loom: <$atomic>::new(v),
                        accesses: AtomicUsize::new(0),
                    }
                }

                pub(crate) fn load(&self, order: Ordering) -> $int {
                    self.watch().load(order)
                }

                pub(crate) fn store(&self, v: $int, order: Ordering) {
                    self.watch().store(v, order);
                }

                pub(crate) fn compare_exchange(
                    &self,
                    old: $int,
                    new: $int,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$int, $int> {
                    self.watch().compare_exchange(old, new, success, failure)
                }
            }
        )*
    };
}

watched! {
    AtomicI32, i32;
    AtomicU32, u32;
    AtomicUsize, usize;
}

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

pub(crate) trait Order {
    const ORDER: Ordering;
}

pub(crate) struct Relaxed;
pub(crate) struct Acquire;
pub(crate) struct Release;

impl Order for Relaxed {
    const ORDER: Ordering = Ordering::Relaxed;
}

impl Order for Acquire {
    const ORDER: Ordering = Ordering::Acquire;
}

impl Order for Release {
    const ORDER: Ordering = Ordering::Release;
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
