// SPDX-License-Identifier: GPL-2.0
/* A scheduler that writes down what comes of each cycle of one CPU, and why. */
#include <scx/common.bpf.h>
#include "keep.h"

#define USER_DSQ	0

char _license[] SEC("license") = "GPL";

UEI_DEFINE(uei);

s32 target;			/* the CPU */
u64 rows[KEEP_ROWS];		/* cycles of each kind */
u64 flags_left;			/* cycles that left a flag set that is only for balancing */
u64 refill;			/* ops.dispatch() gives prev so much time to go on */
bool hold_back;			/* ops.dispatch() gives nothing */
s32 to_global;			/* this task is enqueued there */
s32 to_user;			/* and this one where ops.dispatch() looks */
s32 to_user_too;
u64 leave_ns;			/* to let go of a task takes so long, while bypassing */
s32 order[KEEP_LOG];		/* tasks as they came to run */
u32 logged;

u32 states[KEEP_CPUS];		/* enum keep_state of each CPU */
u64 releases, acquires;
u64 not_in_turn;		/* of those that were not in turn, or came late */
u64 overdue, overrun;		/* cycles with prev's time over, and it went on nevertheless */
u64 offline, asked_offline;	/* cycles of CPUs that go down, and ops.dispatch() in these */

u64 unmoved;			/* cycles that keep prev, with the pick sequence where it was */

static struct { u64 asked, before, slice, seq; u32 row; bool overdue, offline; } cpus[KEEP_CPUS];

s32 BPF_STRUCT_OPS(keep_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	return prev_cpu;
}

void BPF_STRUCT_OPS(keep_enqueue, struct task_struct *p, u64 enq_flags)
{
	u64 dsq_id = SCX_DSQ_LOCAL;

	if (to_global && p->pid == to_global)
		dsq_id = SCX_DSQ_GLOBAL;
	else if (!(enq_flags & SCX_ENQ_LAST) &&
		 ((to_user && p->pid == to_user) || (to_user_too && p->pid == to_user_too)))
		dsq_id = USER_DSQ;
	scx_bpf_dispatch(p, dsq_id, SCX_SLICE_INF, 0);
}

void BPF_STRUCT_OPS(keep_dispatch, s32 cpu, struct task_struct *prev)
{
	cpus[cpu & (KEEP_CPUS - 1)].asked++;
	/* ops.running() may be early: 6.12 picks tasks without a cycle before, at times */
	if (states[cpu & (KEEP_CPUS - 1)] == RELEASED)
		__sync_fetch_and_add(&not_in_turn, 1);
	if (cpus[cpu & (KEEP_CPUS - 1)].offline)
		__sync_fetch_and_add(&asked_offline, 1);
	if (cpu != target)
		return;
	if (refill && prev)
		prev->scx.slice = refill;
	if (!hold_back)
		scx_bpf_consume(USER_DSQ);
}

void BPF_STRUCT_OPS(keep_running, struct task_struct *p)
{
	if (bpf_get_smp_processor_id() != target)
		return;
	order[logged & (KEEP_LOG - 1)] = p->pid;
	logged++;
}

void BPF_STRUCT_OPS(keep_cpu_acquire, s32 cpu, struct scx_cpu_acquire_args *args)
{
	u32 *mine = &states[cpu & (KEEP_CPUS - 1)];

	if (*mine == ACQUIRED)
		__sync_fetch_and_add(&not_in_turn, 1);
	*mine = ACQUIRED;
	__sync_fetch_and_add(&acquires, 1);
}

void BPF_STRUCT_OPS(keep_cpu_release, s32 cpu, struct scx_cpu_release_args *args)
{
	u32 *mine = &states[cpu & (KEEP_CPUS - 1)];

	if (*mine == RELEASED)
		__sync_fetch_and_add(&not_in_turn, 1);
	*mine = RELEASED;
	__sync_fetch_and_add(&releases, 1);
}

