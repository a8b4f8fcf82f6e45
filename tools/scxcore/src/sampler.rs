// SPDX-License-Identifier: GPL-2.0

//! Readings one after the other, while the module may come and go.

use crate::counters::{percpu_since, Counters, CpuCounters, Rates};
use crate::source::{Reading, Source, Status, Trouble};

/// What became of the module since the last sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Inserted,
    Reloaded,
    Removed,
}

impl Event {
    pub fn name(self) -> &'static str {
        match self {
            Self::Inserted => "inserted",
            Self::Reloaded => "reloaded",
            Self::Removed => "removed",
        }
    }

    pub fn sentence(self) -> &'static str {
        match self {
            Self::Inserted => "the counters are there now: the module was inserted",
            Self::Reloaded => "the counters began anew: the module was inserted again",
            Self::Removed => "the counters are gone",
        }
    }
}

/// From one reading to the next.
#[derive(Clone, Debug)]
pub struct Change {
    pub seconds: f64,
    pub sums: Counters,
    pub percpu: Vec<CpuCounters>,
}

impl Change {
    pub fn rates(&self) -> Rates<'_> {
        Rates {
            delta: &self.sums,
            seconds: self.seconds,
        }
    }

    pub fn rates_of<'a>(&'a self, cpu: &'a CpuCounters) -> Rates<'a> {
        Rates {
            delta: &cpu.counters,
            seconds: self.seconds,
        }
    }
}

/// One look at it all.
#[derive(Clone, Debug)]
pub struct Sample {
    pub status: Result<Status, Trouble>,
    pub reading: Result<Reading, Trouble>,
    /// None if there is no earlier reading to compare with.
    pub change: Option<Change>,
    pub event: Option<Event>,
}

pub struct Sampler {
    source: Source,
    percpu: bool,
    last: Option<Reading>,
    /// Not the first sample.
    began: bool,
}

impl Sampler {
    pub fn new(source: Source, percpu: bool) -> Self {
        Self {
            source,
            percpu,
            last: None,
            began: false,
        }
    }

    pub fn source(&self) -> &Source {
        &self.source
    }

    pub fn sample(&mut self) -> Sample {
        let status = self.source.status();
        let reading = self.source.reading(self.percpu);
        let mut event = None;
        let mut change = None;
        match (&self.last, &reading) {
            (Some(old), Ok(new)) => {
                change = difference(new, old);
                if change.is_none() {
                    event = Some(Event::Reloaded);
                }
            }
            (None, Ok(_)) if self.began => event = Some(Event::Inserted),
            (Some(_), Err(_)) => event = Some(Event::Removed),
            _ => (),
        }
        self.began = true;
        self.last = reading.as_ref().ok().cloned();
        Sample {
            status,
            reading,
            change,
            event,
        }
    }
}

fn difference(new: &Reading, old: &Reading) -> Option<Change> {
    if new.life != old.life {
        return None;
    }
    Some(Change {
        seconds: new.at.duration_since(old.at).as_secs_f64(),
        sums: new.sums.since(&old.sums)?,
        percpu: percpu_since(&new.percpu, &old.percpu)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tests::Files;

    #[test]
    fn a_change_needs_two_readings() {
        let files = Files::new();
        let mut sampler = Sampler::new(files.source(), true);
        let first = sampler.sample();
        assert!(first.change.is_none() && first.event.is_none());
        files.counters(&[("balance", 30), ("guard_trips", 0)]);
        let second = sampler.sample();
        let change = second.change.unwrap();
        assert_eq!(change.sums.get("balance"), Some(20));
        assert_eq!(change.percpu[0].counters.get("balance"), Some(20));
        assert_eq!(change.percpu[1].counters.get("balance"), Some(0));
        assert!(change.seconds > 0.0 && second.event.is_none());
    }

    #[test]
    fn the_module_goes_and_comes() {
        let files = Files::new();
        let mut sampler = Sampler::new(files.source(), false);
        sampler.sample();

        files.remove("sys/kernel/debug/rust_scx");
        files.write("sys/kernel/sched_ext/core", "builtin\n");
        let gone = sampler.sample();
        assert_eq!(gone.event, Some(Event::Removed));
        assert_eq!(gone.reading.unwrap_err(), Trouble::BuiltIn);
        assert_eq!(sampler.sample().event, None);

        files.write("sys/kernel/sched_ext/core", "rust_scx\n");
        files.counters(&[("balance", 500)]);
        let back = sampler.sample();
        assert_eq!(back.event, Some(Event::Inserted));
        assert!(back.change.is_none());
        assert!(sampler.sample().change.is_some());
    }

    #[test]
    fn a_counter_that_goes_back_is_another_module() {
        let files = Files::new();
        let mut sampler = Sampler::new(files.source(), false);
        sampler.sample();
        files.counters(&[("balance", 9)]);
        let sample = sampler.sample();
        assert_eq!(sample.event, Some(Event::Reloaded));
        assert!(sample.change.is_none());
    }

    #[test]
    fn a_new_directory_is_another_module_even_if_it_counts_more() {
        let files = Files::new();
        let mut sampler = Sampler::new(files.source(), false);
        sampler.sample();
        // The old one stays, so that the new one is not the same by chance.
        let dir = files.0.join("sys/kernel/debug/rust_scx");
        std::fs::rename(&dir, files.0.join("old")).unwrap();
        files.counters(&[("balance", 1000)]);
        assert_eq!(sampler.sample().event, Some(Event::Reloaded));
    }
}
