// SPDX-License-Identifier: GPL-2.0
/*
 * A SCHED_FIFO task has a CPU for itself. What is bound to that CPU runs when the watchdog has
 * thrown the scheduler out, as the kernel serves tasks of fair there. 6.12 does not come to that
 * where one of them has what it waits for before it puts tasks back: a CPU that is to go offline
 * takes cpuhp/N, and a task amid fork() keeps those from coming that are to be put back. The
 * former also where tasks have just been switched. Patches of ours repair it for either core, so
 * that it takes a stock kernel to see it.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "harness.h"

#define TIMEOUT_MS	2000
#define LONG_MS		60000	/* fair is served one part in twenty */
#define CPU		3
#define OTHER		1
#define TRIES		2
#define CROWD		8000
#define FORK_BYTES	(128 << 20)	/* the tables of which take time to copy */
#define FORK_TRIES	100
#define EXPEDITED	"/sys/kernel/rcu_expedited"
#define SWITCH_ALL	"/sys/kernel/sched_ext/switch_all"

static struct rig *rig;
static struct { bool unplugging; unsigned long unplugs, forks; } *shared;

/* Now, or as soon as a scheduler that is being enabled begins to switch tasks. */
static pid_t start_unplugging(bool now)
{
	pid_t pid = fork();

	if (pid < 0)
		ksft_exit_fail_perror("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(sched_link_fd);
		if (!now) {
			stay_on(OTHER);
			while (!file_is(SWITCH_ALL, "1"))
				;
		}
		__atomic_store_n(&shared->unplugging, true, __ATOMIC_RELAXED);
		if (!cpu_plug(CPU, false) || cpu_online(CPU))
			_exit(1);
		__atomic_add_fetch(&shared->unplugs, 1, __ATOMIC_RELAXED);
		_exit(0);
	}
	return pid;
}

static void *linger(void *unused)
{
	pause();
	return unused;
}

/* Others need some, too. A debug kernel has fewer, and takes longer for each. */
static int crowd_size(void)
{
	char text[32];
	long most;

	if (!file_read("/proc/sys/kernel/threads-max", text, sizeof(text)))
		die("how many threads there may be is not known");
	most = strtol(text, NULL, 10) / 2;
	return most < CROWD ? most : CROWD;
}

/* Tasks that take time to be switched: as long as it takes to get the hotplug lock. */
static pid_t start_crowd(void)
{
	int size = crowd_size();
	pthread_attr_t small;
	pthread_t thread;
	pid_t pid = fork();

	if (pid < 0)
		ksft_exit_fail_perror("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pthread_attr_init(&small);
		pthread_attr_setstacksize(&small, PTHREAD_STACK_MIN);
		for (int i = 0; i < size; i++)
			if (pthread_create(&thread, &small, linger, NULL))
				_exit(1);
		raise(SIGSTOP);
		pause();
	}
	if (waitpid(pid, NULL, WUNTRACED) != pid || kill(pid, SIGCONT))
		die("cannot start %d threads", size);
	return pid;
}

/* Nobody who waits for the hotplug lock can do that. */
static pid_t start_killing(pid_t hog, long ms)
{
	pid_t pid = fork();

	if (pid < 0)
		ksft_exit_fail_perror("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		usleep(ms * MS);
		_exit(kill(hog, SIGKILL));
	}
	return pid;
}

static bool ended(pid_t pid, long usecs)
{
	int status = 0;

	return await(waitpid(pid, &status, WNOHANG) == pid, usecs) && !status;
}

static void replug(void)
{
	if (!cpu_plug(CPU, true))
		die("the CPU does not come back");
}

/*
 * Whoever is bound there, the scheduler goes, and what was under way comes to its end: one more
 * of @over. A stock kernel has both wait for the hog's end.
 */
static void expect_end(struct task *hog, const char *what, const unsigned long *over,
		       const char *end)
{
	unsigned long before = at(over);

	if (stock_kernel()) {
		result(!await(sched_ext_is("disabled"), 5 * TIMEOUT_MS * MS) &&
		       sched_ext_is("disabling") && at(over) == before,
		       "the stock kernel hangs with %s until the SCHED_FIFO task ends", what);
		task_stop(hog);
		rig_thrown_out(rig, "", LONG_MS * MS);
	} else {
		result(rig_thrown_out(rig, "failed to ", LONG_MS * MS) &&
		       (!module_in_charge() || moved("stalls") + moved("tick_stalls")),
		       "the scheduler goes with %s", what);
	}
	result(await(at(over) > before, LONG_MS * MS), "%s", end);
	if (!stock_kernel())
		task_stop(hog);
	rig_stop(rig);
}

