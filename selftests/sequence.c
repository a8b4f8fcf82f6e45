// SPDX-License-Identifier: GPL-2.0
/*
 * Random sequences of what a BPF scheduler and user space may do with tasks,
 * compared with a model of what must come of it: the order of each DSQ, what is
 * consumed and moved, the order in which each CPU runs its tasks, and how often
 * each of them ran.
 *
 * One CPU follows the script that is drawn for each round, the others are kept
 * by RT tasks until it is their turn, and this program is not one of the tasks.
 * So all that happens is determined, and SEED, which is printed, repeats it.
 * ROUNDS is the number of scripts. What CPUs do at the same time, and what cannot
 * be foretold for that, is up to the storms.
 */
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "harness.h"
#include "script.h"
#include "script.skel.h"

#define FIRST		1	/* the CPU that follows the scripts */
#define LAST		3	/* those in between and this one wait at their gates */
#define TASKS		12
#define ENQ_HEAD	0x10ULL
#define ENQ_PREEMPT	(1ULL << 32)
#define SLICE		(10ULL * 1000 * 1000 * 1000)	/* who has used it up is enqueued anew */
#define SOON		(10000 * MS)	/* CPUs of an emulator may stand still for a second */

enum place { ASLEEP, OWNED, IN_DSQ, IN_LOCAL, IN_GLOBAL };

struct queue {
	int nr;
	int tasks[TASKS];
};

/* The model. */
static struct {
	unsigned int mask;		/* CPUs that it may run on */
	enum place place;
	int where;			/* DSQ or CPU */
	unsigned long long vtime;
	unsigned long long runs, sleeps;
	int nice;
} model[TASKS];
static struct queue dsqs[SCRIPT_DSQS], locals[LAST + 1], global, ran[LAST + 1];
static struct script_step buffer[SCRIPT_STEPS];	/* dispatched, not flushed */
static int buffered;

static struct script *skel;
static struct sched sched;
static struct task workers[TASKS], gates[LAST + 1];
static struct script_step steps[SCRIPT_STEPS];
static int nr_steps;
static struct { long dispatches, spurious, cancels, consumed, empty, moves, dequeues, runs; } did;

static bool one_in(unsigned int n)
{
	return !draw(n);
}

/* --- the model ------------------------------------------------------------------ */

static struct queue *queue_of(int task)
{
	switch (model[task].place) {
	case IN_DSQ:
		return &dsqs[model[task].where];
	case IN_LOCAL:
		return &locals[model[task].where];
	case IN_GLOBAL:
		return &global;
	default:
		return NULL;
	}
}

static void insert(struct queue *queue, int index, int task)
{
	memmove(&queue->tasks[index + 1], &queue->tasks[index],
		(queue->nr - index) * sizeof(int));
	queue->tasks[index] = task;
	queue->nr++;
}

static int index_in(const struct queue *queue, int task)
{
	for (int i = 0; i < queue->nr; i++)
		if (queue->tasks[i] == task)
			return i;
	return -1;
}

static void take_out(int task)
{
	struct queue *queue = queue_of(task);
	int index;

	if (!queue)
		return;
	index = index_in(queue, task);
	queue->nr--;
	memmove(&queue->tasks[index], &queue->tasks[index + 1],
		(queue->nr - index) * sizeof(int));
}

/* Behind all that are to be before it, and behind its equals. */
static int priq_index(const struct queue *queue, unsigned long long vtime)
{
	int i = 0;

	while (i < queue->nr && (long long)(vtime - model[queue->tasks[i]].vtime) >= 0)
		i++;
	return i;
}

