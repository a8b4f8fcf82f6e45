// SPDX-License-Identifier: GPL-2.0

//! Dispatch queues that are not local: the global ones, one per node, and those that a BPF
//! scheduler creates.
//!
//! A DSQ has a lock of its own, which comes after the run queue's. Tasks on it may be of any run
//! queue. The list is in the order to run them in, for priority queues as well, which have a tree
//! besides. Between the tasks may be cursors: places to go on from, of BPF iterators and ours.
//!
//! C counterpart: `struct scx_dispatch_q` in
//! [`include/linux/sched/ext.h`](srctree/include/linux/sched/ext.h)

use super::{
    cpumask,
    percpu,
    rq::{
        Locked,
        Rq,
        ThisRq, //
    },
    scheduler,
    task::Task, //
};
use crate::{
    bindings::{
        self,
        rust_scx_known_dsq as Known,
        RUST_SCX_CURSORS,
        RUST_SCX_KNOWN_DSQS, //
    },
    compat::cpu::CpuId, //
};
use core::{
    mem::size_of,
    ptr::{
        addr_of,
        addr_of_mut, //
    },
};
use kernel::{
    bindings::{
        list_head,
        rb_erase,
        scx_dispatch_q,
        scx_dsq_id_flags_SCX_DSQ_GLOBAL,
        scx_dsq_id_flags_SCX_DSQ_LOCAL,
        scx_dsq_id_flags_SCX_DSQ_LOCAL_CPU_MASK,
        scx_dsq_id_flags_SCX_DSQ_LOCAL_ON,
        scx_dsq_list_node,
        scx_dsq_lnode_flags_SCX_DSQ_LNODE_ITER_CURSOR as ITER_CURSOR,
        scx_ent_dsq_flags_SCX_TASK_DSQ_ON_PRIQ as TASK_DSQ_ON_PRIQ,
        task_struct, //
    },
    container_of,
    ffi::c_ulong,
    types::Opaque, //
};

/// How often another DSQ has to do without a cursor before it gets the one of a DSQ that nobody
/// walks anymore.
const CURSOR_PATIENCE: u32 = 8;

/// A user or global DSQ. It is freed by RCU, so it is there as long as IRQs stay off.
#[repr(transparent)]
pub(crate) struct Dsq(Opaque<scx_dispatch_q>);

impl Dsq {
    /// ID of the local DSQ of the CPU that a dispatch is for.
    pub(crate) const LOCAL: u64 = scx_dsq_id_flags_SCX_DSQ_LOCAL as u64;
    /// ID of the local DSQ of the CPU in the lower bits.
    pub(crate) const LOCAL_ON: u64 = scx_dsq_id_flags_SCX_DSQ_LOCAL_ON as u64;
    pub(crate) const LOCAL_CPU_MASK: u64 = scx_dsq_id_flags_SCX_DSQ_LOCAL_CPU_MASK as u64;
    /// ID of the global DSQ.
    pub(crate) const GLOBAL: u64 = scx_dsq_id_flags_SCX_DSQ_GLOBAL as u64;

    /// The user DSQ of that ID.
    ///
    /// # Context
    ///
    /// Balance.
    #[inline]
    pub(crate) fn user<'h>(this_rq: &'h ThisRq<'_>, id: u64) -> Option<&'h Self> {
        // First: what goes after this is still there as long as IRQs stay off.
        let gen = scheduler::dsq_gen();
        let slot = id as usize % RUST_SCX_KNOWN_DSQS as usize;
        let pcpu = this_rq.pcpu();
        // SAFETY: Valid by `percpu::of`, in range by the remainder, and only used by this CPU.
        let known = unsafe { &mut *addr_of_mut!((*pcpu).known_dsqs).cast::<Known>().add(slot) };

        if known.id != id || known.seen != gen as c_ulong || known.dsq.is_null() {
            *known = Known {
                id,
                // SAFETY: May be called anywhere under RCU, for which IRQs that are off count.
                dsq: unsafe { bindings::scx_core_find_dsq(id) },
                seen: gen as c_ulong,
            };
        }
        // SAFETY: NULL, or a DSQ that was there when `gen` was read, in this section or in an
        // earlier one with no other gone since. It is freed by RCU.
        // CAST: `repr(transparent)` over `Opaque`, which is transparent too.
        unsafe { known.dsq.cast::<Self>().as_ref() }
    }

