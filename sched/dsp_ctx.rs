// SPDX-License-Identifier: GPL-2.0

//! What `ops.dispatch()` produces: the dispatch context of a CPU.
//!
//! It belongs to the CPU that calls `ops.dispatch()`, whomever it is for. The kfuncs append at the
//! cursor while that runs.
//!
//! C counterpart: `struct scx_dsp_ctx` in
//! [`include/linux/sched/ext_core.h`](srctree/include/linux/sched/ext_core.h)

use super::{
    percpu,
    rq::{
        Locked,
        Rq,
        ThisRq, //
    },
    scheduler,
    task::Task, //
};
use crate::bindings;
use core::{
    marker::PhantomData,
    ptr::addr_of, //
};

/// Enqueue by vtime.
const ENQ_DSQ_PRIQ: u64 = bindings::scx_core_enq_flags_SCX_CORE_ENQ_DSQ_PRIQ as u64;

/// What `scx_bpf_dispatch()` asked for.
pub(crate) struct Entry<'h> {
    pub(crate) task: &'h Task,
    /// Which enqueue of the task it is about.
    pub(crate) qseq: usize,
    pub(crate) dsq_id: u64,
    /// In ns, 0 to keep what the task has.
    pub(crate) slice: u64,
    /// The place in a priority queue, if that is to be.
    pub(crate) vtime: Option<u64>,
    pub(crate) enq_flags: u64,
}

/// The dispatch context of the executing CPU.
///
/// # Invariants
///
/// Valid, and nobody else uses it, as long as IRQs are off.
pub(crate) struct DspCtx<'h>(*mut bindings::scx_dsp_ctx, PhantomData<&'h ()>);

impl<'h> DspCtx<'h> {
    /// `None` if no scheduler was enabled.
    #[inline]
    pub(crate) fn of(this_rq: &'h ThisRq<'_>) -> Option<Self> {
        let base = scheduler::dsp_ctx()?;
        // INVARIANT: There as long as the scheduler is enabled, and its CPU is busy here.
        Some(Self(percpu::at(base.as_ptr(), this_rq.cpu()), PhantomData))
    }

    /// Begins a round for `rq`.
    pub(crate) fn begin(&mut self, rq: &Rq<Locked>) {
        // SAFETY: By the type invariant.
        unsafe {
            (*self.0).rq = rq.as_raw();
            (*self.0).nr_tasks = 0;
        }
    }

    /// How many tasks this round has produced, whether or not they may run here.
    pub(crate) fn nr_tasks(&self) -> u32 {
        // SAFETY: By the type invariant.
        unsafe { (*self.0).nr_tasks }
    }

    pub(crate) fn add_tasks(&mut self, n: u32) {
        // SAFETY: By the type invariant.
        unsafe { (*self.0).nr_tasks = (*self.0).nr_tasks.wrapping_add(n) };
    }

    /// Whether nothing has been asked for.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { (*self.0).cursor == 0 }
    }

    /// What has been asked for so far, first to last. To be carried out, and then
    /// [cleared](Self::clear).
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'h>> {
        // SAFETY: By the type invariant. The kfuncs keep the cursor within the array.
        let (len, buf) = unsafe {
            (
                (*self.0).cursor as usize,
                addr_of!((*self.0).buf).cast::<bindings::scx_dsp_buf_ent>(),
            )
        };
        (0..len).map(move |i| {
            // SAFETY: Below the cursor. Nothing is appended meanwhile, as `ops.dispatch()` does
            // not run.
            let ent = unsafe { &*buf.add(i) };
            let priq = ent.enq_flags & ENQ_DSQ_PRIQ != 0;
            Entry {
                // SAFETY: The BPF program had it under RCU, which IRQs that are off extend.
                task: unsafe { Task::from_raw(ent.task) },
                qseq: ent.qseq,
                dsq_id: ent.dsq_id,
                slice: ent.slice,
                vtime: priq.then_some(ent.vtime),
                enq_flags: ent.enq_flags,
            }
        })
    }

    /// Empties it, and counts the entries as tasks of this round.
    pub(crate) fn clear(&mut self) {
        // SAFETY: By the type invariant.
        unsafe {
            (*self.0).nr_tasks = (*self.0).nr_tasks.wrapping_add((*self.0).cursor);
            (*self.0).cursor = 0;
        }
    }
}
