// SPDX-License-Identifier: GPL-2.0

//! The way of a task to a CPU, as the module compiles it, on loom's threads, atomics and locks.
//!
//! What the module's files stand on is made up here: [`sched`] has tasks and run queues,
//! [`bindings`] the structures and functions of C, [`c_side`] what C does to tasks besides, and
//! the books. [`tests`] runs it in every order, within the bounds that they name.
//!
//! A CPU is a thread. All that happens here happens with IRQs off.
#![cfg(test)]
#![allow(dead_code, unused_unsafe)]

// To be the `kernel` crate that the checked files name.
extern crate self as kernel;

mod bindings;
mod c_side;
mod compat;
mod dispatch;
mod sched;
mod tests;

pub(crate) mod ffi {
    pub(crate) use core::ffi::c_ulong;
}

pub(crate) mod types {
    use core::cell::UnsafeCell;

    #[repr(transparent)]
    pub(crate) struct Opaque<T>(UnsafeCell<T>);

    impl<T> Opaque<T> {
        pub(crate) const fn get(&self) -> *mut T {
            self.0.get()
        }
    }
}

macro_rules! container_of {
    ($ptr:expr, $type:ty, $($f:tt)*) => {{
        let offset = ::core::mem::offset_of!($type, $($f)*);
        ($ptr as *const _ as *const u8).sub(offset) as *const $type
    }};
}
pub(crate) use container_of;
