// SPDX-License-Identifier: GPL-2.0

//! Throwing a BPF scheduler out.

use crate::bindings;
use core::fmt::{
    self,
    Write, //
};

/// Room for the longest of our messages: a task's name, two numbers and a sentence.
const MSG_LEN: usize = 128;

/// A C string being written; what does not fit is cut off.
///
/// # Invariants
///
/// `len < MSG_LEN`, and all bytes from there on are 0.
struct Msg {
    buf: [u8; MSG_LEN],
    len: usize,
}

impl Write for Msg {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for &byte in s.as_bytes() {
            // The last byte stays the terminator.
            if self.len >= MSG_LEN - 1 {
                return Err(fmt::Error);
            }
            if let Some(slot) = self.buf.get_mut(self.len) {
                *slot = byte;
                self.len = self.len.wrapping_add(1);
            }
        }
        Ok(())
    }
}

fn throw_out(stall: bool, args: fmt::Arguments<'_>) {
    // INVARIANT: Empty.
    let mut msg = Msg {
        buf: [0; MSG_LEN],
        len: 0,
    };
    // Failing means that the message was cut off, which is better than none.
    let _ = msg.write_fmt(args);

    // SAFETY: A terminated string by the type invariant, copied before the function returns.
    unsafe { bindings::scx_core_error(stall, msg.buf.as_ptr().cast()) };
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
