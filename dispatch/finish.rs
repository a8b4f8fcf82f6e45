// SPDX-License-Identifier: GPL-2.0

//! To carry out what `ops.dispatch()` asked for.
//!
//! `scx_bpf_dispatch()` only takes notes, as a BPF program is no place to wait for an enqueue or to
//! exchange locks. A BPF scheduler may name any task at any time: what it has no claim to when the
//! note is carried out is ignored.
//!
//! Between two notes the lock that is held stays as it is, since the next one may need the same.

#![deny(unsafe_code)]

use super::fit::{
    fits,
    Misfit, //
};
use crate::{
    compat::cpu::CpuId,
    sched::{
        counter,
        cpumask,
        dsp_ctx::{
            DspCtx,
            Entry, //
        },
        dsq::Dsq,
        exit::scx_error,
        ops_state::{
            Claimed,
            Destination,
            Owned, //
        },
        pass,
        relock::Relock,
        rq::{
            Locked,
            Rq,
            ThisRq, //
        },
        scheduler::Scheduler,
        task::Task, //
    },
};

/// Carries out all notes of this CPU on behalf of `rq`.
///
/// # Context
///
/// Balance: `rq` is locked; its lock is dropped and retaken on the way.
#[doc(alias = "flush_dispatch_buf")]
#[inline]
pub(super) fn flush(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>, ctx: &mut DspCtx<'_>) {
    if !ctx.is_empty() {
        finish_all(this_rq, rq, ctx);
    }
}

#[inline(never)]
fn finish_all(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>, ctx: &mut DspCtx<'_>) {
    let cpu = rq.cpu();
    {
        let mut lock = Relock::new(rq);
        for entry in ctx.entries() {
            pass::get_on(this_rq);
            finish_dispatch(this_rq, &mut lock, cpu, entry);
        }
    }
    ctx.clear();
}

fn finish_dispatch(this_rq: &ThisRq<'_>, lock: &mut Relock<'_>, cpu: CpuId, entry: Entry<'_>) {
    let Some(claimed) = claim(entry.task, entry.qseq) else {
        this_rq.count(counter::SPURIOUS);
        return;
    };
    let task = claimed.task();

    claimed.set_slice_vtime(entry.slice, entry.vtime);
    if Scheduler::current().has(Scheduler::CORE_SCHED) {
        lock.at().touch(task);
    }

    match find_dsq(this_rq, cpu, entry.dsq_id, task) {
        Destination::Local(rq) => {
            // The lock must not be waited for with a claim, see `ops_state`.
            let owned = match claimed.own(lock) {
                Ok(owned) => Some(owned),
                Err(claimed) => claimed.let_go(this_rq).regain(lock),
            };
            match owned {
                Some(owned) => put_on_local(this_rq, lock, owned, rq, entry.enq_flags),
                None => this_rq.count(counter::LOST_RACE),
            }
        }
        Destination::Queue(dsq) => {
            this_rq.count(counter::FINISH_QUEUE);
            claimed.put_on(dsq, entry.enq_flags);
        }
    }
}

/// Claims `task` if it still is with the BPF scheduler since the enqueue that `qseq` is from.
fn claim(task: &Task, qseq: usize) -> Option<Claimed<'_>> {
    loop {
        let state = task.ops_state();
        if state.is_queueing() {
            // Who enqueues it has the lock of its run queue, and needs nothing that we have.
            task.wait_ops_state(state);
        } else if !state.is_queued(qseq) {
            return None;
        } else if let Some(claimed) = task.claim(state) {
            return Some(claimed);
        }
    }
}

/// The DSQ of that ID, from the view of `cpu`.
#[doc(alias = "find_dsq_for_dispatch")]
fn find_dsq<'h>(this_rq: &'h ThisRq<'_>, cpu: CpuId, id: u64, task: &Task) -> Destination<'h> {
    if id == Dsq::LOCAL {
        return Destination::Local(Rq::of(cpu));
    }
    if id & Dsq::LOCAL_ON == Dsq::LOCAL_ON {
        let cpu = (id & Dsq::LOCAL_CPU_MASK) as i32;
        if let Some(cpu) = CpuId::from_i32(cpu).filter(|&cpu| cpumask::possible().test(cpu)) {
            return Destination::Local(Rq::of(cpu));
        }
        scx_error(format_args!(
            "invalid CPU {cpu} in SCX_DSQ_LOCAL_ON dispatch verdict"
        ));
    } else if id != Dsq::GLOBAL {
        if let Some(dsq) = Dsq::user(this_rq, id) {
            return Destination::Queue(dsq);
        }
        scx_error(format_args!(
            "non-existent DSQ 0x{id:x} for {}[{}]",
            task.comm().as_bstr(),
            task.pid()
        ));
    }
    global(task)
}

/// Where a task is found by all CPUs of its node.
fn global<'h>(task: &Task) -> Destination<'h> {
    match Dsq::global(task.cpu()) {
        Some(dsq) => Destination::Queue(dsq),
        // Not while a scheduler is enabled.
        None => Destination::Local(Rq::of(task.cpu())),
    }
}

/// Puts a task on the local DSQ of `rq`, or, where it must not go there, on the global one.
///
/// # Context
///
/// Balance: `lock` is that of the task's run queue, and in the end may be that of `rq`.
#[doc(alias = "dispatch_to_local_dsq")]
pub(super) fn put_on_local(
    this_rq: &ThisRq<'_>,
    lock: &mut Relock<'_>,
    owned: Owned<'_>,
    rq: &'static Rq,
    enq_flags: u64,
) {
    let task = owned.task();
    if task.cpu() == rq.cpu() {
        this_rq.count(counter::FINISH_LOCAL);
        owned.put_here(lock, enq_flags);
    } else if let Err(misfit) = fits(task, rq) {
        this_rq.count(counter::NOT_HERE);
        report(task, rq, misfit);
        match global(task) {
            Destination::Queue(dsq) => owned.put_on(dsq, enq_flags),
            Destination::Local(_) => owned.put_here(lock, enq_flags),
        }
    } else {
        this_rq.count(counter::FINISH_REMOTE);
        owned.migrate(lock, rq, enq_flags);
    }
}

/// Throws the scheduler out for having sent `task` to `rq`, unless it could not know better: a CPU
/// may go offline at any time.
fn report(task: &Task, rq: &Rq, misfit: Misfit) {
    let (comm, pid, cpu) = (task.comm(), task.pid(), rq.cpu().as_u32());
    let comm = comm.as_bstr();
    match misfit {
        Misfit::MigrationDisabled => scx_error(format_args!(
            "SCX_DSQ_LOCAL[_ON] cannot move migration disabled {comm}[{pid}] from CPU {} to {cpu}",
            task.cpu().as_u32()
        )),
        Misfit::NotAllowed => scx_error(format_args!(
            "SCX_DSQ_LOCAL[_ON] target CPU {cpu} not allowed for {comm}[{pid}]"
        )),
        Misfit::Offline => {}
    }
}
