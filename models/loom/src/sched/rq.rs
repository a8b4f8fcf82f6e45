// SPDX-License-Identifier: GPL-2.0

//! Run queues.

use super::{
    counter::{self, Counter},
    cpumask::Cpumask,
    percpu,
    pick_seq::{Wait, Waits},
    task::Task, //
};
use crate::{
    bindings::rust_scx_pcpu,
    compat::cpu::CpuId,
    machine::{in_nmi, interrupt, is_mutant, kf_mask, machine, take_irqs, this_cpu}, //
};
use core::{
    cell::{Cell, UnsafeCell},
    marker::PhantomData,
    ops::{Deref, DerefMut}, //
};
use loom::sync::{
    atomic::{
        AtomicBool,
        AtomicUsize,
        Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst}, //
    },
    Mutex,
    MutexGuard,
    Notify, //
};
use std::sync::Arc;

pub(crate) struct Shared;
pub(crate) struct Locked;

pub(crate) struct Rq<State = Shared>(Arc<Inner>, PhantomData<State>);

struct Inner {
    cpu: CpuId,
    lock: Mutex<()>,
    /// The holder's, so that it can be dropped within a `Rq<Locked>`.
    held: UnsafeCell<Option<MutexGuard<'static, ()>>>,
    curr: Task,
    flags: AtomicUsize,
    pnt_seq: AtomicUsize,
    need_resched: AtomicBool,
    ipi: Notify,

    kick: Cpumask,
    idle: Cpumask,
    preempt: Cpumask,
    wait: Cpumask,
    irq_work_pending: AtomicBool,

    /// What `stopping` writes: how often it ran. Nothing orders the accesses but the protocol.
    stopped: AtomicUsize,
    stopped_plain: loom::cell::UnsafeCell<usize>,
    /// The same as one sees it who holds the lock.
    passes: Cell<usize>,
}

#[derive(Copy, Clone)]
pub(crate) struct Flags(usize);

impl Flags {
    pub(crate) const BYPASSING: Self = Self(1);
    pub(crate) const IN_BALANCE: Self = Self(2);
}

impl<State> Rq<State> {
    pub(crate) fn cpu(&self) -> CpuId {
        self.0.cpu
    }

    pub(crate) fn has(&self, flag: Flags) -> bool {
        self.0.flags.load(Relaxed) & flag.0 != 0
    }

    pub(crate) fn kick_requests(&self) -> KickRequests<'_> {
        KickRequests {
            kick: &self.0.kick,
            idle: &self.0.idle,
            preempt: &self.0.preempt,
            wait: &self.0.wait,
        }
    }
}

impl Rq {
    pub(crate) fn new(cpu: CpuId) -> Self {
        let inner = Inner {
            cpu,
            lock: Mutex::new(()),
            held: UnsafeCell::new(None),
            curr: Task::on_ext(),
            flags: AtomicUsize::new(0),
            pnt_seq: AtomicUsize::new(0),
            need_resched: AtomicBool::new(false),
            ipi: Notify::new(),
            kick: Cpumask::new(0),
            idle: Cpumask::new(0),
            preempt: Cpumask::new(0),
            wait: Cpumask::new(0),
            irq_work_pending: AtomicBool::new(false),
            stopped: AtomicUsize::new(0),
            stopped_plain: loom::cell::UnsafeCell::new(0),
            passes: Cell::new(0),
        };
        Self(Arc::new(inner), PhantomData)
    }

