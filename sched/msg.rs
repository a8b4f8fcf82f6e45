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

#[cfg(CONFIG_KUNIT)]
mod tests {
    use super::*;
    use crate::compat::kunit::{
        assert,
        assert_eq,
        kunit_tests, //
    };

    kunit_tests!(rust_scx_msg: [
        as_it_is_written,
        nothing_is_an_empty_string,
        the_longest_fits,
        longer_is_cut_off,
        cut_off_within_a_piece,
        shown_as_written,
    ]);

    const LONGEST: usize = MSG_LEN - 1;

    struct Repeat(char, usize);

    impl fmt::Display for Repeat {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            (0..self.1).try_for_each(|_| f.write_char(self.0))
        }
    }

    fn is(msg: &Msg, text: &str) -> bool {
        **msg.text() == *text.as_bytes()
    }

    /// Whether it is a C string, of what is shown.
    fn is_terminated(msg: &Msg) -> bool {
        msg.buf.iter().position(|&byte| byte == 0) == Some(msg.text().len())
    }

    fn as_it_is_written() {
        let msg = Msg::new(format_args!("CPU {} waits for {:#x}", 3, 255));
        assert!(is(&msg, "CPU 3 waits for 0xff"));
        assert!(is_terminated(&msg));
    }

    fn nothing_is_an_empty_string() {
        let msg = Msg::new(format_args!(""));
        assert!(is(&msg, ""));
        assert!(is_terminated(&msg));
    }

    fn the_longest_fits() {
        let msg = Msg::new(format_args!("{}", Repeat('x', LONGEST)));
        assert_eq!(msg.text().len(), LONGEST);
        assert!(is_terminated(&msg));
    }

    fn longer_is_cut_off() {
        for by in [1, 2, MSG_LEN] {
            let msg = Msg::new(format_args!("{}", Repeat('x', LONGEST + by)));
            assert_eq!(msg.text().len(), LONGEST);
            assert!(is_terminated(&msg));
        }
    }

    fn cut_off_within_a_piece() {
        let msg = Msg::new(format_args!(
            "{}{}{}",
            Repeat('x', LONGEST - 2),
            "abcd",
            "efgh"
        ));
        assert!(msg.text().ends_with(b"xab"));
        assert!(is_terminated(&msg));
    }

    fn shown_as_written() {
        let inner = Msg::new(format_args!("{}", "stall"));
        let outer = Msg::new(format_args!("[{inner}]"));
        assert!(is(&outer, "[stall]"));
    }
}
