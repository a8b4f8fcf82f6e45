// SPDX-License-Identifier: GPL-2.0

//! Generated from `include/rust_scx_bindings.h`: the C types and functions that
//! `kernel::bindings` lacks. For `compat`, `sched` and `ops` alone.

#![allow(
    clippy::all,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

use kernel::{
    bindings::*,
    ffi, //
};

include!(env!("RUST_SCX_BINDINGS"));
