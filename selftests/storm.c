// SPDX-License-Identifier: GPL-2.0
/*
 * Storms of what takes tasks out of their queues, changes their class, makes and
 * ends them, or takes their CPUs away, while a scheduler moves them about on all
 * CPUs. Nothing may get lost, run twice at once, or make the kernel complain.
 *
 * STORM_MS is how long each storm lasts, STORM the only one to have. What is
 * drawn comes from SEED, but when it happens is up to the machine. BLAMED=1 says
 * that the built-in core must throw the scheduler out for no fault of its own,
 * RACES=1 that dispatches must be seen to lose against dequeues.
 *
 * The built-in core also goes by a view of the previous task from before it let go
 * of its lock, and keeps one that has left its class. The storm of classes brings
 * that about, but there is nothing to see: the class that it went to picks it all
 * the same, unless that, too, changes its mind.
 */
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "harness.h"
#include "storm.h"
#include "storm.skel.h"

#define TASKS		16
#define STORMERS	2
#define SLOW_NS		(10 * 1000)

static struct storm *skel;
static struct sched sched;
static struct task tasks[TASKS];
static int cpus;
static long ms;
static struct { bool stop; unsigned long long blows[STORMERS]; } *shared;

static struct task *any_task(void)
{
	return &tasks[draw(TASKS)];
}

/* --- what a storm does ---------------------------------------------------------- */

static void change_affinity(void)
{
	unsigned int mask = 1 + draw((1 << cpus) - 1);
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int cpu = 0; cpu < cpus; cpu++)
		if (mask & (1 << cpu))
			CPU_SET(cpu, &set);
	sched_setaffinity(any_task()->pid, sizeof(set), &set);
}

static void change_nice(void)
{
	setpriority(PRIO_PROCESS, any_task()->pid, draw(20));
}

/* RT for a moment only, else nothing else would run. */
static void change_class(void)
{
	struct task *task = any_task();

	task_policy(task, draw(4) ? SCHED_OTHER : SCHED_FIFO);
	if (draw(2))
		usleep(draw(200));
	task_policy(task, SCHED_EXT_POLICY);
}

/* They are of the class of who made them, and end at once. */
static void make_tasks(void)
{
	pid_t pids[4];

	sched_setscheduler(0, SCHED_EXT_POLICY, &(struct sched_param){});
	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(0);
	}
	for (int i = 0; i < 4; i++)
		waitpid(pids[i], NULL, 0);
}

static void plug(void)
{
	cpu_plug(cpus - 1, false);
	usleep(draw(20) * MS);
	cpu_plug(cpus - 1, true);
}

static void wake_tasks(void)
{
	for (int i = 0; i < 4; i++)
		task_wake(&tasks[draw(TASKS / 4) * 4]);
}

static const struct storm_kind {
	void (*blow[STORMERS])(void);
	const char *name;
	unsigned int ways;		/* of enum storm_way */
	bool slow;
	bool naive;
	const char *what;
} kinds[] = {
	{ { wake_tasks, wake_tasks }, "wakeup", WAY_QUEUE, true, true,
	  "wakeups of tasks that are sent elsewhere" },
	{ { change_affinity, change_affinity }, "affinity", WAY_SHARED | WAY_PRIQ | WAY_QUEUE,
	  false, false,
	  "CPUs that tasks may run on" },
	{ { change_nice, wake_tasks }, "nice", WAY_SHARED | WAY_QUEUE, false, false,
	  "nice values" },
	{ { change_class, wake_tasks }, "class", WAY_QUEUE, true, false,
	  "classes of running tasks" },
	{ { make_tasks, make_tasks }, "fork", WAY_QUEUE | WAY_ELSEWHERE, true, false,
	  "new tasks that are sent elsewhere" },
	{ { plug, change_affinity }, "hotplug", WAY_SHARED | WAY_PRIQ | WAY_QUEUE, false, false,
	  "CPUs that come and go" },
};

/* --- and what must come of it --------------------------------------------------- */

