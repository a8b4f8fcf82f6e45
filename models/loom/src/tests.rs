// SPDX-License-Identifier: GPL-2.0

//! What is checked. Names say what holds in every order of things.

use crate::{
    machine::{
        self, add_task, as_nmi, cpu, dispatch, enqueue_elsewhere, enqueue_on, has_task, interrupts,
        kick, leave_ext, machine, operation, release, run_cpu, run_on, run_until_idle, take_irqs,
        World,
    },
    sched::{counter, rq::Rq}, //
};
use loom::{model::Builder, thread};

pub(crate) const PLAIN: u64 = 0;
pub(crate) const IDLE: u64 = 1;
pub(crate) const PREEMPT: u64 = 2;
pub(crate) const WAIT: u64 = 4;

/// Runs `model` in every order, or in those with as many preemptions as `preemptions`.
fn check(preemptions: Option<usize>, world: World, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = preemptions;
    // Who gets so far does not get any further.
    builder.max_branches = 2_000;
    builder.check(move || {
        machine::boot(world);
        model();
        machine::shut_down();
    });
}

fn saw(ids: &[counter::Counter]) {
    for id in ids {
        assert!(counter::of(id) > 0, "{id} was never counted");
    }
}

fn cpus(nr_cpus: u32) -> World {
    World {
        nr_cpus,
        ..World::default()
    }
}

/// Kicks are never carried out at once there.
fn taken(nr_cpus: u32) -> World {
    World {
        locks_taken: true,
        ..cpus(nr_cpus)
    }
}

