// SPDX-License-Identifier: GPL-2.0
/*
 * A scheduler that keeps what is enqueued until a script says where it goes. One
 * CPU follows the script, in one call of ops.dispatch(), so that user space can
 * tell what must come of it.
 */
#include <scx/common.bpf.h>
#include "script.h"

char _license[] SEC("license") = "GPL";

UEI_DEFINE(uei);

struct script_step steps[SCRIPT_STEPS];
u32 nr_steps;			/* to be carried out, 0 for none */
u32 followed;			/* the last one is, but what it dispatched may not be there yet */
u32 done;			/* scripts carried out */
s32 script_cpu;			/* by this CPU */
u64 slice = 20 * 1000 * 1000;	/* what tasks are given */
struct script_task tasks[SCRIPT_TASKS];
struct script_log logs[SCRIPT_CPUS];
u32 nr_tasks;
u64 doubles;			/* times that a task was found to run twice */
struct script_listing listing;	/* what script_list() found */
u64 slice_left;			/* what script_slice() found */
u32 spinning;			/* script_spin() is, ... */
u32 spin_stop;			/* ... until user space says so */

static struct script_task *task_of(s32 pid, u32 *number)
{
	u32 i;

	bpf_for(i, 0, SCRIPT_TASKS) {
		if (i < nr_tasks && tasks[i].pid == pid) {
			*number = i;
			return &tasks[i];
		}
	}
	return NULL;
}

s32 BPF_STRUCT_OPS(script_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	return prev_cpu;
}

void BPF_STRUCT_OPS(script_enqueue, struct task_struct *p, u64 enq_flags)
{
	struct script_task *task;
	u32 number;

	task = task_of(p->pid, &number);
	if (!task) {
		/* it is not of the test yet */
		scx_bpf_dispatch(p, SCX_DSQ_LOCAL, slice, 0);
		return;
	}
	if (task->direct) {
		scx_bpf_dispatch(p, task->direct, slice, enq_flags);
		return;
	}
	task->fresh = 1;
	task->enqueues++;
}

static u64 dsq_id(const struct script_step *step)
{
	switch (step->target) {
	case TO_LOCAL:
		return SCX_DSQ_LOCAL;
	case TO_LOCAL_ON:
		return SCX_DSQ_LOCAL_ON | step->cpu;
	case TO_GLOBAL:
		return SCX_DSQ_GLOBAL;
	default:
		return step->dsq;
	}
}

static bool by_vtime(const struct script_step *step)
{
	return step->target == TO_DSQ && is_priq(step->dsq);
}

static s32 pid_of(s32 number)
{
	return tasks[number & (SCRIPT_TASKS - 1)].pid;
}

static void dispatch(const struct script_step *step)
{
	struct task_struct *p = bpf_task_from_pid(pid_of(step->task));

	if (!p)
		return;
	if (by_vtime(step))
		scx_bpf_dispatch_vtime(p, dsq_id(step), step->slice, step->vtime, step->flags);
	else
		scx_bpf_dispatch(p, dsq_id(step), step->slice, step->flags);
	bpf_task_release(p);
}

static bool move(const struct script_step *step)
{
	s32 pid = pid_of(step->task);
	struct task_struct *p;
	bool moved = false;

	bpf_for_each(scx_dsq, p, step->from, 0) {
		if (p->pid != pid)
			continue;
		if (by_vtime(step)) {
			scx_bpf_dispatch_from_dsq_set_vtime(BPF_FOR_EACH_ITER, step->vtime);
			moved = scx_bpf_dispatch_vtime_from_dsq(BPF_FOR_EACH_ITER, p,
								dsq_id(step), step->flags);
		} else {
			moved = scx_bpf_dispatch_from_dsq(BPF_FOR_EACH_ITER, p, dsq_id(step),
							  step->flags);
		}
		break;
	}
	return moved;
}

