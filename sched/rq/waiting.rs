// SPDX-License-Identifier: GPL-2.0

//! Tasks that wait on a run queue, and what for: what the watchdog looks at.
//!
//! C counterpart: `rq->scx.runnable_list`, on which a task of sched_ext is from when it gets
//! runnable until it runs.

use super::{
    Locked,
    Rq, //
};
use crate::{
    bindings,
    sched::{
        dsq::Dsq,
        task::Task, //
    },
};
use core::{
    fmt,
    marker::PhantomData,
    ptr::{
        addr_of,
        addr_of_mut, //
    },
};
use kernel::{
    bindings::{
        list_head,
        task_struct, //
    },
    container_of, //
};

/// Where a task waits.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The BPF scheduler has it, or it is on its way from one queue to another.
    Bpf,
    /// The local DSQ of its CPU.
    Local,
    /// The global DSQ of its node.
    Global,
    /// A DSQ of the BPF scheduler's, by its id.
    User(u64),
}

impl Place {
    /// As tools know it.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Bpf => "bpf",
            Self::Local => "local",
            Self::Global => "global",
            Self::User(_) => "dsq",
        }
    }
}

/// [`Place`], and how many tasks wait there.
#[derive(Copy, Clone)]
pub(crate) struct Waiting {
    pub(crate) place: Place,
    pub(crate) len: u32,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Bpf => return f.write_str("with the BPF scheduler"),
            Place::Local => f.write_str("on the local DSQ")?,
            Place::Global => f.write_str("on the global DSQ")?,
            Place::User(id) => write!(f, "on DSQ {id:#x}")?,
        }
        write!(f, " (length {})", self.len)
    }
}

/// Scheduling classes.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) enum Class {
    Stop,
    Deadline,
    Rt,
    Fair,
    Ext,
    Idle,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stop => "stop",
            Self::Deadline => "deadline",
            Self::Rt => "rt",
            Self::Fair => "fair",
            Self::Ext => "ext",
            Self::Idle => "idle",
        })
    }
}

impl Rq {
    fn runnable_list(&self) -> *mut list_head {
        // SAFETY: The run queue is there.
        unsafe { addr_of_mut!((*self.as_raw()).scx.runnable_list) }
    }

    /// Whether tasks of sched_ext wait here; without the lock, whether some did a moment ago.
    pub(crate) fn has_runnable(&self) -> bool {
        let head = self.runnable_list();
        // SAFETY: Initialized at boot; a pointer is read in one piece, and only compared.
        let first = unsafe { addr_of!((*head).next).read_volatile() };
        !core::ptr::eq(first, head)
    }

    /// Whether the CPU idled a moment ago.
    pub(crate) fn idles(&self) -> bool {
        // SAFETY: The run queue is there.
        let idle = unsafe { addr_of!((*self.as_raw()).idle).read_volatile() };
        core::ptr::eq(self.curr_raw(), idle)
    }
}

