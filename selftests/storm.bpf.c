// SPDX-License-Identifier: GPL-2.0
/*
 * A scheduler that does everything that it may, on all CPUs at once and at random:
 * dispatch, cancel, consume, move, from queues of the kernel and of its own, to
 * any CPU. It loses no task and asks for nothing that is forbidden, so whatever
 * goes wrong is not its fault.
 */
#include <scx/common.bpf.h>
#include "storm.h"

char _license[] SEC("license") = "GPL";

UEI_DEFINE(uei);

u32 ways = WAY_SHARED;		/* those that are taken */
u32 nr_cpus = 1;
u64 slice = 1000 * 1000;
u64 slow_ns;			/* what each of the callbacks below takes */
bool naive;			/* take no notice of tasks whose migration is disabled: none is */
bool far;			/* take tasks from the queue to other CPUs mostly */
u64 doubles;			/* times that a task was found to run twice at once */
u64 elsewhere;			/* tasks sent to other CPUs by ops.dispatch() */
u64 cancels, moves, spurious;
s32 queued[STORM_DSQS];

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 4096);
	__type(value, s32);
} queue SEC(".maps");

struct storm_task {
	u32 on;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct storm_task);
} tasks SEC(".maps");

static s32 some_cpu(void)
{
	return bpf_get_prandom_u32() % nr_cpus;
}

static bool may_run_on(const struct task_struct *p, s32 cpu)
{
	return (naive || !p->migration_disabled) && bpf_cpumask_test_cpu(cpu, p->cpus_ptr);
}

static int burn(u32 i, u64 *until)
{
	return bpf_ktime_get_ns() >= *until;
}

static void be_slow(void)
{
	u64 until;

	if (!slow_ns)
		return;
	until = bpf_ktime_get_ns() + slow_ns;
	bpf_loop(1 << 16, burn, &until, 0);
}

s32 BPF_STRUCT_OPS(storm_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	s32 cpu = some_cpu();

	return ways & WAY_ELSEWHERE && may_run_on(p, cpu) ? cpu : prev_cpu;
}

static void to_dsq(struct task_struct *p, u64 dsq, u64 enq_flags)
{
	if (dsq == STORM_PRIQ)
		scx_bpf_dispatch_vtime(p, STORM_PRIQ, slice, bpf_ktime_get_ns(), enq_flags);
	else
		scx_bpf_dispatch(p, STORM_SHARED, slice, enq_flags);
}

void BPF_STRUCT_OPS(storm_enqueue, struct task_struct *p, u64 enq_flags)
{
	u32 random = bpf_get_prandom_u32(), way = 1 << (random & 3);
	s32 cpu = some_cpu(), pid = p->pid;

	if (!(ways & way))
		way = ways & -ways;
	switch (way) {
	case WAY_ELSEWHERE:
		if (may_run_on(p, cpu)) {
			scx_bpf_dispatch(p, SCX_DSQ_LOCAL_ON | cpu, slice, enq_flags);
			return;
		}
		break;
	case WAY_QUEUE:
		if (!bpf_map_push_elem(&queue, &pid, 0)) {
			scx_bpf_kick_cpu(bpf_cpumask_any_distribute(p->cpus_ptr), SCX_KICK_IDLE);
			return;
		}
		break;
	case WAY_PRIQ:
		to_dsq(p, STORM_PRIQ, enq_flags);
		return;
	}
	to_dsq(p, STORM_SHARED, enq_flags);
}

/*
 * The CPUs that a task may run on are looked at once the dispatch is noted: if
 * they change after that, so does what the kernel knows the dispatch by.
 */
static void send(struct task_struct *p, s32 cpu)
{
	u32 random = bpf_get_prandom_u32();
	s32 to = far || random & 1 ? some_cpu() : cpu;

	scx_bpf_dispatch(p, to == cpu ? SCX_DSQ_LOCAL : SCX_DSQ_LOCAL_ON | to, slice,
			 random & 6 ? 0 : SCX_ENQ_HEAD);
	if (may_run_on(p, to) && (random & 0x70)) {
		__sync_fetch_and_add(&elsewhere, to != cpu);
		return;
	}
	scx_bpf_dispatch_cancel();
	__sync_fetch_and_add(&cancels, 1);
	to_dsq(p, random & 8 ? STORM_SHARED : STORM_PRIQ, 0);
}

