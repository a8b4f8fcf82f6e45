// SPDX-License-Identifier: GPL-2.0

//! The machine of a model: its CPUs, and as much of the core scheduler as kicks have to do with.

use crate::{
    bindings::{rust_scx_pcpu, RUST_SCX_IN_NMI},
    compat::{
        cpu::CpuId,
        sync::atomic::{Atomic, Relaxed}, //
    },
    kick,
    sched::{
        cpumask::Cpumask,
        kick_flags::KickFlags,
        mailbox::{Mailbox, Requests},
        pass::{self, Pass},
        pending::{Caller, Pending},
        pick_seq::Waits,
        rq::{Flags, Locked, Rq, ThisRq}, //
    },
    tests,
};
use core::{
    cell::{Cell, UnsafeCell},
    ptr, //
};
use kernel::bindings::{
    scx_kf_mask_SCX_KF_CPU_RELEASE as KF_CPU_RELEASE,
    scx_kf_mask_SCX_KF_DISPATCH as KF_DISPATCH,
    scx_kf_mask_SCX_KF_ENQUEUE as KF_ENQUEUE,
    scx_kf_mask_SCX_KF_REST as KF_REST, //
};
use loom::sync::atomic::{
    AtomicUsize,
    Ordering::SeqCst, //
};
use std::sync::LazyLock;

/// Whether this is wrong here on purpose, by the environment's `MODEL_MUTANT`.
pub(crate) fn is_mutant(name: &str) -> bool {
    static MUTANT: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("MODEL_MUTANT").ok());

    MUTANT.as_deref() == Some(name)
}

/// What a model is about.
#[derive(Copy, Clone, Default)]
pub(crate) struct World {
    pub(crate) nr_cpus: u32,
    /// How long a round of waiting takes.
    pub(crate) relax_ns: i64,
    /// The first interrupt that comes while a CPU waits kicks the CPU after it, with
    /// `SCX_KICK_WAIT`, if the CPU's bit is set.
    pub(crate) kicks_in_wait: u32,
    /// IRQs come when all kicks of a CPU are noted, not after each.
    pub(crate) kicks_together: bool,
    /// What `stopping` writes is no atomic: loom reports it if nothing orders the accesses. For
    /// models where it runs but once on a CPU.
    pub(crate) plain_writes: bool,
    /// Waits may end without what they promise.
    pub(crate) no_promise: bool,
    /// Whoever tries a lock finds it taken.
    pub(crate) locks_taken: bool,
    /// CPU 1 has a task of its own, looks for others, and idles.
    pub(crate) idles: bool,
    /// Who looks for a task looks for one of a sibling after that, under the lock that they share.
    pub(crate) siblings: bool,
}

pub(crate) struct Cpu {
    pub(crate) rq: Rq,
    pub(crate) pcpu: UnsafeCell<rust_scx_pcpu>,
    kicks_in_wait: Cell<bool>,
    /// How often `stopping` had run on the others when they were told to reschedule.
    promised: [Cell<Option<usize>>; 4],

    /// A task that was dispatched by this CPU waits for an irq_work that puts it there.
    pub(crate) deferred: Cell<bool>,

    /// What has been asked of it and not been done, as bits of [`Requests`]. It changes together
    /// with its mailbox: loom switches between its own operations, and nowhere else.
    owed: Cell<usize>,
    /// Which CPUs have asked, ...
    posted_by: Cell<usize>,
    /// ... and which had when it last looked.
    taken_from: Cell<usize>,
    /// What it writes before it kicks. Nothing orders the accesses but the protocol.
    written: loom::cell::UnsafeCell<usize>,
}

pub(crate) struct Machine {
    pub(crate) world: World,
    pub(crate) cpus: Vec<Cpu>,
    pub(crate) possible: Cpumask,
    pub(crate) clock_ns: Cell<i64>,
    /// Tasks that any CPU may take, with no more order than a look at a list without its lock.
    queue: Atomic,
    /// CPUs that have something to do yet.
    busy: AtomicUsize,
}

// SAFETY: loom runs one of its threads at a time, all on one thread of the system.
unsafe impl Sync for Machine {}

