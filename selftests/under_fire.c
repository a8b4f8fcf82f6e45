// SPDX-License-Identifier: GPL-2.0
/*
 * The module comes and goes, and with it a scheduler that kicks as much as it
 * can, while two processes kick all the time, whoever is in charge. At each
 * rmmod kicks, irq_works, waits and scans have just been in flight. Starts with
 * the module left out.
 *
 * CYCLES is how often.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "harness.h"

#define ALL_KINDS	((1 << RIG_KINDS) - 1)
#define TIMEOUT_MS	2000	/* scans are due twice in this */

static struct rig *rig;
static int cpus;
static struct task tasks[3 * RIG_CPUS];

/* What the kernel log must not have. */
static const char *const splats[] = {
	"BUG:", "WARNING:", "Oops", "KASAN", "UBSAN", "circular locking", "lockup",
	"general protection", "stall",
};

static int log_fd;

/* What came since it was last looked at: to read all of it takes long. */
static bool clean_log(void)
{
	static char record[8192];
	bool clean = true;
	ssize_t len;

	while ((len = read(log_fd, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		if (len < 0) {
			note("the kernel log was overwritten");
			clean = false;
			continue;
		}
		record[len] = '\0';
		for (int i = 0; i < (int)ARRAY_SIZE(splats); i++) {
			if (!strstr(record, splats[i]))
				continue;
			note("the kernel log has: %s", record);
			clean = false;
		}
	}
	return clean;
}

/* Programs that may sleep, and one that may not. They never stop. */
static pid_t start_kicker(int which, unsigned long long *kicks)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int n = 0; ; n++) {
		if (which) {
			shoot(rig, 10);
		} else {
			kick(rig, n % cpus, n % 3 ? KICK_PREEMPT : KICK_WAIT);
			kick_traced(rig, n % cpus, n % 5 ? 0 : KICK_IDLE);
		}
		__atomic_add_fetch(kicks, 1, __ATOMIC_RELAXED);
		/* they are of the fair class, let the others run too */
		usleep(MS);
	}
}

static bool at_work(void)
{
	static const char *const names[] = {
		"kick_plain", "kick_idle", "kick_preempt", "kick_wait", "kick_irq_work",
		"kick_resched", "waits", "dispatch", "balance",
	};

	for (int i = 0; i < (int)ARRAY_SIZE(names); i++)
		if (!moved(names[i]))
			return false;
	return true;
}

static bool core_is(const char *name)
{
	return file_is("/sys/kernel/sched_ext/core", name);
}

/* What came of all cycles. */
static struct { bool inserted, enabled, worked, gone, removed, clean; } all = {
	true, true, true, true, true, true
};

/* Where the time goes, in nanoseconds of the guest's. */
static const char *const phases[] = {
	"insmod", "to enable", "to kick", "to disable", "rmmod", "to halt",
};

static unsigned long long spent[ARRAY_SIZE(phases)];

/* A phase is over: the next one begins. */
static void phase(int which)
{
	static unsigned long long since;
	unsigned long long now = now_ns();

	if (which >= 0)
		spent[which] += now - since;
	since = now;
}

/* They take the CPUs that what is slow could use: to insert, and to enable. */
static void let_tasks_run(bool run)
{
	for (int i = 0; i < 3 * cpus; i++)
		kill(tasks[i].pid, run ? SIGCONT : SIGSTOP);
}

/*
 * No scheduler is enabled anymore: stop those who do not kick, as they make the
 * grace periods of rmmod long. But in some cycles they are to be in the way.
 */
static void make_room(int n)
{
	for (int i = 0; n % 16 && i < 3 * cpus; i++)
		if (i % 3 != 2)
			kill(tasks[i].pid, SIGSTOP);
}

/*
 * Mostly, grace periods take no longer than they must. That saves time, and the
 * shorter they are, the less is over by chance when the module is freed.
 */
static void hurry(int n)
{
	file_write("/sys/kernel/rcu_expedited", n % 32 == 4 ? "0" : "1");
}

