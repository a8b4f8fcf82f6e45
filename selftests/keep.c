// SPDX-License-Identifier: GPL-2.0
/*
 * What a CPU goes on with: the task that it runs, or another one. Every cycle of
 * one CPU is looked at, what it began with and what it came to, and held against
 * the truth table; each row that matters is brought about. Then the order in which
 * a CPU takes tasks, and whom it tells that it is taken away and comes back.
 */
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "harness.h"
#include "keep.h"
#include "keep.skel.h"

#define TARGET		1
#define OPS_ENQ_LAST	(1 << 1)
#define TIMES		10
#define LEAVERS		100
#define LEAVE_NS	(5 * 1000 * 1000)
#define SHORT_NS	(50 * 1000)	/* a slice that is over long before a tick */

static struct keep *skel;
static struct sched sched;
static bool enq_last;
static struct task hog, sleeper;

/* What must come of a cycle. */
static bool right(unsigned int row)
{
	bool asked = row & ASKED, kept = row & KEPT, found = row & FOUND;
	bool local = row & HAS_LOCAL, queued = row & IS_QUEUED;

	if (found != (kept || local))
		return false;
	/* who has time left goes on at once */
	if (row & WAS_QUEUED && row & HAD_SLICE && !(row & BYPASSING))
		return kept && !asked;
	/* then what is there already */
	if (row & HAD_LOCAL)
		return !kept && !asked;
	/* then the global DSQ, and ops.dispatch() */
	if (row & BYPASSING ? asked : !asked && !local)
		return false;
	/* which may give it time */
	if (asked && queued && row & HAS_SLICE)
		return kept;
	if (local)
		return !kept;
	/* better than nothing, unless the scheduler wants to be told */
	return kept == (queued && (!enq_last || row & BYPASSING));
}

static void show(unsigned int row)
{
	static const char *const names[] = {
		"queued", "slice", "bypassing", "local", "asked",
		"still queued", "slice left", "local then", "kept", "found",
	};
	char text[160] = "";

	for (int i = 0; i < (int)ARRAY_SIZE(names); i++)
		if (row & (1 << i))
			sprintf(text + strlen(text), " %s,", names[i]);
	note("%llu times:%s enq_last %d", (unsigned long long)skel->bss->rows[row], text, enq_last);
}

static bool all_right(void)
{
	bool ok = true;

	for (unsigned int row = 0; row < KEEP_ROWS; row++) {
		if (!skel->bss->rows[row] || right(row))
			continue;
		show(row);
		ok = false;
	}
	return ok;
}

/* Whether there was a cycle with all of @with and none of @without. */
static bool seen(unsigned int with, unsigned int without)
{
	for (unsigned int row = 0; row < KEEP_ROWS; row++)
		if (skel->bss->rows[row] && (row & with) == with && !(row & without))
			return true;
	return false;
}

static unsigned long long cycles(void)
{
	unsigned long long all = 0;

	for (unsigned int row = 0; row < KEEP_ROWS; row++)
		all += at(&skel->bss->rows[row]);
	return all;
}

static void kick_target(unsigned long long flags)
{
	struct keep_args args = { .cpu = TARGET, .flags = flags };
	unsigned long long before = cycles();

	run_prog(skel->progs.keep_kick, &args, sizeof(args));
	await(cycles() > before, 500 * MS);
	usleep(MS);
}

static bool wake(struct task *task)
{
	unsigned long long count = task_count(task);

	task_wake(task);
	usleep(5 * MS);
	for (int i = 0; i < TIMES && task_count(task) == count; i++)
		kick_target(KICK_PREEMPT);
	return task_count(task) > count;
}

static bool hog_runs(void)
{
	unsigned long long count = task_count(&hog);

	return await(task_count(&hog) != count, 1000 * MS);
}

static void show_missing(bool ok, const char *what)
{
	if (!ok)
		note("no cycle with %s", what);
}

#define expect(with, without) ({				\
	bool __ok = seen(with, without);			\
	show_missing(__ok, #with " but not " #without);		\
	__ok;							\
})

static void load(void)
{
	skel = keep__open();
	if (!skel)
		ksft_exit_fail_perror("cannot open the scheduler");
	sched_plain(skel, keep_ops);
	if (enq_last)
		skel->struct_ops.keep_ops->flags |= OPS_ENQ_LAST;
	if (keep__load(skel))
		ksft_exit_fail_perror("cannot load the scheduler");
	skel->bss->target = TARGET;
	if (keep__attach(skel))
		ksft_exit_fail_perror("cannot trace balance_scx()");
	sched = sched_of(skel, keep_ops);
	if (sched_start(&sched))
		die("cannot enable the scheduler");
	hog = task_start(TASK_HOG, TARGET, SCHED_EXT_POLICY, NULL);
	sleeper = task_start(TASK_SLEEPER, TARGET, SCHED_EXT_POLICY, NULL);
	for (int i = 0; i < TIMES; i++)
		kick_target(KICK_PREEMPT);
	hog_runs();
	memset(skel->bss->rows, 0, sizeof(skel->bss->rows));
	skel->bss->flags_left = 0;
	counters_mark();
}

