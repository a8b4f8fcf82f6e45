// SPDX-License-Identifier: GPL-2.0

//! The module's own, without loom: of the checked files only the records of waits use it, and
//! those are a CPU's own.

#[path = "../../../../compat/sync/atomic.rs"]
pub(crate) mod atomic;
