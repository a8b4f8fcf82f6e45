// SPDX-License-Identifier: GPL-2.0
/*
 * What the bench runs in the guest. Each repeat of a measurement is a phase for the
 * plugin, called FIGURE.CASE/CORE.
 *
 *   guest CORE pingpong NAME TRIPS CPU CPU   round trips of a byte between two tasks
 *   guest CORE batches                       tasks dispatched in batches
 *   guest CORE kicks TARGETS                 kicks of all kinds, of 1 and of so many CPUs
 *   guest CORE polls                         kicks of a CPU that polls as it idles (idle=poll)
 *   guest CORE scan TASKS                    a DSQ full of tasks that cannot run here
 *   guest CORE watchdog TASKS                the watchdog's scan of an idle machine, and of so many
 *   guest CORE stuck MS                      how long a scheduler that hangs stays
 *   guest - tell TEXT                        tell the plugin
 *
 * REPEATS in the environment says how often each is done.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include <bpf/bpf.h>
#include <scx/common.h>

#include "guest.h"
#include "guest.skel.h"
#include "mark.h"

#define MS		1000	/* in microseconds */
#define EXT		7	/* SCHED_EXT */
#define DRIVER		0	/* the CPU of this program */
#define HOME		1
#define DISPATCHER	2
#define DESTINATION	3
#define KICK_IDLE	(1ULL << 0)	/* from BTF, which only BPF programs have */
#define KICK_PREEMPT	(1ULL << 1)
#define KICK_WAIT	(1ULL << 2)
#define ROUNDS		10	/* of a batch or a kick, in each repeat */

#define at(pointer)	__atomic_load_n(pointer, __ATOMIC_RELAXED)

#define await(cond, usecs) ({						\
	long left_ = (usecs);						\
	bool ok_;							\
	while (!(ok_ = (cond)) && left_ > 0) {				\
		usleep(200);						\
		left_ -= 200;						\
	}								\
	ok_;								\
})

static const char *core;
static int repeats = 3;
static struct guest *skel;
static struct bpf_link *link_;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fprintf(stderr, "bench: ");
	vfprintf(stderr, fmt, args);
	fprintf(stderr, " (%s)\n", strerror(errno));
	if (skel && skel->data && skel->data->uei.kind)
		fprintf(stderr, "bench: the scheduler was thrown out: %s, %s\n",
			skel->data->uei.reason, skel->data->uei.msg);
	va_end(args);
	exit(1);
}

static void __attribute__((format(printf, 1, 2))) phase(const char *fmt, ...)
{
	char name[200], text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	snprintf(text, sizeof(text), "phase %s/%s", name, core);
	mark(text);
}

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("CPU %d", cpu);
}

static void become(int policy)
{
	if (sched_setscheduler(0, policy, &(struct sched_param){}))
		die("policy %d", policy);
}

static void load(unsigned int timeout_ms)
{
	skel = guest__open();
	if (!skel)
		die("cannot open the scheduler");
	skel->rodata->uei_dump_len = 1;
	if (bpf_map__set_value_size(skel->maps.data_uei_dump, 1))
		die("cannot prepare the scheduler");
	skel->struct_ops.bench_ops->timeout_ms = timeout_ms;
	if (guest__load(skel))
		die("cannot load the scheduler");
	link_ = bpf_map__attach_struct_ops(skel->maps.bench_ops);
	if (!link_)
		die("cannot enable the scheduler");
	usleep(100 * MS);
}

/* It must have come to no harm. */
static void unload(void)
{
	if (skel->data->uei.kind)
		die("the scheduler came to harm");
	bpf_link__destroy(link_);
	guest__destroy(skel);
}

static void kick(int cpu, unsigned long long flags)
{
	struct bench_args args = { .cpu = cpu, .flags = flags };

	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &args, .ctx_size_in = sizeof(args));

	if (bpf_prog_test_run_opts(bpf_program__fd(skel->progs.bench_kick), &opts))
		die("cannot run a program");
}

/* --- round trips ---------------------------------------------------------------- */

static void trip(int in, int out, long times)
{
	char c = 0;

	while (times--)
		if (write(out, &c, 1) != 1 || read(in, &c, 1) != 1)
			die("the other end is gone");
}

