// SPDX-License-Identifier: GPL-2.0

//! What the module counts: debugfs shows it, and tests tell by it that Rust was in charge.
//!
//! The list is `RUST_SCX_COUNTERS` in `include/rust_scx.h`.

use super::percpu;
use crate::{
    bindings,
    compat::cpu::CpuId, //
};
use core::ptr::addr_of_mut;

/// Names as debugfs has them.
pub(crate) use bindings::{
    rust_scx_counter as Counter,
    rust_scx_counter_RUST_SCX_COUNTER_balance as BALANCE,
    rust_scx_counter_RUST_SCX_COUNTER_balance_twice as BALANCE_TWICE,
    rust_scx_counter_RUST_SCX_COUNTER_bypass as BYPASS,
    rust_scx_counter_RUST_SCX_COUNTER_consume_local as CONSUME_LOCAL,
    rust_scx_counter_RUST_SCX_COUNTER_consume_remote as CONSUME_REMOTE,
    rust_scx_counter_RUST_SCX_COUNTER_disables as DISABLES,
    rust_scx_counter_RUST_SCX_COUNTER_dispatch as DISPATCH,
    rust_scx_counter_RUST_SCX_COUNTER_dispatch_rounds as DISPATCH_ROUNDS,
    rust_scx_counter_RUST_SCX_COUNTER_enables as ENABLES,
    rust_scx_counter_RUST_SCX_COUNTER_excused_class as EXCUSED_CLASS,
    rust_scx_counter_RUST_SCX_COUNTER_excused_stolen as EXCUSED_STOLEN,
    rust_scx_counter_RUST_SCX_COUNTER_finish_local as FINISH_LOCAL,
    rust_scx_counter_RUST_SCX_COUNTER_finish_queue as FINISH_QUEUE,
    rust_scx_counter_RUST_SCX_COUNTER_finish_remote as FINISH_REMOTE,
    rust_scx_counter_RUST_SCX_COUNTER_guard_trips as GUARD_TRIPS,
    rust_scx_counter_RUST_SCX_COUNTER_keep_prev as KEEP_PREV,
    rust_scx_counter_RUST_SCX_COUNTER_kick_bypassed as KICK_BYPASSED,
    rust_scx_counter_RUST_SCX_COUNTER_kick_coalesced as KICK_COALESCED,
    rust_scx_counter_RUST_SCX_COUNTER_kick_higher_class as KICK_HIGHER_CLASS,
    rust_scx_counter_RUST_SCX_COUNTER_kick_idle as KICK_IDLE,
    rust_scx_counter_RUST_SCX_COUNTER_kick_idle_skipped as KICK_IDLE_SKIPPED,
    rust_scx_counter_RUST_SCX_COUNTER_kick_ipis as KICK_IPIS,
    rust_scx_counter_RUST_SCX_COUNTER_kick_irq_work as KICK_IRQ_WORK,
    rust_scx_counter_RUST_SCX_COUNTER_kick_left as KICK_LEFT,
    rust_scx_counter_RUST_SCX_COUNTER_kick_no_scheduler as KICK_NO_SCHEDULER,
    rust_scx_counter_RUST_SCX_COUNTER_kick_noted as KICK_NOTED,
    rust_scx_counter_RUST_SCX_COUNTER_kick_offline as KICK_OFFLINE,
    rust_scx_counter_RUST_SCX_COUNTER_kick_plain as KICK_PLAIN,
    rust_scx_counter_RUST_SCX_COUNTER_kick_preempt as KICK_PREEMPT,
    rust_scx_counter_RUST_SCX_COUNTER_kick_resched as KICK_RESCHED,
    rust_scx_counter_RUST_SCX_COUNTER_kick_wait as KICK_WAIT,
    rust_scx_counter_RUST_SCX_COUNTER_lock_switches as LOCK_SWITCHES,
    rust_scx_counter_RUST_SCX_COUNTER_lost_race as LOST_RACE,
    rust_scx_counter_RUST_SCX_COUNTER_not_here as NOT_HERE,
    rust_scx_counter_RUST_SCX_COUNTER_scan_aborts as SCAN_ABORTS,
    rust_scx_counter_RUST_SCX_COUNTER_scan_breaks as SCAN_BREAKS,
    rust_scx_counter_RUST_SCX_COUNTER_scan_locks as SCAN_LOCKS,
    rust_scx_counter_RUST_SCX_COUNTER_scan_rqs as SCAN_RQS,
    rust_scx_counter_RUST_SCX_COUNTER_scan_steps as SCAN_STEPS,
    rust_scx_counter_RUST_SCX_COUNTER_scan_tasks as SCAN_TASKS,
    rust_scx_counter_RUST_SCX_COUNTER_scans as SCANS,
    rust_scx_counter_RUST_SCX_COUNTER_scans_late as SCANS_LATE,
    rust_scx_counter_RUST_SCX_COUNTER_spurious as SPURIOUS,
    rust_scx_counter_RUST_SCX_COUNTER_stalls as STALLS,
    rust_scx_counter_RUST_SCX_COUNTER_stuck_dispatches as STUCK_DISPATCHES,
    rust_scx_counter_RUST_SCX_COUNTER_tick_checks as TICK_CHECKS,
    rust_scx_counter_RUST_SCX_COUNTER_tick_graces as TICK_GRACES,
    rust_scx_counter_RUST_SCX_COUNTER_tick_stalls as TICK_STALLS,
    rust_scx_counter_RUST_SCX_COUNTER_wait_100us as WAIT_100US,
    rust_scx_counter_RUST_SCX_COUNTER_wait_10ms as WAIT_10MS,
    rust_scx_counter_RUST_SCX_COUNTER_wait_10us as WAIT_10US,
    rust_scx_counter_RUST_SCX_COUNTER_wait_1ms as WAIT_1MS,
    rust_scx_counter_RUST_SCX_COUNTER_wait_1us as WAIT_1US,
    rust_scx_counter_RUST_SCX_COUNTER_wait_longer as WAIT_LONGER,
    rust_scx_counter_RUST_SCX_COUNTER_wait_rescheds as WAIT_RESCHEDS,
    rust_scx_counter_RUST_SCX_COUNTER_wait_timeouts as WAIT_TIMEOUTS,
    rust_scx_counter_RUST_SCX_COUNTER_waits as WAITS,
    rust_scx_counter_RUST_SCX_COUNTER_waits_cancelled as WAITS_CANCELLED,
    rust_scx_counter_RUST_SCX_COUNTER_waits_done as WAITS_DONE,
    rust_scx_counter_RUST_SCX_COUNTER_waits_full as WAITS_FULL,
    rust_scx_counter_RUST_SCX_COUNTER_waits_skipped as WAITS_SKIPPED, //
};

