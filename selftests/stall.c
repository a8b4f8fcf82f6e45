// SPDX-License-Identifier: GPL-2.0
/*
 * The watchdog: it finds user and kernel tasks that a scheduler forgets, looks
 * as often as it should, and the tick notices when it cannot look. Tools grep
 * for the wording.
 */
#include <limits.h>
#include <sched.h>

#include "harness.h"

#define TIMEOUT_MS	2000

static struct rig *start(bool all)
{
	struct rig *rig = rig_load(all, TIMEOUT_MS);

	rig->data->slice = 5 * MS * MS;
	if (rig_start(rig))
		die("cannot enable the scheduler");
	counters_mark();
	return rig;
}

static void stop(struct rig *rig)
{
	rig_stop(rig);
	rig__destroy(rig);
}

static void test_user_task(void)
{
	const char *line = "BPF scheduler \"rig\" disabled (runnable task stall)";
	int lines = dmesg_count(line);
	struct rig *rig = start(false);
	struct task task = task_start(TASK_SLEEPER, 0, SCHED_EXT_POLICY, NULL);
	char why[64];
	double since;

	rig->bss->drop_pid = task.pid;
	since = now_ns() / 1e6;
	task_wake(&task);
	snprintf(why, sizeof(why), "[%d] failed to run for ", task.pid);
	result(rig_thrown_out(rig, why, 4 * TIMEOUT_MS * MS), "a forgotten user task is a stall");
	since = now_ns() / 1e6 - since;
	note("thrown out after %.0f ms", since);
	/* a scan every half timeout, and a second for slow machines */
	result(since >= TIMEOUT_MS && since <= TIMEOUT_MS * 3 / 2 + 1000,
	       "it is found by the next scan after its timeout");
	result(await(dmesg_count(line) == lines + 1, 500 * MS),
	       "the kernel log names the scheduler and why");
	result(counted("stalls", 1, 1) && counted("tick_stalls", 0, 0) && counted("scans", 1, 10),
	       "a stall is counted once");
	result(await(task_count(&task) == 1, 500 * MS), "the task runs once the scheduler is gone");
	task_stop(&task);
	stop(rig);
}

static void test_kernel_task(void)
{
	pid_t pid = kthread_pid("rcu_preempt");
	struct rig *rig = start(true);
	char why[64];

	rig->bss->drop_pid = pid;
	snprintf(why, sizeof(why), "rcu_preempt[%d] failed to run for ", pid);
	result(pid && rig_thrown_out(rig, why, 4 * TIMEOUT_MS * MS) && counted("stalls", 1, 1),
	       "a forgotten kernel task is a stall");
	stop(rig);
}

/* Without kworkers no scan takes place. A busy CPU ticks. */
static void test_tick(void)
{
	struct rig *rig = start(true);
	struct task hog = task_start(TASK_HOG, 0, SCHED_OTHER, NULL);

	rig->bss->drop_workers = true;
	result(rig_thrown_out(rig, "watchdog failed to check in for ", 6 * TIMEOUT_MS * MS) &&
	       !strcmp(rig->data->uei.reason, "runnable task stall"),
	       "the tick notices a watchdog that does not run");
	result(counted("tick_stalls", 1, LONG_MAX) && counted("tick_checks", 1, LONG_MAX) &&
	       counted("stalls", 0, 0), "the tick's stall is counted as such");
	task_stop(&hog);
	stop(rig);
}

static void test_healthy(void)
{
	struct rig *rig = start(true);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	long scans = 10 * 1000 / (TIMEOUT_MS / 2);

	sleep(10);
	result(sched_ext_is("enabled"), "a scheduler that forgets nobody stays");
	result(counted("scans", scans - 2, scans + 2) &&
	       counted("scan_rqs", cpus * (scans - 2), cpus * (scans + 2)) &&
	       counted("stalls", 0, 0) && counted("tick_stalls", 0, 0),
	       "the watchdog looks at every CPU twice a timeout");
	stop(rig);
	counters_mark();
	sleep(3);
	result(counted("scans", 0, 0), "the watchdog stops with the scheduler");
}

int main(void)
{
	harness_init();
	ksft_set_plan(11);
	test_user_task();
	test_kernel_task();
	test_tick();
	test_healthy();
	ksft_finished();
}
