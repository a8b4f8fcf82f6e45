// SPDX-License-Identifier: GPL-2.0

//! What [`kick`](crate::kick) tells the watchdog, which is not modelled.

use crate::compat::cpu::CpuId;

pub(crate) fn kicked(_cpu: CpuId) {}
