// SPDX-License-Identifier: GPL-2.0

//! The scheduler's objects with types: what upstream has no Rust for.
//!
//! The unsafe of this module lives here, so that [`dispatch`](crate::dispatch),
//! [`kick`](crate::kick) and [`watchdog`](crate::watchdog) need none.

pub(crate) mod counter;
pub(crate) mod cpumask;
pub(crate) mod dsp_ctx;
pub(crate) mod dsq;
pub(crate) mod dump;
pub(crate) mod exit;
pub(crate) mod kick_flags;
pub(crate) mod mailbox;
mod msg;
pub(crate) mod ops_state;
pub(crate) mod pass;
pub(crate) mod pending;
pub(crate) mod percpu;
pub(crate) mod pick_seq;
pub(crate) mod relock;
pub(crate) mod report;
pub(crate) mod rq;
pub(crate) mod scan;
pub(crate) mod scheduler;
pub(crate) mod task;
pub(crate) mod time;
pub(crate) mod trace;
pub(crate) mod watch;