static void put(int task, const struct script_step *step)
{
	bool head = step->flags & (ENQ_HEAD | ENQ_PREEMPT);
	struct queue *queue;

	take_out(task);
	switch (step->target) {
	case TO_DSQ:
		model[task].place = IN_DSQ;
		model[task].where = step->dsq;
		break;
	case TO_GLOBAL:
		model[task].place = IN_GLOBAL;
		break;
	default:
		model[task].place = IN_LOCAL;
		model[task].where = step->target == TO_LOCAL ? FIRST : step->cpu;
	}
	queue = queue_of(task);
	if (step->target == TO_DSQ && is_priq(step->dsq))
		insert(queue, priq_index(queue, model[task].vtime), task);
	else
		insert(queue, head ? 0 : queue->nr, task);
}

static void flush(void)
{
	for (int i = 0; i < buffered; i++) {
		const struct script_step *step = &buffer[i];

		if (model[step->task].place != OWNED)
			continue;
		if (step->target == TO_DSQ && is_priq(step->dsq))
			model[step->task].vtime = step->vtime;
		put(step->task, step);
	}
	buffered = 0;
}

/* The first that may run on a CPU comes to the end of its local DSQ. */
static bool consume(struct queue *queue, int cpu)
{
	for (int i = 0; i < queue->nr; i++) {
		struct script_step step = { .target = TO_LOCAL_ON, .cpu = cpu };

		if (model[queue->tasks[i]].mask & (1 << cpu)) {
			put(queue->tasks[i], &step);
			return true;
		}
	}
	return false;
}

static int follow(struct script_step *step)
{
	switch (step->verb) {
	case STEP_DISPATCH:
		buffer[buffered++] = *step;
		return 0;
	case STEP_CANCEL:
		buffered--;
		return 0;
	case STEP_CONSUME:
		flush();
		return consume(&dsqs[step->dsq], FIRST);
	case STEP_MOVE:
		if (model[step->task].place != IN_DSQ || model[step->task].where != step->from)
			return false;
		if (step->target == TO_DSQ && is_priq(step->dsq))
			model[step->task].vtime = step->vtime;
		put(step->task, step);
		return true;
	}
	return 0;
}

/* What a CPU does once it has nothing else to do. */
static void drain(int cpu)
{
	do {
		while (locals[cpu].nr) {
			int task = locals[cpu].tasks[0];

			take_out(task);
			model[task].place = ASLEEP;
			model[task].runs++;
			model[task].sleeps++;
			insert(&ran[cpu], ran[cpu].nr, task);
			did.runs++;
		}
	} while (consume(&global, cpu));
}

/* --- scripts -------------------------------------------------------------------- */

static int allowed_cpu(int task)
{
	int cpu;

	do {
		cpu = FIRST + draw(LAST - FIRST + 1);
	} while (!(model[task].mask & (1 << cpu)));
	return cpu;
}

/* Few values, so that some are the same, and on both sides of where they wrap. */
static unsigned long long draw_vtime(void)
{
	return ~0ULL - 3 + draw(8);
}

static void draw_target(struct script_step *step)
{
	int dice = draw(12);

	if (dice < 7) {
		step->target = TO_DSQ;
		step->dsq = draw(SCRIPT_DSQS);
		step->vtime = draw_vtime();
		if (!is_priq(step->dsq) && one_in(4))
			step->flags = one_in(2) ? ENQ_HEAD : ENQ_PREEMPT;
		return;
	}
	if (dice == 7) {
		step->target = TO_GLOBAL;
	} else if (dice < 10 && (model[step->task].mask & (1 << FIRST))) {
		step->target = TO_LOCAL;
	} else {
		step->target = TO_LOCAL_ON;
		step->cpu = allowed_cpu(step->task);
	}
	if (one_in(4))
		step->flags = one_in(2) ? ENQ_PREEMPT : ENQ_HEAD;
}

