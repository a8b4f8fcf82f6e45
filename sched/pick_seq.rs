// SPDX-License-Identifier: GPL-2.0

//! Pick-sequence arrays: what a CPU remembers of the others in order to wait for them.
//!
//! Each run queue has a sequence that moves when its CPU picks anew. Who waits for a CPU with
//! `SCX_KICK_WAIT` notes the sequence, and waits until it differs.
//!
//! Every possible CPU has an array of [`nr_cpu_ids`] sequences, on its own NUMA node. They are
//! allocated when a BPF scheduler is enabled, published and read under RCU, and freed after a
//! grace period when it is disabled: an irq_work may come at any time, and has to live with no
//! array.
//!
//! C counterpart: `scx_kick_cpus_pnt_seqs` in
//! [`kernel/sched/ext.c`](srctree/kernel/sched/ext.c)

use super::{
    percpu,
    rq::ThisRq, //
};
use crate::{
    bindings,
    compat::{
        cpu::{
            nr_cpu_ids,
            CpuId, //
        },
        sync::{
            atomic::Atomic,
            rcu, //
        },
    },
};
use core::{
    mem::size_of,
    ptr::{
        addr_of,
        addr_of_mut,
        null_mut, //
    },
};
use kernel::{
    alloc::AllocError,
    ffi::c_ulong, //
};

/// The array of one CPU, for as long as an RCU read-side critical section.
pub(crate) struct PickSeqs<'g>(&'g [Atomic]);

impl<'g> PickSeqs<'g> {
    /// The array of this CPU, `None` if no scheduler is enabled.
    pub(crate) fn of(this_rq: &ThisRq<'_>, _: &'g rcu::Guard) -> Option<Self> {
        let pcpu = percpu::of(this_rq.cpu());

        // ORDERING: The address dependency pairs with the release in `allocate`.
        // SAFETY: Valid by `percpu::of`, and a pointer is read in one piece.
        let seqs = unsafe { addr_of!((*pcpu).pick_seqs).read_volatile() };
        if seqs.is_null() {
            return None;
        }
        // SAFETY: What is published has `nr_cpu_ids` zeroed elements, and is not freed before
        // the guard is dropped. `Atomic` is a transparent `usize`, as C's `unsigned long`.
        let seqs = unsafe { core::slice::from_raw_parts(seqs.cast(), nr_cpu_ids() as usize) };
        Some(Self(seqs))
    }

    /// Where the sequence of `cpu` is noted.
    pub(crate) fn get(&self, cpu: CpuId) -> Option<&'g Atomic> {
        self.0.get(cpu.as_u32() as usize)
    }
}

/// The possible CPUs.
fn possible_cpus() -> impl Iterator<Item = CpuId> {
    // SAFETY: Defined in kernel/cpu.c, there forever, constant since boot.
    let mask = unsafe {
        super::cpumask::Cpumask::from_raw(addr_of_mut!(bindings::__cpu_possible_mask).cast())
    };
    mask.iter()
}

/// Gives every possible CPU its array, or none.
///
/// # Context
///
/// Process context under `scx_ops_enable_mutex`, while no scheduler is enabled. May sleep.
pub(crate) fn allocate() -> Result<(), AllocError> {
    for cpu in possible_cpus() {
        // SAFETY: Callable in process context. CPU numbers fit.
        let seqs = unsafe {
            bindings::kvcalloc_node(
                nr_cpu_ids() as usize,
                size_of::<Atomic>(),
                cpu.as_u32() as i32,
            )
        };
        if seqs.is_null() {
            free();
            return Err(AllocError);
        }
        publish(cpu, seqs.cast());
    }
    Ok(())
}

/// Takes the arrays back and frees them once nobody can be reading them.
///
/// # Context
///
/// Process context under `scx_ops_enable_mutex`. May sleep.
pub(crate) fn free() {
    for cpu in possible_cpus() {
        let pcpu = percpu::of(cpu);
        // SAFETY: Valid by `percpu::of`; by the mutex nobody else writes.
        let seqs = unsafe { addr_of!((*pcpu).pick_seqs).read_volatile() };

        publish(cpu, null_mut());
        if !seqs.is_null() {
            // SAFETY: From `kvcalloc_node`, and out of reach for new readers since the line
            // above. May sleep here.
            unsafe { bindings::kvfree_rcu_mightsleep(seqs) };
        }
    }
}

fn publish(cpu: CpuId, seqs: *mut c_ulong) {
    let pcpu = percpu::of(cpu);
    // ORDERING: A release, so that who sees the array sees zeroes in it. Pairs with the
    // address dependency in `PickSeqs::of`.
    // SAFETY: Valid by `percpu::of`; callers hold the mutex, so nobody else writes.
    unsafe { bindings::rcu_assign_pointer(addr_of_mut!((*pcpu).pick_seqs), seqs) };
}
