// SPDX-License-Identifier: GPL-2.0

//! Throwing a BPF scheduler out.

use super::msg::Msg;
use crate::{
    bindings,
    compat::cpu::CpuId, //
};
use core::fmt;

fn throw_out(stall: bool, cpu: Option<CpuId>, args: fmt::Arguments<'_>) {
    let msg = Msg::new(args);
    let cpu = cpu.map_or(-1, |cpu| cpu.as_u32() as i32);
    // SAFETY: A terminated string, copied before the function returns.
    unsafe { bindings::scx_core_error(stall, cpu, msg.as_char_ptr()) };
}

/// The BPF scheduler did something wrong: throw it out and say why.
///
/// Only the first of several errors counts.
///
/// # Context
///
/// Any but NMI, any locks held. Does not sleep: what is slow is left to an irq_work.
#[doc(alias = "scx_ops_error")]
#[cold]
#[inline(never)]
pub(crate) fn scx_error(args: fmt::Arguments<'_>) {
    throw_out(false, None, args);
}

/// As [`scx_error`], for what it did to `cpu`: a dump begins there.
#[cold]
#[inline(never)]
pub(crate) fn scx_error_on(cpu: CpuId, args: fmt::Arguments<'_>) {
    throw_out(false, Some(cpu), args);
}

/// The BPF scheduler let a task of `cpu`, or the watchdog, starve: throw it out and say whom.
///
/// # Context
///
/// As [`scx_error`].
#[cold]
#[inline(never)]
pub(crate) fn scx_stall(cpu: CpuId, args: fmt::Arguments<'_>) {
    throw_out(true, Some(cpu), args);
}
