// SPDX-License-Identifier: GPL-2.0
/*
 * No kick is lost: not one of any kind, from any CPU to any CPU, made by the
 * scheduler's operations, by its timer, or by programs that user space runs.
 *
 * Before each kick a counter of its target is raised, and a target writes down
 * the counter whenever it begins to go through the core. After each burst of
 * kicks every counter must have been written down. What could do so without a
 * kick is rare: each CPU but the last has one task, which has all the time in
 * the world and spins; the last one idles.
 *
 * There is one excuse. A kick that finds a fair task does nothing, as what comes
 * after that task asks the core. But when the task blocks while others are
 * runnable, 6.12 goes without: it picks from the local DSQ, see
 * sched_balance_newidle(). Such a pick is told by the task before it, and counted.
 * As long as the fair task runs, nothing is due: on a kernel with checks that may be long.
 *
 * KICKS is their number.
 */
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "harness.h"

#define LATE_NS		(50 * 1000000ULL)	/* something went wrong, or all is slow */
#define LOST_NS		(400 * 1000000ULL)	/* before others are due by themselves */
#define ABOVE_NS	(30 * 1000000000ULL)	/* for so long a higher class may run */
#define ALL_KINDS	((1 << RIG_KINDS) - 1)

static const struct { unsigned int times, ops, timer; } bursts[] = {
	{ 1, 0, 0 }, { 3, 2, 1 }, { 0, 3, 0 }, { 10, 10, 2 }, { 0, 0, 3 }, { 2, 0, 0 },
	{ 5, 1, 0 }, { 30, 20, 5 }, { 1, 1, 1 }, { 100, 50, 10 }, { 0, 1, 0 }, { 300, 100, 20 },
};

struct storm {
	unsigned long long arrived;	/* at barriers, all of them taken together */
	unsigned long long checks;
	unsigned long long late;
	unsigned long long lost;
	unsigned long long excused;
	unsigned long long unpassed[RIG_CPUS];	/* before the burst */
	unsigned long starters;		/* kicks with PREEMPT beside those of rig_shoot() */
	bool over;
};

static struct rig *rig;
static struct storm *storm;
static int cpus;			/* the last of them idles */

/* Without giving up the CPU, which would make it go through the scheduler. */
static void barrier(unsigned long long *passed)
{
	*passed += cpus - 1;
	__atomic_add_fetch(&storm->arrived, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&storm->arrived, __ATOMIC_SEQ_CST) < *passed)
		relax();
}

static unsigned long long kicks(void)
{
	unsigned long long sum = 0;

	for (int kind = 0; kind < RIG_KINDS; kind++)
		sum += at(&rig->bss->sent[kind]);
	return sum;
}

/* A task was picked without a pass since the CPU was asked, and not by our doing. */
static bool excused(int cpu, unsigned long long asked, unsigned long long idle)
{
	struct rig_cpu *seen = &rig->bss->cpus[cpu];

	return at(&seen->found) >= asked && (cpu < cpus - 1 || at(&seen->found_idle) >= idle) &&
	       !at(&seen->unpassed_scx);
}

static void check(void)
{
	unsigned long long asked[RIG_CPUS], start = now_ns(), began = start, took;
	unsigned long long idle = at(&rig->bss->cpus[cpus - 1].asked_idle);

	for (int cpu = 0; cpu < cpus; cpu++)
		asked[cpu] = at(&rig->bss->cpus[cpu].asked);
	storm->checks++;
	for (int cpu = 0; cpu < cpus; ) {
		struct rig_cpu *seen = &rig->bss->cpus[cpu];
		unsigned long long now = now_ns();

		if (at(&seen->answered) >= asked[cpu] &&
		    (cpu < cpus - 1 || at(&seen->answered_idle) >= idle)) {
			cpu++;
			continue;
		}
		if (at(&seen->above) && now - start < ABOVE_NS)
			began = now;
		if (now - began > LOST_NS && excused(cpu, asked[cpu], idle)) {
			storm->excused++;
			cpu++;
			began = now;
			continue;
		}
		if (now - began > LOST_NS) {
			unsigned long long unpassed = at(&seen->unpassed) - storm->unpassed[cpu];

			storm->lost++;
			note("CPU %d: %llu of %llu answered, %llu of %llu to be if idle", cpu,
			     at(&seen->answered), asked[cpu], at(&seen->answered_idle), idle);
			/* to say so makes some */
			note("since the burst began it picked %llu tasks without a pass", unpassed);
			cpu++;
			began = now;
		}
		relax();
	}
	took = now_ns() - began;
	storm->late += took > LATE_NS;
}

