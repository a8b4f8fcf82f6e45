// SPDX-License-Identifier: GPL-2.0
/*
 * Whom the watchdog blames and whom it does not: stale times, higher classes,
 * CPUs and machines that stood still, a CPU stuck in ops.dispatch(); what it
 * says, and how it looks. What the built-in core does differently is expected of
 * it: this program runs on both.
 *
 * Not tested: that the timeout is read in one piece (W2). It is one word, which compilers read so
 * for the built-in core as well: nothing shows of the race but to KCSAN.
 */
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "harness.h"

#define TIMEOUT_MS	2000
#define SHORT_MS	500	/* where CPUs are busy, which takes an emulator long */
#define SPIN_MS		800	/* more than that */
#define STUCK_MS	1500	/* more than a second */
#define STUCK_MAX_MS	15000	/* an emulator may let the others wait for their turns */
#define TRIES		3
#define AT_IT_MS	800	/* less than a second */
#define STOP_MS		800	/* all CPUs, which takes it even longer */
#define CPU		2
#define OTHER		3
#define WORKERS		"/sys/devices/virtual/workqueue/cpumask"
#define FIRST_FQS	"/sys/module/rcutree/parameters/jiffies_till_first_fqs"
#define RT_RUNTIME	"/proc/sys/kernel/sched_rt_runtime_us"

static struct rig *start_for(bool all, unsigned int timeout_ms, unsigned int dump_len)
{
	struct rig *rig = rig_open(all, timeout_ms);

	rig->struct_ops.rig_ops->exit_dump_len = dump_len;
	rig_finish(rig);
	rig->data->slice = 5 * MS * MS;
	if (rig_start(rig))
		die("cannot enable the scheduler");
	counters_mark();
	return rig;
}

static struct rig *start_with(unsigned int timeout_ms, unsigned int dump_len)
{
	return start_for(false, timeout_ms, dump_len);
}

static struct rig *start(void)
{
	return start_with(TIMEOUT_MS, 0);
}

static void stop(struct rig *rig)
{
	rig_stop(rig);
	rig__destroy(rig);
}

/* Work that is bound to no CPU, as the scan, runs on those of @mask alone. */
static void let_workers_on(const char *mask)
{
	if (!file_write(WORKERS, mask))
		die("cannot write %s to %s", mask, WORKERS);
}

static bool stays(struct rig *rig, long usecs)
{
	usleep(usecs);
	if (sched_ext_is("enabled") && !at(&rig->data->uei.kind))
		return true;
	rig_thrown_out(rig, "", 0);
	return false;
}

/* As the module says it, or "" on the built-in core, which does not. */
static const char *ours(const char *words)
{
	return module_in_charge() ? words : "";
}

/* A part of what it was thrown out for. */
static bool said(struct rig *rig, const char *words)
{
	if (strstr(rig->data->uei.msg, words))
		return true;
	note("not said: %s", words);
	return false;
}

/* --- what a report says ----------------------------------------------------------- */

static void report_of_parked(void)
{
	struct rig *rig = start();
	struct task task = task_start(TASK_SLEEPER, CPU, SCHED_EXT_POLICY, NULL);

	rig->bss->drop_pid = task.pid;
	task_wake(&task);
	result(rig_thrown_out(rig, "failed to run for", 4 * TIMEOUT_MS * MS) &&
	       said(rig, ours("on CPU 2: waits with the BPF scheduler, the CPU runs ")) &&
	       said(rig, ours("swapper/2[0] (idle), last dispatch ")) &&
	       said(rig, ours(" ms ago, last kick ")) && said(rig, ours(", 0 guard trips")),
	       "of a task that the BPF scheduler keeps to itself");
	task_stop(&task);
	stop(rig);
}

static void report_of_queued(void)
{
	struct rig *rig = start();
	struct task first = task_start(TASK_SLEEPER, CPU, SCHED_EXT_POLICY, NULL);
	struct task second = task_start(TASK_SLEEPER, CPU, SCHED_EXT_POLICY, NULL);
	char why[64];

	rig->bss->hold[CPU] = true;
	task_wake(&first);
	usleep(10 * MS);
	task_wake(&second);
	kick(rig, CPU, 0);
	snprintf(why, sizeof(why), "[%d] failed to run for", first.pid);
	result(rig_thrown_out(rig, why, 4 * TIMEOUT_MS * MS) &&
	       said(rig, ours("waits on DSQ 0x2 (length 2), the CPU runs swapper/2[0] (idle), ")) &&
	       !strstr(rig->data->uei.msg, "last kick never"),
	       "of one on a queue that nobody looks at");
	task_stop(&first);
	task_stop(&second);
	stop(rig);
}

