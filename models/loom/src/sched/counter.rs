// SPDX-License-Identifier: GPL-2.0

//! Counters, summed over all CPUs and schedules: by them tests tell what has been tried.

use crate::compat::cpu::CpuId;
use std::{
    cell::RefCell,
    collections::BTreeMap, //
};

pub(crate) type Counter = &'static str;

macro_rules! counters {
    ($($name:ident)*) => {
        $(pub(crate) const $name: Counter = stringify!($name);)*
    };
}

counters! {
    KICK_BYPASSED KICK_COALESCED KICK_HIGHER_CLASS KICK_IDLE KICK_IDLE_SKIPPED KICK_IPIS KICK_IRQ_WORK
    KICK_LEFT KICK_NOTED KICK_NO_SCHEDULER KICK_OFFLINE KICK_PLAIN KICK_PREEMPT KICK_RESCHED KICK_WAIT
    WAIT_1US WAIT_10US WAIT_100US WAIT_1MS WAIT_10MS WAIT_LONGER WAITS WAITS_CANCELLED WAITS_DONE WAITS_FULL WAITS_SKIPPED WAIT_RESCHEDS WAIT_TIMEOUTS
}

thread_local! {
    // A test is a thread of the system, and loom's threads are all on it.
    static COUNTS: RefCell<BTreeMap<Counter, u64>> = const { RefCell::new(BTreeMap::new()) };
}

pub(crate) fn count(_cpu: CpuId, id: Counter) {
    COUNTS.with_borrow_mut(|counts| *counts.entry(id).or_default() += 1);
}

/// How often `id` was counted in this test.
pub(crate) fn of(id: Counter) -> u64 {
    COUNTS.with_borrow(|counts| counts.get(id).copied().unwrap_or(0))
}
