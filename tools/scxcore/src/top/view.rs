// SPDX-License-Identifier: GPL-2.0

//! Draws the model. Whatever does not fit is left out, the table of CPUs last.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Sparkline};
use ratatui::Frame;

use super::model::Model;
use crate::counters::{CpuCounters, Rates, KICKS, WAIT_BUCKETS};
use crate::source::LastReport;
use crate::text::{span, wrap};

/// From here on waits have a panel beside the others.
const WIDE: u16 = 120;

type Value = fn(&Rates<'_>) -> Option<f64>;

/// A column of the table of CPUs.
struct Column {
    title: &'static str,
    value: Value,
}

const fn column(title: &'static str, value: Value) -> Column {
    Column { title, value }
}

/// Columns that are shown together. Where there is room, those of the other sets come behind them.
const SETS: [(&str, &[Column]); 4] = [
    (
        "overview",
        &[
            column("searches", |rates| rates.rate("balance")),
            column("rounds", |rates| rates.rate("dispatch_rounds")),
            column("depth", |rates| rates.loop_depth()),
            column("keeps", |rates| rates.rate("keep_prev")),
            column("kicks", |rates| rates.rate_of(&KICKS)),
            column("IPIs", |rates| rates.rate("kick_ipis")),
            column("waits", |rates| rates.rate("waits")),
            column("trips", |rates| rates.rate("guard_trips")),
        ],
    ),
    (
        "kicks",
        &[
            column("plain", |rates| rates.rate("kick_plain")),
            column("idle", |rates| rates.rate("kick_idle")),
            column("preempt", |rates| rates.rate("kick_preempt")),
            column("wait", |rates| rates.rate("kick_wait")),
            column("skipped", |rates| rates.rate("kick_idle_skipped")),
            column("coalesc", |rates| rates.rate("kick_coalesced")),
            column("irqwork", |rates| rates.rate("kick_irq_work")),
            column("resched", |rates| rates.rate("kick_resched")),
        ],
    ),
    (
        "waits",
        &[
            column("done", |rates| rates.rate("waits_done")),
            column("timeout", |rates| rates.rate("wait_timeouts")),
            column("to 1us", |rates| rates.rate("wait_1us")),
            column("to 10us", |rates| rates.rate("wait_10us")),
            column("to100us", |rates| rates.rate("wait_100us")),
            column("to 1ms", |rates| rates.rate("wait_1ms")),
            column("to 10ms", |rates| rates.rate("wait_10ms")),
            column("longer", |rates| rates.rate("wait_longer")),
        ],
    ),
    (
        "dispatch",
        &[
            column("tolocal", |rates| rates.rate("finish_local")),
            column("remote", |rates| rates.rate("finish_remote")),
            column("toqueue", |rates| rates.rate("finish_queue")),
            column("consume", |rates| {
                rates.rate_of(&["consume_local", "consume_remote"])
            }),
            column("bypass", |rates| rates.rate("bypass")),
            column("locks", |rates| rates.rate("lock_switches")),
            column("breaks", |rates| rates.rate("scan_breaks")),
            column("spurious", |rates| rates.rate("spurious")),
        ],
    ),
];

/// What the table is sorted by: the CPU's number, or that value, the highest first.
const SORTS: [(&str, Option<Value>); 5] = [
    ("cpu", None),
    ("searches", Some(|rates| rates.rate("balance"))),
    ("kicks", Some(|rates| rates.rate_of(&KICKS))),
    ("waits", Some(|rates| rates.rate("waits"))),
    ("trips", Some(|rates| rates.rate("guard_trips"))),
];

const CPU_WIDTH: usize = 5;
const COLUMN_WIDTH: usize = 9;

/// What keys have set.
#[derive(Clone, Debug)]
pub struct View {
    pub interval: f64,
    pub paused: bool,
    pub help: bool,
    pub colors: bool,
    sort: usize,
    set: usize,
    scroll: usize,
    /// How many CPUs were shown the last time.
    page: usize,
}

impl View {
    pub fn new(interval: f64, colors: bool) -> Self {
        Self {
            interval,
            paused: false,
            help: false,
            colors,
            sort: 0,
            set: 0,
            scroll: 0,
            page: 1,
        }
    }

    pub fn next_sort(&mut self) {
        self.sort = (self.sort + 1) % SORTS.len();
        self.scroll = 0;
    }

    pub fn next_set(&mut self) {
        self.set = (self.set + 1) % SETS.len();
    }

    pub fn scroll(&mut self, lines: isize) {
        // What is too far is put right when it is drawn.
        self.scroll = self.scroll.saturating_add_signed(lines);
    }

    pub fn scroll_pages(&mut self, pages: isize) {
        self.scroll(pages.saturating_mul(self.page.max(1) as isize));
    }

    pub fn scroll_to(&mut self, line: usize) {
        self.scroll = line;
    }

    fn color(&self, color: Color) -> Style {
        if self.colors {
            Style::new().fg(color)
        } else {
            Style::new()
        }
    }

    fn alarm(&self) -> Style {
        self.color(Color::Red).bold()
    }
}

/// A number in at most 7 characters.
pub fn short(value: f64) -> String {
    match value {
        0.0 => "0".into(),
        v if v < 99.95 => format!("{v:.1}"),
        v if v < 99_999.5 => format!("{v:.0}"),
        v if v < 99_999_500.0 => format!("{:.0}k", v / 1e3),
        v => format!("{:.0}M", v / 1e6),
    }
}

fn short_or_dash(value: Option<f64>) -> String {
    value.map_or("-".into(), short)
}

pub fn draw(frame: &mut Frame<'_>, model: &Model, view: &mut View) {
    let area = frame.area();
    let wide = area.width >= WIDE;
    let notice = model.notice();
    let report = report_lines(
        model,
        view,
        area.width,
        if area.height >= 40 { 4 } else { 1 },
    );

    // What is most dispensable goes first on a small terminal.
    let panels = if area.height >= 14 { 7 } else { 0 };
    let waits = if !wide && area.height >= 20 { 4 } else { 0 };
    let reports = if area.height >= 10 { report.len() } else { 0 };
    let [title, notice_area, panels, waits, reports, table, footer] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(u16::from(notice.is_some())),
        Constraint::Length(panels),
        Constraint::Length(waits),
        Constraint::Length(reports as u16),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);

    frame.render_widget(title_line(model, view), title);
    if let Some(notice) = notice {
        frame.render_widget(Line::styled(notice, view.alarm()), notice_area);
    }
    if wide {
        let [left, middle, right] = columns(panels);
        dispatch_panel(frame, model, view, left);
        kicks_panel(frame, model, view, middle);
        waits_panel(frame, model, view, right, false);
    } else {
        let [left, right] = columns(panels);
        dispatch_panel(frame, model, view, left);
        kicks_panel(frame, model, view, right);
        waits_panel(frame, model, view, waits, true);
    }
    frame.render_widget(Paragraph::new(report), reports);
    cpu_table(frame, model, view, table);
    frame.render_widget(footer_line(view), footer);
    if view.help {
        help(frame, area);
    }
}