thread_local! {
    static WORLD: Cell<World> = const {
        Cell::new(World {
            nr_cpus: 0,
            relax_ns: 0,
            kicks_in_wait: 0,
            kicks_together: false,
            plain_writes: false,
            no_promise: false,
            locks_taken: false,
            idles: false,
            siblings: false,
        })
    };
}

loom::lazy_static! {
    static ref MACHINE: Machine = Machine::new(WORLD.get());
}

loom::thread_local! {
    static THIS_CPU: Cell<u32> = Cell::new(0);
    static IN_NMI: Cell<bool> = Cell::new(false);
    static KF_MASK: Cell<u32> = Cell::new(0);
}

pub(crate) fn machine() -> &'static Machine {
    &MACHINE
}

pub(crate) fn cpu(id: u32) -> CpuId {
    CpuId::from_u32(id).unwrap()
}

pub(crate) fn this_cpu() -> CpuId {
    cpu(THIS_CPU.with(Cell::get))
}

/// Says on which CPU the thread is.
pub(crate) fn run_on(cpu: u32) {
    THIS_CPU.with(|this_cpu| this_cpu.set(cpu));
}

/// Does something in an NMI.
pub(crate) fn as_nmi(f: impl FnOnce()) {
    IN_NMI.with(|in_nmi| in_nmi.set(true));
    f();
    IN_NMI.with(|in_nmi| in_nmi.set(false));
}

pub(crate) fn in_nmi() -> bool {
    IN_NMI.with(Cell::get)
}

/// Does something in an operation of the BPF scheduler, which may be amid another one.
fn as_operation(kind: u32, f: impl FnOnce()) {
    let outer = kf_mask();
    KF_MASK.with(|mask| mask.set(outer | kind));
    f();
    KF_MASK.with(|mask| mask.set(outer));
}

pub(crate) fn kf_mask() -> u32 {
    KF_MASK.with(Cell::get)
}

impl Machine {
    fn new(world: World) -> Self {
        let new_cpu = |id| Cpu {
            rq: Rq::new(cpu(id)),
            pcpu: UnsafeCell::new(rust_scx_pcpu::new(world.idles)),
            kicks_in_wait: Cell::new(world.kicks_in_wait >> id & 1 != 0),
            promised: Default::default(),
            deferred: Cell::new(false),
            owed: Cell::new(0),
            posted_by: Cell::new(0),
            taken_from: Cell::new(0),
            written: loom::cell::UnsafeCell::new(0),
        };

        Self {
            world,
            cpus: (0..world.nr_cpus).map(new_cpu).collect(),
            possible: Cpumask::new((1 << world.nr_cpus) - 1),
            clock_ns: Cell::new(0),
            queue: if world.idles {
                Atomic::watched()
            } else {
                Atomic::new(0)
            },
            busy: AtomicUsize::new(world.nr_cpus as usize),
        }
    }

    /// `waiter` waits for `target`, where `stopping` has run `passes` times.
    pub(crate) fn promise(&self, waiter: CpuId, target: CpuId, passes: usize) {
        let waiter = &self.cpus[waiter.as_u32() as usize];
        waiter.promised[target.as_u32() as usize].set(Some(passes));
    }

    /// Waiting is over: all targets have been through the scheduler, and what `stopping` wrote
    /// there can be seen.
    fn check_promises(&self) {
        for (target, promised) in self.cpus.iter().zip(&self.this_cpu().promised) {
            if let Some(then) = promised.take() {
                assert!(
                    target.rq.stopped(self.world.plain_writes) > then || self.world.no_promise,
                    "the wait for CPU {} ended too early",
                    target.rq.cpu().as_u32()
                );
            }
        }
    }

    fn owe(&self, cpu: CpuId, requests: usize) {
        let owed = &self.cpus[cpu.as_u32() as usize].owed;
        // Where CPUs idle, it is what they have found in the end that counts.
        if !self.world.idles {
            owed.set(owed.get() | requests & !SETS);
        }
    }

    /// `cpu` has been told to reschedule and, if `expired`, not to go on with its task.
    pub(crate) fn served(&self, cpu: CpuId, expired: bool) {
        let owed = &self.cpus[cpu.as_u32() as usize].owed;
        owed.set(if expired { 0 } else { owed.get() & PREEMPT });
    }

