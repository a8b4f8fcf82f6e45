// SPDX-License-Identifier: GPL-2.0

//! The module's counters, as debugfs has them, and what two readings differ by.
//!
//! No list of names is kept here: what the module counts is what is shown, and a counter that this
//! program has never heard of passes through.

use std::sync::Arc;

/// What goes up and down. All others only grow while the module stays.
const GAUGES: [&str; 1] = ["pick_seq_arrays"];

/// The upper bounds of the buckets that ended waits are counted in, and their counters.
pub const WAIT_BUCKETS: [(&str, &str); 6] = [
    ("1us", "wait_1us"),
    ("10us", "wait_10us"),
    ("100us", "wait_100us"),
    ("1ms", "wait_1ms"),
    ("10ms", "wait_10ms"),
    ("longer", "wait_longer"),
];

pub fn is_gauge(name: &str) -> bool {
    GAUGES.contains(&name)
}

/// Names with a value each, in the module's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    names: Arc<[String]>,
    values: Vec<u64>,
}

impl Counters {
    /// Reads `counters`: a name and a value in each line. Lines that have something else are left out.
    pub fn parse(text: &str) -> Self {
        let (names, values): (Vec<String>, Vec<u64>) = text
            .lines()
            .filter_map(|line| {
                let (name, value) = line.trim().split_once(char::is_whitespace)?;
                Some((name.to_string(), value.trim().parse::<u64>().ok()?))
            })
            .unzip();
        Self {
            names: names.into(),
            values,
        }
    }

    /// The value of one, if the module has it.
    pub fn get(&self, name: &str) -> Option<u64> {
        let index = self.names.iter().position(|known| known == name)?;
        self.values.get(index).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.names
            .iter()
            .map(String::as_str)
            .zip(self.values.iter().copied())
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// By how much each has grown since `old`; gauges are left out, and so is what `old` lacks.
    ///
    /// None if one has shrunk: they began anew at 0, as the module was inserted again.
    pub fn since(&self, old: &Self) -> Option<Self> {
        Common::of(&self.names, &old.names).difference(self, old)
    }

    /// The sum of this and `other`; what only one of them has counts as it is there.
    pub fn add(&mut self, other: &Self) {
        if self.names == other.names {
            for (value, more) in self.values.iter_mut().zip(&other.values) {
                *value += more;
            }
            return;
        }
        let mut names = self.names.to_vec();
        for (name, more) in other.iter() {
            match names.iter().position(|known| known == name) {
                Some(index) => self.values[index] += more,
                None => {
                    names.push(name.to_string());
                    self.values.push(more);
                }
            }
        }
        self.names = names.into();
    }
}

/// What two lists of names have in common.
struct Common {
    names: Arc<[String]>,
    /// Where each is in the one and in the other.
    places: Vec<(usize, usize)>,
}

impl Common {
    fn of(new: &[String], old: &[String]) -> Self {
        let (names, places) = new
            .iter()
            .enumerate()
            .filter(|(_, name)| !is_gauge(name))
            .filter_map(|(here, name)| {
                let there = old.iter().position(|other| other == name)?;
                Some((name.clone(), (here, there)))
            })
            .unzip::<_, _, Vec<_>, _>();
        Self {
            names: names.into(),
            places,
        }
    }

    fn difference(&self, new: &Counters, old: &Counters) -> Option<Counters> {
        let values = self
            .places
            .iter()
            .map(|&(here, there)| new.values.get(here)?.checked_sub(*old.values.get(there)?))
            .collect::<Option<_>>()?;
        Some(Counters {
            names: Arc::clone(&self.names),
            values,
        })
    }
}

/// The counters of one CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuCounters {
    pub cpu: u32,
    pub counters: Counters,
}

