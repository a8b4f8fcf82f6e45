// SPDX-License-Identifier: GPL-2.0
/*
 * A task that is dispatched to another CPU while its own balances, and has its run
 * queue unlocked for the moment: that cannot be done at once. 6.12 leaves a balance
 * callback behind, which whoever takes the lock next finds and warns about. A patch
 * of ours repairs it for either core, so that it takes a stock kernel to see it.
 */
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "harness.h"
#include "deferred.h"
#include "deferred.skel.h"

#define ROUNDS		40	/* at most: a busy host may be late for the moment */
#define HITS		3	/* and so many must hit it */

static struct deferred *skel;
static struct sched sched;
static struct { int ready, round; long ran; } *shared;

static void *child(void *arg)
{
	__atomic_add_fetch(&shared->ran, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void make_children(void)
{
	pthread_t threads[CHILDREN];

	for (int i = 0; i < CHILDREN; i++)
		if (pthread_create(&threads[i], NULL, child, NULL))
			_exit(2);
	for (int i = 0; i < CHILDREN; i++)
		pthread_join(threads[i], NULL);
}

/* Makes threads as soon as the other CPU is about to consume. */
static void maker_body(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	stay_on(MAKER);
	allow_two(0, BALANCER, MAKER);
	if (sched_setscheduler(0, SCHED_EXT_POLICY, &(struct sched_param){}))
		_exit(1);
	/* so that nothing is to be read from a disk when time counts */
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		_exit(3);
	make_children();
	shared->ran = 0;
	shared->ready = 1;
	for (int round = 1;; round++) {
		while (at(&shared->round) < round)
			usleep(MS);
		while (!at(&skel->bss->balancing))
			relax();
		make_children();
	}
}

static pid_t start_maker(void)
{
	pid_t pid = fork();

	if (pid < 0)
		ksft_exit_fail_perror("fork");
	if (!pid)
		maker_body();
	if (!await(at(&shared->ready), 20000 * MS))
		die("who makes tasks does not start");
	skel->bss->maker = pid;
	return pid;
}

static int hits;
static long patience_ms = 20000;	/* with KASAN on a busy host a thread takes its time */

/* True if all tasks run, whether those that are made hit the moment or not. */
static bool round_of(int number, struct task *guest, struct task *holder)
{
	unsigned long long count = task_count(guest);

	/* it goes where it is to be consumed from */
	skel->bss->armed = false;
	keep_on(guest->pid, SOURCE);
	task_wake(guest);
	if (!await(task_count(guest) > count, 2000 * MS) || !task_asleep(guest, 1000 * MS))
		return false;
	allow_two(guest->pid, BALANCER, SOURCE);

	skel->bss->children = 0;
	skel->bss->consumed = 0;
	skel->bss->late = 0;
	skel->bss->balancing = 0;
	skel->bss->waiting = false;
	skel->bss->armed = true;
	shared->round = number;
	count = task_count(guest);
	task_wake(guest);
	if (!await(at(&skel->bss->waiting), 1000 * MS))
		return false;
	task_wake(holder);
	if (!await(shared->ran >= number * CHILDREN && task_count(guest) > count,
		   patience_ms * MS)) {
		note("round %d: %ld of %d children ran, what is consumed %s", number, shared->ran,
		     number * CHILDREN, task_count(guest) > count ? "did" : "did not");
		return false;
	}
	hits += at(&skel->bss->children) >= CHILDREN;
	return true;
}

int main(void)
{
	static const char *name = "tasks that are sent elsewhere amid a balance get there";
	bool warned;
	int patience = 1, failed = 0;
	struct task guest, holder;
	pid_t maker;

	if (stock_kernel()) {
		/* what is left behind may be a task that waits for it */
		patience = 3;
		patience_ms = 5000;
	}
	harness_init();
	ksft_set_plan(3);
	if (sysconf(_SC_NPROCESSORS_ONLN) <= MAKER)
		die("%d CPUs are needed", MAKER + 1);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		ksft_exit_fail_perror("cannot share memory");
	skel = sched_load(deferred, deferred_ops);
	sched = sched_of(skel, deferred_ops);
	stay_on(0);
	guest = task_start(TASK_SLEEPER, SOURCE, SCHED_EXT_POLICY, NULL);
	holder = task_start(TASK_SLEEPER, SOURCE, SCHED_EXT_POLICY, NULL);
	maker = start_maker();
	skel->bss->guest = guest.pid;
	skel->bss->holder = holder.pid;
	if (sched_start(&sched))
		die("cannot enable the scheduler");

	counters_mark();
	for (int i = 1; failed < patience && i <= ROUNDS && hits < HITS; i++)
		failed += !round_of(i, &guest, &holder);
	if (stock_kernel())
		ksft_test_result_skip("%s: on a stock kernel they need not\n", name);
	else
		result(!failed && hits == HITS && counted("consume_remote", HITS, LONG_MAX),
		       "%s", name);
	/* rq_pin_lock()'s, which is inlined */
	warned = dmesg_count("WARNING: ") && dmesg_count("kernel/sched/sched.h:");
	if (stock_kernel())
		result(warned, "the stock kernel warns of what is left behind");
	else
		result(!warned, "nothing is left behind for who locks next");
	result(sched_content(&sched), "the scheduler is content");

	kill(maker, SIGKILL);
	waitpid(maker, NULL, 0);
	sched_stop(&sched);
	task_stop(&guest);
	task_stop(&holder);
	deferred__destroy(skel);
	ksft_finished();
}
