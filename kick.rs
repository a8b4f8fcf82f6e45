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
//! - [`wait`] does the waiting. It runs when its CPU has switched tasks, and drops the lock,
//!   so that IRQs are on.
//!
//! Why waiting ends: a target that is waited for has been told to reschedule, and reschedules
//! unless it cannot. Waiting is no reason why it could not: a CPU that waits and is told to
//! reschedule leaves [`wait`], goes through the scheduler, and comes back to wait for the rest. So
//! CPUs may wait for each other in any figure. With IRQs on it answers IPIs meanwhile, so who
//! waits for such an answer is not kept. What remains is a target that is stuck elsewhere: that
//! is given up after [`MAX_WAIT_NS`].
//!
//! Orderings:
//!
//! - [`kick`] posts, then queues the irq_work; C clears its pending bit, then [`kick_cpus`] takes.
//!   All are full barriers, so a request is taken or the irq_work runs again, and who takes it sees
//!   what the BPF scheduler did before. Who finds the mailbox not empty leaves it to who did: that
//!   one queues after its own post, which is what the taker takes then, or took.
//! - An idle kick is skipped for a CPU that has found something to run. [`has_found`] reads that behind
//!   a full barrier, and the target's next pass begins with one: see [`PassState::has_found`].
//! - [`kick_cpus`] takes a noted kick before its kinds, and takes them before it acts on them.
//!   [`note`] notes them the other way round. So a kick that comes in between, from an NMI, is
//!   carried out now or queues the irq_work again. All this is on one CPU.
//! - [`kick_one_cpu`] reads the target's sequence under its lock before it tells it to reschedule.
//!   The target moves the sequence in the pass that sees this, or when its task leaves sched_ext,
//!   with a release after `ops.stopping()`; [`wait`] reads it with an acquire. See
//!   [`Rq::pick_seq`].
//!
//! Lock order: [`kick`] only tries a target's lock, [`kick_cpus`] and [`wait`] take one at a time.

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
            KickRequests,
            Locked,
            Rq,
            ThisRq, //
        },
        task::need_resched,
        time::cpu_relax,
        trace,
    },
    watchdog, //
};
use kernel::prelude::*;

/// How long a CPU waits for others to reschedule, in nanoseconds.
///
/// Far more than a pass through the scheduler takes, and little enough for nobody to notice a
/// machine that stands still.
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
/// Hook `kick` and the dispatch loop: any context, IRQs off, any run queue's lock held. Does not
/// sleep.
#[doc(alias = "scx_bpf_kick_cpu")]
#[inline(always)]
pub(crate) fn kick(this_rq: ThisRq<'_>, cpu: CpuId, flags: KickFlags) {
    if let Some(outcome) = request(&this_rq, cpu, flags) {
        tell(&this_rq, cpu, flags, outcome);
    }
}

/// Counts what came of a kick, and shows it.
#[inline(always)]
fn tell(this_rq: &ThisRq<'_>, cpu: CpuId, flags: KickFlags, outcome: Counter) {
    this_rq.count(outcome);
    trace::kick(cpu, flags.to_bits(), outcome);
}

/// As [`kick`]. Says what came of it, by the name of its counter; `None` if that is still to come.
#[inline(always)]
fn request(this_rq: &ThisRq<'_>, cpu: CpuId, flags: KickFlags) -> Option<Counter> {
    // A tracing program may kick at any time. There is nothing to be asked for then.
    if Waits::of(this_rq).is_none() {
        return Some(counter::KICK_NO_SCHEDULER);
    }

    // While the machine suspends, an irq_work may wait for an IRQ that never comes.
    if this_rq.has(Flags::BYPASSING) {
        return Some(counter::KICK_BYPASSED);
    }

    let request = if flags.has(KickFlags::IDLE) {
        this_rq.count(counter::KICK_IDLE);
        if flags.has(KickFlags::PREEMPT) || flags.has(KickFlags::WAIT) {
            report_exclusive();
        }
        Requests::IDLE
    } else if flags.has(KickFlags::PREEMPT) {
        this_rq.count(counter::KICK_PREEMPT);
        Requests::RESCHED.and(Requests::PREEMPT)
    } else {
        if !flags.has(KickFlags::WAIT) {
            this_rq.count(counter::KICK_PLAIN);
        }
        Requests::RESCHED
    };

    let wait = flags.has(KickFlags::WAIT) && request != Requests::IDLE;
    if wait {
        this_rq.count(counter::KICK_WAIT);
    }
    match Caller::now() {
        Caller::Outside if !wait => Some(at_once(this_rq, cpu, request)),
        caller if wait || caller == Caller::Nmi => Some(note(*this_rq, cpu, request, wait)),
        caller => keep(this_rq, cpu, request, caller),
    }
}

