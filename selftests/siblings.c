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
#define OTHER		1
#define TIMES		10
#define TRIES		40	/* an emulated CPU is late at any of this now and then */
#define SPIN_MS		200
#define SPIN_NS		(SPIN_MS * 1000 * 1000ULL)
#define KEPT		" pick_task_scx+"	/* 6.12 warns */
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

static void both_hogs(struct rig *rig)
{
	volatile struct rig_cpu *seen = &rig->bss->cpus[SECOND];
	struct task a, b;
	bool ok;

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
}

/*
 * The first CPU picks its hog, and with it that the second one's task has to go. That
 * one has its IRQs off, and is still current when the first CPU searches for the
 * second. The search drops the lock, to take one that is not free for a while: now
 * the task goes.
 */
static void search_for_leaver(struct rig *rig, struct task *leaver, struct task *sent,
			      struct task *waker)
{
	struct rig_leaver *seen = &rig->bss->leaver;

	order_spin(leaver, SPIN_MS, true);
	task_wake(sent);
	usleep(2 * MS);
	/* or it goes to the local DSQ, and the search has found it */
	rig->bss->hold[SECOND] = true;
	seen->sent = sent->pid;
	task_wake(waker);
	if (await(at(&seen->pass), SPIN_MS * MS)) {
		rig->bss->spin_cpu = OTHER;
		rig->bss->spin_ns = 3 * SPIN_NS;
		kick(rig, OTHER, 0);
		await(!at(&seen->pass), 8 * SPIN_MS * MS);
	}
	seen->sent = 0;
	rig->bss->hold[SECOND] = false;
	kick(rig, SECOND, 0);
	if (!carried_out(leaver, 2000 * MS))
		die("the task does not come back");
}

static void task_goes(struct rig *rig)
{
	struct task leaver = task_start(TASK_SPINNER, SECOND, SCHED_EXT_POLICY, rig);
	struct task sent = task_start(TASK_SLEEPER, OTHER, SCHED_EXT_POLICY, NULL);
	struct task waker = task_start(TASK_SLEEPER, FIRST, SCHED_EXT_POLICY, NULL);
	struct task hog = task_start(TASK_HOG, FIRST, SCHED_EXT_POLICY, NULL);
	struct rig_leaver *seen = &rig->bss->leaver;

	if (!own_cookie(&leaver) || !own_cookie(&waker) || !own_cookie(&hog))
		die("no cookies");
	rig->bss->drop_pid = sent.pid;
	seen->ns = 3 * SPIN_NS / 2;
	seen->cpu = SECOND;
	seen->beside = hog.pid;
	seen->pid = leaver.pid;
	counters_mark();
	for (int i = 0; i < TRIES && !seen->gone && !dmesg_count(KEPT); i++)
		search_for_leaver(rig, &leaver, &sent, &waker);
	note("gone by the next round %llu times, ops.dispatch() was told of it %llu times",
	     seen->gone, seen->told);
	if (module_in_charge())
		result(seen->gone && !seen->told && counted("dispatch", 1, LONG_MAX),
		       "a sibling's task that has gone meanwhile is neither kept nor told of");
	else
		result(dmesg_count(KEPT), "the built-in core keeps a sibling's task that has gone");
	seen->pid = 0;
	task_stop(&hog);
	task_stop(&waker);
	task_stop(&sent);
	task_stop(&leaver);
}

int main(void)
{
	struct rig *rig;

	harness_init();
	if (sysconf(_SC_NPROCESSORS_ONLN) <= SECOND || core_mate(FIRST) != SECOND)
		ksft_exit_skip("CPUs %d and %d are no SMT siblings\n", FIRST, SECOND);
	ksft_set_plan(5);
	stay_on(0);
	if (test_module_insert("scx_spin"))
		die("cannot insert scx_spin.ko");
	rig = rig_load(false, 0);
	rig->data->slice = SLICE;
	if (rig_start(rig))
		die("cannot enable the scheduler");

	both_hogs(rig);
	task_goes(rig);
	result(sched_ext_is("enabled") && !rig->data->uei.kind, "the scheduler is content");
	rig_stop(rig);
	rig__destroy(rig);
	test_module_remove("scx_spin");
	ksft_finished();
}
