// SPDX-License-Identifier: GPL-2.0
/*
 * Kicks of every kind between CPUs 0 and 1, which is all that it takes: for
 * machines that have no more, however many they could have.
 */
#include <limits.h>
#include <sched.h>

#include "harness.h"

#define TIMES	10
#define TRIES	3
#define NOISE	6	/* cycles a CPU may go through by itself meanwhile */
#define FEW	2	/* kicks that may find a task of another class there */

static struct rig *rig;

static unsigned long long passes(int cpu)
{
	return at(&rig->bss->cpus[cpu].passes);
}

static unsigned long long kick_times(int cpu, unsigned long long flags)
{
	unsigned long long before = passes(cpu);

	counters_mark();
	for (int i = 0; i < TIMES; i++) {
		kick(rig, cpu, flags);
		usleep(2 * MS);
	}
	return passes(cpu) - before;
}

/* True if most kicks come with a cycle: a task of another class may keep the CPU for a while. */
static bool answered(int cpu, unsigned long long flags)
{
	for (int try = 0; try < TRIES; try++)
		if (kick_times(cpu, flags) >= TIMES - FEW)
			return true;
	return false;
}

static void test_idle(int target)
{
	static const struct { const char *name; unsigned long long flags; const char *count; }
	kinds[] = {
		{ "plain", 0, "kick_plain" },
		{ "IDLE", KICK_IDLE, "kick_idle" },
		{ "PREEMPT", KICK_PREEMPT, "kick_preempt" },
	};

	for (int i = 0; i < 3; i++) {
		bool ok = answered(target, kinds[i].flags);

		/* some may find a task of another class */
		result(ok && counted(kinds[i].count, TIMES, LONG_MAX) &&
		       counted("kick_resched", 1, LONG_MAX) &&
		       (!module_in_charge() ||
			moved("kick_resched") + moved("kick_higher_class") +
			moved("kick_idle_skipped") >= TIMES),
		       "CPU %d, idle, is woken by %s kicks", target, kinds[i].name);
	}
}

static void test_busy(int target, struct task *hog)
{
	volatile struct rig_cpu *seen = &rig->bss->cpus[target];
	unsigned long long zero;
	bool ok;

	ok = answered(target, 0) && seen->running == hog->pid;
	result(ok && counted("kick_plain", TIMES, LONG_MAX) &&
	       counted("kick_resched", TIMES - FEW, LONG_MAX),
	       "CPU %d, busy, is made to reschedule by plain kicks", target);

	ok = kick_times(target, KICK_IDLE) <= NOISE && seen->running == hog->pid;
	result(ok && counted("kick_idle", TIMES, LONG_MAX) &&
	       counted("kick_idle_skipped", TIMES, LONG_MAX),
	       "CPU %d, busy, is left alone by IDLE kicks", target);

	zero = seen->zero_prevs;
	ok = answered(target, KICK_PREEMPT);
	result(ok && seen->zero_prevs >= zero + TIMES - FEW &&
	       counted("kick_preempt", TIMES, LONG_MAX),
	       "CPU %d, busy, has its task's slice taken by PREEMPT kicks", target);
}

/*
 * In how many of as many waits the target's task has stopped, -1 if one had no end. The target
 * goes idle, which even a core that waits for a change of class sees.
 */
static int wait_times(int target, struct task *hog, struct task *kicker)
{
	volatile struct rig_cpu *seen = &rig->bss->cpus[target];
	int waited = 0;

	counters_mark();
	for (int n = 0; n < TIMES; n++) {
		unsigned long long stops;

		if (!await(seen->running == hog->pid, 500 * MS))
			return -1;
		rig->bss->hold[target] = true;
		stops = seen->stops;
		if (!kick_from_op(rig, kicker, KICK_PREEMPT | KICK_WAIT, 1, &target))
			return -1;
		waited += kicker->shared->stops > stops;
		rig->bss->hold[target] = false;
		seen->running = 0;
		kick(rig, target, 0);
	}
	note("the target's task had stopped in %d of %d", waited, TIMES);
	return waited;
}

static void test_wait(int target, struct task *hog)
{
	struct task kicker = task_start(TASK_KICKER, !target, SCHED_EXT_POLICY, rig);
	int waited = 0;

	usleep(20 * MS);
	/* not if it is another class's task that has the CPU */
	for (int try = 0; waited >= 0 && waited < TIMES - FEW && try < TRIES; try++)
		waited = wait_times(target, hog, &kicker);
	result(waited >= TIMES - FEW && counted("kick_wait", TIMES, LONG_MAX) &&
	       counted("waits", TIMES - FEW, LONG_MAX) && counted("wait_timeouts", 0, 0),
	       "CPU %d is waited for by WAIT kicks", target);
	task_stop(&kicker);
}

int main(void)
{
	harness_init();
	ksft_set_plan(15);
	rig = rig_load(false, 0);
	if (rig_start(rig))
		die("cannot enable the scheduler: %s", strerror(errno));
	/* what that leaves to do is done, mostly on idle CPUs */
	usleep(100 * MS);
	for (int target = 1; target >= 0; target--) {
		struct task hog;

		stay_on(!target);
		test_idle(target);
		hog = task_start(TASK_HOG, target, SCHED_EXT_POLICY, NULL);
		await(task_count(&hog), 1000 * MS);
		test_busy(target, &hog);
		test_wait(target, &hog);
		task_stop(&hog);
	}
	result(sched_ext_is("enabled") && !rig->data->uei.kind, "no kick upset the scheduler");
	rig_stop(rig);
	rig__destroy(rig);
	ksft_finished();
}
