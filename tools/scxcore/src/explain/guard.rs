// SPDX-License-Identifier: GPL-2.0

//! The trips of the guard of dispatch loops.

use serde::Serialize;

use crate::counters::CpuCounters;
use crate::sampler::Change;
use crate::source::Reading;
use crate::text::{Explanation, Text};

pub const GUARD_HINT: &str =
    "what ops.dispatch() does in vain: tasks that it dispatches to other CPUs, or that may not run \
     on this one, do not help the CPU that asks. It is to return without a dispatch if it has nothing";

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
