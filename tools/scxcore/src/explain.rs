// SPDX-License-Identifier: GPL-2.0

//! The last report and the guard's trips, in words of a user's, with what to look at next.

use std::thread::sleep;
use std::time::Duration;

use serde::Serialize;

use crate::counters::CpuCounters;
use crate::report::{Kind, Place, Report};
use crate::sampler::{Change, Event, Sampler};
use crate::source::{LastReport, Reading, Source, Trouble};

/// So many trips of the guard are no accident.
const MANY_TRIPS: u64 = 100;

/// A CPU that has not looked for a task for so long has not been asked to, or could not.
const LONG_MS: u64 = 1000;

/// A queue that is longer than one step of a scan, see Documentation/dispatch.md.
const LONG_QUEUE: u64 = 64;

/// How long it is watched whether the guard trips still.
const WATCH: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize)]
pub struct Explanation {
    pub title: String,
    pub what: String,
    pub next: Vec<String>,
}

pub fn span(ms: u64) -> String {
    match ms {
        0..=999 => format!("{ms} ms"),
        1000..=119_999 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        120_000..=7_199_999 => format!("{} minutes", ms / 60_000),
        7_200_000..=172_799_999 => format!("{} hours", ms / 3_600_000),
        _ => format!("{} days", ms / 86_400_000),
    }
}

fn task(comm: Option<&String>, pid: Option<i32>) -> Option<String> {
    let pid = pid?;
    Some(format!("{}[{pid}]", comm.map_or("", String::as_str)))
}

/// Collects sentences.
#[derive(Default)]
struct Text {
    what: Vec<String>,
    next: Vec<String>,
}

impl Text {
    fn say(&mut self, sentence: impl Into<String>) {
        self.what.push(sentence.into());
    }

    fn look(&mut self, hint: impl Into<String>) {
        let hint = hint.into();
        if !self.next.contains(&hint) {
            self.next.push(hint);
        }
    }
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

const GUARD_HINT: &str =
    "what ops.dispatch() does in vain: tasks that it dispatches to other CPUs, or that may not run \
     on this one, do not help the CPU that asks. It is to return without a dispatch if it has nothing";

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

/// What the guard did.
#[derive(Debug, Serialize)]
pub struct Guard {
    /// Since the module was inserted.
    pub trips: u64,
    /// While it was watched. None if there is nothing to compare with.
    pub trips_now: Option<u64>,
    pub watched_seconds: Option<f64>,
    pub cpus: Vec<GuardOfCpu>,
}

#[derive(Debug, Serialize)]
pub struct GuardOfCpu {
    pub cpu: u32,
    pub trips: u64,
    pub trips_now: Option<u64>,
}

impl Guard {
    /// None if it never tripped, or the module does not count that.
    pub fn of(reading: &Reading, change: Option<&Change>) -> Option<Self> {
        let trips_of = |cpu: &CpuCounters| cpu.counters.get("guard_trips");
        let cpus: Vec<_> = reading
            .percpu
            .iter()
            .filter_map(|cpu| {
                let change = change.and_then(|change| {
                    trips_of(change.percpu.iter().find(|other| other.cpu == cpu.cpu)?)
                });
                Some(GuardOfCpu {
                    cpu: cpu.cpu,
                    trips: trips_of(cpu).filter(|trips| *trips > 0)?,
                    trips_now: change,
                })
            })
            .collect();
        let trips = cpus.iter().map(|cpu| cpu.trips).sum();
        (trips > 0).then(|| Self {
            trips,
            trips_now: change.map(|_| cpus.iter().filter_map(|cpu| cpu.trips_now).sum()),
            watched_seconds: change.map(|change| change.seconds),
            cpus,
        })
    }

