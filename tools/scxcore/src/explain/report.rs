// SPDX-License-Identifier: GPL-2.0

//! The last report of the watchdog.

use super::guard::GUARD_HINT;
use crate::report::{Kind, Place, Report};
use crate::text::{span, Explanation, Text};

/// So many trips of the guard are no accident.
const MANY_TRIPS: u64 = 100;

/// A CPU that has not looked for a task for so long has not been asked to, or could not.
const LONG_MS: u64 = 1000;

/// A queue that is longer than one step of a scan, see Documentation/dispatch.md.
const LONG_QUEUE: u64 = 64;

fn task(comm: Option<&String>, pid: Option<i32>) -> Option<String> {
    let pid = pid?;
    Some(format!("{}[{pid}]", comm.map_or("", String::as_str)))
}

pub fn explain(report: &Report, age_ms: Option<u64>) -> Explanation {
    let mut text = Text::default();
    let cpu = report
        .cpu
        .map_or_else(|| "its CPU".to_string(), |cpu| format!("CPU {cpu}"));

    let what = match report.kind {
        Kind::Stall => {
            stall(report, &cpu, &mut text);
            "A task that was not run"
        }
        Kind::Stuck => {
            stuck(report, &cpu, &mut text);
            "A CPU that was stuck in a dispatch"
        }
        Kind::Watchdog => {
            starved_watchdog(report, &cpu, &mut text);
            "A watchdog that was not run"
        }
        Kind::Unknown => {
            text.say("This program does not know that kind of report; what the kernel said of it is below.");
            text.look("a scxcore that is as new as the module");
            "A report"
        }
    };
    if !matches!(report.kind, Kind::Unknown) {
        trips(report, &cpu, &mut text);
    }
    text.look("the kernel log, which has it all: dmesg | grep -A 40 sched_ext");

    let mut title = what.to_string();
    if let Some(name) = &report.scheduler {
        title += &format!(", under the BPF scheduler {name}");
    }
    if let Some(age) = age_ms {
        title += &format!(", {} ago", span(age));
    }
    Explanation {
        title,
        what: capital(text.what.join(" ")),
        next: text.next,
    }
}

/// Without a number, a CPU may begin a sentence.
fn capital(text: String) -> String {
    match text.strip_prefix("its ") {
        Some(rest) => format!("Its {rest}"),
        None => text,
    }
}

fn stall(report: &Report, cpu: &str, text: &mut Text) {
    let who = task(report.comm.as_ref(), report.pid).unwrap_or_else(|| "A task".into());
    let time = report.ms.map_or("too long".into(), span);
    text.say(format!(
        "{who} could run, and was not run for {time}. That is more than the scheduler's timeout, so \
         the watchdog threw the scheduler out."
    ));
    place(report, cpu, text);
    runs(report, cpu, text);
    looked(report, cpu, text);
}

fn queue(report: &Report) -> String {
    match report.queued {
        Some(1) => ", alone".into(),
        Some(length) => format!(", one of {length} tasks"),
        None => String::new(),
    }
}

fn place(report: &Report, cpu: &str, text: &mut Text) {
    let queued = queue(report);
    match report.place {
        Some(Place::Bpf) => {
            text.say(
                "It was with the BPF scheduler: ops.enqueue() had been given the task, and no \
                 dispatch of it had come since.",
            );
            text.look(
                "what ops.enqueue() did with it: a queue of the scheduler's own that nobody takes it \
                 from, an insertion that failed as a map was full, a task that was forgotten",
            );
        }
        Some(Place::Dsq) => {
            let id = report.dsq.as_deref().unwrap_or("of the scheduler");
            text.say(format!(
                "It was on DSQ {id}{queued}: the BPF scheduler had put it there, and no CPU that may \
                 run it took it from there."
            ));
            text.look(format!(
                "who consumes DSQ {id}: ops.dispatch() of a CPU that the task may run on has to call \
                 scx_bpf_consume() with it, often enough, and tasks that come later must not always \
                 be first"
            ));
        }
        Some(Place::Global) => {
            text.say(format!(
                "It was on the global DSQ{queued}. CPUs take tasks from there by themselves whenever \
                 they look for one and their local DSQ is empty: none that may run it came to that."
            ));
            text.look(
                "what the CPUs that it may run on were given in place of it: local DSQs that never \
                 get empty go before the global one",
            );
        }
        Some(Place::Local) => {
            text.say(format!(
                "It was on the local DSQ of {cpu}{queued}: the BPF scheduler had decided, and only \
                 that CPU could run it."
            ));
        }
        None => (),
    }
    if report.queued.is_some_and(|length| length > LONG_QUEUE) {
        text.look(
            "the length of that queue: the load may be more than the CPUs that serve it can do, or \
             most of it may not run where the queue is consumed",
        );
    }
}

