// SPDX-License-Identifier: GPL-2.0

//! A line for each interval, for people or for programs.

use std::io::{self, Write};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::counters::{Counters, Rates, KICKS};
use crate::sampler::{Change, Sample, Sampler};
use crate::source::{Status, Trouble};

/// Lines between one header and the next.
const HEADER_EVERY: usize = 24;

pub struct Options {
    pub interval: Duration,
    /// 0: for ever.
    pub count: u64,
    pub json: bool,
    pub percpu: bool,
}

#[derive(Debug)]
pub enum End {
    Trouble(Trouble),
    Write(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// Three digits after the point are what a clock of this kind is good for.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Counters as an object, in the module's order.
struct Object<'a>(&'a Counters);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

/// The same, per second.
struct PerSecond<'a>(Rates<'a>);

impl Serialize for PerSecond<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, delta) in self.0.delta.iter() {
            map.serialize_entry(name, &rounded(self.0.per_second(delta)))?;
        }
        map.end()
    }
}

/// The schema of `--json`; Documentation/scxcore.md has it for users.
#[derive(Serialize)]
struct Line<'a> {
    version: u32,
    time: f64,
    seconds: Option<f64>,
    core: Option<&'a str>,
    state: Option<&'a str>,
    ops: Option<&'a str>,
    event: Option<&'static str>,
    trouble: Option<String>,
    total: Option<Object<'a>>,
    delta: Option<Object<'a>>,
    per_second: Option<PerSecond<'a>>,
    loop_depth: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percpu: Option<Vec<CpuLine<'a>>>,
}

#[derive(Serialize)]
struct CpuLine<'a> {
    cpu: u32,
    total: Object<'a>,
    delta: Option<Object<'a>>,
    per_second: Option<PerSecond<'a>>,
    loop_depth: Option<f64>,
}

fn json(sample: &Sample, time: f64, percpu: bool) -> String {
    let status = sample.status.as_ref().ok();
    let reading = sample.reading.as_ref().ok();
    let change = sample.change.as_ref();
    let trouble = sample.reading.as_ref().err();
    let cpus = reading.filter(|_| percpu).map(|reading| {
        reading
            .percpu
            .iter()
            .enumerate()
            .map(|(index, now)| {
                let of_cpu = change.and_then(|change| {
                    let delta = match change.percpu.get(index) {
                        Some(delta) if delta.cpu == now.cpu => delta,
                        _ => change.percpu.iter().find(|delta| delta.cpu == now.cpu)?,
                    };
                    Some(change.rates_of(delta))
                });
                CpuLine {
                    cpu: now.cpu,
                    total: Object(&now.counters),
                    delta: of_cpu.map(|rates| Object(rates.delta)),
                    per_second: of_cpu.map(PerSecond),
                    loop_depth: of_cpu.and_then(|rates| rates.loop_depth()).map(rounded),
                }
            })
            .collect()
    });
    let line = Line {
        version: 1,
        time: rounded(time),
        seconds: change.map(|change| rounded(change.seconds)),
        core: status.map(|status| status.core.as_str()),
        state: status.map(|status| status.state.as_str()),
        ops: status.and_then(|status| status.ops.as_deref()),
        event: sample.event.map(|event| event.name()),
        trouble: trouble.map(ToString::to_string),
        total: reading.map(|reading| Object(&reading.sums)),
        delta: change.map(|change| Object(&change.sums)),
        per_second: change.map(|change| PerSecond(change.rates())),
        loop_depth: change
            .and_then(|change| change.rates().loop_depth())
            .map(rounded),
        percpu: cpus,
    };
    // It has strings for keys, and no number that JSON lacks: nothing that could fail.
    serde_json::to_string(&line).unwrap_or_default() + "\n"
}

