// SPDX-License-Identifier: GPL-2.0
/*
 * Kicks of every kind: what they do to the CPU they are for, and that they
 * pass through the core in charge. The program stays on CPU 0 in the fair
 * class, kicks from CPU 0 or, out of a scheduler's callback, from CPU 1, and
 * aims at CPUs 2 and 3.
 */
#include <limits.h>
#include <sched.h>

#include "harness.h"

#define SELF		1
#define TARGET		2
#define OTHER		3
#define TIMES		10
#define LOOK		(20 * MS)	/* how long an idle CPU is looked at */
#define NOISE		6	/* cycles a CPU may go through by itself meanwhile */

static struct rig *rig;

static unsigned long long seen_balances(int cpu)
{
	return ((volatile struct rig_cpu *)&rig->bss->cpus[cpu])->balances;
}

/*
 * So many irq_works, and those of idle kicks. 6.12 has a CPU kick itself in this way if fair had a
 * task, and has none when it comes to it (pick_task_scx()); on PREEMPT_RT that is often.
 */
static bool irq_works(long times)
{
	return counted("kick_irq_work", times, times + NOISE + moved("kick_idle"));
}

static void kick_times(int cpu, unsigned long long flags)
{
	counters_mark();
	for (int i = 0; i < TIMES; i++) {
		kick(rig, cpu, flags);
		usleep(2 * MS);
	}
}

/* Plain kicks, each after the one before has arrived. */
static bool kicks_arrive(int cpu)
{
	bool ok = true;

	counters_mark();
	for (int i = 0; i < TIMES; i++) {
		unsigned long long before = seen_balances(cpu);

		kick(rig, cpu, 0);
		ok &= await(seen_balances(cpu) > before, 200 * MS);
		/* and let go of its lock */
		usleep(2 * MS);
	}
	return ok;
}

/*
 * A task waits in the BPF scheduler for a CPU that idles and does not know.
 * Left alone it stays there; false if the CPU looked by itself every time.
 */
static bool park(struct task *sleeper)
{
	for (int try = 0; try < TIMES; try++) {
		unsigned long long count = task_count(sleeper);
		unsigned long long queued = rig->bss->cpus[TARGET].enqueues;

		rig->bss->hold[TARGET] = true;
		task_wake(sleeper);
		await(*(volatile unsigned long long *)&rig->bss->cpus[TARGET].enqueues > queued,
		      100 * MS);
		usleep(20 * MS);
		rig->bss->hold[TARGET] = false;
		usleep(LOOK);
		if (task_count(sleeper) == count)
			return true;
	}
	return false;
}

static void test_idle(void)
{
	static const struct { const char *name; unsigned long long flags; const char *count; }
	kinds[] = {
		{ "plain", 0, "kick_plain" },
		{ "IDLE", KICK_IDLE, "kick_idle" },
		{ "PREEMPT", KICK_PREEMPT, "kick_preempt" },
	};
	struct task sleeper = task_start(TASK_SLEEPER, TARGET, SCHED_EXT_POLICY, NULL);

	usleep(20 * MS);
	for (int i = 0; i < 3; i++) {
		bool ran = false;

		/* something else may wake the CPU just before */
		for (int try = 0; !ran && try < 3; try++) {
			unsigned long long count = task_count(&sleeper);
			bool parked = park(&sleeper);

			counters_mark();
			kick(rig, TARGET, kinds[i].flags);
			ran = await(task_count(&sleeper) != count &&
				    counted(kinds[i].count, 1, LONG_MAX) &&
				    (!module_in_charge() || moved("kick_resched")), LOOK) && parked;
			kick(rig, TARGET, 0);
		}
		result(ran, "%s kick wakes an idle CPU", kinds[i].name);
	}
	task_stop(&sleeper);
}

static void swap_tasks(struct task *a, struct task *b)
{
	struct task was_a = *a;

	*a = *b;
	*b = was_a;
}

