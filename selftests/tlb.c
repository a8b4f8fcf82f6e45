// SPDX-License-Identifier: GPL-2.0
/*
 * Who waits with IRQs off keeps a target waiting that flushes TLBs and wants an
 * answer from every CPU. On each CPU a task waits for all the others in turn,
 * while processes with a thread on every CPU change their mappings all the time:
 * stress-ng --tlb-shootdown if there is one, else our own.
 *
 * TLB_MS is for how long.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "harness.h"

#define PAGES	16
#define PAGE	4096

static struct rig *rig;
static int cpus;

/* Answers to other CPUs' flushes, over all CPUs. */
static unsigned long long shootdowns(void)
{
	FILE *f = fopen("/proc/interrupts", "r");
	static char line[16384];
	unsigned long long sum = 0;

	while (f && fgets(line, sizeof(line), f)) {
		char *next = strstr(line, "TLB:"), *end;

		if (!next)
			continue;
		for (next += 4; sum += strtoull(next, &end, 10), end != next; next = end)
			;
	}
	if (f)
		fclose(f);
	return sum;
}

static void *change_mappings(void *arg)
{
	char *area = arg;

	for (;;) {
		for (int i = 0; i < PAGES; i++)
			area[i * PAGE]++;
		mprotect(area, PAGES * PAGE, PROT_READ);
		mprotect(area, PAGES * PAGE, PROT_READ | PROT_WRITE);
		madvise(area, PAGES * PAGE, MADV_DONTNEED);
	}
}

static void own_load(void)
{
	for (int i = 0; i < cpus; i++) {
		char *area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		pthread_attr_t attr;
		pthread_t thread;
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(i, &set);
		pthread_attr_init(&attr);
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
		if (area == MAP_FAILED || pthread_create(&thread, &attr, change_mappings, area))
			_exit(1);
	}
	pause();
}

static bool have_stress_ng(void)
{
	return !system("command -v stress-ng >/dev/null 2>&1");
}

static pid_t start_load(bool stress_ng, long seconds)
{
	struct sched_param param = {};
	pid_t pid = fork();
	char workers[16], time[16];

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	if (sched_setscheduler(0, SCHED_EXT_POLICY, &param))
		_exit(1);
	if (!stress_ng) {
		own_load();
		_exit(1);
	}
	snprintf(workers, sizeof(workers), "%d", cpus);
	snprintf(time, sizeof(time), "%ld", seconds);
	execlp("stress-ng", "stress-ng", "--quiet", "--temp-path", "/tmp", "--timeout", time,
	       "--tlb-shootdown", workers, NULL);
	_exit(127);
}

static void stop_load(pid_t pid)
{
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_load(bool stress_ng, long ms)
{
	const char *what = stress_ng ? "stress-ng --tlb-shootdown" : "TLB shoot-downs";
	struct task waiters[RIG_CPUS];
	unsigned long long before[RIG_CPUS], flushed;
	bool ok = true, every = true;
	long waits;
	pid_t load;

	for (int i = 0; i < cpus; i++)
		waiters[i] = task_start(TASK_WAITER, i, SCHED_EXT_POLICY, rig);
	load = start_load(stress_ng, ms / 1000 + 60);
	flushed = shootdowns();
	ok &= stress_ng || await(shootdowns() > flushed + 100, 10000 * MS);

	kernel_log("TLB STARTS");
	counters_mark();
	flushed = shootdowns();
	for (int i = 0; i < cpus; i++)
		order_waits(&waiters[i], ~(1ULL << i) & ((1ULL << cpus) - 1),
			    i % 2 ? KICK_WAIT : KICK_PREEMPT | KICK_WAIT, ~0ULL);
	for (int n = 0; n < 4; n++) {
		for (int i = 0; i < cpus; i++)
			before[i] = task_count(&waiters[i]);
		usleep(ms * MS / 4);
		for (int i = 0; i < cpus; i++)
			every &= await(task_count(&waiters[i]) > before[i], 2000 * MS);
	}
	flushed = shootdowns() - flushed;
	for (int i = 0; i < cpus; i++)
		ok &= halt_waits(&waiters[i], 10000 * MS);
	kernel_log("TLB ENDS");
	waits = moved("waits");
	note("%llu shoot-downs, %ld waits, %ld done, %ld timeouts", flushed, waits,
	     moved("waits_done"), moved("wait_timeouts"));

	result(ok && every && sched_ext_is("enabled"), "waits go on amid %s", what);
	/* stress-ng moves processes from CPU to CPU, which need not make the kernel flush */
	result(stress_ng ? !waitpid(load, NULL, WNOHANG) : flushed > 100,
	       "%s goes on amid waits", what);
	result(counted("waits", 100, LONG_MAX) && counted("waits_done", waits / 2, LONG_MAX) &&
	       counted("wait_timeouts", 0, few(waits)), "no wait amid %s is given up", what);
	stop_load(load);
	for (int i = 0; i < cpus; i++)
		task_stop(&waiters[i]);
}

int main(void)
{
	long ms = setting("TLB_MS", 1000);
	bool stress_ng = have_stress_ng();

	harness_init();
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (cpus < 2)
		ksft_exit_skip("2 CPUs are needed\n");
	if (cpus > RIG_CPUS)
		cpus = RIG_CPUS;
	ksft_set_plan(7);

	rig = rig_load(false, 0);
	/* more than one task to a CPU here, and none of them gives way */
	rig->data->slice = 2 * MS * 1000;
	if (rig_start(rig))
		die("cannot enable the scheduler");
	test_load(false, ms);
	if (stress_ng) {
		test_load(true, ms);
	} else {
		for (int i = 0; i < 3; i++)
			ksft_test_result_skip("stress-ng is not there\n");
	}
	result(sched_ext_is("enabled") && !rig->data->uei.kind, "the scheduler outlives it");
	rig_stop(rig);
	rig__destroy(rig);
	ksft_finished();
}