    /// Whose mailbox this is, if it is one.
    fn addressee(&self, word: &Atomic) -> Option<&Cpu> {
        self.cpus.iter().find(|cpu| {
            // SAFETY: The CPU is there.
            let requests = unsafe { &raw const (*cpu.pcpu.get()).mailbox.requests };
            ptr::eq(requests, word)
        })
    }

    fn this_cpu(&self) -> &Cpu {
        &self.cpus[this_cpu().as_u32() as usize]
    }
}

// As in `Requests`.
const RESCHED: usize = 1;
const PREEMPT: usize = 2;
const IDLE: usize = 4;
const SETS: usize = 8;

/// Bits have been set in `word`.
pub(crate) fn posted(word: &Atomic, bits: usize) {
    let Some(cpu) = machine().addressee(word) else {
        return;
    };
    machine().owe(cpu.rq.cpu(), bits);
    if bits != SETS {
        // Whether it is from the sets of who posts or not, the target owes it now.
        let requests = machine().this_cpu().rq.kick_requests();
        requests.idle.done(cpu.rq.cpu());
        if bits & RESCHED != 0 {
            requests.kick.done(cpu.rq.cpu());
        }
        if bits & PREEMPT != 0 {
            requests.preempt.done(cpu.rq.cpu());
        }
        let from = 1 << this_cpu().as_u32();
        cpu.posted_by.set(cpu.posted_by.get() | from);
    }
}

/// What was in `word` has been taken.
pub(crate) fn taken(word: &Atomic) {
    if let Some(cpu) = machine().addressee(word) {
        let from = cpu.posted_by.take();
        cpu.taken_from.set(cpu.taken_from.get() | from);
    }
}

/// Sets `world` up and enables a scheduler there.
pub(crate) fn boot(world: World) {
    WORLD.set(world);
    assert!(kick::prepare().is_ok());
}

/// Undoes [`boot`].
pub(crate) fn shut_down() {
    for cpu in &machine().cpus {
        run_on(cpu.rq.cpu().as_u32());
        assert!(Pending::of(&ThisRq::get()).is_empty(), "a request was left");
        assert!(cpu.rq.irq_work_idle());
        let asked = Mailbox::of(cpu.rq.cpu()).take();
        assert!(!asked.has(ANY), "a request was left");
        let above = cpu.rq.lock_irqsave().curr().above_scx();
        assert!(above || cpu.owed.get() == 0, "a request was lost");
        let requests = cpu.rq.kick_requests();
        for set in [
            requests.kick,
            requests.idle,
            requests.preempt,
            requests.wait,
        ] {
            assert_eq!(set.iter().count(), 0, "a request was left");
            for target in machine().possible.iter() {
                // Who runs a higher class may be left alone.
                let above = Rq::of(target).lock_irqsave().curr().above_scx();
                assert!(
                    machine().world.idles || above || !set.is_owed(target),
                    "a request was lost"
                );
            }
        }
    }
    kick::disable();
}

const ANY: Requests = Requests::RESCHED
    .and(Requests::PREEMPT)
    .and(Requests::IDLE)
    .and(Requests::SETS);

/// scx_bpf_kick_cpu(), on the executing CPU, in a section with IRQs off. See [`take_irqs`].
pub(crate) fn kick(target: u32, flags: u64) {
    // Who finds that there is no need to ask has to be right.
    if flags & tests::WAIT == 0 && !in_nmi() {
        let requests = match flags {
            tests::IDLE => IDLE,
            tests::PREEMPT => RESCHED | PREEMPT,
            _ => RESCHED,
        };
        machine().owe(cpu(target), requests);
    }
    let mask = if in_nmi() { RUST_SCX_IN_NMI } else { kf_mask() };
    let caller = Caller::from_mask(mask);
    kick::kick(ThisRq::get(), cpu(target), KickFlags::from_bits(flags), caller);
}