static void pingpong(const char *name, long trips, int here, int there)
{
	int to[2], from[2];
	pid_t pid;
	char c;

	if (pipe(to) || pipe(from))
		die("no pipe");
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		stay_on(there);
		while (read(to[0], &c, 1) == 1 && write(from[1], &c, 1) == 1)
			;
		_exit(0);
	}
	stay_on(here);
	trip(from[0], to[1], 100);
	for (int i = 0; i < repeats; i++) {
		usleep(50 * MS);
		phase("%s %ld", name, trips);
		trip(from[0], to[1], trips);
		mark_end();
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* --- batches -------------------------------------------------------------------- */

static struct {
	int fds[BENCH_BATCH][2];
	long ran[BENCH_BATCH];
} *workers;

static void *worker(void *arg)
{
	long n = (long)arg;
	char c;

	while (read(workers->fds[n][0], &c, 1) == 1)
		__atomic_add_fetch(&workers->ran[n], 1, __ATOMIC_RELAXED);
	return NULL;
}

static void work(unsigned long cpus)
{
	cpu_set_t set;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(bpf_link__fd(link_));
	CPU_ZERO(&set);
	for (int cpu = 0; cpu < BENCH_CPUS; cpu++)
		if (cpus >> cpu & 1)
			CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		_exit(1);
	become(EXT);
	for (long n = 0; n < BENCH_BATCH; n++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, worker, (void *)n))
			_exit(1);
	}
	for (;;)
		pause();
}

static long all_ran(int nr)
{
	long sum = 0;

	for (int n = 0; n < nr; n++)
		sum += at(&workers->ran[n]);
	return sum;
}

static void gather(int nr)
{
	unsigned long long before = at(&skel->bss->queued);
	char c = 0;

	for (int n = 0; n < nr; n++)
		if (write(workers->fds[n][1], &c, 1) != 1)
			die("a worker is gone");
	if (!await(at(&skel->bss->queued) - before >= (unsigned long long)nr, 1000 * MS))
		die("%d workers do not wait", nr);
}

/* All of them, in one call of ops.dispatch(). */
static void release(int nr)
{
	long before = all_ran(nr);

	skel->bss->batch = nr;
	kick(DISPATCHER, 0);
	if (skel->bss->to == BENCH_USER) {
		usleep(2 * MS);
		skel->bss->consume = nr;
		kick(skel->data->consumer, 0);
	}
	if (!await(all_ran(nr) - before >= nr, 1000 * MS))
		die("%ld of %d workers ran", all_ran(nr) - before, nr);
	usleep(2 * MS);
}

