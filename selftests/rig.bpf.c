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
int local_pid;			/* enqueue this task on the local DSQ */
u64 dropped;
u64 init_kicks;
bool hold[RIG_CPUS];		/* the CPU leaves its queue alone */
struct rig_cpu cpus[RIG_CPUS];
struct rig_request req;

struct rig_hand hand;		/* a task to be handed to another CPU */
struct rig_leaver leaver;	/* a task that goes amid a search */

u32 ring;			/* ops.enqueue() of each of so many CPUs kicks the next */
u64 ring_flags;
u32 targets;			/* CPUs that are shot at, from 0 on */
u32 kinds;			/* a bit for each enum rig_kind to shoot */
u64 sent[RIG_SLOTS];		/* shots, by kind */
u64 timer_shots;		/* those of them that the timer made */
u64 timer_ns;			/* the period of a timer that shoots, 0 for none */
u32 timer_times;		/* how often it does each time */
int traced_cpu;			/* what rig_traced() kicks */
u64 traced_flags;
u64 traced;			/* how often it did */
u64 spins;			/* user space's: odd while a task of its spins in the kernel */
u64 spin_ns;			/* ops.dispatch() spins for so long, once, ... */
s32 spin_cpu;			/* ... on this CPU */
u64 spin_end;			/* until then; user space may take it back */
u64 spun;			/* how often it did */
u64 timer_spin_ns;		/* the timer spins for so long, once */

struct rig_timer {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct rig_timer);
} timers SEC(".maps");

static struct rig_cpu *cpu_seen(s32 cpu)
{
	return &cpus[cpu & (RIG_CPUS - 1)];
}

static bool held(s32 cpu)
{
	return hold[cpu & (RIG_CPUS - 1)];
}

/* Kick any CPU in any of the ways asked for, and say so to the CPU first. */
static void shoot(void)
{
	u32 random = bpf_get_prandom_u32();
	u32 kind = random % RIG_KINDS;
	s32 cpu;
	u64 flags;

	if (!targets || !(kinds & (1 << kind)))
		return;
	cpu = (random >> 8) % targets;

	switch (kind) {
	case RIG_PLAIN:
		flags = 0;
		break;
	case RIG_IDLE:
		flags = SCX_KICK_IDLE;
		break;
	case RIG_PREEMPT:
		flags = SCX_KICK_PREEMPT;
		break;
	case RIG_WAIT:
		flags = SCX_KICK_WAIT;
		break;
	default:
		flags = SCX_KICK_PREEMPT | SCX_KICK_WAIT;
	}

	if (kind == RIG_IDLE)
		__sync_fetch_and_add(&cpu_seen(cpu)->asked_idle, 1);
	else
		__sync_fetch_and_add(&cpu_seen(cpu)->asked, 1);
	scx_bpf_kick_cpu(cpu, flags);
	/* the verifier does not know what the compiler does: that it is in range */
	barrier_var(kind);
	__sync_fetch_and_add(&sent[kind & (RIG_SLOTS - 1)], 1);
}

/* From the scheduler's operations: as often as user space allows. */
static void shoot_from_op(void)
{
	struct rig_cpu *seen = cpu_seen(bpf_get_smp_processor_id());

	if (seen->shots <= 0)
		return;
	seen->shots--;
	shoot();
}

static int spin_step(u32 i, void *ctx)
{
	return bpf_ktime_get_ns() >= READ_ONCE(spin_end);
}

/* Nothing in the kernel can stop it before its time. */
static void spin(u64 ns)
{
	u32 i;

	spin_end = bpf_ktime_get_ns() + ns;
	bpf_for(i, 0, 1 << 10)
		if (bpf_loop(1 << 23, spin_step, NULL, 0) < 1 << 23)
			break;
	__sync_fetch_and_add(&spun, 1);
}

static bool is_handed(struct task_struct *p)
{
	return hand.pid && p->pid == hand.pid;
}

static s32 hand_target(s32 cpu)
{
	return hand.cpus[cpu == hand.cpus[0]];
}

/* Long enough for that CPU to look for the task and not to find it. */
static void hand_kick(s32 cpu)
{
	scx_bpf_kick_cpu(hand_target(cpu), hand.flags);
	hand.kicks++;
	spin(hand.ns);
}

static void hand_dispatch(struct task_struct *p, s32 cpu, u64 enq_flags)
{
	s32 target = hand_target(cpu);

	scx_bpf_dispatch(p, hand.way == RIG_TO_LOCAL ? SCX_DSQ_LOCAL_ON | target : target, slice,
			 enq_flags);
}

