// SPDX-License-Identifier: GPL-2.0

//! What the watchdog found, for users and their tools.
//!
//! A report has a text, which is what the BPF scheduler is thrown out with, and names for what is in
//! it: `last_report` in debugfs. `Documentation/ABI/testing/rust_scx` has these names.

use super::{
    msg::Msg,
    rq::{
        waiting::{
            Class,
            Place,
            Waiting, //
        },
        Locked,
        Rq, //
    },
    scheduler,
    task::Comm,
    time::{
        jiffies_to_msecs,
        since,
        uptime_ms,
        Jiffies, //
    },
    trace,
};
use crate::{
    bindings,
    compat::cpu::CpuId, //
};
use core::fmt;
use kernel::{
    c_str,
    ffi::c_ulong,
    prelude::*,
    str::CStr, //
};

/// What a report is about.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A task waited for too long.
    Stall,
    /// A CPU is stuck in the dispatch path.
    Stuck,
    /// The watchdog did not get to run.
    Watchdog,
    /// A task waited for too long, and the BPF scheduler is not to blame.
    Excused,
}

impl Kind {
    fn name(self) -> &'static CStr {
        match self {
            Self::Stall => c_str!("stall"),
            Self::Stuck => c_str!("stuck"),
            Self::Watchdog => c_str!("watchdog"),
            Self::Excused => c_str!("excused"),
        }
    }
}

/// What was found, as far as it is known.
pub(crate) struct Report {
    pub(crate) kind: Kind,
    pub(crate) cpu: CpuId,
    /// For how long.
    pub(crate) ms: u32,
    /// The task that waits.
    pub(crate) waiter: Option<(Comm, i32)>,
    /// Where it does.
    pub(crate) waiting: Option<Waiting>,
    /// What runs on the CPU.
    pub(crate) curr: Option<Curr>,
    /// When the CPU last came by for its next task.
    pub(crate) passed_at: Option<Jiffies>,
    /// When it was last kicked.
    pub(crate) kicked_at: Option<Jiffies>,
    /// Of that CPU under this scheduler.
    pub(crate) guard_trips: Option<usize>,
}

/// A task that runs, shown as `comm[pid] (class)`.
#[derive(Copy, Clone)]
pub(crate) struct Curr {
    comm: Comm,
    pid: i32,
    class: Class,
}

impl Curr {
    /// That of the CPU of `rq`.
    pub(crate) fn of(rq: &Rq<Locked>) -> Self {
        Self {
            comm: rq.curr().comm(),
            pid: rq.curr().pid(),
            class: rq.class_of_curr(),
        }
    }
}

impl fmt::Display for Curr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comm = self.comm.as_bstr();
        write!(f, "{comm}[{}] ({})", self.pid, self.class)
    }
}

impl Report {
    pub(crate) fn new(kind: Kind, cpu: CpuId, ms: u32) -> Self {
        Self {
            kind,
            cpu,
            ms,
            waiter: None,
            waiting: None,
            curr: None,
            passed_at: None,
            kicked_at: None,
            guard_trips: None,
        }
    }

    /// Hands it to tools; to users under `text`, which this returns.
    ///
    /// Does not sleep. Any context but NMI, any locks held.
    pub(super) fn publish(&self, text: fmt::Arguments<'_>) -> Msg {
        let text = Msg::new(text);
        let pid = self.waiter.as_ref().map_or(0, |waiter| waiter.1);

        trace::report(self.kind.name(), self.cpu, self.ms, pid, &text);
        // What comes after the first report is its consequence, most likely. C, too, takes the first.
        if self.kind != Kind::Excused && !scheduler::is_leaving() {
            self.save(&text);
        }
        text
    }

    /// Tells it to users, who need not do anything.
    ///
    /// # Context
    ///
    /// Process context, no locks held.
    pub(crate) fn tell(&self, text: fmt::Arguments<'_>) {
        pr_info!("{}\n", self.publish(text));
    }

