// SPDX-License-Identifier: GPL-2.0
/*
 * Core scheduling: a CPU that has an RT task picks for its SMT sibling, too, and no
 * core of sched_ext is asked to balance for that. What the sibling runs is to go on
 * all the same. 6.12 has it idle until the first CPU reschedules; a patch of ours
 * repairs that for either core, so that it takes a stock kernel to see it.
 *
 * CPUs 2 and 3 are siblings. All tasks have the same cookie, which keeps none idle.
 */
#include <limits.h>
#include <sched.h>
#include <sys/prctl.h>

#include "harness.h"

#define RT		2	/* two tasks spin, RT ones as soon as they have had a turn */
#define SIBLING		3	/* two tasks of sched_ext take turns, so that none is kept */
#define TIMES		40	/* as priorities go up with each */
#define ROUNDS		20
#define SLICE		(5 * 1000 * 1000ULL)

static struct task tasks[2];

/*
 * With core scheduling, 6.12 may give what a fair server is due to the task that runs instead,
 * whatever its class, with a priority above all others and for good (kernel/sched/core.c,
 * pick_next_task(): rq->dl_server stays when sched_core_find() replaces the pick).
 */
static void fair_servers(bool on)
{
	char path[64];

	for (int cpu = RT; cpu <= SIBLING; cpu++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/sched/fair_server/cpu%d/runtime",
			 cpu);
		if (!file_write(path, on ? "50000000" : "0"))
			ksft_exit_fail_perror(path);
	}
}

static unsigned long long done(void)
{
	return task_count(&tasks[0]) + task_count(&tasks[1]);
}

/*
 * How often the sibling comes to a stop when another RT task comes first. One
 * switch a time: the next one finds the sibling's task on its local DSQ.
 */
static int stops(struct task *hogs)
{
	int stopped = 0;

	if (!task_policy(&hogs[0], SCHED_OTHER) || !task_policy(&hogs[1], SCHED_OTHER))
		die("the RT tasks stay what they are");
	/*
	 * A kworker of the sibling waits behind tasks that have a cookie. While it does, one of
	 * those is found by its cookie (sched_core_find()), without sched_ext being asked.
	 */
	usleep(100 * MS);
	for (int i = 0; i < TIMES; i++) {
		struct task *next = &hogs[(i + 1) % 2];
		struct sched_param param = { .sched_priority = 1 + i };
		unsigned long long count = task_count(next);

		if (sched_setscheduler(next->pid, SCHED_FIFO, &param) ||
		    !await(task_count(next) > count, 2000 * MS))
			die("the RT tasks do not take turns");
		/* not what it has done up to now */
		usleep(MS);
		count = done();
		stopped += !await(done() > count, 100 * MS);
	}
	note("CPU %d came to a stop %d times of %d", SIBLING, stopped, TIMES);
	return stopped;
}

int main(void)
{
	struct task hogs[2];
	struct rig *rig;
	int stopped, rounds = 0;

	harness_init();
	if (sysconf(_SC_NPROCESSORS_ONLN) <= SIBLING || core_mate(RT) != SIBLING)
		ksft_exit_skip("CPUs %d and %d are no SMT siblings\n", RT, SIBLING);
	ksft_set_plan(2);
	fair_servers(false);
	stay_on(0);
	if (prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, 0, 0))
		ksft_exit_fail_perror("no cookie for core scheduling");
	rig = rig_load(false, 0);
	rig->data->slice = SLICE;
	if (rig_start(rig))
		die("cannot enable the scheduler");

	counters_mark();
	for (int i = 0; i < 2; i++)
		tasks[i] = task_start(TASK_HOG, SIBLING, SCHED_EXT_POLICY, NULL);
	for (int i = 0; i < 2; i++)
		hogs[i] = task_start(TASK_HOG, RT, SCHED_OTHER, NULL);
	if (!await(task_count(&tasks[0]) && task_count(&tasks[1]) && task_count(&hogs[0]) &&
		   task_count(&hogs[1]), 2000 * MS))
		die("the tasks do not run");

	do {
		stopped = stops(hogs);
	} while (stock_kernel() && !stopped && ++rounds < ROUNDS);
	if (stock_kernel())
		result(stopped, "the stock kernel has a sibling idle that was not balanced");
	else
		result(!stopped && counted("balance", 1, LONG_MAX),
		       "a sibling that was not balanced goes on");
	result(sched_ext_is("enabled") && !rig->data->uei.kind, "the scheduler is content");

	for (int i = 0; i < 2; i++)
		task_stop(&hogs[i]);
	/* before its tasks: see hand_over.c */
	rig_stop(rig);
	for (int i = 0; i < 2; i++)
		task_stop(&tasks[i]);
	rig__destroy(rig);
	fair_servers(true);
	ksft_finished();
}
