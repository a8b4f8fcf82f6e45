// SPDX-License-Identifier: GPL-2.0

//! Shows what the core of sched_ext does, and explains what it reported.
//!
//! It reads what `rust_scx` puts into debugfs, and what sched_ext says of itself in sysfs; it changes
//! nothing. [`source`] reads, [`counters`] and [`report`] understand, [`sampler`] compares, and
//! [`top`], [`stat`] and [`explain`] say it.

mod counters;
mod explain;
mod report;
mod sampler;
mod source;
mod stat;
mod text;
mod top;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::sampler::Sampler;
use crate::source::{Source, Trouble};

const ERROR: u8 = 1;
const NOTHING_TO_SHOW: u8 = 3;

#[derive(Parser)]
#[command(
    version,
    about = "Shows what the core of sched_ext does, and explains what it reported",
    after_help = "Reads /sys/kernel/debug/rust_scx and /sys/kernel/sched_ext, and changes nothing.\n\n\
                  Exit codes: 0 all well; 1 an error; 2 wrong usage; 3 nothing to show, as the\n\
                  built-in core is in charge; 128 and its number after a signal."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,

    /// Read the files from a copy below DIR
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/",
        global = true,
        hide_default_value = true
    )]
    root: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// A live view; q quits, ? helps
    Top {
        /// Seconds from one look to the next
        #[arg(short, long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
        interval: f64,
    },
    /// A line for each interval
    Stat {
        /// Seconds an interval takes
        #[arg(short, long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
        interval: f64,
        /// How many intervals; 0 goes on for ever
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 0)]
        count: u64,
        /// One JSON object in each line, with all counters
        #[arg(long)]
        json: bool,
        /// The counters of each CPU, too
        #[arg(long)]
        percpu: bool,
    },
    /// The last report of the watchdog and the trips of the guard, in words
    Explain {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("it is a number of seconds from 0.1 to 3600".into()),
    }
}

fn say(what: impl std::fmt::Display) {
    // There is nobody left to be told if that fails.
    let _ = writeln!(io::stderr(), "scxcore: {what}");
}

fn trouble(trouble: &Trouble) -> ExitCode {
    say(trouble);
    ExitCode::from(if trouble.is_nothing_to_show() {
        NOTHING_TO_SHOW
    } else {
        ERROR
    })
}

/// A reader that has seen enough is no error.
fn written(error: &io::Error) -> ExitCode {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return ExitCode::SUCCESS;
    }
    say(format_args!("cannot write: {error}"));
    ExitCode::from(ERROR)
}

fn top(source: Source, interval: f64) -> ExitCode {
    let colors = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    match top::run(source, interval, colors) {
        Ok(top::End::Quit) => ExitCode::SUCCESS,
        Ok(top::End::Signal(number)) => ExitCode::from(128 + number as u8),
        Err(top::Failure::NoTerminal) => {
            say("top needs a terminal; scxcore stat writes to files and pipes");
            ExitCode::from(ERROR)
        }
        Err(top::Failure::Trouble(what)) => trouble(&what),
        Err(top::Failure::Terminal(error)) => {
            say(format_args!("the terminal does not work: {error}"));
            ExitCode::from(ERROR)
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let source = Source::new(arguments.root);
    match arguments.command {
        Command::Top { interval } => top(source, interval),
        Command::Stat {
            interval,
            count,
            json,
            percpu,
        } => {
            let options = stat::Options {
                interval: Duration::from_secs_f64(interval),
                count,
                json,
                percpu,
            };
            let sampler = Sampler::new(source, percpu);
            match stat::run(sampler, &options, &mut io::stdout().lock()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(stat::End::Trouble(what)) => trouble(&what),
                Err(stat::End::Write(error)) => written(&error),
            }
        }
        Command::Explain { json } => match explain::run(&source, json) {
            Ok(text) => match io::stdout().lock().write_all(text.as_bytes()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => written(&error),
            },
            Err(what) => trouble(&what),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn intervals_are_checked() {
        assert_eq!(seconds("0.5"), Ok(0.5));
        for bad in ["0", "-1", "nan", "inf", "4000", "x", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
