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

#[cfg(CONFIG_KUNIT)]
mod tests {
    use super::*;
    use crate::compat::kunit::{
        assert,
        assert_eq,
        kunit_tests, //
    };

    kunit_tests!(rust_scx_dsp_ctx: [
        entries_first_to_last,
        a_vtime_only_where_asked_for,
        what_was_carried_out_is_counted,
    ]);

    use crate::bindings::{
        scx_dsp_buf_ent,
        scx_dsp_ctx, //
    };

    const NR: usize = 3;

    /// A context with its buffer.
    #[repr(C)]
    struct Buffer {
        ctx: scx_dsp_ctx,
        buf: [scx_dsp_buf_ent; NR],
    }

    /// As kfuncs leave it that were called [`NR`] times, every other time with a vtime.
    fn buffer() -> Buffer {
        // SAFETY: All zeroes are valid.
        let mut buffer: Buffer = unsafe { core::mem::zeroed() };
        for (n, entry) in buffer.buf.iter_mut().enumerate() {
            // SAFETY: May be called in any task, which is there as long as it runs.
            entry.task = unsafe { kernel::bindings::get_current() };
            entry.qseq = n * 16;
            entry.dsq_id = n as u64;
            entry.slice = 1000;
            entry.vtime = 77;
            entry.enq_flags = if n % 2 == 0 { ENQ_DSQ_PRIQ } else { 0 };
        }
        buffer.ctx.cursor = NR as u32;
        buffer
    }

    fn ctx(buffer: &mut Buffer) -> DspCtx<'_> {
        DspCtx(core::ptr::from_mut(buffer).cast(), PhantomData)
    }

    fn entries_first_to_last() {
        let mut buffer = buffer();
        let ctx = ctx(&mut buffer);
        assert!(!ctx.is_empty());
        assert!(ctx.entries().map(|entry| entry.dsq_id).eq(0..NR as u64));
        assert!(ctx
            .entries()
            .enumerate()
            .all(|(n, entry)| entry.qseq == n * 16));
        assert!(ctx.entries().all(|entry| entry.slice == 1000));
    }

    fn a_vtime_only_where_asked_for() {
        let mut buffer = buffer();
        let ctx = ctx(&mut buffer);
        for (n, entry) in ctx.entries().enumerate() {
            assert_eq!(entry.vtime, (n % 2 == 0).then_some(77));
        }
    }

    fn what_was_carried_out_is_counted() {
        let mut buffer = buffer();
        let mut ctx = ctx(&mut buffer);
        ctx.add_tasks(1);
        ctx.clear();
        assert!(ctx.is_empty());
        assert_eq!(ctx.entries().count(), 0);
        // This is what the guard goes by.
        assert_eq!(ctx.nr_tasks(), 1 + NR as u32);
        ctx.clear();
        assert_eq!(ctx.nr_tasks(), 1 + NR as u32);
    }
}