static void unload(void)
{
	task_stop(&sleeper);
	task_stop(&hog);
	keep__destroy(skel);
}

static bool drive(void)
{
	bool ok = true;

	for (int i = 0; i < TIMES; i++)
		kick_target(0);
	ok &= expect(WAS_QUEUED | HAD_SLICE | KEPT, ASKED | BYPASSING);

	for (int i = 0; i < TIMES; i++)
		kick_target(KICK_PREEMPT);
	if (enq_last)
		ok &= expect(WAS_QUEUED | ASKED | IS_QUEUED,
			     HAD_SLICE | HAS_SLICE | KEPT | FOUND | BYPASSING);
	else
		ok &= expect(WAS_QUEUED | ASKED | KEPT, HAD_SLICE | HAS_SLICE | BYPASSING);

	skel->bss->refill = SLICE_INF;
	for (int i = 0; i < TIMES; i++)
		kick_target(KICK_PREEMPT);
	skel->bss->refill = 0;
	ok &= expect(WAS_QUEUED | ASKED | HAS_SLICE | KEPT, HAD_SLICE | BYPASSING);

	ok &= wake(&sleeper);
	ok &= expect(WAS_QUEUED | HAD_LOCAL | FOUND, HAD_SLICE | KEPT | ASKED | BYPASSING);
	/* the sleeper went back to sleep */
	ok &= expect(HAD_LOCAL | FOUND, WAS_QUEUED | KEPT | ASKED);

	skel->bss->to_global = sleeper.pid;
	ok &= wake(&sleeper);
	ok &= expect(WAS_QUEUED | HAS_LOCAL, HAD_SLICE | HAD_LOCAL | KEPT | ASKED | BYPASSING);
	skel->bss->to_global = 0;

	skel->bss->to_user = sleeper.pid;
	ok &= wake(&sleeper);
	ok &= expect(WAS_QUEUED | ASKED | HAS_LOCAL, HAD_SLICE | HAD_LOCAL | KEPT | BYPASSING);
	skel->bss->to_user = 0;

	return ok && hog_runs();
}

/*
 * A scheduler that goes is bypassed meanwhile, which it makes last. Tasks of the
 * fair class that come to run have the CPU look at what it was running.
 */
static bool drive_bypassing(bool company)
{
	struct task fair = task_start(TASK_SLEEPER, TARGET, SCHED_OTHER, NULL), other;
	pid_t waker;
	bool ok;

	if (company)
		other = task_start(TASK_HOG, TARGET, SCHED_EXT_POLICY, NULL);
	usleep(20 * MS);
	skel->bss->leave_ns = LEAVE_NS;
	/* which takes a CPU to let go of the tasks */
	keep_on(kthread_pid("sched_ext_ops_helper"), 0);
	waker = fork();
	if (waker < 0)
		ksft_exit_fail_perror("fork");
	if (!waker) {
		close(bpf_link__fd(sched.link));
		stay_on(TARGET + 1);
		for (;; usleep(200))
			task_wake(&fair);
	}
	usleep(5 * MS);
	sched_stop(&sched);
	kill(waker, SIGKILL);
	waitpid(waker, NULL, 0);
	ok = hog_runs();
	if (company) {
		ok &= expect(BYPASSING | WAS_QUEUED | HAD_SLICE | HAS_LOCAL, KEPT | ASKED);
		ok &= expect(BYPASSING | WAS_QUEUED | HAS_LOCAL, HAD_SLICE | KEPT | ASKED);
		task_stop(&other);
	} else {
		ok &= expect(BYPASSING | WAS_QUEUED | HAD_SLICE | KEPT, HAS_LOCAL | ASKED);
		ok &= expect(BYPASSING | WAS_QUEUED | KEPT, HAD_SLICE | HAS_LOCAL | ASKED);
	}
	task_stop(&fair);
	return ok;
}

static void test_table(bool company)
{
	const char *how = enq_last ? "with SCX_OPS_ENQ_LAST" : "without SCX_OPS_ENQ_LAST";
	bool ok, bypass;

	load();
	ok = drive();
	result(ok && sched_content(&sched), "all rows are seen %s", how);
	bypass = drive_bypassing(company);
	result(bypass, "and while bypassing, %s", company ? "in company" : "alone");
	result(all_right() && !skel->bss->flags_left && counted("keep_prev", 1, LONG_MAX) &&
	       counted("bypass", 1, LONG_MAX) &&
	       /* who waits for it goes by that; the built-in core has it move with a put only */
	       (!module_in_charge() || !skel->bss->unmoved),
	       "prev is kept when the table says so, and only then, %s", how);
	unload();
}

