// SPDX-License-Identifier: GPL-2.0

//! Where the kernel calls in: the only `extern "C"` functions of the module.
//!
//! Each turns raw pointers into types and calls one function. What each may rely on is written
//! at `struct scx_core_ops` in
//! [`include/linux/sched/ext_core.h`](srctree/include/linux/sched/ext_core.h) of the patched
//! kernel.

use crate::{
    bindings,
    compat::cpu::CpuId,
    dispatch::{
        self,
        DspVerdict, //
    },
    kick,
    sched::{
        counter,
        dump::Dump,
        kick_flags::KickFlags,
        ops_state::Owned,
        pending::Caller,
        rq::{
            Locked,
            Rq,
            ThisRq, //
        },
        scan::Scan,
        scheduler,
        task::Task,
        time::Jiffies, //
    },
    watchdog,
};
use core::ptr::addr_of;
use kernel::{
    bindings::{
        scx_dispatch_q,
        seq_buf,
        task_struct, //
    },
    c_str,
    error::{
        from_result,
        to_result, //
    },
    ffi::{
        c_int,
        c_ulong, //
    },
    prelude::*, //
};

/// # Safety
///
/// `this_rq` is of the executing CPU, locked and unpinned, its clock up to date, `prev` runs on it.
unsafe extern "C" fn balance(this_rq: *mut bindings::rq, prev: *mut task_struct) -> c_int {
    // SAFETY: Locked by the requirement above.
    let rq = unsafe { Rq::assume_locked(this_rq) };
    // SAFETY: A task does not go away while it is a CPU's current one, which `prev` is at least
    // until balancing is over.
    let prev = unsafe { Task::from_raw(prev) };

    let verdict = dispatch::balance_at_hand(rq, prev);
    // SAFETY: It is of the executing CPU, and IRQs are off with its lock held.
    let this_rq = unsafe { ThisRq::assume_irqs_off(this_rq) };
    match verdict {
        Some(verdict) => {
            dispatch::settle(&this_rq, rq, verdict);
            // SAFETY: Balancing is over, a pick follows.
            unsafe { end_balance(&this_rq, rq, verdict) }
        }
        // SAFETY: As this function.
        None => unsafe { balance_by_search(this_rq, rq) },
    }
}

/// A function of its own, so that who does not come here does not pay for its frame.
///
/// # Safety
///
/// As [`balance`], whose `prev` is the current task of `rq`.
#[inline(never)]
unsafe fn balance_by_search(this_rq: ThisRq<'_>, rq: &mut Rq<Locked>) -> c_int {
    // SAFETY: As there.
    let prev = unsafe { Task::from_raw(rq.curr().as_raw()) };
    let verdict = dispatch::balance_by_search(&this_rq, rq, prev);
    // SAFETY: Balancing is over, a pick follows.
    unsafe { end_balance(&this_rq, rq, verdict) }
}

/// # Safety
///
/// Balancing is over, a pick follows.
#[inline(always)]
unsafe fn end_balance(this_rq: &ThisRq<'_>, rq: &mut Rq<Locked>, verdict: DspVerdict) -> c_int {
    let found = verdict != DspVerdict::Nothing;
    if (!found && Scan::of(this_rq).is_unfinished()) || kick::must_wait(this_rq) {
        // SAFETY: By the requirement above.
        unsafe { rq.call_after_switch(after_switch) };
    }
    found.into()
}

/// # Safety
///
/// `rq` is of the executing CPU and locked, and the core scheduler is done with switching tasks.
unsafe extern "C" fn after_switch(rq: *mut bindings::rq) {
    // SAFETY: As in `balance`.
    let (this_rq, rq) = unsafe { (ThisRq::assume_irqs_off(rq), Rq::assume_locked(rq)) };
    dispatch::come_back(&this_rq, rq);
    // Last, as it takes IRQs meanwhile.
    kick::wait(rq);
}

/// # Safety
///
/// `rq` is what the dispatch context of the executing CPU says, in balance and locked.
unsafe extern "C" fn consume(rq: *mut bindings::rq, dsq_id: u64) -> bool {
    // SAFETY: Locked by the requirement above. The `Rq` of who called `ops.dispatch()` is not in
    // use meanwhile.
    let rq = unsafe { Rq::assume_locked(rq) };
    // SAFETY: IRQs are off with a run queue's lock held.
    let this_rq = unsafe { ThisRq::assume_irqs_off(bindings::this_rq()) };
    dispatch::consume(&this_rq, rq, dsq_id)
}

/// # Safety
///
/// `rq` is locked and unpinned, `p` is on it and on no DSQ, `dsq` a local one.
unsafe extern "C" fn to_local(
    rq: *mut bindings::rq,
    dsq: *mut scx_dispatch_q,
    p: *mut task_struct,
    enq_flags: u64,
) {
    // SAFETY: Locked by the requirement above.
    let (this_rq, rq) = unsafe {
        (
            ThisRq::assume_irqs_off(bindings::this_rq()),
            Rq::assume_locked(rq),
        )
    };
    // SAFETY: Runnable, so it is there; the rest by the requirement above.
    let owned = unsafe { Owned::assume(Task::from_raw(p)) };
    // SAFETY: By the requirement above.
    let to = unsafe { Rq::of_local_dsq(dsq) };
    dispatch::to_local(&this_rq, rq, owned, to, enq_flags);
}

