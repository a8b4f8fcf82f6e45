// SPDX-License-Identifier: GPL-2.0
/*
 * DSQs full of tasks that cannot run where they are looked for. Who looks does
 * so with IRQs off and the DSQ locked: it must not take long, must find a task
 * that is behind all of them, and must not keep a scheduler from being thrown
 * out, nor a DSQ from being destroyed.
 *
 * CROWD is how many tasks there are, at most. Where CPUs have SMT siblings, all of
 * this is with core scheduling: each search is followed by one for the sibling.
 */
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "harness.h"
#include "scan.h"
#include "scan.skel.h"

#define FINDER		1	/* where they are looked for */
#define HOME		3	/* where they can run */
#define FEW		64	/* a crowd that takes no time to speak of */
#define LOOKS		40
#define TWO_LOOKS	900	/* a crowd that takes two, the second of which has room for more */
#define ROUNDS		20
#define CYCLES		3
#define LONG		(60 * 1000 * MS)

static struct scan *skel;
static struct sched sched;

/* --- the crowd ------------------------------------------------------------------ */

static struct { int ready, go; long nr, made, ran; } *crowd;
static pid_t crowd_pid;

static void *member(void *arg)
{
	__atomic_add_fetch(&crowd->ran, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void crowd_body(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sched.link)
		close(bpf_link__fd(sched.link));
	stay_on(HOME);
	crowd->ready = 1;
	while (!at(&crowd->go))
		usleep(MS);
	if (sched_setscheduler(0, SCHED_EXT_POLICY, &(struct sched_param){}))
		_exit(1);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (long n = 0; n < crowd->nr; n++) {
		if (pthread_create(&thread, &attr, member, NULL))
			_exit(2);
		crowd->made++;
	}
	for (;;)
		pause();
}

/* So many FIFOs are used from here on, or the DSQ that is ordered by vtime. */
#define BY_VTIME	0

static void use(int fifos)
{
	skel->bss->priq = fifos == BY_VTIME;
	skel->data->fifos = fifos ?: 1;
}

/* So many threads come to wait in the DSQs that are in use. */
static void gather(long nr)
{
	memset(crowd, 0, sizeof(*crowd));
	crowd->nr = nr;
	skel->bss->enqueued = 0;
	skel->data->hold = true;
	crowd_pid = fork();
	if (crowd_pid < 0)
		ksft_exit_fail_perror("fork");
	if (!crowd_pid)
		crowd_body();
	await(at(&crowd->ready), 1000 * MS);
	skel->bss->crowd = crowd_pid;
	crowd->go = 1;
	if (!await(at(&skel->bss->enqueued) >= (unsigned long long)nr, LONG))
		die("%ld of %ld threads made, %ld wait", at(&crowd->made), nr,
		    (long)skel->bss->enqueued);
}

static void kick_cpu(int cpu)
{
	struct scan_args args = { .cpu = cpu };

	run_prog(skel->progs.scan_kick, &args, sizeof(args));
}

/* Let them run; true if they all do. */
static bool disperse(void)
{
	bool ok;

	skel->data->hold = false;
	kick_cpu(HOME);
	ok = await(at(&crowd->ran) == crowd->nr, LONG);
	if (!ok)
		note("%ld of %ld of the crowd ran", crowd->ran, crowd->nr);
	kill(crowd_pid, SIGKILL);
	waitpid(crowd_pid, NULL, 0);
	return ok;
}

static int queued(int dsq)
{
	struct scan_args args = { .dsq = dsq };

	run_prog(skel->progs.scan_count, &args, sizeof(args));
	return skel->bss->queued;
}

/* --- the tests ------------------------------------------------------------------ */

static bool ends;

/* Whether a figure that grows does so no more: it stands still for some time. */
static bool await_still(unsigned long long *figure, int us, int limit)
{
	for (int left = limit; left > 0; left -= us) {
		unsigned long long before = at(figure);

		usleep(us);
		if (at(figure) == before)
			return true;
	}
	return false;
}

/*
 * Has FINDER look a few times, in vain. Says how many calls of scx_bpf_consume() took longer
 * than so many nanoseconds. Not the longest: what another CPU of an emulated guest does
 * meanwhile counts.
 */
static unsigned long long looks_over(unsigned long long limit)
{
	struct scan_cpu *seen = &skel->bss->cpus[FINDER];
	unsigned long long calls = seen->calls;

	seen->limit = limit;
	seen->shortest = -1ULL;
	seen->over = 0;
	for (int i = 0; i < LOOKS; i++) {
		unsigned long long before = at(&seen->calls);

		kick_cpu(FINDER);
		await(at(&seen->calls) > before, 1000 * MS);
	}
	/* it may have to look again for a while, to see all */
	ends = await_still(&seen->calls, 20 * MS, 2000 * MS);
	note("%llu looks%s, %llu of more than %llu ns", seen->calls - calls,
	     ends ? "" : " and no end", seen->over, limit);
	return seen->over;
}

static void spin_us(int us)
{
	unsigned long long end = now_ns() + us * 1000ULL;

	while (now_ns() < end)
		;
}

/*
 * A task that may run on the CPU that looks comes first, amid its search: for another
 * one, which is the last, or one in vain. Nothing but being woken tells the CPU.
 */
static bool found(struct task *last, struct task *first)
{
	for (int i = 0; i < ROUNDS; i++) {
		unsigned long long count = task_count(last), head = task_count(first);

		if (i % 2)
			task_wake(last);
		else
			kick_cpu(FINDER);
		spin_us(i * 5);
		task_wake(first);
		if (!await(task_count(last) >= count + i % 2 && task_count(first) > head,
			   2000 * MS)) {
			note("round %d: last %s, first %s", i,
			     task_count(last) >= count + i % 2 ? "ran" : "is stranded",
			     task_count(first) > head ? "ran" : "is stranded");
			return false;
		}
	}
	return true;
}

static void test_found(const char *what, int fifos, long nr)
{
	struct task last = task_start(TASK_SLEEPER, FINDER, SCHED_EXT_POLICY, NULL);
	struct task first = task_start(TASK_SLEEPER, FINDER, SCHED_EXT_POLICY, NULL);
	bool ok;

	usleep(20 * MS);
	use(fifos);
	counters_mark();
	gather(nr);
	skel->bss->tail = last.pid;
	skel->bss->head = first.pid;
	skel->bss->consumers = 1 << FINDER;
	ok = found(&last, &first);
	result(ok && counted("dispatch", 1, LONG_MAX),
	       "tasks before and behind %ld others in %s are found", nr, what);
	skel->bss->consumers = 0;
	if (counts("scan_steps"))
		result(moved("scan_steps") > nr / 64 && moved("scan_breaks") > 0,
		       "it takes more than one look, in %s", what);
	else
		ksft_test_result_skip("looks into %s are not counted\n", what);
	ok = disperse();
	result(ok && sched_content(&sched), "and so are the others, where they can run");
	skel->bss->tail = 0;
	skel->bss->head = 0;
	task_stop(&last);
	task_stop(&first);
}

/* A task comes before the place that a CPU keeps, which is all that tells that CPU. */
static void test_late(void)
{
	struct task late = task_start(TASK_SLEEPER, FINDER, SCHED_EXT_POLICY, NULL);
	struct task screen = task_start(TASK_SLEEPER, HOME, SCHED_EXT_POLICY, NULL);
	struct scan_cpu *seen = &skel->bss->cpus[FINDER];
	unsigned long long count, calls;
	bool ok;

	use(1);
	counters_mark();
	gather(TWO_LOOKS);
	skel->bss->screen = screen.pid;
	skel->bss->late = late.pid;
	skel->bss->consumers = 1 << FINDER;
	count = task_count(&late);
	task_wake(&late);
	task_wake(&screen);
	await(queued(SCAN_PRIQ) == 2, 1000 * MS);
	await_still(&seen->calls, 20 * MS, 1000 * MS);
	calls = seen->calls;
	skel->bss->before_look = 2;
	kick_cpu(FINDER);
	usleep(20 * MS);
	/* the built-in core looks once for each */
	if (at(&skel->bss->before_look))
		kick_cpu(FINDER);
	ok = await(task_count(&late) > count, 2000 * MS);
	/* not by a search of later, for which there is always a reason, nor by a sibling's */
	note("found by look %llu", seen->hit - calls);
	result(ok && counted("dispatch", 1, LONG_MAX) &&
	       (seen->hit - calls == 2 || !module_in_charge() || core_mate(FINDER) >= 0),
	       "a task that comes before the place where a search goes on is found");
	skel->bss->consumers = 0;
	ok = disperse();
	result(ok && sched_content(&sched), "and so are the others, where they can run");
	skel->bss->late = 0;
	task_stop(&late);
	task_stop(&screen);
}

/*
 * It is with IRQs off that a CPU looks into a DSQ. By time, as the built-in core
 * has no counters; what an emulator takes for the others is the same for both.
 */
static void test_bounded(const char *what, int fifos, long nr)
{
	int times = fifos > 1 ? 2 : 1;	/* half of them are in that which is measured */
	struct scan_cpu *seen = &skel->bss->cpus[FINDER];
	unsigned long long limit, over = 0;	/* half of what all take, as that is rough */

	use(fifos);
	skel->bss->consumers = 1 << FINDER;
	gather(FEW * times);
	looks_over(0);
	limit = seen->shortest * nr / FEW / 2;
	disperse();
	gather(nr * times);
	/* another CPU gets its turn amid a look now and then, with KASAN more often */
	for (int try = 0; try < 3; try++) {
		over = looks_over(limit);
		if (over <= LOOKS / 20)
			break;
	}
	disperse();
	skel->bss->consumers = 0;
	if (module_in_charge() && counts("scan_breaks"))
		result(over <= LOOKS / 20, "a look at %s is over before all of it is seen", what);
	else
		result(over >= LOOKS, "the %s core looks at all of %s at once",
		       module_in_charge() ? "module's" : "built-in", what);
	result(ends, "and idles when it has seen all");
}

/* All CPUs but that of the crowd look all the time: who yields has them do so. */
static void look_everywhere(struct task *yielders, bool start)
{
	for (int cpu = 0; cpu < HOME; cpu++) {
		if (start)
			yielders[cpu] = task_start(TASK_YIELDER, cpu, SCHED_EXT_POLICY, NULL);
		else
			task_stop(&yielders[cpu]);
	}
	skel->bss->consumers = start ? (1 << HOME) - 1 : 0;
}

static bool looking(void)
{
	for (int cpu = 0; cpu < HOME; cpu++) {
		struct scan_cpu *seen = &skel->bss->cpus[cpu];
		unsigned long long calls = at(&seen->calls);

		if (!await(at(&seen->calls) > calls + 5, 5000 * MS))
			return false;
	}
	return true;
}

static bool crowd_gone(void)
{
	bool ok = await(at(&crowd->ran) == crowd->nr, LONG);

	kill(crowd_pid, SIGKILL);
	waitpid(crowd_pid, NULL, 0);
	return ok;
}

static void test_sysrq(long nr)
{
	struct task yielders[HOME];
	bool ok;

	use(2);
	gather(nr);
	counters_mark();
	look_everywhere(yielders, true);
	ok = looking();
	file_write("/proc/sysrq-trigger", "S");
	ok = ok && sched_thrown_out(&sched, "", LONG);
	if (counts("scan_aborts"))
		note("%ld searches ended with it", moved("scan_aborts"));
	result(ok && crowd_gone(), "sysrq-S ends a scheduler amid such searches");
	look_everywhere(yielders, false);
	sched_stop(&sched);
}

/* Who has it open is a process of its own, and killed. */
static void test_kill(long nr)
{
	struct task yielders[HOME];
	pid_t loader = fork();
	bool ok;

	if (!loader) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (sched_start(&sched))
			_exit(1);
		for (;;)
			pause();
	}
	ok = await(sched_ext_is("enabled"), 10000 * MS);
	use(BY_VTIME);
	gather(nr);
	look_everywhere(yielders, true);
	ok = ok && looking();
	kill(loader, SIGKILL);
	waitpid(loader, NULL, 0);
	result(ok && await(sched_ext_is("disabled"), LONG) && crowd_gone(),
	       "and so does the end of who loaded it");
	look_everywhere(yielders, false);
}