    /// The global DSQ of the node of `cpu`.
    #[inline]
    pub(crate) fn global(cpu: CpuId) -> Option<&'static Self> {
        let dsq = scheduler::global_dsq(cpu)?;
        // SAFETY: There forever.
        // CAST: As in `user`.
        Some(unsafe { dsq.cast::<Self>().as_ref() })
    }

    pub(super) fn as_raw(&self) -> *mut scx_dispatch_q {
        self.0.get()
    }

    fn head(&self) -> *mut list_head {
        // SAFETY: The DSQ is there.
        unsafe { addr_of_mut!((*self.as_raw()).list) }
    }

    /// Whether it has no task; without its lock, had none a moment ago.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: The DSQ is there; written with WRITE_ONCE().
        unsafe { addr_of!((*self.as_raw()).nr).read_volatile() == 0 }
    }

    /// How many tasks have been put on it so far, modulo the type's range.
    pub(super) fn seq(&self) -> u32 {
        // SAFETY: The DSQ is there; written with WRITE_ONCE().
        unsafe { addr_of!((*self.as_raw()).seq).read_volatile() }
    }

    fn lock(&self) {
        // SAFETY: The DSQ is there. Callers unlock, and hold no other DSQ's lock.
        unsafe { bindings::raw_spin_lock(addr_of_mut!((*self.as_raw()).lock)) };
    }

    fn unlock(&self) {
        // SAFETY: Callers have locked it.
        unsafe { bindings::raw_spin_unlock(addr_of_mut!((*self.as_raw()).lock)) };
    }

    /// Has `look` look at the first task, with the DSQ locked.
    #[inline(always)]
    pub(crate) fn with_first<'h, T>(
        &'h self,
        this_rq: &'h ThisRq<'_>,
        rq: &mut Rq<Locked>,
        look: impl FnOnce(Candidate<'_, '_, 'h>) -> T,
    ) -> Option<T> {
        self.lock();
        // INVARIANT: Locked, and at the head.
        let mut walk = Walk {
            dsq: self,
            cursor: Cursor::nth(this_rq, this_rq.pcpu(), 0),
            rq,
            node: self.head(),
            seq: self.seq(),
        };
        walk.next().map(look)
    }

    /// Walks its tasks to find one for `rq`: from the first on, or, if it is to `resume`, from where
    /// this CPU parked.
    ///
    /// # Context
    ///
    /// Holds the DSQ's lock until the walk is dropped.
    #[inline(always)]
    pub(crate) fn walk<'a, 'h>(
        &'h self,
        this_rq: &'h ThisRq<'_>,
        rq: &'a mut Rq<Locked>,
        resume: bool,
    ) -> Walk<'a, 'h> {
        let cursor = Cursor::of(this_rq, self);
        cursor.recall_if_wanted(self);

        self.lock();
        let parked = if resume { cursor.unpark(self) } else { None };
        let (node, seq) = parked.unwrap_or_else(|| (self.head(), self.seq()));
        // INVARIANT: Locked, and both are what the cursor or the head is next to.
        Walk {
            dsq: self,
            cursor,
            rq,
            node,
            seq,
        }
    }
}

/// A walk over the tasks of a DSQ, first to last. Holds its lock.
///
/// # Invariants
///
/// The DSQ is locked, and `node` is the head of its list or an entry of it.
#[must_use = "the lock is released when this is dropped"]
pub(crate) struct Walk<'a, 'h> {
    dsq: &'h Dsq,
    cursor: Cursor<'h>,
    rq: &'a mut Rq<Locked>,
    node: *mut list_head,
    /// That of the DSQ when the walk was at the first task.
    seq: u32,
}

