// SPDX-License-Identifier: GPL-2.0

//! `kick.rs` as the module compiles it, on loom's threads, atomics and locks.
//!
//! What the module's files stand on is made up here: [`sched`] has the run queues, [`bindings`]
//! what comes from C, [`machine`] the core scheduler, irq_works and interrupts. [`tests`] runs it
//! in every order, within the bounds that they name.
//!
//! A CPU is a thread. Where the kernel relies on things being on one CPU, so do we: see
//! [`machine::take_irqs`]. An NMI is a thread too, which says it is on the CPU that it interrupts;
//! it may come in the middle of a kick's and of the irq_work's steps, and, beyond what an NMI
//! does, be interrupted by them. See [`machine::as_nmi`].
#![cfg(test)]
#![allow(dead_code, unused_unsafe)]

mod bindings;
mod compat;
mod kick;
mod machine;
mod sched;
mod tests;
mod watchdog;