/* Whatever a search leaves in a DSQ must not be there when it is gone. */
static void test_destroy(long nr)
{
	struct scan_args args = { .dsq = SCAN_FIFO };
	bool ok = true;

	for (int i = 0; ok && i < CYCLES; i++) {
		use(1);
		skel->bss->consumers = (1 << HOME) - 1;
		gather(nr);
		for (int cpu = 0; cpu < HOME; cpu++)
			kick_cpu(cpu);
		/* amid the search, or at its end */
		if (i)
			usleep(i * MS);
		skel->bss->consumers = 0;
		ok = disperse() && await(!queued(SCAN_FIFO), 1000 * MS);
		use(BY_VTIME);
		usleep(5 * MS);
		run_prog(skel->progs.scan_destroy, &args, sizeof(args));
		/* it is freed after a grace period, what comes next may get its memory */
		usleep(i * 20 * MS);
		run_prog(skel->progs.scan_create, &args, sizeof(args));
	}
	result(ok && sched_content(&sched), "a DSQ that was searched can be destroyed");
}

int main(void)
{
	long nr = setting("CROWD", 2000);

	harness_init();
	ksft_set_plan(26);
	if (sysconf(_SC_NPROCESSORS_ONLN) <= HOME)
		die("%d CPUs are needed", HOME + 1);
	crowd = mmap(NULL, sizeof(*crowd), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	if (crowd == MAP_FAILED)
		ksft_exit_fail_perror("cannot share memory");
	skel = sched_load(scan, scan_ops);
	skel->bss->home = HOME;
	sched = sched_of(skel, scan_ops);
	stay_on(0);
	/* one cookie for all that are started from here on, which keeps no CPU idle */
	if (core_mate(FINDER) >= 0 && prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, 0, 0))
		ksft_exit_fail_perror("no cookie for core scheduling");
	if (sched_start(&sched))
		die("cannot enable the scheduler");

	test_found("a FIFO", 1, nr);
	test_found("two FIFOs", 2, nr * 3 / 4);
	test_found("five FIFOs", 5, nr * 5 / 2);
	skel->bss->churn = true;
	test_found("five FIFOs of which four change", 5, nr * 5 / 2);
	skel->bss->churn = false;
	test_found("one that is ordered by vtime", BY_VTIME, nr / 2);
	test_late();
	test_bounded("a long DSQ", 1, nr);
	test_bounded("one of two long DSQs", 2, nr);
	/* a CPU can keep its place in four */
	test_bounded("one of five long DSQs", 5, nr * 5 / 4);
	test_destroy(nr / 4);
	test_sysrq(nr / 2);
	test_kill(nr / 4);
	scan__destroy(skel);
	ksft_finished();
}
