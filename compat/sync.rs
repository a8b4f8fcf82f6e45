// SPDX-License-Identifier: GPL-2.0

//! UPSTREAM: rust/kernel/sync.rs, 7.3

pub(crate) mod atomic;
pub(crate) mod barrier;
