// SPDX-License-Identifier: GPL-2.0

//! Throwing a BPF scheduler out.

use super::{
    msg::Msg,
    report::{
        Kind,
        Report, //
    },
};
use crate::{
    bindings,
    compat::cpu::CpuId, //
};
use core::fmt;

fn throw_out(stall: bool, cpu: Option<CpuId>, msg: &Msg) {
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
/// Any, any locks held. Does not sleep: what is slow is left to an irq_work.
#[doc(alias = "scx_ops_error")]
#[cold]
#[inline(never)]
pub(crate) fn scx_error(args: fmt::Arguments<'_>) {
    throw_out(false, None, &Msg::new(args));
}

/// As [`scx_error`], for what the watchdog has found: throw it out with this text, and keep the
/// report for tools. A dump begins with the CPU that it is about.
#[cold]
#[inline(never)]
pub(crate) fn scx_report(report: &Report, text: fmt::Arguments<'_>) {
    let msg = report.publish(text);
    throw_out(report.kind != Kind::Stuck, Some(report.cpu), &msg);
}