static void test_busy(void)
{
	struct task first = task_start(TASK_HOG, TARGET, SCHED_EXT_POLICY, NULL);
	struct task second = task_start(TASK_HOG, TARGET, SCHED_EXT_POLICY, NULL);
	volatile struct rig_cpu *seen = &rig->bss->cpus[TARGET];
	unsigned long long before, waiting, zero = 0;
	bool ok;

	usleep(100 * MS);
	if (seen->running == second.pid)
		swap_tasks(&first, &second);
	waiting = task_count(&second);

	ok = kicks_arrive(TARGET) && seen->running == first.pid;
	result(ok && task_count(&second) == waiting && counted("kick_plain", TIMES, LONG_MAX) &&
	       counted("kick_resched", TIMES, LONG_MAX) &&
	       counted("kick_ipis", TIMES / 2, LONG_MAX),
	       "plain kick reschedules a busy CPU, which keeps its task");
	result(irq_works(0),
	       "without an irq_work, from outside of operations and where its lock is free");

	before = seen_balances(TARGET);
	kick_times(TARGET, KICK_IDLE);
	ok = seen_balances(TARGET) <= before + NOISE && seen->running == first.pid;
	result(ok && counted("kick_idle", TIMES, LONG_MAX) &&
	       counted("kick_idle_skipped", TIMES, LONG_MAX),
	       "IDLE kick leaves a busy CPU alone");

	/* something else may have the CPU just then, or stop the second one before we look */
	ok = false;
	for (int try = 0; !ok && try < 3; try++) {
		zero = seen->zero_prevs;
		seen->least_slice = ~0ULL;
		counters_mark();
		kick(rig, TARGET, KICK_PREEMPT);
		ok = await(seen->running == second.pid, 200 * MS);
	}
	result(ok && counted("kick_preempt", 1, LONG_MAX),
	       "PREEMPT kick makes a busy CPU take the next task");
	result(ok && seen->least_slice == 0 && seen->zero_prevs > zero,
	       "slice is zero after PREEMPT");

	task_stop(&second);
	task_stop(&first);
}

static void test_rt(void)
{
	struct task rt = task_start(TASK_HOG, TARGET, SCHED_FIFO, NULL);
	unsigned long long slice, count;

	await(task_count(&rt), 500 * MS);
	slice = slice_of(rig, rt.pid);
	kick_times(TARGET, KICK_PREEMPT);
	count = task_count(&rt);
	usleep(20 * MS);
	result(slice && slice_of(rig, rt.pid) == slice && task_count(&rt) > count &&
	       counted("kick_preempt", TIMES, LONG_MAX) &&
	       counted("kick_higher_class", TIMES, LONG_MAX),
	       "PREEMPT kick takes nothing from an RT task");
	task_stop(&rt);
}

static void test_offline(void)
{
	bool off = cpu_plug(OTHER, false);
	bool on;

	counters_mark();
	kick(rig, OTHER, 0);
	kick(rig, OTHER, KICK_PREEMPT);
	kick(rig, OTHER, KICK_PREEMPT | KICK_WAIT);
	result(off && sched_ext_is("enabled") && counted("kick_offline", 3, LONG_MAX) &&
	       counted("waits", 0, 0),
	       "kicks of an offline CPU are dropped and not waited for");

	on = cpu_plug(OTHER, true);
	result(on && kicks_arrive(OTHER) && counted("kick_offline", 0, 0),
	       "kicks arrive again once the CPU is online");
}

