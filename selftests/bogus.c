// SPDX-License-Identifier: GPL-2.0
/*
 * What a buggy BPF scheduler asks for: a DSQ or a CPU that is not there, or a CPU
 * where the task must not run. It is thrown out with a word on why, and the task
 * runs nevertheless. A CPU that has gone offline is nobody's fault.
 */
#include <limits.h>
#include <sys/wait.h>

#include "harness.h"
#include "script.h"
#include "script.skel.h"

#define FIRST		1	/* the CPU that follows the scripts */
#define TARGET		2
#define GONE		3
#define NO_DSQ		77
#define NO_CPU		8191
#define SLICE		(20ULL * 1000 * 1000)
#define DSQ_LOCAL_ON	(3ULL << 62)

enum { NEAR, FAR, PINNED, TASKS };	/* on FIRST, on TARGET, and there for now */

static const struct order {
	const char *what;
	struct script_step step;
	const char *why;		/* with the task behind it, if it ends in a space */
	const char *counter;		/* counts it once */
} orders[] = {
	{ "a dispatch to a DSQ that is not there",
	  { STEP_DISPATCH, NEAR, TO_DSQ, .dsq = NO_DSQ },
	  "non-existent DSQ 0x4d for ", "finish_queue" },
	{ "a dispatch to a CPU that cannot be",
	  { STEP_DISPATCH, NEAR, TO_LOCAL_ON, .cpu = NO_CPU },
	  "invalid CPU 8191 in SCX_DSQ_LOCAL_ON dispatch verdict", "finish_queue" },
	{ "a dispatch to CPU -1",
	  { STEP_DISPATCH, NEAR, TO_LOCAL_ON, .cpu = -1 },
	  "invalid CPU -1 in SCX_DSQ_LOCAL_ON dispatch verdict", "finish_queue" },
	{ "a dispatch to a CPU where the task must not run",
	  { STEP_DISPATCH, NEAR, TO_LOCAL_ON, .cpu = TARGET },
	  "SCX_DSQ_LOCAL[_ON] target CPU 2 not allowed for ", "not_here" },
	{ "a dispatch to this CPU, where the task must not run",
	  { STEP_DISPATCH, FAR, TO_LOCAL },
	  "SCX_DSQ_LOCAL[_ON] target CPU 1 not allowed for ", "not_here" },
	{ "a dispatch of a task that cannot migrate for now",
	  { STEP_DISPATCH, PINNED, TO_LOCAL_ON, .cpu = FIRST },
	  "SCX_DSQ_LOCAL[_ON] cannot move migration disabled ", "not_here" },
	{ "a task taken from a DSQ that is not there",
	  { STEP_CONSUME, NEAR, .dsq = NO_DSQ, .result = true },
	  "invalid DSQ ID 0x000000000000004d", NULL },
};

#define ORDERS (int)(sizeof(orders) / sizeof(*orders))

static struct script *skel;
static struct sched sched;
static struct task tasks[PINNED];

static volatile struct script_task *seen(int task)
{
	return &skel->bss->tasks[task];
}

static void start(void)
{
	skel->bss->nr_steps = 0;
	skel->bss->followed = 0;
	if (sched_start(&sched))
		die("cannot enable the scheduler");
	counters_mark();
}

/* Of the scheduler, to be done on FIRST. */
static void ask(const struct script_step *step)
{
	struct script_args args = { .cpu = FIRST };

	skel->bss->steps[0] = *step;
	skel->bss->steps[0].slice = SLICE;
	__atomic_store_n(&skel->bss->nr_steps, 1, __ATOMIC_RELEASE);
	run_prog(skel->progs.script_kick, &args, sizeof(args));
}

static bool enqueued_since(int task, unsigned long long enqueues)
{
	return await(seen(task)->enqueues > enqueues, 5000 * MS);
}

/* It is in a call of a BPF program, which it cannot leave its CPU in. */
static pid_t pin(void)
{
	struct script_args args = {};
	pid_t pid = fork();

	if (!pid) {
		keep_on(0, TARGET);
		run_prog(skel->progs.script_spin, &args, sizeof(args));
		_exit(0);
	}
	if (pid < 0 || !await(at(&skel->bss->spinning), 5000 * MS))
		die("cannot have a task spin");
	allow_two(pid, FIRST, TARGET);
	return pid;
}

