// SPDX-License-Identifier: GPL-2.0

//! The live view: keys, time and signals.

mod model;
mod view;

use std::io::{self, stdin, stdout, IsTerminal};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::DefaultTerminal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use self::model::Model;
use self::view::View;
use crate::sampler::Sampler;
use crate::source::{Source, Trouble};

/// What + and - go through, in seconds.
const INTERVALS: [f64; 9] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];

/// So soon there are rates for the first time.
const FIRST: Duration = Duration::from_millis(500);

/// So often it is looked for signals.
const NAP: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub enum End {
    Quit,
    Signal(i32),
}

#[derive(Debug)]
pub enum Failure {
    NoTerminal,
    Trouble(Trouble),
    Terminal(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Terminal(error)
    }
}

/// Gives the terminal back, whichever way out is taken.
struct Screen(DefaultTerminal);

impl Screen {
    fn new() -> io::Result<Self> {
        ratatui::try_init().map(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A panic has done so in its hook, before it said what is the matter. Twice would be a cursor
        // that goes back to the middle of that.
        if !thread::panicking() {
            ratatui::restore();
        }
    }
}

pub fn run(source: Source, interval: f64, colors: bool) -> Result<End, Failure> {
    if !stdout().is_terminal() || !stdin().is_terminal() {
        return Err(Failure::NoTerminal);
    }
    source.status().map_err(Failure::Trouble)?;
    let mut sampler = Sampler::new(source, true);
    let mut model = Model::new(&mut sampler);
    if let Err(trouble) = &model.sample.reading {
        if !trouble.may_pass() {
            return Err(Failure::Trouble(trouble.clone()));
        }
    }

    let signal = Arc::new(AtomicUsize::new(0));
    for number in [SIGTERM, SIGINT, SIGHUP, SIGQUIT] {
        signal_hook::flag::register_usize(number, Arc::clone(&signal), number as usize)?;
    }

    let mut screen = Screen::new()?;
    let mut view = View::new(interval, colors);
    let mut frozen: Option<Model> = None;
    let mut last = Instant::now();
    let mut wait = FIRST.min(Duration::from_secs_f64(interval));
    let mut changed = true;
    loop {
        if changed {
            let model = frozen.as_ref().unwrap_or(&model);
            screen.0.draw(|frame| view::draw(frame, model, &mut view))?;
            changed = false;
        }
        match signal.load(Ordering::Relaxed) {
            0 => (),
            number => return Ok(End::Signal(number as i32)),
        }

        let left = wait.saturating_sub(last.elapsed());
        if let Some(event) = next_event(left.min(NAP))? {
            changed = true;
            if let Event::Key(key) = event {
                match press(key, &mut view) {
                    Press::Quit => return Ok(End::Quit),
                    Press::Interval => wait = Duration::from_secs_f64(view.interval),
                    Press::Other => (),
                }
                // What is watched goes on while the view stays.
                frozen = match (view.paused, frozen.take()) {
                    (true, None) => Some(model.clone()),
                    (true, frozen) => frozen,
                    (false, _) => None,
                };
            }
        }

        if last.elapsed() >= wait {
            last = Instant::now();
            wait = Duration::from_secs_f64(view.interval);
            model.update(&mut sampler);
            changed = true;
        }
    }
}

fn next_event(timeout: Duration) -> io::Result<Option<Event>> {
    let event = match event::poll(timeout) {
        Ok(true) => event::read().map(Some),
        Ok(false) => Ok(None),
        Err(error) => Err(error),
    };
    match event {
        // By a signal: we will see which.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        event => event,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Press {
    Quit,
    Interval,
    Other,
}

fn press(key: KeyEvent, view: &mut View) -> Press {
    if key.kind == KeyEventKind::Release {
        return Press::Other;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if control => return Press::Quit,
        KeyCode::Esc if view.help => view.help = false,
        KeyCode::Char('q') | KeyCode::Esc => return Press::Quit,
        KeyCode::Char('p' | ' ') => view.paused = !view.paused,
        KeyCode::Char('+' | '=') => {
            view.interval = longer(view.interval);
            return Press::Interval;
        }
        KeyCode::Char('-' | '_') => {
            view.interval = shorter(view.interval);
            return Press::Interval;
        }
        KeyCode::Char('s') => view.next_sort(),
        KeyCode::Char('c') => view.next_set(),
        KeyCode::Char('?' | 'h') => view.help = !view.help,
        KeyCode::Up => view.scroll(-1),
        KeyCode::Down => view.scroll(1),
        KeyCode::PageUp => view.scroll_pages(-1),
        KeyCode::PageDown => view.scroll_pages(1),
        KeyCode::Home => view.scroll_to(0),
        KeyCode::End => view.scroll_to(usize::MAX),
        _ => (),
    }
    Press::Other
}

fn longer(interval: f64) -> f64 {
    INTERVALS
        .into_iter()
        .find(|other| *other > interval)
        .unwrap_or(interval)
}

fn shorter(interval: f64) -> f64 {
    INTERVALS
        .into_iter()
        .rev()
        .find(|other| *other < interval)
        .unwrap_or(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode, view: &mut View) -> Press {
        press(KeyEvent::new(code, KeyModifiers::NONE), view)
    }

    #[test]
    fn keys_quit() {
        let mut view = View::new(1.0, false);
        assert_eq!(key(KeyCode::Char('q'), &mut view), Press::Quit);
        assert_eq!(key(KeyCode::Esc, &mut view), Press::Quit);
        let control = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(press(control, &mut view), Press::Quit);
        assert_eq!(key(KeyCode::Char('c'), &mut view), Press::Other);
    }

    #[test]
    fn escape_leaves_the_help_first() {
        let mut view = View::new(1.0, false);
        key(KeyCode::Char('?'), &mut view);
        assert!(view.help);
        assert_eq!(key(KeyCode::Esc, &mut view), Press::Other);
        assert!(!view.help);
    }

    #[test]
    fn keys_pause_and_change_the_interval() {
        let mut view = View::new(1.0, false);
        key(KeyCode::Char('p'), &mut view);
        assert!(view.paused);
        key(KeyCode::Char(' '), &mut view);
        assert!(!view.paused);
        assert_eq!(key(KeyCode::Char('+'), &mut view), Press::Interval);
        assert_eq!(view.interval, 2.0);
        key(KeyCode::Char('-'), &mut view);
        key(KeyCode::Char('-'), &mut view);
        assert_eq!(view.interval, 0.5);
    }

    #[test]
    fn intervals_have_ends_and_may_begin_in_between() {
        assert_eq!(
            (longer(60.0), longer(100.0), longer(0.7)),
            (60.0, 100.0, 1.0)
        );
        assert_eq!((shorter(0.1), shorter(0.7)), (0.1, 0.5));
    }
}
