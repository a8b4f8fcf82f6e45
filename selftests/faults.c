// SPDX-License-Identifier: GPL-2.0
/*
 * What the module asks the kernel for is refused once, one thing after the other,
 * until nothing is left to be refused. After each time all is as before, and in
 * the end nothing has leaked, where the kernel has kmemleak.
 *
 * What is refused is memory: slabs, and pages where the kernel can refuse those,
 * too. By way of that, most of what registers the module fails: its files in
 * sysfs and debugfs, its tracepoints and their events, what ftrace and BTF have of
 * it. What remains, and how that fails:
 *
 * - scx_core_register() takes no memory. It refuses while a scheduler is enabled,
 *   which is here, or another core is in charge, or the kernel is another than the
 *   module was built for: module.sh.
 * - The module's per-CPU data is from what was reserved at boot.
 * - There is nothing else: notifiers, hotplug states, irq_works and work items are
 *   the kernel's own.
 *
 * A report of the watchdog, a dump, kicks and waits take no memory at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "harness.h"

#define MOST		20000	/* more than anything here asks for */
#define FILES		"/sys/kernel/debug/rust_scx/"
#define KMEMLEAK	"/sys/kernel/debug/kmemleak"
#define MOST_SHOWN	5	/* of what was lost */

/* Says so where it is not so, and not each time anew. */
static bool holds(bool ok, int nth, const char *what)
{
	static const char *last;

	if (!ok && last != what) {
		note("not so after number %d: %s", nth, what);
		last = what;
	}
	return ok;
}

static bool gone(int nth)
{
	return holds(file_is("/sys/kernel/sched_ext/core", "builtin"), nth, "C is in charge") &&
	       holds(access("/sys/module/rust_scx", F_OK), nth, "no module") &&
	       holds(access(FILES, F_OK), nth, "nothing in debugfs") &&
	       holds(access("/sys/kernel/tracing/events/rust_scx", F_OK), nth, "no events");
}

/* A scheduler is enabled, runs a task, and goes. */
static bool scheduler_runs(void)
{
	struct rig *rig = rig_load(false, 0);
	struct task task;
	bool ok;

	ok = !rig_start(rig) && sched_ext_is("enabled");
	task = task_start(TASK_YIELDER, 0, SCHED_EXT_POLICY, rig);
	ok &= await(task_count(&task) > 100, 10000 * MS);
	task_stop(&task);
	rig_stop(rig);
	rig__destroy(rig);
	return ok && sched_ext_is("disabled");
}

static void test_insert(void)
{
	int nth, refused = 0, ret = 0;
	bool as_before = true, removed = true, memory = true;

	for (nth = 1; nth < MOST; nth++) {
		fault_order(0, nth);
		ret = module_insert();
		if (!fault_happened(0))
			break;
		if (ret)
			refused++;
		else
			removed &= holds(!module_remove(), nth, "rmmod");
		memory &= holds(!ret || ret == -ENOMEM, nth, "ENOMEM");
		as_before &= gone(nth);
		if (nth % 100 == 0)
			note("insmod was refused memory %d times so far", nth);
	}
	note("insmod takes memory %d times, and fails without %d of these", nth - 1, refused);
	result(refused && memory, "insmod fails with ENOMEM, or does without");
	result(removed, "what was inserted in spite of it can be removed");
	result(as_before, "nothing is left of a module that came to nothing");
	result(nth < MOST && !ret, "the next insmod works");
	result(scheduler_runs(), "a scheduler runs on it");
}

static void test_remove(void)
{
	int nth, ret = 0;
	bool removed = true, as_before = true;

	for (nth = 1; nth < MOST; nth++) {
		bool hit;

		fault_order(0, nth);
		ret = module_remove();
		hit = fault_happened(0);
		removed &= holds(!ret, nth, "rmmod");
		as_before &= gone(nth);
		if (module_insert())
			die("cannot insert the module anymore");
		if (!hit)
			break;
	}
	note("rmmod takes memory %d times", nth - 1);
	result(nth < MOST && removed, "rmmod needs no memory");
	result(as_before, "nothing is left of it");
}

