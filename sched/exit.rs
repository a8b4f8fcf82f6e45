// SPDX-License-Identifier: GPL-2.0

//! Throwing a BPF scheduler out.

use super::msg::Msg;
use crate::bindings;
use core::fmt;

fn throw_out(stall: bool, args: fmt::Arguments<'_>) {
    let msg = Msg::new(args);
    // SAFETY: A terminated string, copied before the function returns.
    unsafe { bindings::scx_core_error(stall, -1, msg.as_char_ptr()) };
}

/// The BPF scheduler did something wrong: throw it out and say why.
///
/// Only the first of several errors counts.
///
/// # Context
///
/// Any but NMI, any locks held. Does not sleep: what is slow is left to an irq_work.
#[doc(alias = "scx_ops_error")]
pub(crate) fn scx_error(args: fmt::Arguments<'_>) {
    throw_out(false, args);
}

/// The BPF scheduler let a task or the watchdog starve: throw it out and say whom.
///
/// # Context
///
/// As [`scx_error`].
pub(crate) fn scx_stall(args: fmt::Arguments<'_>) {
    throw_out(true, args);
}