static void disabling(void)
{
	struct task hog;
	pid_t unplugger;

	if (rig_start(rig))
		die("cannot enable the scheduler");
	counters_mark();
	hog = hog_start(CPU, SCHED_FIFO);
	unplugger = start_unplugging(true);
	expect_end(&hog, "a CPU that waits to go", &shared->unplugs, "the CPU goes");
	waitpid(unplugger, NULL, 0);
	replug();
}

static void enabling(void)
{
	static const char *name = "a scheduler comes though a CPU that goes waits for it";
	int in_time = 0;
	bool ok = true;
	pid_t crowd;

	if (stock_kernel()) {
		ksft_test_result_skip("%s: on the stock kernel it does not\n", name);
		return;
	}
	crowd = start_crowd();
	/* the lock is taken by a worker of CPU 0 */
	keep_on(kthread_pid("scx_ops_enable_helper"), 2);
	for (int i = 0; i < TRIES && ok; i++) {
		pid_t unplugger, killer;
		struct task hog;
		bool gone;

		__atomic_store_n(&shared->unplugging, false, __ATOMIC_RELAXED);
		hog = hog_start(CPU, SCHED_FIFO);
		killer = start_killing(hog.pid, 8 * TIMEOUT_MS);
		unplugger = start_unplugging(false);
		ok = !rig_start(rig) && !ended(killer, 0);
		gone = ended(unplugger, 0);
		in_time += at(&shared->unplugging) && !gone;
		ok = ok && (gone || ended(unplugger, LONG_MS * MS)) && !cpu_online(CPU);
		task_stop(&hog);
		kill(killer, SIGKILL);
		waitpid(killer, NULL, 0);
		rig_stop(rig);
		replug();
	}
	kill(crowd, SIGKILL);
	waitpid(crowd, NULL, 0);
	note("in %d of %d tries the CPU was about to go when the scheduler came", in_time, TRIES);
	result(ok && in_time, "%s", name);
}

static pid_t start_forking(void)
{
	pid_t pid = fork(), child;
	char *memory;

	if (pid < 0)
		ksft_exit_fail_perror("fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	stay_on(CPU);
	memory = mmap(NULL, FORK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		_exit(1);
	madvise(memory, FORK_BYTES, MADV_NOHUGEPAGE);
	memset(memory, 1, FORK_BYTES);
	for (;;) {
		child = fork();
		if (child < 0)
			_exit(1);
		if (!child)
			_exit(0);
		__atomic_add_fetch(&shared->forks, 1, __ATOMIC_RELAXED);
		waitpid(child, NULL, 0);
	}
}

static bool amid_fork(pid_t pid)
{
	char path[32], stack[4096];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		ksft_exit_fail_perror(path);
	len = read(fd, stack, sizeof(stack) - 1);
	close(fd);
	stack[len > 0 ? len : 0] = '\0';
	return strstr(stack, "copy_page_range");
}

static void forking(void)
{
	pid_t forker = start_forking();
	struct task hog;
	int tries = 1;

	if (!await(at(&shared->forks), LONG_MS * MS))
		die("nothing is forked");
	if (rig_start(rig))
		die("cannot enable the scheduler");
	counters_mark();
	hog = hog_start(OTHER, SCHED_FIFO);
	for (;;) {
		keep_on(hog.pid, CPU);
		usleep(MS);
		if (amid_fork(forker))
			break;
		if (tries++ == FORK_TRIES)
			die("the task is never amid fork()");
		keep_on(hog.pid, OTHER);
		usleep(MS * draw(20));
	}
	note("amid fork() in try %d", tries);
	expect_end(&hog, "a task amid fork()", &shared->forks, "the task comes to the end of it");
	kill(forker, SIGKILL);
	waitpid(forker, NULL, 0);
}

int main(void)
{
	/* whoever had this CPU comes to another one, and its children are not of that class */
	struct sched_param above = { .sched_priority = sched_get_priority_max(SCHED_FIFO) };

	harness_init();
	ksft_set_plan(5);
	if (sysconf(_SC_NPROCESSORS_ONLN) <= CPU)
		die("%d CPUs are needed", CPU + 1);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		ksft_exit_fail_perror("mmap");
	stay_on(0);
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &above))
		ksft_exit_fail_perror("sched_setscheduler");
	rig = rig_load(true, TIMEOUT_MS);
	/* so that the hotplug lock is taken soon: RCU waits for no hog, nor for long */
	file_write(EXPEDITED, "1");
	keep_on(kthread_pid("rcu_preempt"), 0);
	keep_on(kthread_pid("rcu_exp_gp_kthread_worker"), 0);
	disabling();
	enabling();
	file_write(EXPEDITED, "0");
	forking();
	rig__destroy(rig);
	ksft_finished();
}
