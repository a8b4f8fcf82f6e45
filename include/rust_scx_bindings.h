/* SPDX-License-Identifier: GPL-2.0 */
/* Input of bindgen: what kernel::bindings lacks. See Kbuild for what is taken from here. */
#include <linux/cpumask.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/mmu_context.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/sched/ext.h>
#include <linux/sched/isolation.h>
#include <linux/slab.h>

#include <sched.h>

#include "rust_scx.h"
#include "rust_scx_helpers.h"
#include "rust_scx_trace.h"

/* Some 6.12.y have it in a union without a name, others on its own: Rust goes by the offset. */
enum rust_scx_offset {
	RUST_SCX_RQ_CURR = offsetof(struct rq, curr),
	RUST_SCX_TRACEPOINT_KEY = offsetof(struct tracepoint, key),
};

/* A task with any of these goes through the scheduler without an IPI. */
enum rust_scx_thread_flags {
#ifdef TIF_POLLING_NRFLAG
	RUST_SCX_NEEDS_NO_IPI = BIT(TIF_NEED_RESCHED) | BIT(TIF_POLLING_NRFLAG),
#else
	RUST_SCX_NEEDS_NO_IPI = BIT(TIF_NEED_RESCHED),
#endif
};
