// SPDX-License-Identifier: GPL-2.0

//! As much of C as the checked files call and look into. What is behind it is in `c_side`.
//!
//! A function here asks of its callers what the kernel's of that name does: pointers to objects
//! that are there, entries that are linked, locks that are held. All objects live as long as the
//! machine.

#![allow(non_camel_case_types, non_upper_case_globals)]

use crate::{
    c_side,
    compat::sync::atomic::{Usize, I32, U32}, //
};
use core::{cell::UnsafeCell, ptr::null_mut};
use loom::sync::{
    Mutex,
    MutexGuard, //
};

pub(crate) type scx_ops_state = u32;
pub(crate) const scx_ops_state_SCX_OPSS_NONE: scx_ops_state = 0;
pub(crate) const scx_ops_state_SCX_OPSS_QUEUEING: scx_ops_state = 1;
pub(crate) const scx_ops_state_SCX_OPSS_QUEUED: scx_ops_state = 2;
pub(crate) const scx_ops_state_SCX_OPSS_DISPATCHING: scx_ops_state = 3;
pub(crate) const scx_ops_state_SCX_OPSS_QSEQ_SHIFT: u32 = 2;

pub(crate) const scx_core_enq_flags_SCX_CORE_ENQ_CLEAR_OPSS: u64 = 1 << 56;

pub(crate) const scx_dsq_id_flags_SCX_DSQ_GLOBAL: u64 = 1 << 63 | 1;
pub(crate) const scx_dsq_id_flags_SCX_DSQ_LOCAL: u64 = 1 << 63 | 2;
pub(crate) const scx_dsq_id_flags_SCX_DSQ_LOCAL_ON: u64 = 1 << 63 | 1 << 62;
pub(crate) const scx_dsq_id_flags_SCX_DSQ_LOCAL_CPU_MASK: u64 = 0xffff_ffff;

pub(crate) const scx_dsq_lnode_flags_SCX_DSQ_LNODE_ITER_CURSOR: u32 = 1;
pub(crate) const scx_ent_dsq_flags_SCX_TASK_DSQ_ON_PRIQ: u32 = 1;

/// Large enough for all models.
pub(crate) static nr_cpu_ids: u32 = 3;

pub(crate) struct raw_spinlock {
    lock: Mutex<()>,
    held: UnsafeCell<Option<MutexGuard<'static, ()>>>,
}

impl raw_spinlock {
    pub(crate) fn new() -> Self {
        Self {
            lock: Mutex::new(()),
            held: UnsafeCell::new(None),
        }
    }

    pub(crate) fn lock(&self) {
        // SAFETY: Locks live as long as the model, of which guards are part.
        let lock: &'static Mutex<()> = unsafe { &*core::ptr::from_ref(&self.lock) };
        let guard = lock.lock().unwrap();
        // SAFETY: Just locked.
        unsafe { *self.held.get() = Some(guard) };
    }

    pub(crate) fn unlock(&self) {
        // SAFETY: Callers have locked it.
        drop(unsafe { (*self.held.get()).take() });
    }
}

pub(crate) struct list_head {
    pub(crate) next: *mut list_head,
    pub(crate) prev: *mut list_head,
    /// By this loom notices who changes a list without its lock.
    changed: loom::cell::UnsafeCell<()>,
}

impl list_head {
    pub(crate) fn new() -> Self {
        Self {
            next: null_mut(),
            prev: null_mut(),
            changed: loom::cell::UnsafeCell::new(()),
        }
    }
}

pub(crate) struct rb_node;
pub(crate) struct rb_root;

pub(crate) struct scx_dispatch_q {
    pub(crate) lock: raw_spinlock,
    pub(crate) list: list_head,
    pub(crate) priq: rb_root,
    pub(crate) nr: u32,
    pub(crate) seq: u32,
    /// The CPU whose local DSQ it is.
    pub(crate) local_to: Option<u32>,
}

pub(crate) struct scx_dsq_list_node {
    pub(crate) node: list_head,
    pub(crate) flags: u32,
}

pub(crate) struct sched_ext_entity {
    pub(crate) dsq: *mut scx_dispatch_q,
    pub(crate) dsq_list: scx_dsq_list_node,
    pub(crate) dsq_priq: rb_node,
    pub(crate) dsq_flags: u32,
    pub(crate) holding_cpu: I32,
    pub(crate) ops_state: Usize,
    pub(crate) ops_qseq: usize,
    pub(crate) slice: u64,
    pub(crate) dsq_vtime: u64,
}

pub(crate) struct task_struct {
    pub(crate) scx: sched_ext_entity,
    pub(crate) cpu: U32,
    pub(crate) on_rq: bool,
    pub(crate) migrating: bool,
    /// All that its owner may touch. loom notices if two do and nothing orders it.
    pub(crate) owned: loom::cell::UnsafeCell<()>,
}

