// SPDX-License-Identifier: GPL-2.0
/*
 * Enabling a scheduler goes wrong: two loaders race for it, allocations fail.
 * What was allocated for it must be there exactly while one is enabled.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>

#include "harness.h"

#define RACES		5
#define FAILURES	500
#define MOST_ALLOCS	1000	/* more than any enabling makes */

struct loader {
	pthread_t thread;
	pthread_barrier_t *go;
	struct rig *rig;
	int ret;
};

static bool arrays_are(long n)
{
	return !module_in_charge() || await(counter("pick_seq_arrays") == n, 500 * MS);
}

static void *loader_main(void *arg)
{
	struct loader *loader = arg;

	pthread_barrier_wait(loader->go);
	loader->ret = rig_start(loader->rig);
	return NULL;
}

static void test_race(void)
{
	struct loader loaders[2] = {};
	bool one = true, intact = true, freed = true;
	pthread_barrier_t go;

	pthread_barrier_init(&go, NULL, 2);
	for (int i = 0; i < 2; i++) {
		loaders[i].rig = rig_load(false, 0);
		loaders[i].go = &go;
	}

	for (int n = 0; n < RACES; n++) {
		int winner;

		for (int i = 0; i < 2; i++)
			pthread_create(&loaders[i].thread, NULL, loader_main, &loaders[i]);
		for (int i = 0; i < 2; i++)
			pthread_join(loaders[i].thread, NULL);

		winner = loaders[0].ret ? 1 : 0;
		if (loaders[winner].ret || loaders[!winner].ret != -EBUSY) {
			note("race %d: %d and %d", n, loaders[0].ret, loaders[1].ret);
			one = false;
		}
		intact &= sched_ext_is("enabled") && arrays_are(sysconf(_SC_NPROCESSORS_CONF));
		for (int i = 0; i < 2; i++)
			rig_stop(loaders[i].rig);
		freed &= arrays_are(0);
	}
	result(one, "of two loaders one wins and one gets EBUSY");
	result(intact, "the loser leaves the winner's arrays alone");
	result(freed, "the arrays go with the winner");

	for (int i = 0; i < 2; i++)
		rig__destroy(loaders[i].rig);
	pthread_barrier_destroy(&go);
}

#define ARRAY_BYTES	256	/* of each CPU, what it remembers of the others */

static pid_t helper;

/* Enable with the @nth allocation failing; false if there are fewer. */
static bool start_failing(struct rig *rig, int nth, int *ret)
{
	fault_order(helper, nth);
	*ret = rig_start(rig);
	return fault_happened(helper);
}

static long slab_kb(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	long kb = -1;

	/* let RCU free what it holds */
	sleep(2);
	while (f && fgets(line, sizeof(line), f) && sscanf(line, "Slab: %ld", &kb) != 1)
		;
	if (f)
		fclose(f);
	return kb;
}

static void test_failures(void)
{
	int cpus = sysconf(_SC_NPROCESSORS_CONF);
	bool disabled = true, enomem = true, freed = true;
	struct rig *rig = rig_load(false, 0);
	int nth, ret;
	long before;

	helper = kthread_pid("scx_ops_enable_helper");
	if (!helper || !faults_ready())
		die("fault injection is not to be had, see selftests/config");

	for (nth = 1; nth < MOST_ALLOCS && start_failing(rig, nth, &ret); nth++) {
		/* past the point of no return the scheduler is told instead */
		if (!ret)
			rig_stop(rig);
		disabled &= await(sched_ext_is("disabled"), 1000 * MS);
		freed &= arrays_are(0);
		/* the arrays come first, one per CPU */
		if (nth <= cpus)
			enomem &= ret == -ENOMEM;
	}
	note("enabling makes %d allocations", nth - 1);
	result(nth > cpus && enomem, "enabling fails with ENOMEM when an array cannot be had");
	result(disabled, "sched_ext is disabled after each failure");
	result(freed, "no array is left after each failure");
	result(!ret && sched_ext_is("enabled") && arrays_are(cpus), "the next try works");
	rig_stop(rig);

	/* it keeps what is freed for a while, so that it looks as if it had leaked */
	if (kernel_function("kasan_report", 0)) {
		ksft_test_result_skip("failures leak nothing: KASAN is on\n");
		rig__destroy(rig);
		return;
	}
	before = slab_kb();
	for (int n = 0; n < FAILURES; n++)
		start_failing(rig, cpus, &ret);
	before = slab_kb() - before;
	note("slab memory changed by %ld kB", before);
	/* half of what it takes if every array but the last were lost */
	result(before < (cpus - 1) * FAILURES * ARRAY_BYTES / 1024 / 2,
	       "%d failures leak nothing", FAILURES);
	rig__destroy(rig);
}

int main(void)
{
	harness_init();
	ksft_set_plan(8);
	test_race();
	test_failures();
	ksft_finished();
}
