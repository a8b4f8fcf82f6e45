// SPDX-License-Identifier: GPL-2.0
/*
 * SCX_KICK_WAIT: who kicks goes on once the target has been through the
 * scheduler, and at once where there is nothing to wait for, whatever the
 * target does meanwhile. The program stays on CPU 0 in the fair class; who
 * waits is a task of sched_ext on CPU 1, and others.
 *
 * VISITS is the number of waits of the test for visibility.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "harness.h"

#define SELF		1
#define TARGET		2
#define OTHER		3
#define TIMES		50
#define NOISE		6	/* by what else goes on */
#define LONG		(20000 * MS)	/* this long only if it hangs */
#define SPIN_MS		150
#define MANY		12	/* more waits than a CPU keeps records of, 10 */
#define ENDS		6
#define TRIES		50

#define MASK(cpu)	(1ULL << (cpu))

static struct rig *rig;
static struct task waiter;
static unsigned long long unpassed, unseen;	/* rounds without, since wait_times() */

/* Waits that came to nothing, and say so. */
static long excused(void)
{
	return moved("kick_higher_class") + moved("waits_skipped") + moved("wait_timeouts") +
	       moved("waits_cancelled");
}

static bool order(int cpu, unsigned long long flags, unsigned long times)
{
	bool ok;

	order_waits(&waiter, MASK(cpu), flags, times);
	ok = carried_out(&waiter, LONG);
	unpassed += waiter.shared->orders.unpassed;
	unseen += waiter.shared->orders.unseen;
	return ok;
}

static bool wait_times(int cpu, unsigned long long flags, unsigned long times)
{
	unpassed = 0;
	unseen = 0;
	counters_mark();
	return order(cpu, flags, times);
}

/* The same until so many were waits: others may be using the CPU for a moment. */
static bool wait_really(int cpu, unsigned long long flags)
{
	bool ok = wait_times(cpu, flags, TIMES);

	for (int try = 0; ok && module_in_charge() && moved("waits_done") < TIMES; try++) {
		usleep(10 * MS);
		ok = try < TRIES && order(cpu, flags, TIMES);
	}
	return ok;
}

static bool start(void)
{
	int ret = rig_start(rig);

	if (ret)
		note("cannot enable the scheduler: %s", strerror(-ret));
	return !ret;
}

/* What became of the waits since counters_mark(), for who reads a failure. */
static bool show(bool ok)
{
	static const char *const names[] = {
		"kick_wait", "waits", "waits_done", "waits_skipped", "kick_higher_class",
		"wait_rescheds", "wait_timeouts", "waits_cancelled", "waits_full", "keep_prev",
	};

	for (int i = 0; !ok && module_in_charge() && i < (int)ARRAY_SIZE(names); i++)
		note("%s %+ld", names[i], moved(names[i]));
	if (!ok)
		note("rounds without a pass %llu, without a trace of stopping %llu",
		     unpassed, unseen);
	return ok;
}

#define outcome(ok, ...) result(show(ok), __VA_ARGS__)

/* Each wait that has ended is counted once by its length. */
static bool lengths_add_up(void)
{
	static const char *const lengths[] = {
		"wait_1us", "wait_10us", "wait_100us", "wait_1ms", "wait_10ms", "wait_longer",
	};
	long sum = 0, over;

	if (!module_in_charge())
		return true;
	for (int i = 0; i < (int)ARRAY_SIZE(lengths); i++)
		sum += counter(lengths[i]);
	over = counter("waits_done") + counter("wait_timeouts");
	note("%ld waits by length, %ld over", sum, over);
	/* those that were cancelled need not have begun */
	return over && sum >= over && sum <= over + counter("waits_cancelled");
}

static bool few_timed_out(long waits)
{
	return counted("wait_timeouts", 0, few(waits));
}

static void test_no_scheduler(void)
{
	static const char *name = "without a scheduler a wait does nothing";

	/* the core of an unpatched kernel never returns */
	if (stock_kernel()) {
		ksft_test_result_skip("%s\n", name);
		return;
	}
	counters_mark();
	for (int i = 0; i < TIMES; i++) {
		kick(rig, TARGET, KICK_WAIT);
		kick(rig, 0, KICK_PREEMPT | KICK_WAIT);
		kick_traced(rig, TARGET, KICK_WAIT);
	}
	result(rig->bss->traced == TIMES && counted("kick_no_scheduler", 3 * TIMES, LONG_MAX) &&
	       counted("kick_irq_work", 0, 0) && counted("waits", 0, 0), "%s", name);
}