static void draw_step(struct script_step *step)
{
	int dice = draw(16);

	memset(step, 0, sizeof(*step));
	step->slice = SLICE;
	step->task = draw(TASKS);
	/* rather one that is there to be dispatched, and a DSQ that has any */
	if (one_in(2) && model[step->task].place != OWNED)
		step->task = draw(TASKS);
	step->from = draw(SCRIPT_DSQS);
	if (!dsqs[step->from].nr)
		step->from = draw(SCRIPT_DSQS);
	if (dice < 8) {
		step->verb = STEP_DISPATCH;
		did.dispatches++;
		draw_target(step);
		if (model[step->task].place != OWNED)
			did.spurious++;
	} else if (dice < 9 && buffered) {
		step->verb = STEP_CANCEL;
		did.cancels++;
	} else if (dice < 12) {
		step->verb = STEP_CONSUME;
		step->dsq = step->from;
	} else {
		step->verb = STEP_MOVE;
		if (dsqs[step->from].nr && !one_in(8))
			step->task = dsqs[step->from].tasks[draw(dsqs[step->from].nr)];
		draw_target(step);
	}
}

/* Draw a script, and let the model follow it. */
static void draw_script(void)
{
	nr_steps = 1 + draw(20);
	for (int i = 0; i < nr_steps; i++) {
		draw_step(&steps[i]);
		steps[i].result = follow(&steps[i]);
		if (steps[i].verb == STEP_CONSUME)
			*(steps[i].result ? &did.consumed : &did.empty) += 1;
		did.moves += steps[i].verb == STEP_MOVE && steps[i].result;
	}
	flush();
}

/* --- the machine ---------------------------------------------------------------- */

static volatile struct script_task *seen(int task)
{
	return &skel->bss->tasks[task];
}

static bool set_mask(int task, unsigned int mask)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int cpu = 0; cpu <= LAST; cpu++)
		if (mask & (1 << cpu))
			CPU_SET(cpu, &set);
	model[task].mask = mask;
	return !sched_setaffinity(workers[task].pid, sizeof(set), &set);
}

static unsigned int draw_mask(void)
{
	return (1 + draw((1 << (LAST - FIRST + 1)) - 1)) << FIRST;
}

/* What takes a waiting task out of its queue, the kernel puts back into the scheduler's hands. */
static void dequeued(int task)
{
	if (model[task].place == ASLEEP)
		return;
	take_out(task);
	model[task].place = OWNED;
	did.dequeues++;
}

static void change_affinity(int task)
{
	unsigned int mask = draw_mask();

	if (mask == model[task].mask)
		return;
	if (!set_mask(task, mask))
		ksft_exit_fail_perror("sched_setaffinity");
	dequeued(task);
}

static void change_nice(int task)
{
	int nice = draw(20);

	if (nice == model[task].nice)
		return;
	model[task].nice = nice;
	if (setpriority(PRIO_PROCESS, workers[task].pid, nice))
		ksft_exit_fail_perror("setpriority");
	dequeued(task);
}

static bool wake(int task)
{
	unsigned long long before = seen(task)->enqueues;

	if (model[task].place != ASLEEP)
		return true;
	model[task].place = OWNED;
	task_wake(&workers[task]);
	return await(seen(task)->enqueues > before, SOON);
}

static bool disturb(void)
{
	for (int task = 0; task < TASKS; task++) {
		if (one_in(2) && !wake(task))
			return false;
		if (one_in(8))
			change_affinity(task);
		if (one_in(8))
			change_nice(task);
	}
	return true;
}

static void close_gate(int cpu, bool closed)
{
	unsigned long long count = task_count(&gates[cpu]);

	kill(gates[cpu].pid, closed ? SIGCONT : SIGSTOP);
	if (closed && !await(task_count(&gates[cpu]) != count, SOON))
		die("no way to keep CPU %d busy", cpu);
}

static bool at_rest(void)
{
	for (int task = 0; task < TASKS; task++)
		if (seen(task)->sleeps != model[task].sleeps)
			return false;
	return true;
}

static const char *show(const struct queue *queue)
{
	static char text[2][TASKS * 4 + 1];
	static int turn;
	char *to = text[turn ^= 1];

	*to = '\0';
	for (int i = 0; i < queue->nr; i++)
		sprintf(to + strlen(to), " %d", queue->tasks[i]);
	return to;
}

