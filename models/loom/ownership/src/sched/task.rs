// SPDX-License-Identifier: GPL-2.0

//! Tasks.

use crate::{
    bindings::task_struct,
    compat::cpu::CpuId,
    types::Opaque, //
};
use loom::sync::atomic::Ordering::Relaxed;

#[repr(transparent)]
pub(crate) struct Task(Opaque<task_struct>);

impl Task {
    pub(crate) unsafe fn from_raw<'a>(ptr: *mut task_struct) -> &'a Self {
        // SAFETY: By the requirement of the callers.
        unsafe { &*ptr.cast::<Self>() }
    }

    pub(crate) fn as_raw(&self) -> *mut task_struct {
        self.0.get()
    }

    pub(crate) fn cpu(&self) -> CpuId {
        // SAFETY: Tasks live as long as the model.
        CpuId::from_u32(unsafe { (*self.as_raw()).cpu.load(Relaxed) }).unwrap()
    }

    pub(crate) fn migration_disabled(&self) -> bool {
        false
    }

    pub(crate) fn allowed_on(&self, _: CpuId) -> bool {
        true
    }

    pub(crate) fn on_cpu(&self) -> bool {
        false
    }

    pub(crate) fn pid(&self) -> i32 {
        1
    }

    pub(crate) fn comm(&self) -> Comm {
        Comm
    }
}

pub(crate) struct Comm;

impl Comm {
    pub(crate) fn as_bstr(&self) -> &'static str {
        "task"
    }
}