/// What the CPU ran in place of the task.
fn runs(report: &Report, cpu: &str, text: &mut Text) {
    let Some(class) = report.curr_class.as_deref() else {
        return;
    };
    let who = task(report.curr_comm.as_ref(), report.curr_pid).unwrap_or_else(|| "a task".into());
    let local = report.place == Some(Place::Local);
    // Absent: unknown, as of a kernel that does not say.
    let looked_lately = report.dispatch_ms.is_some_and(|ms| ms < LONG_MS);
    match class {
        "idle" => {
            text.say(format!("{cpu} idled meanwhile."));
            if looked_lately {
                text.say("It had looked for a task, and was given none.");
                text.look(format!(
                    "why ops.dispatch() of {cpu} did not find the task: it was called, and the CPU \
                     went idle after it"
                ));
            } else {
                text.say("Nobody had it look for a task.");
                text.look(format!(
                    "the wakeup of idle CPUs: who queues a task has to kick one that may run it, by \
                     scx_bpf_kick_cpu({}, SCX_KICK_IDLE)",
                    report.cpu.map_or("cpu".into(), |cpu| cpu.to_string())
                ));
            }
        }
        "ext" => {
            text.say(format!("{cpu} ran {who}, a task of the same scheduler."));
            if looked_lately {
                text.say("It was asked for tasks often enough, and others were preferred.");
                text.look(
                    "the order in which the scheduler serves tasks: something has to bring those up \
                     that have waited for long",
                );
            } else {
                text.look(format!(
                    "the time slice of {who}: it may be endless (SCX_SLICE_INF), or renewed over and \
                     over; a task that waits needs a kick with SCX_KICK_PREEMPT then"
                ));
            }
        }
        "fair" | "rt" | "deadline" | "stop" => {
            let name = match class {
                "fair" => "the fair class",
                "rt" => "a realtime class",
                "deadline" => "the deadline class",
                _ => "the stop class",
            };
            text.say(format!(
                "{cpu} ran {who} of {name}, which goes before sched_ext. As long as it runs, no task \
                 of sched_ext does there."
            ));
            if local {
                text.look(
                    "ops.cpu_release(): a scheduler can take tasks back from the local DSQ of a CPU \
                     that is taken away from it, by scx_bpf_reenqueue_local()",
                );
            }
            text.look(format!(
                "whether {who} should be on that CPU for so long, and whether the waiting task may \
                 run on others: taskset -p {}",
                report.pid.map_or("PID".into(), |pid| pid.to_string())
            ));
        }
        _ => text.say(format!("{cpu} ran {who} (class {class}).")),
    }
    if local && matches!(class, "ext" | "idle") {
        text.look(format!(
            "whether the task was put there without {cpu} being told: a local DSQ is looked at when \
             the CPU reschedules"
        ));
    }
}

/// When the CPU last looked for a task, and was last kicked.
fn looked(report: &Report, cpu: &str, text: &mut Text) {
    match report.dispatch_ms {
        Some(ms) if ms >= LONG_MS => text.say(format!(
            "{cpu} last began to look for a task {} ago, which is long.",
            span(ms)
        )),
        Some(ms) => text.say(format!(
            "{cpu} last began to look for a task {} ago.",
            span(ms)
        )),
        None => text.say(format!("{cpu} is not known to have looked for a task.")),
    }
    match report.kick_ms {
        Some(ms) => text.say(format!("It was last kicked {} ago.", span(ms))),
        None => text.say("It was never kicked under this scheduler."),
    }
}

