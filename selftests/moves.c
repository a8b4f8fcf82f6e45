// SPDX-License-Identifier: GPL-2.0
/*
 * What a dispatch must do on another CPU, and what one must not do to a task that
 * the BPF scheduler does not own. Patches of ours repair this for either core.
 */
#include <limits.h>
#include <sched.h>

#include "harness.h"
#include "script.h"
#include "script.skel.h"

#define FIRST		1	/* the CPU that follows the scripts */
#define TARGET		2
#define TASKS		4
#define PRIQ		SCRIPT_FIFOS
#define ENQ_PREEMPT	(1ULL << 32)
#define SLICE		(20ULL * 1000 * 1000)
#define TIMES		5

enum { HOG, SLEEPER_A, SLEEPER_B, SLEEPER_C };

static struct script *skel;
static struct sched sched;
static struct task tasks[TASKS];
static struct script_step steps[SCRIPT_STEPS];
static int nr_steps;

static volatile struct script_task *seen(int task)
{
	return &skel->bss->tasks[task];
}

/* One more step: what happens to a task, and where it is to go. */
static struct script_step *step(enum script_verb verb, int task, enum script_target target)
{
	struct script_step *step = &steps[nr_steps++];

	memset(step, 0, sizeof(*step));
	step->verb = verb;
	step->task = task;
	step->target = target;
	step->slice = SLICE;
	return step;
}

static bool carry_out(void)
{
	struct script_args args = { .cpu = FIRST };
	unsigned int before = skel->bss->done;

	memcpy(skel->bss->steps, steps, sizeof(steps));
	__atomic_store_n(&skel->bss->nr_steps, nr_steps, __ATOMIC_RELEASE);
	nr_steps = 0;
	run_prog(skel->progs.script_kick, &args, sizeof(args));
	return await(at(&skel->bss->done) == before + 1, 1000 * MS);
}

/* The scheduler has it then, and leaves it where it is. */
static bool wake(int task)
{
	unsigned long long before = seen(task)->enqueues;

	task_wake(&tasks[task]);
	return await(seen(task)->enqueues > before, 1000 * MS);
}

static unsigned long long slice_left(int task)
{
	struct script_args args = { .task = task };

	run_prog(skel->progs.script_slice, &args, sizeof(args));
	return skel->bss->slice_left;
}

static bool hog_runs(void)
{
	unsigned long long count = task_count(&tasks[HOG]);

	return await(task_count(&tasks[HOG]) != count, 5000 * MS);
}

/* The hog runs on the target, for as long as nobody takes it away. */
static bool start_hog(void)
{
	struct script_step *to = step(STEP_DISPATCH, HOG, TO_LOCAL_ON);

	to->cpu = TARGET;
	to->slice = SLICE_INF;
	return carry_out() && hog_runs();
}

/* A task comes from another CPU, in front of what runs there. */
static void test_preempt(const char *how, bool move)
{
	cpu_set_t both, here;
	int ran = 0, rounds = 0;
	bool ok = true;

	CPU_ZERO(&both);
	CPU_SET(FIRST, &both);
	here = both;
	CPU_SET(TARGET, &both);
	for (int tries = 0; ok && rounds < TIMES && tries < 2 * TIMES; tries++) {
		unsigned long long count = task_count(&tasks[SLEEPER_A]);
		unsigned long long enqueues = seen(HOG)->enqueues;
		struct script_step *preempt;

		sched_setaffinity(tasks[SLEEPER_A].pid, sizeof(here), &here);
		ok = wake(SLEEPER_A);
		/* it waits on the first CPU, but may go */
		sched_setaffinity(tasks[SLEEPER_A].pid, sizeof(both), &both);
		if (move) {
			step(STEP_DISPATCH, SLEEPER_A, TO_DSQ);
			ok = ok && carry_out();
		}
		preempt = step(move ? STEP_MOVE : STEP_DISPATCH, SLEEPER_A, TO_LOCAL_ON);
		preempt->cpu = TARGET;
		preempt->flags = ENQ_PREEMPT;
		ok = ok && carry_out();
		if (!await(task_count(&tasks[SLEEPER_A]) > count, 100 * MS)) {
			rounds++;
			/* behind the hog: get it from there */
			sched_setaffinity(tasks[SLEEPER_A].pid, sizeof(here), &here);
			step(STEP_DISPATCH, SLEEPER_A, TO_LOCAL);
			ok = ok && carry_out() &&
				await(task_count(&tasks[SLEEPER_A]) > count, 1000 * MS);
		} else if (await(seen(HOG)->enqueues > enqueues, 5000 * MS)) {
			rounds++;
			ran++;
			ok = ok && start_hog();
		}
		/* else the hog had given way to a fair task already: that tells nothing */
	}
	note("in %d of %d rounds it ran at once, and the hog gave way", ran, rounds);
	result(ok && ran == TIMES, "SCX_ENQ_PREEMPT works on another CPU, %s", how);
}

