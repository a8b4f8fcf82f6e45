// SPDX-License-Identifier: GPL-2.0
/*
 * Core scheduling: one pick serves all SMT siblings of a core, so the core in
 * charge balances them too, and waits for them. CPUs 2 and 3 are siblings, and
 * so are 0 and 1. Each task has a cookie of its own, so that a core runs only
 * one of two at a time.
 */
#include <limits.h>
#include <sched.h>
#include <sys/prctl.h>

#include "harness.h"

#define FIRST		2
#define SECOND		3
#define TIMES		10
#define SLICE		(5 * 1000 * 1000ULL)

static bool own_cookie(const struct task *task)
{
	return !prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, task->pid, 0 /* this thread */, 0);
}

static bool both_run(struct task *a, struct task *b, int times)
{
	for (int i = 0; i < times; i++) {
		unsigned long long count_a = task_count(a), count_b = task_count(b);

		if (!await(task_count(a) > count_a && task_count(b) > count_b, 2000 * MS))
			return false;
	}
	return true;
}

int main(void)
{
	volatile struct rig_cpu *seen;
	struct task a, b;
	struct rig *rig;
	bool ok = true;

	harness_init();
	if (sysconf(_SC_NPROCESSORS_ONLN) <= SECOND || core_mate(FIRST) != SECOND)
		ksft_exit_skip("CPUs %d and %d are no SMT siblings\n", FIRST, SECOND);
	ksft_set_plan(4);
	stay_on(0);

	rig = rig_load(false, 0);
	rig->data->slice = SLICE;
	if (rig_start(rig))
		die("cannot enable the scheduler");
	seen = &rig->bss->cpus[SECOND];

	counters_mark();
	a = task_start(TASK_HOG, FIRST, SCHED_EXT_POLICY, NULL);
	b = task_start(TASK_HOG, SECOND, SCHED_EXT_POLICY, NULL);
	ok = own_cookie(&a) && own_cookie(&b);
	result(ok && both_run(&a, &b, 3) && counted("balance", 1, LONG_MAX),
	       "two tasks that may not share a core take turns on it");

	counters_mark();
	for (int i = 0; i < TIMES; i++) {
		kick(rig, FIRST, KICK_PREEMPT | KICK_WAIT);
		kick(rig, SECOND, KICK_PREEMPT | KICK_WAIT);
		usleep(2 * MS);
	}
	result(both_run(&a, &b, 3) && counted("kick_wait", 2 * TIMES, LONG_MAX) && seen->stops,
	       "they do while both are kicked");

	task_stop(&a);
	result(both_run(&b, &b, 3), "one goes on alone");
	task_stop(&b);
	result(sched_ext_is("enabled") && !rig->data->uei.kind, "the scheduler is content");
	rig_stop(rig);
	rig__destroy(rig);
	ksft_finished();
}