static void report_of_local(void)
{
	struct rig *rig = start();
	struct task hog, task;
	char who[64];

	rig->data->slice = SLICE_INF;
	task = task_start(TASK_SLEEPER, CPU, SCHED_EXT_POLICY, NULL);
	rig->bss->local_pid = task.pid;
	hog = task_start(TASK_HOG, CPU, SCHED_EXT_POLICY, NULL);
	/* the first slice is not from us, and ends */
	await(task_count(&hog), 1000 * MS);
	usleep(100 * MS);
	task_wake(&task);
	snprintf(who, sizeof(who), "[%d] (ext), last dispatch ", hog.pid);
	result(rig_thrown_out(rig, "failed to run for", 4 * TIMEOUT_MS * MS) &&
	       said(rig, ours("on CPU 2: waits on the local DSQ (length 1), the CPU runs ")) &&
	       said(rig, ours(who)),
	       "of one behind a task with an endless slice");
	task_stop(&hog);
	task_stop(&task);
	stop(rig);
}

/* The patched kernel does this for both cores, the stock kernel does not. */
static void dump_begins_with_it(void)
{
	struct rig *rig = start_with(TIMEOUT_MS, 4096);
	struct task first = task_start(TASK_SLEEPER, OTHER, SCHED_EXT_POLICY, NULL);
	struct task others[30];
	char who[32], *dump, *cpu;

	for (int i = 0; i < ARRAY_SIZE(others); i++)
		others[i] = task_start(TASK_SLEEPER, i % OTHER, SCHED_EXT_POLICY, NULL);
	usleep(100 * MS);
	for (int i = 0; i <= OTHER; i++)
		rig->bss->hold[i] = true;
	task_wake(&first);
	usleep(TIMEOUT_MS / 2 * MS);
	for (int i = 0; i < ARRAY_SIZE(others); i++)
		task_wake(&others[i]);

	snprintf(who, sizeof(who), "[%d]", first.pid);
	rig_thrown_out(rig, who, 4 * TIMEOUT_MS * MS);
	dump = rig->data_uei_dump->uei_dump;
	cpu = strstr(dump, "----------\n\nCPU ");
	result(strstr(dump, "TRUNCATED") && cpu && atoi(cpu + 16) == OTHER && strstr(cpu, who),
	       "a dump that is cut off begins with the CPU of the task");
	task_stop(&first);
	for (int i = 0; i < ARRAY_SIZE(others); i++)
		task_stop(&others[i]);
	stop(rig);
}

/* --- how it looks ----------------------------------------------------------------- */

static void scan_of_nothing(void)
{
	struct rig *rig = start();

	sleep(5);
	result(counted("scans", 3, LONG_MAX) && counted("scan_rqs", 12, LONG_MAX) &&
	       counted("scan_locks", 0, 0) && counted("scan_tasks", 0, 0),
	       "run queues without waiting tasks are not locked");
	stop(rig);
}

/*
 * With a timeout of one jiffy the built-in core scans without a pause. It does
 * not count how often.
 */
static void scan_of_short_timeout(void)
{
	struct rig *rig = start_with(1, 0);

	usleep(500 * MS);
	result(counted("scans", 10, 600), "a timeout of a jiffy leaves a jiffy between two scans");
	stop(rig);
}

/*
 * The list of waiting tasks is in the order in which they were last queued. The
 * one that waits longest comes last here, far behind the first step.
 */
