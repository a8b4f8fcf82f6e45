// SPDX-License-Identifier: GPL-2.0

//! The run queue of the executing CPU.

use super::{
    Locked,
    Rq, //
};
use crate::{
    bindings,
    compat::cpu::CpuId,
    sched::{
        counter::{
            self,
            Counter, //
        },
        percpu, //
    },
};
use core::{
    ops::Deref,
    ptr::{
        addr_of,
        addr_of_mut, //
    },
};

/// The run queue of the executing CPU. IRQs are off, so it stays that.
///
/// # Invariants
///
/// `pcpu` is what [`percpu::of`] says for that CPU.
#[derive(Copy, Clone)]
pub(crate) struct ThisRq<'a> {
    rq: &'a Rq,
    pcpu: *mut bindings::rust_scx_pcpu,
}

impl Deref for ThisRq<'_> {
    type Target = Rq;

    fn deref(&self) -> &Rq {
        self.rq
    }
}

impl ThisRq<'_> {
    /// # Safety
    ///
    /// `rq` is the run queue of the executing CPU, and IRQs are off during the lifetime.
    #[inline(always)]
    pub(crate) unsafe fn assume_irqs_off(rq: *mut bindings::rq) -> Self {
        // SAFETY: By the requirement above; run queues are there forever.
        // CAST: `repr(transparent)`.
        let rq = unsafe { &*rq.cast::<Rq>() };
        // INVARIANT: Just so.
        Self {
            rq,
            pcpu: percpu::of(rq.cpu()),
        }
    }

    /// Whether that is `rq`.
    #[inline]
    pub(crate) fn is(&self, rq: &Rq<Locked>) -> bool {
        core::ptr::eq(self.as_raw(), rq.as_raw())
    }

    /// Our data of this CPU: what [`percpu::of`] says.
    #[inline]
    pub(in crate::sched) fn pcpu(&self) -> *mut bindings::rust_scx_pcpu {
        self.pcpu
    }

    /// Amid which operations of the BPF scheduler the CPU is, by what kfuncs these may call.
    ///
    /// # Context
    ///
    /// Not where the core scheduler has gone over to the next task and the CPU has not.
    #[inline]
    pub(in crate::sched) fn kf_mask(&self) -> u32 {
        // SAFETY: The task that runs here is not freed. It alone changes this.
        unsafe { addr_of!((*self.curr_raw()).scx.kf_mask).read() }
    }

    /// Counts for this CPU.
    #[inline]
    pub(crate) fn count(&self, id: Counter) {
        // SAFETY: By the type invariant.
        unsafe { counter::add_to(self.pcpu, id, 1) };
    }

    /// Has this CPU carry out its requests as soon as it takes IRQs. False if it was queued before.
    pub(crate) fn queue_kick_irq_work(&self) -> bool {
        // SAFETY: Initialized at boot. IRQs are off, so this stays on the CPU whose it is.
        unsafe { bindings::irq_work_queue(addr_of_mut!((*self.as_raw()).scx.kick_cpus_irq_work)) }
    }

    /// As [`queue_kick_irq_work`](Self::queue_kick_irq_work), for another CPU.
    ///
    /// # Context
    ///
    /// No NMI. `cpu` has been seen online since IRQs are off, so it stays that.
    pub(crate) fn queue_kick_irq_work_on(&self, cpu: CpuId) -> bool {
        let rq = Rq::of(cpu).as_raw();
        // SAFETY: Initialized at boot. What is wrong with the CPU the kernel warns of.
        unsafe {
            bindings::irq_work_queue_on(
                addr_of_mut!((*rq).scx.kick_cpus_irq_work),
                cpu.as_u32() as i32,
            )
        }
    }
}

impl Rq<Locked> {
    /// The run queue of the executing CPU, which may be a sibling of this one's.
    pub(crate) fn executing(&self) -> ThisRq<'_> {
        // SAFETY: Holding a run queue's lock, this cannot migrate.
        let rq = unsafe { bindings::this_rq() };
        // SAFETY: IRQs are off while the lock is held, which `self` outlives.
        unsafe { ThisRq::assume_irqs_off(rq) }
    }
}
