// SPDX-License-Identifier: GPL-2.0

//! Tracepoints. One that is off costs a NOP.
//!
//! They are defined in `include/rust_scx_trace.h`; `Documentation/ABI/testing/rust_scx` has what
//! they say.

use super::{
    counter::Counter,
    msg::Msg,
    time::Stopwatch, //
};
use crate::{
    bindings,
    compat::cpu::CpuId, //
};
use kernel::str::CStr;

#[cfg(not(rust_scx_untraced))]
macro_rules! is_on {
    ($tracepoint:ident) => {
        // SAFETY: Tracepoints have their key there, and begin without users.
        unsafe {
            crate::compat::jump_label::static_branch_unlikely!(
                bindings::$tracepoint,
                bindings::rust_scx_offset_RUST_SCX_TRACEPOINT_KEY as usize
            )
        }
    };
}

#[cfg(rust_scx_untraced)]
macro_rules! is_on {
    ($tracepoint:ident) => {
        false
    };
}

/// `cpu` was to be kicked, and that came of it, by the name of its counter.
#[inline(always)]
pub(crate) fn kick(cpu: CpuId, flags: u64, outcome: Counter) {
    if is_on!(__tracepoint_rust_scx_kick) {
        // SAFETY: May be called anywhere.
        unsafe { bindings::rust_scx_trace_kick(cpu.as_u32() as i32, flags, outcome) };
    }
}

/// This CPU has waited for `cpu` since then.
#[inline(always)]
pub(crate) fn wait(cpu: CpuId, since: Stopwatch, outcome: Counter) {
    if is_on!(__tracepoint_rust_scx_wait) {
        // SAFETY: As in `kick`.
        unsafe {
            bindings::rust_scx_trace_wait(cpu.as_u32() as i32, since.elapsed_ns(), outcome);
        }
    }
}

/// The dispatch loop for `cpu` was ended after so many rounds.
#[inline(always)]
pub(crate) fn guard_trip(cpu: CpuId, rounds: u32) {
    if is_on!(__tracepoint_rust_scx_guard_trip) {
        // SAFETY: As in `kick`.
        unsafe { bindings::rust_scx_trace_guard_trip(cpu.as_u32() as i32, rounds) };
    }
}

/// The watchdog has found something; `pid` is 0 if it is about no task.
pub(super) fn report(kind: &CStr, cpu: CpuId, ms: u32, pid: i32, text: &Msg) {
    if is_on!(__tracepoint_rust_scx_report) {
        // SAFETY: As in `kick`; both are terminated.
        unsafe {
            bindings::rust_scx_trace_report(
                kind.as_char_ptr(),
                cpu.as_u32() as i32,
                ms,
                pid,
                text.as_char_ptr(),
            );
        }
    }
}
