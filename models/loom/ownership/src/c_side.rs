// SPDX-License-Identifier: GPL-2.0

//! What C does to tasks, and the books.
//!
//! C counterparts, in `kernel/sched/ext.c`: `dispatch_enqueue()`, `ops_dequeue()`,
//! `dispatch_dequeue()`, `do_enqueue_task()`, `move_remote_task_to_local_dsq()`.

use crate::{
    bindings::{
        list_add_tail,
        list_del_init,
        list_head,
        raw_spinlock,
        rb_node,
        rb_root,
        rq,
        rust_scx_cursor,
        rust_scx_scan,
        rust_scx_known_dsq,
        rust_scx_pcpu,
        sched_ext_entity,
        scx_dispatch_q,
        scx_dsq_list_node,
        scx_rq,
        task_struct, //
    },
    compat::{
        cpu::CpuId,
        sync::atomic::{Usize, I32, U32}, //
    },
    sched::{dsp_ctx::Entry, task::Task}, //
};
use core::{
    cell::{Cell, UnsafeCell},
    ptr::{addr_of_mut, null_mut},
};
use loom::sync::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed, Release}, //
};
use std::sync::LazyLock;

/// Whether this is wrong here on purpose, by the environment's `MODEL_MUTANT`.
pub(crate) fn is_mutant(name: &str) -> bool {
    static MUTANT: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("MODEL_MUTANT").ok());

    MUTANT.as_deref() == Some(name)
}

pub(crate) const NONE: usize = 0;
pub(crate) const QUEUEING: usize = 1;
pub(crate) const QUEUED: usize = 2;
pub(crate) const DISPATCHING: usize = 3;
const STATE: usize = 3;

/// How far a sequence number is shifted in `p->scx.ops_state`. Every task begins with 1.
const QSEQ_SHIFT: usize = 2;

/// What a model is about.
#[derive(Copy, Clone, Default)]
pub(crate) struct World {
    /// The CPU of each task.
    pub(crate) tasks: &'static [u32],
    /// The tasks are on the shared DSQ, not with the BPF scheduler.
    pub(crate) shared: bool,
    /// A CPU that takes no tasks.
    pub(crate) offline: Option<u32>,
}

pub(crate) struct Machine {
    pub(crate) world: World,
    rqs: Box<[UnsafeCell<rq>]>,
    pcpus: Box<[UnsafeCell<rust_scx_pcpu>]>,
    tasks: Box<[UnsafeCell<task_struct>]>,
    shared: Box<UnsafeCell<scx_dispatch_q>>,
    /// Accesses to lists.
    lists: AtomicUsize,
}

// SAFETY: loom runs one of its threads at a time, all on one thread of the system.
unsafe impl Sync for Machine {}
// SAFETY: As above.
unsafe impl Send for Machine {}

thread_local! {
    static WORLD: Cell<World> = const {
        Cell::new(World {
            tasks: &[],
            shared: false,
            offline: None,
        })
    };
}

loom::lazy_static! {
    static ref MACHINE: Machine = Machine::new(WORLD.get());
}

loom::thread_local! {
    static THIS_CPU: Cell<u32> = Cell::new(0);
    /// Which enqueue the note is about that the thread carries out.
    static NOTED: Cell<usize> = Cell::new(0);
    /// The locks that the thread holds.
    static HELD: Cell<(*const rq, *const raw_spinlock)> =
        Cell::new((core::ptr::null(), core::ptr::null()));
}

pub(crate) fn machine() -> &'static Machine {
    &MACHINE
}

pub(crate) fn this_cpu() -> CpuId {
    CpuId::from_u32(THIS_CPU.with(Cell::get)).unwrap()
}

/// Says on which CPU the thread is.
pub(crate) fn run_on(cpu: u32) {
    THIS_CPU.with(|this_cpu| this_cpu.set(cpu));
}