/// Reads `percpu`: a line of names, then one of values for each possible CPU.
pub fn parse_percpu(text: &str) -> Vec<CpuCounters> {
    let mut lines = text.lines();
    let mut names = lines.next().unwrap_or_default().split_whitespace();
    if names.next() != Some("cpu") {
        return Vec::new();
    }
    let names: Arc<[String]> = names.map(str::to_string).collect();
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let cpu = words.next()?.parse().ok()?;
            let values = words
                .map(|word| word.parse().ok())
                .collect::<Option<Vec<u64>>>()?;
            (values.len() == names.len()).then(|| CpuCounters {
                cpu,
                counters: Counters {
                    names: Arc::clone(&names),
                    values,
                },
            })
        })
        .collect()
}

/// As [`Counters::since`], CPU by CPU. A CPU that `old` does not have is left out.
pub fn percpu_since(new: &[CpuCounters], old: &[CpuCounters]) -> Option<Vec<CpuCounters>> {
    let (Some(first), Some(old_first)) = (new.first(), old.first()) else {
        return Some(Vec::new());
    };
    // The CPUs of a reading share their names, and there may be thousands.
    let common = Common::of(&first.counters.names, &old_first.counters.names);
    new.iter()
        .enumerate()
        .filter_map(|(index, now)| {
            let before = match old.get(index) {
                Some(before) if before.cpu == now.cpu => before,
                _ => old.iter().find(|before| before.cpu == now.cpu)?,
            };
            let counters = common.difference(&now.counters, &before.counters);
            Some(counters.map(|counters| CpuCounters {
                cpu: now.cpu,
                counters,
            }))
        })
        .collect()
}

/// What some counters have grown by in some time.
#[derive(Clone, Copy, Debug)]
pub struct Rates<'a> {
    pub delta: &'a Counters,
    pub seconds: f64,
}

impl Rates<'_> {
    /// Per second.
    pub fn rate(&self, name: &str) -> Option<f64> {
        self.delta.get(name).map(|delta| self.per_second(delta))
    }

    /// Per second, of several together: of those that are there, none if none is.
    pub fn rate_of(&self, names: &[&str]) -> Option<f64> {
        names
            .iter()
            .filter_map(|name| self.rate(name))
            .reduce(|sum, rate| sum + rate)
    }

    /// Rounds of the dispatch loop for each time that it was entered.
    pub fn loop_depth(&self) -> Option<f64> {
        let entered = self.delta.get("dispatch")?;
        let rounds = self.delta.get("dispatch_rounds")?;
        (entered != 0).then(|| rounds as f64 / entered as f64)
    }

    /// How many waits ended in each of [`WAIT_BUCKETS`]. None if the module does not count them.
    pub fn wait_histogram(&self) -> Option<[u64; WAIT_BUCKETS.len()]> {
        let mut counts = [0; WAIT_BUCKETS.len()];
        for (count, (_, name)) in counts.iter_mut().zip(WAIT_BUCKETS) {
            *count = self.delta.get(name)?;
        }
        Some(counts)
    }

    pub fn per_second(&self, delta: u64) -> f64 {
        if self.seconds > 0.0 {
            delta as f64 / self.seconds
        } else {
            0.0
        }
    }
}