fn columns<const N: usize>(area: Rect) -> [Rect; N] {
    Layout::horizontal([Constraint::Fill(1); N])
        .spacing(2)
        .areas(area)
}

fn title_line(model: &Model, view: &View) -> Line<'static> {
    let mut spans = vec![Span::raw("scxcore").bold()];
    match &model.sample.status {
        Ok(status) => {
            spans.push(Span::raw("  core "));
            spans.push(Span::styled(status.core.clone(), view.color(Color::Cyan)).bold());
            spans.push(Span::raw("  scheduler "));
            let ops = status.ops.clone().unwrap_or_else(|| "none".into());
            spans.push(Span::styled(ops, view.color(Color::Cyan)).bold());
            spans.push(Span::raw(format!(" ({})", status.state)));
        }
        Err(trouble) => spans.push(Span::raw(format!("  {trouble}"))),
    }
    spans.push(Span::raw(format!("  every {} s", view.interval)));
    if view.paused {
        spans.push(Span::raw("  "));
        spans.push(Span::styled("PAUSED", Style::new().reversed()));
    }
    Line::from(spans)
}

fn footer_line(view: &View) -> Line<'static> {
    Line::from(format!(
        "q quit  p pause  +/- interval  s sort: {}  c columns: {}  ? help",
        SORTS[view.sort].0, SETS[view.set].0
    ))
    .dim()
}

/// A title, and a rule to the end of the line.
fn rule(title: &str, width: u16) -> Line<'static> {
    let mut text = format!("── {title} ");
    let used = text.chars().count();
    text += &"─".repeat(usize::from(width).saturating_sub(used));
    Line::from(text).dim()
}

