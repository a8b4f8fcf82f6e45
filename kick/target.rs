// SPDX-License-Identifier: GPL-2.0

//! The CPU that is kicked: to make it reschedule at once, or to leave it a request.

#![deny(unsafe_code)]

use crate::{
    compat::{
        cpu::CpuId,
        sync::barrier::smp_mb, //
    },
    sched::{
        counter::{
            self,
            Counter, //
        },
        cpumask,
        mailbox::{
            Mailbox,
            Requests, //
        },
        pass::PassState,
        rq::{
            Flags,
            Locked,
            Rq,
            ThisRq, //
        }, //
    },
    watchdog, //
};

/// Carries a request out, or leaves it with the target.
///
/// # Context
///
/// As [`kick`](super::kick), but no NMI; `cpu` is another one.
#[inline(always)]
pub(super) fn at_once(this_rq: &ThisRq<'_>, cpu: CpuId, request: Requests) -> Counter {
    if request == Requests::IDLE && has_found(cpu) {
        return counter::KICK_IDLE_SKIPPED;
    }
    try_now(this_rq, cpu, request).unwrap_or_else(|| leave(*this_rq, cpu, request))
}

/// Carries a request out. `None` if that is not possible at once.
///
/// # Context
///
/// As [`at_once`].
#[inline(always)]
fn try_now(this_rq: &ThisRq<'_>, cpu: CpuId, request: Requests) -> Option<Counter> {
    if !reachable(this_rq, cpu) {
        return Some(counter::KICK_OFFLINE);
    }
    // The lock may be one that is held here. Nor must someone who holds it for long keep us.
    let mut rq = Rq::of(cpu).try_lock(this_rq)?;
    if is_searching(&rq) {
        return None;
    }
    Some(carry_out(this_rq, &mut rq, request))
}

/// Whether the CPU of `rq` looks for its next task, with its lock dropped for now.
///
/// To tell its current task to reschedule is forgotten then, when that is switched away from, and
/// what came too late for that search would wait. With core scheduling it may be looking for tasks of
/// its siblings, or they for one of its own.
#[inline(always)]
pub(super) fn is_searching(rq: &Rq<Locked>) -> bool {
    rq.has(Flags::IN_BALANCE) || PassState::of(rq.cpu()).is_inside()
}

/// Whether `cpu`, which is another one, has found something to run, and so asks once more before it idles.
///
/// Takes no lock, and writes nothing that others read. If false, it may be so or not.
#[inline(always)]
fn has_found(cpu: CpuId) -> bool {
    // ORDERING: Pairs with the barrier in `Pass::begin`.
    smp_mb();
    let rq = Rq::of(cpu);
    // With core scheduling it may be forced idle without a search, and was if that has just ended.
    PassState::of(cpu).has_found() && !rq.picks_for_siblings() && !rq.idles()
}

/// Whether what runs there comes before sched_ext.
///
/// What comes after that task asks the core anyway. Or, if a fair task blocks while others are
/// runnable, 6.12 picks from the local DSQ without asking, kicked or not.
pub(super) fn is_above(rq: &Rq<Locked>) -> bool {
    rq.curr().above_scx()
}

/// Whether `cpu` takes kicks. A CPU on its way down or up may need its own to get on.
pub(super) fn reachable(this_rq: &ThisRq<'_>, cpu: CpuId) -> bool {
    cpumask::online().test(cpu) || cpu == this_rq.cpu()
}

/// Does what has been asked of the CPU of `rq`, and says what came of it. That CPU is not
/// [searching](is_searching), but with core scheduling a sibling may be doing so for it.
#[inline(always)]
pub(super) fn carry_out(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>, requests: Requests) -> Counter {
    if is_above(rq) {
        counter::KICK_HIGHER_CLASS
    } else if !requests.has(Requests::RESCHED) && !rq.curr().is_idle() && !is_searching(rq) {
        // It searches once more before it idles.
        counter::KICK_IDLE_SKIPPED
    } else {
        resched(this_rq, rq, requests.has(Requests::PREEMPT));
        counter::KICK_RESCHED
    }
}

/// Makes the CPU of `rq` go through the scheduler, without its task of sched_ext if `preempt`.
#[inline(always)]
pub(super) fn resched(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>, preempt: bool) {
    if preempt && rq.curr().on_scx() {
        rq.expire_curr();
    }
    if !this_rq.is(rq) && rq.curr().needs_ipi() {
        this_rq.count(counter::KICK_IPIS);
    }
    watchdog::kicked(rq.cpu());
    rq.resched_curr();
}

/// Leaves a request with the target, for when it takes IRQs. That is after a [search](is_searching).
///
/// # Context
///
/// As [`kick`](super::kick), but no NMI; `cpu` is [`reachable`].
#[inline(never)]
pub(super) fn leave(this_rq: ThisRq<'_>, cpu: CpuId, request: Requests) -> Counter {
    if !Mailbox::of(cpu).post(request) {
        return counter::KICK_COALESCED;
    }
    if cpu == this_rq.cpu() {
        call(&this_rq);
    } else if this_rq.queue_kick_irq_work_on(cpu) {
        this_rq.count(counter::KICK_IPIS);
    }
    counter::KICK_LEFT
}

/// Has the irq_work of this CPU run.
pub(super) fn call(this_rq: &ThisRq<'_>) {
    if this_rq.queue_kick_irq_work() {
        this_rq.count(counter::KICK_IPIS);
    }
}