/* A task that goes on where it is makes the target's sequence move, too. */
static void test_keep(void)
{
	struct task hog = hog_start(TARGET, SCHED_EXT_POLICY);
	bool ok = wait_really(TARGET, KICK_WAIT);

	outcome(ok && (long)unpassed <= excused() && counted("keep_prev", TIMES, LONG_MAX) &&
		few_timed_out(TIMES), "a wait ends though the target keeps its task");

	ok = wait_really(TARGET, KICK_PREEMPT | KICK_WAIT);
	outcome(ok && (long)unseen <= excused() && few_timed_out(TIMES),
		"a wait ends after the target's only task was preempted");
	task_stop(&hog);
}

static void test_switch(void)
{
	struct task first = hog_start(TARGET, SCHED_EXT_POLICY);
	struct task second = task_start(TASK_HOG, TARGET, SCHED_EXT_POLICY, NULL);
	unsigned long long before[2];
	bool ok;

	usleep(20 * MS);
	ok = wait_times(TARGET, KICK_PREEMPT | KICK_WAIT, 1);
	before[0] = task_count(&first);
	before[1] = task_count(&second);
	ok &= wait_really(TARGET, KICK_PREEMPT | KICK_WAIT);
	outcome(ok && (long)unseen <= excused() && task_count(&first) > before[0] &&
		task_count(&second) > before[1] && few_timed_out(TIMES),
		"a wait ends though the target never leaves sched_ext, and stopping was seen");
	task_stop(&second);
	task_stop(&first);
}

static void returns_at_once(const char *what, int cpu, const char *name)
{
	bool ok = wait_times(cpu, KICK_WAIT, TIMES) &&
		  wait_times(cpu, KICK_PREEMPT | KICK_WAIT, TIMES);

	outcome(ok && counted(name, TIMES - few(TIMES), LONG_MAX) &&
		counted("waits", 0, NOISE),
		"%s is not waited for", what);
}

struct deadline_attr {
	__u32 size;
	__u32 policy;
	__u64 flags;
	__s32 nice;
	__u32 priority;
	__u64 runtime, deadline, period;
};

/* One that runs nearly all the time, but chooses its CPU itself. */
static void test_deadline(void)
{
	static const char *name = "a CPU that runs a deadline task is not waited for";
	struct deadline_attr attr = {
		.size = sizeof(attr),
		.policy = 6 /* SCHED_DEADLINE */,
		.runtime = 90 * MS * 1000,
		.deadline = 100 * MS * 1000,
		.period = 100 * MS * 1000,
	};
	struct task hog = hog_start(TARGET, SCHED_OTHER);
	cpu_set_t all;
	bool ok;

	memset(&all, 0xff, sizeof(all));
	if (sched_setaffinity(hog.pid, sizeof(all), &all) ||
	    syscall(SYS_sched_setattr, hog.pid, &attr, 0)) {
		ksft_test_result_skip("%s: %s\n", name, strerror(errno));
	} else {
		counters_mark();
		order_waits(&waiter, MASK(0) | MASK(TARGET) | MASK(OTHER), KICK_WAIT, TIMES);
		ok = carried_out(&waiter, LONG);
		outcome(ok && counted("kick_higher_class", 1, LONG_MAX) && few_timed_out(TIMES),
			"%s", name);
	}
	task_stop(&hog);
}

static void test_nothing_to_wait_for(void)
{
	struct task hog;

	returns_at_once("an idle CPU", TARGET, "waits_skipped");

	hog = hog_start(TARGET, SCHED_EXT_POLICY);
	kill(hog.pid, SIGSTOP);
	usleep(50 * MS);
	returns_at_once("a CPU whose task is stopped", TARGET, "waits_skipped");
	kill(hog.pid, SIGCONT);
	task_stop(&hog);

	hog = hog_start(TARGET, SCHED_OTHER);
	returns_at_once("a CPU that runs a fair task", TARGET, "kick_higher_class");
	task_stop(&hog);

	hog = hog_start(TARGET, SCHED_FIFO);
	returns_at_once("a CPU that runs an RT task", TARGET, "kick_higher_class");
	task_stop(&hog);

	test_deadline();
	returns_at_once("the kicker's own CPU", SELF, "waits_skipped");

	if (!cpu_plug(OTHER, false))
		die("cannot take CPU %d offline", OTHER);
	returns_at_once("an offline CPU", OTHER, "kick_offline");
	cpu_plug(OTHER, true);
}

