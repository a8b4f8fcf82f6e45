// SPDX-License-Identifier: GPL-2.0
/*
 * CPUs in a ring, each of which waits for the next whenever a task comes to wait
 * for it. Where waiting keeps a CPU from rescheduling, all of them wait forever.
 *
 * RING_MS is how long a ring is kept up, RING_CPUS the one size to try.
 */
#include <limits.h>
#include <stdio.h>

#include "harness.h"

#define WORKERS		4	/* on each CPU */
#define MAX_RING	8
#define LOOKS		2	/* in each of these parts of the time every worker must run */

static struct rig *rig;
static struct task workers[MAX_RING * WORKERS];

/* How often it has left a CPU. */
static unsigned long long turns(const struct task *task)
{
	unsigned long long sum = 0, n;
	char path[64], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", task->pid);
	file = fopen(path, "r");
	if (!file)
		ksft_exit_fail_perror("cannot read what a worker did");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "voluntary_ctxt_switches: %llu", &n) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %llu", &n) == 1)
			sum += n;
	fclose(file);
	return sum;
}

static bool all_run(int nr, long usecs)
{
	unsigned long long before[MAX_RING * WORKERS];
	bool ok = true;

	/* a slow machine may need more time than that, a ring that is stuck gets nowhere */

	for (int i = 0; i < nr; i++)
		before[i] = task_count(&workers[i]);
	usleep(usecs);
	for (int i = 0; i < nr; i++) {
		unsigned long long turn;

		if (await(task_count(&workers[i]) > before[i], 1000 * MS))
			continue;
		/*
		 * Amid kicks that preempt it need not get to its own code in its turns, not
		 * even in many: with instructions for a clock all can fall into step.
		 */
		turn = turns(&workers[i]);
		if (await(turns(&workers[i]) > turn, 1000 * MS)) {
			note("worker %d of CPU %d has turns, and comes to nothing", i % WORKERS,
			     i / WORKERS);
			continue;
		}
		note("worker %d of CPU %d came to a stop", i % WORKERS, i / WORKERS);
		ok = false;
	}
	return ok;
}

static void test_ring(int cpus, const char *how, unsigned long long flags, long ms)
{
	int nr = cpus * WORKERS;
	bool ok = true;
	long waits;

	for (int i = 0; i < nr; i++)
		workers[i] = task_start(TASK_YIELDER, i / WORKERS, SCHED_EXT_POLICY, NULL);
	ok &= all_run(nr, 20 * MS);

	/* if the machine hangs, its console says where */
	kernel_log("RING STARTS: %d CPUs, %s", cpus, how);
	counters_mark();
	rig->bss->ring_flags = flags;
	rig->bss->ring = cpus;
	for (int i = 0; i < LOOKS; i++)
		ok &= all_run(nr, ms * MS / LOOKS);
	rig->bss->ring = 0;
	kernel_log("RING ENDS");

	waits = moved("waits");
	note("%ld kicks, %ld waits, %ld done, %ld left to reschedule, %ld timeouts",
	     moved("kick_wait"), waits, moved("waits_done"), moved("wait_rescheds"),
	     moved("wait_timeouts"));
	result(ok && sched_ext_is("enabled"), "a ring of %d CPUs goes on, %s", cpus, how);
	result(counted("waits", 10 * cpus, LONG_MAX) &&
	       counted("waits_done", waits / 2, LONG_MAX) &&
	       counted("wait_timeouts", 0, few(waits)),
	       "those %d CPUs waited, and not in vain", cpus);
	for (int i = 0; i < nr; i++)
		task_stop(&workers[i]);
}

int main(void)
{
	static const int sizes[] = { 3, 4, MAX_RING };
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), tests = 0;
	long ms = setting("RING_MS", 200), only = setting("RING_CPUS", 0);

	harness_init();
	for (int i = 0; i < (int)ARRAY_SIZE(sizes); i++)
		tests += sizes[i] <= cpus && (!only || sizes[i] == only);
	if (!tests)
		ksft_exit_skip("%d CPUs do for no ring\n", cpus);
	ksft_set_plan(4 * tests + 1);

	rig = rig_load(false, 0);
	if (rig_start(rig))
		die("cannot enable the scheduler");
	for (int i = 0; i < (int)ARRAY_SIZE(sizes); i++) {
		if (sizes[i] > cpus || (only && sizes[i] != only))
			continue;
		test_ring(sizes[i], "waiting", KICK_WAIT, ms);
		test_ring(sizes[i], "preempting and waiting", KICK_PREEMPT | KICK_WAIT, ms);
	}
	result(sched_ext_is("enabled") && !rig->data->uei.kind, "no ring upset the scheduler");
	rig_stop(rig);
	rig__destroy(rig);
	ksft_finished();
}