static bool cycle(int n)
{
	int nr = 3 * cpus;
	int ret;

	hurry(n);
	let_tasks_run(false);
	phase(-1);
	ret = module_insert();
	phase(0);
	all.inserted &= !ret && core_is("rust_scx");
	if (!all.inserted) {
		note("insmod: %s", strerror(-ret));
		return false;
	}
	counters_mark();

	ret = rig_start(rig);
	phase(1);
	all.enabled &= !ret;
	if (ret) {
		note("the scheduler: %s", strerror(-ret));
		return false;
	}
	let_tasks_run(true);
	for (int i = 0; i < nr; i++)
		if (i % 3 == 2)
			order_waits(&tasks[i], (1ULL << cpus) - 1, KICK_PREEMPT | KICK_WAIT, ~0ULL);
	for (int cpu = 0; cpu < cpus; cpu++)
		__atomic_store_n(&rig->bss->cpus[cpu].shots, LONG_MAX, __ATOMIC_RELAXED);
	all.worked &= await(at_work(), 10000 * MS);
	/* not always at the same point */
	usleep(n % 10 * 200);
	phase(2);

	rig_stop(rig);
	phase(3);
	all.gone &= sched_ext_is("disabled") && !counter("pick_seq_arrays");
	if (n % 2)
		for (int i = 2; i < nr; i += 3)
			halt_waits(&tasks[i], 10000 * MS);
	make_room(n);

	/* who disabled it may be about to let go of the module */
	await((ret = module_remove()) != -EWOULDBLOCK && ret != -EBUSY, 10000 * MS);
	phase(4);
	all.removed &= !ret && core_is("builtin");
	if (ret) {
		note("rmmod: %s", strerror(-ret));
		return false;
	}
	for (int i = 2; i < nr; i += 3)
		halt_waits(&tasks[i], 10000 * MS);
	phase(5);
	all.clean &= clean_log();
	return all.clean;
}

int main(void)
{
	int cycles = setting("CYCLES", 20), n;
	unsigned long long *kicks, before[2];
	pid_t kickers[2];
	struct task keeper;
	bool kicking = true;

	harness_init();
	if (module_in_charge())
		ksft_exit_skip("the module is inserted already\n");
	if (!core_is("builtin"))
		ksft_exit_skip("the kernel is not patched\n");
	log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (log_fd < 0 || lseek(log_fd, 0, SEEK_END) < 0)
		die("cannot read the kernel log");
	ksft_set_plan(8);
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus > RIG_CPUS)
		cpus = RIG_CPUS;

	rig = rig_load(false, TIMEOUT_MS);
	rig->data->slice = MS * 1000;
	rig->bss->timer_ns = MS * 1000;
	rig->bss->timer_times = 5;
	rig->bss->kinds = ALL_KINDS;
	rig->bss->targets = cpus;
	for (int i = 0; i < 3 * cpus; i++) {
		static const enum task_kind kinds[] = { TASK_YIELDER, TASK_HOG, TASK_WAITER };

		tasks[i] = task_start(kinds[i % 3], i / 3, SCHED_EXT_POLICY, rig);
	}
	/* it lends memory to the kickers */
	keeper = task_start(TASK_SLEEPER, 0, SCHED_OTHER, NULL);
	kicks = &keeper.shared->stops;
	for (int i = 0; i < 2; i++)
		kickers[i] = start_kicker(i, &kicks[i]);

	for (n = 0; n < cycles; n++) {
		for (int i = 0; i < 2; i++)
			before[i] = at(&kicks[i]);
		if (!cycle(n))
			break;
		for (int i = 0; i < 2; i++)
			kicking &= await(at(&kicks[i]) > before[i], 1000 * MS);
		if (n % 50 == 49)
			note("%d cycles so far", n + 1);
	}
	all.clean &= clean_log();
	file_write("/sys/kernel/rcu_expedited", "0");

	note("%d cycles, %llu and %llu times at kicking", n, kicks[0], kicks[1]);
	for (int i = 0; i < (int)ARRAY_SIZE(phases); i++)
		note("%llu ms a cycle %s", spent[i] / 1000000 / (n ?: 1), phases[i]);
	result(n == cycles, "all of %d cycles", cycles);
	result(all.inserted, "insmod puts the module in charge");
	result(all.enabled, "a scheduler is enabled");
	result(all.worked, "kicks of all kinds are carried out");
	result(all.gone, "the scheduler goes, and its arrays with it");
	result(all.removed, "rmmod puts the built-in core in charge");
	result(all.clean, "the kernel has nothing to complain of");
	result(kicking, "others kick all the while");
	for (int i = 0; i < 2; i++) {
		kill(kickers[i], SIGKILL);
		waitpid(kickers[i], NULL, 0);
	}
	task_stop(&keeper);
	for (int i = 0; i < 3 * cpus; i++)
		task_stop(&tasks[i]);
	rig__destroy(rig);
	ksft_finished();
}