static pid_t start_stormer(const struct storm_kind *kind, int nr, unsigned long long seed)
{
	pid_t pid = fork();

	if (pid < 0)
		ksft_exit_fail_perror("fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(bpf_link__fd(sched.link));
	draw_seed(seed + nr);
	while (!at(&shared->stop)) {
		kind->blow[nr]();
		shared->blows[nr]++;
		usleep(draw(500));
	}
	_exit(0);
}

static int queued(void)
{
	struct storm_args args = {};

	run_prog(skel->progs.storm_count, &args, sizeof(args));
	return skel->bss->queued[STORM_SHARED] + skel->bss->queued[STORM_PRIQ];
}

static bool all_run(void)
{
	bool ok = true;

	for (int i = 0; i < TASKS; i++) {
		unsigned long long count = task_count(&tasks[i]);

		task_policy(&tasks[i], SCHED_EXT_POLICY);
		if (i % 4 == 0)
			task_wake(&tasks[i]);
		if (await(task_count(&tasks[i]) != count, 10000 * MS))
			continue;
		note("task %d came to a stop", i);
		ok = false;
	}
	return ok;
}

static void start_all(void)
{
	static const enum task_kind which[] = {
		TASK_SLEEPER, TASK_YIELDER, TASK_HOG, TASK_YIELDER,
	};

	for (int i = 0; i < TASKS; i++) {
		tasks[i] = task_start(which[i % 4], 0, SCHED_EXT_POLICY, NULL);
		if (i % 4 == 2)
			keep_on(tasks[i].pid, i / 4 % cpus);
	}
	for (int i = 0; i < TASKS; i++) {
		cpu_set_t set;

		CPU_ZERO(&set);
		for (int cpu = 0; cpu < cpus; cpu++)
			CPU_SET(cpu, &set);
		if (i % 4 != 2)
			sched_setaffinity(tasks[i].pid, sizeof(set), &set);
	}
}

/*
 * While a task is switched out, programs that its CPU still runs for others have
 * its migration disabled. The built-in core looks at that without the lock that
 * keeps them away, and throws a scheduler out for what it cannot know of.
 */
static bool blamed_for_passing_state(void)
{
	return at(&sched.uei->kind) && strstr(sched.uei->msg, "cannot move migration disabled");
}

static void blow(const struct storm_kind *kind, unsigned long long seed)
{
	pid_t pids[STORMERS];
	bool ok, blamed;

	if (sched_start(&sched))
		die("cannot enable the scheduler");
	skel->data->ways = kind->ways;
	skel->bss->slow_ns = kind->slow ? SLOW_NS : 0;
	skel->bss->far = kind->slow;
	skel->bss->naive = kind->naive;
	skel->bss->elsewhere = 0;
	start_all();
	counters_mark();
	kernel_log("STORM STARTS: %s", kind->name);
	memset(shared, 0, sizeof(*shared));
	for (int i = 0; i < STORMERS; i++)
		pids[i] = start_stormer(kind, i, seed);
	await(at(&sched.uei->kind), ms * MS);
	shared->stop = true;
	for (int i = 0; i < STORMERS; i++)
		waitpid(pids[i], NULL, 0);
	kernel_log("STORM ENDS");

	skel->bss->slow_ns = 0;
	note("%llu, %llu blows, %ld dispatches elsewhere, %ld moves, %ld cancelled, %ld spurious",
	     shared->blows[0], shared->blows[1], (long)skel->bss->elsewhere,
	     (long)skel->bss->moves, (long)skel->bss->cancels, (long)skel->bss->spurious);
	if (module_in_charge())
		note("%ld races lost", moved("lost_race"));
	blamed = !module_in_charge() && blamed_for_passing_state();
	ok = (blamed || sched_content(&sched)) && shared->blows[0] && shared->blows[1];
	/* where CPUs do run at the same time, some dequeue is faster */
	if (setting("RACES", 0) && kind->blow[0] == change_affinity)
		ok &= counted("lost_race", 1, LONG_MAX);
	ok = all_run() && ok && !skel->bss->doubles;
	if (kind->naive && setting("BLAMED", 0))
		result(ok && blamed, "a storm of %s: the built-in core blames the scheduler",
		       kind->what);
	else
		result(ok, "a storm of %s: all go on%s", kind->what,
		       blamed ? ", though the built-in core blames the scheduler" : "");
	for (int i = 0; i < TASKS; i++)
		task_stop(&tasks[i]);
	result(blamed || await(!queued(), 10000 * MS), "and no DSQ keeps any");
	sched_stop(&sched);
}

int main(void)
{
	unsigned long long seed = setting("SEED", time(NULL) & 0xffff);
	const char *only = getenv("STORM");
	int nr = 0;

	harness_init();
	for (int i = 0; i < (int)ARRAY_SIZE(kinds); i++)
		nr += !only || !strcmp(only, kinds[i].name);
	ksft_set_plan(2 * nr);
	ms = setting("STORM_MS", 300);
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus < 2)
		die("2 CPUs are needed");
	if (cpus > 8)
		cpus = 8;
	note("SEED=%llu", seed);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		ksft_exit_fail_perror("cannot share memory");
	skel = sched_load(storm, storm_ops);
	skel->data->nr_cpus = cpus;
	sched = sched_of(skel, storm_ops);
	for (int i = 0; i < (int)ARRAY_SIZE(kinds); i++)
		if (!only || !strcmp(only, kinds[i].name))
			blow(&kinds[i], seed);
	storm__destroy(skel);
	ksft_finished();
}
