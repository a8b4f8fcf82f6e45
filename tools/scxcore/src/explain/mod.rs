// SPDX-License-Identifier: GPL-2.0

//! The last report and the guard's trips, in words of a user's, with what to look at next.

mod guard;
mod report;

use std::thread::sleep;
use std::time::Duration;

use serde::Serialize;

use self::guard::Guard;
use self::report::explain;
use crate::report::Report;
use crate::sampler::{Event, Sampler};
use crate::source::{LastReport, Source, Trouble};
use crate::text::{push_wrapped, Explanation};

/// How long it is watched whether the guard trips still.
const WATCH: Duration = Duration::from_secs(1);

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
    use crate::source::tests::Files;

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
    fn without_the_module_it_is_an_error() {
        let files = Files::new();
        files.remove("sys/kernel/debug/rust_scx");
        files.write("sys/kernel/sched_ext/core", "builtin\n");
        assert_eq!(
            Answer::of(&files.source(), WATCH).unwrap_err(),
            Trouble::BuiltIn
        );
    }
}
