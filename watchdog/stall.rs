// SPDX-License-Identifier: GPL-2.0

//! What is said of a task that has waited for too long.

#![deny(unsafe_code)]

use crate::{
    compat::sync::atomic::Relaxed,
    sched::{
        counter,
        exit::scx_report,
        report::{
            Curr,
            Kind,
            Report, //
        },
        rq::{
            Locked,
            Rq, //
        },
        task::Task,
        time::{
            jiffies_to_msecs,
            since,
            Jiffies, //
        },
        watch::Watch, //
    },
};
use core::fmt;

/// Throws the scheduler out for what it did to `p`.
#[cold]
pub(super) fn report_stall(rq: &Rq<Locked>, watch: &Watch, p: &Task) {
    rq.count(counter::STALLS);

    let trips = (counter::read(rq.cpu(), counter::GUARD_TRIPS) as usize)
        .wrapping_sub(watch.old_trips.load(Relaxed));
    let ms = jiffies_to_msecs(since(p.runnable_at()));
    let waiting = rq.waiting(p);
    let curr = Curr::of(rq);
    let report = Report {
        waiter: Some((p.comm(), p.pid())),
        waiting: Some(waiting),
        curr: Some(curr),
        passed_at: Some(watch.passed_at.load(Relaxed)),
        kicked_at: (watch.kicks.load(Relaxed) != 0).then(|| watch.kicked_at.load(Relaxed)),
        guard_trips: Some(trips),
        ..Report::new(Kind::Stall, rq.cpu(), ms)
    };
    // Tools look for the words up to the "s".
    scx_report(
        &report,
        format_args!(
            "{}[{}] failed to run for {}.{:03}s on CPU {}: waits {}, the CPU runs {}, \
             last dispatch {}, last kick {}, {} guard trips",
            p.comm().as_bstr(),
            p.pid(),
            ms / 1000,
            ms % 1000,
            rq.cpu().as_u32(),
            waiting,
            curr,
            Ago(report.passed_at),
            Ago(report.kicked_at),
            trips
        ),
    );
}

/// A point in time, if there was one, for users.
struct Ago(Option<Jiffies>);

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(then) => write!(f, "{} ms ago", jiffies_to_msecs(since(then))),
            None => f.write_str("never"),
        }
    }
}

#[cfg(CONFIG_KUNIT)]
mod tests {
    use super::*;
    use crate::{
        compat::kunit::{
            assert,
            kunit_tests, //
        },
        sched::time::{
            jiffies,
            msecs_to_jiffies, //
        },
    };
    use kernel::str::CString;

    kunit_tests!(rust_scx_stall: [
        how_long_ago,
    ]);

    fn how_long_ago() {
        let shows = |when, text: &[u8]| {
            CString::try_from_fmt(format_args!("{}", Ago(when))).is_ok_and(|s| s.as_bytes() == text)
        };
        assert!(shows(None, b"never"));
        // Time goes on between the two, by a jiffy or a few.
        let ms = |ago: u32| jiffies().wrapping_sub(msecs_to_jiffies(ago));
        assert!(!shows(Some(ms(5000)), b"never"));
        assert!(!shows(Some(ms(5000)), b"0 ms ago"));
        let now = CString::try_from_fmt(format_args!("{}", Ago(Some(jiffies()))));
        assert!(now.is_ok_and(|s| s.as_bytes().ends_with(b" ms ago")));
    }
}