/* A scheduler without these is thrown out when a CPU goes. */
void BPF_STRUCT_OPS(keep_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(keep_cpu_offline, s32 cpu)
{
}

void BPF_STRUCT_OPS(keep_disable, struct task_struct *p)
{
	u64 began = bpf_ktime_get_ns();
	u32 i;

	bpf_for(i, 0, 1 << 20)
		if (bpf_ktime_get_ns() - began >= leave_ns)
			break;
}

s32 BPF_STRUCT_OPS_SLEEPABLE(keep_init)
{
	return scx_bpf_create_dsq(USER_DSQ, -1);
}

void BPF_STRUCT_OPS(keep_exit, struct scx_exit_info *ei)
{
	UEI_RECORD(uei, ei);
}

SEC(".struct_ops.link")
struct sched_ext_ops keep_ops = {
	.select_cpu	= (void *)keep_select_cpu,
	.enqueue	= (void *)keep_enqueue,
	.dispatch	= (void *)keep_dispatch,
	.running	= (void *)keep_running,
	.cpu_acquire	= (void *)keep_cpu_acquire,
	.cpu_release	= (void *)keep_cpu_release,
	.cpu_online	= (void *)keep_cpu_online,
	.cpu_offline	= (void *)keep_cpu_offline,
	.disable	= (void *)keep_disable,
	.init		= (void *)keep_init,
	.exit		= (void *)keep_exit,
	.flags		= SCX_OPS_SWITCH_PARTIAL,
	.name		= "keep",
};

static u32 state(struct rq *rq, struct task_struct *prev, u32 queued, u32 slice, u32 local)
{
	u32 row = 0;

	if (prev->scx.flags & SCX_TASK_QUEUED)
		row |= queued;
	if (prev->scx.slice)
		row |= slice;
	if (rq->scx.local_dsq.nr)
		row |= local;
	return row;
}

SEC("fentry/balance_scx")
int BPF_PROG(keep_balancing, struct rq *rq, struct task_struct *prev)
{
	s32 cpu = bpf_get_smp_processor_id();
	u32 row;

	cpus[cpu & (KEEP_CPUS - 1)].offline = !(rq->scx.flags & SCX_RQ_ONLINE);
	if (cpus[cpu & (KEEP_CPUS - 1)].offline)
		__sync_fetch_and_add(&offline, 1);
	if (cpu != target)
		return 0;
	row = state(rq, prev, WAS_QUEUED, HAD_SLICE, HAD_LOCAL);
	/* what it has run since is not yet taken from its slice */
	cpus[cpu & (KEEP_CPUS - 1)].overdue = row & WAS_QUEUED && row & HAD_SLICE &&
		rq->clock_task - prev->se.exec_start >= prev->scx.slice;
	if (rq->scx.flags & SCX_RQ_BYPASSING)
		row |= BYPASSING;
	cpus[cpu & (KEEP_CPUS - 1)].row = row;
	cpus[cpu & (KEEP_CPUS - 1)].slice = prev->scx.slice;
	cpus[cpu & (KEEP_CPUS - 1)].seq = rq->scx.pnt_seq;
	cpus[cpu & (KEEP_CPUS - 1)].before = cpus[cpu & (KEEP_CPUS - 1)].asked;
	return 0;
}

SEC("fexit/balance_scx")
int BPF_PROG(keep_balanced, struct rq *rq, struct task_struct *prev, struct rq_flags *rf, int ret)
{
	s32 cpu = bpf_get_smp_processor_id();
	u32 row;

	/* whatever it found: it is before that */
	if (rq->scx.cpu_released)
		__sync_fetch_and_add(&not_in_turn, 1);
	if (cpu != target)
		return 0;
	if (rq->scx.flags & SCX_RQ_BAL_KEEP && rq->scx.pnt_seq == cpus[cpu & (KEEP_CPUS - 1)].seq)
		unmoved++;
	if (cpus[cpu & (KEEP_CPUS - 1)].overdue) {
		overdue++;
		overrun += cpus[cpu & (KEEP_CPUS - 1)].before == cpus[cpu & (KEEP_CPUS - 1)].asked;
	}
	/* what it had left was used up just now, if that was before it was looked at */
	if (!prev->scx.slice && cpus[cpu & (KEEP_CPUS - 1)].slice)
		return 0;
	row = cpus[cpu & (KEEP_CPUS - 1)].row |
		state(rq, prev, IS_QUEUED, HAS_SLICE, HAS_LOCAL);
	if (cpus[cpu & (KEEP_CPUS - 1)].before != cpus[cpu & (KEEP_CPUS - 1)].asked)
		row |= ASKED;
	if (rq->scx.flags & SCX_RQ_BAL_KEEP)
		row |= KEPT;
	if (ret)
		row |= FOUND;
	if (rq->scx.flags & (SCX_RQ_IN_BALANCE | SCX_RQ_BAL_PENDING))
		flags_left++;
	rows[row & (KEEP_ROWS - 1)]++;
	return 0;
}

SEC("syscall")
int keep_kick(struct keep_args *args)
{
	scx_bpf_kick_cpu(args->cpu, args->flags);
	return 0;
}