    pub fn explain(&self) -> Explanation {
        const SHOWN: usize = 8;
        let mut worst: Vec<_> = self.cpus.iter().collect();
        worst.sort_by_key(|cpu| std::cmp::Reverse(cpu.trips));
        let mut cpus = worst
            .iter()
            .take(SHOWN)
            .map(|cpu| format!("CPU {} ({})", cpu.cpu, cpu.trips))
            .collect::<Vec<_>>()
            .join(", ");
        if worst.len() > SHOWN {
            cpus += &format!(" and {} more", worst.len() - SHOWN);
        }
        let mut text = Text::default();
        text.say(format!(
            "Dispatch loops were ended after 32 rounds without a task to run {} time{} since the \
             module was inserted, on {cpus}.",
            self.trips,
            if self.trips == 1 { "" } else { "s" }
        ));
        match self.trips_now {
            None => (),
            Some(0) => text.say("It does not go on: none in the last second."),
            Some(now) => {
                let cpus = self
                    .cpus
                    .iter()
                    .filter(|cpu| cpu.trips_now.is_some_and(|trips| trips > 0))
                    .count();
                text.say(format!(
                    "It goes on: {now} in the last second, on {cpus} CPU{}.",
                    if cpus == 1 { "" } else { "s" }
                ));
            }
        }
        text.look(GUARD_HINT);
        Explanation {
            title: "Dispatch loops that the guard ended".into(),
            what: text.what.join(" "),
            next: text.next,
        }
    }
}

/// All that there is to say.
#[derive(Debug, Serialize)]
pub struct Answer {
    pub version: u32,
    pub report: Option<Report>,
    pub report_age_ms: Option<u64>,
    pub report_explained: Option<Explanation>,
    /// Why there may be a report that is not known of.
    pub report_trouble: Option<String>,
    pub guard: Option<Guard>,
    pub guard_explained: Option<Explanation>,
}

impl Answer {
    pub fn of(source: &Source, watch: Duration) -> Result<Self, Trouble> {
        let mut sampler = Sampler::new(source.clone(), true);
        let mut reading = sampler.sample().reading?;
        let mut change = None;
        if reading
            .sums
            .get("guard_trips")
            .is_some_and(|trips| trips > 0)
        {
            sleep(watch);
            let later = sampler.sample();
            if later.event == Some(Event::Removed) {
                return Err(later.reading.err().unwrap_or(Trouble::BuiltIn));
            }
            reading = later.reading?;
            change = later.change;
        }
        let guard = Guard::of(&reading, change.as_ref());

        let (report, trouble) = match source.last_report() {
            LastReport::Some(report) => (Some(*report), None),
            LastReport::None => (None, None),
            LastReport::Unknown(Trouble::NoFile(_)) => (
                None,
                Some(
                    "This module keeps no report, it is older than scxcore. If the watchdog said \
                     something, the kernel log has it: dmesg | grep sched_ext"
                        .to_string(),
                ),
            ),
            LastReport::Unknown(trouble) => (None, Some(trouble.to_string())),
        };
        let age = report
            .as_ref()
            .and_then(|report| report.age_ms(source.uptime_ms()));
        Ok(Self {
            version: 1,
            report_explained: report.as_ref().map(|report| explain(report, age)),
            report_age_ms: age,
            report,
            report_trouble: trouble,
            guard_explained: guard.as_ref().map(Guard::explain),
            guard,
        })
    }

    /// In lines of at most `width` characters.
    pub fn text(&self, width: usize) -> String {
        let mut out = String::new();
        if let Some(trouble) = &self.report_trouble {
            push_wrapped(&mut out, "", trouble, width);
        } else if self.report.is_none() {
            out += "The watchdog has had nothing to report since the module was inserted.\n";
        }
        if self.guard.is_none() {
            out += if self.report.is_none() && self.report_trouble.is_none() {
                "The guard has not ended a dispatch loop since then, either.\n"
            } else {
                "The guard has not ended a dispatch loop since the module was inserted.\n"
            };
        }
        let parts = [&self.report_explained, &self.guard_explained];
        for part in parts.into_iter().flatten() {
            if !out.is_empty() {
                out.push('\n');
            }
            push_wrapped(&mut out, "", &part.title, width);
            out.push('\n');
            push_wrapped(&mut out, "  ", &part.what, width);
            out += "\n  Look at\n";
            for hint in &part.next {
                push_wrapped(&mut out, "  - ", hint, width);
            }
        }
        if let Some(text) = self.report.as_ref().and_then(|report| report.text.as_ref()) {
            out += "\nWhat the kernel said\n\n";
            push_wrapped(&mut out, "  ", text, width);
        }
        out
    }
}

/// Breaks a text into lines; the first begins with `first`, all others with as many spaces.
pub fn wrap(first: &str, text: &str, width: usize) -> Vec<String> {
    let indent = " ".repeat(first.chars().count());
    let mut lines = Vec::new();
    let mut line = first.to_string();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line += word;
        empty = false;
    }
    lines.push(line);
    lines
}