/* It runs elsewhere, and whoever dispatches it then has no say in it. */
static void test_slice(void)
{
	unsigned long long before = slice_left(HOG), after;
	unsigned long long enqueues = seen(HOG)->enqueues;
	bool ok, kept = true;

	for (int i = 0; i < TIMES; i++) {
		step(STEP_DISPATCH, HOG, TO_DSQ)->slice = 1;
		ok = carry_out();
		usleep(10 * MS);
		after = slice_left(HOG);
		kept &= after == SLICE_INF && seen(HOG)->enqueues == enqueues;
	}
	note("slice %llx before, %llx after", before, after);
	result(ok && before == SLICE_INF && kept && hog_runs(),
	       "a spurious dispatch leaves the slice of a running task alone");
	if (seen(HOG)->enqueues != enqueues)
		start_hog();
}

/* Of two that wait, the first is dispatched as if it were last; then comes a third. */
static void test_vtime(void)
{
	static const struct { int task; unsigned long long vtime; } calls[] = {
		{ SLEEPER_A, 10 }, { SLEEPER_B, 20 }, { SLEEPER_A, 30 }, { SLEEPER_C, 25 },
	};
	static const int want[] = { SLEEPER_A, SLEEPER_B, SLEEPER_C };
	struct script_args args = { .dsq = PRIQ };
	struct script_listing *got = &skel->bss->listing;
	bool ok = wake(SLEEPER_A) && wake(SLEEPER_B) && wake(SLEEPER_C), ordered;

	for (int i = 0; i < 4; i++) {
		struct script_step *to = step(STEP_DISPATCH, calls[i].task, TO_DSQ);

		to->dsq = PRIQ;
		to->vtime = calls[i].vtime;
		ok = ok && carry_out();
	}
	run_prog(skel->progs.script_list, &args, sizeof(args));
	ok = ok && got->nr == 3;
	ordered = !memcmp(got->tasks, want, sizeof(want));
	note("%d, %d, %d are there", got->tasks[0], got->tasks[1], got->tasks[2]);
	for (int i = 0; i < 3; i++)
		step(STEP_CONSUME, 0, TO_DSQ)->dsq = PRIQ;
	ok = ok && carry_out();
	for (int i = SLEEPER_A; i < TASKS; i++)
		ok = ok && await(seen(i)->runs == seen(i)->sleeps, 5000 * MS) &&
			task_count(&tasks[i]);
	result(ok && ordered, "a spurious dispatch leaves the order of a queue alone");
}

int main(void)
{
	harness_init();
	ksft_set_plan(6);
	if (sysconf(_SC_NPROCESSORS_ONLN) <= TARGET)
		die("%d CPUs are needed", TARGET + 1);
	stay_on(0);
	skel = sched_load(script, script_ops);
	sched = sched_of(skel, script_ops);
	skel->bss->script_cpu = FIRST;
	skel->bss->nr_tasks = TASKS;
	for (int i = 0; i < TASKS; i++) {
		tasks[i] = task_start(i == HOG ? TASK_HOG : TASK_SLEEPER, i == HOG ? TARGET : FIRST,
				      SCHED_OTHER, NULL);
		skel->bss->tasks[i].pid = tasks[i].pid;
	}
	await(task_count(&tasks[HOG]), 1000 * MS);
	if (sched_start(&sched))
		die("cannot enable the scheduler");
	for (int i = 0; i < TASKS; i++)
		task_policy(&tasks[i], SCHED_EXT_POLICY);
	/* it was running, and is until its first slice ends */
	await(seen(HOG)->enqueues, 1000 * MS);
	counters_mark();
	result(start_hog(), "a task is dispatched to another CPU");
	test_preempt("dispatched", false);
	test_preempt("moved", true);
	test_slice();
	test_vtime();
	result(sched_content(&sched) && counted("dispatch_rounds", 10, LONG_MAX),
	       "the scheduler is content");
	for (int i = 0; i < TASKS; i++)
		task_stop(&tasks[i]);
	sched_stop(&sched);
	script__destroy(skel);
	ksft_finished();
}
