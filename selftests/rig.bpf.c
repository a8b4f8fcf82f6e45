// SPDX-License-Identifier: GPL-2.0
/*
 * A scheduler with one queue per CPU that does what a test tells it to, and
 * writes down what happens on each CPU. It moves no task between CPUs.
 */
#include <scx/common.bpf.h>
#include "rig.h"

char _license[] SEC("license") = "GPL";

UEI_DEFINE(uei);

u64 slice = SCX_SLICE_INF;	/* what every task is given */
bool trap;			/* ops.dispatch() never finds a task */
bool drop_workers;		/* forget kworkers */
bool kick_in_init;		/* kick from ops.init_task() */
int drop_pid;			/* forget this task */
int preempter;			/* enqueue this task with SCX_ENQ_PREEMPT */
u64 dropped;
u64 init_kicks;
bool hold[RIG_CPUS];		/* the CPU leaves its queue alone */
struct rig_cpu cpus[RIG_CPUS];
struct rig_request req;

static struct rig_cpu *cpu_seen(s32 cpu)
{
	return &cpus[cpu & (RIG_CPUS - 1)];
}

static bool held(s32 cpu)
{
	return hold[cpu & (RIG_CPUS - 1)];
}

s32 BPF_STRUCT_OPS(rig_select_cpu, struct task_struct *p, s32 prev_cpu,
		   u64 wake_flags)
{
	return prev_cpu;
}

void BPF_STRUCT_OPS(rig_enqueue, struct task_struct *p, u64 enq_flags)
{
	s32 cpu = scx_bpf_task_cpu(p);
	u64 dsq_id = cpu;

	if ((drop_workers && (p->flags & PF_WQ_WORKER)) ||
	    (drop_pid && p->pid == drop_pid)) {
		__sync_fetch_and_add(&dropped, 1);
		return;
	}

	if (preempter && p->pid == preempter) {
		dsq_id = SCX_DSQ_LOCAL;
		enq_flags |= SCX_ENQ_PREEMPT;
	} else if ((enq_flags & SCX_ENQ_LAST) && !held(cpu)) {
		dsq_id = SCX_DSQ_LOCAL;
	}

	__sync_fetch_and_add(&cpu_seen(cpu)->enqueues, 1);
	scx_bpf_dispatch(p, dsq_id, slice, enq_flags);
}

void BPF_STRUCT_OPS(rig_dispatch, s32 cpu, struct task_struct *prev)
{
	struct rig_cpu *seen = cpu_seen(cpu);
	struct task_struct *p;

	seen->dispatches++;
	seen->rounds++;
	if (prev && !prev->scx.slice)
		seen->zero_prevs++;

	if (!trap) {
		if (!held(cpu))
			scx_bpf_consume(cpu);
		return;
	}

	/* a task that is not queued here is passed over, and we are asked again */
	p = bpf_task_from_pid(2);
	if (p) {
		scx_bpf_dispatch(p, SCX_DSQ_LOCAL, slice, 0);
		bpf_task_release(p);
	}
}

void BPF_STRUCT_OPS(rig_running, struct task_struct *p)
{
	u32 i;

	cpu_seen(bpf_get_smp_processor_id())->running = p->pid;

	if (!req.nr || p->pid != req.kicker)
		return;

	bpf_for(i, 0, req.nr)
		scx_bpf_kick_cpu(req.cpus[i & (RIG_CPUS - 1)], req.flags);
	req.nr = 0;
	req.done++;
}

void BPF_STRUCT_OPS(rig_stopping, struct task_struct *p, bool runnable)
{
	struct rig_cpu *seen = cpu_seen(bpf_get_smp_processor_id());

	seen->stop_slice = p->scx.slice;
	seen->stops++;
}

s32 BPF_STRUCT_OPS(rig_init_task, struct task_struct *p,
		   struct scx_init_task_args *args)
{
	if (kick_in_init) {
		scx_bpf_kick_cpu(0, SCX_KICK_PREEMPT);
		init_kicks++;
	}
	return 0;
}

/* with these a scheduler outlives CPU hotplug */
void BPF_STRUCT_OPS(rig_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(rig_cpu_offline, s32 cpu)
{
}

s32 BPF_STRUCT_OPS_SLEEPABLE(rig_init)
{
	s32 cpu, ret;

	bpf_for(cpu, 0, scx_bpf_nr_cpu_ids()) {
		ret = scx_bpf_create_dsq(cpu, -1);
		if (ret)
			return ret;
	}
	return 0;
}

void BPF_STRUCT_OPS(rig_exit, struct scx_exit_info *ei)
{
	UEI_RECORD(uei, ei);
}

SEC(".struct_ops.link")
struct sched_ext_ops rig_ops = {
	.select_cpu	= (void *)rig_select_cpu,
	.enqueue	= (void *)rig_enqueue,
	.dispatch	= (void *)rig_dispatch,
	.running	= (void *)rig_running,
	.stopping	= (void *)rig_stopping,
	.init_task	= (void *)rig_init_task,
	.cpu_online	= (void *)rig_cpu_online,
	.cpu_offline	= (void *)rig_cpu_offline,
	.init		= (void *)rig_init,
	.exit		= (void *)rig_exit,
	.flags		= SCX_OPS_SWITCH_PARTIAL | SCX_OPS_ENQ_LAST,
	.name		= "rig",
};

/* One scheduling cycle ends, whichever core went through it. */
SEC("fexit/balance_scx")
int rig_balanced(void *ctx)
{
	struct rig_cpu *seen = cpu_seen(bpf_get_smp_processor_id());

	seen->balances++;
	if (seen->rounds == RIG_ROUNDS)
		seen->full_cycles++;
	if (seen->rounds > seen->max_rounds)
		seen->max_rounds = seen->rounds;
	seen->rounds = 0;
	return 0;
}

SEC("syscall")
int rig_kick(struct rig_args *args)
{
	scx_bpf_kick_cpu(args->cpu, args->flags);
	return 0;
}

SEC("syscall")
int rig_slice(struct rig_args *args)
{
	struct task_struct *p = bpf_task_from_pid(args->pid);

	if (!p)
		return -ESRCH;
	args->slice = p->scx.slice;
	bpf_task_release(p);
	return 0;
}