static bool same(const char *what, int which, const struct queue *want, int nr, const int *tasks)
{
	struct queue got = { .nr = nr < TASKS ? nr : TASKS };

	memcpy(got.tasks, tasks, got.nr * sizeof(int));
	if (nr == want->nr && !memcmp(want->tasks, tasks, nr * sizeof(int)))
		return true;
	note("%s %d:%s, expected:%s", what, which, show(&got), show(want));
	return false;
}

/* That a CPU ran what it should in the right order since the last look. */
static bool ran_as_expected(int cpu)
{
	struct script_log *log = &skel->bss->logs[cpu];
	bool ok = true;

	await(at_rest(), SOON);
	for (int task = 0; task < TASKS; task++) {
		volatile struct script_task *was = seen(task);

		if (was->runs == model[task].runs && was->sleeps == model[task].sleeps &&
		    task_count(&workers[task]) == model[task].runs)
			continue;
		note("task %d ran %llu times, slept %llu times, worked %llu times, expected %llu",
		     task, was->runs, was->sleeps, task_count(&workers[task]), model[task].runs);
		ok = false;
	}
	ok &= same("CPU", cpu, &ran[cpu], log->nr, log->tasks);
	log->nr = 0;
	ran[cpu].nr = 0;
	return ok;
}

static bool carry_out(void)
{
	struct script_args args = { .cpu = FIRST };
	unsigned int before = skel->bss->done;
	bool ok;

	memcpy(skel->bss->steps, steps, sizeof(steps));
	__atomic_store_n(&skel->bss->nr_steps, nr_steps, __ATOMIC_RELEASE);
	run_prog(skel->progs.script_kick, &args, sizeof(args));
	ok = await(at(&skel->bss->done) == before + 1, SOON);
	if (!ok)
		note("the script is not followed");
	for (int i = 0; ok && i < nr_steps; i++) {
		if (skel->bss->steps[i].result == steps[i].result)
			continue;
		note("step %d returned %d, expected %d", i, skel->bss->steps[i].result,
		     steps[i].result);
		ok = false;
	}
	return ok;
}

static bool dsqs_as_expected(void)
{
	bool ok = true;

	for (int dsq = 0; dsq < SCRIPT_DSQS; dsq++) {
		struct script_args args = { .dsq = dsq };
		struct script_listing *got = &skel->bss->listing;

		run_prog(skel->progs.script_list, &args, sizeof(args));
		ok &= same("DSQ", dsq, &dsqs[dsq], got->nr, got->tasks);
		if (got->nr_queued != dsqs[dsq].nr) {
			note("DSQ %d: %d queued, expected %d", dsq, got->nr_queued, dsqs[dsq].nr);
			ok = false;
		}
	}
	return ok;
}

static void show_script(void)
{
	static const char *const verbs[] = { "dispatch", "cancel", "consume", "move" };
	static const char *const targets[] = { "DSQ", "local", "local of", "global" };

	for (int i = 0; i < nr_steps; i++) {
		const struct script_step *step = &steps[i];

		if (step->verb == STEP_CANCEL || step->verb == STEP_CONSUME)
			note("  %2d %s %d: %d", i, verbs[step->verb], step->dsq, step->result);
		else
			note("  %2d %s task %d from %d to %s %d, vtime %lld, flags %llx: %d", i,
			     verbs[step->verb], step->task, step->from, targets[step->target],
			     step->target == TO_DSQ ? step->dsq : step->cpu,
			     (long long)step->vtime, step->flags, step->result);
	}
}