/// Turns IRQs on: the irq_work runs if it is queued.
///
/// That it runs nowhere else is what being on one CPU amounts to.
pub(crate) fn take_irqs() {
    let this_rq = ThisRq::get();

    loop {
        let called = this_rq.take_irq_work();
        if called {
            kick::kick_cpus(&this_rq);
        }
        // This one may have been queued first, too.
        if machine().this_cpu().deferred.take() {
            add_task();
        } else if !called {
            break;
        }
        if is_mutant("pending-late") {
            this_rq.irq_work_done();
        }
        if is_mutant("wait-in-irq") {
            wait_in_irq_work(&this_rq);
        }
    }
}

/// As 6.12 does it: with IRQs off, until the sequence moves.
fn wait_in_irq_work(this_rq: &ThisRq<'_>) {
    let waits = Waits::of(this_rq).unwrap();
    for wait in waits.iter() {
        while Rq::of(wait.cpu).pick_seq() == wait.seq {
            loom::thread::yield_now();
        }
    }
    waits.remove(|_| true);
    machine().check_promises();
}

/// As [`take_irqs`], where an interrupt may be that kicks.
pub(crate) fn interrupt() {
    if machine().this_cpu().kicks_in_wait.take() {
        let next = (this_cpu().as_u32() + 1) % machine().world.nr_cpus;
        kick(next, tests::WAIT);
    }
    take_irqs();
}

/// Goes through the scheduler, from one task of sched_ext to another one or the same.
pub(crate) fn schedule() {
    loop {
        let mut rq = Rq::of(this_cpu()).lock_irqsave();

        let must_wait = kick::must_wait(&rq.executing());
        rq.run_stopping();
        // 6.12 moves it when the CPU leaves sched_ext.
        if !is_mutant("class-switch") {
            rq.move_pick_seq();
        }
        rq.clear_need_resched();
        if must_wait {
            kick::wait(&mut rq);
        }
        if !kick::must_wait(&rq.executing()) {
            machine().check_promises();
        }

        drop(rq);
        take_irqs();
        if !ThisRq::get().need_resched() {
            break;
        }
    }
}

/// sched_setscheduler() on what runs on `cpu`: `stopping` and the sequence, but no pass.
pub(crate) fn leave_ext(id: u32) {
    let mut rq = Rq::of(cpu(id)).lock_irqsave();
    rq.run_stopping();
    rq.curr().leave_ext();
    if !is_mutant("class-change") {
        rq.move_pick_seq();
    }
}

/// scx_ops_bypass().
pub(crate) fn bypass() {
    for cpu in &machine().cpus {
        cpu.rq.lock_irqsave().set(Flags::BYPASSING);
    }
}

/// What a CPU does: it kicks some others, and goes through the scheduler whenever it is told.
pub(crate) fn run_cpu(id: u32, kicks: &[(u32, u64)]) {
    run_on(id);

    for (left, (target, flags)) in (0..kicks.len()).rev().zip(kicks) {
        kick(*target, *flags);
        if left == 0 || !machine().world.kicks_together {
            take_irqs();
            if ThisRq::get().need_resched() {
                schedule();
            }
        }
    }

    // It has come past its waits.
    let rq = Rq::of(this_cpu()).lock_irqsave();
    assert!(!kick::must_wait(&rq.executing()) || !rq.curr().on_scx());
    drop(rq);

    idle();
}

/// Nothing more to do but what others ask for.
pub(crate) fn idle() {
    if machine().busy.fetch_sub(1, SeqCst) == 1 {
        for cpu in &machine().cpus {
            cpu.rq.send_ipi();
        }
    }
    while machine().busy.load(SeqCst) != 0 {
        ThisRq::get().wait_for_ipi();
        if ThisRq::get().need_resched() {
            schedule();
        }
    }
}

/// Writes what the next kicks of this CPU are about.
pub(crate) fn write() {
    // SAFETY: loom tells if somebody reads or writes.
    machine()
        .this_cpu()
        .written
        .with_mut(|written| unsafe { *written = 1 });
}

