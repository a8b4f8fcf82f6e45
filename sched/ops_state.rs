// SPDX-License-Identifier: GPL-2.0

//! Who owns a task on its way from the BPF scheduler to a CPU.
//!
//! `p->scx.ops_state` says whether a task is with the BPF scheduler (`QUEUED`), on its way there
//! (`QUEUEING`) or back (`DISPATCHING`), or none of that. Who takes a task from `QUEUED` to
//! `DISPATCHING` has [`Claimed`] it: a dequeue of it waits, under the lock of its run queue. So
//! that lock must not be waited for with a claim. To get it, a task goes on as [`Held`]: the claim
//! is given up and a dequeue does not wait anymore, but leaves a sign. With the lock and no such
//! sign the task is [`Owned`].
//!
//! ```text
//!   Claimed --put_on()-----------------------------------------> a DSQ
//!      |---own()------------------------> Owned --put_on()-----> a DSQ
//!      `---let_go()---> Held --regain()--'    `---migrate()----> a local DSQ
//!   DSQ ---take()-----> Taken --migrate()----------------------> a local DSQ
//! ```
//!
//! Orderings:
//!
//! - [`Task::claim`] is a full barrier, and what is known of the task before is not used after.
//! - To leave `DISPATCHING` is a release, in [`Claimed::let_go`] and in C's `dispatch_enqueue()`:
//!   it pairs with the acquire of who waits, C's `ops_dequeue()` and [`Task::wait_ops_state`].
//!
//! C counterpart: `enum scx_ops_state` in
//! [`include/linux/sched/ext_core.h`](srctree/include/linux/sched/ext_core.h)

use super::{
    dsq::{
        Candidate,
        Dsq, //
    },
    relock::Relock,
    rq::{
        Rq,
        ThisRq, //
    },
    task::Task,
    time::cpu_relax, //
};
use crate::{
    bindings,
    compat::sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
};
use core::ptr::addr_of_mut;
use kernel::bindings::scx_dispatch_q;

/// The bits that are no sequence.
const STATE_MASK: usize = (1 << bindings::scx_ops_state_SCX_OPSS_QSEQ_SHIFT) - 1;

/// Leave `DISPATCHING` when the task is on its DSQ.
const ENQ_CLEAR_OPSS: u64 = bindings::scx_core_enq_flags_SCX_CORE_ENQ_CLEAR_OPSS as u64;

/// A value of `p->scx.ops_state`.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) struct OpsState(usize);

impl OpsState {
    const NONE: Self = Self(bindings::scx_ops_state_SCX_OPSS_NONE as usize);
    const DISPATCHING: Self = Self(bindings::scx_ops_state_SCX_OPSS_DISPATCHING as usize);

    fn is(self, state: bindings::scx_ops_state) -> bool {
        self.0 & STATE_MASK == state as usize
    }

    /// Whether the task is on its way to the BPF scheduler.
    pub(crate) fn is_queueing(self) -> bool {
        self.is(bindings::scx_ops_state_SCX_OPSS_QUEUEING)
    }

    /// Whether the task is with the BPF scheduler, since the same enqueue as `qseq` is from.
    pub(crate) fn is_queued(self, qseq: usize) -> bool {
        self.is(bindings::scx_ops_state_SCX_OPSS_QUEUED) && self.0 & !STATE_MASK == qseq
    }
}

/// Where to put a task.
#[derive(Copy, Clone)]
pub(crate) enum Destination<'h> {
    /// The local DSQ of a CPU.
    Local(&'static Rq),
    /// Any other.
    Queue(&'h Dsq),
}

impl Task {
    fn ops_state_ref(&self) -> &Atomic {
        // SAFETY: The task is there, and all accesses to the field are atomic.
        unsafe { Atomic::from_ptr(addr_of_mut!((*self.as_raw()).scx.ops_state).cast()) }
    }

    pub(crate) fn ops_state(&self) -> OpsState {
        OpsState(self.ops_state_ref().load(Relaxed))
    }

    /// Waits until it is another than `state`, which one is that passes by itself.
    pub(crate) fn wait_ops_state(&self, state: OpsState) {
        while {
            cpu_relax();
            self.ops_state_ref().load(Acquire) == state.0
        } {}
    }

    /// Claims the task if its state is still `queued`, which it must be to be seen as
    /// [`is_queued`](OpsState::is_queued).
    pub(crate) fn claim(&self, queued: OpsState) -> Option<Claimed<'_>> {
        self.ops_state_ref()
            .cmpxchg(queued.0, OpsState::DISPATCHING.0)
            .then_some(Claimed(self))
    }

    /// The sign on it, written by who has it claimed, or the lock of its DSQ or run queue.
    fn holding_cpu(&self) -> &Atomic<i32> {
        // SAFETY: The task is there. C's accesses are no wider, and by these rules ordered.
        unsafe { Atomic::from_ptr(addr_of_mut!((*self.as_raw()).scx.holding_cpu)) }
    }
}

