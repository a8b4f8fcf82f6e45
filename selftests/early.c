// SPDX-License-Identifier: GPL-2.0
/*
 * A kick that comes before what it is about: a BPF scheduler dispatches a task and
 * kicks the CPU that is to run it, or the other way round. The task gets to its DSQ
 * when the program has returned. The CPU that was kicked must look for it after that:
 * if it does so before it idles again, and nobody tells it once more.
 */
#include <limits.h>

#include "harness.h"

#define WAKER		0
#define FIRST		1
#define SECOND		2
#define ROUNDS		10

static struct rig *rig;

/* Kicks that were carried out or left to their target: none still kept, or merged. */
static long answered(void)
{
	return moved("kick_resched") + moved("kick_left") + moved("kick_idle_skipped") +
	       moved("kick_higher_class");
}

/*
 * Whether the task gets to run. This CPU spins meanwhile: if it looked for another
 * task, it would make up for a kick that it owes.
 */
static bool is_served(struct task *task, unsigned long long count)
{
	unsigned long long end = now_ns() + 500 * 1000000ULL;

	while (task_count(task) == count && now_ns() < end)
		relax();
	return task_count(task) > count;
}

/* One that is asleep, or gives way by itself. */
static void test(struct task *task, enum rig_way way, unsigned long long flags, const char *what)
{
	int lost = 0, by_kick = 0;
	bool kicked;

	rig->bss->hand.pid = task->pid;
	rig->bss->hand.way = way;
	rig->bss->hand.flags = flags;
	rig->bss->hand.kicks = 0;
	counters_mark();
	/* one more, as the kick of who is giving way already was before */
	for (int i = 0; i <= ROUNDS; i++) {
		unsigned long long count;
		long before;

		if (way != RIG_FROM_STOPPING && !task_asleep(task, 1000 * MS))
			die("the task does not sleep");
		count = task_count(task);
		before = answered();
		task_wake(task);
		if (is_served(task, count)) {
			by_kick += answered() > before;
			continue;
		}
		lost++;
		kick(rig, FIRST, 0);
		kick(rig, SECOND, 0);
		if (!await(task_count(task) > count, 2000 * MS))
			break;
	}
	if (lost)
		note("%d of %d kicks were of no use", lost, ROUNDS + 1);
	/* a CPU looks for tasks for other reasons, too, and often */
	kicked = !module_in_charge() || by_kick > ROUNDS * 3 / 4;
	if (!kicked)
		note("only %d of %d were found when a kick was carried out", by_kick, ROUNDS + 1);
	result(!lost && kicked && rig->bss->hand.kicks >= ROUNDS &&
	       counted(flags ? "kick_idle" : "kick_plain", ROUNDS, LONG_MAX),
	       "a task is found by the CPU that was kicked for it, %s, %s",
	       flags ? "if idle" : "plainly", what);
}

int main(void)
{
	unsigned long long kinds[] = { KICK_IDLE, 0 };
	struct task task, yielder;

	harness_init();
	ksft_set_plan(13);
	if (sysconf(_SC_NPROCESSORS_ONLN) <= SECOND)
		die("%d CPUs are needed", SECOND + 1);
	stay_on(WAKER);
	rig = rig_load(false, 0);
	rig->bss->hand.cpus[0] = FIRST;
	rig->bss->hand.cpus[1] = SECOND;
	rig->bss->hand.ns = 1000 * 1000;
	if (rig_start(rig))
		die("cannot enable the scheduler");
	task = task_start(TASK_SLEEPER, FIRST, SCHED_EXT_POLICY, NULL);
	if (!task_asleep(&task, 2000 * MS))
		die("the task does not start");
	allow_two(task.pid, FIRST, SECOND);

	for (int i = 0; i < 2; i++) {
		test(&task, RIG_KICK_LAST, kinds[i], "after it was dispatched");
		test(&task, RIG_KICK_FIRST, kinds[i], "before that");
		test(&task, RIG_FROM_SELECT, kinds[i], "from select_cpu()");
		test(&task, RIG_FROM_DISPATCH, kinds[i], "from dispatch()");
		test(&task, RIG_TO_LOCAL, kinds[i], "on its local DSQ");
	}
	rig->bss->hand.pid = 0;
	yielder = task_start(TASK_YIELDER, FIRST, SCHED_EXT_POLICY, NULL);
	if (!await(task_count(&yielder) > 0, 2000 * MS))
		die("the task does not start");
	allow_two(yielder.pid, FIRST, SECOND);
	for (int i = 0; i < 2; i++)
		test(&yielder, RIG_FROM_STOPPING, kinds[i], "from stopping()");
	result(sched_ext_is("enabled") && !rig->data->uei.kind, "the scheduler is content");

	rig->bss->hand.pid = 0;
	task_stop(&yielder);
	task_stop(&task);
	rig_stop(rig);
	rig__destroy(rig);
	ksft_finished();
}
