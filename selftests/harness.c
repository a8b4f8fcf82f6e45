// SPDX-License-Identifier: GPL-2.0
#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "harness.h"

#define COUNTERS	"/sys/kernel/debug/rust_scx/counters"
#define CORE		"/sys/kernel/sched_ext/core"
#define LOG_SIZE	(1 << 20)
#define MAX_COUNTERS	64

static struct { char name[32]; long value; } marks[MAX_COUNTERS];
static char log_mark[64];
static bool module;

bool file_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, buf, size - 1);
	close(fd);
	if (len < 0)
		return false;
	buf[len] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return true;
}

bool file_is(const char *path, const char *text)
{
	char buf[256];

	return file_read(path, buf, sizeof(buf)) && !strcmp(buf, text);
}

bool file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

bool sched_ext_is(const char *state)
{
	return file_is("/sys/kernel/sched_ext/state", state);
}

int dmesg_count(const char *text)
{
	static char log[LOG_SIZE];
	int len = klogctl(3 /* SYSLOG_ACTION_READ_ALL */, log, sizeof(log) - 1);
	char *at;
	int n = 0;

	if (len < 0)
		return -1;
	log[len] = '\0';
	at = strstr(log, log_mark);
	for (at = at ?: log; (at = strstr(at, text)); at++)
		n++;
	return n;
}

void harness_init(void)
{
	const char *want = getenv("RUST_SCX_CORE");
	char core[64];

	ksft_print_header();
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!file_read(CORE, core, sizeof(core))) {
		if (access("/sys/kernel/sched_ext", F_OK))
			ksft_exit_skip("the kernel has no sched_ext\n");
		snprintf(core, sizeof(core), "builtin");
	}
	if (strcmp(core, want ?: "rust_scx")) {
		if (!want)
			ksft_exit_skip("not the module but %s is in charge\n", core);
		die("the core in charge is %s, expected %s", core, want);
	}
	module = !strcmp(core, "rust_scx");
	if (!sched_ext_is("disabled"))
		die("a BPF scheduler is enabled already");
	snprintf(log_mark, sizeof(log_mark), "selftests: begin %d", getpid());
	file_write("/dev/kmsg", log_mark);
}

bool module_in_charge(void)
{
	return module;
}

static int counters_read(int max, typeof(marks[0]) *out)
{
	FILE *f = fopen(COUNTERS, "r");
	int n = 0;

	if (!f)
		die("cannot read %s, is debugfs mounted?", COUNTERS);
	while (n < max && fscanf(f, "%31s %ld", out[n].name, &out[n].value) == 2)
		n++;
	fclose(f);
	return n;
}

static long counter_in(const typeof(marks[0]) *list, int n, const char *name)
{
	while (n--)
		if (!strcmp(list[n].name, name))
			return list[n].value;
	die("the module has no counter %s", name);
}

long counter(const char *name)
{
	typeof(marks[0]) now[MAX_COUNTERS];

	if (!module)
		return 0;
	return counter_in(now, counters_read(MAX_COUNTERS, now), name);
}

void counters_mark(void)
{
	if (module)
		counters_read(MAX_COUNTERS, marks);
}

bool counted(const char *name, long min, long max)
{
	long moved;

	if (!module)
		return true;
	moved = counter(name) - counter_in(marks, MAX_COUNTERS, name);
	if (moved >= min && moved <= max)
		return true;
	note("counter %s moved by %ld, expected %ld to %ld", name, moved, min, max);
	return false;
}

static void task_body(enum task_kind kind, int fd, struct task_shared *shared, struct rig *rig)
{
	unsigned long long done = rig ? rig->bss->req.done : 0;
	char c;

	switch (kind) {
	case TASK_HOG:
		for (;;)
			__atomic_add_fetch(&shared->count, 1, __ATOMIC_RELAXED);
	case TASK_SLEEPER:
		while (read(fd, &c, 1) == 1)
			shared->count++;
		break;
	case TASK_KICKER:
		for (;; usleep(2 * MS)) {
			struct rig_request *req = &rig->bss->req;

			if (done == *(volatile unsigned long long *)&req->done)
				continue;
			/* the first thing after the kick's irq_work */
			shared->stops = *(volatile unsigned long long *)
					&rig->bss->cpus[req->cpus[0]].stops;
			done = req->done;
			__atomic_store_n(&shared->done, done, __ATOMIC_RELEASE);
		}
	}
}

