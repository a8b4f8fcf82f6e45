// SPDX-License-Identifier: GPL-2.0

//! What the module has by this name: made of loom's where CPUs share it, and a bare word where a
//! CPU has it for itself, as the records of waits.

#[path = "../../../watched.rs"]
mod watched;

use super::barrier::smp_mb;
use crate::machine::{is_mutant, posted, taken};
use core::cell::Cell;
use loom::sync::atomic::{
    AtomicUsize,
    Ordering::AcqRel, //
};
pub(crate) use watched::*;

/// All zeroes are valid, and one of those that are not shared.
pub(crate) struct Atomic {
    word: Cell<usize>,
    shared: Shared,
}

#[repr(u8)]
enum Shared {
    Not = 0,
    Watched(Box<Usize>),
    /// Nobody reads it who does not write: there is nothing to hide.
    Swapped(Box<AtomicUsize>),
}

impl Atomic {
    pub(crate) fn new(v: usize) -> Self {
        Self {
            word: Cell::new(v),
            shared: Shared::Not,
        }
    }

    pub(crate) fn watched() -> Self {
        Self {
            word: Cell::new(0),
            shared: Shared::Watched(Box::new(Usize::new(0))),
        }
    }

    pub(crate) fn swapped() -> Self {
        Self {
            word: Cell::new(0),
            shared: Shared::Swapped(Box::new(AtomicUsize::new(0))),
        }
    }

    /// # Safety
    ///
    /// `p` is valid during `'a`.
    pub(crate) unsafe fn from_ptr<'a>(p: *mut Self) -> &'a Self {
        // SAFETY: By the requirement above.
        unsafe { &*p }
    }

    pub(crate) fn load<O: Order>(&self, _: O) -> usize {
        match &self.shared {
            Shared::Not => self.word.get(),
            Shared::Watched(word) => word.load(O::ORDER),
            Shared::Swapped(word) => word.load(O::ORDER),
        }
    }

    pub(crate) fn store<O: Order>(&self, v: usize, _: O) {
        match &self.shared {
            Shared::Not => self.word.set(v),
            Shared::Watched(word) => word.store(v, O::ORDER),
            Shared::Swapped(word) => word.store(v, O::ORDER),
        }
    }

    /// A full barrier in the kernel. What is checked here gets by with less: who only swaps needs
    /// no barrier against his loads, ...
    pub(crate) fn xchg(&self, new: usize) -> usize {
        match &self.shared {
            Shared::Watched(word) => {
                let old = word.swap(new, AcqRel);
                smp_mb();
                old
            }
            Shared::Swapped(word) => {
                let old = word.swap(new, AcqRel);
                taken(self);
                old
            }
            Shared::Not => unreachable!("not shared"),
        }
    }

    /// ... and so does who posts.
    pub(crate) fn fetch_or(&self, bits: usize) -> usize {
        let Shared::Swapped(word) = &self.shared else {
            unreachable!("not only swapped");
        };
        let order = if is_mutant("relaxed-post") {
            Relaxed::ORDER
        } else {
            AcqRel
        };
        let old = word.fetch_or(bits, order);
        posted(self, bits);
        old
    }
}
