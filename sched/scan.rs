// SPDX-License-Identifier: GPL-2.0

//! What a CPU that looks into long DSQs has been through, and whether there is more.
//!
//! A look at a long DSQ may end before all tasks have been seen. Then the CPU does not stay idle, but looks
//! again, into all DSQs that its BPF scheduler names, and goes on where it was in those that it was not
//! through with. With the others it would begin anew, and be in the middle of one of them for ever,
//! were it not for the notes that are taken here.

use super::{
    dsq::Dsq,
    rq::ThisRq,
    scheduler, //
};
use crate::bindings;
use core::{
    cell::Cell,
    mem::size_of,
    ptr::addr_of, //
};

/// How many DSQs are remembered. With more long ones than that a CPU may go on for longer than it has to.
const NR_SEEN: usize = 7;

/// Set in [`Scan::state`] while a DSQ has not been seen to its end.
const UNFINISHED: usize = 1 << 16;

/// The same in a search that goes on with one that was not finished. The other bits are a number.
const GOES_ON: usize = 1 << 17;

/// All zeroes: nothing.
#[repr(C)]
pub(crate) struct Scan {
    /// How many of `seen` are in use, which come first; [`UNFINISHED`]; [`GOES_ON`].
    state: Cell<usize>,
    seen: [Cell<Seen>; NR_SEEN],
}

/// A DSQ that was seen to its end.
#[derive(Copy, Clone, PartialEq, Eq)]
#[repr(C)]
struct Seen {
    /// Its address, which is not gone to.
    dsq: usize,
    /// `dsq_gen` then: no other DSQ has come there since if it still is that.
    gen: usize,
    /// How many tasks had been put there.
    seq: usize,
}

const _: () = assert!(size_of::<Scan>() == size_of::<bindings::rust_scx_scan>());

impl Scan {
    /// That of this CPU.
    #[inline]
    pub(crate) fn of<'a>(this_rq: &'a ThisRq<'_>) -> &'a Self {
        // SAFETY: Valid by `percpu::of`, as long as there is code of ours to run.
        let words = unsafe { addr_of!((*this_rq.pcpu()).scan) };
        // CAST: The same size; all zeroes are valid.
        // SAFETY: As above. Only this CPU has references, as long as IRQs stay off.
        unsafe { &*words.cast::<Self>() }
    }

    /// A search begins: it goes on with the one before if that was not finished.
    #[inline]
    pub(crate) fn begin(&self) {
        let state = self.state.get();
        if state != 0 {
            self.state.set(after(state));
        }
    }

    /// There is more to be seen.
    pub(crate) fn set_unfinished(&self) {
        self.state.set(self.state.get() | UNFINISHED);
    }

    #[inline]
    pub(crate) fn is_unfinished(&self) -> bool {
        self.state.get() & UNFINISHED != 0
    }

    /// Whether there is anything to be known of this search.
    #[inline]
    pub(crate) fn is_going_on(&self) -> bool {
        self.state.get() != 0
    }

    /// Whether `dsq` has been seen to its end, and nothing has come to it since.
    #[cold]
    pub(crate) fn has_seen(&self, dsq: &Dsq) -> bool {
        self.knows(Seen::at(dsq, dsq.seq()))
    }

    fn knows(&self, now: Seen) -> bool {
        self.used().iter().any(|seen| seen.get() == now)
    }

    /// Notes that `dsq` has been seen to its end, when its sequence was that.
    #[cold]
    pub(crate) fn saw(&self, dsq: &Dsq, seq: u32) {
        self.note(Seen::at(dsq, seq));
    }

    fn note(&self, now: Seen) {
        let used = self.used();
        let slot = match used.iter().find(|seen| seen.get().dsq == now.dsq) {
            Some(slot) => slot,
            None => match self.seen.get(used.len()) {
                Some(slot) => {
                    self.state.set(self.state.get().wrapping_add(1));
                    slot
                }
                None => return,
            },
        };
        slot.set(now);
    }

    fn used(&self) -> &[Cell<Seen>] {
        self.seen
            .get(..self.state.get() % UNFINISHED)
            .unwrap_or(&[])
    }
}

/// What becomes of the state of a search when the next one begins.
fn after(state: usize) -> usize {
    if state & UNFINISHED != 0 {
        state & !UNFINISHED | GOES_ON
    } else {
        0
    }
}

impl Seen {
    fn at(dsq: &Dsq, seq: u32) -> Self {
        Self {
            dsq: dsq.as_raw() as usize,
            gen: scheduler::dsq_gen(),
            seq: seq as usize,
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

    kunit_tests!(rust_scx_scan: [
        a_search_that_was_finished_is_forgotten,
        one_that_was_not_goes_on,
        what_has_changed_is_not_known,
        a_dsq_is_noted_once,
        there_is_no_room_for_one_too_many,
    ]);

    fn seen(dsq: usize, gen: usize, seq: usize) -> Seen {
        Seen { dsq, gen, seq }
    }

    fn scan() -> Scan {
        Scan {
            state: Cell::new(0),
            seen: core::array::from_fn(|_| Cell::new(seen(0, 0, 0))),
        }
    }

    fn a_search_that_was_finished_is_forgotten() {
        let scan = scan();
        scan.begin();
        scan.note(seen(1, 1, 1));
        assert!(scan.knows(seen(1, 1, 1)));
        scan.begin();
        assert!(!scan.knows(seen(1, 1, 1)));
        assert_eq!(scan.state.get(), 0);
    }

    fn one_that_was_not_goes_on() {
        let scan = scan();
        scan.note(seen(1, 1, 1));
        scan.set_unfinished();
        assert!(scan.is_unfinished());
        scan.begin();
        assert!(!scan.is_unfinished());
        assert!(scan.knows(seen(1, 1, 1)));
        scan.begin();
        assert!(!scan.knows(seen(1, 1, 1)));
    }

    fn what_has_changed_is_not_known() {
        let scan = scan();
        scan.note(seen(1, 1, 1));
        for other in [seen(2, 1, 1), seen(1, 2, 1), seen(1, 1, 2)] {
            assert!(!scan.knows(other));
        }
    }

    fn a_dsq_is_noted_once() {
        let scan = scan();
        scan.note(seen(1, 1, 1));
        scan.note(seen(1, 1, 2));
        assert_eq!(scan.used().len(), 1);
        assert!(scan.knows(seen(1, 1, 2)));
    }

    fn there_is_no_room_for_one_too_many() {
        let scan = scan();
        for dsq in 0..=NR_SEEN {
            scan.note(seen(dsq, 0, 0));
        }
        scan.set_unfinished();
        assert_eq!(scan.used().len(), NR_SEEN);
        assert!(scan.knows(seen(NR_SEEN - 1, 0, 0)));
        assert!(!scan.knows(seen(NR_SEEN, 0, 0)));
    }
}
