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
        (word >> (nr % usize::BITS as usize)) & 1 != 0
    }

    pub(crate) fn set_atomic(&self, cpu: CpuId) {
        // SAFETY: As in `test`.
        unsafe { bindings::cpumask_set_cpu(cpu.as_u32(), self.0.get()) };
    }

    /// Takes `cpu` out and says whether it was in. All accesses before are ordered before all
    /// after if it was.
    pub(crate) fn take_atomic(&self, cpu: CpuId) -> bool {
        self.test(cpu)
            // SAFETY: As in `test`.
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

#[cfg(CONFIG_KUNIT)]
mod tests {
    use super::*;
    use crate::compat::kunit::{
        assert,
        assert_eq,
        kunit_tests, //
    };

    kunit_tests!(rust_scx_cpumask: [
        empty_at_first,
        set_and_cleared_one_by_one,
        taken_once,
        in_order_and_each_once,
        what_changes_behind_the_iterator_is_not_seen,
        next_goes_around_and_not_to_itself,
    ]);

    use kernel::prelude::*;

    /// An empty set of our own. It is large for a stack.
    fn bits() -> Result<KBox<cpumask>> {
        Ok(KBox::new(cpumask::default(), GFP_KERNEL)?)
    }

    fn mask(bits: &mut cpumask) -> &Cpumask {
        // SAFETY: Valid, and nobody else changes it.
        unsafe { Cpumask::from_raw(bits) }
    }

    fn cpu(nr: u32) -> Option<CpuId> {
        CpuId::from_u32(nr)
    }

    fn empty_at_first() {
        let Ok(mut bits) = bits() else { return };
        let mask = mask(&mut bits);
        assert_eq!(mask.iter().count(), 0);
        for cpu in possible().iter() {
            assert!(!mask.test(cpu));
            assert!(!mask.take_atomic(cpu));
        }
    }

    fn set_and_cleared_one_by_one() {
        let Ok(mut bits) = bits() else { return };
        let mask = mask(&mut bits);
        for cpu in possible().iter() {
            mask.set_atomic(cpu);
            assert!(mask.test(cpu));
            assert_eq!(mask.iter().count(), 1);
            mask.clear_atomic(cpu);
            assert!(!mask.test(cpu));
        }
    }

    fn taken_once() {
        let Ok(mut bits) = bits() else { return };
        let mask = mask(&mut bits);
        for cpu in possible().iter() {
            mask.set_atomic(cpu);
        }
        for cpu in possible().iter() {
            assert!(mask.take_atomic(cpu));
            assert!(!mask.take_atomic(cpu));
        }
        assert_eq!(mask.iter().count(), 0);
    }

    fn in_order_and_each_once() {
        let Ok(mut bits) = bits() else { return };
        let mask = mask(&mut bits);
        for cpu in possible().iter() {
            mask.set_atomic(cpu);
        }
        assert!(mask.iter().eq(possible().iter()));
    }

    fn what_changes_behind_the_iterator_is_not_seen() {
        let Ok(mut bits) = bits() else { return };
        let mask = mask(&mut bits);
        let (Some(a), Some(b), Some(c)) = (cpu(0), cpu(1), cpu(2)) else {
            return;
        };
        mask.set_atomic(b);
        let mut iter = mask.iter();
        assert!(iter.next() == Some(b));
        mask.set_atomic(a);
        mask.set_atomic(c);
        assert!(iter.next() == Some(c));
        assert!(iter.next().is_none());
        // It stays at its end.
        assert!(iter.next().is_none());
    }

    fn next_goes_around_and_not_to_itself() {
        let Ok(mut bits) = bits() else { return };
        let mask = mask(&mut bits);
        let (Some(a), Some(b), Some(c)) = (cpu(0), cpu(1), cpu(2)) else {
            return;
        };
        assert!(mask.next_around(a).is_none());
        mask.set_atomic(a);
        assert!(mask.next_around(a).is_none());
        assert!(mask.next_around(c) == Some(a));
        mask.set_atomic(c);
        assert!(mask.next_around(a) == Some(c));
        assert!(mask.next_around(b) == Some(c));
        assert!(mask.next_around(c) == Some(a));
    }
}