/// # Safety
///
/// `this_rq` is of the executing CPU, `cpu` a possible CPU, IRQs are off. `kf_mask` is that of the task
/// that executes this, or says that an NMI does.
#[no_mangle]
unsafe extern "C" fn rust_scx_kick(this_rq: *mut bindings::rq, cpu: i32, flags: u64, kf_mask: u32) {
    // SAFETY: By the requirement above.
    let this_rq = unsafe { ThisRq::assume_irqs_off(this_rq) };
    // SAFETY: Possible, by the requirement above, which `scx_bpf_kick_cpu()` checks.
    let cpu = unsafe { CpuId::from_i32_unchecked(cpu) };
    let caller = Caller::from_mask(kf_mask);
    kick::kick(this_rq, cpu, KickFlags::from_bits(flags), caller);
}

/// # Safety
///
/// `this_rq` is of the executing CPU, IRQs are off.
unsafe extern "C" fn kick_irq(this_rq: *mut bindings::rq) {
    // SAFETY: By the requirement above.
    kick::kick_cpus(&unsafe { ThisRq::assume_irqs_off(this_rq) });
}

/// # Safety
///
/// `rq` is locked, IRQs are off.
unsafe extern "C" fn enqueued(rq: *mut bindings::rq) {
    // SAFETY: By the requirement above.
    let this_rq = unsafe { ThisRq::assume_irqs_off(bindings::this_rq()) };
    // SAFETY: Locked by the requirement above.
    kick::enqueued(&this_rq, unsafe { Rq::assume_locked(rq) });
}

/// # Safety
///
/// `rq` is locked.
unsafe extern "C" fn tick(rq: *mut bindings::rq) {
    // SAFETY: By the requirement above.
    watchdog::tick(unsafe { Rq::assume_locked(rq) });
}

extern "C" fn watchdog_scan() {
    watchdog::scan();
}

extern "C" fn watchdog_interval() -> c_ulong {
    watchdog::interval() as c_ulong
}

extern "C" fn prepare() -> c_int {
    from_result(|| {
        kick::prepare()?;
        Ok(0)
    })
}

/// # Safety
///
/// `args` is valid.
unsafe extern "C" fn enable(args: *const bindings::scx_core_args) {
    // SAFETY: By the requirement above.
    let args = unsafe { &*args };

    counter::count_serialized(counter::ENABLES);
    // SAFETY: By the requirement above; a terminated string.
    unsafe { bindings::rust_scx_set_scheduler(args.name) };
    // SAFETY: The dispatch contexts are freed once no task is on sched_ext, the rest never.
    unsafe { scheduler::set(args) };
    watchdog::enable(args.timeout as Jiffies);
}

extern "C" fn disable() {
    counter::count_serialized(counter::DISABLES);
    dispatch::disable();
    kick::disable();
}

/// # Safety
///
/// `rq` is locked, `buf` is what a dump in progress writes to.
unsafe extern "C" fn dump(rq: *mut bindings::rq, buf: *mut seq_buf) {
    // SAFETY: By the requirement above.
    let (rq, mut out) = unsafe { (Rq::assume_locked(rq), Dump::from_raw(buf)) };
    kick::dump(rq, &mut out);
}

/// What is registered, never written.
#[repr(transparent)]
struct CoreOps(bindings::scx_core_ops);

// SAFETY: Constant, and so is all it points to but the module, which C takes care of.
unsafe impl Sync for CoreOps {}

static OPS: CoreOps = CoreOps(bindings::scx_core_ops {
    abi: bindings::SCX_CORE_ABI,
    name: c_str!("rust_scx").as_char_ptr(),
    layout: addr_of!(bindings::rust_scx_layout).cast(),
    owner: addr_of!(bindings::__this_module).cast_mut(),
    balance: Some(balance),
    consume: Some(consume),
    to_local: Some(to_local),
    kick: Some(bindings::rust_scx_enter_kick),
    kick_irq: Some(kick_irq),
    enqueued: Some(enqueued),
    tick: Some(tick),
    watchdog_scan: Some(watchdog_scan),
    watchdog_interval: Some(watchdog_interval),
    prepare: Some(prepare),
    enable: Some(enable),
    disable: Some(disable),
    dump: Some(dump),
});

/// Being in charge.
///
/// # Invariants
///
/// [`OPS`] is registered.
pub(crate) struct Registration(());

impl Registration {
    /// Takes over from the built-in core.
    ///
    /// Fails with `EBUSY` while a BPF scheduler is enabled, and with `EINVAL` in a kernel that the
    /// module was not built for. The kernel log says which and why.
    ///
    /// # Context
    ///
    /// Process context. May sleep.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: Static, and `drop` unregisters before the module goes away.
        to_result(unsafe { bindings::scx_core_register(&OPS.0) })?;
        pr_info!("in charge of dispatch, kicks and watchdog\n");
        // INVARIANT: It succeeded.
        Ok(Self(()))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariant.
        unsafe { bindings::scx_core_unregister(&OPS.0) };
        pr_info!("handed back to the built-in core\n");
    }
}
