// SPDX-License-Identifier: GPL-2.0

//! What sysrq-D and the exit of a BPF scheduler show of a CPU.

use super::msg::Msg;
use crate::bindings;
use core::{
    fmt,
    marker::PhantomData, //
};
use kernel::bindings::seq_buf;

/// Where a dump is written to.
pub(crate) struct Dump<'a>(*mut seq_buf, PhantomData<&'a mut ()>);

impl Dump<'_> {
    /// # Safety
    ///
    /// `buf` is what a dump in progress writes to, during the lifetime.
    pub(crate) unsafe fn from_raw(buf: *mut seq_buf) -> Self {
        Self(buf, PhantomData)
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, args: fmt::Arguments<'_>) {
        let msg = Msg::new(args);
        // SAFETY: Valid by the requirement of `from_raw`; the string is terminated, and copied
        // before the function returns.
        unsafe { bindings::scx_core_dump_line(self.0, msg.as_char_ptr()) };
    }
}
