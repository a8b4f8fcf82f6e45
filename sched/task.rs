// SPDX-License-Identifier: GPL-2.0

//! Tasks, as far as the core looks at them.
//!
//! C header: [`include/linux/sched/ext.h`](srctree/include/linux/sched/ext.h)

use super::time::Jiffies;
use crate::{
    bindings,
    compat::cpu::CpuId, //
};
use core::ptr::{
    addr_of,
    addr_of_mut, //
};
use kernel::{
    bindings::{
        scx_ent_flags_SCX_TASK_QUEUED as TASK_QUEUED,
        task_struct,
        PF_IDLE, //
    },
    ffi::c_ulong,
    str::BStr,
    types::Opaque, //
};

/// A task that is there as long as the reference is.
///
/// Everything but the name and the pid may change while the lock of the task's run queue is
/// not held, so no answer survives a drop of it.
#[repr(transparent)]
pub(crate) struct Task(Opaque<task_struct>);

impl Task {
    /// # Safety
    ///
    /// `ptr` is a task that is not freed during `'a`.
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut task_struct) -> &'a Self {
        // SAFETY: By the requirement above.
        // CAST: `repr(transparent)` over `Opaque`, which is transparent too.
        unsafe { &*ptr.cast::<Self>() }
    }

    pub(crate) fn as_raw(&self) -> *mut task_struct {
        self.0.get()
    }

    /// Whether it is a task of sched_ext now.
    pub(crate) fn on_scx(&self) -> bool {
        // SAFETY: The task is there, and the field is a pointer: it is read in one piece.
        let class = unsafe { addr_of!((*self.as_raw()).sched_class).read_volatile() };
        // Only compared, never read.
        core::ptr::eq(class, addr_of!(bindings::ext_sched_class))
    }

    /// Whether it is of a class that comes before sched_ext, which therefore has no say.
    pub(crate) fn above_scx(&self) -> bool {
        // SAFETY: As in `on_scx`.
        let class = unsafe { addr_of!((*self.as_raw()).sched_class).read_volatile() };
        // The linker has them in this order; C compares them like this, too.
        (class as usize) < addr_of!(bindings::ext_sched_class) as usize
    }

    /// Whether it is of a class that comes after sched_ext.
    pub(crate) fn below_scx(&self) -> bool {
        // SAFETY: As in `on_scx`.
        let class = unsafe { addr_of!((*self.as_raw()).sched_class).read_volatile() };
        // As in `above_scx`.
        (class as usize) > addr_of!(bindings::ext_sched_class) as usize
    }

    /// The CPU it is on, or was last.
    #[inline]
    pub(crate) fn cpu(&self) -> CpuId {
        // SAFETY: The task is there, and the field is read in one piece.
        let cpu = unsafe { addr_of!((*self.as_raw()).thread_info.cpu).read_volatile() };
        // SAFETY: It is a possible CPU, so in range.
        unsafe { CpuId::from_i32_unchecked(cpu as i32) }
    }

    /// Whether it must stay on the CPU it is on for now.
    #[inline]
    pub(crate) fn migration_disabled(&self) -> bool {
        // SAFETY: As in `on_scx`.
        unsafe { addr_of!((*self.as_raw()).migration_disabled).read_volatile() != 0 }
    }

    /// Whether its affinity allows `cpu`.
    #[inline]
    pub(crate) fn allowed_on(&self, cpu: CpuId) -> bool {
        // SAFETY: The task is there, a `CpuId` is in range.
        unsafe { bindings::task_allowed_on_cpu(self.as_raw(), cpu.as_u32() as i32) }
    }

    /// Whether a CPU still executes it, be it to switch away from it.
    pub(crate) fn on_cpu(&self) -> bool {
        // SAFETY: As in `on_scx`.
        unsafe { addr_of!((*self.as_raw()).on_cpu).read_volatile() != 0 }
    }

    /// Whether sched_ext has it as runnable.
    pub(crate) fn queued(&self) -> bool {
        // SAFETY: As in `on_scx`.
        let flags = unsafe { addr_of!((*self.as_raw()).scx.flags).read_volatile() };
        flags & TASK_QUEUED as u32 != 0
    }

    /// Whether it has time left, in nanoseconds, before the BPF scheduler is asked again.
    pub(crate) fn has_slice(&self) -> bool {
        // SAFETY: As in `on_scx`.
        let slice = unsafe { addr_of!((*self.as_raw()).scx.slice).read_volatile() };
        slice != 0
    }

    /// Takes all of its time away. Callers hold the lock of the run queue it runs on.
    pub(super) fn expire_slice(&self) {
        // SAFETY: As in `on_scx`; by the lock nobody else writes.
        unsafe { addr_of_mut!((*self.as_raw()).scx.slice).write_volatile(0) };
    }

    /// Whether it is an idle task.
    pub(crate) fn is_idle(&self) -> bool {
        // SAFETY: As in `on_scx`.
        let flags = unsafe { addr_of!((*self.as_raw()).flags).read_volatile() };
        flags & PF_IDLE != 0
    }

    /// Whether it takes an IPI to tell it to reschedule, while it runs on another CPU. Not if it has
    /// been told, or polls.
    pub(crate) fn needs_ipi(&self) -> bool {
        // SAFETY: As in `on_scx`.
        let flags = unsafe { addr_of!((*self.as_raw()).thread_info.flags).read_volatile() };
        flags & bindings::rust_scx_thread_flags_RUST_SCX_NEEDS_NO_IPI as c_ulong == 0
    }

    /// Since when it waits for a CPU.
    pub(crate) fn runnable_at(&self) -> Jiffies {
        // SAFETY: As in `on_scx`.
        unsafe { addr_of!((*self.as_raw()).scx.runnable_at).read_volatile() as Jiffies }
    }

    pub(crate) fn pid(&self) -> i32 {
        // SAFETY: The task is there; its pid never changes.
        unsafe { addr_of!((*self.as_raw()).pid).read() }
    }

    /// Its name, which may be a mix of two while it changes.
    pub(crate) fn comm(&self) -> Comm {
        // SAFETY: The task is there. A name that changes meanwhile has a terminator all the
        // same, since the last byte is never anything else.
        // CAST: C's `char` is a byte.
        Comm(unsafe {
            addr_of!((*self.as_raw()).comm)
                .cast::<[u8; 16]>()
                .read_volatile()
        })
    }
}

/// A copy of a task's name.
#[derive(Copy, Clone)]
pub(crate) struct Comm([u8; 16]);

impl Comm {
    pub(crate) fn as_bstr(&self) -> &BStr {
        let name = self.0.split(|&byte| byte == 0).next().unwrap_or(&self.0);
        BStr::from_bytes(name)
    }
}

/// Whether the current task is to go through the scheduler soon.
pub(crate) fn need_resched() -> bool {
    // SAFETY: May be called anywhere.
    unsafe { bindings::need_resched() }
}