/// All kicks that were asked for, by kind. One with two flags is in two of them.
pub const KICKS: [&str; 4] = ["kick_plain", "kick_idle", "kick_preempt", "kick_wait"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_parsed_and_names_unknown_here_pass() {
        let counters = Counters::parse("balance 12\nbrand_new 18446744073709551615\n");
        assert_eq!(counters.get("balance"), Some(12));
        assert_eq!(counters.get("brand_new"), Some(u64::MAX));
        assert_eq!(counters.get("kick_ipis"), None);
        assert_eq!(counters.iter().count(), 2);
    }

    #[test]
    fn what_is_no_counter_is_left_out() {
        let counters =
            Counters::parse("balance 12\nnonsense\nminus -3\n\nname with words\n  x  7 \n");
        assert_eq!(
            counters.iter().collect::<Vec<_>>(),
            [("balance", 12), ("x", 7)]
        );
        assert!(Counters::parse("").is_empty());
    }

    #[test]
    fn percpu_keeps_the_numbers_of_cpus_that_are_not_in_a_row() {
        let cpus = parse_percpu("cpu balance kick_idle\n0 1 2\n2 3 4\n7 5\n");
        assert_eq!(cpus.len(), 2, "the line of CPU 7 is not whole");
        assert_eq!(cpus[1].cpu, 2);
        assert_eq!(cpus[1].counters.get("kick_idle"), Some(4));
        assert_eq!(parse_percpu("balance 3\n"), []);
        assert_eq!(parse_percpu(""), []);
    }

    #[test]
    fn a_difference_has_what_both_have_and_no_gauge() {
        let old = Counters::parse("balance 10\ngone 1\npick_seq_arrays 4\n");
        let new = Counters::parse("new 5\nbalance 15\npick_seq_arrays 0\n");
        let delta = new.since(&old).unwrap();
        assert_eq!(delta.iter().collect::<Vec<_>>(), [("balance", 5)]);
    }

    #[test]
    fn counters_that_go_back_are_a_module_that_was_inserted_again() {
        let old = Counters::parse("balance 10\nscans 3\n");
        assert_eq!(Counters::parse("balance 20\nscans 2\n").since(&old), None);
        assert!(Counters::parse("balance 10\nscans 3\n")
            .since(&old)
            .is_some());
    }

    #[test]
    fn percpu_differences_go_by_cpu() {
        let old = parse_percpu("cpu a\n0 1\n1 10\n");
        let new = parse_percpu("cpu a\n1 12\n3 4\n");
        let delta = percpu_since(&new, &old).unwrap();
        assert_eq!(delta.len(), 1);
        assert_eq!((delta[0].cpu, delta[0].counters.get("a")), (1, Some(2)));
        assert_eq!(percpu_since(&old, &new), None);
    }

    #[test]
    fn rates_are_per_second() {
        let delta = Counters::parse(
            "balance 30\nkick_idle 3\nkick_wait 6\ndispatch 4\ndispatch_rounds 10\n",
        );
        let rates = Rates {
            delta: &delta,
            seconds: 1.5,
        };
        assert_eq!(rates.rate("balance"), Some(20.0));
        assert_eq!(rates.rate("absent"), None);
        assert_eq!(rates.rate_of(&KICKS), Some(6.0));
        assert_eq!(rates.rate_of(&["absent"]), None);
        assert_eq!(rates.loop_depth(), Some(2.5));
        assert_eq!(rates.wait_histogram(), None);
    }

    #[test]
    fn no_loop_has_no_depth_and_no_time_no_rate() {
        let delta = Counters::parse("dispatch 0\ndispatch_rounds 0\nbalance 4\n");
        let rates = Rates {
            delta: &delta,
            seconds: 0.0,
        };
        assert_eq!(rates.loop_depth(), None);
        assert_eq!(rates.rate("balance"), Some(0.0));
    }

    #[test]
    fn the_histogram_is_not_cumulative() {
        let lines: Vec<_> = WAIT_BUCKETS
            .iter()
            .enumerate()
            .map(|(index, (_, name))| format!("{name} {}\n", index * 10))
            .collect();
        let delta = Counters::parse(&lines.concat());
        let rates = Rates {
            delta: &delta,
            seconds: 1.0,
        };
        assert_eq!(rates.wait_histogram(), Some([0, 10, 20, 30, 40, 50]));
    }

    #[test]
    fn sums_take_what_either_has() {
        let mut sum = Counters::default();
        sum.add(&Counters::parse("a 1\n"));
        sum.add(&Counters::parse("b 3\na 2\n"));
        assert_eq!(sum.iter().collect::<Vec<_>>(), [("a", 3), ("b", 3)]);
    }
}
