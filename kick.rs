// SPDX-License-Identifier: GPL-2.0

//! Kicks: making CPUs reschedule on behalf of the BPF scheduler.
//!
//! C counterpart: `scx_bpf_kick_cpu()` and `kick_cpus_irq_workfn()` in
//! [`kernel/sched/ext.c`](srctree/kernel/sched/ext.c).
//!
//! Who asks for a kick may hold any run queue's lock, so [`kick`] only notes the request in sets
//! of the executing CPU, and queues that CPU's irq_work. [`kick_cpus`] runs there with no lock
//! held and carries out all requests noted since. Both run with IRQs off on the same CPU, so
//! neither sees the other half way.
//!
//! Lock order: [`kick`] only tries a target's lock, [`kick_cpus`] takes one at a time.

#![deny(unsafe_code)]

use crate::{
    compat::{
        cpu::CpuId,
        sync::{
            atomic::{
                Atomic,
                Relaxed, //
            },
            rcu, //
        },
    },
    sched::{
        counter, cpumask,
        exit::scx_error,
        kick_flags::KickFlags,
        pick_seq::{
            self,
            PickSeqs, //
        },
        rq::{
            Flags,
            KickRequests,
            Locked,
            Rq,
            ThisRq, //
        },
        time::{
            cpu_relax,
            Stopwatch, //
        },
    },
};
use kernel::prelude::*;

/// How long a CPU waits for another to pick, in nanoseconds.
///
/// C waits as long as it takes, with IRQs off. A target that does not leave sched_ext then keeps
/// the waiter forever, and two CPUs that wait for each other hang the machine.
const MAX_WAIT_NS: i64 = 10_000_000;

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
    pick_seq::free();
}

/// Notes a request to kick `cpu`, which may be the executing one.
///
/// # Context
///
/// Hook `kick` and the dispatch loop: any context but NMI, IRQs off, any run queue's lock held.
/// Does not sleep.
#[doc(alias = "scx_bpf_kick_cpu")]
pub(crate) fn kick(this_rq: &ThisRq<'_>, cpu: CpuId, flags: KickFlags) {
    // While the machine suspends, an irq_work may wait for an IRQ that never comes.
    if this_rq.has(Flags::BYPASSING) {
        this_rq.count(counter::KICK_BYPASSED);
        return;
    }

    let requests = this_rq.kick_requests();

    if flags.has(KickFlags::IDLE) {
        this_rq.count(counter::KICK_IDLE);
        if flags.has(KickFlags::PREEMPT) || flags.has(KickFlags::WAIT) {
            scx_error(format_args!(
                "PREEMPT/WAIT cannot be used with SCX_KICK_IDLE"
            ));
        }
        // When in doubt, kick. Someone who holds the lock for long must not keep us.
        if Rq::of(cpu)
            .try_lock(this_rq)
            .is_some_and(|rq| can_skip_idle_kick(&rq))
        {
            this_rq.count(counter::KICK_IDLE_SKIPPED);
            return;
        }
        requests.idle.set_atomic(cpu);
    } else {
        if flags.has(KickFlags::PREEMPT) {
            this_rq.count(counter::KICK_PREEMPT);
            requests.preempt.set_atomic(cpu);
        }
        if flags.has(KickFlags::WAIT) {
            this_rq.count(counter::KICK_WAIT);
            requests.wait.set_atomic(cpu);
        }
        if !flags.has(KickFlags::PREEMPT) && !flags.has(KickFlags::WAIT) {
            this_rq.count(counter::KICK_PLAIN);
        }
        // Last, as this is the set that `kick_cpus` starts from.
        requests.kick.set_atomic(cpu);
    }

    this_rq.queue_kick_irq_work();
}

/// Carries out the kicks that [`kick`] noted on this CPU.
///
/// # Context
///
/// Hook `kick_irq`: hardirq context, no run queue's lock held on entry and on return. Does not
/// sleep.
#[doc(alias = "kick_cpus_irq_workfn")]
pub(crate) fn kick_cpus(this_rq: &ThisRq<'_>) {
    this_rq.count(counter::KICK_IRQ_WORK);

    let requests = this_rq.kick_requests();
    let rcu = rcu::read_lock();
    let seqs = PickSeqs::of(this_rq, &rcu);
    if seqs.is_none() {
        forget_waits(this_rq, &requests);
    }

    let mut should_wait = false;
    for cpu in requests.kick.iter() {
        should_wait |= kick_one_cpu(this_rq, &requests, cpu, seqs.as_ref());
        // Only now: a request that came meanwhile would be lost, but none can, see above.
        requests.kick.clear_atomic(cpu);
        requests.idle.clear_atomic(cpu);
    }

    for cpu in requests.idle.iter() {
        kick_one_cpu_if_idle(this_rq, cpu);
        requests.idle.clear_atomic(cpu);
    }

    if !should_wait {
        return;
    }
    for cpu in requests.wait.iter() {
        if let Some(seq) = seqs.as_ref().and_then(|seqs| seqs.get(cpu)) {
            wait_for_pick(this_rq, cpu, seq.load(Relaxed));
        }
        requests.wait.clear_atomic(cpu);
    }
}