static void hand_over(struct task_struct *p, s32 cpu, u64 enq_flags)
{
	if (hand.way == RIG_KICK_FIRST)
		hand_kick(cpu);
	if (hand.way == RIG_FROM_DISPATCH)
		hand.waits = 1;
	else
		hand_dispatch(p, cpu, enq_flags);
	if (hand.way == RIG_KICK_LAST || hand.way == RIG_TO_LOCAL)
		hand_kick(cpu);
}

static int is_over(u32 i, u64 *end)
{
	return bpf_ktime_get_ns() >= *end;
}

/* Not spin(): another CPU is in that at the same time, and it has one end for all. */
static void pass_time(u64 ns)
{
	u64 end = bpf_ktime_get_ns() + ns;

	bpf_loop(1 << 23, is_over, &end, 0);
}

/* @told: the search's next ops.dispatch() was given the leaver, too. */
static void look_for_leaver(bool told)
{
	struct task_struct *p = bpf_task_from_pid(leaver.pid);

	if (!p)
		return;
	if (!p->on_cpu) {
		leaver.gone++;
		leaver.told += told;
	}
	bpf_task_release(p);
}

/*
 * The leaver's CPU was told to switch to another task, but is held up. When it is
 * no longer, it waits for the lock.
 */
static void see_off(s32 cpu, struct task_struct *prev)
{
	u64 pass = cpu_seen(bpf_get_smp_processor_id())->passes;
	bool told = prev && prev->pid == leaver.pid;
	struct task_struct *p;

	if (cpu != leaver.cpu || cpu == bpf_get_smp_processor_id())
		return;
	if (leaver.pass) {
		if (leaver.pass == pass)
			look_for_leaver(told);
		leaver.pass = 0;
		return;
	}
	if (!told || (s32)bpf_get_current_pid_tgid() != leaver.beside)
		return;
	p = leaver.sent ? bpf_task_from_pid(leaver.sent) : NULL;
	if (!p)
		return;
	leaver.sent = 0;
	leaver.pass = pass;
	pass_time(leaver.ns);
	scx_bpf_dispatch(p, SCX_DSQ_LOCAL_ON | scx_bpf_task_cpu(p), slice, 0);
	bpf_task_release(p);
}

s32 BPF_STRUCT_OPS(rig_select_cpu, struct task_struct *p, s32 prev_cpu,
		   u64 wake_flags)
{
	if (is_handed(p) && hand.way == RIG_FROM_SELECT)
		hand_kick(prev_cpu);
	return prev_cpu;
}

void BPF_STRUCT_OPS(rig_enqueue, struct task_struct *p, u64 enq_flags)
{
	s32 cpu = scx_bpf_task_cpu(p);
	u64 dsq_id = cpu;

	if (is_handed(p)) {
		hand_over(p, cpu, enq_flags);
		return;
	}

	if ((drop_workers && (p->flags & PF_WQ_WORKER)) ||
	    (drop_pid && p->pid == drop_pid)) {
		__sync_fetch_and_add(&dropped, 1);
		return;
	}

	if (preempter && p->pid == preempter) {
		dsq_id = SCX_DSQ_LOCAL;
		enq_flags |= SCX_ENQ_PREEMPT;
	} else if (((enq_flags & SCX_ENQ_LAST) && !held(cpu)) ||
		   (local_pid && p->pid == local_pid)) {
		dsq_id = SCX_DSQ_LOCAL;
	}

	__sync_fetch_and_add(&cpu_seen(cpu)->enqueues, 1);
	scx_bpf_dispatch(p, dsq_id, slice, enq_flags);

	if (cpu < ring)
		scx_bpf_kick_cpu((cpu + 1) % ring, ring_flags);
	shoot_from_op();
}