impl Rq<Locked> {
    /// The runnable tasks of sched_ext that are not running.
    pub(crate) fn runnable(&self) -> Runnable<'_> {
        let head = self.runnable_list();
        // SAFETY: Initialized at boot.
        let next = unsafe { (*head).next };
        Runnable {
            head,
            next,
            _rq: PhantomData,
        }
    }

    /// How many tasks of sched_ext are runnable here, running or not.
    pub(crate) fn nr_runnable(&self) -> usize {
        // SAFETY: The run queue is there; its lock protects the field.
        unsafe { addr_of!((*self.as_raw()).scx.nr_running).read() as usize }
    }

    /// Puts the first `n` waiting tasks behind all the others.
    ///
    /// Who is added later comes behind them, as the list grows at its end. The rest of sched_ext
    /// relies on that and on nothing else of the order.
    pub(crate) fn rotate_runnable(&mut self, n: usize) {
        let head = self.runnable_list();
        // SAFETY: Initialized at boot, the lock protects it.
        let (first, end) = unsafe { ((*head).next, (*head).prev) };

        let mut last = head;
        for _ in 0..n {
            // SAFETY: On the list, which does not change while the lock is held.
            last = unsafe { (*last).next };
            if core::ptr::eq(last, head) || core::ptr::eq(last, end) {
                return;
            }
        }
        if !core::ptr::eq(last, head) {
            // SAFETY: `first` to `last` is a part of the list, and not all of it: `end` is behind.
            unsafe { bindings::list_bulk_move_tail(head, first, last) };
        }
    }

    /// Where `p`, a task that waits on this run queue, does so.
    pub(crate) fn waiting(&self, p: &Task) -> Waiting {
        // SAFETY: The task is there. The field changes only under the lock of its run queue.
        let dsq = unsafe { addr_of!((*p.as_raw()).scx.dsq).read_volatile() };
        if dsq.is_null() {
            return Waiting {
                place: Place::Bpf,
                len: 0,
            };
        }

        // SAFETY: A DSQ does not go while a task's field names it. Who takes the task off it first
        // has IRQs off until the field is cleared, and DSQs are freed through RCU.
        let (id, len) = unsafe {
            (
                addr_of!((*dsq).id).read(),
                addr_of!((*dsq).nr).read_volatile(),
            )
        };
        let place = match id {
            Dsq::LOCAL => Place::Local,
            Dsq::GLOBAL => Place::Global,
            _ => Place::User(id),
        };
        Waiting { place, len }
    }

    /// The class of what runs here.
    pub(crate) fn class_of_curr(&self) -> Class {
        let curr = self.curr();
        // SAFETY: The run queue is there, the field is set at boot.
        let stopper = unsafe { addr_of!((*self.as_raw()).stop).read_volatile() };

        if curr.is_idle() {
            Class::Idle
        } else if curr.on_scx() {
            Class::Ext
        } else if core::ptr::eq(stopper, curr.as_raw()) {
            Class::Stop
        } else {
            // SAFETY: The task is there; the field is read in one piece.
            match unsafe { addr_of!((*curr.as_raw()).prio).read_volatile() } {
                ..=-1 => Class::Deadline,
                0..=99 => Class::Rt,
                _ => Class::Fair,
            }
        }
    }
}

/// Walks the runnable tasks of a locked run queue.
pub(crate) struct Runnable<'a> {
    head: *mut list_head,
    next: *mut list_head,
    _rq: PhantomData<&'a Rq<Locked>>,
}

impl<'a> Iterator for Runnable<'a> {
    type Item = &'a Task;

    fn next(&mut self) -> Option<&'a Task> {
        if core::ptr::eq(self.next, self.head) {
            return None;
        }
        // SAFETY: Only tasks are on the list, by this member.
        let task = unsafe { container_of!(self.next, task_struct, scx.runnable_node) };
        // SAFETY: On the list, which does not change while the lock is held.
        self.next = unsafe { (*self.next).next };
        // SAFETY: A task leaves the list under the lock before it can be freed.
        Some(unsafe { Task::from_raw(task.cast_mut()) })
    }
}

impl Task {
    /// Whether there is only one CPU that may run it now.
    pub(crate) fn is_bound(&self) -> bool {
        // SAFETY: The task is there; the field is read in one piece.
        let cpus = unsafe { addr_of!((*self.as_raw()).nr_cpus_allowed).read_volatile() };
        cpus == 1 || self.migration_disabled()
    }

    /// Whether it has been told to give way, and did not yet.
    pub(crate) fn must_resched(&self) -> bool {
        // SAFETY: The task is there.
        unsafe { bindings::test_tsk_need_resched(self.as_raw()) }
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

    kunit_tests!(rust_scx_waiting: [
        where_tasks_wait,
        where_tasks_wait_for_tools,
        classes_for_tools,
    ]);

    use kernel::str::CString;

    fn shows(what: impl fmt::Display, text: &str) -> bool {
        CString::try_from_fmt(format_args!("{what}")).is_ok_and(|s| s.as_bytes() == text.as_bytes())
    }

    fn where_tasks_wait() {
        let at = |place| Waiting { place, len: 3 };
        assert!(shows(at(Place::Bpf), "with the BPF scheduler"));
        assert!(shows(at(Place::Local), "on the local DSQ (length 3)"));
        assert!(shows(at(Place::Global), "on the global DSQ (length 3)"));
        assert!(shows(at(Place::User(0x1f)), "on DSQ 0x1f (length 3)"));
    }

    fn where_tasks_wait_for_tools() {
        assert_eq!(Place::Bpf.key(), "bpf");
        assert_eq!(Place::Local.key(), "local");
        assert_eq!(Place::Global.key(), "global");
        assert_eq!(Place::User(0).key(), "dsq");
    }

    fn classes_for_tools() {
        let names = [
            (Class::Stop, "stop"),
            (Class::Deadline, "deadline"),
            (Class::Rt, "rt"),
            (Class::Fair, "fair"),
            (Class::Ext, "ext"),
            (Class::Idle, "idle"),
        ];
        for (class, name) in names {
            assert!(shows(class, name));
        }
    }
}
