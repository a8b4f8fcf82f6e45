// SPDX-License-Identifier: GPL-2.0

//! Pick sequences, and what a CPU remembers of them in order to wait.
//!
//! Each run queue has a sequence that moves when its CPU has been through the scheduler. Who
//! waits for a CPU with `SCX_KICK_WAIT` notes the sequence and goes on once it differs.
//!
//! Every possible CPU has room for [`NR_RECORDS`] such notes, on its own NUMA node: a CPU waits
//! for few others at a time, so an array over all CPUs, as C has it, would be N² of nothing. The
//! room is allocated when a BPF scheduler is enabled, published and read under RCU, and freed
//! after a grace period when it is disabled.
//!
//! A CPU's records are changed by that CPU alone, with IRQs off. Others only read them, for a
//! dump.
//!
//! C counterpart: `scx_kick_cpus_pnt_seqs` in
//! [`kernel/sched/ext.c`](srctree/kernel/sched/ext.c)

use super::{
    cpumask,
    percpu,
    rq::{
        Locked,
        Rq,
        ThisRq, //
    },
    time::Stopwatch, //
};
use crate::{
    bindings,
    compat::{
        cpu::CpuId,
        sync::atomic::{
            Atomic,
            Relaxed, //
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
    ffi::c_void, //
};

/// How many CPUs a CPU can wait for at once. With what else is in [`Waits`], 256 bytes a CPU.
const NR_RECORDS: usize = 10;

/// A CPU that is waited for.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) cpu: CpuId,
    /// Its sequence when it was kicked.
    pub(crate) seq: usize,
    /// When that was.
    pub(crate) since: Stopwatch,
}

#[repr(C)]
struct Record {
    cpu: Atomic,
    seq: Atomic,
    since: Atomic,
}

/// What one CPU waits for. All zeroes: nothing.
#[repr(C)]
pub(crate) struct Waits {
    /// How many of the records are in use; these come first.
    len: Atomic,
    /// Whether there was no room for another.
    overflown: Atomic,
    records: [Record; NR_RECORDS],
}

impl Waits {
    /// Those of this CPU, `None` if no scheduler is enabled.
    #[inline]
    pub(crate) fn of<'a>(this_rq: &'a ThisRq<'_>) -> Option<&'a Self> {
        // SAFETY: IRQs are off as long as there is a `ThisRq`.
        unsafe { Self::of_pcpu(this_rq.pcpu()) }
    }

    /// Those of the CPU of `rq`; of another than the executing one, for reading.
    #[inline]
    pub(crate) fn of_locked(rq: &Rq<Locked>) -> Option<&Self> {
        // SAFETY: IRQs are off while the lock is held.
        unsafe { Self::of_pcpu(percpu::of(rq.cpu())) }
    }

    /// # Safety
    ///
    /// `pcpu` comes from [`percpu::of`]. IRQs are off during `'a`: that is an RCU read-side critical
    /// section.
    #[inline]
    unsafe fn of_pcpu<'a>(pcpu: *mut bindings::rust_scx_pcpu) -> Option<&'a Self> {
        // ORDERING: The address dependency pairs with the release in `publish`.
        // SAFETY: Valid by `percpu::of`, and a pointer is read in one piece.
        let waits = unsafe { addr_of!((*pcpu).waits).read_volatile() };
        // SAFETY: What is published is a zeroed `Waits`, and is freed through RCU, so not before
        // the section ends.
        unsafe { waits.cast::<Self>().as_ref() }
    }

    /// Whether there is nothing to wait for.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len.load(Relaxed) == 0
    }

    /// What is waited for.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Wait> + '_ {
        let records = self.records.get(..self.len.load(Relaxed)).unwrap_or(&[]);
        records.iter().filter_map(Record::get)
    }

    /// Waits for `cpu` to leave `seq` behind, false if there is no room for that.
    pub(crate) fn add(&self, cpu: CpuId, seq: usize) -> bool {
        let len = self.len.load(Relaxed);
        let known = self.iter().position(|wait| wait.cpu == cpu);

        let Some(record) = self.records.get(known.unwrap_or(len)) else {
            self.overflown.store(1, Relaxed);
            return false;
        };
        // To kick a CPU again that has not moved since does not make the wait longer.
        if known.is_none() || record.seq.load(Relaxed) != seq {
            record.set(Wait {
                cpu,
                seq,
                since: Stopwatch::start(),
            });
        }
        if known.is_none() {
            self.len.store(len.wrapping_add(1), Relaxed);
        }
        true
    }

    /// Drops what is over.
    pub(crate) fn remove(&self, is_over: impl Fn(Wait) -> bool) {
        let mut kept = 0_usize;

        for wait in self.iter() {
            if !is_over(wait) {
                // At or before where it was read from.
                if let Some(record) = self.records.get(kept) {
                    record.set(wait);
                }
                kept = kept.wrapping_add(1);
            }
        }
        self.len.store(kept, Relaxed);
    }

    /// Whether a wait found no room since this was last asked.
    pub(crate) fn take_overflown(&self) -> bool {
        let overflown = self.overflown.load(Relaxed) != 0;
        if overflown {
            self.overflown.store(0, Relaxed);
        }
        overflown
    }
}

