// SPDX-License-Identifier: GPL-2.0

//! Run queues, and proof of who holds their locks.
//!
//! - [`Rq`] offers what C reads without the lock.
//! - [`Rq<Locked>`] is what a holder of the lock sees. A [guard](guard::RqGuard) takes the lock; where C calls
//!   with the lock held, the hook says so by [`Rq::assume_locked`].
//! - [`ThisRq`] is the run queue of the executing CPU, which stays that as IRQs are off.
//!
//! With core scheduling the siblings of a core share one lock, so `Rq<Locked>` says that the
//! lock which protects this run queue is held, not that it is held for it alone.
//!
//! C header: [`kernel/sched/sched.h`](srctree/kernel/sched/sched.h)

mod guard;
mod requests;
mod this;
pub(crate) mod waiting;

pub(crate) use self::{
    guard::Balancing,
    requests::KickRequests,
    this::ThisRq, //
};

use super::{
    counter::{
        self,
        Counter, //
    },
    cpumask::{
        active,
        siblings, //
    },
    percpu,
    task::Task, //
};
use crate::{
    bindings,
    compat::{
        cpu::CpuId,
        sync::atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
    },
};
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::{
        addr_of,
        addr_of_mut,
        null_mut, //
    },
};
use kernel::{
    bindings::{
        scx_dispatch_q,
        task_struct, //
    },
    container_of,
    types::Opaque, //
};

/// State of an [`Rq`]: nothing is known about its lock.
pub(crate) struct Shared;

/// State of an [`Rq`]: its lock is held and IRQs are off.
pub(crate) struct Locked;

/// A run queue.
#[repr(transparent)]
pub(crate) struct Rq<State = Shared>(Opaque<bindings::rq>, PhantomData<(State, *mut ())>);

/// Bits of `rq->scx.flags`.
#[derive(Copy, Clone)]
pub(crate) struct Flags(u32);

impl Flags {
    /// The BPF scheduler knows the CPU as online.
    pub(crate) const ONLINE: Self = Self(bindings::scx_rq_flags_SCX_RQ_ONLINE);
    /// The core scheduler has not seen a balance in this cycle.
    pub(crate) const BAL_PENDING: Self = Self(bindings::scx_rq_flags_SCX_RQ_BAL_PENDING);
    /// Balance decided to keep the current task.
    pub(crate) const BAL_KEEP: Self = Self(bindings::scx_rq_flags_SCX_RQ_BAL_KEEP);
    /// The BPF scheduler is left out.
    pub(crate) const BYPASSING: Self = Self(bindings::scx_rq_flags_SCX_RQ_BYPASSING);
    /// The CPU is vacant and looks for a task.
    #[doc(alias = "IN_DISPATCH")]
    pub(crate) const IN_BALANCE: Self = Self(bindings::scx_rq_flags_SCX_RQ_IN_BALANCE);
}

impl<State> Rq<State> {
    pub(super) fn as_raw(&self) -> *mut bindings::rq {
        self.0.get()
    }

    /// The CPU whose run queue it is.
    #[inline]
    pub(crate) fn cpu(&self) -> CpuId {
        // SAFETY: The run queue is there, its CPU set at boot: a possible one, so in range.
        unsafe { CpuId::from_i32_unchecked(addr_of!((*self.as_raw()).cpu).read()) }
    }

    /// Whether `flag` is set; without the lock, whether it was a moment ago.
    #[inline]
    pub(crate) fn has(&self, flag: Flags) -> bool {
        // SAFETY: The run queue is there; read in one piece.
        let flags = unsafe { addr_of!((*self.as_raw()).scx.flags).read_volatile() };
        flags & flag.0 != 0
    }

    /// Whether its CPU takes tasks. If so, `ONLINE` stays set until IRQs are on again.
    #[doc(alias = "scx_rq_online")]
    pub(crate) fn is_online(&self) -> bool {
        self.has(Flags::ONLINE) && active().test(self.cpu())
    }