impl<'a, 'h> Walk<'a, 'h> {
    /// The next task, `None` behind the last.
    pub(crate) fn next(&mut self) -> Option<Candidate<'_, 'a, 'h>> {
        loop {
            // SAFETY: On the list, by the type invariant.
            let node = unsafe { (*self.node).next };
            if core::ptr::eq(node, self.dsq.head()) {
                return None;
            }
            // INVARIANT: It is on the list as well.
            self.node = node;

            // SAFETY: All entries are of this type.
            let entry = unsafe { container_of!(node, scx_dsq_list_node, node) };
            // SAFETY: On the list; the flag does not change while it is.
            if unsafe { (*entry).flags } & ITER_CURSOR == 0 {
                // SAFETY: What is no cursor is a task.
                let task = unsafe { container_of!(node, task_struct, scx.dsq_list.node) };
                // SAFETY: It is there while it is on the list, and as long as IRQs stay off,
                // since tasks are freed by RCU.
                let task = unsafe { Task::from_raw(task.cast_mut()) };
                return Some(Candidate { walk: self, task });
            }
        }
    }

    /// Makes this pass count as one that has not seen all tasks.
    pub(crate) fn miss(&mut self) {
        self.seq = self.dsq.seq().wrapping_sub(1);
    }

    /// Behind the last task: the DSQ's sequence, if the walk has seen all tasks, as none was added since it
    /// was at the first.
    pub(crate) fn saw_all(&self) -> Option<u32> {
        (self.seq == self.dsq.seq()).then_some(self.seq)
    }

    /// Lets the next walk of this CPU go on behind the task that was last seen. False if all cursors are
    /// in other DSQs: then it begins at the first.
    pub(crate) fn park(&mut self) -> bool {
        self.cursor.park(self.dsq, self.node, self.seq)
    }
}

impl Drop for Walk<'_, '_> {
    fn drop(&mut self) {
        self.dsq.unlock();
    }
}

/// A task that a walk has come to.
pub(crate) struct Candidate<'w, 'a, 'h> {
    walk: &'w mut Walk<'a, 'h>,
    task: &'h Task,
}

impl<'h> Candidate<'_, '_, 'h> {
    pub(crate) fn task(&self) -> &'h Task {
        self.task
    }

    /// The run queue to find a task for.
    pub(crate) fn rq(&self) -> &Rq<Locked> {
        self.walk.rq
    }

    /// Whether nothing comes behind it.
    pub(crate) fn is_last(&self) -> bool {
        // SAFETY: On the list, by the type invariant of `Walk`.
        let next = unsafe { (*self.walk.node).next };
        core::ptr::eq(next, self.walk.dsq.head())
    }

    /// Whether the task is on the run queue that the walk is for.
    pub(crate) fn is_here(&self) -> bool {
        self.task.cpu() == self.walk.rq.cpu()
    }

    /// Moves the task, which must be [here](Self::is_here), to the local DSQ.
    #[doc(alias = "move_local_task_to_local_dsq")]
    pub(crate) fn move_to_local(self) {
        let p = self.task.as_raw();
        let local = self.walk.rq.local_dsq();
        self.leave();

        // SAFETY: The task leaves a DSQ that is locked. Its run queue is locked, too, and so is
        // what this lock protects: the local DSQ, and which DSQ the task is on.
        unsafe {
            bindings::list_move_tail(
                addr_of_mut!((*p).scx.dsq_list.node),
                addr_of_mut!((*local).list),
            );
            mod_nr(local, 1);
            addr_of_mut!((*p).scx.dsq).write_volatile(local);
        }
    }

    /// The CPU that walks.
    pub(super) fn this_rq(&self) -> &'h ThisRq<'h> {
        self.walk.cursor.this_rq
    }

    /// Takes the task off the DSQ. Its `p->scx.dsq` stays until its run queue is locked.
    #[doc(alias = "task_unlink_from_dsq")]
    pub(super) fn unlink(self) {
        let p = self.task.as_raw();
        self.leave();
        // SAFETY: The DSQ is locked and the task is on its list.
        unsafe { bindings::list_del_init(addr_of_mut!((*p).scx.dsq_list.node)) };
    }

    /// As [`unlink`](Self::unlink), but for the list, which the task leaves next.
    fn leave(self) {
        let dsq = self.walk.dsq.as_raw();
        let p = self.task.as_raw();
        // The walk must not stay on what leaves the list.
        // INVARIANT: The head is always there.
        self.walk.node = self.walk.dsq.head();

        // SAFETY: The DSQ is locked and the task is on it; what these touch is protected by that.
        unsafe {
            if (*p).scx.dsq_flags & TASK_DSQ_ON_PRIQ != 0 {
                rb_erase(addr_of_mut!((*p).scx.dsq_priq), addr_of_mut!((*dsq).priq));
                bindings::rb_clear_node(addr_of_mut!((*p).scx.dsq_priq));
                (*p).scx.dsq_flags &= !TASK_DSQ_ON_PRIQ;
            }
            mod_nr(dsq, -1);
        }
    }
}

