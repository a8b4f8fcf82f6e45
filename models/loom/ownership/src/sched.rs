// SPDX-License-Identifier: GPL-2.0

//! The scheduler's objects: those that tasks change hands by are the module's own.

#[path = "../../../../sched/dsq.rs"]
pub(crate) mod dsq;
#[path = "../../../../sched/ops_state.rs"]
pub(crate) mod ops_state;
#[path = "../../../../sched/relock.rs"]
pub(crate) mod relock;
pub(crate) mod rq;
#[path = "../../../../sched/scan.rs"]
pub(crate) mod scan;
pub(crate) mod task;

pub(crate) mod counter {
    use crate::compat::cpu::CpuId;
    use std::{cell::RefCell, collections::BTreeMap};

    pub(crate) type Counter = &'static str;

    macro_rules! counters {
        ($($name:ident)*) => {
            $(pub(crate) const $name: Counter = stringify!($name);)*
        };
    }

    counters! {
        CONSUME_LOCAL CONSUME_REMOTE FINISH_LOCAL FINISH_QUEUE FINISH_REMOTE LOCK_SWITCHES
        LOST_RACE NOT_HERE SCAN_ABORTS SCAN_BREAKS SCAN_STEPS SPURIOUS
    }

    thread_local! {
        // A test is a thread of the system, and loom's threads are all on it.
        static COUNTS: RefCell<BTreeMap<Counter, u64>> = const { RefCell::new(BTreeMap::new()) };
    }

    pub(crate) fn count(_cpu: CpuId, id: Counter) {
        COUNTS.with_borrow_mut(|counts| *counts.entry(id).or_default() += 1);
    }

    /// How often `id` was counted in this test.
    pub(crate) fn of(id: Counter) -> u64 {
        COUNTS.with_borrow(|counts| counts.get(id).copied().unwrap_or(0))
    }
}

pub(crate) mod cpumask {
    use crate::{bindings::nr_cpu_ids, compat::cpu::CpuId};

    /// All CPUs.
    pub(crate) struct Cpumask;

    impl Cpumask {
        pub(crate) fn test(&self, _: CpuId) -> bool {
            true
        }

        pub(crate) fn iter(&self) -> impl Iterator<Item = CpuId> {
            (0..nr_cpu_ids).filter_map(CpuId::from_u32)
        }
    }

    pub(crate) fn possible() -> &'static Cpumask {
        &Cpumask
    }
}

pub(crate) mod dsp_ctx {
    use super::task::Task;
    use crate::c_side::begin_note;
    use core::marker::PhantomData;

    #[derive(Copy, Clone)]
    pub(crate) struct Entry<'h> {
        pub(crate) task: &'h Task,
        pub(crate) qseq: usize,
        pub(crate) dsq_id: u64,
        pub(crate) slice: u64,
        pub(crate) vtime: Option<u64>,
        pub(crate) enq_flags: u64,
    }

    /// What `ops.dispatch()` asked for.
    pub(crate) struct DspCtx<'h>(
        pub(crate) Vec<Entry<'static>>,
        pub(crate) PhantomData<&'h ()>,
    );

    impl DspCtx<'_> {
        pub(crate) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }

        pub(crate) fn entries(&self) -> impl Iterator<Item = Entry<'static>> {
            self.0
                .clone()
                .into_iter()
                .inspect(|entry| begin_note(entry.qseq))
        }

        pub(crate) fn clear(&mut self) {
            self.0.clear();
        }
    }
}

pub(crate) mod exit {
    pub(crate) fn scx_error(args: core::fmt::Arguments<'_>) {
        panic!("the BPF scheduler would be thrown out: {args}");
    }
}

pub(crate) mod pass {
    use super::rq::ThisRq;

    /// Nobody watches.
    pub(crate) fn get_on(_: &ThisRq<'_>) {}
}

pub(crate) mod percpu {
    use crate::{bindings::rust_scx_pcpu, c_side::machine, compat::cpu::CpuId};

    pub(crate) fn of(cpu: CpuId) -> *mut rust_scx_pcpu {
        machine().pcpu(cpu)
    }
}

pub(crate) mod scheduler {
    use crate::{bindings::scx_dispatch_q, c_side::machine, compat::cpu::CpuId};
    use core::ptr::NonNull;

    pub(crate) struct Scheduler;

    impl Scheduler {
        pub(crate) const CORE_SCHED: Self = Self;

        pub(crate) fn current() -> Self {
            Self
        }

        /// So that [`touch`](super::rq::Rq::touch) is called.
        pub(crate) fn has(self, _: Self) -> bool {
            true
        }
    }

    pub(crate) fn global_dsq(_: CpuId) -> Option<NonNull<scx_dispatch_q>> {
        NonNull::new(machine().shared())
    }

    /// None goes here.
    pub(crate) fn dsq_gen() -> usize {
        0
    }
}

pub(crate) mod time {
    /// Lets the other threads go on: nothing changes here unless they do.
    pub(crate) fn cpu_relax() {
        loom::thread::yield_now();
    }
}
