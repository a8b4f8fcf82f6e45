// SPDX-License-Identifier: GPL-2.0

//! What is checked. Names say who is after the same task. [`shut_down`] has the books.

use crate::{
    c_side::{boot, dequeue, machine, run_on, shut_down, this_cpu, Then, World},
    dispatch,
    sched::{
        counter,
        dsp_ctx::DspCtx,
        dsq::Dsq,
        rq::{Rq, ThisRq}, //
    },
};
use core::marker::PhantomData;
use loom::{model::Builder, thread};

/// Any ID but those of the built-in ones.
const SHARED: u64 = 1;

/// Runs `actors`, one on each CPU, in every order, or in those with as many preemptions.
fn check(preemptions: Option<usize>, world: World, actors: &[fn()]) {
    let actors = actors.to_vec();
    let mut builder = Builder::new();
    builder.preemption_bound = preemptions;
    // Who gets so far does not get any further.
    builder.max_branches = 2_000;
    builder.check(move || {
        boot(world);
        let others: Vec<_> = (1..)
            .zip(&actors[1..])
            .map(|(cpu, &actor)| {
                thread::spawn(move || {
                    run_on(cpu);
                    actor();
                })
            })
            .collect();
        run_on(0);
        actors[0]();
        others.into_iter().for_each(|cpu| cpu.join().unwrap());
        shut_down();
    });
}

fn saw(ids: &[counter::Counter]) {
    for id in ids {
        assert!(counter::of(*id) > 0, "{id} was never counted");
    }
}

/// Tasks that are with the BPF scheduler.
fn queued(tasks: &'static [u32]) -> World {
    World {
        tasks,
        ..World::default()
    }
}

/// Tasks that are on the shared DSQ.
fn shared(tasks: &'static [u32]) -> World {
    World {
        tasks,
        shared: true,
        ..World::default()
    }
}

/// ops.dispatch() named these tasks, as they were enqueued so many times, and DSQs.
fn dispatch(notes: &[(usize, usize, u64)]) {
    let this_rq = ThisRq::get();
    let mut rq = Rq::of(this_cpu()).lock_irqsave();
    let notes = notes
        .iter()
        .map(|(task, nr, dsq)| machine().note(*task, *nr, *dsq))
        .collect();
    dispatch::flush(&this_rq, &mut rq, &mut DspCtx(notes, PhantomData));
}

fn consume() {
    let this_rq = ThisRq::get();
    let dsq = Dsq::user(&this_rq, SHARED).unwrap();
    let mut rq = Rq::of(this_cpu()).lock_irqsave();
    dispatch::consume(&this_rq, &mut rq, dsq);
}

fn to_local() {
    dispatch(&[(0, 1, Dsq::LOCAL)]);
}

fn to_local_of_0() {
    dispatch(&[(0, 1, Dsq::LOCAL_ON)]);
}

fn to_local_of_1() {
    dispatch(&[(0, 1, Dsq::LOCAL_ON | 1)]);
}

fn to_shared() {
    dispatch(&[(0, 1, SHARED)]);
}

fn both_to_local() {
    dispatch(&[(0, 1, Dsq::LOCAL), (1, 1, Dsq::LOCAL)]);
}

fn both_away() {
    dispatch(&[(0, 1, Dsq::LOCAL_ON | 1), (1, 1, SHARED)]);
}

fn sleep() {
    dequeue(0, Then::Sleep);
}

fn requeue_on_0() {
    dequeue(0, Then::Enqueue(0));
}

fn requeue_on_1() {
    dequeue(0, Then::Enqueue(1));
}

/// What was with the BPF scheduler, or is being dispatched, is dispatched anew.
fn requeue_and_dispatch() {
    dequeue(0, Then::Enqueue(2));
    dispatch(&[(0, 2, Dsq::LOCAL)]);
}