    /// What runs there; without the lock, what did a moment ago and may be gone.
    fn curr_raw(&self) -> *mut task_struct {
        // SAFETY: The run queue is there, and has the member at this offset.
        // CAST: It is a pointer to a task.
        let curr = unsafe {
            self.as_raw()
                .byte_add(bindings::rust_scx_offset_RUST_SCX_RQ_CURR as usize)
                .cast::<*mut task_struct>()
        };
        // SAFETY: As above; always set, and read in one piece.
        unsafe { curr.read_volatile() }
    }

    /// Whether one pick serves all SMT siblings of this core. They share the lock then. Without it,
    /// whether that was so a moment ago.
    #[inline]
    pub(crate) fn picks_for_siblings(&self) -> bool {
        #[cfg(CONFIG_SCHED_CORE)]
        // SAFETY: The run queue is there; read in one piece.
        return unsafe { addr_of!((*self.as_raw()).core_enabled).read_volatile() } != 0;
        #[cfg(not(CONFIG_SCHED_CORE))]
        false
    }

    /// Whether a hypervisor has taken its CPU away for now, where that says so.
    pub(crate) fn cpu_is_taken(&self) -> bool {
        // SAFETY: May be called anywhere, with a possible CPU.
        unsafe { bindings::vcpu_is_preempted(self.cpu().as_u32() as i32) }
    }
}

impl Rq {
    /// The run queue of `cpu`.
    #[inline]
    pub(crate) fn of(cpu: CpuId) -> &'static Self {
        let rq = percpu::at(addr_of!(bindings::runqueues), cpu);
        // SAFETY: There forever: a `CpuId` is in range, and ours come from the possible or online
        // CPUs, or from C, which has checked them.
        // CAST: `repr(transparent)`.
        unsafe { &*rq.cast::<Self>() }
    }

    /// The run queue whose local DSQ `dsq` is.
    ///
    /// # Safety
    ///
    /// It is a local one.
    pub(crate) unsafe fn of_local_dsq(dsq: *mut scx_dispatch_q) -> &'static Self {
        // SAFETY: By the requirement above.
        let rq = unsafe { container_of!(dsq, bindings::rq, scx.local_dsq) };
        // SAFETY: There forever.
        // CAST: `repr(transparent)`.
        unsafe { &*rq.cast::<Self>() }
    }

    /// The sequence that moves when its CPU has been through the scheduler, see
    /// [`pick_seq`](super::pick_seq).
    ///
    /// ORDERING: An acquire. Pairs with the releases in C's `put_prev_task_scx()` and
    /// `switched_from_scx()` and in [`move_pick_seq`](Rq::move_pick_seq): who sees the sequence move
    /// sees what `stopping` wrote on that CPU before.
    #[doc(alias = "kick_sync")]
    #[doc(alias = "pnt_seq")]
    pub(crate) fn pick_seq(&self) -> usize {
        self.pick_seq_ref().load(Acquire)
    }

    fn pick_seq_ref(&self) -> &Atomic {
        // SAFETY: There forever, and written with WRITE_ONCE() or stronger.
        unsafe { Atomic::from_ptr(addr_of_mut!((*self.as_raw()).scx.pnt_seq).cast()) }
    }
}

impl Deref for Rq<Locked> {
    type Target = Rq;

    fn deref(&self) -> &Rq {
        // SAFETY: Who holds the lock may do what others may.
        // CAST: `repr(transparent)`, the state has no size.
        unsafe { &*self.as_raw().cast::<Rq>() }
    }
}

impl Rq<Locked> {
    /// # Safety
    ///
    /// `ptr` is a run queue whose lock is held during `'a`, but where the methods below drop and
    /// retake it, and no other `Rq<Locked>` of it is in use meanwhile.
    pub(crate) unsafe fn assume_locked<'a>(ptr: *mut bindings::rq) -> &'a mut Self {
        #[cfg(CONFIG_LOCKDEP)]
        // SAFETY: By the requirement above, which this checks.
        unsafe {
            bindings::lockdep_assert_rq_held(ptr);
        }
        // SAFETY: By the requirement above.
        // CAST: `repr(transparent)`.
        unsafe { &mut *ptr.cast::<Self>() }
    }