fn new_dsq(local_to: Option<u32>) -> scx_dispatch_q {
    scx_dispatch_q {
        lock: raw_spinlock::new(),
        list: list_head::new(),
        priq: rb_root,
        nr: 0,
        seq: 0,
        local_to,
    }
}

fn new_list_node() -> scx_dsq_list_node {
    scx_dsq_list_node {
        node: list_head::new(),
        flags: 0,
    }
}

/// INIT_LIST_HEAD()
fn init(list: *mut list_head) {
    // SAFETY: Part of the machine.
    unsafe {
        (*list).next = list;
        (*list).prev = list;
    }
}

impl Machine {
    fn new(world: World) -> Self {
        let machine = Self {
            world,
            rqs: (0..crate::bindings::nr_cpu_ids)
                .map(|cpu| {
                    UnsafeCell::new(rq {
                        cpu,
                        lock: raw_spinlock::new(),
                        scx: scx_rq {
                            local_dsq: new_dsq(Some(cpu)),
                        },
                    })
                })
                .collect(),
            pcpus: (0..crate::bindings::nr_cpu_ids)
                .map(|_| {
                    UnsafeCell::new(rust_scx_pcpu {
                        known_dsqs: [rust_scx_known_dsq {
                            id: 0,
                            dsq: null_mut(),
                            seen: 0,
                        }; 4],
                        cursors: [(); crate::bindings::RUST_SCX_CURSORS as usize].map(|()| {
                            rust_scx_cursor {
                                node: new_list_node(),
                                dsq: null_mut(),
                                seq: 0,
                                wanted: 0,
                            }
                        }),
                        has_cursors: false,
                        scan: rust_scx_scan { words: [0; 22] },
                    })
                })
                .collect(),
            tasks: world
                .tasks
                .iter()
                .map(|&cpu| {
                    UnsafeCell::new(task_struct {
                        scx: sched_ext_entity {
                            dsq: null_mut(),
                            dsq_list: new_list_node(),
                            dsq_priq: rb_node,
                            dsq_flags: 0,
                            holding_cpu: I32::new(-1),
                            ops_state: Usize::new(if world.shared {
                                NONE
                            } else {
                                QUEUED | 1 << QSEQ_SHIFT
                            }),
                            ops_qseq: 1,
                            slice: 0,
                            dsq_vtime: 0,
                        },
                        cpu: U32::new(cpu),
                        on_rq: true,
                        migrating: false,
                        owned: loom::cell::UnsafeCell::new(()),
                    })
                })
                .collect(),
            shared: Box::new(UnsafeCell::new(new_dsq(None))),
            lists: AtomicUsize::new(0),
        };

        // SAFETY: Nobody else has it yet, and what is linked is in boxes.
        unsafe {
            init(addr_of_mut!((*machine.shared()).list));
            for rq in &machine.rqs {
                init(addr_of_mut!((*rq.get()).scx.local_dsq.list));
            }
            for task in &machine.tasks {
                init(addr_of_mut!((*task.get()).scx.dsq_list.node));
            }
        }
        machine
    }

    /// A list is about to change, or somebody looks at it without the lock. loom does not see the
    /// number of tasks on a DSQ: this is what it sees instead.
    pub(crate) fn watch_lists(&self) {
        self.lists.fetch_add(1, Relaxed);
    }

    pub(crate) fn rq(&self, cpu: u32) -> *mut rq {
        self.rqs[cpu as usize].get()
    }

    pub(crate) fn pcpu(&self, cpu: CpuId) -> *mut rust_scx_pcpu {
        self.pcpus[cpu.as_u32() as usize].get()
    }

    pub(crate) fn shared(&self) -> *mut scx_dispatch_q {
        self.shared.get()
    }

    pub(crate) fn task(&self, id: usize) -> *mut task_struct {
        self.tasks[id].get()
    }

    /// Whether ops.enqueue() may have been called for the `nr`th time.
    pub(crate) fn has_been_enqueued(&self, id: usize, nr: usize) -> bool {
        // SAFETY: Tasks live as long as the model.
        unsafe { (*self.task(id)).scx.ops_state.load(Acquire) >> QSEQ_SHIFT == nr }
    }

