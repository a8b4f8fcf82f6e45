// SPDX-License-Identifier: GPL-2.0

//! Kicks that the CPU which asks for them has to see to itself, in its irq_work: those that wait, those from
//! NMIs, and those that nothing else has room for.

#![deny(unsafe_code)]

use super::target::{
    call,
    carry_out,
    is_above,
    is_searching,
    leave,
    reachable,
    resched, //
};
use crate::{
    compat::cpu::CpuId,
    sched::{
        counter::{
            self,
            Counter, //
        },
        mailbox::{
            Mailbox,
            Requests, //
        },
        pick_seq::Waits,
        rq::{
            KickRequests,
            Locked,
            Rq,
            ThisRq, //
        }, //
    }, //
};

/// Notes a request on the executing CPU, for its irq_work.
pub(super) fn note(this_rq: &ThisRq<'_>, cpu: CpuId, request: Requests, wait: bool) -> Counter {
    let requests = this_rq.kick_requests();

    if request == Requests::IDLE {
        requests.idle.set_atomic(cpu);
    } else {
        if request.has(Requests::PREEMPT) {
            requests.preempt.set_atomic(cpu);
        }
        if wait {
            requests.wait.set_atomic(cpu);
        }
        // Last, as this is the set that `kick_noted` starts from.
        requests.kick.set_atomic(cpu);
    }
    call_for_sets(this_rq);
    counter::KICK_NOTED
}

/// Has the irq_work look at the sets of this CPU.
pub(super) fn call_for_sets(this_rq: &ThisRq<'_>) {
    // Whether or not others have asked for something: this may be an NMI between their post and
    // their call.
    Mailbox::of(this_rq.cpu()).post(Requests::SETS);
    call(this_rq);
}

/// Kicks the CPUs that are in the sets of this one.
pub(super) fn kick_noted(this_rq: &ThisRq<'_>) {
    let requests = this_rq.kick_requests();
    let mut has_waits = false;
    for cpu in requests.kick.iter() {
        requests.kick.clear_atomic(cpu);
        requests.idle.clear_atomic(cpu);
        has_waits |= kick_one_cpu(this_rq, &requests, cpu);
    }
    for cpu in requests.idle.iter() {
        requests.idle.clear_atomic(cpu);
        kick_one_cpu_if_idle(this_rq, cpu);
    }

    // It is the task of sched_ext here that has to wait. Any other goes on, and the next of
    // sched_ext waits.
    if has_waits {
        let mut rq = Rq::of(this_rq.cpu()).lock_irqsave();
        if rq.curr().on_scx() {
            rq.resched_curr();
        }
    }
}

/// Kicks `cpu` and says whether it is to be waited for.
fn kick_one_cpu(this_rq: &ThisRq<'_>, requests: &KickRequests<'_>, cpu: CpuId) -> bool {
    let preempt = requests.preempt.take_atomic(cpu);
    let wait = requests.wait.take_atomic(cpu);
    let mut rq = Rq::of(cpu).lock_irqsave();
    let searching = is_searching(&rq);

    let skip = if !reachable(this_rq, cpu) {
        Some(counter::KICK_OFFLINE)
    } else if !searching && is_above(&rq) {
        Some(counter::KICK_HIGHER_CLASS)
    } else {
        None
    };
    if let Some(reason) = skip {
        this_rq.count(reason);
        if wait {
            this_rq.count(counter::WAITS_SKIPPED);
        }
        return false;
    }

    // Under the target's lock and before it is told, so that its next pass counts. An idle one has
    // nothing to let go of, and this CPU goes through the scheduler on its way to wait.
    let mut has_waits = false;
    if wait && rq.curr().on_scx() && cpu != this_rq.cpu() {
        has_waits = note_wait(this_rq, requests, &rq);
    } else if wait {
        this_rq.count(counter::WAITS_SKIPPED);
    }

    let outcome = if searching {
        drop(rq);
        leave(*this_rq, cpu, Requests::resched(preempt))
    } else {
        resched(this_rq, &mut rq, preempt);
        counter::KICK_RESCHED
    };
    this_rq.count(outcome);
    has_waits
}

/// Notes that this CPU waits for that of `rq`, and says whether that could be.
fn note_wait(this_rq: &ThisRq<'_>, requests: &KickRequests<'_>, rq: &Rq<Locked>) -> bool {
    // The scheduler may just have gone.
    let Some(waits) = Waits::of(this_rq) else {
        this_rq.count(counter::WAITS_CANCELLED);
        return false;
    };

    let cpu = rq.cpu();
    let seq = rq.pick_seq();
    if waits.add(cpu, seq) {
        this_rq.count(counter::WAITS);
    } else {
        // Asked for once more when there is room again, see [`wait`](super::wait()).
        this_rq.count(counter::WAITS_FULL);
        requests.wait.set_atomic(cpu);
        requests.kick.set_atomic(cpu);
    }
    true
}

fn kick_one_cpu_if_idle(this_rq: &ThisRq<'_>, cpu: CpuId) {
    let outcome = if !reachable(this_rq, cpu) {
        counter::KICK_OFFLINE
    } else {
        let mut rq = Rq::of(cpu).lock_irqsave();
        if is_searching(&rq) {
            drop(rq);
            leave(*this_rq, cpu, Requests::IDLE)
        } else {
            carry_out(this_rq, &mut rq, Requests::IDLE)
        }
    };
    this_rq.count(outcome);
}
