// SPDX-License-Identifier: GPL-2.0
/*
 * A scheduler that does what is measured, when it is told to: dispatches so many
 * tasks at once, kicks so many CPUs at once, looks through a DSQ, or hangs.
 */
#include <scx/common.bpf.h>
#include "guest.h"

char _license[] SEC("license") = "GPL";

UEI_DEFINE(uei);

u64 slice = SCX_SLICE_INF;

s32 workers;			/* the process whose threads are dispatched in batches */
s32 home = -1;			/* the CPU that they wake up on */
s32 dispatcher = -1;		/* the CPU that dispatches them ... */
u32 to;				/* ... there, see enum bench_to ... */
s32 destination = -1;		/* ... or, for BENCH_REMOTE, to this CPU ... */
u32 batch;			/* ... so many, once */
u64 queued;			/* workers that have come to wait */
s32 consumer = -1;		/* the CPU that takes them from the DSQ */
u32 consume;			/* so many of them, one for each call */

s32 crowd;			/* a process whose threads wait in the DSQ for ever */
u64 crowded;			/* how many */

s32 kicker;			/* when this task is enqueued ... */
bool as_it_runs;		/* ... or, if so, when it runs ... */
u32 targets;			/* ... kick so many CPUs, once ... */
s32 target[BENCH_TARGETS];
u64 kick_flags;
u64 kicked;			/* how often that was done */

s32 stuck_cpu = -1;		/* ops.dispatch() does not return on this CPU ... */
u64 stuck_ns;			/* ... for so long */
u64 stuck_since;

s32 running[BENCH_CPUS];	/* the pid */

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 256);
	__type(value, s32);
} waiting SEC(".maps");

s32 BPF_STRUCT_OPS(bench_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	if (workers && p->tgid == workers && home >= 0)
		return home;
	return prev_cpu;
}

static void kick_all(struct task_struct *p, bool runs)
{
	u32 nr = targets, i;

	if (!nr || p->pid != kicker || runs != as_it_runs)
		return;
	targets = 0;
	bpf_for(i, 0, nr)
		scx_bpf_kick_cpu(target[i & (BENCH_TARGETS - 1)], kick_flags);
	kicked++;
}

void BPF_STRUCT_OPS(bench_enqueue, struct task_struct *p, u64 enq_flags)
{
	s32 pid = p->pid;

	kick_all(p, false);
	if (crowd && p->tgid == crowd && pid != crowd) {
		scx_bpf_dispatch(p, BENCH_DSQ, slice, enq_flags);
		__sync_fetch_and_add(&crowded, 1);
	} else if (workers && p->tgid == workers && pid != workers) {
		if (bpf_map_push_elem(&waiting, &pid, 0))
			scx_bpf_dispatch(p, SCX_DSQ_GLOBAL, slice, enq_flags);
		__sync_fetch_and_add(&queued, 1);
	} else {
		scx_bpf_dispatch(p, SCX_DSQ_LOCAL, slice, enq_flags);
	}
}

static int stuck(u32 i, u64 *end)
{
	return bpf_ktime_get_ns() >= *end;
}

static void dispatch_one(void)
{
	struct task_struct *p;
	u64 dsq = BENCH_DSQ;
	s32 pid;

	if (bpf_map_pop_elem(&waiting, &pid))
		return;
	p = bpf_task_from_pid(pid);
	if (!p)
		return;
	if (to == BENCH_LOCAL)
		dsq = SCX_DSQ_LOCAL;
	else if (to == BENCH_REMOTE)
		dsq = SCX_DSQ_LOCAL_ON | destination;
	scx_bpf_dispatch(p, dsq, slice, 0);
	bpf_task_release(p);
}

void BPF_STRUCT_OPS(bench_dispatch, s32 cpu, struct task_struct *prev)
{
	u32 nr, i;

	if (cpu == dispatcher && batch) {
		nr = batch;
		batch = 0;
		bpf_for(i, 0, nr)
			dispatch_one();
	}
	if (cpu == consumer && consume) {
		consume--;
		scx_bpf_consume(BENCH_DSQ);
	}
	if (cpu == stuck_cpu && stuck_ns) {
		u64 end;

		stuck_since = bpf_ktime_get_ns();
		end = stuck_since + stuck_ns;
		stuck_ns = 0;
		bpf_for(i, 0, 1 << 10)
			if (bpf_loop(1 << 23, stuck, &end, 0) < 1 << 23)
				break;
	}
}

void BPF_STRUCT_OPS(bench_running, struct task_struct *p)
{
	running[bpf_get_smp_processor_id() & (BENCH_CPUS - 1)] = p->pid;
	kick_all(p, true);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(bench_init)
{
	return scx_bpf_create_dsq(BENCH_DSQ, -1);
}

void BPF_STRUCT_OPS(bench_exit, struct scx_exit_info *ei)
{
	UEI_RECORD(uei, ei);
}

SEC(".struct_ops.link")
struct sched_ext_ops bench_ops = {
	.select_cpu	= (void *)bench_select_cpu,
	.enqueue	= (void *)bench_enqueue,
	.dispatch	= (void *)bench_dispatch,
	.running	= (void *)bench_running,
	.init		= (void *)bench_init,
	.exit		= (void *)bench_exit,
	.flags		= SCX_OPS_SWITCH_PARTIAL | SCX_OPS_ENQ_LAST,
	.name		= "bench",
};

SEC("syscall")
int bench_kick(struct bench_args *args)
{
	scx_bpf_kick_cpu(args->cpu, args->flags);
	return 0;
}