static void scan_of_many(void)
{
	static struct task tasks[200];
	struct rig *rig = start();
	struct task oldest = task_start(TASK_SLEEPER, CPU, SCHED_EXT_POLICY, NULL);
	char why[64];
	long locks;

	for (int i = 0; i < ARRAY_SIZE(tasks); i++)
		tasks[i] = task_start(TASK_SLEEPER, CPU, SCHED_EXT_POLICY, NULL);
	usleep(100 * MS);
	rig->bss->hold[CPU] = true;
	task_wake(&oldest);
	/* for longer than the time between two scans */
	usleep(TIMEOUT_MS * 3 / 4 * MS);
	for (int i = 0; i < ARRAY_SIZE(tasks); i++)
		task_wake(&tasks[i]);
	if (setpriority(PRIO_PROCESS, oldest.pid, 1))
		die("cannot queue a task anew");

	snprintf(why, sizeof(why), "[%d] failed to run for", oldest.pid);
	result(rig_thrown_out(rig, why, 4 * TIMEOUT_MS * MS),
	       "the last of 201 waiting tasks is found");
	locks = moved("scan_locks");
	/* those that were there when the scan came */
	result(counted("scan_tasks", 130, LONG_MAX) && counted("scan_locks", 3, LONG_MAX) &&
	       counted("scan_tasks", 0, 64 * locks),
	       "no more than 64 of them at a time");
	task_stop(&oldest);
	for (int i = 0; i < ARRAY_SIZE(tasks); i++)
		task_stop(&tasks[i]);
	stop(rig);
}

/* Tasks that come and go while the watchdog looks. */
static void scan_of_busy(void)
{
	static struct task tasks[100];
	struct rig *rig = start_with(SHORT_MS, 0);

	for (int i = 0; i < ARRAY_SIZE(tasks); i++)
		tasks[i] = task_start(TASK_YIELDER, CPU, SCHED_EXT_POLICY, NULL);
	result(stays(rig, SHORT_MS * 3 / 2 * MS) && counted("scan_tasks", 100, LONG_MAX) &&
	       counted("scan_locks", 4, LONG_MAX) && counted("stalls", 0, 0),
	       "tasks that come and go are no stall");
	for (int i = 0; i < ARRAY_SIZE(tasks); i++)
		task_stop(&tasks[i]);
	stop(rig);
}

/*
 * A task waits, goes to another class for longer than the timeout, comes back,
 * and waits for less than that. The patched kernel forgets since when it waited
 * the first time, whichever core is in charge; the stock kernel throws the
 * scheduler out.
 */
static void stale_time(void)
{
	struct rig *rig = start();
	struct task task = task_start(TASK_SLEEPER, CPU, SCHED_EXT_POLICY, NULL);
	bool ok;

	rig->bss->drop_pid = task.pid;
	task_wake(&task);
	usleep(100 * MS);
	ok = task_policy(&task, SCHED_OTHER);
	usleep(TIMEOUT_MS * 3 / 2 * MS);
	ok = ok && task_policy(&task, SCHED_EXT_POLICY);
	usleep(50 * MS);
	task_wake(&task);
	/* at least one scan, half a timeout after the other */
	result(ok && rig->bss->dropped >= 2 && stays(rig, TIMEOUT_MS * 3 / 4 * MS),
	       "the time before a task left sched_ext does not count");
	result(rig_thrown_out(rig, "failed to run for", 4 * TIMEOUT_MS * MS),
	       "the time since it is back does");
	task_stop(&task);
	stop(rig);
}

/* --- whom it does not blame ------------------------------------------------------- */

/* Whether it is named, and again within a timeout, in one time of having the CPU. */
static void look_up(const char *who, bool *named, bool *again)
{
	long last = LONG_MAX, ms;

	for (const char *at = dmesg(); (at = strstr(at, who)); last = ms) {
		at += strlen(who);
		ms = atol(at);
		*named = true;
		*again |= ms > last && ms - last <= SHORT_MS;
	}
}

static bool rt_hog_excused(struct rig *rig, struct task *task, bool *named, bool *again)
{
	unsigned long long count = task_count(task);
	struct task hog;
	char who[64];
	bool ok;

	counters_mark();
	hog = hog_start(CPU, SCHED_FIFO);
	task_wake(task);
	snprintf(who, sizeof(who), "has been running watchdog[%d] (rt) for ", hog.pid);
	ok = stays(rig, 2 * SHORT_MS * MS) && counted("excused_class", 1, LONG_MAX) &&
	     task_count(task) == count;
	task_stop(&hog);
	look_up(who, named, again);
	return ok;
}

