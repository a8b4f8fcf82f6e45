// SPDX-License-Identifier: GPL-2.0
/*
 * A CPU is to go offline that a SCHED_FIFO task has for itself. cpuhp/N of that CPU, which this
 * takes, is a task of sched_ext: it gets there when the watchdog has thrown the scheduler out,
 * and the kernel serves it as one of fair. 6.12 does not come to that, as it waits for the CPU to
 * be gone before it puts tasks back. A patch of ours repairs it for either core, so that it
 * takes a stock kernel to see it.
 */
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "harness.h"

#define TIMEOUT_MS	2000
#define LONG_MS		60000	/* fair is served one part in twenty */
#define CPU		3

static pid_t start_unplugging(void)
{
	pid_t pid = fork();

	if (pid < 0)
		ksft_exit_fail_perror("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(sched_link_fd);
		_exit(!cpu_plug(CPU, false));
	}
	return pid;
}

static bool ended(pid_t pid, long usecs)
{
	int status = 0;

	return await(waitpid(pid, &status, WNOHANG) == pid, usecs) && !status;
}

int main(void)
{
	/* whoever had this CPU comes to another one, and its children are not of that class */
	struct sched_param above = { .sched_priority = sched_get_priority_max(SCHED_FIFO) };
	bool stock = access("/sys/kernel/sched_ext/core", F_OK);
	struct task hog;
	struct rig *rig;
	pid_t unplugger;

	harness_init();
	ksft_set_plan(2);
	if (sysconf(_SC_NPROCESSORS_ONLN) <= CPU)
		die("%d CPUs are needed", CPU + 1);
	stay_on(0);
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &above))
		ksft_exit_fail_perror("sched_setscheduler");
	rig = rig_load(true, TIMEOUT_MS);
	if (rig_start(rig))
		die("cannot enable the scheduler");
	counters_mark();
	hog = hog_start(CPU, SCHED_FIFO);

	unplugger = start_unplugging();
	if (stock) {
		result(!await(sched_ext_is("disabled"), 8 * TIMEOUT_MS * MS) &&
		       sched_ext_is("disabling") && !ended(unplugger, 0),
		       "the stock kernel hangs until the SCHED_FIFO task ends");
		task_stop(&hog);
		result(ended(unplugger, LONG_MS * MS) && !cpu_online(CPU), "then the CPU goes");
		rig_thrown_out(rig, "", LONG_MS * MS);
	} else {
		result(rig_thrown_out(rig, "failed to ", LONG_MS * MS) &&
		       (!module_in_charge() || moved("stalls") + moved("tick_stalls")),
		       "the scheduler goes though a CPU that goes waits for it");
		result(ended(unplugger, LONG_MS * MS) && !cpu_online(CPU),
		       "the CPU goes though a SCHED_FIFO task has it");
		task_stop(&hog);
	}
	rig_stop(rig);
	rig__destroy(rig);
	if (!cpu_plug(CPU, true))
		die("the CPU does not come back");
	ksft_finished();
}