/// A task that is `DISPATCHING`: nobody else touches it, and it stays on its run queue.
#[must_use = "a dequeue of the task would wait forever"]
pub(crate) struct Claimed<'h>(&'h Task);

impl<'h> Claimed<'h> {
    pub(crate) fn task(&self) -> &'h Task {
        self.0
    }

    /// Gives it the time it may run for, in ns, 0 for what is left, and its place in a priority
    /// queue if that is to be.
    pub(crate) fn set_slice_vtime(&self, slice: u64, vtime: Option<u64>) {
        let p = self.0.as_raw();
        // SAFETY: The task is there, and ours alone. BPF programs read and write these as they
        // like, hence volatile.
        unsafe {
            let field = addr_of_mut!((*p).scx.slice);
            let slice = match slice {
                0 => field.read_volatile().max(1),
                slice => slice,
            };
            field.write_volatile(slice);
            if let Some(vtime) = vtime {
                addr_of_mut!((*p).scx.dsq_vtime).write_volatile(vtime);
            }
        }
    }

    /// Puts it on a DSQ that is not local.
    pub(crate) fn put_on(self, dsq: &Dsq, enq_flags: u64) {
        let enq_flags = enq_flags | ENQ_CLEAR_OPSS;
        // SAFETY: The DSQ is there, the task is ours. Some run queue is locked at most, IRQs are
        // off.
        unsafe { bindings::scx_core_enqueue(dsq.as_raw(), self.0.as_raw(), enq_flags) };
    }

    /// Owns it, if its run queue is the one that is locked: a dequeue would need that lock.
    pub(crate) fn own(self, lock: &mut Relock<'_>) -> Result<Owned<'h>, Self> {
        if lock.at().cpu() != self.0.cpu() {
            return Err(self);
        }
        self.0.ops_state_ref().store(OpsState::NONE.0, Release);
        // INVARIANT: Its run queue is locked, and it came from the BPF scheduler, from no DSQ.
        Ok(Owned(self.0))
    }

    /// Gives the claim up without letting the task go.
    pub(crate) fn let_go(self, this_rq: &ThisRq<'_>) -> Held<'h> {
        let held = Held::new(self.0, this_rq);
        // ORDERING: Who dequeues it and sees this sees us hold it.
        self.0.ops_state_ref().store(OpsState::NONE.0, Release);
        held
    }
}

/// A task that is no longer where it was queued, with a sign on it: `p->scx.holding_cpu`.
///
/// The sign cannot come to be this CPU's again by what others do: they write their own.
#[must_use = "the task would be lost"]
pub(crate) struct Held<'h> {
    task: &'h Task,
    /// Its run queue, unless it is dequeued.
    rq: &'static Rq,
    cpu: i32,
}

impl<'h> Held<'h> {
    /// The task is claimed, or its DSQ locked: what keeps it on its run queue ends after this.
    fn new(task: &'h Task, this_rq: &ThisRq<'_>) -> Self {
        let cpu = this_rq.cpu().as_u32() as i32;
        // By what callers have of it nobody else writes.
        task.holding_cpu().store(cpu, Relaxed);
        Self {
            task,
            rq: Rq::of(task.cpu()),
            cpu,
        }
    }

    /// Locks its run queue. `None` if it was dequeued meanwhile, and is none of our business.
    #[doc(alias = "unlink_dsq_and_lock_src_rq")]
    pub(crate) fn regain(self, lock: &mut Relock<'_>) -> Option<Owned<'h>> {
        lock.go(self.rq);
        // The task is there even so, as IRQs have been off since it was seen.
        let holding_cpu = self.task.holding_cpu().load(Relaxed);
        if holding_cpu != self.cpu || self.task.cpu() != self.rq.cpu() {
            return None;
        }
        // INVARIANT: Its run queue is locked. It was on no list when it was held, and has not been
        // dequeued, so not been enqueued.
        Some(Owned(self.task))
    }
}

/// A task that was just taken off a DSQ.
///
/// To `p->scx.dsq` it still is on that: who dequeues it locks that DSQ to look at the sign. So it
/// can be migrated, which dequeues it, and cannot be put on another DSQ.
#[must_use = "the task would be lost"]
pub(crate) struct Taken<'h>(Held<'h>);

