// SPDX-License-Identifier: GPL-2.0

//! Kicks: making CPUs reschedule on behalf of the BPF scheduler.
//!
//! C counterpart: `scx_bpf_kick_cpu()` and `kick_cpus_irq_workfn()` in
//! [`kernel/sched/ext.c`](srctree/kernel/sched/ext.c).
//!
//! - [`kick`] may be called under any run queue's lock, so it can only try the target's. If that is
//!   free it makes the target reschedule at once. If not it leaves a request in the target's mailbox,
//!   and queues the target's irq_work. Either is one IPI, or none if one is coming, or the target
//!   polls.
//! - A kick from an operation of the BPF scheduler waits until what that has dispatched is where it was
//!   dispatched to: [`carry_out_pending`] comes after `ops.dispatch()`, [`enqueued`] after
//!   `ops.enqueue()`. After any other operation it is left to the irq_work of this CPU, as in C.
//! - [`kick_cpus`] runs there in hardirq context with no lock held, and carries out what it finds.
//! - A CPU that asks for `SCX_KICK_WAIT` has to see to it itself: it notes the request in sets of
//!   its own and queues its own irq_work, which writes down the target's pick sequence, tells it to
//!   reschedule, and makes its own CPU reschedule. So do kicks from NMIs, which may not send IPIs.
//! - [`wait`](wait()) does the waiting. It runs when its CPU has switched tasks, and drops the lock,
//!   so that IRQs are on. See [`wait`](mod@wait) for why it ends.
//!
//! Orderings:
//!
//! - [`kick`] posts, then queues the irq_work; C clears its pending bit, then [`kick_cpus`] takes.
//!   All are full barriers, so a request is taken or the irq_work runs again, and who takes it sees
//!   what the BPF scheduler did before. Who finds the mailbox not empty leaves it to who did: that
//!   one queues after its own post, which is what the taker takes then, or took.
//! - An idle kick is skipped for a CPU that has found something to run. [`target`] reads that behind
//!   a full barrier, and the target's next pass begins with one: see [`PassState::has_found`].
//! - [`kick_cpus`] takes a noted kick before its kinds, and takes them before it acts on them.
//!   [`note`] notes them the other way round. So a kick that comes in between, from an NMI, is
//!   carried out now or queues the irq_work again. All this is on one CPU.
//! - [`noted`] reads the target's sequence under its lock before it tells it to reschedule.
//!   The target moves the sequence in the pass that sees this, or when its task leaves sched_ext,
//!   with a release after `ops.stopping()`; [`wait`](wait()) reads it with an acquire. See
//!   [`Rq::pick_seq`].
//!
//! Lock order: [`kick`] only tries a target's lock, [`kick_cpus`] and [`wait`](wait()) take one at a time.

#![deny(unsafe_code)]

mod noted;
mod target;
mod wait;

use self::{
    noted::{
        kick_noted,
        note, //
    },
    target::{
        at_once,
        call,
        carry_out,
        leave, //
    },
};
use crate::{
    compat::cpu::CpuId,
    sched::{
        counter::{
            self,
            Counter, //
        },
        cpumask,
        dump::Dump,
        exit::scx_error,
        kick_flags::KickFlags,
        mailbox::{
            Mailbox,
            Requests, //
        },
        pass::PassState,
        pending::{
            Added,
            Caller,
            Pending, //
        },
        pick_seq::{
            self,
            Wait,
            Waits, //
        },
        rq::{
            Flags,
            Locked,
            Rq,
            ThisRq, //
        },
        trace, //
    }, //
};
use kernel::prelude::*;

pub(crate) use self::wait::{
    must_wait,
    wait, //
};

/// Allocates what waiting takes, for a scheduler that is about to be enabled.
///
/// # Context
///
/// Hook `prepare`: process context under `scx_ops_enable_mutex`, no scheduler enabled. May sleep.
pub(crate) fn prepare() -> Result {
    pick_seq::allocate()?;
    Ok(())
}

/// Undoes [`prepare`].
///
/// # Context
///
/// Hook `disable`: process context under `scx_ops_enable_mutex`, no task on sched_ext. May sleep.
pub(crate) fn disable() {
    // What found no room to be waited for is not to be asked for under the next scheduler.
    for cpu in cpumask::possible().iter() {
        let rq = Rq::of(cpu).lock_irqsave();
        if Waits::of_locked(&rq).is_some_and(Waits::take_overflown) {
            rq.kick_requests().clear();
        }
    }
    pick_seq::free();
}