    pub(crate) fn of(cpu: CpuId) -> &'static Self {
        &machine().cpus[cpu.as_u32() as usize].rq
    }

    pub(crate) fn pick_seq(&self) -> usize {
        self.0.pnt_seq.load(if is_mutant("relaxed-load") {
            Relaxed
        } else {
            Acquire
        })
    }

    pub(crate) fn lock_irqsave(&self) -> RqGuard<'_> {
        self.lock();
        RqGuard::new(self)
    }

    pub(crate) fn try_lock(&self, _irqs_off: &ThisRq<'_>) -> Option<RqGuard<'_>> {
        if machine().world.locks_taken {
            return None;
        }
        // SAFETY: Run queues live as long as the model, of which guards are part.
        let lock: &'static Mutex<()> = unsafe { &*core::ptr::from_ref(&self.0.lock) };
        let guard = lock.try_lock().ok()?;
        // SAFETY: Just locked.
        unsafe { *self.0.held.get() = Some(guard) };
        Some(RqGuard::new(self))
    }

    fn lock(&self) {
        // SAFETY: As in `try_lock`.
        let lock: &'static Mutex<()> = unsafe { &*core::ptr::from_ref(&self.0.lock) };
        let guard = lock.lock().unwrap();
        // SAFETY: As in `try_lock`.
        unsafe { *self.0.held.get() = Some(guard) };
    }

    fn unlock(&self) {
        // SAFETY: The lock is held.
        drop(unsafe { (*self.0.held.get()).take() });
    }

    pub(crate) fn picks_for_siblings(&self) -> bool {
        machine().world.siblings
    }

    pub(crate) fn idles(&self) -> bool {
        self.0.curr.is_idle()
    }

    /// Of the executing CPU. Who sets it sends an IPI, so that it is seen before long; a relaxed
    /// load would have loom try what comes of seeing it later, at great length.
    pub(crate) fn need_resched(&self) -> bool {
        self.0.need_resched.load(SeqCst)
    }

    /// Waits for an interrupt, as an idle loop does.
    pub(crate) fn wait_for_ipi(&self) {
        self.0.ipi.wait();
    }

    pub(crate) fn send_ipi(&self) {
        self.0.ipi.notify();
    }

    /// irq_work_run(): pending is cleared before the work is done.
    pub(crate) fn take_irq_work(&self) -> bool {
        if is_mutant("pending-late") {
            return !self.irq_work_idle();
        }
        self.0.irq_work_pending.swap(false, AcqRel)
    }

    pub(crate) fn irq_work_idle(&self) -> bool {
        !self.0.irq_work_pending.load(Acquire)
    }

    /// Clears pending when it is too late.
    pub(crate) fn irq_work_done(&self) {
        self.0.irq_work_pending.store(false, Release);
    }

    pub(crate) fn stopped(&self, plain: bool) -> usize {
        if plain {
            // SAFETY: loom tells if somebody writes.
            self.0.stopped_plain.with(|stopped| unsafe { *stopped })
        } else {
            self.0.stopped.load(Relaxed)
        }
    }
}

impl Deref for Rq<Locked> {
    type Target = Rq;

    fn deref(&self) -> &Rq {
        Rq::of(self.cpu())
    }
}

impl Rq<Locked> {
    pub(crate) fn count(&self, id: Counter) {
        counter::count(self.cpu(), id);
    }

    pub(crate) fn set(&mut self, flag: Flags) {
        self.0.flags.fetch_or(flag.0, Relaxed);
    }

    pub(crate) fn clear(&mut self, flag: Flags) {
        self.0.flags.fetch_and(!flag.0, Relaxed);
    }

    pub(crate) fn curr(&self) -> &Task {
        &self.0.curr
    }

    pub(crate) fn has_deferred(&self) -> bool {
        machine().cpus[self.cpu().as_u32() as usize].deferred.get()
    }

    pub(crate) fn expire_curr(&mut self) {
        self.0.curr.expire_slice();
    }

    /// Makes the CPU reschedule. This is what requests are about, so the books are kept here.
    pub(crate) fn resched_curr(&mut self) {
        let this_rq = ThisRq::get();
        let requests = this_rq.kick_requests();
        requests.kick.done(self.cpu());
        requests.idle.done(self.cpu());
        let expired = self.0.curr.take_expired();
        if expired {
            requests.preempt.done(self.cpu());
        }
        machine().served(self.cpu(), expired);
        let seq = self.pick_seq();
        let noted = |wait: Wait| wait.cpu == self.cpu() && wait.seq == seq;
        if Waits::of(&this_rq).is_some_and(|waits| waits.iter().any(noted)) {
            requests.wait.done(self.cpu());
            machine().promise(this_cpu(), self.cpu(), self.0.passes.get());
        }

        self.0.need_resched.store(true, SeqCst);
        if self.cpu() != this_cpu() {
            self.send_ipi();
        }
    }