    /// The note of a dispatch of `id` as it was enqueued `nr` times.
    pub(crate) fn note(&self, id: usize, nr: usize, dsq_id: u64) -> Entry<'static> {
        Entry {
            // SAFETY: Tasks live as long as the model.
            task: unsafe { Task::from_raw(self.task(id)) },
            qseq: nr << QSEQ_SHIFT,
            dsq_id,
            slice: 0,
            vtime: None,
            enq_flags: 0,
        }
    }
}

/// Sets `world` up.
pub(crate) fn boot(world: World) {
    WORLD.set(world);
    if world.shared {
        for task in &machine().tasks {
            // SAFETY: Nobody else is there yet.
            unsafe { link(task.get(), machine().shared()) };
        }
    }
}

/// When all is done every task is in exactly one place, or asleep and in none.
pub(crate) fn shut_down() {
    let mut queued = 0;
    for task in &machine().tasks {
        // SAFETY: All other threads are gone.
        let p = unsafe { &*task.get() };
        let with_bpf = p.scx.ops_state.load(Relaxed) & STATE == QUEUED;
        let on_dsq = !p.scx.dsq.is_null();

        assert!(
            with_bpf || p.scx.ops_state.load(Relaxed) == NONE,
            "not left"
        );
        assert_eq!(p.scx.holding_cpu.load(Relaxed), -1, "a sign was left");
        assert_eq!(is_linked(task.get()), on_dsq, "the list is another");
        assert!(!p.migrating);
        assert_eq!(
            u32::from(with_bpf) + u32::from(on_dsq),
            u32::from(p.on_rq),
            "a task was lost, or is in two places"
        );
        queued += u32::from(on_dsq);
    }
    for dsq in (0..crate::bindings::nr_cpu_ids)
        // SAFETY: All other threads are gone.
        .map(|cpu| unsafe { addr_of_mut!((*machine().rq(cpu)).scx.local_dsq) })
        .chain([machine().shared()])
    {
        // SAFETY: As above.
        queued -= unsafe { (*dsq).nr };
    }
    assert_eq!(queued, 0, "a DSQ has miscounted");
}

// --- locks: run queue first, then DSQ, and one of each ---

pub(crate) fn lock_rq(rq: &rq) {
    let (held_rq, held_dsq) = HELD.with(Cell::get);
    assert!(held_rq.is_null() && held_dsq.is_null(), "lock order");
    rq.lock.lock();
    HELD.with(|held| held.set((rq, held_dsq)));
}

pub(crate) fn unlock_rq(rq: &rq) {
    let (held_rq, held_dsq) = HELD.with(Cell::get);
    assert!(
        core::ptr::eq(held_rq, rq) && held_dsq.is_null(),
        "lock order"
    );
    HELD.with(|held| held.set((core::ptr::null(), held_dsq)));
    rq.lock.unlock();
}

pub(crate) fn lock_dsq(lock: &raw_spinlock) {
    let (held_rq, held_dsq) = HELD.with(Cell::get);
    assert!(held_dsq.is_null(), "lock order");
    lock.lock();
    HELD.with(|held| held.set((held_rq, lock)));
}

pub(crate) fn unlock_dsq(lock: &raw_spinlock) {
    let (held_rq, held_dsq) = HELD.with(Cell::get);
    assert!(core::ptr::eq(held_dsq, lock), "lock order");
    HELD.with(|held| held.set((held_rq, core::ptr::null())));
    lock.unlock();
}

pub(crate) fn assert_locked(rq: *const rq) {
    assert_eq!(HELD.with(Cell::get).0, rq, "the run queue is not locked");
}

fn assert_task_locked(p: &task_struct) {
    assert_locked(machine().rq(p.cpu.load(Relaxed)));
}

// --- tasks ---