/// Adds one to what `cpu` counts of `id`.
///
/// Not a locked instruction: when two CPUs count for the same CPU at once, one count is lost
/// and nothing else. Callers are on that CPU with IRQs off or hold its rq lock.
#[inline]
pub(crate) fn count(cpu: CpuId, id: Counter) {
    add(cpu, id, 1);
}

/// As [`count`], for several at once.
#[inline]
pub(crate) fn add(cpu: CpuId, id: Counter, by: u64) {
    // SAFETY: Valid by `percpu::of`.
    unsafe { add_to(percpu::of(cpu), id, by) };
}

/// As [`add`], where it is known where the CPU counts.
///
/// # Safety
///
/// `pcpu` comes from [`percpu::of`].
#[inline(always)]
pub(super) unsafe fn add_to(pcpu: *mut bindings::rust_scx_pcpu, id: Counter, by: u64) {
    // SAFETY: By the requirement above.
    let slot = unsafe { slot(pcpu, id) };
    // SAFETY: Valid by `slot`. Readers in C use READ_ONCE(), so the access is volatile.
    let n = unsafe { slot.read_volatile() };
    // SAFETY: As above.
    unsafe { slot.write_volatile(n.wrapping_add(by)) };
}

/// What `cpu` has counted of `id` so far.
pub(crate) fn read(cpu: CpuId, id: Counter) -> u64 {
    // SAFETY: Valid by `percpu::of` and `slot`.
    unsafe { slot(percpu::of(cpu), id).read_volatile() }
}

/// # Safety
///
/// `pcpu` comes from [`percpu::of`].
#[inline(always)]
unsafe fn slot(pcpu: *mut bindings::rust_scx_pcpu, id: Counter) -> *mut u64 {
    // SAFETY: By the requirement above. `Counter`s other than the named ones do not exist, and
    // those are below the length of the array.
    unsafe {
        addr_of_mut!((*pcpu).counters)
            .cast::<u64>()
            .add(id as usize)
    }
}

/// As [`count`], for what happens in process context and never twice at once.
pub(crate) fn count_serialized(id: Counter) {
    if let Some(cpu) = CpuId::from_u32(0) {
        count(cpu, id);
    }
}

/// The counters' files in debugfs.
///
/// # Invariants
///
/// The files are there until this is dropped, if debugfs is.
pub(crate) struct Debugfs(());

impl Debugfs {
    pub(crate) fn new() -> Self {
        // SAFETY: In process context, once per load of the module.
        unsafe { bindings::rust_scx_debugfs_init() };
        // INVARIANT: Just created.
        Self(())
    }
}

impl Drop for Debugfs {
    fn drop(&mut self) {
        // SAFETY: Created by `new`.
        unsafe { bindings::rust_scx_debugfs_exit() };
    }
}