    /// What `stopping` does and the books of it.
    pub(crate) fn run_stopping(&mut self) {
        let passes = self.0.passes.get() + 1;
        self.0.passes.set(passes);
        if machine().world.plain_writes {
            // SAFETY: loom tells if somebody reads or writes.
            self.0
                .stopped_plain
                .with_mut(|stopped| unsafe { *stopped = passes });
        } else {
            self.0.stopped.store(passes, Relaxed);
        }
    }

    pub(crate) fn clear_need_resched(&mut self) {
        self.0.need_resched.store(false, SeqCst);
    }

    /// As the module does for a task that goes on, and C for one that does not or that changes its
    /// class.
    pub(crate) fn move_pick_seq(&mut self) {
        let seq = self.0.pnt_seq.load(Relaxed);
        let order = if is_mutant("relaxed-store") {
            Relaxed
        } else {
            Release
        };
        self.0.pnt_seq.store(seq.wrapping_add(1), order);
    }

    pub(crate) fn unlocked<R>(&mut self, f: impl FnOnce(&Rq) -> R) -> R {
        let rq: &Rq = self;
        rq.unlock();
        interrupt();
        let result = f(rq);
        take_irqs();
        rq.lock();
        result
    }

    /// As [`unlocked`](Self::unlocked), with IRQs off.
    pub(crate) fn relocked<R>(&mut self, f: impl FnOnce() -> R) -> R {
        let rq: &Rq = self;
        rq.unlock();
        let result = f();
        rq.lock();
        result
    }

    pub(crate) fn executing(&self) -> ThisRq<'_> {
        ThisRq(Rq::of(this_cpu()))
    }
}

pub(crate) struct RqGuard<'a>(Rq<Locked>, PhantomData<&'a Rq>);

impl<'a> RqGuard<'a> {
    /// The lock of `rq` is held.
    fn new(rq: &'a Rq) -> Self {
        Self(Rq(rq.0.clone(), PhantomData), PhantomData)
    }
}

impl Deref for RqGuard<'_> {
    type Target = Rq<Locked>;

    fn deref(&self) -> &Rq<Locked> {
        &self.0
    }
}

impl DerefMut for RqGuard<'_> {
    fn deref_mut(&mut self) -> &mut Rq<Locked> {
        &mut self.0
    }
}

impl Drop for RqGuard<'_> {
    fn drop(&mut self) {
        self.0.unlock();
    }
}

#[derive(Copy, Clone)]
pub(crate) struct ThisRq<'a>(&'a Rq);

impl Deref for ThisRq<'_> {
    type Target = Rq;

    fn deref(&self) -> &Rq {
        self.0
    }
}

impl ThisRq<'_> {
    /// That of the executing CPU.
    pub(crate) fn get() -> Self {
        Self(Rq::of(this_cpu()))
    }

    pub(crate) fn is(&self, rq: &Rq<Locked>) -> bool {
        self.cpu() == rq.cpu()
    }

    pub(crate) fn pcpu(&self) -> *mut rust_scx_pcpu {
        percpu::of(self.cpu())
    }

    pub(crate) fn kf_mask(&self) -> u32 {
        kf_mask()
    }

    pub(crate) fn count(&self, id: Counter) {
        counter::count(self.cpu(), id);
    }

    /// irq_work_queue(). The interrupt comes with [`take_irqs`].
    pub(crate) fn queue_kick_irq_work(&self) -> bool {
        self.queue_kick_irq_work_on(self.cpu())
    }

    /// irq_work_queue_on().
    pub(crate) fn queue_kick_irq_work_on(&self, cpu: CpuId) -> bool {
        assert!(cpu == self.cpu() || !in_nmi(), "an IPI from an NMI");
        !Rq::of(cpu).0.irq_work_pending.swap(true, AcqRel)
    }
}

pub(crate) struct KickRequests<'a> {
    pub(crate) kick: &'a Cpumask,
    pub(crate) idle: &'a Cpumask,
    pub(crate) preempt: &'a Cpumask,
    pub(crate) wait: &'a Cpumask,
}

impl KickRequests<'_> {
    pub(crate) fn clear(&self) {
        for set in [self.kick, self.idle, self.preempt, self.wait] {
            set.iter().for_each(|cpu| set.clear_atomic(cpu));
        }
    }
}
