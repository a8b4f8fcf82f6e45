// SPDX-License-Identifier: GPL-2.0
/*
 * A BPF scheduler locks CPUs up on a machine that panics for lock-ups: it is the
 * scheduler that goes. A patch to the kernel sees to it, whichever core is in
 * charge. On the stock kernel this ends in a panic.
 */
#include <linux/membarrier.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "harness.h"

#define CPU		2
#define OTHER		3
#define NS		1000000000ULL
#define THRESH		"/proc/sys/kernel/watchdog_thresh"
#define RCU_TIMEOUT	"/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout"

static void set(const char *path, const char *value)
{
	if (!file_write(path, value))
		die("cannot write %s to %s", value, path);
}

/* Somebody who waits for RCU all the time, so that a stall is one. */
static pid_t start_membarriers(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	stay_on(OTHER);
	for (;;)
		syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

/*
 * @what is what the detector calls it, or a part of that: where a CPU is stuck
 * with its rq locked, others get stuck as well, and find that a soft lock-up.
 */
static void test(const char *name, const char *what, bool in_timer, unsigned long long ns)
{
	struct rig *rig = rig_open(false, 0);
	struct task task, yielder;
	char line[64];
	int lines;

	snprintf(line, sizeof(line), "%s, seen on CPU ", what);
	lines = dmesg_count(line);

	rig_finish(rig);
	/* the timer stays where it was started, and in_timer is on that CPU */
	rig->bss->timer_ns = in_timer ? NS / 10 : 0;
	if (rig_start(rig))
		die("cannot enable the scheduler");

	task = task_start(TASK_SLEEPER, CPU, SCHED_EXT_POLICY, NULL);
	/* if that CPU idled, wakeups would go there, and who wakes wait for its lock: all others */
	yielder = task_start(in_timer ? TASK_SLEEPER : TASK_YIELDER, CPU, SCHED_EXT_POLICY, NULL);
	usleep(50 * MS);
	rig->bss->spin_cpu = CPU;
	if (in_timer)
		rig->bss->timer_spin_ns = ns;
	else
		rig->bss->spin_ns = ns;
	task_wake(&task);
	await(at(&rig->bss->spun), 20000 * MS);
	/* the module may have been the first to notice */
	result(rig_thrown_out(rig, "on CPU ", 10000 * MS) ||
	       (module_in_charge() && strstr(rig->data->uei.msg, "CPU 2 is stuck")),
	       "%s: the scheduler is thrown out", name);
	/* the kernel log tells who asked for that, even where it was on its way already */
	result(dmesg_count(line) > lines, "%s: the machine lives", name);
	result(await(task_count(&task) == 1, 1000 * MS), "%s: its tasks run on", name);
	task_stop(&yielder);
	task_stop(&task);
	rig_stop(rig);
	rig__destroy(rig);
}

int main(void)
{
	struct task hog;
	pid_t pid;

	harness_init();
	ksft_set_plan(9);
	set("/proc/sys/kernel/hardlockup_panic", "1");
	set("/proc/sys/kernel/softlockup_panic", "1");
	set("/proc/sys/kernel/panic_on_rcu_stall", "1");
	stay_on(0);

	/* In ops.dispatch() IRQs are off. */
	set(THRESH, "1");
	test("IRQs off", "lock-up", false, 5 * NS);
	/* In a timer they are on. */
	if (!preempt_rt())
		test("preemption off", "soft lock-up", true, 5 * NS);
	else
		for (int i = 0; i < 3; i++)
			ksft_test_result_skip("preemption off: there is no BPF timer\n");
	set(THRESH, "30");
	set(RCU_TIMEOUT, "3");
	pid = start_membarriers();
	/* whose ticks look for stalls */
	hog = task_start(TASK_HOG, OTHER, SCHED_OTHER, NULL);
	/* CONFIG_PROVE_RCU adds 5 s */
	test("a CPU that RCU waits for", "RCU stall", false, 11 * NS);
	task_stop(&hog);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	set(RCU_TIMEOUT, "21");
	set(THRESH, "10");
	ksft_finished();
}
