// SPDX-License-Identifier: GPL-2.0
/*
 * A scheduler whose DSQs are full of tasks that cannot run where they are looked
 * for: the threads of one process, which wait until their CPU is let go.
 */
#include <scx/common.bpf.h>
#include "scan.h"

char _license[] SEC("license") = "GPL";

UEI_DEFINE(uei);

u64 slice = 20 * 1000 * 1000;
s32 crowd;			/* the process */
s32 home;			/* and its CPU */
bool hold = true;		/* which leaves the threads where they are */
u32 fifos = 1;			/* so many DSQs take tasks and are looked into */
bool priq;			/* instead: the one that is ordered by vtime */
bool churn;			/* all but the last change with a look; head and tail go there */
u64 consumers;			/* a bit for each CPU that does so, beside that one */
s32 head;			/* this task comes to the head of its DSQ */
s32 tail;			/* and this one to the tail */
s32 late;			/* this one to the head, but only ... */
s32 screen;			/* (with this one, which cannot run there, before it) */
u32 before_look;		/* ... before so many looks; all others run at once */
u64 enqueued;			/* threads that came to wait */
u64 seq;
struct scan_cpu cpus[SCAN_CPUS];
struct scan_cpu by_sibling;	/* looks for the CPU that shares its core */

static void put(struct task_struct *p, u64 enq_flags)
{
	u64 n = __sync_fetch_and_add(&seq, 1);
	u64 last = fifos - 1;

	if (priq)
		scx_bpf_dispatch_vtime(p, SCAN_PRIQ, slice,
				       enq_flags & SCX_ENQ_HEAD ? 0 : n + 1, 0);
	else if (!last || (churn && p->tgid != crowd))
		scx_bpf_dispatch(p, last, slice, enq_flags);
	else /* half of them to the last */
		scx_bpf_dispatch(p, n % (2 * last) < last ? n % last : last, slice, enq_flags);
}

s32 BPF_STRUCT_OPS(scan_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	return prev_cpu;
}

void BPF_STRUCT_OPS(scan_enqueue, struct task_struct *p, u64 enq_flags)
{
	if (crowd && p->tgid == crowd && p->pid != crowd) {
		put(p, 0);
		__sync_fetch_and_add(&enqueued, 1);
	} else if (head && p->pid == head) {
		put(p, SCX_ENQ_HEAD);
	} else if (tail && p->pid == tail) {
		put(p, 0);
	} else if (late && (p->pid == late || p->pid == screen)) {
		scx_bpf_dispatch_vtime(p, SCAN_PRIQ, slice, p->pid == screen, 0);
	} else {
		scx_bpf_dispatch(p, SCX_DSQ_LOCAL, slice, 0);
	}
}

/* The first task of one goes to another. */
static void move_first(u64 from, u64 to, u64 enq_flags)
{
	struct task_struct *p;

	bpf_for_each(scx_dsq, p, from, 0) {
		scx_bpf_dispatch_from_dsq(BPF_FOR_EACH_ITER, p, to, enq_flags);
		break;
	}
}

static bool look_into(struct scan_cpu *seen, u64 dsq)
{
	u64 before = bpf_ktime_get_ns(), ns;
	bool hit = scx_bpf_consume(dsq);

	ns = bpf_ktime_get_ns() - before;
	if (priq || dsq == fifos - 1) {
		if (ns < seen->shortest)
			seen->shortest = ns;
		seen->over += ns > seen->limit;
		seen->calls++;
		if (hit)
			seen->hit = seen->calls;
	}
	return hit;
}

void BPF_STRUCT_OPS(scan_dispatch, s32 cpu, struct task_struct *prev)
{
	struct scan_cpu *seen = &by_sibling;
	u64 turn;
	u32 i;

	if (cpu == home ? hold : !(consumers & (1 << cpu)))
		return;
	if (cpu == bpf_get_smp_processor_id())
		seen = &cpus[cpu & (SCAN_CPUS - 1)];

	if (priq) {
		look_into(seen, SCAN_PRIQ);
		return;
	}
	if (churn && cpu != home)
		bpf_for(i, 0, fifos - 1)
			move_first(i, i, 0);
	if (before_look && cpu != home && !--before_look)
		bpf_for(i, 0, 2)
			move_first(SCAN_PRIQ, SCAN_FIFO, SCX_ENQ_HEAD);
	/* not always the same first */
	turn = bpf_get_prandom_u32();
	bpf_for(i, 0, fifos)
		if (look_into(seen, (turn + i) % fifos))
			return;
}

s32 BPF_STRUCT_OPS_SLEEPABLE(scan_init)
{
	s32 dsq, ret;

	bpf_for(dsq, 0, SCAN_DSQS) {
		ret = scx_bpf_create_dsq(dsq, -1);
		if (ret)
			return ret;
	}
	return 0;
}

void BPF_STRUCT_OPS(scan_exit, struct scx_exit_info *ei)
{
	UEI_RECORD(uei, ei);
}

SEC(".struct_ops.link")
struct sched_ext_ops scan_ops = {
	.select_cpu	= (void *)scan_select_cpu,
	.enqueue	= (void *)scan_enqueue,
	.dispatch	= (void *)scan_dispatch,
	.init		= (void *)scan_init,
	.exit		= (void *)scan_exit,
	.flags		= SCX_OPS_SWITCH_PARTIAL,
	.name		= "scan",
};

SEC("syscall")
int scan_kick(struct scan_args *args)
{
	scx_bpf_kick_cpu(args->cpu, 0);
	return 0;
}

SEC("syscall")
int scan_create(struct scan_args *args)
{
	return scx_bpf_create_dsq(args->dsq, -1);
}

SEC("syscall")
int scan_destroy(struct scan_args *args)
{
	scx_bpf_destroy_dsq(args->dsq);
	return 0;
}

s32 queued;

SEC("syscall")
int scan_count(struct scan_args *args)
{
	queued = scx_bpf_dsq_nr_queued(args->dsq);
	return 0;
}