/* Every waiter is on a CPU that others wait for. */
static void mutual(const char *what, int nr, unsigned long long flags)
{
	struct task waiters[3];
	unsigned long long all = MASK(SELF) | MASK(TARGET) | (nr > 2 ? MASK(OTHER) : 0);
	long waits = nr * 10 * TIMES;
	bool ok = true;

	for (int i = 0; i < nr; i++)
		waiters[i] = task_start(TASK_WAITER, SELF + i, SCHED_EXT_POLICY, rig);
	usleep(20 * MS);
	counters_mark();
	for (int i = 0; i < nr; i++)
		order_waits(&waiters[i], all & ~MASK(SELF + i), flags, ~0ULL);
	for (int i = 0; i < nr; i++)
		ok &= await(task_count(&waiters[i]) > 10 * TIMES, LONG);
	ok &= !module_in_charge() || await(moved("waits_done") >= waits, LONG);
	for (int i = 0; i < nr; i++)
		ok &= halt_waits(&waiters[i], LONG);
	outcome(ok && few_timed_out(moved("waits")), "%s", what);
	for (int i = 0; i < nr; i++)
		task_stop(&waiters[i]);
}

static void test_mutual(void)
{
	mutual("two CPUs wait for each other", 2, KICK_WAIT);
	mutual("two CPUs preempt and wait for each other", 2, KICK_PREEMPT | KICK_WAIT);
	mutual("each of three CPUs waits for both others", 3, KICK_WAIT);
	mutual("each of three CPUs preempts and waits for both others", 3,
	       KICK_PREEMPT | KICK_WAIT);
}

/* The waiter is at work until halted. */
static void begin_waits(unsigned long long cpus, unsigned long long flags)
{
	counters_mark();
	order_waits(&waiter, cpus, flags, ~0ULL);
}

static bool end_waits(unsigned long long before, long at_least)
{
	unsigned long long waits = task_count(&waiter) - before;

	note("%llu kicks, %ld waits, %ld done, %ld timeouts", waits, moved("waits"),
	     moved("waits_done"), moved("wait_timeouts"));
	return halt_waits(&waiter, LONG) && (long)waits >= at_least &&
	       counted("waits", at_least, LONG_MAX) && few_timed_out(moved("waits"));
}

static void test_class_changes(void)
{
	static const int policies[] = { SCHED_FIFO, SCHED_EXT_POLICY, SCHED_OTHER,
					SCHED_EXT_POLICY };
	struct task hog = hog_start(TARGET, SCHED_EXT_POLICY);
	unsigned long long before = task_count(&waiter);
	bool ok = true;

	begin_waits(MASK(TARGET), KICK_PREEMPT | KICK_WAIT);
	for (int i = 0; i < 4 * TIMES; i++) {
		ok &= task_policy(&hog, policies[i % 4]);
		usleep(i % 7 * 300);
	}
	ok &= end_waits(before, TIMES);
	outcome(ok, "waits go on while the target's task changes its class");
	task_stop(&hog);
}

static void test_affinity_changes(void)
{
	struct task hog = hog_start(TARGET, SCHED_EXT_POLICY);
	unsigned long long before = task_count(&waiter);
	bool ok = true;

	begin_waits(MASK(TARGET) | MASK(OTHER), KICK_WAIT);
	for (int i = 0; i < 2 * TIMES; i++) {
		ok &= task_move(&hog, i % 2 ? TARGET : OTHER);
		usleep(i % 7 * 300);
	}
	ok &= end_waits(before, TIMES);
	outcome(ok, "waits go on while the target's task changes CPUs");
	task_stop(&hog);
}

static void test_hotplug(void)
{
	struct task hog = hog_start(OTHER, SCHED_EXT_POLICY);
	unsigned long long before = task_count(&waiter);
	bool ok = true;

	/* when its CPU is gone it goes elsewhere, where others run too */
	rig->data->slice = 2 * MS * 1000;
	begin_waits(MASK(TARGET) | MASK(OTHER), KICK_PREEMPT | KICK_WAIT);
	for (int i = 0; i < 5; i++) {
		ok &= cpu_plug(OTHER, false);
		usleep(5 * MS);
		ok &= cpu_plug(OTHER, true);
		ok &= task_move(&hog, OTHER);
		usleep(10 * MS);
	}
	ok &= end_waits(before, 10);
	rig->data->slice = SLICE_INF;
	outcome(ok && sched_ext_is("enabled") && counted("kick_offline", 1, LONG_MAX),
		"waits go on while the target goes and comes");
	task_stop(&hog);
}

/*
 * 10 ms are the most that a wait takes. The waiter has gone on when the target
 * has not.
 */