fn push_wrapped(out: &mut String, first: &str, text: &str, width: usize) {
    for line in wrap(first, text, width) {
        out.push_str(&line);
        out.push('\n');
    }
}

pub fn run(source: &Source, json: bool) -> Result<String, Trouble> {
    let answer = Answer::of(source, WATCH)?;
    if json {
        serde_json::to_string(&answer)
            .map(|line| line + "\n")
            .map_err(|error| Trouble::Other(error.to_string()))
    } else {
        Ok(answer.text(80))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::STALL;
    use crate::source::tests::Files;

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
        let text: String = lines
            .iter()
            .map(|(key, value)| format!("{key} {value}\n"))
            .collect();
        explain(&Report::parse(&text).unwrap(), Some(12_345))
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

    fn answer(files: &Files) -> Answer {
        Answer::of(&files.source(), Duration::from_millis(50)).unwrap()
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        let files = Files::new();
        files.write("sys/kernel/debug/rust_scx/last_report", "");
        let text = answer(&files).text(80);
        assert_eq!(
            text,
            "The watchdog has had nothing to report since the module was inserted.\n\
             The guard has not ended a dispatch loop since then, either.\n"
        );
    }

    #[test]
    fn an_older_module_keeps_no_report() {
        let text = answer(&Files::new()).text(80);
        assert!(text.starts_with("This module keeps no report"));
        assert!(
            text.contains("The guard has not ended a dispatch loop since the module was inserted.")
        );
    }

    #[test]
    fn trips_are_told_by_cpu_and_whether_they_go_on() {
        let files = Files::new();
        files.counters(&[("guard_trips", 5)]);
        let quiet = answer(&files);
        let guard = quiet.guard.as_ref().unwrap();
        assert_eq!(
            (guard.trips, guard.trips_now, guard.cpus.len()),
            (5, Some(0), 1)
        );
        assert!(quiet.text(80).contains("It does not go on"));

        let source = files.source();
        let answer = std::thread::scope(|scope| {
            let answer = scope.spawn(|| Answer::of(&source, Duration::from_millis(500)).unwrap());
            sleep(Duration::from_millis(200));
            files.counters(&[("guard_trips", 25)]);
            answer.join().unwrap()
        });
        let guard = answer.guard.as_ref().unwrap();
        assert_eq!((guard.trips, guard.trips_now), (25, Some(20)));
        assert!(answer
            .text(200)
            .contains("It goes on: 20 in the last second, on 1 CPU."));
        assert!(answer.text(200).contains("on CPU 0 (25)."));
    }

    #[test]
    fn many_cpus_are_not_all_named() {
        let cpus = (0..20).map(|cpu| GuardOfCpu {
            cpu,
            trips: 20 - u64::from(cpu),
            trips_now: None,
        });
        let guard = Guard {
            trips: 210,
            trips_now: None,
            watched_seconds: None,
            cpus: cpus.collect(),
        };
        assert!(guard.explain().what.contains("CPU 7 (13) and 12 more."));
    }

    #[test]
    fn without_the_module_it_is_an_error() {
        let files = Files::new();
        files.remove("sys/kernel/debug/rust_scx");
        files.write("sys/kernel/sched_ext/core", "builtin\n");
        assert_eq!(
            Answer::of(&files.source(), WATCH).unwrap_err(),
            Trouble::BuiltIn
        );
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrap("- ", "aa bb cc", 7), ["- aa bb", "  cc"]);
        assert_eq!(wrap("", "toolongaword b", 4), ["toolongaword", "b"]);
        assert_eq!(wrap("  ", "", 4), ["  "]);
    }

    #[test]
    fn spans_have_their_unit() {
        assert_eq!(
            [0, 999, 7436, 119_999, 120_000, 7_200_000, 172_800_000].map(span),
            [
                "0 ms",
                "999 ms",
                "7.4 s",
                "119.9 s",
                "2 minutes",
                "2 hours",
                "2 days"
            ]
        );
    }
}