static bool send_queued(s32 cpu)
{
	struct task_struct *p;
	bool any = false;
	s32 pid;
	u32 i;

	bpf_for(i, 0, 4) {
		if (bpf_map_pop_elem(&queue, &pid))
			break;
		p = bpf_task_from_pid(pid);
		if (!p)
			continue;
		send(p, cpu);
		any = true;
		/* as if once were not enough */
		if (!(bpf_get_prandom_u32() & 7)) {
			to_dsq(p, STORM_SHARED, 0);
			__sync_fetch_and_add(&spurious, 1);
		}
		bpf_task_release(p);
	}
	return any;
}

static void move_one(s32 cpu)
{
	struct task_struct *p;

	bpf_for_each(scx_dsq, p, STORM_SHARED, 0) {
		u32 random = bpf_get_prandom_u32();
		bool moved;

		if (random & 3)
			continue;
		if (random & 4)
			moved = scx_bpf_dispatch_vtime_from_dsq(BPF_FOR_EACH_ITER, p,
								STORM_PRIQ, 0);
		else
			moved = scx_bpf_dispatch_from_dsq(BPF_FOR_EACH_ITER, p, STORM_SHARED,
							  random & 8 ? SCX_ENQ_HEAD : 0);
		__sync_fetch_and_add(&moves, moved);
		break;
	}
}

void BPF_STRUCT_OPS(storm_dispatch, s32 cpu, struct task_struct *prev)
{
	u32 random = bpf_get_prandom_u32();

	if (!(random & 3))
		move_one(cpu);
	if (random & 4 && scx_bpf_consume(STORM_PRIQ))
		return;
	if (random & 8 && scx_bpf_consume(STORM_SHARED))
		return;
	if (send_queued(cpu) && random & 0x10)
		return;
	if (scx_bpf_consume(STORM_SHARED))
		return;
	scx_bpf_consume(STORM_PRIQ);
}

void BPF_STRUCT_OPS(storm_running, struct task_struct *p)
{
	struct storm_task *task;

	task = bpf_task_storage_get(&tasks, p, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (task && __sync_fetch_and_add(&task->on, 1))
		__sync_fetch_and_add(&doubles, 1);
	be_slow();
}

void BPF_STRUCT_OPS(storm_stopping, struct task_struct *p, bool runnable)
{
	struct storm_task *task = bpf_task_storage_get(&tasks, p, 0, 0);

	if (task && task->on)
		__sync_fetch_and_add(&task->on, -1);
	be_slow();
}

void BPF_STRUCT_OPS(storm_update_idle, s32 cpu, bool idle)
{
	be_slow();
}

/* with these a scheduler outlives CPU hotplug */
void BPF_STRUCT_OPS(storm_cpu_online, s32 cpu)
{
}

void BPF_STRUCT_OPS(storm_cpu_offline, s32 cpu)
{
}

s32 BPF_STRUCT_OPS_SLEEPABLE(storm_init)
{
	s32 dsq, ret;

	bpf_for(dsq, 0, STORM_DSQS) {
		ret = scx_bpf_create_dsq(dsq, -1);
		if (ret)
			return ret;
	}
	return 0;
}

void BPF_STRUCT_OPS(storm_exit, struct scx_exit_info *ei)
{
	UEI_RECORD(uei, ei);
}

SEC(".struct_ops.link")
struct sched_ext_ops storm_ops = {
	.select_cpu	= (void *)storm_select_cpu,
	.enqueue	= (void *)storm_enqueue,
	.dispatch	= (void *)storm_dispatch,
	.running	= (void *)storm_running,
	.stopping	= (void *)storm_stopping,
	.update_idle	= (void *)storm_update_idle,
	.cpu_online	= (void *)storm_cpu_online,
	.cpu_offline	= (void *)storm_cpu_offline,
	.init		= (void *)storm_init,
	.exit		= (void *)storm_exit,
	.flags		= SCX_OPS_SWITCH_PARTIAL | SCX_OPS_KEEP_BUILTIN_IDLE,
	.name		= "storm",
};

SEC("syscall")
int storm_count(struct storm_args *args)
{
	queued[STORM_SHARED] = scx_bpf_dsq_nr_queued(STORM_SHARED);
	queued[STORM_PRIQ] = scx_bpf_dsq_nr_queued(STORM_PRIQ);
	return 0;
}

SEC("syscall")
int storm_kick(struct storm_args *args)
{
	scx_bpf_kick_cpu(args->cpu, 0);
	return 0;
}
