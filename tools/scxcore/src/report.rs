// SPDX-License-Identifier: GPL-2.0

//! The last report of the watchdog, as `last_report` has it.

use serde::Serialize;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A task waited for too long.
    Stall,
    /// A CPU did not get on while it looked for a task.
    Stuck,
    /// The watchdog itself did not get to run.
    Watchdog,
    /// Something that a later module reports.
    #[default]
    Unknown,
}

/// Where a task waited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// With the BPF scheduler, which has not put it on a queue yet.
    Bpf,
    /// On the local DSQ of the CPU.
    Local,
    /// On the global DSQ.
    Global,
    /// On a DSQ of the BPF scheduler's.
    Dsq,
}

/// A report. Whatever the module could not tell, or does not know of, is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub kind: Kind,
    pub scheduler: Option<String>,
    pub uptime_ms: Option<u64>,
    pub cpu: Option<u32>,
    pub ms: Option<u64>,
    pub comm: Option<String>,
    pub pid: Option<i32>,
    pub place: Option<Place>,
    pub dsq: Option<String>,
    pub queued: Option<u64>,
    pub curr_comm: Option<String>,
    pub curr_pid: Option<i32>,
    pub curr_class: Option<String>,
    pub dispatch_ms: Option<u64>,
    pub kick_ms: Option<u64>,
    pub guard_trips: Option<u64>,
    pub text: Option<String>,
}

impl Report {
    /// None if there was no report since the module was inserted.
    pub fn parse(file: &str) -> Option<Self> {
        if file.trim().is_empty() {
            return None;
        }
        let mut report = Self::default();
        for line in file.lines() {
            // A task may be called anything, " " too: only the first space is ours.
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            let words = || Some(value.to_string());
            match key {
                "kind" => {
                    report.kind = match value {
                        "stall" => Kind::Stall,
                        "stuck" => Kind::Stuck,
                        "watchdog" => Kind::Watchdog,
                        _ => Kind::Unknown,
                    }
                }
                "scheduler" => report.scheduler = words(),
                "uptime_ms" => report.uptime_ms = value.parse().ok(),
                "cpu" => report.cpu = value.parse().ok(),
                "ms" => report.ms = value.parse().ok(),
                "comm" => report.comm = words(),
                "pid" => report.pid = value.parse().ok(),
                "place" => {
                    report.place = match value {
                        "bpf" => Some(Place::Bpf),
                        "local" => Some(Place::Local),
                        "global" => Some(Place::Global),
                        "dsq" => Some(Place::Dsq),
                        _ => None,
                    }
                }
                "dsq" => report.dsq = words(),
                "queued" => report.queued = value.parse().ok(),
                "curr_comm" => report.curr_comm = words(),
                "curr_pid" => report.curr_pid = value.parse().ok(),
                "curr_class" => report.curr_class = words(),
                "dispatch_ms" => report.dispatch_ms = value.parse().ok(),
                "kick_ms" => report.kick_ms = value.parse().ok(),
                "guard_trips" => report.guard_trips = value.parse().ok(),
                "text" => report.text = words(),
                _ => (),
            }
        }
        Some(report)
    }

    /// In few words, for those who have one line.
    pub fn headline(&self) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        let cpu = self
            .cpu
            .map_or(String::new(), |cpu| format!(" on CPU {cpu}"));
        let what = match self.kind {
            Kind::Stall => "a task failed to run",
            Kind::Stuck => "stuck in the dispatch path",
            Kind::Watchdog => "the watchdog did not get to run",
            Kind::Unknown => "a report",
        };
        format!("{what}{cpu}")
    }

    /// How long ago it was, in ms.
    pub fn age_ms(&self, uptime_ms: Option<u64>) -> Option<u64> {
        uptime_ms?.checked_sub(self.uptime_ms?)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub const STALL: &str = "kind stall
scheduler qmap
uptime_ms 81234
cpu 2
ms 7436
comm my task [x]
pid 466
place dsq
dsq 0x2a
queued 3
curr_comm hackbench
curr_pid 471
curr_class ext
dispatch_ms 4
kick_ms 12
guard_trips 199
text my task [x][466] failed to run for 7.436s on CPU 2: waits on DSQ 0x2a (length 3)
";

    #[test]
    fn a_report_is_parsed() {
        let report = Report::parse(STALL).unwrap();
        assert_eq!(report.kind, Kind::Stall);
        assert_eq!(report.scheduler.as_deref(), Some("qmap"));
        assert_eq!(report.comm.as_deref(), Some("my task [x]"));
        assert_eq!(report.place, Some(Place::Dsq));
        assert_eq!(report.dsq.as_deref(), Some("0x2a"));
        assert_eq!(
            (report.cpu, report.ms, report.pid, report.queued),
            (Some(2), Some(7436), Some(466), Some(3))
        );
        assert_eq!(
            (report.dispatch_ms, report.kick_ms, report.guard_trips),
            (Some(4), Some(12), Some(199))
        );
        assert!(report.headline().starts_with("my task [x][466] failed"));
        assert_eq!(report.age_ms(Some(81_300)), Some(66));
        assert_eq!(report.age_ms(Some(81_000)), None);
        assert_eq!(report.age_ms(None), None);
    }

    #[test]
    fn an_empty_file_is_no_report() {
        assert_eq!(Report::parse(""), None);
        assert_eq!(Report::parse("\n"), None);
    }

    #[test]
    fn what_is_absent_or_new_does_no_harm() {
        let report =
            Report::parse("kind flood\nbrand new\ncpu many\ncomm \nplace shelf\n").unwrap();
        assert_eq!(report.kind, Kind::Unknown);
        assert_eq!((report.cpu, report.place.clone()), (None, None));
        assert_eq!(report.comm.as_deref(), Some(""));
        assert_eq!(report.headline(), "a report");
    }
}