fn trips(report: &Report, cpu: &str, text: &mut Text) {
    let Some(trips) = report.guard_trips.filter(|trips| *trips > 0) else {
        return;
    };
    text.say(format!(
        "The guard had ended the dispatch loop of {cpu} {trips} time{} under this scheduler, each \
         time after 32 rounds that brought no task to run.",
        if trips == 1 { "" } else { "s" }
    ));
    if trips >= MANY_TRIPS {
        text.say("That is often: the CPU was all but trapped in this loop.");
        text.look(GUARD_HINT);
    }
}

fn stuck(report: &Report, cpu: &str, text: &mut Text) {
    let time = report.ms.map_or("a long time".into(), span);
    text.say(format!(
        "{cpu} had been looking for a task for {time}, with IRQs off, and did not get on: one call of \
         ops.dispatch(), or what it had asked for, did not come to its end. Another CPU noticed, and \
         the scheduler was thrown out."
    ));
    if let Some(who) = task(report.curr_comm.as_ref(), report.curr_pid) {
        text.say(format!("It had last run {who}."));
    }
    text.look(
        "loops in ops.dispatch() that depend on what other CPUs do, or go over very many items: \
         bpf_loop(), iterators, bpf_spin_lock()",
    );
    text.look(format!(
        "the dump in the kernel log: it begins with {cpu}, and a backtrace shows where it was"
    ));
}