static void rt_hog(void)
{
	struct rig *rig = start_with(SHORT_MS, 0);
	struct task task = task_start(TASK_SLEEPER, CPU, SCHED_EXT_POLICY, NULL), hog;
	bool named = false, again = false, ok = true, runs = true;

	rig->bss->local_pid = task.pid;
	if (!module_in_charge()) {
		hog = hog_start(CPU, SCHED_FIFO);
		task_wake(&task);
		result(rig_thrown_out(rig, "failed to run for", 4 * SHORT_MS * MS),
		       "the built-in core blames the scheduler for a SCHED_FIFO task");
		task_stop(&hog);
		runs = await(task_count(&task) == 1, 1000 * MS);
	} else {
		/* not each time are there two scans of which the hog is the excuse */
		for (int i = 0; ok && runs && i < 3; i++) {
			unsigned long long count = task_count(&task);

			ok = rt_hog_excused(rig, &task, &named, &again);
			runs = await(task_count(&task) == count + 1, 1000 * MS);
		}
		result(ok, "a bound task that a SCHED_FIFO task keeps off is not held against it");
		result(named && !again,
		       "the kernel log names the SCHED_FIFO task, but not in each scan");
	}
	result(runs, "and runs when that is gone");
	task_stop(&task);
	stop(rig);
}

/* The kernel lets fair have some time beside it. */
static void rt_hog_for_good(void)
{
	struct rig *rig = start_with(SHORT_MS, 0);
	struct task task = task_start(TASK_SLEEPER, CPU, SCHED_EXT_POLICY, NULL);
	struct task hog;

	rig->bss->local_pid = task.pid;
	hog = hog_start(CPU, SCHED_FIFO);
	task_wake(&task);
	result(rig_thrown_out(rig, "failed to run for", 8 * SHORT_MS * MS) &&
	       await(task_count(&task) == 1, 5000 * MS),
	       "a bound task runs in the end, though the SCHED_FIFO task does so, too");
	task_stop(&hog);
	task_stop(&task);
	stop(rig);
}

/* An RT task keeps its CPU, and it is woken there, but may run on another one. */
static struct task wake_behind_rt_hog(struct task *task)
{
	struct task hog = hog_start(CPU, SCHED_FIFO);

	allow_two(task->pid, CPU, OTHER);
	task_wake(task);
	return hog;
}

/* It could have put it on another CPU, so it gets one more timeout and no more. */
static void rt_hog_and_free_task(void)
{
	struct rig *rig = start_with(SHORT_MS, 0);
	struct task task = task_start(TASK_SLEEPER, CPU, SCHED_EXT_POLICY, NULL);
	struct task hog;

	rig->bss->local_pid = task.pid;
	hog = wake_behind_rt_hog(&task);
	result(!module_in_charge() || (stays(rig, SHORT_MS * 7 / 4 * MS) && !task_count(&task)),
	       "one that was free to go elsewhere is not at first");
	result(rig_thrown_out(rig, "failed to run for", 4 * SHORT_MS * MS) &&
	       said(rig, ours("waits on the local DSQ (length 1), the CPU runs watchdog[")) &&
	       said(rig, ours("] (rt)")) && counted("excused_class", 1, 2) &&
	       counted("stalls", 1, 1),
	       "but in the end it is");
	task_stop(&hog);
	task_stop(&task);
	stop(rig);
}

/* It waits in no queue of that CPU. */
static void rt_hog_and_kept_task(void)
{
	struct rig *rig = start_with(SHORT_MS, 0);
	struct task task = task_start(TASK_SLEEPER, CPU, SCHED_EXT_POLICY, NULL);
	struct task hog;

	rig->bss->drop_pid = task.pid;
	hog = wake_behind_rt_hog(&task);
	result(rig_thrown_out(rig, "failed to run for", 4 * SHORT_MS * MS) &&
	       said(rig, ours("waits with the BPF scheduler, the CPU runs watchdog[")) &&
	       counted("excused_class", 0, 0) && counted("stalls", 1, 1),
	       "nor is one that the BPF scheduler has kept to itself");
	task_stop(&hog);
	task_stop(&task);
	stop(rig);
}

/*
 * A CPU that a hypervisor does not let run does not know. One that spins with
 * IRQs off looks the same from outside, and from inside once it is over.
 */