static void test_bound(void)
{
	struct task spinner = task_start(TASK_SPINNER, TARGET, SCHED_EXT_POLICY, rig);
	static const char *const what[] = { "preemption", "IRQs" };

	for (int irqs = 0; irqs < 2; irqs++) {
		bool ok = false;

		/* more than once, as the waiter's CPU may have been busy with others */
		for (int try = 0; !ok && try < 5; try++) {
			order_spin(&spinner, SPIN_MS, irqs);
			ok = wait_times(TARGET, KICK_WAIT, 1) && waiter.shared->orders.amid_spin;
			carried_out(&spinner, LONG);
		}
		outcome(ok && counted("wait_timeouts", 1, 1),
			"a wait ends before a target that has %s off", what[irqs]);
	}
	task_stop(&spinner);
}

/*
 * Who has to wait is the task that kicks, and what of sched_ext comes after it. An RT
 * task that is woken meanwhile has done its work before the wait is given up.
 */
static void test_above(void)
{
	struct task spinner = task_start(TASK_SPINNER, TARGET, SCHED_EXT_POLICY, rig);
	struct task rt = task_start(TASK_SLEEPER, SELF, SCHED_FIFO, NULL);
	bool ok = false;

	for (int try = 0; !ok && try < 5; try++) {
		unsigned long long count;

		if (!task_asleep(&rt, LONG))
			die("the RT task does not sleep");
		count = task_count(&rt);
		order_spin(&spinner, SPIN_MS, true);
		counters_mark();
		order_waits(&waiter, MASK(TARGET), KICK_WAIT, 1);
		if (!await(moved("waits"), 100 * MS))
			continue;
		task_wake(&rt);
		ok = await(task_count(&rt) > count, LONG) && counted("wait_timeouts", 0, 0) &&
		     spinning(&spinner);
		carried_out(&waiter, LONG);
		carried_out(&spinner, LONG);
	}
	outcome(ok && counted("wait_rescheds", 1, LONG_MAX),
		"a task of a higher class does not wait for what another one has kicked");
	task_stop(&rt);
	task_stop(&spinner);
}

/* One callback that waits for more CPUs than there are records. */
static void test_many(void)
{
	static const char *name = "more targets than records are all waited for";
	int nr = sysconf(_SC_NPROCESSORS_ONLN) - TARGET, cpus[RIG_CPUS];
	struct task kicker, hogs[RIG_CPUS];
	long behind = 0;
	bool ok = true;

	if (nr < MANY) {
		ksft_test_result_skip("%s: it takes %d CPUs\n", name, MANY + TARGET);
		return;
	}
	if (nr > RIG_CPUS)
		nr = RIG_CPUS;
	kicker = task_start(TASK_KICKER, SELF, SCHED_EXT_POLICY, rig);
	for (int i = 0; i < nr; i++) {
		cpus[i] = TARGET + i;
		hogs[i] = hog_start(cpus[i], SCHED_EXT_POLICY);
	}
	counters_mark();
	for (int i = 0; i < TIMES; i++) {
		long rescheds = moved("wait_rescheds");

		ok &= kick_from_op(rig, &kicker, i % 2 ? KICK_WAIT : KICK_PREEMPT | KICK_WAIT,
				   nr, cpus);
		/* who is told to reschedule may be picked without a balance, see kick.md */
		if (moved("wait_rescheds") == rescheds)
			behind += kicker.shared->behind;
	}
	note("%ld of %d targets had not passed", behind, TIMES * nr);
	outcome(ok && behind <= excused() && counted("waits_full", TIMES - few(TIMES), LONG_MAX) &&
		counted("waits", (TIMES - few(TIMES)) * nr, LONG_MAX) && few_timed_out(TIMES * nr),
		"%s", name);
	for (int i = 0; i < nr; i++)
		task_stop(&hogs[i]);
	task_stop(&kicker);
}