static void test_from_op(void)
{
	static const int self[] = { SELF }, many[] = { TARGET, OTHER, 0 };
	static const int same[] = { SELF, SELF, SELF };
	struct task kicker = task_start(TASK_KICKER, SELF, SCHED_EXT_POLICY, rig);
	unsigned long long zero, before[3];
	bool ok = true;

	usleep(20 * MS);
	zero = rig->bss->cpus[SELF].zero_prevs;
	counters_mark();
	result(kick_from_op(rig, &kicker, KICK_PREEMPT, 1, self) &&
	       rig->bss->cpus[SELF].zero_prevs > zero &&
	       counted("kick_preempt", 1, LONG_MAX),
	       "a CPU can kick itself");

	counters_mark();
	for (int n = 0; n < TIMES; n++) {
		for (int i = 0; i < 3; i++)
			before[i] = seen_balances(many[i]);
		ok &= kick_from_op(rig, &kicker, 0, 3, many);
		/* or the next request may be one with this */
		for (int i = 0; i < 3; i++)
			ok &= await(seen_balances(many[i]) > before[i], 200 * MS);
	}
	result(ok && counted("kick_plain", 3 * TIMES, 3 * TIMES + NOISE) &&
	       (!module_in_charge() ||
		moved("kick_resched") + moved("kick_higher_class") >= 3 * TIMES),
	       "one callback can kick many CPUs");
	result(irq_works(TIMES), "by one irq_work for all of them");

	/* with its own lock held: it is asked */
	before[0] = seen_balances(SELF);
	counters_mark();
	for (int n = 0; n < TIMES; n++)
		ok &= kick_from_op(rig, &kicker, KICK_PREEMPT, 3, same);
	ok &= seen_balances(SELF) >= before[0] + TIMES;
	result(ok && counted("kick_preempt", 3 * TIMES, 3 * TIMES + NOISE) &&
	       irq_works(TIMES) &&
	       counted("kick_coalesced", 2 * TIMES, 2 * TIMES + NOISE),
	       "several requests to a CPU share an irq_work");
	task_stop(&kicker);
}

/* The target goes idle, which even a core that waits for a change of class sees. */
static void test_wait(void)
{
	static const int target[] = { TARGET };
	struct task kicker = task_start(TASK_KICKER, SELF, SCHED_EXT_POLICY, rig);
	struct task hog = task_start(TASK_HOG, TARGET, SCHED_EXT_POLICY, NULL);
	volatile struct rig_cpu *seen = &rig->bss->cpus[TARGET];
	int waited = 0;
	bool ok = true;

	counters_mark();
	for (int n = 0; n < TIMES; n++) {
		unsigned long long stops;

		ok &= await(seen->running == hog.pid && task_count(&hog), 500 * MS);
		rig->bss->hold[TARGET] = true;
		stops = seen->stops;
		ok &= kick_from_op(rig, &kicker, KICK_PREEMPT | KICK_WAIT, 1, target);
		waited += kicker.shared->stops > stops;
		rig->bss->hold[TARGET] = false;
		seen->running = 0;
		kick(rig, TARGET, 0);
	}
	note("the target's task had stopped in %d of %d", waited, TIMES);
	/* it may just have run something that is not waited for */
	result(ok && waited && waited + moved("waits_skipped") + moved("wait_timeouts") >= TIMES,
	       "WAIT kick returns after the target let go of its task");
	result(counted("kick_wait", TIMES, LONG_MAX) && counted("waits", 1, LONG_MAX) &&
	       counted("waits_done", 1, LONG_MAX), "waits are counted");
	task_stop(&hog);
	task_stop(&kicker);
}

static void test_enq_preempt(void)
{
	struct task hog = task_start(TASK_HOG, TARGET, SCHED_EXT_POLICY, NULL);
	struct task sleeper = task_start(TASK_SLEEPER, TARGET, SCHED_EXT_POLICY, NULL);
	volatile struct rig_cpu *seen = &rig->bss->cpus[TARGET];
	bool waits;

	usleep(50 * MS);
	await(seen->running == hog.pid, 500 * MS);
	task_wake(&sleeper);
	usleep(50 * MS);
	waits = !task_count(&sleeper) && seen->running == hog.pid;
	/* let it out again */
	kick(rig, TARGET, KICK_PREEMPT);
	await(task_count(&sleeper) == 1, 500 * MS);
	await(seen->running == hog.pid, 500 * MS);

	rig->bss->preempter = sleeper.pid;
	seen->enqueues = 0;
	counters_mark();
	task_wake(&sleeper);
	result(await(task_count(&sleeper) == 2, 200 * MS) && waits &&
	       counted("balance", 1, LONG_MAX),
	       "SCX_ENQ_PREEMPT onto a local DSQ runs the task at once");
	rig->bss->preempter = 0;
	task_stop(&sleeper);
	task_stop(&hog);
}