static void stolen_cpu(void)
{
	struct rig *rig = start_with(SHORT_MS, 0);
	struct task task = task_start(TASK_SLEEPER, CPU, SCHED_EXT_POLICY, NULL);
	struct task spinner = task_start(TASK_SPINNER, CPU, SCHED_EXT_POLICY, rig);

	/* or the scan is late, and that is what is excused */
	let_workers_on("b");
	usleep(SHORT_MS * MS);
	if (test_module_insert("scx_spin"))
		die("cannot insert scx_spin.ko");
	/* or it waits in the queue that is held, and does not come to spin */
	task_asleep(&spinner, 5000 * MS);
	rig->bss->local_pid = spinner.pid;
	rig->bss->hold[CPU] = true;
	task_wake(&task);
	order_spin(&spinner, SPIN_MS, true);
	rig->bss->hold[CPU] = false;
	if (module_in_charge())
		result(stays(rig, SPIN_MS * MS) && counted("excused_stolen", 1, LONG_MAX) &&
		       await(task_count(&task) == 1, 1000 * MS),
		       "a CPU that stood still is not held against it");
	else
		result(rig_thrown_out(rig, "failed to", 4 * SHORT_MS * MS),
		       "the built-in core blames the scheduler for a CPU that stood still");
	carried_out(&spinner, 1000 * MS);
	let_workers_on("f");
	task_stop(&spinner);
	task_stop(&task);
	stop(rig);
	test_module_remove("scx_spin");
}

/* And a machine that is stopped is one whose CPUs all do so at the same time. */
static void stopped_machine(void)
{
	struct rig *rig = start_with(STOP_MS / 2, 0);
	struct task task = task_start(TASK_SLEEPER, CPU, SCHED_EXT_POLICY, NULL);
	char ms[16];

	if (test_module_insert("scx_spin"))
		die("cannot insert scx_spin.ko");
	/* not excused for what happened to one CPU */
	allow_two(task.pid, CPU, OTHER);
	rig->bss->hold[CPU] = true;
	rig->bss->hold[OTHER] = true;
	task_wake(&task);
	usleep(10 * MS);
	snprintf(ms, sizeof(ms), "%d", STOP_MS);
	if (!file_write("/sys/module/scx_spin/parameters/machine_ms", ms))
		die("cannot stop the machine");

	if (module_in_charge()) {
		result(stays(rig, STOP_MS / 4 * MS) && counted("scans_late", 1, 1),
		       "a machine that stood still is not held against it");
		rig->bss->hold[CPU] = false;
		rig->bss->hold[OTHER] = false;
		kick(rig, CPU, 0);
		kick(rig, OTHER, 0);
		result(await(task_count(&task) == 1, 1000 * MS) && sched_ext_is("enabled"),
		       "and its tasks run on");
	} else {
		result(rig_thrown_out(rig, "failed to", 2 * STOP_MS * MS),
		       "the built-in core blames the scheduler for a machine that stood still");
	}
	task_stop(&task);
	stop(rig);
	test_module_remove("scx_spin");
}

/* --- a CPU that does not come out of ops.dispatch() --------------------------------- */

/*
 * Who throws the scheduler out wants the lock that is held there, and spins for
 * it: on the CPU of this task or of another that does the same.
 */
static bool let_go_once_noticed(struct rig *rig)
{
	pid_t twin = fork();
	bool noticed;

	if (twin < 0)
		die("cannot fork");
	if (!twin)
		stay_on(1);
	noticed = await(moved("stuck_dispatches") || at(&rig->bss->spun), STUCK_MAX_MS * MS) &&
		  moved("stuck_dispatches");
	rig->bss->spin_end = 0;
	if (!twin)
		_exit(0);
	waitpid(twin, NULL, 0);
	return noticed;
}

static void stuck_dispatch(void)
{
	struct rig *rig = start_with(0, 0);
	struct task task = task_start(TASK_SLEEPER, CPU, SCHED_EXT_POLICY, NULL);
	/* busy CPUs tick */
	struct task hog = task_start(TASK_HOG, OTHER, SCHED_OTHER, NULL);

	rig->bss->spin_cpu = CPU;
	if (module_in_charge()) {
		bool noticed = false;

		/* all the others may come to wait for the lock of its run queue before */
		for (int try = 0; !noticed && try < TRIES; try++) {
			rig->bss->spun = 0;
			rig->bss->spin_ns = STUCK_MAX_MS * 1000000ULL;
			task_wake(&task);
			noticed = let_go_once_noticed(rig);
			if (!noticed)
				/* RCU's kthread was among them */
				usleep(1000 * MS);
		}
		result(noticed && rig_thrown_out(rig, "CPU 2 is stuck in the dispatch path since ",
						 5000 * MS) && rig->bss->spun == 1,
		       "another CPU notices that one is stuck in ops.dispatch()");
	} else {
		rig->bss->spin_ns = STUCK_MS * 1000000ULL;
		task_wake(&task);
		result(stays(rig, 2 * STUCK_MS * MS) && rig->bss->spun == 1,
		       "the built-in core does not notice a CPU that is stuck in ops.dispatch()");
	}
	task_stop(&hog);
	task_stop(&task);
	stop(rig);
}