/// The rows of a panel below its rule.
fn panel(frame: &mut Frame<'_>, area: Rect, title: &str) -> Vec<Rect> {
    let rows: Vec<Rect> = area.rows().collect();
    let Some((top, rows)) = rows.split_first() else {
        return Vec::new();
    };
    frame.render_widget(rule(title, area.width), *top);
    rows.to_vec()
}

/// A rate, its value, and how it was in the last minute.
fn graph(
    frame: &mut Frame<'_>,
    model: &Model,
    area: Rect,
    label: &str,
    value: Value,
    style: Style,
) {
    let now = model.rates().and_then(|rates| value(&rates));
    let [text, gap, spark] = Layout::horizontal([
        Constraint::Length(19),
        Constraint::Length(1),
        Constraint::Max(60),
    ])
    .areas(area);
    let _ = gap;
    // Nothing is wrong with a 0, and it is not to be looked at.
    let style = if now.is_some_and(|now| now > 0.0) {
        style
    } else {
        Style::new()
    };
    let line = Line::from(vec![
        Span::raw(format!("{label:<11}")),
        Span::styled(format!("{:>8}", short_or_dash(now)), style),
    ]);
    frame.render_widget(line, text);
    let data: Vec<u64> = model
        .minute_in(usize::from(spark.width), value)
        .iter()
        // A depth is small, and bars are made of whole numbers.
        .map(|value| (value * 1000.0) as u64)
        .collect();
    frame.render_widget(Sparkline::default().data(&data).style(style), spark);
}

type Row = (&'static str, Value, bool);

fn graphs(frame: &mut Frame<'_>, model: &Model, view: &View, rows: &[Rect], what: &[Row]) {
    for (area, (label, value, alarm)) in rows.iter().zip(what) {
        let style = if *alarm {
            view.alarm()
        } else {
            view.color(Color::Green)
        };
        graph(frame, model, *area, label, *value, style);
    }
}

fn dispatch_panel(frame: &mut Frame<'_>, model: &Model, view: &View, area: Rect) {
    const ROWS: [Row; 6] = [
        ("searches/s", |rates| rates.rate("balance"), false),
        ("rounds/s", |rates| rates.rate("dispatch_rounds"), false),
        ("loop depth", |rates| rates.loop_depth(), false),
        ("keeps/s", |rates| rates.rate("keep_prev"), false),
        ("bypass/s", |rates| rates.rate("bypass"), false),
        ("trips/s", |rates| rates.rate("guard_trips"), true),
    ];
    let rows = panel(frame, area, "dispatch");
    graphs(frame, model, view, &rows, &ROWS);
}

fn kicks_panel(frame: &mut Frame<'_>, model: &Model, view: &View, area: Rect) {
    const ROWS: [Row; 5] = [
        ("plain/s", |rates| rates.rate("kick_plain"), false),
        ("idle/s", |rates| rates.rate("kick_idle"), false),
        ("preempt/s", |rates| rates.rate("kick_preempt"), false),
        ("wait/s", |rates| rates.rate("kick_wait"), false),
        ("IPIs/s", |rates| rates.rate("kick_ipis"), false),
    ];
    let rows = panel(frame, area, "kicks");
    graphs(frame, model, view, &rows, &ROWS);
    if let Some(area) = rows.get(ROWS.len()) {
        let rate = |name| short_or_dash(model.rates().and_then(|rates| rates.rate(name)));
        let text = format!(
            "skipped/s {}  coalesced/s {}",
            rate("kick_idle_skipped"),
            rate("kick_coalesced")
        );
        frame.render_widget(Line::from(text), *area);
    }
}

fn waits_panel(frame: &mut Frame<'_>, model: &Model, view: &View, area: Rect, low: bool) {
    const ROWS: [Row; 3] = [
        ("waits/s", |rates| rates.rate("waits"), false),
        ("rescheds/s", |rates| rates.rate("wait_rescheds"), false),
        ("timeouts/s", |rates| rates.rate("wait_timeouts"), true),
    ];
    let rows = panel(frame, area, "waits; lengths in the last minute");
    let below = if low {
        let mut spans = Vec::new();
        for (label, value, alarm) in ROWS {
            let now = model.rates().and_then(|rates| value(&rates));
            spans.push(Span::raw(format!("{label} ")));
            let value = Span::raw(format!("{:<9}", short_or_dash(now)));
            let loud = alarm && now.is_some_and(|now| now > 0.0);
            spans.push(if loud {
                value.style(view.alarm())
            } else {
                value
            });
        }
        if let Some(area) = rows.first() {
            frame.render_widget(Line::from(spans), *area);
        }
        1
    } else {
        graphs(frame, model, view, &rows, &ROWS);
        ROWS.len()
    };
    histogram(frame, model, view, rows.get(below..).unwrap_or_default());
}

/// How long waits took, as a bar in each cell.
fn histogram(frame: &mut Frame<'_>, model: &Model, view: &View, rows: &[Rect]) {
    let (Some(label_row), Some(bar_row)) = (rows.first(), rows.get(1)) else {
        return;
    };
    let minute = model.minute();
    let rates = Rates {
        delta: &minute,
        seconds: 1.0,
    };
    let Some(counts) = rates.wait_histogram() else {
        let text = if minute.is_empty() {
            ""
        } else {
            "this module does not time waits"
        };
        frame.render_widget(Line::from(text), *label_row);
        return;
    };
    let count_row = rows.get(2);
    let highest = counts.iter().copied().max().unwrap_or(0).max(1);
    let cells = |row: Rect| -> [Rect; WAIT_BUCKETS.len()] {
        // All alike, so that bars can be compared.
        let width = Constraint::Length(row.width / WAIT_BUCKETS.len() as u16);
        Layout::horizontal([width; WAIT_BUCKETS.len()]).areas(row)
    };
    for (index, ((limit, _), count)) in WAIT_BUCKETS.iter().zip(counts).enumerate() {
        let label = if *limit == "longer" {
            (*limit).to_string()
        } else {
            format!("≤{limit}")
        };
        let number = short(count as f64).replace(".0", "");
        let text = match count_row {
            Some(row) => {
                frame.render_widget(Line::from(number), cells(*row)[index]);
                label
            }
            None => format!("{label} {number}"),
        };
        frame.render_widget(Line::from(text), cells(*label_row)[index]);
        let cell = cells(*bar_row)[index];
        let width = f64::from(cell.width.saturating_sub(1)) * count as f64 / highest as f64;
        let style = if *limit == "longer" {
            view.alarm()
        } else {
            view.color(Color::Green)
        };
        frame.render_widget(Line::styled(bar(width), style), cell);
    }
}

/// A bar of so many characters, in eighths.
fn bar(width: f64) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    // What is there is seen, however little it is.
    let eighths = if width > 0.0 {
        ((width * 8.0).round() as usize).max(1)
    } else {
        0
    };
    "█".repeat(eighths / 8) + PARTS[eighths % 8]
}