void BPF_STRUCT_OPS(rig_dispatch, s32 cpu, struct task_struct *prev)
{
	u64 ns = spin_ns;

	struct rig_cpu *seen = cpu_seen(cpu);
	struct task_struct *p;

	seen->dispatches++;
	seen->rounds++;
	if (prev && !prev->scx.slice)
		seen->zero_prevs++;
	if (ns && cpu == spin_cpu) {
		spin_ns = 0;
		spin(ns);
	}

	if (leaver.pid)
		see_off(cpu, prev);

	if (hand.waits) {
		p = bpf_task_from_pid(hand.pid);
		if (p) {
			if (scx_bpf_task_cpu(p) == cpu) {
				hand.waits = 0;
				hand_dispatch(p, cpu, 0);
				hand_kick(cpu);
			}
			bpf_task_release(p);
		}
	}

	if (!trap) {
		if (!held(cpu))
			scx_bpf_consume(cpu);
		shoot_from_op();
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
	struct rig_cpu *seen = cpu_seen(bpf_get_smp_processor_id());
	/* the one that ran before; @p itself if only an attribute of it changes */
	struct task_struct *prev = bpf_get_current_task_btf();
	u32 i;

	seen->running = p->pid;
	if (seen->switched_at == seen->passes && prev->pid != p->pid) {
		seen->unpassed_scx += prev->sched_class == p->sched_class;
		seen->unpassed++;
		seen->found = *(volatile u64 *)&seen->asked;
		seen->found_idle = *(volatile u64 *)&seen->asked_idle;
	}
	shoot_from_op();

	if (!req.nr || p->pid != req.kicker)
		return;

	bpf_for(i, 0, req.nr) {
		u32 slot = i & (RIG_CPUS - 1);

		seen = cpu_seen(req.cpus[slot]);
		req.passes[slot] = seen->passing ? RIG_AMID_PASS : seen->passes;
		scx_bpf_kick_cpu(req.cpus[slot], req.flags);
	}
	req.kicked = req.nr;
	req.nr = 0;
	req.done++;
}

void BPF_STRUCT_OPS(rig_stopping, struct task_struct *p, bool runnable)
{
	struct rig_cpu *seen = cpu_seen(bpf_get_smp_processor_id());

	if (runnable && is_handed(p) && hand.way == RIG_FROM_STOPPING)
		hand_kick(scx_bpf_task_cpu(p));
	if (p->scx.slice < seen->least_slice)
		seen->least_slice = p->scx.slice;
	seen->stops++;
	for (int i = 0; i < RIG_TRAIL; i++)
		seen->trail[i] = seen->stops;
	shoot_from_op();
}

void BPF_STRUCT_OPS(rig_tick, struct task_struct *p)
{
	shoot_from_op();
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
	.tick		= (void *)rig_tick,
	.init_task	= (void *)rig_init_task,
	.cpu_online	= (void *)rig_cpu_online,
	.cpu_offline	= (void *)rig_cpu_offline,
	.init		= (void *)rig_init,
	.exit		= (void *)rig_exit,
	.flags		= SCX_OPS_SWITCH_PARTIAL | SCX_OPS_ENQ_LAST,
	.name		= "rig",
};

/* One scheduling cycle begins, whichever core goes through it. */
SEC("fentry/balance_scx")
int rig_balancing(void *ctx)
{
	struct rig_cpu *seen = cpu_seen(bpf_get_smp_processor_id());

	seen->answered = *(volatile u64 *)&seen->asked;
	seen->answered_idle = *(volatile u64 *)&seen->asked_idle;
	seen->passing = 1;
	seen->passes++;
	return 0;
}

/* Whatever was picked, of any class. */
SEC("?tp_btf/sched_switch")
int BPF_PROG(rig_switched, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct rig_cpu *seen = cpu_seen(bpf_get_smp_processor_id());

	seen->switched_at = seen->passes;
	seen->above = next->pid && next->policy != RIG_SCHED_EXT ? next->pid : 0;
	return 0;
}

/* It ends. */
SEC("fexit/balance_scx")
int rig_balanced(void *ctx)
{
	struct rig_cpu *seen = cpu_seen(bpf_get_smp_processor_id());

	seen->passing = 0;
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

static int rig_timer_fired(void *map, u32 *key, struct bpf_timer *timer)
{
	u64 ns = timer_spin_ns;
	u32 i;

	if (ns) {
		timer_spin_ns = 0;
		spin(ns);
	}

	bpf_for(i, 0, timer_times) {
		shoot();
		timer_shots++;
	}
	if (timer_ns)
		bpf_timer_start(timer, timer_ns, 0);
	return 0;
}

/* Not in ops.init(): a kernel with PREEMPT_RT takes no program with timers. */
SEC("syscall")
int rig_start_timer(struct rig_args *args)
{
	struct bpf_timer *timer;
	u32 zero = 0;
	int ret;

	timer = bpf_map_lookup_elem(&timers, &zero);
	if (!timer)
		return -ESRCH;
	ret = bpf_timer_init(timer, &timers, CLOCK_MONOTONIC);
	if (ret && ret != -EBUSY)
		return ret;
	bpf_timer_set_callback(timer, rig_timer_fired);
	return bpf_timer_start(timer, timer_ns, 0);
}

SEC("syscall")
int rig_shoot(struct rig_args *args)
{
	u32 i;

	bpf_for(i, 0, args->times)
		shoot();
	return 0;
}

/* A program that may not sleep, for bpf_prog_test_run() to call. */
SEC("fentry/bpf_fentry_test1")
int rig_traced(void *ctx)
{
	traced++;
	scx_bpf_kick_cpu(traced_cpu, traced_flags);
	return 0;
}

/* The test module's, called with IRQs off: what is asked for stays so for long. */
SEC("?fentry/scx_spin_irqs_off")
int rig_spinning(void *ctx)
{
	scx_bpf_kick_cpu(traced_cpu, traced_flags);
	scx_bpf_kick_cpu(bpf_get_smp_processor_id(), SCX_KICK_PREEMPT);
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