static bool unpin(pid_t pid)
{
	bool ended;

	skel->bss->spin_stop = 1;
	ended = await(waitpid(pid, NULL, WNOHANG) == pid, 10000 * MS);
	skel->bss->spin_stop = 0;
	skel->bss->spinning = 0;
	return ended;
}

static unsigned long long count_of(int task)
{
	return task == PINNED ? 0 : task_count(&tasks[task]);
}

/* True if the task has run since. */
static bool thrown_out(const char *why, int task, unsigned long long count)
{
	char text[128];
	bool ok;

	if (why[strlen(why) - 1] == ' ')
		snprintf(text, sizeof(text), "%sbogus[%d]", why, seen(task)->pid);
	else
		snprintf(text, sizeof(text), "%s", why);
	ok = sched_thrown_out(&sched, text, 5000 * MS);
	if (task == PINNED)
		return unpin(seen(task)->pid) && ok;
	return await(task_count(&tasks[task]) > count, 5000 * MS) && ok;
}

static void test_order(const struct order *order)
{
	int task = order->step.task;
	unsigned long long enqueues = seen(task)->enqueues, count;
	bool ok = true;

	start();
	if (task == PINNED) {
		struct task pinned = { .pid = pin() };

		seen(task)->pid = pinned.pid;
		ok = task_policy(&pinned, SCHED_EXT_POLICY);
	} else {
		task_wake(&tasks[task]);
	}
	ok = enqueued_since(task, enqueues) && ok;
	/* its CPU must have left it */
	usleep(10 * MS);
	counters_mark();
	count = count_of(task);
	ask(&order->step);
	ok = thrown_out(order->why, task, count) && ok;
	if (order->step.verb == STEP_CONSUME)
		ok = ok && !skel->bss->steps[0].result;
	result(ok && (!order->counter || counted(order->counter, 1, 1)),
	       "%s has the scheduler thrown out, and the task runs", order->what);
	sched_stop(&sched);
}

/* The kernel does that by an irq_work, as ops.enqueue() is no place for it. */
static void test_direct(void)
{
	unsigned long long count = count_of(NEAR);
	bool ok;

	start();
	seen(NEAR)->direct = DSQ_LOCAL_ON | TARGET;
	task_wake(&tasks[NEAR]);
	ok = thrown_out("SCX_DSQ_LOCAL[_ON] target CPU 2 not allowed for ", NEAR, count);
	seen(NEAR)->direct = 0;
	result(ok && counted("not_here", 1, 1),
	       "so does ops.enqueue() for a CPU where the task must not run");
	sched_stop(&sched);
}

static void test_gone(void)
{
	unsigned long long enqueues = seen(NEAR)->enqueues, count = count_of(NEAR);
	bool ok;

	allow_two(tasks[NEAR].pid, FIRST, GONE);
	if (!cpu_plug(GONE, false))
		die("cannot take CPU %d away", GONE);
	start();
	task_wake(&tasks[NEAR]);
	ok = enqueued_since(NEAR, enqueues);
	ask(&(struct script_step) { STEP_DISPATCH, NEAR, TO_LOCAL_ON, .cpu = GONE });
	ok = await(count_of(NEAR) > count, 5000 * MS) && ok;
	result(sched_content(&sched) && ok && counted("not_here", 1, 1),
	       "what is dispatched to a CPU that has gone offline runs on another");
	sched_stop(&sched);
	cpu_plug(GONE, true);
}

int main(void)
{
	harness_init();
	ksft_set_plan(ORDERS + 2);
	if (sysconf(_SC_NPROCESSORS_ONLN) <= GONE)
		die("%d CPUs are needed", GONE + 1);
	stay_on(0);
	skel = sched_load(script, script_ops);
	sched = sched_of(skel, script_ops);
	skel->bss->script_cpu = FIRST;
	skel->bss->nr_tasks = TASKS;
	for (int i = 0; i < PINNED; i++) {
		tasks[i] = task_start(TASK_SLEEPER, i == NEAR ? FIRST : TARGET, SCHED_EXT_POLICY,
				      NULL);
		seen(i)->pid = tasks[i].pid;
	}
	for (int i = 0; i < ORDERS; i++)
		test_order(&orders[i]);
	test_direct();
	test_gone();
	for (int i = 0; i < PINNED; i++)
		task_stop(&tasks[i]);
	script__destroy(skel);
	ksft_finished();
}