/// Kicks `cpu`, which may be the executing one: at once or, if that cannot or must not be, soon.
///
/// # Context
///
/// Hook `kick` and the dispatch loop: any context, IRQs off, any run queue's lock held; `caller` says
/// which. Does not sleep.
#[doc(alias = "scx_bpf_kick_cpu")]
#[inline(always)]
pub(crate) fn kick(this_rq: ThisRq<'_>, cpu: CpuId, flags: KickFlags, caller: Caller) {
    // A tracing program may kick at any time. There is nothing to be asked for then.
    if Waits::of(&this_rq).is_none() {
        return tell(&this_rq, cpu, flags, counter::KICK_NO_SCHEDULER);
    }
    // While the machine suspends, an irq_work may wait for an IRQ that never comes.
    if this_rq.has(Flags::BYPASSING) {
        return tell(&this_rq, cpu, flags, counter::KICK_BYPASSED);
    }

    let wait = flags.has(KickFlags::WAIT);
    let preempt = flags.has(KickFlags::PREEMPT);
    let request = if flags.has(KickFlags::IDLE) {
        if wait || preempt {
            return report_exclusive();
        }
        this_rq.count(counter::KICK_IDLE);
        Requests::IDLE
    } else if wait {
        return note_wait_kick(this_rq, cpu, flags);
    } else if preempt {
        this_rq.count(counter::KICK_PREEMPT);
        Requests::resched(true)
    } else {
        this_rq.count(counter::KICK_PLAIN);
        Requests::RESCHED
    };

    // What is called here is the last that a kick does, and has a frame of its own: one that is kept, as
    // most are, needs none.
    match caller {
        Caller::Nmi => note_and_tell(this_rq, cpu, request),
        // The own irq_work comes after whatever this is.
        _ if cpu == this_rq.cpu() => leave_and_tell(this_rq, cpu, request),
        Caller::Outside => at_once_and_tell(this_rq, cpu, request),
        Caller::Operation => keep_and_call(this_rq, cpu, request),
        Caller::Dispatcher => {
            if !Pending::of(&this_rq).add_first(cpu, request) {
                keep(this_rq, cpu, request);
            }
        }
    }
}

#[cold]
#[inline(never)]
fn report_exclusive() {
    scx_error(format_args!(
        "PREEMPT/WAIT cannot be used with SCX_KICK_IDLE"
    ));
}

#[inline(never)]
fn note_wait_kick(this_rq: ThisRq<'_>, cpu: CpuId, flags: KickFlags) {
    let preempt = flags.has(KickFlags::PREEMPT);
    this_rq.count(counter::KICK_WAIT);
    if preempt {
        this_rq.count(counter::KICK_PREEMPT);
    }
    let outcome = note(&this_rq, cpu, Requests::resched(preempt), true);
    tell(&this_rq, cpu, flags, outcome);
}

#[inline(never)]
fn note_and_tell(this_rq: ThisRq<'_>, cpu: CpuId, request: Requests) {
    let outcome = note(&this_rq, cpu, request, false);
    tell(&this_rq, cpu, request.into(), outcome);
}

#[inline(never)]
fn at_once_and_tell(this_rq: ThisRq<'_>, cpu: CpuId, request: Requests) {
    let outcome = at_once(&this_rq, cpu, request);
    tell(&this_rq, cpu, request.into(), outcome);
}

#[inline(never)]
fn leave_and_tell(this_rq: ThisRq<'_>, cpu: CpuId, request: Requests) {
    let outcome = leave(this_rq, cpu, request);
    tell(&this_rq, cpu, request.into(), outcome);
}

/// Keeps a request until the operation that it is from has taken effect.
///
/// # Context
///
/// As [`kick`], from an operation of the BPF scheduler; `cpu` is another one, as it is for [`at_once`].
#[inline(never)]
fn keep(this_rq: ThisRq<'_>, cpu: CpuId, request: Requests) {
    match Pending::of(&this_rq).add(cpu, request) {
        // What comes of it is still to come.
        Added::First => (),
        Added::More => tell(&this_rq, cpu, request.into(), counter::KICK_COALESCED),
        Added::NoRoom => note_and_tell(this_rq, cpu, request),
    }
}

/// As [`keep`]. Nothing comes after this operation but the irq_work.
#[inline(never)]
fn keep_and_call(this_rq: ThisRq<'_>, cpu: CpuId, request: Requests) {
    keep(this_rq, cpu, request);
    call(&this_rq);
}

/// Counts what came of a kick, and shows it.
#[inline(always)]
fn tell(this_rq: &ThisRq<'_>, cpu: CpuId, flags: KickFlags, outcome: Counter) {
    this_rq.count(outcome);
    trace::kick(cpu, flags.to_bits(), outcome);
}