type Value = fn(&Rates<'_>) -> Option<f64>;

/// The columns of a line for people, all but the depth per second.
const COLUMNS: [(&str, usize, Value); 13] = [
    ("searches", 8, |rates| rates.rate("balance")),
    ("rounds", 7, |rates| rates.rate("dispatch_rounds")),
    ("depth", 5, |rates| rates.loop_depth()),
    ("keeps", 6, |rates| rates.rate("keep_prev")),
    ("kicks", 7, |rates| rates.rate_of(&KICKS)),
    ("idle", 7, |rates| rates.rate("kick_idle")),
    ("preempt", 7, |rates| rates.rate("kick_preempt")),
    ("wait", 6, |rates| rates.rate("kick_wait")),
    ("ipis", 7, |rates| rates.rate("kick_ipis")),
    ("waits", 6, |rates| rates.rate("waits")),
    ("timeouts", 8, |rates| rates.rate("wait_timeouts")),
    ("bypass", 6, |rates| rates.rate("bypass")),
    ("trips", 6, |rates| rates.rate("guard_trips")),
];

fn header(percpu: bool) -> String {
    let mut line = format!("#{:>8} {:<9}", "seconds", "scheduler");
    if percpu {
        line += &format!(" {:>4}", "cpu");
    }
    for (title, width, _) in COLUMNS {
        line += &format!(" {title:>width$}");
    }
    line + "\n"
}

fn scheduler(status: Option<&Status>) -> String {
    let name = status.map_or("-", |status| status.ops.as_deref().unwrap_or("-"));
    // One word, so that the columns can be counted.
    name.replace(char::is_whitespace, "_")
}

fn row(
    elapsed: f64,
    status: Option<&Status>,
    cpu: Option<&str>,
    rates: Option<&Rates<'_>>,
) -> String {
    let mut line = format!("{elapsed:>9.1} {:<9}", scheduler(status));
    if let Some(cpu) = cpu {
        line += &format!(" {cpu:>4}");
    }
    for (_, width, value) in COLUMNS {
        match rates.and_then(value) {
            Some(value) => line += &format!(" {value:>width$.1}"),
            None => line += &format!(" {:>width$}", "-"),
        }
    }
    line + "\n"
}

fn rows(sample: &Sample, elapsed: f64, percpu: bool) -> String {
    let status = sample.status.as_ref().ok();
    let change: Option<&Change> = sample.change.as_ref();
    let sums = change.map(Change::rates);
    let mut text = row(elapsed, status, percpu.then_some("all"), sums.as_ref());
    if let Some(change) = change.filter(|_| percpu) {
        for cpu in &change.percpu {
            let rates = change.rates_of(cpu);
            text += &row(elapsed, status, Some(&cpu.cpu.to_string()), Some(&rates));
        }
    }
    text
}

/// What has changed of who is in charge, as a remark.
fn remark(sample: &Sample) -> Option<String> {
    let event = sample.event?;
    let mut line = format!("# {}", event.sentence());
    if let Err(trouble) = &sample.reading {
        line += &format!(": {trouble}");
    }
    Some(line + "\n")
}

/// Runs until it has written as many intervals as are wanted, or cannot write.
pub fn run(mut sampler: Sampler, options: &Options, out: &mut impl Write) -> Result<(), End> {
    let began = Instant::now();
    let mut next = began;
    let mut lines = 0;
    let mut left = options.count;

    sampler.sample().reading.map_err(End::Trouble)?;
    loop {
        // By the clock, not by naps: what an interval takes must not add up.
        next += options.interval;
        let now = Instant::now();
        if next > now {
            sleep(next - now);
        } else {
            next = now;
        }

        let sample = sampler.sample();
        let text = if options.json {
            let time = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0.0, |time| time.as_secs_f64());
            json(&sample, time, options.percpu)
        } else {
            let mut text = remark(&sample).unwrap_or_default();
            if lines == 0 || lines >= HEADER_EVERY {
                text += &header(options.percpu);
                lines = 0;
            }
            let rows = rows(&sample, began.elapsed().as_secs_f64(), options.percpu);
            lines += rows.lines().count();
            text + &rows
        };
        out.write_all(text.as_bytes())?;
        out.flush()?;

        if left == 1 {
            return Ok(());
        }
        left = left.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tests::Files;
    use serde_json::Value;

    fn options(json: bool, percpu: bool, count: u64) -> Options {
        Options {
            interval: Duration::from_millis(20),
            count,
            json,
            percpu,
        }
    }

    fn output(files: &Files, options: &Options) -> String {
        let mut out = Vec::new();
        run(
            Sampler::new(files.source(), options.percpu),
            options,
            &mut out,
        )
        .unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The sample after `change` was made.
    fn second(files: &Files, change: impl Fn()) -> Sample {
        let mut sampler = Sampler::new(files.source(), true);
        sampler.sample();
        sleep(Duration::from_millis(10));
        change();
        sampler.sample()
    }

    #[test]
    fn there_are_as_many_lines_as_wanted() {
        let files = Files::new();
        let text = output(&files, &options(true, false, 3));
        assert_eq!(text.lines().count(), 3);
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                (&line["version"], &line["ops"]),
                (&1.into(), &"simple".into())
            );
            assert_eq!(line["delta"]["balance"], 0);
            assert!(line.get("percpu").is_none());
        }
    }

    #[test]
    fn json_has_totals_differences_and_rates_of_all_names() {
        let files = Files::new();
        let sample = second(&files, || {
            files.counters(&[("balance", 35), ("unheard_of", 9), ("guard_trips", 0)])
        });
        let line: Value = serde_json::from_str(&json(&sample, 1.23456, true)).unwrap();
        assert_eq!(line["time"], 1.235);
        assert_eq!(line["total"]["balance"], 35);
        assert_eq!(line["total"]["unheard_of"], 9);
        assert_eq!(line["delta"]["balance"], 25);
        assert!(
            line["delta"].get("unheard_of").is_none(),
            "it was not there before"
        );
        let seconds = line["seconds"].as_f64().unwrap();
        let rate = line["per_second"]["balance"].as_f64().unwrap();
        assert!(
            (rate * seconds - 25.0).abs() < 25.0 * 0.001 / seconds + 0.1,
            "{rate} {seconds}"
        );
        assert_eq!(line["percpu"][0]["cpu"], 0);
        assert_eq!(line["percpu"][0]["delta"]["balance"], 25);
        assert_eq!(line["percpu"][1]["total"]["balance"], 0);
        assert_eq!(line["loop_depth"], Value::Null);
        assert_eq!(
            (&line["event"], &line["trouble"]),
            (&Value::Null, &Value::Null)
        );
    }

    #[test]
    fn a_module_that_goes_is_told_and_not_the_end() {
        let files = Files::new();
        let sample = second(&files, || {
            files.remove("sys/kernel/debug/rust_scx");
            files.write("sys/kernel/sched_ext/core", "builtin\n");
        });
        let line: Value = serde_json::from_str(&json(&sample, 0.0, false)).unwrap();
        assert_eq!(
            (&line["event"], &line["core"]),
            (&"removed".into(), &"builtin".into())
        );
        assert!(line["trouble"].as_str().unwrap().contains("insmod"));
        assert_eq!(
            (&line["total"], &line["delta"]),
            (&Value::Null, &Value::Null)
        );
        assert!(remark(&sample)
            .unwrap()
            .starts_with("# the counters are gone: the built-in core"));
        assert!(rows(&sample, 1.0, false).contains(" -"));
    }

    #[test]
    fn a_module_inserted_again_gives_no_difference() {
        let files = Files::new();
        let sample = second(&files, || {
            files.counters(&[("balance", 2), ("guard_trips", 0)])
        });
        let line: Value = serde_json::from_str(&json(&sample, 0.0, false)).unwrap();
        assert_eq!(
            (&line["event"], &line["delta"]),
            (&"reloaded".into(), &Value::Null)
        );
        assert_eq!(line["total"]["balance"], 2);
        assert!(remark(&sample).unwrap().contains("inserted again"));
    }

    #[test]
    fn lines_have_as_many_words_as_the_header() {
        let files = Files::new();
        for percpu in [false, true] {
            let text = output(&files, &options(false, percpu, 2));
            let words = COLUMNS.len() + 2 + usize::from(percpu);
            let mut lines = text.lines();
            // "#" is a word of its own there.
            assert_eq!(lines.next().unwrap().split_whitespace().count(), words + 1);
            for line in lines {
                assert_eq!(line.split_whitespace().count(), words, "{line}");
            }
            assert_eq!(text.lines().count(), if percpu { 7 } else { 3 });
        }
        assert!(
            output(&files, &options(false, false, 1)).contains(" - "),
            "no kick_ipis there"
        );
    }

    #[test]
    fn without_counters_it_does_not_begin() {
        let files = Files::new();
        files.remove("sys/kernel/debug/rust_scx");
        let end = run(
            Sampler::new(files.source(), false),
            &options(true, false, 1),
            &mut Vec::new(),
        );
        assert!(matches!(end, Err(End::Trouble(Trouble::NotMounted(_)))));
    }

    #[test]
    fn a_reader_that_leaves_ends_it() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let files = Files::new();
        let end = run(
            Sampler::new(files.source(), false),
            &options(true, false, 0),
            &mut Closed,
        );
        assert!(matches!(end, Err(End::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe));
    }
}