/// ops.enqueue() has put it where ops.dispatch() finds it, maybe a moment ago.
fn to_local_if_requeued() {
    if machine().has_been_enqueued(0, 2) {
        dispatch(&[(0, 2, Dsq::LOCAL)]);
    }
}

fn requeue_other() {
    dequeue(1, Then::Enqueue(0));
}

#[test]
fn two_dispatches() {
    check(Some(3), queued(&[0]), &[to_local, to_local]);
    check(Some(3), queued(&[1]), &[to_shared, to_local_of_0]);
    saw(&[
        counter::SPURIOUS,
        counter::FINISH_LOCAL,
        counter::FINISH_QUEUE,
        counter::FINISH_REMOTE,
    ]);
}

#[test]
fn a_dispatch_and_a_dequeue() {
    for dispatch in [to_local, to_local_of_1, to_shared] {
        for dequeue in [sleep, requeue_on_0, requeue_on_1] {
            check(Some(3), queued(&[0]), &[dispatch, dequeue]);
            check(Some(3), queued(&[1]), &[dispatch, dequeue]);
        }
    }
    saw(&[
        counter::LOST_RACE,
        counter::SPURIOUS,
        counter::FINISH_REMOTE,
    ]);
}

/// The older one must not take for its own what it finds of the newer one.
#[test]
fn a_dispatch_and_a_newer_one() {
    check(Some(3), queued(&[2]), &[to_local, requeue_and_dispatch]);
    saw(&[counter::LOST_RACE, counter::SPURIOUS]);
}

#[test]
fn a_dispatch_waits_for_the_enqueue() {
    check(Some(3), queued(&[1]), &[to_local_if_requeued, requeue_on_1]);
    assert_eq!(
        counter::of(counter::SPURIOUS),
        0,
        "the task was passed over"
    );
    saw(&[counter::FINISH_REMOTE]);
}

#[test]
fn a_dispatch_to_a_cpu_that_takes_no_tasks() {
    let world = World {
        offline: Some(1),
        ..queued(&[0])
    };
    check(Some(3), world, &[to_local_of_1, requeue_on_0]);
    saw(&[counter::NOT_HERE]);
}

#[test]
fn two_dispatches_and_a_dequeue() {
    check(
        Some(2),
        queued(&[1]),
        &[to_local, to_local_of_0, requeue_on_0],
    );
    saw(&[counter::LOST_RACE]);
}

#[test]
fn dispatches_of_two_tasks() {
    check(Some(3), queued(&[1, 2]), &[both_to_local, both_away]);
    check(Some(3), queued(&[1, 1]), &[both_to_local, requeue_other]);
    saw(&[counter::LOST_RACE, counter::SPURIOUS]);
}

#[test]
fn two_consumers() {
    check(Some(3), shared(&[0]), &[consume, consume]);
    check(Some(3), shared(&[2]), &[consume, consume]);
    saw(&[counter::CONSUME_LOCAL, counter::CONSUME_REMOTE]);
}

#[test]
fn a_consumer_and_a_dequeue() {
    for dequeue in [sleep, requeue_on_0, requeue_on_1] {
        check(Some(3), shared(&[0]), &[consume, dequeue]);
        check(Some(3), shared(&[1]), &[consume, dequeue]);
    }
    saw(&[counter::LOST_RACE, counter::CONSUME_REMOTE]);
}

#[test]
fn two_consumers_and_a_dequeue() {
    check(Some(3), shared(&[2]), &[consume, consume, requeue_on_0]);
    saw(&[counter::LOST_RACE]);
}

#[test]
fn two_consumers_of_two_tasks() {
    check(Some(3), shared(&[2, 0]), &[consume, consume]);
    saw(&[counter::CONSUME_LOCAL, counter::CONSUME_REMOTE]);
}

#[test]
fn a_dispatch_and_a_consumer() {
    check(Some(3), queued(&[1]), &[to_shared, consume]);
    check(Some(3), queued(&[1]), &[to_shared, consume, requeue_on_0]);
    saw(&[counter::CONSUME_LOCAL]);
}