pub(crate) struct scx_rq {
    pub(crate) local_dsq: scx_dispatch_q,
}

pub(crate) struct rq {
    pub(crate) cpu: u32,
    pub(crate) lock: raw_spinlock,
    pub(crate) scx: scx_rq,
}

pub(crate) const RUST_SCX_KNOWN_DSQS: u32 = 4;

#[derive(Copy, Clone)]
pub(crate) struct rust_scx_known_dsq {
    pub(crate) id: u64,
    pub(crate) dsq: *mut scx_dispatch_q,
    pub(crate) seen: core::ffi::c_ulong,
}

pub(crate) const RUST_SCX_CURSORS: u32 = 2;

pub(crate) struct rust_scx_cursor {
    pub(crate) node: scx_dsq_list_node,
    pub(crate) dsq: *mut scx_dispatch_q,
    pub(crate) seq: u32,
    pub(crate) wanted: u32,
}

/// A CPU's own data.
pub(crate) struct rust_scx_pcpu {
    pub(crate) known_dsqs: [rust_scx_known_dsq; RUST_SCX_KNOWN_DSQS as usize],
    pub(crate) cursors: [rust_scx_cursor; RUST_SCX_CURSORS as usize],
    pub(crate) has_cursors: bool,
    pub(crate) scan: rust_scx_scan,
}

pub(crate) struct rust_scx_scan {
    pub(crate) words: [usize; 22],
}

pub(crate) unsafe fn raw_spin_lock(lock: *mut raw_spinlock) {
    // SAFETY: The caller's pointer is to a lock of the machine.
    c_side::lock_dsq(unsafe { &*lock });
}

pub(crate) unsafe fn raw_spin_unlock(lock: *mut raw_spinlock) {
    // SAFETY: The caller's pointer is to a lock of the machine.
    c_side::unlock_dsq(unsafe { &*lock });
}

pub(crate) unsafe fn raw_spin_rq_lock(rq: *mut rq) {
    // SAFETY: The caller's pointer is to a run queue of the machine.
    c_side::lock_rq(unsafe { &*rq });
}

pub(crate) unsafe fn raw_spin_rq_unlock(rq: *mut rq) {
    // SAFETY: The caller's pointer is to a run queue of the machine.
    c_side::unlock_rq(unsafe { &*rq });
}

pub(crate) unsafe fn list_add(new: *mut list_head, head: *mut list_head) {
    c_side::machine().watch_lists();
    // SAFETY: `head` is of a list, whose entries are all there, as `new` is. Nobody else changes
    // it: loom looks for who does.
    unsafe {
        let next = (*head).next;
        for entry in [new, head, next] {
            (*entry).changed.with_mut(|_| ());
        }
        (*new).next = next;
        (*new).prev = head;
        (*next).prev = new;
        (*head).next = new;
    }
}

pub(crate) unsafe fn list_add_tail(new: *mut list_head, head: *mut list_head) {
    // SAFETY: As the caller says; what is before `head` is of the same list.
    unsafe { list_add(new, (*head).prev) };
}

pub(crate) unsafe fn list_del_init(entry: *mut list_head) {
    c_side::machine().watch_lists();
    // SAFETY: `entry` is on a list, whose entries are all there, and nobody else changes it: loom
    // looks for who does.
    unsafe {
        let (prev, next) = ((*entry).prev, (*entry).next);
        assert!(next != entry, "taken off a list that it is not on");
        for entry in [entry, prev, next] {
            (*entry).changed.with_mut(|_| ());
        }
        (*prev).next = next;
        (*next).prev = prev;
        (*entry).next = entry;
        (*entry).prev = entry;
    }
}

pub(crate) unsafe fn list_move_tail(entry: *mut list_head, head: *mut list_head) {
    // SAFETY: As the caller says, of the list it leaves and of the one it comes to.
    unsafe {
        list_del_init(entry);
        list_add_tail(entry, head);
    }
}

pub(crate) unsafe fn rb_erase(_: *mut rb_node, _: *mut rb_root) {
    unreachable!("no DSQ is a priority queue here");
}

pub(crate) unsafe fn rb_clear_node(_: *mut rb_node) {}

/// The shared DSQ, whatever the ID.
pub(crate) unsafe fn scx_core_find_dsq(_id: u64) -> *mut scx_dispatch_q {
    c_side::machine().shared()
}

pub(crate) unsafe fn scx_core_enqueue(dsq: *mut scx_dispatch_q, p: *mut task_struct, flags: u64) {
    c_side::dispatch_enqueue(
        dsq,
        p,
        flags & scx_core_enq_flags_SCX_CORE_ENQ_CLEAR_OPSS != 0,
    );
}

pub(crate) unsafe fn scx_core_move_remote(
    p: *mut task_struct,
    _flags: u64,
    from: *mut rq,
    to: *mut rq,
) {
    c_side::move_remote(p, from, to);
}