/* Let the operations and the timer shoot so often each, or not at all. */
static void arm(unsigned int ops, unsigned int timer)
{
	for (int cpu = 0; cpu < cpus; cpu++) {
		if (ops || timer)
			storm->unpassed[cpu] = at(&rig->bss->cpus[cpu].unpassed);
		__atomic_store_n(&rig->bss->cpus[cpu].shots, ops, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&rig->bss->timer_times, timer, __ATOMIC_RELAXED);
}

static void sender(int cpu, unsigned long long number)
{
	unsigned long long passed = 0;
	int burst = 0;

	for (;;) {
		barrier(&passed);
		if (storm->over || storm->lost > 10)
			return;
		if (!cpu)
			arm(bursts[burst].ops, bursts[burst].timer);
		barrier(&passed);
		if (bursts[burst].times) {
			shoot(rig, bursts[burst].times);
		} else {
			/* one to have the others made */
			kick(rig, (cpu + 1) % cpus, KICK_PREEMPT);
			__atomic_add_fetch(&storm->starters, 1, __ATOMIC_RELAXED);
			for (int n = 0; n < 1000; n++)
				relax();
		}
		barrier(&passed);
		if (!cpu) {
			arm(0, 0);
			check();
			storm->over = kicks() >= number;
		}
		burst = (burst + 1) % ARRAY_SIZE(bursts);
	}
}

static void storm_on(unsigned long long number)
{
	struct sched_param param = {};
	pid_t pids[RIG_CPUS];

	for (int cpu = 0; cpu < cpus - 1; cpu++) {
		pids[cpu] = fork();
		if (pids[cpu])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		stay_on(cpu);
		if (sched_setscheduler(0, SCHED_EXT_POLICY, &param))
			_exit(1);
		sender(cpu, number);
		_exit(0);
	}
	for (int cpu = 0; cpu < cpus - 1; cpu++)
		waitpid(pids[cpu], NULL, 0);
}

int main(void)
{
	static const char *const kinds[RIG_KINDS] = {
		[RIG_PLAIN] = "plain", [RIG_IDLE] = "IDLE", [RIG_PREEMPT] = "PREEMPT",
		[RIG_WAIT] = "WAIT", [RIG_PREEMPT_WAIT] = "PREEMPT|WAIT",
	};
	unsigned long long number = setting("KICKS", 1000000);
	unsigned long long unpassed = 0, unpassed_scx = 0;
	unsigned long *sent, preempts, waits;

	harness_init();
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus < 3)
		ksft_exit_skip("3 CPUs are needed\n");
	if (cpus > RIG_CPUS)
		cpus = RIG_CPUS;
	ksft_set_plan(5);
	storm = mmap(NULL, sizeof(*storm), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	if (storm == MAP_FAILED)
		ksft_exit_fail_perror("mmap");

	rig = rig_open(false, 0);
	bpf_program__set_autoload(rig->progs.rig_switched, true);
	rig_finish(rig);
	rig->bss->timer_ns = MS * 1000;
	rig->bss->targets = cpus;
	rig->bss->kinds = ALL_KINDS;
	if (rig_start(rig))
		die("cannot enable the scheduler");
	counters_mark();
	storm_on(number);

	sent = rig->bss->sent;
	preempts = sent[RIG_PREEMPT] + sent[RIG_PREEMPT_WAIT] + storm->starters;
	waits = sent[RIG_WAIT] + sent[RIG_PREEMPT_WAIT];
	for (int kind = 0; kind < RIG_KINDS; kind++)
		note("%lu %s kicks", sent[kind], kinds[kind]);
	note("%llu of them by the timer; %llu checks, %llu of them late",
	     (unsigned long long)rig->bss->timer_shots, storm->checks, storm->late);
	note("%ld waits, %ld done, %ld timeouts; %ld for a CPU with a higher class",
	     moved("waits"), moved("waits_done"), moved("wait_timeouts"),
	     moved("kick_higher_class"));
	for (int cpu = 0; cpu < cpus; cpu++) {
		unpassed += rig->bss->cpus[cpu].unpassed;
		unpassed_scx += rig->bss->cpus[cpu].unpassed_scx;
	}
	note("%llu tasks were picked without a pass through the core, %llu after one of sched_ext",
	     unpassed, unpassed_scx);
	note("%llu CPUs answered by such a pick only", storm->excused);
	result(kicks() >= number && storm->checks && !storm->lost, "none of %llu kicks is lost",
	       kicks());
	/* a host whose CPUs are shared is late itself */
	result(storm->late + storm->excused <=
	       storm->checks / (setting("SHARED", 0) ? 20 : 100) + 1, "and none is late");
	/* sched_ext itself makes some that are plain or IDLE */
	result(counted("kick_plain", sent[RIG_PLAIN], LONG_MAX) &&
	       counted("kick_idle", sent[RIG_IDLE], LONG_MAX) &&
	       counted("kick_preempt", preempts, preempts) &&
	       counted("kick_wait", waits, waits) &&
	       counted("kick_bypassed", 0, 0) && counted("kick_no_scheduler", 0, 0),
	       "the core counted each of them");
	result((rig->bss->timer_shots || preempt_rt()) &&
	       counted("kick_irq_work", 1, LONG_MAX) &&
	       counted("kick_resched", 1, LONG_MAX) && counted("waits", 1, LONG_MAX),
	       "and carried them out");
	result(sched_ext_is("enabled") && !rig->data->uei.kind, "the scheduler outlives it");
	rig->bss->timer_ns = 0;
	rig_stop(rig);
	rig__destroy(rig);
	ksft_finished();
}