/// Takes interrupts, and goes through the scheduler if they say so.
pub(crate) fn interrupts() {
    take_irqs();
    if !ThisRq::get().need_resched() {
        return;
    }

    let mut rq = Rq::of(this_cpu()).lock_irqsave();
    rq.clear_need_resched();
    // What the requests are about can be seen now.
    let from = machine().this_cpu().taken_from.take();
    for source in &machine().cpus {
        if from >> source.rq.cpu().as_u32() & 1 != 0 {
            // SAFETY: loom tells if somebody writes.
            let written = source.written.with(|written| unsafe { *written });
            assert_eq!(written, 1);
        }
    }
}

/// Puts a task where any CPU may take it.
pub(crate) fn add_task() {
    machine().queue.store(1, Relaxed);
}

/// A task of `cpu` is enqueued here: `operation` is ops.enqueue(), and dispatches it. It is on its DSQ,
/// and the hook called, when that has returned.
pub(crate) fn enqueue_on(id: u32, operation: impl FnOnce()) {
    let rq = Rq::of(cpu(id)).lock_irqsave();
    as_operation(KF_ENQUEUE, operation);
    add_task();
    kick::enqueued(&ThisRq::get(), &rq);
}

/// As [`enqueue_on`] this CPU, for the local DSQ of another one.
pub(crate) fn enqueue_elsewhere(operation: impl FnOnce()) {
    let rq = Rq::of(this_cpu()).lock_irqsave();
    as_operation(KF_ENQUEUE, operation);
    machine().this_cpu().deferred.set(true);
    kick::enqueued(&ThisRq::get(), &rq);
}

/// Another operation, which enqueues nothing.
pub(crate) fn operation(f: impl FnOnce()) {
    let _rq = Rq::of(this_cpu()).lock_irqsave();
    as_operation(KF_REST, f);
}

/// Tasks are enqueued once more amid `ops.cpu_release()`, which is `operation` before that. The second
/// is what there is to run.
pub(crate) fn release(operation: impl FnOnce()) {
    let rq = Rq::of(this_cpu()).lock_irqsave();
    as_operation(KF_CPU_RELEASE, || {
        operation();
        kick::enqueued(&ThisRq::get(), &rq);
        add_task();
        kick::enqueued(&ThisRq::get(), &rq);
    });
}

/// A search with a round of the dispatch loop, where `operation` is ops.dispatch(). It has dispatched two
/// tasks, which are moved one by one. The second is what there is to run elsewhere.
pub(crate) fn dispatch(operation: impl FnOnce()) {
    let mut rq = Rq::of(this_cpu()).lock_irqsave();
    let _pass = Pass::begin(&ThisRq::get());
    rq.set(Flags::IN_BALANCE);
    as_operation(KF_DISPATCH, operation);
    kick::enqueued(&ThisRq::get(), &rq);
    rq.relocked(add_task);
    if !is_mutant("no-carry-out") {
        kick::carry_out_pending(&ThisRq::get());
    }
    rq.clear(Flags::IN_BALANCE);
}

/// Whether one is left there.
pub(crate) fn has_task() -> bool {
    machine().queue.load(Relaxed) != 0
}

/// Goes through the scheduler as long as there is something to run, with the lock dropped where
/// `balance()` drops it. `own` is a task that nobody else takes.
pub(crate) fn run_until_idle(mut own: bool) {
    loop {
        take_irqs();
        let mut rq = Rq::of(this_cpu()).lock_irqsave();
        if rq.curr().is_idle() && !rq.need_resched() {
            break;
        }

        pass::come_by(&rq.executing());
        let found = if core::mem::take(&mut own) {
            pass::set_found(&rq.executing());
            true
        } else {
            search(&mut rq)
        };
        rq.curr().set_idle(!found);
        // As __schedule() does, when all is decided.
        rq.clear_need_resched();
    }
}

fn search(rq: &mut Rq<Locked>) -> bool {
    let mut pass = Pass::begin(&rq.executing());
    rq.set(Flags::IN_BALANCE);
    let found = rq.relocked(take_task);
    rq.clear(Flags::IN_BALANCE);
    if machine().world.siblings {
        rq.relocked(|| ());
    } else if found {
        pass.set_found();
    }
    found
}

fn take_task() -> bool {
    let found = has_task();
    if found {
        machine().queue.store(0, Relaxed);
    }
    found
}
