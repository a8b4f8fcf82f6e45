// SPDX-License-Identifier: GPL-2.0

//! Run queues.

use super::{
    counter::{self, Counter},
    percpu,
    task::Task, //
};
use crate::{
    bindings::{self, rust_scx_pcpu, scx_dispatch_q},
    c_side::{self, machine},
    compat::cpu::CpuId,
    types::Opaque, //
};
use core::{marker::PhantomData, ops::Deref, ops::DerefMut, ptr::addr_of_mut};

pub(crate) struct Shared;
pub(crate) struct Locked;

#[repr(transparent)]
pub(crate) struct Rq<State = Shared>(Opaque<bindings::rq>, PhantomData<State>);

#[derive(Copy, Clone)]
pub(crate) struct Flags;

impl Flags {
    pub(crate) const ONLINE: Self = Self;
}

impl<State> Rq<State> {
    pub(crate) fn as_raw(&self) -> *mut bindings::rq {
        self.0.get()
    }

    pub(crate) fn cpu(&self) -> CpuId {
        // SAFETY: Run queues live as long as the model.
        CpuId::from_u32(unsafe { (*self.as_raw()).cpu }).unwrap()
    }

    pub(crate) fn has(&self, _: Flags) -> bool {
        self.is_online()
    }

    pub(crate) fn is_online(&self) -> bool {
        machine().world.offline != Some(self.cpu().as_u32())
    }
}

impl Rq {
    pub(crate) fn of(cpu: CpuId) -> &'static Self {
        // SAFETY: As in `Rq::cpu`.
        unsafe { &*machine().rq(cpu.as_u32()).cast::<Self>() }
    }

    pub(crate) fn lock_irqsave(&self) -> RqGuard<'_> {
        // SAFETY: As in `Rq::cpu`.
        unsafe { bindings::raw_spin_rq_lock(self.as_raw()) };
        RqGuard(self)
    }
}

impl Deref for Rq<Locked> {
    type Target = Rq;

    fn deref(&self) -> &Rq {
        // SAFETY: As in `Rq::cpu`.
        unsafe { &*self.as_raw().cast::<Rq>() }
    }
}

impl Rq<Locked> {
    pub(crate) unsafe fn assume_locked<'a>(ptr: *mut bindings::rq) -> &'a mut Self {
        c_side::assert_locked(ptr);
        // SAFETY: By the requirement of the callers.
        unsafe { &mut *ptr.cast::<Self>() }
    }

    pub(crate) fn count(&self, id: Counter) {
        counter::count(self.cpu(), id);
    }

    pub(super) fn local_dsq(&mut self) -> *mut scx_dispatch_q {
        c_side::assert_locked(self.as_raw());
        // SAFETY: As in `Rq::cpu`.
        unsafe { addr_of_mut!((*self.as_raw()).scx.local_dsq) }
    }

    /// Notes for core scheduling, of a task that has just been claimed.
    pub(crate) fn touch(&self, task: &Task) {
        c_side::claimed(task.as_raw());
    }

    pub(crate) fn executing(&self) -> ThisRq<'_> {
        ThisRq::get()
    }
}

pub(crate) struct RqGuard<'a>(&'a Rq);

impl Deref for RqGuard<'_> {
    type Target = Rq<Locked>;

    fn deref(&self) -> &Rq<Locked> {
        // SAFETY: The lock is held.
        unsafe { Rq::assume_locked(self.0.as_raw()) }
    }
}

impl DerefMut for RqGuard<'_> {
    fn deref_mut(&mut self) -> &mut Rq<Locked> {
        // SAFETY: The lock is held.
        unsafe { Rq::assume_locked(self.0.as_raw()) }
    }
}

impl Drop for RqGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: The lock is held.
        unsafe { bindings::raw_spin_rq_unlock(self.0.as_raw()) };
    }
}

pub(crate) struct ThisRq<'a>(&'a Rq);

impl Deref for ThisRq<'_> {
    type Target = Rq;

    fn deref(&self) -> &Rq {
        self.0
    }
}

impl ThisRq<'_> {
    /// That of the executing CPU.
    pub(crate) fn get() -> Self {
        Self(Rq::of(c_side::this_cpu()))
    }

    pub(crate) fn pcpu(&self) -> *mut rust_scx_pcpu {
        percpu::of(self.cpu())
    }

    pub(crate) fn count(&self, id: Counter) {
        counter::count(self.cpu(), id);
    }
}