static void test_bypass(void)
{
	unsigned long long kicks;
	bool ok;

	rig_stop(rig);
	rig->bss->kick_in_init = true;
	rig->bss->init_kicks = 0;
	counters_mark();
	ok = !rig_start(rig);
	kicks = rig->bss->init_kicks;
	rig->bss->kick_in_init = false;
	result(ok && kicks && counted("kick_bypassed", kicks, LONG_MAX) &&
	       counted("kick_irq_work", 0, NOISE),
	       "kicks are dropped while bypassing");
}

static void test_errors(void)
{
	kick(rig, 9999, 0);
	result(rig_thrown_out(rig, "invalid CPU 9999", 2000 * MS),
	       "a kick of a bogus CPU is an error");
	rig_stop(rig);

	if (rig_start(rig))
		die("cannot enable the scheduler again");
	counters_mark();
	kick(rig, TARGET, KICK_IDLE | KICK_PREEMPT);
	/* sched_ext makes IDLE kicks, too: of the CPU itself, which leave a request */
	result(rig_thrown_out(rig, "PREEMPT/WAIT cannot be used with SCX_KICK_IDLE", 2000 * MS) &&
	       counted("kick_preempt", 0, 0) && moved("kick_idle") <= moved("kick_left"),
	       "IDLE with PREEMPT is an error");
	rig_stop(rig);
}

/* What waiting takes is there for a CPU that was offline when the scheduler came, too. */
static void test_latecomer(void)
{
	unsigned long long before;
	bool ok;

	if (!cpu_plug(OTHER, false))
		die("CPU %d does not go offline", OTHER);
	ok = !rig_start(rig);
	if (!cpu_plug(OTHER, true))
		die("CPU %d does not come online", OTHER);
	stay_on(OTHER);
	counters_mark();
	before = seen_balances(TARGET);
	kick(rig, TARGET, 0);
	result(await(seen_balances(TARGET) > before, 1000 * MS) && ok &&
	       counted("kick_plain", 1, LONG_MAX) && counted("kick_no_scheduler", 0, 0),
	       "a CPU that comes later can kick");
	stay_on(0);
	rig_stop(rig);
}

/* The core of an unpatched kernel never returns from this one. */
static void test_no_scheduler(void)
{
	static const char *name = "kicks without a scheduler do nothing";

	if (stock_kernel()) {
		ksft_test_result_skip("%s\n", name);
		return;
	}
	counters_mark();
	for (int i = 0; i < TIMES; i++) {
		kick(rig, TARGET, 0);
		kick(rig, TARGET, KICK_IDLE);
		kick(rig, TARGET, KICK_PREEMPT | KICK_WAIT);
		kick(rig, 0, KICK_WAIT);
		kick_traced(rig, TARGET, KICK_WAIT);
	}
	result(rig->bss->traced == TIMES && counted("kick_no_scheduler", 5 * TIMES, LONG_MAX) &&
	       counted("kick_irq_work", 0, 0) && counted("kick_wait", 0, 0), "%s", name);
}

int main(void)
{
	harness_init();
	ksft_set_plan(24);
	if (sysconf(_SC_NPROCESSORS_ONLN) <= OTHER)
		die("4 CPUs are needed");
	stay_on(0);

	rig = rig_load(false, 0);
	test_no_scheduler();
	if (rig_start(rig))
		die("cannot enable the scheduler");
	test_idle();
	test_busy();
	test_rt();
	test_enq_preempt();
	test_from_op();
	test_wait();
	test_offline();
	test_bypass();
	result(sched_ext_is("enabled") && !rig->data->uei.kind,
	       "no valid kick upset the scheduler");
	test_errors();
	test_latecomer();
	rig__destroy(rig);
	ksft_finished();
}