fn report_lines(model: &Model, view: &View, width: u16, most: usize) -> Vec<Line<'static>> {
    let (title, text) = match &model.report {
        LastReport::None => ("last report: none".to_string(), None),
        LastReport::Unknown(_) if model.sample.reading.is_err() => ("last report".into(), None),
        LastReport::Unknown(_) => (
            "last report: this module keeps none, see the kernel log".into(),
            None,
        ),
        LastReport::Some(report) => {
            let age = report
                .age_ms(model.uptime_ms)
                .map_or(String::new(), |age| format!(", {} ago", span(age)));
            (
                format!("last report{age} (scxcore explain tells more)"),
                Some(report.headline()),
            )
        }
    };
    let mut lines = vec![rule(&title, width)];
    let Some(text) = text else {
        return lines;
    };
    let width = usize::from(width.max(8));
    let mut text = wrap("", &text, width);
    if text.len() > most {
        text.truncate(most);
        if let Some(last) = text.last_mut() {
            *last = last.chars().take(width - 3).collect::<String>() + "...";
        }
    }
    lines.extend(
        text.into_iter()
            .map(|line| Line::styled(line, view.color(Color::Yellow))),
    );
    lines
}

fn cpu_table(frame: &mut Frame<'_>, model: &Model, view: &mut View, area: Rect) {
    let change = model.sample.change.as_ref();
    let mut cpus: Vec<&CpuCounters> = match (change, &model.sample.reading) {
        (Some(change), _) => change.percpu.iter().collect(),
        // There are no rates yet, but CPUs.
        (None, Ok(reading)) => reading.percpu.iter().collect(),
        _ => Vec::new(),
    };
    if let (Some(change), (_, Some(value))) = (change, SORTS[view.sort]) {
        let key = |cpu: &CpuCounters| value(&change.rates_of(cpu)).unwrap_or(0.0);
        cpus.sort_by(|a, b| key(b).total_cmp(&key(a)));
    }

    let rows = usize::from(area.height.saturating_sub(2));
    view.page = rows;
    view.scroll = view.scroll.min(cpus.len().saturating_sub(rows));
    let first = view.scroll;
    let last = (first + rows).min(cpus.len());

    let shown = shown_columns(view, area.width);
    let title = if cpus.is_empty() {
        "CPUs".to_string()
    } else {
        format!("CPUs, per second: {}-{last} of {}", first + 1, cpus.len())
    };
    let mut header = format!("{:>CPU_WIDTH$}", "CPU");
    for column in &shown {
        header += &format!("{:>COLUMN_WIDTH$}", column.title);
    }
    let mut lines = vec![rule(&title, area.width), Line::from(header).bold()];
    for cpu in &cpus[first..last] {
        let rates = change.map(|change| change.rates_of(cpu));
        let mut spans = vec![Span::raw(format!("{:>CPU_WIDTH$}", cpu.cpu))];
        for column in &shown {
            let value = rates.as_ref().and_then(column.value);
            let span = Span::raw(format!("{:>COLUMN_WIDTH$}", short_or_dash(value)));
            let loud = matches!(column.title, "trips" | "timeout" | "longer")
                && value.is_some_and(|value| value > 0.0);
            spans.push(if loud { span.style(view.alarm()) } else { span });
        }
        lines.push(Line::from(spans));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// The set that was chosen, then the others, as many as fit.
fn shown_columns(view: &View, width: u16) -> Vec<&'static Column> {
    let room = usize::from(width).saturating_sub(CPU_WIDTH) / COLUMN_WIDTH;
    (0..SETS.len())
        .flat_map(|index| SETS[(view.set + index) % SETS.len()].1)
        .take(room)
        .collect()
}

const HELP: &str = "\
q, Esc, Ctrl-C   quit
p, Space         pause: the view stays, counting goes on
+  -             longer, shorter interval
s                sort CPUs by number, searches, kicks, waits, trips
c                columns: overview, kicks, waits, dispatch
Up Down PgUp PgDn Home End   other CPUs
?, h             this

searches  for a task to run    rounds  calls of ops.dispatch()
depth     rounds in each loop  keeps   the previous task goes on
bypass    searches in which the scheduler was not asked
trips     loops ended after 32 rounds without a task
IPIs      that kicks sent      skipped, coalesced  kicks without
waits     for other CPUs (SCX_KICK_WAIT); timeouts: after 10 ms
Graphs go back one minute. More: Documentation/counters.md";

fn help(frame: &mut Frame<'_>, area: Rect) {
    let width = area.width.min(70);
    let height = area.height.min(HELP.lines().count() as u16 + 2);
    let area = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(" scxcore top ");
    frame.render_widget(Paragraph::new(HELP).block(block), area);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::{parse_percpu, Counters};
    use crate::sampler::{Change, Event, Sample, Sampler};
    use crate::source::tests::Files;
    use crate::source::Trouble;
    use ratatui::backend::TestBackend;
    use ratatui::Terminal;
    use std::time::Duration;

    const SUMS: &str = "balance 1234\ndispatch 100\ndispatch_rounds 250\nkeep_prev 7\nbypass 0\n\
                        guard_trips 3\nkick_plain 1\nkick_idle 20\nkick_preempt 300\nkick_wait 4\n\
                        kick_idle_skipped 5\nkick_coalesced 6\nkick_ipis 270\nwaits 4\n\
                        wait_rescheds 0\nwait_timeouts 0\nwait_1us 10\nwait_10us 20\nwait_100us 5\n\
                        wait_1ms 0\nwait_10ms 1\nwait_longer 0\n";

    /// A model of so many CPUs that has seen one interval of a second.
    fn model(cpus: u32) -> (Files, Model) {
        let files = Files::new();
        let mut sampler = Sampler::new(files.source(), true);
        let mut model = Model::new(&mut sampler);
        let mut percpu = String::from("cpu balance guard_trips\n");
        for cpu in 0..cpus {
            percpu += &format!("{cpu} {} {}\n", 1000 + cpu, u32::from(cpu == 3));
        }
        let sample = Sample {
            change: Some(Change {
                seconds: 1.0,
                sums: Counters::parse(SUMS),
                percpu: parse_percpu(&percpu),
            }),
            ..sampler.sample()
        };
        let at = model.at + Duration::from_secs(1);
        model.take(sample, at);
        (files, model)
    }

    fn screen(model: &Model, view: &mut View, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, model, view)).unwrap();
        let buffer = terminal.backend().buffer();
        (0..height)
            .map(|y| {
                let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
                line.trim_end().to_string()
            })
            .collect()
    }

    fn view() -> View {
        View::new(1.0, true)
    }

    fn line<'a>(screen: &'a [String], part: &str) -> &'a str {
        screen
            .iter()
            .find(|line| line.contains(part))
            .unwrap_or_else(|| panic!("no {part:?} in\n{}", screen.join("\n")))
    }

    #[test]
    fn all_is_there_at_80x24() {
        let (_files, model) = model(4);
        let screen = screen(&model, &mut view(), 80, 24);
        assert_eq!(
            screen[0],
            "scxcore  core rust_scx  scheduler simple (enabled)  every 1 s"
        );
        for (label, value) in [
            ("searches/s", "1234"),
            ("rounds/s", "250"),
            ("loop depth", "2.5"),
            ("keeps/s", "7.0"),
            ("bypass/s", "0"),
            ("trips/s", "3.0"),
            ("plain/s", "1.0"),
            ("idle/s", "20.0"),
            ("preempt/s", "300"),
            ("IPIs/s", "270"),
        ] {
            let line = line(&screen, label);
            let rest = &line[line.find(label).unwrap() + label.len()..];
            assert_eq!(rest.split_whitespace().next(), Some(value), "{label}");
        }
        assert!(line(&screen, "searches/s").contains('█'), "a graph");
        assert!(line(&screen, "skipped/s 5.0").contains("coalesced/s 6.0"));
        assert!(line(&screen, "≤1us 10").contains("≤10us 20"));
        line(&screen, "last report: this module keeps none");
        let first = line(&screen, "CPUs, per second: 1-4 of 4");
        let at = screen.iter().position(|line| line == first).unwrap();
        let words =
            |line: &str| -> Vec<String> { line.split_whitespace().map(String::from).collect() };
        assert_eq!(
            words(&screen[at + 1]),
            ["CPU", "searches", "rounds", "depth", "keeps", "kicks", "IPIs", "waits", "trips"]
        );
        assert_eq!(
            words(&screen[at + 5]),
            ["3", "1003", "-", "-", "-", "-", "-", "-", "1.0"]
        );
        assert!(screen[23].starts_with("q quit"));
        assert!(screen.iter().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn a_large_terminal_has_three_panels_and_all_columns_that_fit() {
        let (_files, model) = model(64);
        let screen = screen(&model, &mut view(), 200, 50);
        let panels = line(&screen, "── dispatch");
        assert!(panels.contains("── kicks") && panels.contains("── waits"));
        let narrow = self::screen(&model, &mut view(), WIDE, 50);
        line(&narrow, "── waits; lengths in the last minute ");
        let header = line(&screen, "CPU searches");
        for title in ["trips", "coalesc", "to100us"] {
            assert!(header.contains(title), "{title}: {header}");
        }
        line(&screen, "CPUs, per second: 1-38 of 64");
        let odd = self::screen(&model, &mut view(), 85, 50);
        assert!(
            line(&odd, "CPU searches").ends_with("trips"),
            "no half of a column"
        );
    }

    #[test]
    fn bars_of_the_histogram_are_in_proportion() {
        let (_files, model) = model(4);
        let screen = screen(&model, &mut view(), 80, 24);
        let at = screen
            .iter()
            .position(|line| line.contains("≤1us 10"))
            .unwrap();
        let bars: Vec<char> = screen[at + 1].chars().collect();
        // Cells of 13 characters, of which 20 waits fill one but for the gap.
        let full = |from: usize| bars[from..].iter().take_while(|c| **c == '█').count();
        assert_eq!(full(13), 12);
        assert_eq!(full(0), 6);
    }

    #[test]
    fn the_table_scrolls_and_stops_at_its_ends() {
        let (_files, model) = model(64);
        let mut view = view();
        line(&screen(&model, &mut view, 80, 24), "1-8 of 64");
        view.scroll(1);
        line(&screen(&model, &mut view, 80, 24), "2-9 of 64");
        view.scroll_pages(1);
        line(&screen(&model, &mut view, 80, 24), "10-17 of 64");
        view.scroll_pages(100);
        line(&screen(&model, &mut view, 80, 24), "57-64 of 64");
        view.scroll(-1);
        line(&screen(&model, &mut view, 80, 24), "56-63 of 64");
        view.scroll_to(0);
        view.scroll(-5);
        line(&screen(&model, &mut view, 80, 24), "1-8 of 64");
        view.scroll_to(usize::MAX);
        line(&screen(&model, &mut view, 200, 50), "27-64 of 64");
    }

    #[test]
    fn the_table_is_sorted_by_what_is_wanted() {
        let (_files, model) = model(64);
        let mut view = view();
        let first = |view: &mut View| {
            let screen = screen(&model, view, 80, 24);
            let at = screen
                .iter()
                .position(|line| line.contains("CPU searches"))
                .unwrap();
            screen[at + 1]
                .split_whitespace()
                .next()
                .unwrap()
                .to_string()
        };
        assert_eq!(first(&mut view), "0");
        view.next_sort();
        assert_eq!(first(&mut view), "63");
        for _ in 0..3 {
            view.next_sort();
        }
        assert_eq!(first(&mut view), "3", "the one that has a trip");
        view.next_sort();
        assert_eq!(first(&mut view), "0");
    }

    #[test]
    fn another_set_of_columns_comes_first() {
        let (_files, model) = model(2);
        let mut view = view();
        view.next_set();
        let screen = screen(&model, &mut view, 80, 24);
        line(&screen, "CPU    plain     idle  preempt     wait");
        line(&screen, "c columns: kicks");
    }

    #[test]
    fn no_size_is_too_small() {
        let (_files, model) = model(16);
        for width in 0..=90 {
            for height in 0..=26 {
                let mut view = view();
                view.help = width % 2 == 0;
                view.scroll(3);
                screen(&model, &mut view, width, height);
            }
        }
        line(&screen(&model, &mut view(), 40, 6), "1000");
    }

    #[test]
    fn a_report_is_there_in_short_or_in_full() {
        let (_files, mut model) = model(4);
        let words = "word ".repeat(40);
        let file = format!("kind stall\nuptime_ms 5000\ntext {words}end\n");
        model.report = LastReport::Some(Box::new(crate::report::Report::parse(&file).unwrap()));
        model.uptime_ms = Some(8500);
        let small = screen(&model, &mut view(), 80, 24);
        line(
            &small,
            "last report, 3.5 s ago (scxcore explain tells more)",
        );
        assert!(line(&small, "word").ends_with("..."));
        line(&screen(&model, &mut view(), 120, 50), "word end");
    }

    #[test]
    fn without_the_module_it_says_what_to_do() {
        let (_files, mut model) = model(4);
        let sample = Sample {
            reading: Err(Trouble::BuiltIn),
            change: None,
            event: Some(Event::Removed),
            ..model.sample.clone()
        };
        let at = model.at + Duration::from_secs(1);
        model.take(sample, at);
        let screen = screen(&model, &mut view(), 120, 24);
        assert!(
            screen[1].contains("the counters are gone") && screen[1].contains("insmod rust-scx.ko")
        );
        assert!(line(&screen, "searches/s").contains('-'));
    }

    #[test]
    fn pause_and_help_are_seen() {
        let (_files, model) = model(4);
        let mut view = view();
        view.paused = true;
        view.help = true;
        let screen = screen(&model, &mut view, 80, 24);
        assert!(screen[0].ends_with("PAUSED"));
        line(&screen, "Graphs go back one minute.");
        for line in HELP.lines() {
            assert!(line.chars().count() <= 68, "{line}");
        }
    }

    #[test]
    fn no_color_means_none() {
        let (_files, model) = model(4);
        for colors in [true, false] {
            let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
            let mut view = View::new(1.0, colors);
            terminal
                .draw(|frame| draw(frame, &model, &mut view))
                .unwrap();
            let cells = &terminal.backend().buffer().content;
            assert_eq!(cells.iter().any(|cell| cell.fg != Color::Reset), colors);
        }
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.04, "0.0"),
            (99.94, "99.9"),
            (99.96, "100"),
            (99_999.0, "99999"),
            (100_000.0, "100k"),
            (12_345_678.0, "12346k"),
            (123_456_789.0, "123M"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn bars_have_eighths() {
        assert_eq!(bar(0.0), "");
        assert_eq!(bar(0.001), "▏");
        assert_eq!(bar(2.5), "██▌");
    }
}