/// Changes the number of tasks on a DSQ.
///
/// # Safety
///
/// `dsq` is there and locked.
#[doc(alias = "dsq_mod_nr")]
unsafe fn mod_nr(dsq: *mut scx_dispatch_q, delta: i32) {
    // SAFETY: By the requirement above. It is read without the lock, too.
    unsafe {
        let nr = addr_of_mut!((*dsq).nr);
        nr.write_volatile(nr.read_volatile().wrapping_add_signed(delta));
    }
}

/// Where the executing CPU goes on in a DSQ that is too long to be walked in one go.
///
/// It is an entry of the DSQ's list, so it stays in its place while tasks come and go. Who
/// destroys a DSQ takes it off. Each CPU has a few, for as many DSQs at a time. One is free again when
/// the pass through its DSQ is over.
///
/// # Invariants
///
/// `raw` is one of `pcpu`, and only used by that CPU with IRQs off.
struct Cursor<'h> {
    raw: *mut bindings::rust_scx_cursor,
    pcpu: *mut bindings::rust_scx_pcpu,
    this_rq: &'h ThisRq<'h>,
}

impl<'h> Cursor<'h> {
    /// The one that is in `dsq`; else one that is in none, if there is any.
    #[inline(always)]
    fn of(this_rq: &'h ThisRq<'_>, dsq: &Dsq) -> Self {
        // SAFETY: Valid by `percpu::of`, and only used by this CPU.
        if unsafe { (*this_rq.pcpu()).has_cursors } {
            Self::find(this_rq, dsq)
        } else {
            Self::nth(this_rq, this_rq.pcpu(), 0)
        }
    }

    #[cold]
    fn find(this_rq: &'h ThisRq<'_>, dsq: &Dsq) -> Self {
        let pcpu = this_rq.pcpu();
        let mut free = None;
        let mut used = false;
        for n in 0..RUST_SCX_CURSORS as usize {
            let cursor = Self::nth(this_rq, pcpu, n);
            match cursor.parked_in() {
                Some(other) if core::ptr::eq(other, dsq) => return cursor,
                Some(_) => used = true,
                None => free = free.or(Some(n)),
            }
        }
        // SAFETY: As in `of`.
        unsafe { (*pcpu).has_cursors = used };
        // If none is free, always the same one: it may be taken back in time.
        let by_address = dsq.as_raw() as usize / size_of::<Dsq>();
        Self::nth(this_rq, pcpu, free.unwrap_or(by_address))
    }

