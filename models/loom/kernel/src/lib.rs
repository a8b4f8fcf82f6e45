// SPDX-License-Identifier: GPL-2.0

//! As much of the `kernel` crate as the checked files of the module name.

pub mod alloc {
    /// There is no memory.
    #[derive(Debug)]
    pub struct AllocError;
}

#[allow(non_upper_case_globals)]
pub mod bindings {
    pub const scx_kf_mask_SCX_KF_CPU_RELEASE: u32 = 1;
    pub const scx_kf_mask_SCX_KF_DISPATCH: u32 = 2;
    pub const scx_kf_mask_SCX_KF_ENQUEUE: u32 = 4;
    pub const scx_kf_mask_SCX_KF_SELECT_CPU: u32 = 8;
    pub const scx_kf_mask_SCX_KF_REST: u32 = 16;
}

pub mod error {
    /// An errno; nobody here looks at it.
    #[derive(Debug)]
    pub struct Error;

    impl From<crate::alloc::AllocError> for Error {
        fn from(_: crate::alloc::AllocError) -> Self {
            Self
        }
    }

    pub type Result<T = (), E = Error> = core::result::Result<T, E>;
}

pub mod ffi {
    pub use core::ffi::*;
}

pub mod prelude {
    pub use crate::error::{Error, Result};
}