#[cold]
fn report_exclusive() {
    scx_error(format_args!(
        "PREEMPT/WAIT cannot be used with SCX_KICK_IDLE"
    ));
}

/// Carries a request out, or leaves it with the target.
///
/// # Context
///
/// As [`kick`], but no NMI.
#[inline(always)]
fn at_once(this_rq: &ThisRq<'_>, cpu: CpuId, request: Requests) -> Counter {
    if request == Requests::IDLE && has_found(this_rq, cpu) {
        return counter::KICK_IDLE_SKIPPED;
    }
    try_now(this_rq, cpu, request).unwrap_or_else(|| leave(this_rq, cpu, request))
}

/// Keeps a request until the operation that it is from has taken effect. Says what came of it if that
/// is known now.
///
/// # Context
///
/// As [`kick`], from an operation of the BPF scheduler.
#[inline(always)]
fn keep(this_rq: &ThisRq<'_>, cpu: CpuId, request: Requests, caller: Caller) -> Option<Counter> {
    // Its own irq_work comes after the operation in any case.
    if cpu == this_rq.cpu() {
        return Some(leave(this_rq, cpu, request));
    }
    let outcome = match Pending::of(this_rq).add(cpu, request) {
        Added::First => None,
        Added::More => Some(counter::KICK_COALESCED),
        Added::NoRoom => return Some(note(*this_rq, cpu, request, false)),
    };
    if caller == Caller::Operation {
        call(this_rq);
    }
    outcome
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
        carry_out_all(this_rq);
    }
}

#[inline(never)]
fn carry_out_all(this_rq: &ThisRq<'_>) {
    let pending = Pending::of(this_rq);
    while let Some((cpu, requests)) = pending.take() {
        let outcome = at_once(this_rq, cpu, requests);
        tell(this_rq, cpu, requests.into(), outcome);
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
        carry_out_all(this_rq);
    }
}

/// Has the irq_work of this CPU run.
fn call(this_rq: &ThisRq<'_>) {
    if this_rq.queue_kick_irq_work() {
        this_rq.count(counter::KICK_IPIS);
    }
}

