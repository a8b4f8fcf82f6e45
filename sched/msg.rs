// SPDX-License-Identifier: GPL-2.0

//! Lines for users, put together without allocating.

use core::fmt::{
    self,
    Write, //
};
use kernel::{
    ffi::c_char,
    str::BStr, //
};

/// Room for the longest of our messages, the report of a stall. It is on the stack.
const MSG_LEN: usize = 320;

/// A C string being written; what does not fit is cut off.
///
/// # Invariants
///
/// `len < MSG_LEN`, and all bytes from there on are 0.
pub(super) struct Msg {
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

impl Msg {
    /// What does not fit is cut off.
    pub(super) fn new(args: fmt::Arguments<'_>) -> Self {
        // INVARIANT: Empty.
        let mut msg = Self {
            buf: [0; MSG_LEN],
            len: 0,
        };
        // Failing means that the message was cut off, which is better than none.
        let _ = msg.write_fmt(args);
        msg
    }

    /// As it is, without what comes after the end.
    fn text(&self) -> &BStr {
        BStr::from_bytes(self.buf.get(..self.len).unwrap_or(&[]))
    }

    /// As a C string.
    pub(super) fn as_char_ptr(&self) -> *const c_char {
        self.buf.as_ptr().cast()
    }
}

impl fmt::Display for Msg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.text(), f)
    }
}