fn starved_watchdog(report: &Report, cpu: &str, text: &mut Text) {
    let time = report.ms.map_or("too long".into(), span);
    text.say(format!(
        "The watchdog looks after tasks from a kernel thread, which the BPF scheduler schedules as \
         well. It was not run for {time}; the tick of {cpu} noticed, and the scheduler was thrown \
         out. Which tasks waited meanwhile, nobody has looked."
    ));
    if let Some(who) = task(report.curr_comm.as_ref(), report.curr_pid) {
        let class = report.curr_class.as_deref().unwrap_or("unknown");
        text.say(format!("{cpu} ran {who} (class {class}) then."));
        if matches!(class, "rt" | "deadline" | "stop" | "fair") {
            text.look(format!(
                "whether {who}, which goes before sched_ext, leaves the CPUs no time"
            ));
        }
    }
    text.look(
        "what the scheduler does with kernel threads, kworkers above all: they wake up seldom, run \
         for a short time, and some are bound to one CPU",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::STALL;

    fn report(changes: &[(&str, Option<&str>)]) -> Explanation {
        let mut lines: Vec<(String, String)> = STALL
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect();
        for (key, value) in changes {
            lines.retain(|(other, _)| other != key);
            if let Some(value) = value {
                lines.push((key.to_string(), value.to_string()));
            }
        }
        let lines: Vec<_> = lines
            .iter()
            .map(|(key, value)| format!("{key} {value}\n"))
            .collect();
        explain(&Report::parse(&lines.concat()).unwrap(), Some(12_345))
    }

    fn hints(explanation: &Explanation) -> String {
        explanation.next.join("\n")
    }

    const PLACES: [(&str, &str, &str); 4] = [
        ("bpf", "with the BPF scheduler", "ops.enqueue() did"),
        (
            "dsq",
            "on DSQ 0x2a, one of 3 tasks",
            "who consumes DSQ 0x2a",
        ),
        (
            "global",
            "on the global DSQ",
            "local DSQs that never get empty",
        ),
        ("local", "on the local DSQ of CPU 2", ""),
    ];
    const CLASSES: [(&str, &str, &str, &str); 6] = [
        // class, what is said, hint after a recent look for tasks, hint after none
        (
            "ext",
            "a task of the same scheduler",
            "the order in which",
            "the time slice of hackbench[471]",
        ),
        (
            "idle",
            "CPU 2 idled",
            "ops.dispatch() of CPU 2 did not find",
            "scx_bpf_kick_cpu(2, SCX_KICK_IDLE)",
        ),
        (
            "fair",
            "of the fair class",
            "whether hackbench[471] should",
            "whether hackbench[471] should",
        ),
        (
            "rt",
            "of a realtime class",
            "whether hackbench[471] should",
            "taskset -p 466",
        ),
        (
            "deadline",
            "of the deadline class",
            "whether hackbench[471] should",
            "taskset -p 466",
        ),
        (
            "stop",
            "of the stop class",
            "whether hackbench[471] should",
            "taskset -p 466",
        ),
    ];

    #[test]
    fn a_stall_is_explained_for_each_place_class_and_time() {
        for (place, at, place_hint) in PLACES {
            for (class, ran, hint, old_hint) in CLASSES {
                for (dispatch, looked, hint) in [
                    (Some("4"), "look for a task 4 ms ago.", hint),
                    (
                        Some("7436"),
                        "look for a task 7.4 s ago, which is long.",
                        old_hint,
                    ),
                    (None, "is not known to have looked", old_hint),
                ] {
                    for (kick, kicked) in [
                        (Some("12"), "last kicked 12 ms ago"),
                        (None, "never kicked"),
                    ] {
                        let changes = [
                            ("place", Some(place)),
                            ("curr_class", Some(class)),
                            ("dispatch_ms", dispatch),
                            ("kick_ms", kick),
                        ];
                        let all = report(&changes);
                        let what = &all.what;
                        assert!(what
                            .starts_with("my task [x][466] could run, and was not run for 7.4 s."));
                        for part in [at, ran, looked, kicked] {
                            assert!(what.contains(part), "{changes:?}: no {part:?} in {what}");
                        }
                        for part in [place_hint, hint] {
                            assert!(
                                hints(&all).contains(part),
                                "{changes:?}: no {part:?} in {all:?}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_local_queue_has_its_own_hints() {
        let higher = report(&[("place", Some("local")), ("curr_class", Some("rt"))]);
        assert!(hints(&higher).contains("ops.cpu_release()"));
        let idle = report(&[("place", Some("local")), ("curr_class", Some("idle"))]);
        assert!(hints(&idle).contains("without CPU 2 being told"));
        let elsewhere = report(&[("curr_class", Some("rt"))]);
        assert!(!hints(&elsewhere).contains("ops.cpu_release()"));
    }

    #[test]
    fn queues_alone_and_long() {
        assert!(report(&[("queued", Some("1"))])
            .what
            .contains("0x2a, alone"));
        let long = report(&[("queued", Some("20000"))]);
        assert!(hints(&long).contains("the length of that queue"));
        assert!(!hints(&report(&[])).contains("the length of that queue"));
    }

    #[test]
    fn trips_are_told_and_many_are_looked_into() {
        assert!(!report(&[("guard_trips", Some("0"))])
            .what
            .contains("The guard"));
        assert!(!report(&[("guard_trips", None)]).what.contains("The guard"));
        let one = report(&[("guard_trips", Some("1"))]);
        assert!(one.what.contains("1 time under") && !hints(&one).contains(GUARD_HINT));
        let many = report(&[]);
        assert!(many.what.contains("199 times") && hints(&many).contains(GUARD_HINT));
    }

    #[test]
    fn titles_say_who_and_when() {
        assert_eq!(
            report(&[]).title,
            "A task that was not run, under the BPF scheduler qmap, 12.3 s ago"
        );
        let bare = explain(&Report::parse("kind stuck\n").unwrap(), None);
        assert_eq!(bare.title, "A CPU that was stuck in a dispatch");
        assert!(bare.what.starts_with("Its CPU had been looking"));
    }

    #[test]
    fn a_stuck_cpu_is_explained() {
        let stuck = report(&[("kind", Some("stuck")), ("ms", Some("1004"))]);
        assert!(stuck
            .what
            .contains("CPU 2 had been looking for a task for 1.0 s"));
        assert!(stuck.what.contains("It had last run hackbench[471]"));
        assert!(!stuck.what.contains("466"), "no task waits");
        assert!(hints(&stuck).contains("loops in ops.dispatch()"));
    }

    #[test]
    fn a_starved_watchdog_is_explained() {
        let starved = report(&[("kind", Some("watchdog")), ("ms", Some("6000"))]);
        assert!(starved
            .what
            .contains("was not run for 6.0 s; the tick of CPU 2"));
        assert!(hints(&starved).contains("kworkers"));
        assert!(!hints(&starved).contains("goes before sched_ext"));
        let by_rt = report(&[("kind", Some("watchdog")), ("curr_class", Some("rt"))]);
        assert!(hints(&by_rt).contains("hackbench[471], which goes before sched_ext"));
    }

    #[test]
    fn a_kind_unknown_here_keeps_its_text() {
        let unknown = report(&[("kind", Some("flood"))]);
        assert!(unknown.what.contains("does not know"));
        assert!(hints(&unknown).contains("as new as the module"));
    }
}