/* One script, and what comes of it; false where it is not what the model says. */
static bool run_round(bool open)
{
	bool ok = carry_out();

	drain(FIRST);
	ok = ok && ran_as_expected(FIRST);
	for (int cpu = FIRST + 1; ok && open && cpu <= LAST; cpu++) {
		drain(cpu);
		close_gate(cpu, false);
		ok = ran_as_expected(cpu);
	}
	ok = ok && dsqs_as_expected() && !skel->bss->doubles && sched_content(&sched);
	for (int cpu = FIRST + 1; ok && open && cpu <= LAST; cpu++)
		close_gate(cpu, true);
	return ok;
}

/* Let everything run that still waits. */
static bool empty_all(void)
{
	for (int task = 0; task < TASKS; task++) {
		if (model[task].mask & (1 << FIRST))
			continue;
		if (!set_mask(task, 1 << FIRST))
			ksft_exit_fail_perror("sched_setaffinity");
		dequeued(task);
	}
	nr_steps = 0;
	for (int task = 0; task < TASKS; task++) {
		struct script_step step = { .task = task, .slice = SLICE, .target = TO_LOCAL };

		if (model[task].place == IN_DSQ) {
			step.verb = STEP_MOVE;
			step.from = model[task].where;
		} else if (model[task].place != OWNED) {
			continue;
		}
		steps[nr_steps++] = step;
	}
	for (int i = 0; i < nr_steps; i++)
		steps[i].result = follow(&steps[i]);
	flush();
	return !nr_steps || run_round(true);
}

static void start(void)
{
	skel = sched_load(script, script_ops);
	sched = sched_of(skel, script_ops);
	skel->bss->script_cpu = FIRST;
	skel->bss->nr_tasks = TASKS;
	for (int task = 0; task < TASKS; task++) {
		workers[task] = task_start(TASK_SLEEPER, FIRST, SCHED_OTHER, NULL);
		skel->bss->tasks[task].pid = workers[task].pid;
	}
	for (int cpu = FIRST + 1; cpu <= LAST; cpu++)
		gates[cpu] = hog_start(cpu, SCHED_FIFO);
	if (sched_start(&sched))
		die("cannot enable the scheduler");
	for (int task = 0; task < TASKS; task++)
		if (!task_policy(&workers[task], SCHED_EXT_POLICY) ||
		    !set_mask(task, draw_mask()))
			ksft_exit_fail_perror("cannot prepare a task");
}

int main(void)
{
	long rounds = setting("ROUNDS", 300), n;
	unsigned long long seed = setting("SEED", time(NULL) & 0xffff);
	bool ok = true;

	harness_init();
	ksft_set_plan(4);
	if (sysconf(_SC_NPROCESSORS_ONLN) <= LAST)
		ksft_exit_skip("%d CPUs are needed\n", LAST + 1);
	note("SEED=%llu", seed);
	draw_seed(seed);
	stay_on(0);
	start();

	counters_mark();
	for (n = 0; ok && n < rounds; n++) {
		ok = disturb();
		draw_script();
		ok = ok && run_round(one_in(3));
	}
	if (!ok) {
		note("this was round %ld of SEED=%llu:", n, seed);
		show_script();
	}
	note("%ld dispatches, %ld of tasks not owned, %ld cancelled, %ld consumed, %ld in vain",
	     did.dispatches, did.spurious, did.cancels, did.consumed, did.empty);
	note("%ld moves, %ld dequeues, %ld runs", did.moves, did.dequeues, did.runs);
	result(ok, "%ld random scripts do what the model says", rounds);
	result(ok && empty_all() && dsqs_as_expected(),
	       "all that waited run in the end, and no DSQ keeps one");
	result(!skel->bss->doubles && sched_content(&sched), "no task ran twice at once");
	result(counted("dispatch_rounds", rounds, LONG_MAX), "the core in charge was asked");

	for (int cpu = FIRST + 1; cpu <= LAST; cpu++)
		task_stop(&gates[cpu]);
	for (int task = 0; task < TASKS; task++)
		task_stop(&workers[task]);
	sched_stop(&sched);
	script__destroy(skel);
	ksft_finished();
}