/*
 * The scans that begin while a CPU is in ops.dispatch() for some time; -1 if that
 * cannot be told, as this CPU or that of the scan waited for the lock itself.
 */
static long scans_meanwhile(void)
{
	/* of all tasks: fair would balance its load, and wait for that lock, too */
	struct rig *rig = start_for(true, SHORT_MS, 0);
	struct task yielders[2];
	bool in_time;
	long scans;

	/* one runs, one waits; nobody is woken there as if it idled */
	for (int i = 0; i < 2; i++)
		yielders[i] = task_start(TASK_YIELDER, CPU, SCHED_EXT_POLICY, NULL);
	/* the first scan may have been started there */
	usleep(SHORT_MS * MS);
	rig->bss->spin_cpu = CPU;
	scans = moved("scans");
	rig->bss->spin_ns = AT_IT_MS * 1000000ULL;
	await(at(&rig->bss->spun), STUCK_MAX_MS * MS);
	scans = moved("scans") - scans;
	/* one that waited has only just gone on */
	in_time = now_ns() < rig->bss->spin_end + SHORT_MS / 5 * 1000000ULL;
	in_time &= rig->bss->spun && stays(rig, SHORT_MS * MS);
	for (int i = 0; i < 2; i++)
		task_stop(&yielders[i]);
	stop(rig);
	return in_time ? scans : -1;
}

/*
 * The scan would wait for the lock with IRQs off until that CPU gives it back. On a
 * machine of two, nobody could notice then.
 */
static void scan_of_stuck(void)
{
	char first_fqs[16];
	long scans = -1;

	/* or the scan may wait with the BPF scheduler for that CPU */
	let_workers_on("b");
	/* or RCU, in a hurry, wants that lock */
	if (!file_read(FIRST_FQS, first_fqs, sizeof(first_fqs)) || !file_write(FIRST_FQS, "1000"))
		die("cannot keep RCU from CPU 2");
	for (int try = 0; scans < 2 && try < 2 * TRIES; try++)
		scans = scans_meanwhile();
	file_write(FIRST_FQS, first_fqs);
	let_workers_on("f");
	result(scans >= 2, "the scan does not wait for a CPU that may be stuck");
}

static const struct {
	void (*run)(void);
	int results, results_builtin;
} tests[] = {
	{ report_of_parked, 1, 1 },
	{ report_of_queued, 1, 1 },
	{ report_of_local, 1, 1 },
	{ dump_begins_with_it, 1, 1 },
	{ scan_of_nothing, 1, 1 },
	{ scan_of_short_timeout, 1, 1 },
	{ scan_of_many, 2, 2 },
	{ scan_of_busy, 1, 1 },
	{ stale_time, 2, 2 },
	{ rt_hog, 3, 2 },
	{ rt_hog_and_free_task, 2, 2 },
	{ stolen_cpu, 1, 1 },
	{ stopped_machine, 2, 1 },
	{ stuck_dispatch, 1, 1 },
	{ scan_of_stuck, 1, 0 },
	{ rt_hog_and_kept_task, 1, 1 },
	{ rt_hog_for_good, 1, 1 },
};

/* How many results a test has here; none where there is nothing to be seen. */
static int planned(int i)
{
	return module_in_charge() ? tests[i].results : tests[i].results_builtin;
}

int main(void)
{
	/* those to run, a bit for each */
	long wanted = setting("TESTS", -1);
	int plan = 0;

	harness_init();
	for (int i = 0; i < ARRAY_SIZE(tests); i++)
		if (wanted & (1L << i))
			plan += planned(i);
	ksft_set_plan(plan);
	if (sysconf(_SC_NPROCESSORS_ONLN) <= OTHER)
		die("4 CPUs are needed");
	if (!file_write(RT_RUNTIME, "-1"))
		die("cannot let SCHED_FIFO tasks have all the time");
	stay_on(0);

	for (int i = 0; i < ARRAY_SIZE(tests); i++)
		if (wanted & (1L << i) && planned(i))
			tests[i].run();
	ksft_finished();
}