void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		ksft_exit_fail_perror("sched_setaffinity");
}

pid_t kthread_pid(const char *name)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[300];
	pid_t pid = 0;

	while (!pid && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (file_is(path, name))
			pid = atoi(entry->d_name);
	}
	closedir(proc);
	return pid;
}

struct task task_start(enum task_kind kind, int cpu, int policy, struct rig *rig)
{
	struct sched_param param = { .sched_priority = policy == SCHED_FIFO ? 50 : 0 };
	struct task task;
	int fds[2];

	task.shared = mmap(NULL, sizeof(*task.shared), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (task.shared == MAP_FAILED || pipe(fds))
		ksft_exit_fail_perror("cannot prepare a task");

	task.pid = fork();
	if (task.pid < 0)
		ksft_exit_fail_perror("fork");
	if (!task.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[1]);
		stay_on(cpu);
		if (sched_setscheduler(0, policy, &param))
			_exit(1);
		task_body(kind, fds[0], task.shared, rig);
		_exit(0);
	}
	close(fds[0]);
	task.wake_fd = fds[1];
	return task;
}

void task_wake(struct task *task)
{
	if (write(task->wake_fd, "", 1) != 1)
		ksft_exit_fail_perror("cannot wake a task");
}

void task_stop(struct task *task)
{
	struct sched_param param = {};

	/* in the fair class it can exit whatever the scheduler does */
	sched_setscheduler(task->pid, SCHED_OTHER, &param);
	kill(task->pid, SIGKILL);
	waitpid(task->pid, NULL, 0);
	close(task->wake_fd);
	munmap(task->shared, sizeof(*task->shared));
}

unsigned long long task_count(const struct task *task)
{
	return __atomic_load_n(&task->shared->count, __ATOMIC_RELAXED);
}

struct rig *rig_load(bool all, unsigned int timeout_ms)
{
	struct rig *rig = rig__open();

	if (!rig)
		ksft_exit_fail_perror("cannot open the test scheduler");
	rig->struct_ops.rig_ops->timeout_ms = timeout_ms;
	if (all)
		rig->struct_ops.rig_ops->flags &= ~SCX_OPS_SWITCH_PARTIAL;
	rig->rodata->uei_dump_len = 1;
	if (bpf_map__set_value_size(rig->maps.data_uei_dump, 1) ||
	    bpf_map__set_autoattach(rig->maps.rig_ops, false) ||
	    rig__load(rig))
		ksft_exit_fail_perror("cannot load the test scheduler");
	if (rig__attach(rig))
		ksft_exit_fail_perror("cannot trace balance_scx()");
	return rig;
}

int rig_start(struct rig *rig)
{
	memset(&rig->data->uei, 0, sizeof(rig->data->uei));
	rig->links.rig_ops = bpf_map__attach_struct_ops(rig->maps.rig_ops);
	return rig->links.rig_ops ? 0 : -errno;
}

void rig_stop(struct rig *rig)
{
	bpf_link__destroy(rig->links.rig_ops);
	rig->links.rig_ops = NULL;
	await(sched_ext_is("disabled"), 2000 * MS);
}

bool rig_thrown_out(struct rig *rig, const char *why, long usecs)
{
	bool ok = await(*(volatile int *)&rig->data->uei.kind, usecs);

	/* what throws it out reports before the last steps are done */
	ok = await(sched_ext_is("disabled"), 2000 * MS) && ok;
	note("exit: %s (%s)", rig->data->uei.reason, rig->data->uei.msg);
	return ok && (strstr(rig->data->uei.msg, why) || strstr(rig->data->uei.reason, why));
}

static void run(struct bpf_program *prog, struct rig_args *args)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(*args));

	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts) || opts.retval)
		ksft_exit_fail_perror("cannot run a syscall program");
}

void kick(struct rig *rig, int cpu, unsigned long long flags)
{
	struct rig_args args = { .cpu = cpu, .flags = flags };

	run(rig->progs.rig_kick, &args);
}

unsigned long long slice_of(struct rig *rig, pid_t pid)
{
	struct rig_args args = { .pid = pid };

	run(rig->progs.rig_slice, &args);
	return args.slice;
}