/* 0, or what went wrong. */
static int read_all(const char *path)
{
	static char text[1 << 16];
	int fd, ret = 0;
	ssize_t len;

	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	while ((len = read(fd, text, sizeof(text))) > 0)
		;
	if (len < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static void test_files(void)
{
	static const char *const names[] = { "counters", "percpu", "last_report" };
	bool memory = true, works = true, failed = true;

	for (int i = 0; i < (int)ARRAY_SIZE(names); i++) {
		char path[64];
		int nth, ret = 0, refused = 0;

		snprintf(path, sizeof(path), FILES "%s", names[i]);
		for (nth = 1; nth < MOST; nth++) {
			fault_order(0, nth);
			ret = read_all(path);
			if (!fault_happened(0))
				break;
			refused += !!ret;
			memory &= holds(!ret || ret == -ENOMEM, nth, path);
			works &= holds(!read_all(path), nth, path);
		}
		failed &= refused && nth < MOST;
		works &= !ret;
		note("to read %s takes memory %d times, and fails without %d of these", names[i],
		     nth - 1, refused);
	}
	result(failed && memory, "reading a file of it fails with ENOMEM");
	result(works, "the next time it can be read");
}

static void test_enable(void)
{
	int cpus = sysconf(_SC_NPROCESSORS_CONF);
	pid_t helper = kthread_pid("scx_ops_enable_helper");
	bool disabled = true, freed = true;
	struct rig *rig = rig_load(false, 0);
	int nth, ret = 0, refused = 0;

	for (nth = 1; nth < MOST; nth++) {
		fault_order(helper, nth);
		ret = rig_start(rig);
		if (!fault_happened(helper))
			break;
		refused += !!ret;
		if (!ret)
			rig_stop(rig);
		disabled &= holds(await(sched_ext_is("disabled"), 1000 * MS), nth, "disabled");
		freed &= holds(await(!counter("pick_seq_arrays"), 500 * MS), nth, "no array");
	}
	note("enabling takes memory %d times, and fails without %d of these", nth - 1, refused);
	result(refused >= cpus && disabled, "no scheduler is enabled without what it takes");
	result(freed, "what was there of it is freed");
	result(!ret && counter("pick_seq_arrays") == cpus, "the next scheduler is enabled");
	rig_stop(rig);

	helper = kthread_pid("sched_ext_ops_helper");
	disabled = true;
	freed = true;
	for (nth = 1; nth < MOST; nth++) {
		bool hit;

		if (rig_start(rig))
			die("a scheduler cannot be enabled anymore");
		fault_order(helper, nth);
		rig_stop(rig);
		hit = fault_happened(helper);
		disabled &= holds(await(sched_ext_is("disabled"), 1000 * MS), nth, "disabled");
		freed &= holds(await(!counter("pick_seq_arrays"), 500 * MS), nth, "no array");
		if (!hit)
			break;
	}
	note("disabling takes memory %d times", nth - 1);
	result(nth < MOST && disabled && freed, "disabling needs no memory");
	rig__destroy(rig);
}

/* What fails with memory enough. */
static void test_register(void)
{
	struct rig *rig = rig_load(false, 0);
	bool refused;

	if (rig_start(rig))
		die("the built-in core cannot enable a scheduler");
	refused = module_insert() == -EBUSY;
	result(gone(0) && refused, "nothing is left of a module that was refused for a scheduler");
	rig_stop(rig);
	rig__destroy(rig);
}

/*
 * An object is ours if we have to do with where it was allocated: our functions,
 * or, as the module they were in has gone, one of no known name.
 */
static bool ours(const char *trace)
{
	return strstr(trace, "rust_scx") || strstr(trace, "scx_") || strstr(trace, "] 0x");
}

/* What kmemleak says was lost. */
static int leaks(void)
{
	static char line[256], object[8192];
	int mine = 0, others = 0;
	FILE *f;

	/* what RCU has yet to free, and what is too young to be told */
	sleep(6);
	file_write(KMEMLEAK, "scan");
	sleep(6);
	file_write(KMEMLEAK, "scan");

	f = fopen(KMEMLEAK, "r");
	if (!f)
		die("cannot read " KMEMLEAK);
	for (bool more = true; more;) {
		more = fgets(line, sizeof(line), f);
		if ((!more || !strncmp(line, "unreferenced", 12)) && *object) {
			if (ours(object) && mine < MOST_SHOWN)
				printf("%s", object);
			mine += ours(object);
			others += !ours(object);
			*object = '\0';
		}
		if (more && strlen(object) + strlen(line) + 3 < sizeof(object))
			strcat(strcat(object, "# "), line);
	}
	fclose(f);
	if (mine)
		note("%d objects of ours were lost", mine);
	if (others)
		note("%d objects of others were lost, too", others);
	return mine;
}

int main(void)
{
	bool kmemleak = !access(KMEMLEAK, F_OK);

	harness_init();
	ksft_set_plan(15);
	if (!faults_ready())
		ksft_exit_skip("the kernel injects no faults, see selftests/config\n");
	/* the threads that it takes are there from the first one on */
	if (!scheduler_runs() || module_remove())
		die("the module, or what runs on it, is not as it should be");
	if (kmemleak)
		file_write(KMEMLEAK, "clear");

	test_register();
	test_insert();
	test_files();
	test_enable();
	test_remove();

	if (!kmemleak)
		ksft_test_result_skip("nothing is lost: the kernel has no kmemleak\n");
	else
		result(!leaks(), "nothing is lost");
	ksft_finished();
}
