// SPDX-License-Identifier: GPL-2.0
/*
 * Core scheduling: a CPU that picks for its SMT sibling, too, has ops.dispatch()
 * called for that. What it says of the local DSQ is about the sibling's then. The
 * built-in core takes it for that of the executing CPU, where the task may not run.
 *
 * CPUs 2 and 3 are siblings. Each task of theirs has a cookie of its own, and is
 * to stay where it is. Those of CPU 3 sleep, and it does nothing for itself when
 * they are woken at first.
 */
#include <limits.h>
#include <sched.h>
#include <sys/prctl.h>

#include "harness.h"
#include "sibling.h"
#include "sibling.skel.h"

#define FIRST		2
#define LAST		3
#define TASKS		4
#define LOOKS		2
#define ENOUGH		5

static struct sibling *skel;
static struct sched sched;
static struct task tasks[TASKS];

static bool all_run(void)
{
	bool ok = true;

	for (int i = 0; i < LOOKS * TASKS; i++) {
		struct task *task = &tasks[i % TASKS];
		unsigned long long count = task_count(task);

		if (i % 2)
			task_wake(task);
		if (await(task_count(task) != count, 3000 * MS))
			continue;
		note("task %d came to a stop", i % TASKS);
		ok = false;
	}
	return ok;
}

static void test(enum sibling_way way, const char *what)
{
	bool expected = way == HAND_DISPATCH && !module_in_charge();
	bool ok = true, blamed;

	skel->bss->way = way;
	skel->data->helpless = LAST;
	skel->bss->handed = 0;
	skel->bss->handed_over = 0;
	skel->bss->astray = 0;
	if (sched_start(&sched))
		die("cannot enable the scheduler");
	counters_mark();
	for (int i = 0; i < TASKS; i++) {
		tasks[i] = task_start(i % 2 ? TASK_SLEEPER : TASK_YIELDER, FIRST + i % 2,
				      SCHED_EXT_POLICY, NULL);
		ok &= !prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, tasks[i].pid, 0, 0);
	}
	ok &= all_run();
	skel->data->helpless = -1;
	ok &= all_run();
	note("%ld tasks handed to a CPU by itself, %ld by another one, %ld went astray",
	     (long)skel->bss->handed, (long)skel->bss->handed_over, (long)skel->bss->astray);
	/* the exit is told of a bit after it has begun */
	if (expected && !skel->bss->astray)
		await(at(&sched.uei->kind), 2000 * MS);
	blamed = at(&sched.uei->kind) && strstr(sched.uei->msg, "not allowed for");
	if (expected)
		result(ok && (blamed || skel->bss->astray),
		       "%s goes to the wrong CPU on the built-in core", what);
	else
		result(ok && sched_content(&sched) && !skel->bss->astray &&
		       skel->bss->handed_over >= ENOUGH && counted("dispatch", 1, LONG_MAX),
		       "%s goes to the CPU it is for", what);
	/*
	 * Not the tasks first: 6.12's pick for a sibling goes by what its latest
	 * cycle came to, and warns if that task has left sched_ext since.
	 */
	sched_stop(&sched);
	for (int i = 0; i < TASKS; i++)
		task_stop(&tasks[i]);
}

int main(void)
{
	harness_init();
	if (sysconf(_SC_NPROCESSORS_ONLN) <= LAST || core_mate(FIRST) != LAST)
		ksft_exit_skip("CPUs %d and %d are no SMT siblings\n", FIRST, LAST);
	ksft_set_plan(3);
	stay_on(0);
	skel = sched_load(sibling, sibling_ops);
	sched = sched_of(skel, sibling_ops);
	test(HAND_DISPATCH, "a task that is dispatched for an SMT sibling");
	test(HAND_MOVE, "one that is moved to its local DSQ");
	test(HAND_MOVE_ON, "one that is moved there by number");
	sibling__destroy(skel);
	ksft_finished();
}