/// The thread carries out a note about the enqueue that `qseq` is from.
pub(crate) fn begin_note(qseq: usize) {
    NOTED.with(|noted| noted.set(qseq >> QSEQ_SHIFT));
}

/// The thread has claimed the task.
pub(crate) fn claimed(p: *mut task_struct) {
    touch(p);
    // SAFETY: As in `touch`.
    let now = unsafe { (*p).scx.ops_qseq };
    assert_eq!(
        NOTED.with(Cell::get),
        now,
        "claimed by a note on another enqueue"
    );
}

/// Something that only the task's owner may do.
pub(crate) fn touch(p: *mut task_struct) {
    // SAFETY: Tasks live as long as the model.
    unsafe { (*p).owned.with_mut(|_| ()) };
}

fn is_linked(p: *mut task_struct) -> bool {
    // SAFETY: As in `touch`.
    unsafe {
        let node = addr_of_mut!((*p).scx.dsq_list.node);
        (*node).next != node
    }
}

/// The DSQ is locked, or nobody else there.
unsafe fn link(p: *mut task_struct, dsq: *mut scx_dispatch_q) {
    // SAFETY: By the above.
    unsafe {
        list_add_tail(
            addr_of_mut!((*p).scx.dsq_list.node),
            addr_of_mut!((*dsq).list),
        );
        (*dsq).seq += 1;
        (*dsq).nr += 1;
        (*p).scx.dsq = dsq;
    }
}

fn unlink(p: *mut task_struct, dsq: *mut scx_dispatch_q) {
    // SAFETY: Tasks and DSQs live as long as the model; callers have the lock.
    unsafe {
        list_del_init(addr_of_mut!((*p).scx.dsq_list.node));
        (*dsq).nr -= 1;
    }
}

pub(crate) fn dispatch_enqueue(dsq: *mut scx_dispatch_q, task: *mut task_struct, claimed: bool) {
    // SAFETY: Tasks and DSQs live as long as the model.
    let (p, local_to, lock) = unsafe { (&*task, (*dsq).local_to, &(*dsq).lock) };

    let state = p.scx.ops_state.load(Relaxed);
    assert!(p.on_rq && !p.migrating, "it was dequeued");
    assert!(p.scx.dsq.is_null() && !is_linked(task), "it is elsewhere");
    assert_eq!(p.scx.holding_cpu.load(Relaxed), -1, "a sign was left");
    if claimed {
        assert!(
            matches!(state & STATE, DISPATCHING | QUEUEING),
            "not claimed"
        );
    } else {
        assert_eq!(state, NONE, "it is elsewhere");
        assert_task_locked(p);
    }
    touch(task);

    match local_to {
        Some(cpu) => assert_locked(machine().rq(cpu)),
        None => lock_dsq(lock),
    }
    // SAFETY: Locked.
    unsafe { link(task, dsq) };
    if claimed {
        p.scx.ops_state.store(NONE, Release);
    }
    match local_to {
        Some(cpu) => assert_eq!(p.cpu.load(Relaxed), cpu, "on another CPU's local DSQ"),
        None => unlock_dsq(lock),
    }
}

/// The task's run queue is locked. Afterwards it is the caller's.
fn dequeue_task(task: *mut task_struct) {
    // SAFETY: As in `touch`.
    let p = unsafe { &mut *task };
    assert_task_locked(p);

    // ops_dequeue()
    let state = p.scx.ops_state.load(Acquire);
    let waits = match state & STATE {
        NONE => false,
        QUEUEING => panic!("QUEUEING with the lock held"),
        QUEUED => p
            .scx
            .ops_state
            .compare_exchange(state, NONE, AcqRel, Relaxed)
            .is_err(),
        _ => true,
    };
    if waits && !is_mutant("no-wait") {
        while {
            loom::thread::yield_now();
            p.scx.ops_state.load(Acquire) == DISPATCHING
        } {}
        assert_eq!(p.scx.ops_state.load(Relaxed), NONE);
    }
    touch(task);
    p.on_rq = false;

    // dispatch_dequeue()
    let dsq = p.scx.dsq;
    // SAFETY: DSQs live as long as the model.
    let Some(q) = (unsafe { dsq.as_ref() }) else {
        assert!(!is_linked(task));
        if p.scx.holding_cpu.load(Relaxed) >= 0 && !is_mutant("sign-stays") {
            p.scx.holding_cpu.store(-1, Relaxed);
        }
        return;
    };
    match q.local_to {
        Some(cpu) => assert_locked(machine().rq(cpu)),
        None => lock_dsq(&q.lock),
    }
    if p.scx.holding_cpu.load(Relaxed) < 0 {
        unlink(task, dsq);
    } else {
        assert!(!is_linked(task), "taken, and still on the DSQ");
        p.scx.holding_cpu.store(-1, Relaxed);
    }
    p.scx.dsq = null_mut();
    if q.local_to.is_none() {
        unlock_dsq(&q.lock);
    }
}