void BPF_STRUCT_OPS(script_dispatch, s32 cpu, struct task_struct *prev)
{
	u32 nr = nr_steps, i;

	if (cpu != script_cpu)
		return;
	if (followed) {
		followed = 0;
		__sync_fetch_and_add(&done, 1);
	}
	if (!nr)
		return;
	nr_steps = 0;

	bpf_for(i, 0, SCRIPT_STEPS) {
		struct script_step *step = &steps[i];

		if (i >= nr)
			break;
		switch (step->verb) {
		case STEP_DISPATCH:
			dispatch(step);
			break;
		case STEP_CANCEL:
			scx_bpf_dispatch_cancel();
			break;
		case STEP_CONSUME:
			step->result = scx_bpf_consume(step->dsq);
			break;
		case STEP_MOVE:
			step->result = move(step);
			break;
		}
	}
	/* the kernel carries dispatches out when we return, and then comes again */
	followed = 1;
	scx_bpf_kick_cpu(cpu, 0);
}

void BPF_STRUCT_OPS(script_running, struct task_struct *p)
{
	struct script_log *log = &logs[bpf_get_smp_processor_id() & (SCRIPT_CPUS - 1)];
	struct script_task *task;
	u32 number;

	task = task_of(p->pid, &number);
	if (!task)
		return;
	if (__sync_fetch_and_add(&task->on, 1))
		__sync_fetch_and_add(&doubles, 1);
	/* one that was preempted goes on without being enqueued again */
	if (!task->fresh)
		return;
	task->fresh = 0;
	task->runs++;
	if (log->nr < SCRIPT_LOG)
		log->tasks[log->nr & (SCRIPT_LOG - 1)] = number;
	log->nr++;
}

void BPF_STRUCT_OPS(script_stopping, struct task_struct *p, bool runnable)
{
	struct script_task *task;
	u32 number;

	task = task_of(p->pid, &number);
	if (task && task->on)
		__sync_fetch_and_add(&task->on, -1);
}

void BPF_STRUCT_OPS(script_quiescent, struct task_struct *p, u64 deq_flags)
{
	struct script_task *task;
	u32 number;

	task = task_of(p->pid, &number);
	if (task && (deq_flags & SCX_DEQ_SLEEP))
		task->sleeps++;
}

s32 BPF_STRUCT_OPS_SLEEPABLE(script_init)
{
	s32 dsq, ret;

	bpf_for(dsq, 0, SCRIPT_DSQS) {
		ret = scx_bpf_create_dsq(dsq, -1);
		if (ret)
			return ret;
	}
	return 0;
}

void BPF_STRUCT_OPS(script_exit, struct scx_exit_info *ei)
{
	UEI_RECORD(uei, ei);
}

SEC(".struct_ops.link")
struct sched_ext_ops script_ops = {
	.select_cpu	= (void *)script_select_cpu,
	.enqueue	= (void *)script_enqueue,
	.dispatch	= (void *)script_dispatch,
	.running	= (void *)script_running,
	.stopping	= (void *)script_stopping,
	.quiescent	= (void *)script_quiescent,
	.init		= (void *)script_init,
	.exit		= (void *)script_exit,
	.dispatch_max_batch = SCRIPT_STEPS,
	.flags		= SCX_OPS_SWITCH_PARTIAL,
	.name		= "script",
};

/* What is in a DSQ, in its order. */
SEC("syscall")
int script_list(struct script_args *args)
{
	struct task_struct *p;
	u32 number, n = 0;

	listing.nr_queued = scx_bpf_dsq_nr_queued(args->dsq);
	bpf_rcu_read_lock();
	bpf_for_each(scx_dsq, p, args->dsq, 0) {
		if (n >= SCRIPT_TASKS)
			break;
		listing.tasks[n & (SCRIPT_TASKS - 1)] = task_of(p->pid, &number) ? number : -1;
		n++;
	}
	bpf_rcu_read_unlock();
	listing.nr = n;
	return 0;
}

SEC("syscall")
int script_kick(struct script_args *args)
{
	scx_bpf_kick_cpu(args->cpu, 0);
	return 0;
}

SEC("syscall")
int script_slice(struct script_args *args)
{
	struct task_struct *p = bpf_task_from_pid(pid_of(args->task));

	if (!p)
		return -ESRCH;
	slice_left = p->scx.slice;
	bpf_task_release(p);
	return 0;
}

static int spin_step(u32 i, void *ctx)
{
	return READ_ONCE(spin_stop) != 0;
}

/* The kernel may preempt it here, but not migrate it. */
SEC("syscall")
int script_spin(struct script_args *args)
{
	u32 i;

	spinning = 1;
	bpf_for(i, 0, 8) {
		if (bpf_loop(1 << 23, spin_step, NULL, 0) < 1 << 23)
			break;
	}
	return 0;
}
