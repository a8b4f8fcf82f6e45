// SPDX-License-Identifier: GPL-2.0

//! What the view shows: the last sample, and what was before it for a minute.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::counters::{Counters, Rates};
use crate::sampler::{Sample, Sampler};
use crate::source::{LastReport, Source};

/// How far back the view looks.
pub const MINUTE: Duration = Duration::from_secs(60);

/// For how long it is said that the module came or went.
const NOTICE: Duration = Duration::from_secs(10);

/// The sums of one interval.
#[derive(Clone, Debug)]
pub struct Point {
    pub end: Instant,
    pub seconds: f64,
    pub sums: Counters,
}

impl Point {
    pub fn rates(&self) -> Rates<'_> {
        Rates {
            delta: &self.sums,
            seconds: self.seconds,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Model {
    pub sample: Sample,
    pub at: Instant,
    pub report: LastReport,
    pub uptime_ms: Option<u64>,
    history: VecDeque<Point>,
    notice: Option<(Instant, &'static str)>,
}

impl Model {
    pub fn new(sampler: &mut Sampler) -> Self {
        let sample = sampler.sample();
        let mut model = Self {
            sample,
            at: Instant::now(),
            report: LastReport::None,
            uptime_ms: None,
            history: VecDeque::new(),
            notice: None,
        };
        model.read_report(sampler.source());
        model
    }

    fn read_report(&mut self, source: &Source) {
        self.report = source.last_report();
        self.uptime_ms = source.uptime_ms();
    }

    pub fn update(&mut self, sampler: &mut Sampler) {
        self.read_report(sampler.source());
        self.take(sampler.sample(), Instant::now());
    }

    /// Takes in what was found at some time.
    pub fn take(&mut self, sample: Sample, at: Instant) {
        self.at = at;
        if let Some(event) = sample.event {
            self.notice = Some((at, event.sentence()));
            // Another life, with other load: its sums are not to be added to the old ones.
            self.history.clear();
        }
        if let Some(change) = &sample.change {
            self.history.push_back(Point {
                end: at,
                seconds: change.seconds,
                sums: change.sums.clone(),
            });
        }
        while self
            .history
            .front()
            .is_some_and(|point| at.duration_since(point.end) > MINUTE)
        {
            self.history.pop_front();
        }
        self.sample = sample;
    }

    /// What is to be said above all else.
    pub fn notice(&self) -> Option<String> {
        let event = self
            .notice
            .filter(|(when, _)| self.at.duration_since(*when) < NOTICE)
            .map(|(_, sentence)| sentence.to_string());
        let trouble = self.sample.reading.as_ref().err().map(ToString::to_string);
        match (event, trouble) {
            (Some(event), Some(trouble)) => Some(format!("{event}: {trouble}")),
            (event, trouble) => event.or(trouble),
        }
    }

    pub fn rates(&self) -> Option<Rates<'_>> {
        Some(self.sample.change.as_ref()?.rates())
    }

    /// The sums of the last minute, as far as it was watched.
    pub fn minute(&self) -> Counters {
        let mut sum = Counters::default();
        for point in &self.history {
            sum.add(&point.sums);
        }
        sum
    }

    /// The last minute in so many parts, from old to new: the highest value in each, 0 where it was
    /// not watched. A short interval does not fall between the parts, a long one fills several.
    pub fn minute_in(&self, parts: usize, value: impl Fn(&Rates<'_>) -> Option<f64>) -> Vec<f64> {
        let mut bins = vec![0.0_f64; parts];
        let part = MINUTE.as_secs_f64() / parts.max(1) as f64;
        for point in &self.history {
            let Some(value) = value(&point.rates()) else {
                continue;
            };
            let end = self.at.duration_since(point.end).as_secs_f64();
            // A hair less, so that intervals of just one part do not touch two.
            let first = ((end + part * 0.1) / part) as usize;
            let last = ((end + point.seconds - part * 0.1).max(end + part * 0.1) / part) as usize;
            for ago in first..=last {
                if let Some(bin) = parts.checked_sub(ago + 1).and_then(|bin| bins.get_mut(bin)) {
                    *bin = bin.max(value);
                }
            }
        }
        bins
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::{Change, Event};
    use crate::source::tests::Files;

    fn change(seconds: f64, text: &str) -> Option<Change> {
        Some(Change {
            seconds,
            sums: Counters::parse(text),
            percpu: Vec::new(),
        })
    }

    fn model() -> (Model, Sample, Instant) {
        let files = Files::new();
        let mut sampler = Sampler::new(files.source(), true);
        let model = Model::new(&mut sampler);
        let sample = sampler.sample();
        let at = model.at;
        (model, sample, at)
    }

    #[test]
    fn a_minute_is_kept() {
        let (mut model, sample, start) = model();
        for second in 1..=100 {
            let sample = Sample {
                change: change(1.0, "balance 2\n"),
                ..sample.clone()
            };
            model.take(sample, start + Duration::from_secs(second));
        }
        assert_eq!(model.minute().get("balance"), Some(2 * 61));
        assert_eq!(
            model.minute_in(60, |rates| rates.rate("balance")),
            [2.0; 60]
        );
        assert!(model.minute_in(0, |_| Some(1.0)).is_empty());
    }

    #[test]
    fn parts_have_the_highest_of_what_they_cover() {
        let (mut model, sample, start) = model();
        let mut at = start;
        for (seconds, count) in [(10.0, 10), (0.5, 40), (0.5, 1)] {
            at += Duration::from_secs_f64(seconds);
            let sample = Sample {
                change: change(seconds, &format!("balance {count}\n")),
                ..sample.clone()
            };
            model.take(sample, at);
        }
        let parts = model.minute_in(60, |rates| rates.rate("balance"));
        assert_eq!(
            parts[59], 80.0,
            "the last second had a peak of half a second"
        );
        assert_eq!(parts[49..59], [1.0; 10]);
        assert_eq!(parts[..49], [0.0; 49], "nobody watched then");
    }

    #[test]
    fn another_life_of_the_module_begins_anew_and_is_told_for_a_while() {
        let (mut model, sample, start) = model();
        let changed = Sample {
            change: change(1.0, "balance 2\n"),
            ..sample.clone()
        };
        model.take(changed.clone(), start + Duration::from_secs(1));
        let reloaded = Sample {
            event: Some(Event::Reloaded),
            change: None,
            ..sample
        };
        model.take(reloaded, start + Duration::from_secs(2));
        assert!(model.minute().is_empty());
        assert!(model.notice().unwrap().contains("inserted again"));
        model.take(changed, start + Duration::from_secs(20));
        assert_eq!(model.notice(), None);
    }
}