    /// The one of `pcpu` with that number, modulo how many there are.
    fn nth(this_rq: &'h ThisRq<'_>, pcpu: *mut bindings::rust_scx_pcpu, n: usize) -> Self {
        let n = n % RUST_SCX_CURSORS as usize;
        // SAFETY: Valid by `percpu::of`, in range by the remainder.
        let raw = unsafe {
            addr_of_mut!((*pcpu).cursors)
                .cast::<bindings::rust_scx_cursor>()
                .add(n)
        };
        // INVARIANT: Just so.
        Self { raw, pcpu, this_rq }
    }

    fn node(&self) -> *mut list_head {
        // SAFETY: Valid by the type invariant.
        unsafe { addr_of_mut!((*self.raw).node.node) }
    }

    /// The DSQ it is in. It is there as long as IRQs stay off, as it is freed by RCU and the
    /// cursor was taken off before.
    fn parked_in(&self) -> Option<&'h Dsq> {
        let node = self.node();
        // SAFETY: Valid by the type invariant. Entries next to it change under the DSQ's lock, and so
        // does the cursor where the DSQ is being destroyed: read in one piece.
        let next = unsafe { addr_of!((*node).next).read_volatile() };
        if next.is_null() || core::ptr::eq(next, node) {
            return None;
        }
        // SAFETY: Written by this CPU when it parked.
        unsafe { (*self.raw).dsq.cast::<Dsq>().as_ref() }
    }

    /// Takes the cursor back from another DSQ that nobody has walked for long.
    fn recall_if_wanted(&self, dsq: &Dsq) {
        // SAFETY: By the type invariant.
        if unsafe { (*self.raw).wanted } < CURSOR_PATIENCE {
            return;
        }
        match self.parked_in() {
            Some(other) if !core::ptr::eq(other, dsq) => self.recall(other),
            _ => {}
        }
    }

    /// Takes the cursor back from `dsq`, unless that is being destroyed.
    fn recall(&self, dsq: &Dsq) {
        dsq.lock();
        self.unpark(dsq);
        dsq.unlock();
    }

    /// Takes the cursor off `dsq`, which is locked, if it is there. Says what it was behind, and
    /// the sequence when the walk was at the first task.
    fn unpark(&self, dsq: &Dsq) -> Option<(*mut list_head, u32)> {
        if !core::ptr::eq(self.parked_in()?, dsq) {
            return None;
        }
        let node = self.node();
        // SAFETY: On the list of the locked DSQ: it was a line above, and who destroys the DSQ
        // would need the lock. The rest is this CPU's.
        unsafe {
            let behind = (*node).prev;
            bindings::list_del_init(node);
            (*self.raw).wanted = 0;
            Some((behind, (*self.raw).seq))
        }
    }

    /// Leaves the cursor behind `node` in `dsq`, which is locked. False if it is in another DSQ.
    fn park(&self, dsq: &Dsq, node: *mut list_head, seq: u32) -> bool {
        // SAFETY: The cursor is this CPU's and, where it is put on a list, on none. `node` is on that of
        // the DSQ, by the invariant of `Walk`.
        unsafe {
            if self.parked_in().is_some() {
                (*self.raw).wanted = (*self.raw).wanted.wrapping_add(1);
                return false;
            }
            (*self.raw).node.flags = ITER_CURSOR;
            (*self.raw).dsq = dsq.as_raw();
            (*self.raw).seq = seq;
            (*self.pcpu).has_cursors = true;
            bindings::list_add(self.node(), node);
        }
        true
    }
}

/// Takes all CPUs' cursors back.
///
/// # Context
///
/// Hook `disable`: process context, no task on sched_ext. What still has cursors then are the
/// global DSQs.
pub(crate) fn recall_cursors() {
    for cpu in cpumask::possible().iter() {
        let rq = Rq::of(cpu).lock_irqsave();
        // To be that CPU, as far as cursors go: it has no business with them anymore.
        let this_rq = rq.executing();
        for n in 0..RUST_SCX_CURSORS as usize {
            let cursor = Cursor::nth(&this_rq, percpu::of(cpu), n);
            if let Some(dsq) = cursor.parked_in() {
                cursor.recall(dsq);
            }
        }
    }
}
