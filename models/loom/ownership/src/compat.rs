// SPDX-License-Identifier: GPL-2.0

//! The CPU numbers are the module's own, the atomics loom's.

#[path = "../../../../compat/cpu.rs"]
pub(crate) mod cpu;

pub(crate) mod sync {
    pub(crate) mod atomic;
}