/// Carries out what was kept: what the BPF scheduler has dispatched is there now.
///
/// # Context
///
/// After a round of the dispatch loop, and in [`enqueued`] and [`kick_cpus`]: IRQs off, any run
/// queue's lock held. Does not sleep.
#[inline(always)]
pub(crate) fn carry_out_pending(this_rq: &ThisRq<'_>) {
    if !Pending::of(this_rq).is_empty() {
        carry_out_all(*this_rq);
    }
}

#[inline(never)]
fn carry_out_all(this_rq: ThisRq<'_>) {
    let pending = Pending::of(&this_rq);
    while let Some((cpu, requests)) = pending.take() {
        let outcome = at_once(&this_rq, cpu, requests);
        tell(&this_rq, cpu, requests.into(), outcome);
    }
}

/// A task was enqueued, and what `ops.select_cpu()` and `ops.enqueue()` did with it has taken effect.
///
/// # Context
///
/// Hook `enqueued`: IRQs off, `rq` is that of the task and locked. Does not sleep.
#[inline(always)]
pub(crate) fn enqueued(this_rq: &ThisRq<'_>, rq: &Rq<Locked>) {
    let pending = Pending::of(this_rq);
    // A search moves tasks one by one, and comes to what is kept when all are there.
    if pending.is_empty() || PassState::of_this(this_rq).is_inside() {
        return;
    }
    // Dispatched to another CPU, it goes there by a callback or an irq_work that is queued by now: those
    // that are run with it are run in no particular order.
    if rq.has_deferred() {
        pending.put_off();
    }
    // Amid `ops.cpu_release()`, say, which may do the same with other tasks.
    if rq.has_deferred() || Caller::of(this_rq) != Caller::Outside {
        call(this_rq);
    } else {
        carry_out_all(*this_rq);
    }
}

/// Carries out what has been asked of this CPU.
///
/// # Context
///
/// Hook `kick_irq`: IRQs off, most often in hardirq context, on PREEMPT_RT too; no run queue's lock
/// held on entry and on return. Does not sleep.
#[doc(alias = "kick_cpus_irq_workfn")]
pub(crate) fn kick_cpus(this_rq: &ThisRq<'_>) {
    this_rq.count(counter::KICK_IRQ_WORK);

    if Pending::of(this_rq).take_put_off() {
        call(this_rq);
    } else {
        carry_out_pending(this_rq);
    }

    let requests = Mailbox::of(this_rq.cpu()).take();
    if requests.has(KICKS) {
        let mut rq = Rq::of(this_rq.cpu()).lock_irqsave();
        this_rq.count(carry_out(this_rq, &mut rq, requests));
    }
    if requests.has(Requests::SETS) {
        kick_noted(this_rq);
    }
}

/// What sources ask for.
const KICKS: Requests = Requests::RESCHED.and(Requests::PREEMPT).and(Requests::IDLE);

/// Shows what is pending on the CPU of `rq`.
///
/// # Context
///
/// Hook `dump`: any context, `rq` is locked, IRQs are off. Does not sleep.
pub(crate) fn dump(rq: &Rq<Locked>, out: &mut Dump<'_>) {
    let requests = rq.kick_requests();
    let [kicks, idle, preempt, wait] = [
        requests.kick,
        requests.idle,
        requests.preempt,
        requests.wait,
    ]
    .map(|set| set.iter().count());
    let waits = Waits::of_locked(rq);
    let nr_waits = waits.map_or(0, |waits| waits.iter().count());

    let asked = Mailbox::of(rq.cpu()).peek();
    if asked.has(KICKS) {
        let shown = |kind, name| if asked.has(kind) { name } else { "" };
        out.line(format_args!(
            "  core: asked to{}{}{}",
            shown(Requests::RESCHED, " reschedule"),
            shown(Requests::PREEMPT, " preempt"),
            shown(Requests::IDLE, " wake"),
        ));
    }
    if kicks | idle | nr_waits == 0 {
        return;
    }
    out.line(format_args!(
        "  core: kick={kicks} idle={idle} preempt={preempt} wait={wait} waits={nr_waits}"
    ));
    for Wait { cpu, seq, .. } in waits.into_iter().flat_map(Waits::iter) {
        let now = Rq::of(cpu).pick_seq();
        out.line(format_args!(
            "  waits for CPU {}: sequence {seq}, now {now}",
            cpu.as_u32()
        ));
    }
}

#[cfg(CONFIG_KUNIT)]
mod tests {
    use super::*;
    use crate::compat::kunit::{
        assert,
        kunit_tests, //
    };

    kunit_tests!(rust_scx_kick: [
        kicks_are_all_but_the_sets,
    ]);

    fn kicks_are_all_but_the_sets() {
        for request in [Requests::RESCHED, Requests::PREEMPT, Requests::IDLE] {
            assert!(KICKS.has(request));
        }
        assert!(!KICKS.has(Requests::SETS));
    }
}