/// `kicks` come on CPU 0 in NMIs, one of which may come in the middle of another. In the end all
/// that they ask for has to be done: [`machine::shut_down`] looks.
fn requests(kicks: &[&'static [(u32, u64)]]) {
    let nmis: Vec<_> = kicks[1..]
        .iter()
        .map(|&kicks| {
            thread::spawn(move || {
                run_on(0);
                kicks
                    .iter()
                    .for_each(|(target, flags)| as_nmi(|| kick(*target, *flags)));
            })
        })
        .collect();

    run_on(0);
    for (target, flags) in kicks[0] {
        as_nmi(|| kick(*target, *flags));
        take_irqs();
    }
    nmis.into_iter().for_each(|nmi| nmi.join().unwrap());
    // The interrupt of an NMI's irq_work comes when the NMI is over.
    take_irqs();
}

#[test]
fn no_request_is_lost_preempt_plain() {
    check(None, cpus(2), || {
        requests(&[&[(1, PREEMPT)], &[(1, PLAIN)]]);
    });
    saw(&[counter::KICK_PREEMPT, counter::KICK_PLAIN]);
}

#[test]
fn no_request_is_lost_plain_preempt() {
    check(None, cpus(2), || {
        requests(&[&[(1, PLAIN)], &[(1, PREEMPT)]]);
    });
}

#[test]
fn no_request_is_lost_preempt_wait() {
    check(None, cpus(2), || {
        requests(&[&[(1, PREEMPT)], &[(1, PREEMPT | WAIT)]]);
    });
    saw(&[counter::WAITS]);
}

#[test]
fn no_request_is_lost_idle() {
    check(None, cpus(2), || {
        machine().cpus[1]
            .rq
            .lock_irqsave()
            .set(crate::sched::rq::Flags::IN_BALANCE);
        requests(&[&[(1, IDLE)], &[(1, IDLE)]]);
        run_on(1);
        take_irqs();
    });
    saw(&[counter::KICK_IDLE]);
}

#[test]
fn no_request_is_lost_two_targets() {
    check(None, cpus(3), || {
        requests(&[&[(1, PREEMPT)], &[(2, WAIT)]]);
    });
}

#[test]
fn no_request_is_lost_three_actors() {
    check(Some(4), cpus(2), || {
        requests(&[&[(1, PLAIN)], &[(1, PREEMPT)], &[(1, WAIT)]]);
    });
}

/// Each CPU kicks the one after them all, which is the model's own thread. There an NMI kicks as
/// `nmi` says.
fn sends(sources: &[&'static [u64]], nmi: Option<(u32, u64)>) {
    let target = sources.len() as u32;
    let source = |(id, &kicks): (u32, &&'static [u64])| {
        thread::spawn(move || {
            run_on(id);
            machine::write();
            kicks.iter().for_each(|flags| kick(target, *flags));
        })
    };
    let nmi = nmi.map(|(to, flags)| {
        thread::spawn(move || {
            run_on(target);
            as_nmi(|| kick(to, flags));
        })
    });
    let actors: Vec<_> = (0..).zip(sources).map(source).chain(nmi).collect();

    run_on(target);
    interrupts();
    interrupts();
    actors.into_iter().for_each(|actor| actor.join().unwrap());
    interrupts();
}

#[test]
fn no_kick_is_lost_two_sources() {
    check(None, taken(3), || sends(&[&[PLAIN], &[PLAIN]], None));
    saw(&[counter::KICK_PLAIN, counter::KICK_COALESCED]);
}

#[test]
fn no_kick_is_lost_plain_and_preempt() {
    check(None, taken(3), || sends(&[&[PLAIN], &[PREEMPT]], None));
    saw(&[counter::KICK_PREEMPT, counter::KICK_COALESCED]);
}

#[test]
fn no_kick_is_lost_plain_then_preempt() {
    check(None, taken(2), || sends(&[&[PLAIN, PREEMPT]], None));
    saw(&[counter::KICK_COALESCED]);
}

#[test]
fn no_kick_is_lost_preempt_then_plain() {
    check(None, taken(2), || sends(&[&[PREEMPT, PLAIN]], None));
    saw(&[counter::KICK_COALESCED]);
}

#[test]
fn no_kick_is_lost_three_sources() {
    check(Some(4), taken(4), || {
        sends(&[&[PLAIN], &[PREEMPT], &[PLAIN]], None)
    });
    saw(&[counter::KICK_COALESCED]);
}

#[test]
fn no_kick_is_lost_nmi_on_the_target() {
    check(None, taken(2), || sends(&[&[PREEMPT]], Some((0, PLAIN))));
    saw(&[counter::KICK_COALESCED]);
}

#[test]
fn no_kick_is_lost_at_once_or_left() {
    check(None, cpus(3), || sends(&[&[PLAIN], &[PREEMPT]], None));
    saw(&[counter::KICK_RESCHED, counter::KICK_PREEMPT]);
}

#[test]
fn no_kick_is_lost_in_a_search() {
    check(None, cpus(3), || {
        machine().cpus[2]
            .rq
            .lock_irqsave()
            .set(crate::sched::rq::Flags::IN_BALANCE);
        sends(&[&[PLAIN], &[PREEMPT]], None);
    });
    saw(&[counter::KICK_RESCHED, counter::KICK_COALESCED]);
}

/// An NMI between what a CPU asks of itself and its call of the irq_work.
#[test]
fn no_kick_is_lost_nmi_in_a_kick() {
    check(None, cpus(2), || {
        let nmi = thread::spawn(|| {
            run_on(0);
            as_nmi(|| kick(1, PREEMPT));
        });
        run_on(0);
        machine::write();
        kick(0, PLAIN);
        interrupts();
        nmi.join().unwrap();
        interrupts();
    });
}

/// A kick that is to preempt is not forgotten for one that is not.
#[test]
fn no_kick_is_lost_amid_an_operation() {
    check(None, taken(2), || {
        let source = thread::spawn(|| {
            run_on(0);
            machine::write();
            enqueue_on(0, || {
                [PREEMPT, PLAIN].iter().for_each(|flags| kick(1, *flags))
            });
        });
        run_on(1);
        interrupts();
        source.join().unwrap();
        interrupts();
    });
    saw(&[counter::KICK_LEFT]);
}

/// What is kicked for comes before the kick.
fn add_and_kick() {
    add_task();
    kick(1, IDLE);
}

/// CPU 1 runs a task, looks for another, which some CPU may just have put somewhere as `add` says,
/// and idles.
fn idles(sources: &[u32], add: fn()) {
    let source = |&id| {
        thread::spawn(move || {
            run_on(id);
            add();
            take_irqs();
        })
    };
    let sources: Vec<_> = sources.iter().map(source).collect();

    run_on(1);
    run_until_idle(true);
    run_until_idle(false);
    sources.into_iter().for_each(|cpu| cpu.join().unwrap());
    run_until_idle(false);
    assert!(!has_task(), "a CPU idles next to a task");
}

#[test]
fn no_cpu_idles_next_to_a_task() {
    let world = World {
        idles: true,
        ..cpus(2)
    };
    check(Some(4), world, || idles(&[0], add_and_kick));
    saw(&[counter::KICK_IDLE_SKIPPED, counter::KICK_RESCHED]);
}

#[test]
fn no_cpu_idles_next_to_a_task_of_two() {
    let world = World {
        idles: true,
        ..cpus(3)
    };
    check(Some(2), world, || idles(&[0, 2], add_and_kick));
    saw(&[counter::KICK_COALESCED]);
}

/// CPU 1 looks for tasks of its siblings as well.
#[test]
fn no_cpu_idles_next_to_a_task_with_siblings() {
    let world = World {
        idles: true,
        siblings: true,
        ..cpus(2)
    };
    check(Some(4), world, || idles(&[0], add_and_kick));
    saw(&[counter::KICK_LEFT, counter::KICK_RESCHED]);
}

fn no_cpu_idles_next_to_a_task_by_nmi(add: fn()) {
    let world = World {
        idles: true,
        ..cpus(2)
    };
    check(Some(4), world, move || idles(&[0], add));
    saw(&[
        counter::KICK_NOTED,
        counter::KICK_LEFT,
        counter::KICK_RESCHED,
    ]);
}

#[test]
fn no_cpu_idles_next_to_a_task_idle_by_nmi() {
    no_cpu_idles_next_to_a_task_by_nmi(|| as_nmi(add_and_kick));
    saw(&[counter::KICK_IDLE_SKIPPED]);
}

#[test]
fn no_cpu_idles_next_to_a_task_plain_by_nmi() {
    no_cpu_idles_next_to_a_task_by_nmi(|| {
        as_nmi(|| {
            add_task();
            kick(1, PLAIN);
        })
    });
}

/// The kick comes amid the operation that dispatches. CPU 2 does nothing.
fn no_task_is_too_late(add: fn()) {
    let world = World {
        idles: true,
        ..cpus(3)
    };
    check(Some(4), world, move || idles(&[0], add));
    saw(&[counter::KICK_LEFT, counter::KICK_RESCHED]);
}

#[test]
fn no_task_is_too_late_for_an_idle_kick() {
    no_task_is_too_late(|| enqueue_on(0, || kick(1, IDLE)));
    saw(&[counter::KICK_IDLE_SKIPPED]);
}

#[test]
fn no_task_is_too_late_for_a_plain_kick() {
    no_task_is_too_late(|| enqueue_on(0, || kick(1, PLAIN)));
}

#[test]
fn no_task_is_too_late_under_the_lock_of_the_target() {
    no_task_is_too_late(|| enqueue_on(1, || kick(1, IDLE)));
}

#[test]
fn no_task_is_too_late_in_a_search() {
    no_task_is_too_late(|| dispatch(|| kick(1, IDLE)));
}

#[test]
fn no_task_is_too_late_in_a_release() {
    no_task_is_too_late(|| release(|| kick(1, IDLE)));
    saw(&[counter::KICK_IRQ_WORK]);
}

/// What there is to run is in the BPF scheduler's own hands.
#[test]
fn no_task_is_too_late_in_an_operation() {
    no_task_is_too_late(|| {
        operation(|| {
            kick(1, IDLE);
            add_task();
        })
    });
    saw(&[counter::KICK_IRQ_WORK]);
}

#[test]
fn no_task_is_too_late_that_goes_elsewhere() {
    no_task_is_too_late(|| enqueue_elsewhere(|| kick(1, IDLE)));
    saw(&[counter::KICK_IRQ_WORK]);
}

/// Also run with room to keep one kick only: the other is noted in the sets then.
#[test]
fn no_task_is_too_late_for_two_kicks() {
    no_task_is_too_late(|| {
        enqueue_on(0, || {
            kick(2, PLAIN);
            kick(1, IDLE);
        })
    });
}

/// CPU 0 is the model's own thread.
fn waits(kicks: &[&'static [(u32, u64)]]) {
    let others: Vec<_> = (1..)
        .zip(&kicks[1..])
        .map(|(id, &kicks)| thread::spawn(move || run_cpu(id, kicks)))
        .collect();
    run_cpu(0, kicks[0]);
    others.into_iter().for_each(|cpu| cpu.join().unwrap());
}

#[test]
fn what_stopping_wrote_is_seen() {
    let world = World {
        plain_writes: true,
        ..cpus(2)
    };
    check(None, world, || waits(&[&[(1, WAIT)], &[]]));
    saw(&[counter::WAITS_DONE]);
}

#[test]
fn two_cpus_wait_for_each_other() {
    check(None, cpus(2), || waits(&[&[(1, WAIT)], &[(0, WAIT)]]));
    saw(&[counter::WAITS_DONE, counter::WAIT_RESCHEDS]);
}

#[test]
fn two_cpus_wait_and_kick_again_meanwhile() {
    let world = World {
        kicks_in_wait: 0b11,
        ..cpus(2)
    };
    check(Some(3), world, || waits(&[&[(1, WAIT)], &[(0, WAIT)]]));
    saw(&[counter::WAITS_DONE, counter::WAIT_RESCHEDS]);
}

#[test]
fn three_cpus_wait_in_a_ring() {
    check(Some(2), cpus(3), || {
        waits(&[&[(1, WAIT)], &[(2, WAIT)], &[(0, WAIT)]])
    });
    saw(&[counter::WAITS_DONE, counter::WAIT_RESCHEDS]);
}

/// Also run with room to note one wait only: the other is asked for again then.
#[test]
fn a_cpu_waits_for_two() {
    let world = World {
        kicks_together: true,
        ..cpus(3)
    };
    check(Some(2), world, || {
        waits(&[&[(1, WAIT), (2, WAIT)], &[], &[]])
    });
    saw(&[counter::WAITS_DONE]);
    if std::env::var("MODEL_ROOM").as_deref() == Ok("1") {
        saw(&[counter::WAITS_FULL]);
    }
}

/// CPU 1 never goes through the scheduler.
fn stuck_target(meanwhile: fn()) {
    let other = thread::spawn(move || {
        run_on(1);
        meanwhile();
    });
    run_on(0);
    kick(1, WAIT);
    take_irqs();
    if Rq::of(cpu(0)).need_resched() {
        machine::schedule();
    }
    other.join().unwrap();
    run_on(0);
}

#[test]
fn bypass_ends_a_wait() {
    let world = World {
        no_promise: true,
        ..cpus(2)
    };
    check(None, world, || stuck_target(machine::bypass));
    saw(&[counter::WAITS_CANCELLED]);
}

#[test]
fn a_task_that_changes_its_class_is_not_waited_for() {
    let world = World {
        plain_writes: true,
        ..cpus(2)
    };
    check(None, world, || stuck_target(|| leave_ext(1)));
    saw(&[counter::WAITS_DONE, counter::KICK_HIGHER_CLASS]);
}

#[test]
fn a_stuck_target_is_given_up() {
    let world = World {
        relax_ns: 20_000_000,
        no_promise: true,
        ..cpus(2)
    };
    check(None, world, || stuck_target(|| ()));
    saw(&[counter::WAIT_TIMEOUTS]);
}