impl Taken<'_> {
    /// Moves it to the CPU of `to`, see [`Owned::migrate`]. False if it was dequeued meanwhile, and
    /// is none of our business.
    #[inline(always)]
    pub(crate) fn migrate(self, lock: &mut Relock<'_>, to: &'static Rq) -> bool {
        let owned = self.0.regain(lock);
        owned.map(|owned| owned.migrate(lock, to, 0)).is_some()
    }
}

impl<'h> Candidate<'_, '_, 'h> {
    /// Takes the task off the DSQ, to move it to another CPU.
    ///
    /// Until that is done whoever dequeues it is faster.
    pub(crate) fn take(self) -> Taken<'h> {
        let (task, this_rq) = (self.task(), self.this_rq());
        self.unlink();
        Taken(Held::new(task, this_rq))
    }
}

/// A runnable task whose run queue is the one that is locked.
///
/// # Invariants
///
/// It is so, and the task is on no DSQ, nor in the BPF scheduler's hands.
#[must_use = "the task would be lost"]
pub(crate) struct Owned<'h>(&'h Task);

impl<'h> Owned<'h> {
    /// # Safety
    ///
    /// The invariants.
    pub(crate) unsafe fn assume(task: &'h Task) -> Self {
        // INVARIANT: By the requirement above.
        Self(task)
    }

    pub(crate) fn task(&self) -> &'h Task {
        self.0
    }

    /// Puts it on a DSQ that is not local.
    pub(crate) fn put_on(self, dsq: &Dsq, enq_flags: u64) {
        self.enqueue(dsq.as_raw(), enq_flags);
    }

    /// Puts it on the local DSQ of the CPU it is on.
    pub(crate) fn put_here(self, lock: &mut Relock<'_>, enq_flags: u64) {
        self.enqueue(lock.at().local_dsq(), enq_flags);
    }

    fn enqueue(self, dsq: *mut scx_dispatch_q, enq_flags: u64) {
        // The sign is what remains of `Held`.
        self.0.holding_cpu().store(-1, Relaxed);
        // SAFETY: The task is on no DSQ and its run queue is locked, by the type invariants. That
        // run queue is also the one of a local DSQ here.
        unsafe { bindings::scx_core_enqueue(dsq, self.0.as_raw(), enq_flags) };
    }

    /// Moves it to the CPU of `to` and its local DSQ. It has to be allowed to run there. The lock
    /// of `to` is the one that is held after that.
    #[doc(alias = "move_remote_task_to_local_dsq")]
    pub(crate) fn migrate(self, lock: &mut Relock<'_>, to: &'static Rq, enq_flags: u64) {
        lock.pass(to, |from, to| {
            // SAFETY: The run queue it is on is locked, by the type invariants. What is called
            // unlocks that and locks `to`. It dequeues the task, which is what takes a sign off.
            unsafe { bindings::scx_core_move_remote(self.0.as_raw(), enq_flags, from, to) };
        });
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

    kunit_tests!(rust_scx_ops_state: [
        with_the_scheduler_since_that_enqueue,
        another_enqueue_is_none_of_the_note,
        on_its_way_is_not_there_yet,
        claimed_or_none_is_neither,
        states_and_sequences_share_no_bits,
    ]);

    use bindings::{
        scx_ops_state_SCX_OPSS_QSEQ_SHIFT as SHIFT,
        scx_ops_state_SCX_OPSS_QUEUED as QUEUED,
        scx_ops_state_SCX_OPSS_QUEUEING as QUEUEING, //
    };

    /// The third enqueue of a task, as the sequence in a note is.
    const QSEQ: usize = 3 << SHIFT;

    fn with_the_scheduler_since_that_enqueue() {
        let state = OpsState(QUEUED as usize | QSEQ);
        assert!(state.is_queued(QSEQ));
        assert!(!state.is_queueing());
    }

    fn another_enqueue_is_none_of_the_note() {
        let state = OpsState(QUEUED as usize | QSEQ);
        assert!(!state.is_queued(QSEQ + (1 << SHIFT)));
        assert!(!state.is_queued(QSEQ - (1 << SHIFT)));
        assert!(!state.is_queued(0));
    }

    fn on_its_way_is_not_there_yet() {
        let state = OpsState(QUEUEING as usize | QSEQ);
        assert!(state.is_queueing());
        assert!(!state.is_queued(QSEQ));
    }

    fn claimed_or_none_is_neither() {
        for state in [OpsState::NONE, OpsState::DISPATCHING] {
            assert!(!state.is_queueing());
            assert!(!state.is_queued(0));
        }
    }

    fn states_and_sequences_share_no_bits() {
        for state in [QUEUED as usize, QUEUEING as usize, OpsState::DISPATCHING.0] {
            assert_eq!(state & !STATE_MASK, 0);
        }
        assert_eq!(QSEQ & STATE_MASK, 0);
    }
}