    /// Counts for the CPU of this run queue.
    #[inline]
    pub(crate) fn count(&self, id: Counter) {
        counter::count(self.cpu(), id);
    }

    fn change_flags(&mut self, clear: u32, set: u32) {
        // SAFETY: The run queue is there; flags are written under the lock only.
        let flags = unsafe { addr_of_mut!((*self.as_raw()).scx.flags) };
        // SAFETY: As above. Others may read without the lock, hence volatile.
        unsafe { flags.write_volatile(flags.read_volatile() & !clear | set) };
    }

    pub(crate) fn set(&mut self, flag: Flags) {
        self.change_flags(0, flag.0);
    }

    /// Forgets what an earlier balance decided, and that one was due.
    pub(crate) fn forget_balance(&mut self) {
        self.change_flags(Flags::BAL_PENDING.0 | Flags::BAL_KEEP.0, 0);
    }

    /// What runs there. It cannot leave while the lock is held.
    pub(crate) fn curr(&self) -> &Task {
        let curr = self.curr_raw();
        // SAFETY: A running task is not freed, and keeps running while we have the lock.
        unsafe { Task::from_raw(curr) }
    }

    /// Whether `task` is what runs there.
    pub(crate) fn runs(&self, task: &Task) -> bool {
        core::ptr::eq(self.curr_raw(), task.as_raw())
    }

    /// Takes the current task's time away, so that the next balance does not keep it.
    pub(crate) fn expire_curr(&mut self) {
        self.curr().expire_slice();
    }

    /// Makes the CPU go through the scheduler soon.
    pub(crate) fn resched_curr(&mut self) {
        // SAFETY: The lock is held, as is asked for.
        unsafe { bindings::resched_curr(self.as_raw()) };
    }

    /// Tells who waits for this CPU that it has been through the scheduler, where C does not
    /// notice as the current task goes on.
    ///
    /// ORDERING: A release, as in C's `put_prev_task_scx()`, see [`pick_seq`](Rq::pick_seq). By
    /// the lock nobody else writes.
    pub(crate) fn move_pick_seq(&mut self) {
        let seq = self.pick_seq_ref();
        seq.store(seq.load(Relaxed).wrapping_add(1), Release);
    }

    /// Does something without the lock, with IRQs on and preemption off.
    ///
    /// # Context
    ///
    /// Where the core scheduler allows it: [`call_after_switch`](Self::call_after_switch).
    pub(crate) fn unlocked<R>(&mut self, f: impl FnOnce(&Rq) -> R) -> R {
        // SAFETY: The lock is held, and `&mut` ended all borrows of what it protects.
        unsafe { bindings::raw_spin_rq_unlock_irq(self.as_raw()) };
        // CAST: `repr(transparent)`, the state has no size.
        // SAFETY: Run queues are there forever.
        let result = f(unsafe { &*self.as_raw().cast::<Rq>() });
        // SAFETY: It was unlocked above.
        unsafe { bindings::raw_spin_rq_lock_irq(self.as_raw()) };
        result
    }

    /// Has `f` called with the lock held once the switch that this CPU is about to do is over.
    /// There the lock may be dropped.
    ///
    /// # Safety
    ///
    /// The lock is not dropped before the core scheduler picks. `f` may be called so.
    pub(crate) unsafe fn call_after_switch(&mut self, f: unsafe extern "C" fn(*mut bindings::rq)) {
        // SAFETY: The lock is held; the rest by the requirement above.
        unsafe { bindings::scx_core_after_switch(self.as_raw(), Some(f)) };
    }

