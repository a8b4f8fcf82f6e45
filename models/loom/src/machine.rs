// SPDX-License-Identifier: GPL-2.0

//! The machine of a model: its CPUs, and as much of the core scheduler as kicks have to do with.

use crate::{
    bindings::rust_scx_pcpu,
    compat::cpu::CpuId,
    kick,
    sched::{
        cpumask::Cpumask,
        kick_flags::KickFlags,
        pick_seq::Waits,
        rq::{Flags, Rq, ThisRq}, //
    },
};
use core::{
    cell::{Cell, UnsafeCell},
    ptr::null_mut, //
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
}

pub(crate) struct Cpu {
    pub(crate) rq: Rq,
    pub(crate) pcpu: UnsafeCell<rust_scx_pcpu>,
    kicks_in_wait: Cell<bool>,
    /// How often `stopping` had run on the others when they were told to reschedule.
    promised: [Cell<Option<usize>>; 3],
}

pub(crate) struct Machine {
    pub(crate) world: World,
    pub(crate) cpus: Vec<Cpu>,
    pub(crate) possible: Cpumask,
    pub(crate) clock_ns: Cell<i64>,
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
        })
    };
}

loom::lazy_static! {
    static ref MACHINE: Machine = Machine::new(WORLD.get());
}

loom::thread_local! {
    static THIS_CPU: Cell<u32> = Cell::new(0);
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

impl Machine {
    fn new(world: World) -> Self {
        let new_cpu = |id| Cpu {
            rq: Rq::new(cpu(id)),
            pcpu: UnsafeCell::new(rust_scx_pcpu { waits: null_mut() }),
            kicks_in_wait: Cell::new(world.kicks_in_wait >> id & 1 != 0),
            promised: Default::default(),
        };

        Self {
            world,
            cpus: (0..world.nr_cpus).map(new_cpu).collect(),
            possible: Cpumask::new((1 << world.nr_cpus) - 1),
            clock_ns: Cell::new(0),
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

    fn this_cpu(&self) -> &Cpu {
        &self.cpus[this_cpu().as_u32() as usize]
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
        assert!(cpu.rq.irq_work_idle());
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
                assert!(above || !set.is_owed(target), "a request was lost");
            }
        }
    }
    kick::disable();
}

/// scx_bpf_kick_cpu(), on the executing CPU, in a section with IRQs off. See [`take_irqs`].
pub(crate) fn kick(target: u32, flags: u64) {
    kick::kick(&ThisRq::get(), cpu(target), KickFlags::from_bits(flags));
}

/// Turns IRQs on: the irq_work runs if it is queued.
///
/// That it runs nowhere else is what being on one CPU amounts to.
pub(crate) fn take_irqs() {
    let this_rq = ThisRq::get();

    while this_rq.take_irq_work() {
        kick::kick_cpus(&this_rq);
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
        kick(next, crate::tests::WAIT);
    }
    take_irqs();
}

/// Goes through the scheduler, from one task of sched_ext to another one or the same.
pub(crate) fn schedule() {
    loop {
        let mut rq = Rq::of(this_cpu()).lock_irqsave();

        let must_wait = kick::must_wait(&rq);
        rq.run_stopping();
        // 6.12 moves it when the CPU leaves sched_ext.
        if !is_mutant("class-switch") {
            rq.move_pick_seq();
        }
        rq.clear_need_resched();
        if must_wait {
            kick::wait(&mut rq);
        }
        if !kick::must_wait(&rq) {
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
    assert!(!kick::must_wait(&rq) || !rq.curr().on_scx());
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