/* Whatever a task's stopping writes is there when who preempted it goes on. */
static void test_visibility(void)
{
	static const int cpus[] = { TARGET, TARGET, OTHER, OTHER };
	long visits = setting("VISITS", 10000), waits = 0, done = 0, missed = 0, excuses = 0;
	bool ok = true, none = true;
	struct task hogs[4];

	for (int i = 0; i < 4; i++)
		hogs[i] = hog_start(cpus[i], i % 2 ? SCHED_OTHER : SCHED_EXT_POLICY);
	for (int i = 1; i < 4; i += 2)
		ok &= task_policy(&hogs[i], SCHED_EXT_POLICY);

	/* in steps, so that a miss has to be excused at the time */
	for (; ok && done < visits && waits < 3 * visits; waits += 500) {
		struct orders *orders = &waiter.shared->orders;
		long excuse;

		counters_mark();
		order_waits(&waiter, MASK(TARGET) | MASK(OTHER), KICK_PREEMPT | KICK_WAIT, 250);
		ok = carried_out(&waiter, LONG);
		excuse = excused();
		if ((long)orders->unseen > excuse || (long)orders->unpassed > excuse) {
			note("%llu not seen, %llu not passed, %ld excused", orders->unseen,
			     orders->unpassed, excuse);
			none = false;
		}
		missed += orders->unseen;
		excuses += excuse;
		done += module_in_charge() ? moved("waits_done") : 500;
	}
	note("%ld of %ld waits saw nothing, %ld are excused", missed, waits, excuses);
	outcome(ok && none && done >= visits, "what stopping wrote is seen after %ld waits",
		done);
	for (int i = 0; i < 4; i++)
		task_stop(&hogs[i]);
}

/* How the scheduler is made to go while waits are under way. */
static void end_by_user(void)
{
	rig_stop(rig);
}

static void end_by_error(void)
{
	kick(rig, 9999, 0);
	rig_thrown_out(rig, "invalid CPU 9999", LONG);
	rig_stop(rig);
}

static void test_end(const char *name, void (*end)(void))
{
	struct task waiters[3];
	bool ok = true;

	for (int i = 0; i < 3; i++)
		waiters[i] = task_start(TASK_WAITER, SELF + i, SCHED_EXT_POLICY, rig);
	counters_mark();
	for (int n = 0; ok && n < ENDS; n++) {
		for (int i = 0; i < 3; i++)
			order_waits(&waiters[i], MASK(SELF) | MASK(TARGET) | MASK(OTHER),
				    n % 2 ? KICK_WAIT : KICK_PREEMPT | KICK_WAIT, ~0ULL);
		usleep((10 + n) * MS);
		end();
		ok = sched_ext_is("disabled");
		for (int i = 0; i < 3; i++)
			ok &= halt_waits(&waiters[i], LONG);
		ok &= start();
	}
	outcome(ok && counted("disables", ENDS, ENDS) && counted("waits", ENDS, LONG_MAX) &&
		few_timed_out(moved("waits")), "%s", name);
	for (int i = 0; i < 3; i++)
		task_stop(&waiters[i]);
}

/*
 * A wait that is under way for sure, as its target cannot pass. That the scheduler is bypassed
 * ends it, or that the target's task is put back, whichever is seen first.
 */
static void test_cancel(void)
{
	struct task spinner = task_start(TASK_SPINNER, TARGET, SCHED_EXT_POLICY, rig);
	bool ok = false;

	for (int n = 0; !ok && n < ENDS; n++) {
		/* what disables it must not have to wait for the target itself */
		keep_on(kthread_pid("sched_ext_ops_helper"), 0);
		order_spin(&spinner, SPIN_MS, false);
		begin_waits(MASK(TARGET), KICK_WAIT);
		usleep(2 * MS);
		rig_stop(rig);
		ok = halt_waits(&waiter, LONG) && sched_ext_is("disabled") &&
		     (!module_in_charge() || moved("waits")) && counted("wait_timeouts", 0, 0);
		carried_out(&spinner, LONG);
		if (!start())
			die("no way to go on");
	}
	outcome(ok, "a wait ends with the scheduler");
	task_stop(&spinner);
}

int main(void)
{
	harness_init();
	ksft_set_plan(28);
	if (sysconf(_SC_NPROCESSORS_ONLN) <= OTHER)
		die("4 CPUs are needed");
	if (test_module_insert("scx_spin"))
		die("cannot insert scx_spin.ko");
	stay_on(0);

	rig = rig_load(false, 0);
	test_no_scheduler();
	if (!start())
		die("no way to go on");
	waiter = task_start(TASK_WAITER, SELF, SCHED_EXT_POLICY, rig);
	test_keep();
	test_switch();
	test_nothing_to_wait_for();
	test_mutual();
	test_class_changes();
	test_affinity_changes();
	test_hotplug();
	test_bound();
	test_above();
	test_many();
	test_visibility();
	result(sched_ext_is("enabled") && !rig->data->uei.kind, "no wait upset the scheduler");
	result(lengths_add_up(), "each wait has a length");
	test_cancel();
	test_end("the scheduler can be stopped amid waits", end_by_user);
	test_end("the scheduler can be thrown out amid waits", end_by_error);
	task_stop(&waiter);
	rig_stop(rig);
	rig__destroy(rig);
	test_module_remove("scx_spin");
	ksft_finished();
}