    fn save(&self, text: &Msg) {
        let mut lines = Lines::begin();
        let mut line =
            |key: &'static CStr, value: fmt::Arguments<'_>| lines.add(key, &Msg::new(value));

        line(c_str!("kind"), format_args!("{}", self.kind.name()));
        line(c_str!("uptime_ms"), format_args!("{}", uptime_ms()));
        line(c_str!("cpu"), format_args!("{}", self.cpu.as_u32()));
        line(c_str!("ms"), format_args!("{}", self.ms));
        if let Some((comm, pid)) = &self.waiter {
            line(c_str!("comm"), format_args!("{}", comm.as_bstr()));
            line(c_str!("pid"), format_args!("{pid}"));
        }
        if let Some(Waiting { place, len }) = self.waiting {
            line(c_str!("place"), format_args!("{}", place.key()));
            if let Place::User(id) = place {
                line(c_str!("dsq"), format_args!("{id:#x}"));
            }
            if place != Place::Bpf {
                line(c_str!("queued"), format_args!("{len}"));
            }
        }
        if let Some(Curr { comm, pid, class }) = &self.curr {
            line(c_str!("curr_comm"), format_args!("{}", comm.as_bstr()));
            line(c_str!("curr_pid"), format_args!("{pid}"));
            line(c_str!("curr_class"), format_args!("{class}"));
        }
        if let Some(then) = self.passed_at {
            line(
                c_str!("dispatch_ms"),
                format_args!("{}", jiffies_to_msecs(since(then))),
            );
        }
        if let Some(then) = self.kicked_at {
            line(
                c_str!("kick_ms"),
                format_args!("{}", jiffies_to_msecs(since(then))),
            );
        }
        if let Some(trips) = self.guard_trips {
            line(c_str!("guard_trips"), format_args!("{trips}"));
        }
        lines.add(c_str!("text"), text);
    }
}

/// The lines of `last_report`, locked.
struct Lines {
    irq_flags: c_ulong,
}

impl Lines {
    /// None but the name of the BPF scheduler.
    fn begin() -> Self {
        // SAFETY: No NMI by the context of `publish`. `drop` ends it.
        let irq_flags = unsafe { bindings::rust_scx_report_begin() };
        Self { irq_flags }
    }

    fn add(&mut self, key: &CStr, value: &Msg) {
        // SAFETY: Begun, and both are terminated.
        unsafe { bindings::rust_scx_report_line(key.as_char_ptr(), value.as_char_ptr()) };
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // SAFETY: Begun, which returned the flags.
        unsafe { bindings::rust_scx_report_end(self.irq_flags) };
    }
}

#[cfg(CONFIG_KUNIT)]
mod tests {
    use super::*;
    use crate::compat::kunit::{
        assert,
        assert_eq,
        kunit_tests, //
    };

    kunit_tests!(rust_scx_report: [
        kinds_for_tools,
        a_new_one_says_what_it_is_told,
    ]);

    fn kinds_for_tools() {
        let names: [(Kind, &[u8]); 4] = [
            (Kind::Stall, b"stall"),
            (Kind::Stuck, b"stuck"),
            (Kind::Watchdog, b"watchdog"),
            (Kind::Excused, b"excused"),
        ];
        for (kind, name) in names {
            assert_eq!(kind.name().as_bytes(), name);
        }
    }

    fn a_new_one_says_what_it_is_told() {
        let Some(cpu) = CpuId::from_u32(0) else {
            return;
        };
        let report = Report::new(Kind::Stuck, cpu, 1234);
        assert!(report.kind == Kind::Stuck && report.cpu == cpu);
        assert_eq!(report.ms, 1234);
        assert!(report.waiter.is_none() && report.waiting.is_none() && report.curr.is_none());
        assert!(report.passed_at.is_none() && report.kicked_at.is_none());
        assert!(report.guard_trips.is_none());
    }
}
