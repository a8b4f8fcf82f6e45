// SPDX-License-Identifier: GPL-2.0

//! Sets of CPUs that change while one looks at them.
//!
//! C header: [`include/linux/cpumask.h`](srctree/include/linux/cpumask.h)

use crate::{
    bindings,
    compat::cpu::{
        nr_cpu_ids,
        CpuId, //
    },
};
use core::ptr::addr_of_mut;
use kernel::{
    bindings::cpumask,
    types::Opaque, //
};

/// A borrowed `struct cpumask` whose bits are only changed by atomic operations.
#[repr(transparent)]
pub(crate) struct Cpumask(Opaque<cpumask>);

impl Cpumask {
    /// # Safety
    ///
    /// `ptr` is valid during `'a`, with room for all possible CPUs, and nobody changes bits
    /// but atomically.
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut cpumask) -> &'a Self {
        // SAFETY: By the requirement above.
        // CAST: `repr(transparent)` over `Opaque`, which is transparent too.
        unsafe { &*ptr.cast::<Self>() }
    }

    #[inline]
    pub(crate) fn test(&self, cpu: CpuId) -> bool {
        let nr = cpu.as_u32() as usize;
        // CAST: A mask is an array of words.
        let words = self.0.get().cast::<usize>();
        // SAFETY: The mask is valid, a `CpuId` is in range; a word is read in one piece.
        let word = unsafe { words.add(nr / usize::BITS as usize).read_volatile() };
        word >> (nr % usize::BITS as usize) & 1 != 0
    }

    pub(crate) fn set_atomic(&self, cpu: CpuId) {
        // SAFETY: As in `test`.
        unsafe { bindings::cpumask_set_cpu(cpu.as_u32(), self.0.get()) };
    }

    /// Takes `cpu` out and says whether it was in. All accesses before are ordered before all
    /// after if it was.
    pub(crate) fn take_atomic(&self, cpu: CpuId) -> bool {
        // SAFETY: As in `test`.
        self.test(cpu)
            && unsafe { bindings::cpumask_test_and_clear_cpu(cpu.as_u32(), self.0.get()) }
    }

    pub(crate) fn clear_atomic(&self, cpu: CpuId) {
        // SAFETY: As in `test`.
        unsafe { bindings::cpumask_clear_cpu(cpu.as_u32(), self.0.get()) };
    }

    /// The first CPU in the set behind `cpu`, all around. `None` if there is no other.
    pub(crate) fn next_around(&self, cpu: CpuId) -> Option<CpuId> {
        let mut behind = Iter {
            mask: self,
            last: cpu.as_u32() as i32,
        };
        behind
            .next()
            .or_else(|| self.iter().next())
            .filter(|&next| next != cpu)
    }

    /// The CPUs in the set, in order. What changes behind the iterator is not seen, what
    /// changes before it is.
    pub(crate) fn iter(&self) -> Iter<'_> {
        Iter {
            mask: self,
            last: -1,
        }
    }
}

/// Walks a [`Cpumask`].
pub(crate) struct Iter<'a> {
    mask: &'a Cpumask,
    last: i32,
}

impl Iterator for Iter<'_> {
    type Item = CpuId;

    fn next(&mut self) -> Option<CpuId> {
        if self.last >= nr_cpu_ids() as i32 {
            return None;
        }
        // SAFETY: The mask is valid; -1 or a CPU number is what the function takes.
        let next = unsafe { bindings::cpumask_next(self.last, self.mask.0.get()) };
        self.last = next as i32;
        CpuId::from_u32(next)
    }
}

/// The CPUs that there can be. Constant.
pub(crate) fn possible() -> &'static Cpumask {
    // SAFETY: Defined in kernel/cpu.c, there forever, constant since boot.
    unsafe { Cpumask::from_raw(addr_of_mut!(bindings::__cpu_possible_mask).cast()) }
}

/// The SMT siblings of `cpu`, itself included.
pub(crate) fn siblings(cpu: CpuId) -> &'static Cpumask {
    // SAFETY: A `CpuId` is in range. The mask is there forever, and bits are changed atomically.
    unsafe { Cpumask::from_raw(bindings::topology_sibling_cpumask(cpu.as_u32())) }
}

/// The CPUs that are online. It may change at any time unless hotplug is locked out.
pub(crate) fn online() -> &'static Cpumask {
    // SAFETY: Defined in kernel/cpu.c, there forever, changed with atomic operations.
    unsafe { Cpumask::from_raw(addr_of_mut!(bindings::__cpu_online_mask).cast()) }
}

/// The CPUs that tasks may be moved to.
pub(crate) fn active() -> &'static Cpumask {
    // SAFETY: As in `online`.
    unsafe { Cpumask::from_raw(addr_of_mut!(bindings::__cpu_active_mask).cast()) }
}
