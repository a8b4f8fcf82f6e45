// SPDX-License-Identifier: GPL-2.0

//! What a CPU's search for a task is at, for others to see.
//!
//! One word per CPU, written by that CPU alone. Who looks at it takes no lock and writes nothing.

use super::{
    rq::ThisRq,
    time::jiffies,
    watch::Watch, //
};
use crate::compat::{
    cpu::CpuId,
    sync::atomic::Relaxed, //
};

/// The CPU is searching.
const INSIDE: usize = 1;
/// It is not, and has found something.
const FOUND: usize = 2;
/// One step more, in this pass or to the next.
const STEP: usize = 4;

/// A CPU's search for a task, from its beginning until this is dropped.
#[must_use = "the search is over when this is dropped"]
pub(crate) struct Pass {
    watch: &'static Watch,
    found: bool,
}

impl Pass {
    /// This CPU, which has just [come by](come_by), begins to look for a task. A full barrier: see
    /// [`PassState::has_found`].
    ///
    /// # Context
    ///
    /// IRQs are off from here to the drop.
    #[inline]
    pub(crate) fn begin(this_rq: &ThisRq<'_>) -> Self {
        let watch = Watch::of_this(this_rq);
        let state = watch.pass.load(Relaxed) & !(INSIDE | FOUND);
        // ORDERING: Before the queues are looked at; pairs with the barrier in `kick::has_found`.
        watch.pass.xchg(state.wrapping_add(STEP | INSIDE));
        Self {
            watch,
            found: false,
        }
    }

    /// The CPU does not idle before it has begun another pass.
    #[inline]
    pub(crate) fn set_found(&mut self) {
        self.found = true;
    }
}

impl Drop for Pass {
    #[inline]
    fn drop(&mut self) {
        let state = self.watch.pass.load(Relaxed) & !INSIDE;
        let found = if self.found { FOUND } else { 0 };
        self.watch.pass.store(state | found, Relaxed);
    }
}

/// This CPU goes for its next task. It need not search if there is one at hand.
#[inline]
pub(crate) fn come_by(this_rq: &ThisRq<'_>) {
    Watch::of_this(this_rq).passed_at.store(jiffies(), Relaxed);
}

/// There was one at hand: this CPU searches before it idles, as if it had found that in a search.
#[inline]
pub(crate) fn set_found(this_rq: &ThisRq<'_>) {
    let pass = &Watch::of_this(this_rq).pass;
    let state = pass.load(Relaxed);
    if state & FOUND == 0 {
        pass.store(state | FOUND, Relaxed);
    }
}

/// Says that the search of this CPU gets on, however long it takes.
#[inline]
pub(crate) fn get_on(this_rq: &ThisRq<'_>) {
    let pass = &Watch::of_this(this_rq).pass;
    pass.store(pass.load(Relaxed).wrapping_add(STEP), Relaxed);
}

/// What a CPU was at a moment ago. If two are equal it did not get on in between.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) struct PassState(usize);

impl PassState {
    #[inline]
    pub(crate) fn of(cpu: CpuId) -> Self {
        Self::from_watch(Watch::of(cpu))
    }

    /// That of the executing CPU.
    #[inline]
    pub(crate) fn of_this(this_rq: &ThisRq<'_>) -> Self {
        Self::from_watch(Watch::of_this(this_rq))
    }

    #[inline]
    pub(crate) fn from_watch(watch: &Watch) -> Self {
        Self(watch.pass.load(Relaxed))
    }

    /// As a number that is never 0.
    pub(crate) fn to_bits(self) -> usize {
        self.0.wrapping_add(STEP)
    }

    /// From what [`to_bits`](Self::to_bits) gave; of 0, one that is no CPU's.
    pub(crate) fn from_bits(bits: usize) -> Self {
        Self(bits.wrapping_sub(STEP))
    }

    /// Whether the CPU looks for a task.
    #[inline]
    pub(crate) fn is_inside(self) -> bool {
        self.0 & INSIDE != 0
    }

    /// Whether the CPU has something to run, and looks at the queues once more before it idles.
    ///
    /// ORDERING: If what is on a queue was put there before, and a full barrier is in between, it
    /// finds that: this read did not see the next search, so that search sees the queue.
    #[inline]
    pub(crate) fn has_found(self) -> bool {
        self.0 & FOUND != 0
    }
}

/// Forgets what was found under an earlier scheduler.
///
/// # Context
///
/// While none is enabled: nobody searches.
pub(crate) fn reset(cpu: CpuId) {
    let watch = Watch::of(cpu);
    watch.pass.store(watch.pass.load(Relaxed) & !FOUND, Relaxed);
}

#[cfg(CONFIG_KUNIT)]
mod tests {
    use super::*;
    use crate::compat::kunit::{
        assert,
        kunit_tests, //
    };

    kunit_tests!(rust_scx_pass: [
        at_first_neither_inside_nor_found,
        inside_and_found_are_told_apart,
        steps_change_neither,
        a_step_is_another_state,
        a_state_to_remember_is_not_0,
    ]);

    fn at_first_neither_inside_nor_found() {
        let state = PassState(0);
        assert!(!state.is_inside());
        assert!(!state.has_found());
    }

    fn inside_and_found_are_told_apart() {
        assert!(PassState(INSIDE).is_inside());
        assert!(!PassState(INSIDE).has_found());
        assert!(PassState(FOUND).has_found());
        assert!(!PassState(FOUND).is_inside());
    }

    fn steps_change_neither() {
        let mut word = INSIDE | FOUND;
        // Across the wrap, too.
        for _ in 0..3 {
            word = word.wrapping_add(STEP).wrapping_add(usize::MAX / 2);
            word |= INSIDE | FOUND;
            assert!(PassState(word).is_inside() && PassState(word).has_found());
        }
        let last = usize::MAX & !(INSIDE | FOUND);
        let next = PassState(last.wrapping_add(STEP));
        assert!(!next.is_inside() && !next.has_found());
    }

    fn a_step_is_another_state() {
        let (one, next) = (PassState(INSIDE), PassState(INSIDE + STEP));
        assert!(one != next);
        assert!(one.to_bits() != next.to_bits());
        assert!(one.to_bits() == PassState(INSIDE).to_bits());
    }

    fn a_state_to_remember_is_not_0() {
        for word in [0, INSIDE, FOUND, STEP, usize::MAX] {
            let state = PassState(word);
            assert!(state.to_bits() != 0);
            assert!(PassState::from_bits(state.to_bits()) == state);
        }
        assert!(!PassState::from_bits(0).is_inside());
    }
}
