// SPDX-License-Identifier: GPL-2.0

//! The module's own.

#[path = "../../../compat/cpu.rs"]
pub(crate) mod cpu;
pub(crate) mod sync;
