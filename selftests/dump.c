// SPDX-License-Identifier: GPL-2.0
/*
 * A dump, asked for by sysrq-D or made when a scheduler is thrown out, shows
 * which kicks are pending on a CPU and what it waits for. A task that spins in
 * the kernel makes them last.
 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>

#include "harness.h"

#define SELF		1
#define TARGET		2
#define OTHER		3
#define SPIN_MS		100
#define DUMPS		10
#define TRIES		20
#define TRACING		"/sys/kernel/tracing/"
#define EVENT		TRACING "events/sched_ext/sched_ext_dump/enable"

static struct rig *rig;
static struct task waiter, spinner;

static char *trace(void)
{
	static char text[1 << 18];
	int fd = open(TRACING "trace", O_RDONLY);
	ssize_t len, all = 0;

	while (fd >= 0 && (len = read(fd, text + all, sizeof(text) - 1 - all)) > 0)
		all += len;
	if (fd >= 0)
		close(fd);
	text[all] = '\0';
	return text;
}

static void clear_trace(void)
{
	int fd = open(TRACING "trace", O_WRONLY | O_TRUNC);

	if (fd >= 0)
		close(fd);
}

/*
 * Ask for dumps as long as the target spins. Nobody must wait for RCU meanwhile,
 * which who reads or clears the trace does.
 */
static void dump_while_spinning(void)
{
	for (int i = 0; i < DUMPS && spinning(&spinner); i++) {
		if (!file_write("/proc/sysrq-trigger", "D"))
			die("no sysrq");
		usleep(3 * MS);
	}
}

static bool shown(const char *line)
{
	if (strstr(trace(), line))
		return true;
	note("not in the dump: %s", line);
	return false;
}

static void test_waits(void)
{
	char line[64];
	bool ok;

	snprintf(line, sizeof(line), "  waits for CPU %d: sequence ", TARGET);
	clear_trace();
	counters_mark();
	order_spin(&spinner, SPIN_MS, false);
	order_waits(&waiter, 1ULL << TARGET, KICK_WAIT, ~0ULL);
	usleep(2 * MS);
	dump_while_spinning();
	ok = halt_waits(&waiter, 10000 * MS) && carried_out(&spinner, 10000 * MS);
	result(ok && shown(line) && shown("  core: kick=0 idle=0 preempt=0 wait=0 waits=1") &&
	       counted("waits", 1, LONG_MAX), "sysrq-D shows what a CPU waits for");
}

static void test_kicks(void)
{
	rig->bss->traced_cpu = OTHER;
	rig->bss->traced_flags = KICK_PREEMPT | KICK_WAIT;
	clear_trace();
	counters_mark();
	order_spin(&spinner, SPIN_MS, true);
	dump_while_spinning();
	result(carried_out(&spinner, 10000 * MS) &&
	       shown("  core: kick=1 idle=0 preempt=1 wait=1 waits=0"),
	       "sysrq-D shows whom a CPU has yet to kick and wait for");
	result(shown("  core: asked to reschedule preempt"),
	       "and what a CPU has been asked for");
	result(counted("kick_irq_work", 1, LONG_MAX) && counted("kick_resched", 1, LONG_MAX),
	       "and it is kicked in the end");
}

static void test_nothing(void)
{
	clear_trace();
	file_write("/proc/sysrq-trigger", "D");
	result(strstr(trace(), "CPU states") && !strstr(trace(), "core: ") &&
	       !strstr(trace(), "waits for CPU"), "sysrq-D shows nothing where nothing is pending");
}

static void test_error(void)
{
	bool ok = false;

	/* the waiter may be between two waits */
	for (int i = 0; !ok && i < TRIES; i++) {
		order_spin(&spinner, SPIN_MS, false);
		order_waits(&waiter, 1ULL << TARGET, KICK_WAIT, ~0ULL);
		usleep(2 * MS);
		kick(rig, 9999, 0);
		rig_thrown_out(rig, "invalid CPU 9999", 10000 * MS);
		ok = strstr(rig->data_uei_dump->uei_dump, "waits for CPU 2: sequence ");
		halt_waits(&waiter, 10000 * MS);
		carried_out(&spinner, 10000 * MS);
		rig_stop(rig);
		if (!ok && rig_start(rig))
			die("cannot enable the scheduler again");
	}
	result(ok, "the dump of an error exit shows it too");
	rig_stop(rig);
}

int main(void)
{
	harness_init();
	if (!module_in_charge())
		ksft_exit_skip("it is the module that shows it\n");
	ksft_set_plan(6);
	if (sysconf(_SC_NPROCESSORS_ONLN) <= OTHER)
		die("4 CPUs are needed");
	if (access(EVENT, F_OK))
		mount("none", TRACING, "tracefs", 0, NULL);
	if (!file_write(EVENT, "1"))
		die("no trace event for dumps");
	if (test_module_insert("scx_spin"))
		die("cannot insert scx_spin.ko");
	stay_on(0);

	rig = rig_open(false, 0);
	rig->struct_ops.rig_ops->exit_dump_len = 1 << 16;
	bpf_program__set_autoload(rig->progs.rig_spinning, true);
	rig_finish(rig);
	if (rig_start(rig))
		die("cannot enable the scheduler");
	waiter = task_start(TASK_WAITER, SELF, SCHED_EXT_POLICY, rig);
	spinner = task_start(TASK_SPINNER, TARGET, SCHED_EXT_POLICY, rig);
	test_waits();
	test_kicks();
	test_nothing();
	test_error();
	task_stop(&spinner);
	task_stop(&waiter);
	rig__destroy(rig);
	file_write(EVENT, "0");
	test_module_remove("scx_spin");
	ksft_finished();
}
