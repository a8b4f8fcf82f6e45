/* SPDX-License-Identifier: GPL-2.0 */
/* What shim.c and the Rust code share. */
#ifndef _RUST_SCX_H
#define _RUST_SCX_H

#include <linux/cache.h>
#include <linux/percpu-defs.h>
#include <linux/sched/ext.h>
#include <linux/sched/ext_core.h>
#include <linux/types.h>

/* What SCX_CORE_ABI has to be: to change with what is done for another one. */
#define RUST_SCX_ABI	5

/*
 * Counters, one of each per CPU, as debugfs names them. Documented for users in
 * Documentation/counters.md.
 */
#define RUST_SCX_COUNTERS(COUNTER)	\
	COUNTER(balance)		\
	COUNTER(balance_twice)		\
	COUNTER(keep_prev)		\
	COUNTER(dispatch)		\
	COUNTER(dispatch_rounds)	\
	COUNTER(guard_trips)		\
	COUNTER(bypass)			\
	COUNTER(consume_local)		\
	COUNTER(consume_remote)		\
	COUNTER(scan_steps)		\
	COUNTER(scan_breaks)		\
	COUNTER(scan_aborts)		\
	COUNTER(finish_local)		\
	COUNTER(finish_remote)		\
	COUNTER(finish_queue)		\
	COUNTER(spurious)		\
	COUNTER(lost_race)		\
	COUNTER(not_here)		\
	COUNTER(lock_switches)		\
	COUNTER(kick_plain)		\
	COUNTER(kick_idle)		\
	COUNTER(kick_preempt)		\
	COUNTER(kick_wait)		\
	COUNTER(kick_idle_skipped)	\
	COUNTER(kick_coalesced)		\
	COUNTER(kick_left)		\
	COUNTER(kick_noted)		\
	COUNTER(kick_bypassed)		\
	COUNTER(kick_no_scheduler)	\
	COUNTER(kick_offline)		\
	COUNTER(kick_higher_class)	\
	COUNTER(kick_irq_work)		\
	COUNTER(kick_resched)		\
	COUNTER(kick_ipis)		\
	COUNTER(waits)			\
	COUNTER(waits_done)		\
	COUNTER(waits_skipped)		\
	COUNTER(waits_cancelled)	\
	COUNTER(waits_full)		\
	COUNTER(wait_rescheds)		\
	COUNTER(wait_timeouts)		\
	COUNTER(wait_1us)		\
	COUNTER(wait_10us)		\
	COUNTER(wait_100us)		\
	COUNTER(wait_1ms)		\
	COUNTER(wait_10ms)		\
	COUNTER(wait_longer)		\
	COUNTER(tick_checks)		\
	COUNTER(tick_graces)		\
	COUNTER(scans)			\
	COUNTER(scans_late)		\
	COUNTER(scan_rqs)		\
	COUNTER(scan_locks)		\
	COUNTER(scan_tasks)		\
	COUNTER(stalls)			\
	COUNTER(tick_stalls)		\
	COUNTER(stuck_dispatches)	\
	COUNTER(excused_class)		\
	COUNTER(excused_stolen)		\
	COUNTER(enables)		\
	COUNTER(disables)

#define RUST_SCX_COUNTER_ID(name) RUST_SCX_COUNTER_##name,
enum rust_scx_counter {
	RUST_SCX_COUNTERS(RUST_SCX_COUNTER_ID)
	RUST_SCX_NR_COUNTERS
};

/* Rust's struct Mailbox. A line of its own: other CPUs write it. */
struct rust_scx_mailbox {
	unsigned long		requests;
} ____cacheline_aligned_in_smp;

/* Room for Rust's struct Pending. */
struct rust_scx_pending {
	unsigned long		words[16];
};

/* Room for Rust's struct Scan. */
struct rust_scx_scan {
	unsigned long		words[22];
};

/* Room for Rust's struct Watch, in lines of its own: other CPUs look at it in every tick. */
struct rust_scx_watch {
	unsigned long		words[16];
} ____cacheline_aligned_in_smp;

#define RUST_SCX_KNOWN_DSQS	4

/* A user DSQ that is there as long as no other user DSQ has gone since. */
struct rust_scx_known_dsq {
	u64			id;
	struct scx_dispatch_q	*dsq;
	unsigned long		seen;	/* what dsq_gen was */
};

#define RUST_SCX_CURSORS	4

/* Rust's struct Cursor: where a CPU goes on in a long DSQ. */
struct rust_scx_cursor {
	struct scx_dsq_list_node node;
	struct scx_dispatch_q	*dsq;
	u32			seq;
	u32			wanted;	/* how often it was missed elsewhere */
};

struct rust_scx_pcpu {
	u64			counters[RUST_SCX_NR_COUNTERS];
	/* Rust's struct Waits, NULL while no scheduler is enabled; under RCU */
	void __rcu		*waits;

	/* user DSQs that this CPU has looked up, by the lowest bits of their IDs */
	struct rust_scx_known_dsq known_dsqs[RUST_SCX_KNOWN_DSQS];

	struct rust_scx_cursor	cursors[RUST_SCX_CURSORS];
	bool			has_cursors;	/* some may be in DSQs */
	struct rust_scx_scan	scan;
	struct rust_scx_pending	pending;
	struct rust_scx_watch	watch;
	struct rust_scx_mailbox	mailbox;
};

DECLARE_PER_CPU(struct rust_scx_pcpu, rust_scx_pcpu);

extern const struct scx_core_layout rust_scx_layout[];

bool rust_scx_cpus_may_vanish(void);

/* No bit of enum scx_kf_mask. */
#define RUST_SCX_IN_NMI		0x80000000U
void rust_scx_enter_kick(struct rq *this_rq, s32 cpu, u64 flags);
/* In ops.rs. */
void rust_scx_kick(struct rq *this_rq, s32 cpu, u64 flags, u32 kf_mask);

void rust_scx_debugfs_init(void);
void rust_scx_debugfs_exit(void);

void rust_scx_set_scheduler(const char *name);
unsigned long rust_scx_report_begin(void);
void rust_scx_report_line(const char *key, const char *value);
void rust_scx_report_end(unsigned long flags);

void rust_scx_trace_kick(int cpu, u64 flags, enum rust_scx_counter outcome);
void rust_scx_trace_wait(int cpu, s64 ns, enum rust_scx_counter outcome);
void rust_scx_trace_guard_trip(int cpu, u32 rounds);
void rust_scx_trace_report(const char *kind, int cpu, u32 ms, int pid, const char *text);

#endif	/* _RUST_SCX_H */
