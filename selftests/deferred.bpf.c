// SPDX-License-Identifier: GPL-2.0
/*
 * A scheduler that makes the moment last in which a CPU balances and has its run
 * queue unlocked: what it consumes is on another one, and that is locked for as
 * long as ops.enqueue() takes there. Tasks that are made meanwhile are enqueued on
 * the CPU that balances, and sent elsewhere at once.
 */
#include <scx/common.bpf.h>
#include "deferred.h"

char _license[] SEC("license") = "GPL";

UEI_DEFINE(uei);

#define DSQ		0
#define SLICE		(20ULL * 1000 * 1000)

u64 patience = 800 * 1000 * 1000;	/* ns that the moment lasts at most */
s32 maker;			/* the process whose threads are the children */
s32 guest;			/* the task that is consumed, */
bool armed;			/* once it is where it is to wait */
s32 holder;			/* that which has the run queue locked when it is enqueued */
bool waiting;			/* which it does */
u32 holding;			/* it is being enqueued, */
u32 late;			/* and was before the other CPU came, on a busy host */
u32 balancing;			/* ops.dispatch() is about to consume */
u32 consumed;
u32 children;			/* that were enqueued meanwhile */

static bool is_child(struct task_struct *p)
{
	return maker && p->tgid == maker && p->pid != maker;
}

s32 BPF_STRUCT_OPS(deferred_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	if (maker && p->tgid == maker)
		return is_child(p) ? BALANCER : MAKER;
	return prev_cpu;
}

static int over(u32 i, u64 *end)
{
	return READ_ONCE(children) >= CHILDREN || bpf_ktime_get_ns() >= *end;
}

/* In ops.enqueue(), so that the task's run queue stays locked. */
static void hold(void)
{
	u64 end = bpf_ktime_get_ns() + patience;

	holding = 1;
	scx_bpf_kick_cpu(BALANCER, 0);
	bpf_loop(1 << 23, over, &end, 0);
	late = !balancing;
	holding = 0;
	if (late)
		scx_bpf_kick_cpu(BALANCER, 0);
}

void BPF_STRUCT_OPS(deferred_enqueue, struct task_struct *p, u64 enq_flags)
{
	if (is_child(p) && scx_bpf_task_cpu(p) == BALANCER) {
		scx_bpf_dispatch(p, SCX_DSQ_LOCAL_ON | MAKER, SLICE, 0);
		if (balancing && !consumed)
			__sync_fetch_and_add(&children, 1);
	} else if (armed && p->pid == guest) {
		scx_bpf_dispatch(p, DSQ, SLICE, 0);
		waiting = true;
	} else {
		scx_bpf_dispatch(p, SCX_DSQ_LOCAL, SLICE, 0);
		if (p->pid == holder)
			hold();
	}
}

void BPF_STRUCT_OPS(deferred_dispatch, s32 cpu, struct task_struct *prev)
{
	if (cpu != BALANCER || !(holding || late) || balancing)
		return;
	balancing = 1;
	scx_bpf_consume(DSQ);
	consumed = 1;
}

s32 BPF_STRUCT_OPS_SLEEPABLE(deferred_init)
{
	return scx_bpf_create_dsq(DSQ, -1);
}

void BPF_STRUCT_OPS(deferred_exit, struct scx_exit_info *ei)
{
	UEI_RECORD(uei, ei);
}

SEC(".struct_ops.link")
struct sched_ext_ops deferred_ops = {
	.select_cpu	= (void *)deferred_select_cpu,
	.enqueue	= (void *)deferred_enqueue,
	.dispatch	= (void *)deferred_dispatch,
	.init		= (void *)deferred_init,
	.exit		= (void *)deferred_exit,
	.flags		= SCX_OPS_SWITCH_PARTIAL,
	.name		= "deferred",
};