    /// Calls `f` with the run queue of each other CPU of this core, and the task that runs there,
    /// if one pick serves them all.
    pub(crate) fn for_each_sibling(&mut self, mut f: impl FnMut(&mut Rq<Locked>, &Task)) {
        for cpu in siblings(self.cpu()).iter() {
            // `f` may drop the lock, and core scheduling be turned off meanwhile.
            if cpu == self.cpu() || !self.picks_for_siblings() {
                continue;
            }
            // SAFETY: With core scheduling its lock is that of `self`, which is held. It is
            // another one than `self`, and no `Rq<Locked>` of it outlives this round.
            let rq = unsafe { Self::assume_locked(Rq::of(cpu).as_raw()) };
            // SAFETY: A running task is not freed, and once it has stopped its memory goes
            // through RCU, for which IRQs are off too long.
            let curr = unsafe { Task::from_raw(rq.curr().as_raw()) };
            f(rq, curr);
        }
    }

    /// Brings the clock up to date.
    pub(crate) fn update_clock(&mut self) {
        // SAFETY: The lock is held.
        unsafe { bindings::update_rq_clock(self.as_raw()) };
    }

    /// Whether a task is ready to run on this CPU.
    pub(crate) fn has_local_tasks(&self) -> bool {
        // SAFETY: The run queue is there; its lock protects the local DSQ.
        unsafe { addr_of!((*self.as_raw()).scx.local_dsq.nr).read_volatile() != 0 }
    }

    /// Whether a higher class took the CPU and the BPF scheduler was told so.
    pub(crate) fn cpu_released(&self) -> bool {
        // SAFETY: The run queue is there; the lock protects the field.
        unsafe { addr_of!((*self.as_raw()).scx.cpu_released).read() }
    }

    /// Tells the BPF scheduler that it has the CPU back.
    pub(crate) fn cpu_acquire(&mut self) {
        // SAFETY: The lock is held, IRQs are off.
        unsafe { bindings::scx_core_cpu_acquire(self.as_raw()) };
        // SAFETY: The run queue is there; the lock protects the field.
        unsafe { addr_of_mut!((*self.as_raw()).scx.cpu_released).write(false) };
    }

    /// Charges the current task for the time since it was last charged.
    pub(crate) fn update_curr(&mut self) {
        // SAFETY: The lock is held and the core scheduler has updated the clock.
        unsafe { bindings::scx_core_update_curr(self.as_raw()) };
    }

    /// Calls `ops.dispatch()`. What it asks for is in the [dispatch context](super::dsp_ctx) then,
    /// begun for this run queue.
    ///
    /// Drops and retakes the lock if it consumes tasks on the way.
    pub(crate) fn call_dispatch(&mut self, prev: Option<&Task>) {
        let prev = prev.map_or(null_mut(), Task::as_raw);
        // SAFETY: The lock is held. It may be dropped, as `&mut` ended all borrows of what it
        // protects. A scheduler is enabled, and has the operation: the caller looked at the flags
        // it was enabled with.
        unsafe { bindings::scx_core_call_dispatch(self.cpu().as_u32() as i32, prev) };
    }

    /// Whether tasks that were dispatched to other CPUs wait here for a moment when the lock can be
    /// dropped.
    pub(crate) fn has_deferred(&self) -> bool {
        // SAFETY: The run queue is there.
        let head = unsafe { addr_of!((*self.as_raw()).scx.ddsp_deferred_locals) };
        // SAFETY: Initialized at boot, and changed under the lock only, which is held.
        let first = unsafe { (*head).next };
        !core::ptr::eq(first, head)
    }

    /// Notes for core scheduling when `task` was dispatched.
    pub(crate) fn touch(&self, task: &Task) {
        // SAFETY: The lock is held, the task is there.
        unsafe { bindings::scx_core_touch(self.as_raw(), task.as_raw()) };
    }

    pub(super) fn local_dsq(&mut self) -> *mut scx_dispatch_q {
        // SAFETY: The run queue is there.
        unsafe { addr_of_mut!((*self.as_raw()).scx.local_dsq) }
    }
}

/// Whether CPUs may be taken away by a hypervisor without [`Rq::cpu_is_taken`] saying so.
pub(crate) fn cpus_may_vanish() -> bool {
    // SAFETY: May be called anywhere.
    unsafe { bindings::rust_scx_cpus_may_vanish() }
}