impl Record {
    fn get(&self) -> Option<Wait> {
        Some(Wait {
            cpu: CpuId::from_u32(self.cpu.load(Relaxed) as u32)?,
            seq: self.seq.load(Relaxed),
            since: Stopwatch::from_bits(self.since.load(Relaxed)),
        })
    }

    fn set(&self, wait: Wait) {
        self.cpu.store(wait.cpu.as_u32() as usize, Relaxed);
        self.seq.store(wait.seq, Relaxed);
        self.since.store(wait.since.to_bits(), Relaxed);
    }
}

/// Gives every possible CPU its records, or none.
///
/// # Context
///
/// Process context under `scx_ops_enable_mutex`, while no scheduler is enabled. May sleep.
pub(crate) fn allocate() -> Result<(), AllocError> {
    for cpu in cpumask::possible().iter() {
        // SAFETY: Callable in process context. CPU numbers fit.
        let waits = unsafe { bindings::kvzalloc_node(size_of::<Waits>(), cpu.as_u32() as i32) };
        if waits.is_null() {
            free();
            return Err(AllocError);
        }
        publish(cpu, waits);
    }
    Ok(())
}

/// Takes the records back and frees them once nobody can be reading them.
///
/// # Context
///
/// Process context under `scx_ops_enable_mutex`. May sleep.
pub(crate) fn free() {
    for cpu in cpumask::possible().iter() {
        let pcpu = percpu::of(cpu);
        // SAFETY: Valid by `percpu::of`; by the mutex nobody else writes.
        let waits = unsafe { addr_of!((*pcpu).waits).read_volatile() };

        publish(cpu, null_mut());
        if !waits.is_null() {
            // SAFETY: From `kvzalloc_node`, and out of reach for new readers since the line
            // above. May sleep here.
            unsafe { bindings::kvfree_rcu_mightsleep(waits) };
        }
    }
}

fn publish(cpu: CpuId, waits: *mut c_void) {
    let pcpu = percpu::of(cpu);
    // ORDERING: A release, so that who sees the records sees zeroes in them. Pairs with the
    // address dependency in `Waits::of_pcpu`.
    // SAFETY: Valid by `percpu::of`; callers hold the mutex, so nobody else writes.
    unsafe { bindings::rcu_assign_pointer(addr_of_mut!((*pcpu).waits), waits) };
}

#[cfg(CONFIG_KUNIT)]
mod tests {
    use super::*;
    use crate::compat::kunit::{
        assert,
        assert_eq,
        kunit_tests, //
    };

    kunit_tests!(rust_scx_waits: [
        size_in_memory,
        all_zeroes_is_nothing,
        what_is_added_is_there,
        a_cpu_has_one_record,
        a_kick_more_makes_no_wait_longer,
        one_too_many_is_noted_once,
        removes_what_is_over_and_keeps_the_order,
        a_length_that_cannot_be_is_none,
    ]);