/* Of tasks in all kinds of places, all there at once, the nearest come first. */
static void test_order(void)
{
	struct task local, global, user;
	bool ok;

	load();
	local = task_start(TASK_SLEEPER, TARGET, SCHED_EXT_POLICY, NULL);
	global = task_start(TASK_SLEEPER, TARGET, SCHED_EXT_POLICY, NULL);
	user = task_start(TASK_SLEEPER, TARGET, SCHED_EXT_POLICY, NULL);
	for (int i = 0; i < TIMES; i++)
		kick_target(KICK_PREEMPT);
	skel->bss->to_global = global.pid;
	skel->bss->to_user = user.pid;
	skel->bss->to_user_too = hog.pid;
	ok = hog_runs();
	task_wake(&user);
	task_wake(&global);
	task_wake(&local);
	usleep(5 * MS);
	ok &= !task_count(&user) && !task_count(&global) && !task_count(&local);
	skel->bss->logged = 0;
	kick_target(KICK_PREEMPT);
	ok &= await(at(&skel->bss->logged) >= 4, 1000 * MS);
	for (int i = 0; i < 4; i++) {
		const pid_t want[] = { local.pid, global.pid, user.pid, hog.pid };

		if (skel->bss->order[i] == want[i])
			continue;
		note("%d: %d ran, expected %d", i, skel->bss->order[i], want[i]);
		ok = false;
	}
	result(ok && all_right(), "local DSQ, global DSQ and ops.dispatch() are looked at in turn");
	skel->bss->to_user_too = 0;
	task_stop(&local);
	task_stop(&global);
	task_stop(&user);
	sched_stop(&sched);
	unload();
}

static void test_acquire(void)
{
	struct task rt;
	bool ok = true;

	load();
	rt = task_start(TASK_SLEEPER, TARGET, SCHED_FIFO, NULL);
	usleep(20 * MS);
	for (int i = 0; i < TIMES; i++) {
		unsigned long long releases = skel->bss->releases, acquires = skel->bss->acquires;

		task_wake(&rt);
		ok &= await(at(&skel->bss->releases) > releases, 1000 * MS) &&
			task_asleep(&rt, 1000 * MS);
		/* 6.12 may have picked the hog without a cycle: have one before its time is over */
		kick_target(0);
		ok &= await(at(&skel->bss->acquires) > acquires, 1000 * MS);
	}
	note("%ld times released, %ld acquired, %ld not in turn", (long)skel->bss->releases,
	     (long)skel->bss->acquires, (long)skel->bss->not_in_turn);
	result(ok && !skel->bss->not_in_turn && sched_content(&sched),
	       "cpu_release() and cpu_acquire() take turns, and come before ops.dispatch()");
	task_stop(&rt);
	sched_stop(&sched);
	unload();
}

/* No tick has taken it away yet. */
static void test_charge(void)
{
	load();
	skel->bss->refill = SHORT_NS;
	for (int i = 0; i < 5 * TIMES; i++) {
		kick_target(KICK_PREEMPT);
		kick_target(0);
	}
	note("%ld cycles with its time over", (long)skel->bss->overdue);
	result(skel->bss->overdue >= TIMES && !skel->bss->overrun && sched_content(&sched),
	       "a task does not go on with time that it has used up");
	skel->bss->refill = 0;
	sched_stop(&sched);
	unload();
}

static void test_offline(void)
{
	bool ok = true;

	load();
	for (int i = 0; i < 3; i++)
		for (int on = 0; on < 2; on++)
			ok &= cpu_plug(3, on);
	note("%ld cycles on its way", (long)skel->bss->offline);
	result(ok && skel->bss->offline && !skel->bss->asked_offline && sched_content(&sched),
	       "ops.dispatch() is not called for a CPU that goes down");
	sched_stop(&sched);
	unload();
}

int main(void)
{
	harness_init();
	ksft_set_plan(16);
	if (sysconf(_SC_NPROCESSORS_ONLN) <= TARGET + 2)
		die("4 CPUs are needed");
	stay_on(0);
	/* older than the others, and so let go of before these */
	for (int i = 0; i < LEAVERS; i++)
		task_start(TASK_SLEEPER, 0, SCHED_EXT_POLICY, NULL);
	for (int i = 0; i < 4; i++) {
		enq_last = i % 2;
		test_table(i / 2);
	}
	enq_last = false;
	test_order();
	test_acquire();
	test_charge();
	test_offline();
	ksft_finished();
}
