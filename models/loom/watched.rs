// SPDX-License-Identifier: GPL-2.0

//! What atomics are made of, for both crates.

use loom::sync::atomic::{
    AtomicI32,
    AtomicU32,
    AtomicUsize,
    Ordering, //
};

/// One of loom's atomics, all accesses of which are tried in all orders.
///
/// loom tries two accesses in both orders if one of them is the last to that atomic, before the
/// other. So a load hides an earlier one of another thread from a store that follows. Here each
/// access is a store as well, to something that nobody reads: it orders nothing in memory.
pub(crate) struct Watched<A> {
    loom: A,
    accesses: AtomicUsize,
}

impl<A> Watched<A> {
    fn watch(&self) -> &A {
        self.accesses.store(0, Ordering::Relaxed);
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

impl Usize {
    pub(crate) fn swap(&self, v: usize, order: Ordering) -> usize {
        self.watch().swap(v, order)
    }
}

watched! {
    AtomicI32, i32;
    AtomicU32, u32;
    AtomicUsize, usize;
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
