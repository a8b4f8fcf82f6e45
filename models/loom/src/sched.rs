// SPDX-License-Identifier: GPL-2.0

//! The scheduler's objects: some the module's own, the rest made of loom's.

pub(crate) mod counter;
pub(crate) mod cpumask;
#[path = "../../../sched/kick_flags.rs"]
pub(crate) mod kick_flags;
#[path = "../../../sched/mailbox.rs"]
pub(crate) mod mailbox;
#[path = "../../../sched/pass.rs"]
pub(crate) mod pass;
#[path = "../../../sched/pending.rs"]
pub(crate) mod pending;
#[path = "../../../sched/pick_seq.rs"]
pub(crate) mod pick_seq;
pub(crate) mod rq;
pub(crate) mod task;
pub(crate) mod time;
#[path = "../../../sched/watch.rs"]
pub(crate) mod watch;

pub(crate) mod dump {
    /// Nothing is dumped here.
    pub(crate) struct Dump<'a>(core::marker::PhantomData<&'a mut ()>);

    impl Dump<'_> {
        pub(crate) fn line(&mut self, _: core::fmt::Arguments<'_>) {}
    }
}

pub(crate) mod exit {
    pub(crate) fn scx_error(args: core::fmt::Arguments<'_>) {
        panic!("the BPF scheduler would be thrown out: {args}");
    }
}

pub(crate) mod trace {
    use super::{counter::Counter, time::Stopwatch};
    use crate::compat::cpu::CpuId;

    /// Nobody looks.
    pub(crate) fn kick(_: CpuId, _: u64, _: Counter) {}
    pub(crate) fn wait(_: CpuId, _: Stopwatch, _: Counter) {}
}

pub(crate) mod percpu {
    use crate::{bindings::rust_scx_pcpu, compat::cpu::CpuId, machine::machine};

    pub(crate) fn of(cpu: CpuId) -> *mut rust_scx_pcpu {
        machine().cpus[cpu.as_u32() as usize].pcpu.get()
    }
}