static void batch(const char *name, enum bench_to to, int home, int destination, unsigned long cpus)
{
	static const int sizes[] = { 1, 8, 32 };
	pid_t pid;

	memset(workers->ran, 0, sizeof(workers->ran));
	skel->bss->to = to;
	skel->data->home = home;
	skel->data->dispatcher = DISPATCHER;
	skel->data->destination = to == BENCH_REMOTE ? destination : -1;
	skel->data->consumer = to == BENCH_USER ? destination : -1;
	pid = fork();
	if (!pid)
		work(cpus);
	usleep(20 * MS);
	/* they are there, and asleep, when each has run once */
	skel->bss->workers = pid;
	usleep(20 * MS);
	for (int i = 0; i < repeats; i++) {
		for (int s = 0; s < 3; s++) {
			gather(sizes[s]);
			release(sizes[s]);
			phase("batch.%s %d", name, sizes[s]);
			for (int round = 0; round < ROUNDS; round++) {
				gather(sizes[s]);
				release(sizes[s]);
			}
			mark_end();
		}
	}
	/* dying they are dispatched as any other */
	skel->bss->workers = 0;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void batches(void)
{
	workers = mmap(NULL, sizeof(*workers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	for (int n = 0; n < BENCH_BATCH; n++)
		if (pipe(workers->fds[n]))
			die("no pipe");
	load(30000);
	batch("local", BENCH_LOCAL, DISPATCHER, DISPATCHER, 1 << DISPATCHER);
	batch("remote", BENCH_REMOTE, HOME, DESTINATION, 1 << HOME | 1 << DESTINATION);
	batch("fetched", BENCH_LOCAL, HOME, DISPATCHER, 1 << HOME | 1 << DISPATCHER);
	batch("user-own", BENCH_USER, HOME, HOME, 1 << HOME);
	batch("user-other", BENCH_USER, HOME, DESTINATION, 1 << HOME | 1 << DESTINATION);
	unload();
}

/* --- kicks ---------------------------------------------------------------------- */

static pid_t hogs[BENCH_TARGETS];

/* Tasks that never stop, or that sleep for a moment now and then. */
static void occupy(int nr, bool sleep)
{
	for (int i = 0; i < nr; i++) {
		hogs[i] = fork();
		if (hogs[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(bpf_link__fd(link_));
		stay_on(i + 1);
		become(EXT);
		/* a pause has the next CPU emulated, which is slow to do all the time */
		for (;;) {
			for (volatile int n = 0; n < 5000; n++)
				;
			__builtin_ia32_pause();
			if (sleep)
				usleep(1);
		}
	}
	for (int i = 0; i < nr; i++)
		if (!await(at(&skel->bss->running[i + 1]) == hogs[i], 1000 * MS))
			die("CPU %d is not busy", i + 1);
}

static void vacate(int nr)
{
	for (int i = 0; i < nr; i++) {
		kill(hogs[i], SIGKILL);
		waitpid(hogs[i], NULL, 0);
	}
	usleep(20 * MS);
}

/* What the kernel itself has counted of IPIs, on all CPUs. */
static long ipis(void)
{
	FILE *file = fopen("/proc/interrupts", "r");
	char line[8192], name[8];
	long sum = 0;

	if (!file)
		die("/proc/interrupts: %s", strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		char *at = strchr(line, ':'), *end;

		if (sscanf(line, " %7[A-Z]:", name) != 1 || !at ||
		    (strcmp(name, "RES") && strcmp(name, "CAL") && strcmp(name, "IWI")))
			continue;
		for (at++;; at = end) {
			long count = strtol(at, &end, 10);

			if (end == at)
				break;
			sum += count;
		}
	}
	fclose(file);
	return sum;
}

/*
 * We are a task of sched_ext, and when we wake up ops.enqueue() or ops.running() kicks:
 * with interrupts off and a run queue locked, as schedulers do. Or kicks none, to know
 * what a wakeup takes by itself.
 */
static void kicks_of(const char *name, unsigned long long flags, int nr)
{
	skel->bss->kick_flags = flags;
	for (int i = 0; i < nr; i++)
		skel->bss->target[i] = i + 1;
	/* each round is a phase, as some have interrupts in them that are none of ours */
	for (int round = 0; round < repeats * ROUNDS; round++) {
		unsigned long long before = skel->bss->kicked;
		long ipis_before = ipis();

		phase("kick.%s %d", name, nr);
		skel->bss->targets = nr;
		if (nr && !await(at(&skel->bss->kicked) > before, 1000 * MS))
			die("there was no kick");
		usleep(MS);
		mark_end();
		printf("ipis kick.%s %d/%s %ld\n", name, nr, core, ipis() - ipis_before);
	}
}

static void polls(void)
{
	load(30000);
	stay_on(DRIVER);
	/* what loading leaves to be done sends IPIs as well */
	usleep(2000 * MS);
	skel->bss->kicker = getpid();
	become(EXT);
	kicks_of("none", 0, 0);
	kicks_of("plain-polling", 0, 1);
	become(SCHED_OTHER);
	unload();
}

static void kicks(int most)
{
	load(30000);
	stay_on(DRIVER);
	/* what loading leaves to be done sends IPIs as well */
	usleep(2000 * MS);
	skel->bss->kicker = getpid();
	become(EXT);
	kicks_of("none", 0, 0);
	skel->bss->as_it_runs = true;
	kicks_of("running", 0, 1);
	skel->bss->as_it_runs = false;
	for (int nr = 1; nr <= most; nr += most - 1 ?: 1) {
		kicks_of("plain-idle", 0, nr);
		kicks_of("idle-hit", KICK_IDLE, nr);
		occupy(nr, false);
		kicks_of("plain-busy", 0, nr);
		kicks_of("idle-skipped", KICK_IDLE, nr);
		kicks_of("preempt", KICK_PREEMPT, nr);
		vacate(nr);
		/* the built-in core waits until they sleep, for ever if they do not */
		occupy(nr, true);
		kicks_of("wait", KICK_WAIT, nr);
		vacate(nr);
	}
	become(SCHED_OTHER);
	unload();
}

/* --- crowds --------------------------------------------------------------------- */

static void *member(void *arg)
{
	return arg;
}

/* So many threads come to wait in the DSQ; they can run on one CPU only, and never do. */
static void crowd_together(long nr)
{
	pthread_attr_t attr;
	pthread_t thread;
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(bpf_link__fd(link_));
		stay_on(HOME);
		while (at(&skel->bss->crowd) != getpid())
			usleep(MS);
		become(EXT);
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		for (long n = 0; n < nr; n++)
			if (pthread_create(&thread, &attr, member, NULL))
				die("%ld of %ld threads", n, nr);
		for (;;)
			pause();
	}
	skel->bss->crowd = pid;
	/* as long as there are more of them */
	for (long before = -1, now = 0; now < nr; before = now) {
		usleep(1000 * MS);
		now = at(&skel->bss->crowded);
		if (now == before)
			die("%ld of %ld threads wait", now, nr);
	}
}

static void scan(long nr)
{
	load(30000);
	stay_on(DRIVER);
	crowd_together(nr);
	skel->data->consumer = DISPATCHER;
	for (int i = 0; i < repeats; i++) {
		phase("irqs-off.dsq %ld", nr);
		skel->bss->consume = 1;
		kick(DISPATCHER, 0);
		usleep(200 * MS);
		mark_end();
	}
	unload();
}

static void watchdog(long nr)
{
	load(2000);
	stay_on(DRIVER);
	usleep(1000 * MS);
	phase("watchdog.idle 1");
	usleep(5000 * MS);
	mark_end();
	occupy(1, false);
	phase("watchdog.tick 1");
	usleep(1000 * MS);
	mark_end();
	vacate(1);
	unload();
	if (!nr)
		return;

	load(30000);
	crowd_together(nr);
	phase("irqs-off.watchdog %ld", nr);
	usleep(16 * 1000 * MS);
	mark_end();
	unload();
}

static bool state_is(const char *what)
{
	char state[16] = "";
	int fd = open("/sys/kernel/sched_ext/state", O_RDONLY);
	ssize_t len = read(fd, state, sizeof(state) - 1);

	close(fd);
	return len > 0 && !strncmp(state, what, strlen(what));
}

static double since(unsigned long long ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9 - ns / 1e9;
}

/* The module counts such CPUs. The built-in core does not look for them. */
static bool found_stuck(void)
{
	FILE *file = fopen("/sys/kernel/debug/rust_scx/counters", "r");
	char name[64];
	long count, found = 0;

	while (file && fscanf(file, "%63s %ld", name, &count) == 2)
		if (!strcmp(name, "stuck_dispatches"))
			found = count;
	if (file)
		fclose(file);
	return found || !state_is("enabled");
}

/* For how long it had been stuck then, in seconds, by the module's report. */
static double reported(void)
{
	FILE *file = fopen("/sys/kernel/debug/rust_scx/last_report", "r");
	double ms = -1000;
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		sscanf(line, "ms %lf", &ms);
	if (file)
		fclose(file);
	return ms / 1000;
}

/* Prints when the scheduler was found out, and when it was gone; -1 for never. */
static void stuck(long ms)
{
	double noticed = -1, gone = -1;

	load(30000);
	stay_on(DRIVER);
	skel->bss->stuck_ns = ms * 1000000;
	skel->data->stuck_cpu = DISPATCHER;
	kick(DISPATCHER, 0);
	if (!await(at(&skel->bss->stuck_since), 1000 * MS))
		die("CPU %d does not hang", DISPATCHER);
	/* other CPUs look after it in their ticks, which idle ones have none of */
	while (!found_stuck() && since(skel->bss->stuck_since) * 1000 < 1.5 * ms)
		;
	/* we may have been kept meanwhile: the dump takes all run queues' locks */
	if (found_stuck())
		noticed = reported();
	if (noticed >= 0 && await(state_is("disabled"), ms * 2000))
		gone = since(skel->bss->stuck_since);
	printf("stuck/%s %ld %.6f %.6f\n", core, ms, noticed, gone);
}

/* -------------------------------------------------------------------------------- */

static bool called(char **argv, const char *name)
{
	return !strcmp(argv[2], name);
}

int main(int argc, char **argv)
{
	const char *text = getenv("REPEATS");

	if (argc < 3)
		die("CORE FIGURE are missing");
	core = argv[1];
	if (text)
		repeats = atoi(text);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (called(argv, "tell") && argc == 4)
		mark(argv[3]);
	else if (called(argv, "pingpong") && argc == 7)
		pingpong(argv[3], atol(argv[4]), atoi(argv[5]), atoi(argv[6]));
	else if (called(argv, "batches"))
		batches();
	else if (called(argv, "kicks") && argc == 4)
		kicks(atoi(argv[3]));
	else if (called(argv, "polls") && argc == 3)
		polls();
	else if (called(argv, "scan") && argc == 4)
		scan(atol(argv[3]));
	else if (called(argv, "watchdog") && argc == 4)
		watchdog(atol(argv[3]));
	else if (called(argv, "stuck") && argc == 4)
		stuck(atol(argv[3]));
	else
		die("no such measurement, or something is missing: %s", argv[2]);
	return 0;
}
