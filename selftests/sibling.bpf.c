// SPDX-License-Identifier: GPL-2.0
/*
 * A scheduler with a queue for each CPU, from which ops.dispatch() serves the CPU
 * that it is called for. With core scheduling another one may execute that.
 */
#include <scx/common.bpf.h>
#include "sibling.h"

char _license[] SEC("license") = "GPL";

UEI_DEFINE(uei);

u32 way = HAND_DISPATCH;
u64 slice = 2 * 1000 * 1000;
s32 helpless = -1;		/* this CPU does not serve itself */
u64 handed;			/* tasks handed to a CPU by itself */
u64 handed_over;		/* and by another one */
u64 astray;			/* tasks that ran where they must not */

struct inbox {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 64);
	__type(value, s32);
};

struct inbox inbox_0 SEC(".maps"), inbox_1 SEC(".maps");
struct inbox inbox_2 SEC(".maps"), inbox_3 SEC(".maps");

static long push(s32 cpu, s32 *pid)
{
	switch (cpu) {
	case 0:
		return bpf_map_push_elem(&inbox_0, pid, 0);
	case 1:
		return bpf_map_push_elem(&inbox_1, pid, 0);
	case 2:
		return bpf_map_push_elem(&inbox_2, pid, 0);
	case 3:
		return bpf_map_push_elem(&inbox_3, pid, 0);
	}
	return -EINVAL;
}

static long pop(s32 cpu, s32 *pid)
{
	switch (cpu) {
	case 0:
		return bpf_map_pop_elem(&inbox_0, pid);
	case 1:
		return bpf_map_pop_elem(&inbox_1, pid);
	case 2:
		return bpf_map_pop_elem(&inbox_2, pid);
	case 3:
		return bpf_map_pop_elem(&inbox_3, pid);
	}
	return -EINVAL;
}

s32 BPF_STRUCT_OPS(sibling_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	return prev_cpu;
}

void BPF_STRUCT_OPS(sibling_enqueue, struct task_struct *p, u64 enq_flags)
{
	s32 cpu = scx_bpf_task_cpu(p), pid = p->pid;

	if (way == HAND_DISPATCH && !push(cpu, &pid))
		return;
	scx_bpf_dispatch(p, cpu, slice, enq_flags);
}

static bool hand(s32 cpu)
{
	struct task_struct *p;
	bool done = false;
	s32 pid;

	if (!pop(cpu, &pid)) {
		p = bpf_task_from_pid(pid);
		if (!p)
			return false;
		scx_bpf_dispatch(p, SCX_DSQ_LOCAL, slice, 0);
		bpf_task_release(p);
		return true;
	}
	bpf_for_each(scx_dsq, p, cpu, 0) {
		done = scx_bpf_dispatch_from_dsq(BPF_FOR_EACH_ITER, p, way == HAND_MOVE_ON ?
						 SCX_DSQ_LOCAL_ON | cpu : SCX_DSQ_LOCAL, 0);
		break;
	}
	return done;
}

void BPF_STRUCT_OPS(sibling_dispatch, s32 cpu, struct task_struct *prev)
{
	if (cpu == helpless && cpu == bpf_get_smp_processor_id())
		return;
	if (!hand(cpu))
		return;
	if (cpu == bpf_get_smp_processor_id())
		__sync_fetch_and_add(&handed, 1);
	else
		__sync_fetch_and_add(&handed_over, 1);
}

void BPF_STRUCT_OPS(sibling_running, struct task_struct *p)
{
	if (!bpf_cpumask_test_cpu(scx_bpf_task_cpu(p), p->cpus_ptr))
		__sync_fetch_and_add(&astray, 1);
}

s32 BPF_STRUCT_OPS_SLEEPABLE(sibling_init)
{
	s32 cpu, ret;

	bpf_for(cpu, 0, SIBLING_CPUS) {
		ret = scx_bpf_create_dsq(cpu, -1);
		if (ret)
			return ret;
	}
	return 0;
}

void BPF_STRUCT_OPS(sibling_exit, struct scx_exit_info *ei)
{
	UEI_RECORD(uei, ei);
}

SEC(".struct_ops.link")
struct sched_ext_ops sibling_ops = {
	.select_cpu	= (void *)sibling_select_cpu,
	.enqueue	= (void *)sibling_enqueue,
	.dispatch	= (void *)sibling_dispatch,
	.running	= (void *)sibling_running,
	.init		= (void *)sibling_init,
	.exit		= (void *)sibling_exit,
	.flags		= SCX_OPS_SWITCH_PARTIAL,
	.name		= "sibling",
};