/// To the BPF scheduler. The task's run queue is locked, and it is the caller's.
fn enqueue_task(task: *mut task_struct) {
    // SAFETY: As in `touch`.
    let p = unsafe { &mut *task };
    assert_task_locked(p);
    assert!(!p.on_rq && p.scx.dsq.is_null() && !is_linked(task));
    touch(task);
    p.on_rq = true;
    p.migrating = false;
    p.scx.ops_qseq += 1;
    let qseq = p.scx.ops_qseq << QSEQ_SHIFT;
    assert_eq!(p.scx.ops_state.load(Relaxed), NONE);
    p.scx.ops_state.store(QUEUEING | qseq, Relaxed);
    touch(task);
    p.scx.ops_state.store(QUEUED | qseq, Release);
}

pub(crate) fn move_remote(task: *mut task_struct, from: *mut rq, to: *mut rq) {
    // SAFETY: Tasks and run queues live as long as the model.
    let (p, from, to) = unsafe { (&mut *task, &*from, &mut *to) };
    assert_locked(from);
    assert!(p.on_rq && !p.migrating, "it was dequeued");
    assert_eq!(p.scx.ops_state.load(Relaxed), NONE, "it is elsewhere");
    p.migrating = true;
    dequeue_task(task);
    p.cpu.store(to.cpu, Relaxed);

    unlock_rq(from);
    lock_rq(to);

    p.on_rq = true;
    p.migrating = false;
    dispatch_enqueue(addr_of_mut!(to.scx.local_dsq), task, false);
}

/// What comes after a dequeue.
#[derive(Copy, Clone)]
pub(crate) enum Then {
    Sleep,
    /// Back to the BPF scheduler, on that CPU.
    Enqueue(u32),
}

/// Dequeues a task, as whoever changes its affinity, class, priority does.
pub(crate) fn dequeue(id: usize, then: Then) {
    let task = machine().task(id);
    // SAFETY: As in `touch`.
    let p = unsafe { &mut *task };

    // task_rq_lock()
    let cpu = loop {
        let cpu = p.cpu.load(Relaxed);
        // SAFETY: As in `move_remote`.
        lock_rq(unsafe { &*machine().rq(cpu) });
        if p.cpu.load(Relaxed) == cpu && !p.migrating {
            break cpu;
        }
        // SAFETY: As in `move_remote`.
        unlock_rq(unsafe { &*machine().rq(cpu) });
        loom::thread::yield_now();
    };

    let mut at = cpu;
    dequeue_task(task);
    if let Then::Enqueue(cpu) = then {
        if cpu != at {
            p.migrating = true;
            p.cpu.store(cpu, Relaxed);
            // SAFETY: As in `move_remote`.
            unlock_rq(unsafe { &*machine().rq(at) });
            at = cpu;
            // SAFETY: As in `move_remote`.
            lock_rq(unsafe { &*machine().rq(at) });
        }
        enqueue_task(task);
    }
    // SAFETY: As in `move_remote`.
    unlock_rq(unsafe { &*machine().rq(at) });
}
