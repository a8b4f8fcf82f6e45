// SPDX-License-Identifier: GPL-2.0

//! Whether a task may be moved to another CPU.

#![deny(unsafe_code)]

use crate::sched::{
    rq::Rq,
    task::Task, //
};

/// Why a task cannot be moved to a CPU.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Misfit {
    /// It must stay where it is for now.
    MigrationDisabled,
    /// Its affinity does not allow that CPU.
    NotAllowed,
    /// The CPU takes no tasks.
    Offline,
}

/// Whether the BPF scheduler may move `task` to the CPU of `rq`, which is another one.
///
/// The answer can be trusted with the lock of the task's run queue alone. Without it, a task that
/// is just being switched away from looks as if it could not migrate: the programs of the BPF
/// scheduler run on its account, and running one disables migration.
#[doc(alias = "task_can_run_on_remote_rq")]
pub(super) fn fits(task: &Task, rq: &Rq) -> Result<(), Misfit> {
    // First, since a task that cannot migrate gets its affinity narrowed a bit later.
    if task.migration_disabled() {
        Err(Misfit::MigrationDisabled)
    } else if !task.allowed_on(rq.cpu()) {
        Err(Misfit::NotAllowed)
    } else if !rq.is_online() {
        Err(Misfit::Offline)
    } else {
        Ok(())
    }
}