/// Carries a request out. `None` if that is not possible at once.
///
/// # Context
///
/// As [`at_once`].
#[inline(always)]
fn try_now(this_rq: &ThisRq<'_>, cpu: CpuId, request: Requests) -> Option<Counter> {
    if cpu == this_rq.cpu() {
        return None;
    }
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
fn is_searching(rq: &Rq<Locked>) -> bool {
    rq.has(Flags::IN_BALANCE) || PassState::of(rq.cpu()).is_inside()
}

/// Leaves a request with the target, for when it takes IRQs. That is after a [search](is_searching).
///
/// # Context
///
/// As [`try_now`]; `cpu` is [`reachable`].
#[inline(always)]
fn leave(this_rq: &ThisRq<'_>, cpu: CpuId, request: Requests) -> Counter {
    if !Mailbox::of(cpu).post(request) {
        return counter::KICK_COALESCED;
    }
    if cpu == this_rq.cpu() {
        call(this_rq);
    } else if this_rq.queue_kick_irq_work_on(cpu) {
        this_rq.count(counter::KICK_IPIS);
    }
    counter::KICK_LEFT
}

/// Does what has been asked of the CPU of `rq`, and says what came of it. That CPU is not
/// [searching](is_searching), but with core scheduling a sibling may be doing so for it.
#[inline(always)]
fn carry_out(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>, requests: Requests) -> Counter {
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
fn resched(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>, preempt: bool) {
    if preempt && rq.curr().on_scx() {
        rq.expire_curr();
    }
    if !this_rq.is(rq) && rq.curr().needs_ipi() {
        this_rq.count(counter::KICK_IPIS);
    }
    watchdog::kicked(rq.cpu());
    rq.resched_curr();
}

/// Notes a request on the executing CPU, for its irq_work.
#[inline(never)]
fn note(this_rq: ThisRq<'_>, cpu: CpuId, request: Requests, wait: bool) -> Counter {
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
    call_for_sets(&this_rq);
    counter::KICK_NOTED
}

/// Has the irq_work look at the sets of this CPU.
fn call_for_sets(this_rq: &ThisRq<'_>) {
    // Whether or not others have asked for something: this may be an NMI between their post and
    // their call.
    Mailbox::of(this_rq.cpu()).post(Requests::SETS);
    call(this_rq);
}

/// Whether `cpu` has found something to run, and so asks once more before it idles.
///
/// Takes no lock, and writes nothing that others read. If false, it may be so or not.
#[inline(always)]
fn has_found(this_rq: &ThisRq<'_>, cpu: CpuId) -> bool {
    // What this CPU found is no news if it looks for something itself.
    if cpu == this_rq.cpu() {
        return false;
    }
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
fn is_above(rq: &Rq<Locked>) -> bool {
    rq.curr().above_scx()
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

/// Kicks the CPUs that are in the sets of this one.
fn kick_noted(this_rq: &ThisRq<'_>) {
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
        let preempt = if preempt {
            Requests::PREEMPT
        } else {
            Requests::RESCHED
        };
        leave(this_rq, cpu, Requests::RESCHED.and(preempt))
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
        // Asked for once more when there is room again, see `wait`.
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
            leave(this_rq, cpu, Requests::IDLE)
        } else {
            carry_out(this_rq, &mut rq, Requests::IDLE)
        }
    };
    this_rq.count(outcome);
}

/// Whether `cpu` takes kicks. A CPU on its way down or up may need its own to get on.
fn reachable(this_rq: &ThisRq<'_>, cpu: CpuId) -> bool {
    cpumask::online().test(cpu) || cpu == this_rq.cpu()
}

/// Whether [`wait`] has something to do on this CPU.
///
/// # Context
///
/// Hook `balance`: as [`wait`], before the switch.
#[inline]
pub(crate) fn must_wait(this_rq: &ThisRq<'_>) -> bool {
    Waits::of(this_rq).is_some_and(|waits| !waits.is_empty())
}

/// Waits until the CPUs that were kicked with `SCX_KICK_WAIT` have been through the scheduler.
///
/// # Context
///
/// After a switch of tasks, or the decision that there is none: process context, preemption off,
/// IRQs off on entry and return. `rq` is that of the executing CPU and locked; the lock is dropped,
/// and IRQs are on, in between. Does not sleep.
#[doc(alias = "kick_sync_wait_bal_cb")]
pub(crate) fn wait(rq: &mut Rq<Locked>) {
    // It is the next task of sched_ext that has to wait. A balance comes before that, unless 6.12 picks
    // without one, see `is_above`: then it waits after its next.
    if is_above(rq) {
        return;
    }
    while let Some(next) = next_wait(&rq.executing()) {
        // The scheduler that asked for it is on its way out.
        if rq.has(Flags::BYPASSING) {
            forget_waits(&rq.executing(), counter::WAITS_CANCELLED);
            return;
        }
        if is_overdue(&next) {
            remove_waits(&rq.executing(), counter::WAIT_TIMEOUTS, |wait| wait == next);
            continue;
        }
        // Whoever told us may be waiting for us.
        if need_resched() {
            rq.count(counter::WAIT_RESCHEDS);
            return;
        }

        rq.unlocked(|rq| spin(rq, next));
    }
}

/// The first wait that is not over. Drops those that are.
fn next_wait(this_rq: &ThisRq<'_>) -> Option<Wait> {
    remove_waits(this_rq, counter::WAITS_DONE, is_over);

    let waits = Waits::of(this_rq)?;
    let next = waits.iter().next();
    if next.is_none() && waits.take_overflown() {
        call_for_sets(this_rq);
    }
    next
}

fn is_over(wait: Wait) -> bool {
    Rq::of(wait.cpu).pick_seq() != wait.seq
}

fn is_overdue(wait: &Wait) -> bool {
    wait.since.elapsed_ns() > MAX_WAIT_NS
}

fn remove_waits(this_rq: &ThisRq<'_>, why: Counter, which: impl Fn(Wait) -> bool) {
    if let Some(waits) = Waits::of(this_rq) {
        waits.remove(|wait| {
            let over = which(wait);
            if over {
                this_rq.count(why);
                this_rq.count(length_of(wait.since.elapsed_ns()));
                trace::wait(wait.cpu, wait.since, why);
            }
            over
        });
    }
}

/// How long a wait of so many nanoseconds is, by the name of its counter.
fn length_of(ns: i64) -> Counter {
    match ns {
        ..=1_000 => counter::WAIT_1US,
        1_001..=10_000 => counter::WAIT_10US,
        10_001..=100_000 => counter::WAIT_100US,
        100_001..=1_000_000 => counter::WAIT_1MS,
        1_000_001..=MAX_WAIT_NS => counter::WAIT_10MS,
        _ => counter::WAIT_LONGER,
    }
}

/// Drops all waits of this CPU, those that found no room included.
fn forget_waits(this_rq: &ThisRq<'_>, why: Counter) {
    remove_waits(this_rq, why, |_| true);
    if Waits::of(this_rq).is_some_and(Waits::take_overflown) {
        let requests = this_rq.kick_requests();
        for cpu in requests.wait.iter() {
            requests.wait.clear_atomic(cpu);
            this_rq.count(why);
        }
    }
}

/// Waits, on the CPU of `rq`, until there may be something else to do than to wait.
///
/// # Context
///
/// Process context, preemption off, IRQs on, no run queue's lock held.
fn spin(rq: &Rq, wait: Wait) {
    while !is_over(wait) && !is_overdue(&wait) && !need_resched() && !rq.has(Flags::BYPASSING) {
        cpu_relax();
    }
}

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
        assert_eq,
        kunit_tests, //
    };
    use crate::sched::time::Stopwatch;

    kunit_tests!(rust_scx_kick: [
        kicks_are_all_but_the_sets,
        a_wait_goes_to_the_counter_of_its_length,
        no_wait_is_without_a_counter,
        longer_than_a_wait_may_be_is_overdue,
    ]);

    fn kicks_are_all_but_the_sets() {
        for request in [Requests::RESCHED, Requests::PREEMPT, Requests::IDLE] {
            assert!(KICKS.has(request));
        }
        assert!(!KICKS.has(Requests::SETS));
    }

    fn a_wait_goes_to_the_counter_of_its_length() {
        let bounds = [
            (1_000, counter::WAIT_1US, counter::WAIT_10US),
            (10_000, counter::WAIT_10US, counter::WAIT_100US),
            (100_000, counter::WAIT_100US, counter::WAIT_1MS),
            (1_000_000, counter::WAIT_1MS, counter::WAIT_10MS),
            (10_000_000, counter::WAIT_10MS, counter::WAIT_LONGER),
        ];
        for (ns, up_to, beyond) in bounds {
            assert_eq!(length_of(ns), up_to);
            assert_eq!(length_of(ns + 1), beyond);
        }
    }

    fn no_wait_is_without_a_counter() {
        assert_eq!(length_of(0), counter::WAIT_1US);
        // A clock that goes back.
        assert_eq!(length_of(-1), counter::WAIT_1US);
        assert_eq!(length_of(i64::MIN), counter::WAIT_1US);
        assert_eq!(length_of(i64::MAX), counter::WAIT_LONGER);
    }

    fn longer_than_a_wait_may_be_is_overdue() {
        let Some(cpu) = CpuId::from_u32(0) else {
            return;
        };
        let began = |ns: i64| Wait {
            cpu,
            seq: 0,
            since: Stopwatch::from_bits((Stopwatch::start().to_bits() as i64 - ns) as usize),
        };
        assert!(is_overdue(&began(MAX_WAIT_NS + 1)));
        // A minute to come.
        assert!(!is_overdue(&began(-60_000_000_000)));
    }
}
