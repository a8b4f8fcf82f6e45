// SPDX-License-Identifier: GPL-2.0

//! Stand-ins for what later `kernel` crates have, under their names and paths.
//!
//! To move to such a kernel, delete the file and point the `use` at `kernel`.
//! Nothing here goes beyond what upstream has; our own additions are in `sched`.

pub(crate) mod cpu;
#[cfg(not(rust_scx_untraced))] // tracing has the only key that is looked at
pub(crate) mod jump_label;
#[cfg(CONFIG_KUNIT)]
pub(crate) mod kunit;
pub(crate) mod sync;