/// Kicks `cpu` and says whether it is to be waited for.
fn kick_one_cpu(
    this_rq: &ThisRq<'_>,
    requests: &KickRequests<'_>,
    cpu: CpuId,
    seqs: Option<&PickSeqs<'_>>,
) -> bool {
    let mut rq = Rq::of(cpu).lock_irqsave();

    if !reachable(this_rq, cpu) {
        this_rq.count(counter::KICK_OFFLINE);
        requests.preempt.clear_atomic(cpu);
        requests.wait.clear_atomic(cpu);
        return false;
    }

    let on_scx = rq.curr().on_scx();

    if requests.preempt.test(cpu) {
        if on_scx {
            rq.expire_curr();
        }
        requests.preempt.clear_atomic(cpu);
    }

    let mut should_wait = false;
    if requests.wait.test(cpu) {
        match seqs.and_then(|seqs| seqs.get(cpu)) {
            // Noted under the target's lock and before it is told, so that its next pick counts.
            Some(seq) if on_scx => {
                seq.store(rq.pick_seq(), Relaxed);
                should_wait = true;
            }
            // Its sequence moves when it leaves sched_ext, and it is elsewhere already.
            _ => requests.wait.clear_atomic(cpu),
        }
    }

    this_rq.count(counter::KICK_RESCHED);
    rq.resched_curr();
    should_wait
}

fn kick_one_cpu_if_idle(this_rq: &ThisRq<'_>, cpu: CpuId) {
    let mut rq = Rq::of(cpu).lock_irqsave();

    if can_skip_idle_kick(&rq) {
        this_rq.count(counter::KICK_IDLE_SKIPPED);
    } else if reachable(this_rq, cpu) {
        this_rq.count(counter::KICK_RESCHED);
        rq.resched_curr();
    } else {
        this_rq.count(counter::KICK_OFFLINE);
    }
}

/// Whether the CPU of `rq` will ask the BPF scheduler before it goes idle in any case.
///
/// That it does not idle now is not enough: in the middle of a balance it may just have failed to
/// find anything, and be about to.
fn can_skip_idle_kick(rq: &Rq<Locked>) -> bool {
    !rq.curr().is_idle() && !rq.has(Flags::IN_BALANCE)
}

/// Whether `cpu` takes kicks. A CPU on its way down or up may need its own to get on.
fn reachable(this_rq: &ThisRq<'_>, cpu: CpuId) -> bool {
    cpumask::online().test(cpu) || cpu == this_rq.cpu()
}

/// Spins until `cpu` has picked since its sequence was `seq`.
///
/// The sequence is read with acquire semantics, see [`Rq::pick_seq`].
fn wait_for_pick(this_rq: &ThisRq<'_>, cpu: CpuId, seq: usize) {
    // It cannot pick before we return.
    if cpu == this_rq.cpu() {
        return;
    }
    this_rq.count(counter::WAITS);

    let target = Rq::of(cpu);
    let waited = Stopwatch::start();
    while target.pick_seq() == seq {
        if waited.elapsed_ns() > MAX_WAIT_NS {
            this_rq.count(counter::WAIT_TIMEOUTS);
            return;
        }
        // The scheduler we wait for is on its way out.
        if this_rq.has(Flags::BYPASSING) {
            return;
        }
        cpu_relax();
    }
}

/// Without a scheduler there is nothing to wait for.
fn forget_waits(this_rq: &ThisRq<'_>, requests: &KickRequests<'_>) {
    static WARNED: Atomic = Atomic::new(0);

    for cpu in requests.wait.iter() {
        this_rq.count(counter::WAIT_NO_ARRAY);
        requests.wait.clear_atomic(cpu);
        // Two CPUs at once may both say it.
        if WARNED.load(Relaxed) == 0 {
            WARNED.store(1, Relaxed);
            pr_warn!("SCX_KICK_WAIT without a scheduler ignored\n");
        }
    }
}