    fn waits() -> Waits {
        Waits {
            len: Atomic::new(0),
            overflown: Atomic::new(0),
            records: core::array::from_fn(|_| Record {
                cpu: Atomic::new(0),
                seq: Atomic::new(0),
                since: Atomic::new(0),
            }),
        }
    }

    /// Two CPUs, the same one where there is one only.
    fn cpus() -> Option<(CpuId, CpuId)> {
        let first = CpuId::from_u32(0)?;
        Some((first, CpuId::from_u32(1).unwrap_or(first)))
    }

    fn size_in_memory() {
        assert_eq!(size_of::<Waits>(), 256);
    }

    fn all_zeroes_is_nothing() {
        let waits = waits();
        assert!(waits.is_empty());
        assert_eq!(waits.iter().count(), 0);
        assert!(!waits.take_overflown());
    }

    fn what_is_added_is_there() {
        let waits = waits();
        let Some((a, b)) = cpus() else { return };
        assert!(waits.add(a, 7));
        assert!(!waits.is_empty());
        assert!(waits.iter().any(|wait| wait.cpu == a && wait.seq == 7));
        assert!(waits.add(b, 9));
        assert!(waits.iter().any(|wait| wait.cpu == b && wait.seq == 9));
        assert_eq!(waits.iter().count(), if a == b { 1 } else { 2 });
    }

    fn a_cpu_has_one_record() {
        let waits = waits();
        let Some((a, _)) = cpus() else { return };
        for seq in 0..2 * NR_RECORDS {
            assert!(waits.add(a, seq));
        }
        assert_eq!(waits.iter().count(), 1);
        assert!(waits.iter().all(|wait| wait.seq == 2 * NR_RECORDS - 1));
    }

    fn a_kick_more_makes_no_wait_longer() {
        let waits = waits();
        let Some((a, _)) = cpus() else { return };
        let began = Stopwatch::from_bits(1);
        waits.add(a, 5);
        if let Some(record) = waits.records.first() {
            record.since.store(began.to_bits(), Relaxed);
        }
        waits.add(a, 5);
        assert!(waits.iter().all(|wait| wait.since == began));
        // It has moved, so this is another wait.
        waits.add(a, 6);
        assert!(waits.iter().all(|wait| wait.since != began));
    }

    fn one_too_many_is_noted_once() {
        let waits = waits();
        let Some((a, b)) = cpus() else { return };
        waits.len.store(NR_RECORDS, Relaxed);
        // That CPU has a record: all are of the first.
        assert!(waits.add(a, 1));
        if a != b {
            assert!(!waits.add(b, 1));
            assert!(waits.take_overflown());
        }
        assert!(!waits.take_overflown());
        assert_eq!(waits.iter().count(), NR_RECORDS);
    }

    fn removes_what_is_over_and_keeps_the_order() {
        let waits = waits();
        let Some((a, _)) = cpus() else { return };
        for (seq, record) in waits.records.iter().enumerate() {
            record.set(Wait {
                cpu: a,
                seq,
                since: Stopwatch::from_bits(seq),
            });
        }
        waits.len.store(NR_RECORDS, Relaxed);

        waits.remove(|wait| wait.seq % 3 == 0);
        let left = || (0..NR_RECORDS).filter(|seq| seq % 3 != 0);
        assert!(waits.iter().map(|wait| wait.seq).eq(left()));
        assert!(waits.iter().all(|wait| wait.since.to_bits() == wait.seq));

        waits.remove(|_| false);
        assert!(waits.iter().map(|wait| wait.seq).eq(left()));
        waits.remove(|_| true);
        assert!(waits.is_empty());
    }

    fn a_length_that_cannot_be_is_none() {
        let waits = waits();
        waits.len.store(NR_RECORDS + 1, Relaxed);
        assert_eq!(waits.iter().count(), 0);
        waits.remove(|_| false);
        assert!(waits.is_empty());
    }
}
