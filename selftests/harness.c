// SPDX-License-Identifier: GPL-2.0
#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "harness.h"

#define SPIN		"/sys/module/scx_spin/parameters/"
#define LOG_SIZE	(1 << 20)

static char log_mark[64];
static int link_fd = -1;

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
	ksft_print_header();
	setvbuf(stdout, NULL, _IOLBF, 0);
	core_init();
	if (!sched_ext_is("disabled"))
		die("a BPF scheduler is enabled already");
	snprintf(log_mark, sizeof(log_mark), "selftests: begin %d", getpid());
	file_write("/dev/kmsg", log_mark);
}

long setting(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? atol(text) : otherwise;
}

static unsigned long long random_state;

void draw_seed(unsigned long long seed)
{
	random_state = seed * 0x9e3779b97f4a7c15ULL | 1;
}

unsigned int draw(unsigned int below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % below;
}

long few(long waits)
{
	return setting("SHARED", 0) ? waits / 2 + 5 : waits / 50 + 2;
}

void kernel_log(const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	file_write("/dev/kmsg", text);
}

/* Kick a CPU, and see whether what it did before we went on is there. */
static void visit(struct rig *rig, int cpu, struct orders *orders)
{
	struct rig_cpu *seen = &rig->bss->cpus[cpu];
	unsigned long long passes = at(&seen->passes), stops = at(&seen->stops);

	if (at(&seen->passing))
		passes = RIG_AMID_PASS;
	kick(rig, cpu, orders->flags);

	orders->amid_spin += at(&rig->bss->spins) % 2;
	orders->unpassed += at(&seen->passes) == passes;
	for (int i = 0; i < RIG_TRAIL; i++) {
		if (at(&seen->trail[i]) <= stops) {
			orders->unseen++;
			break;
		}
	}
}

static void wait_in_turn(struct task_shared *shared, struct rig *rig)
{
	struct orders *orders = &shared->orders;

	for (unsigned long long n = 0; n < orders->rounds; n++) {
		for (int cpu = 0; cpu < RIG_CPUS; cpu++) {
			if (__atomic_load_n(&orders->stop, __ATOMIC_RELAXED))
				return;
			if (orders->cpus & (1ULL << cpu)) {
				visit(rig, cpu, orders);
				__atomic_add_fetch(&shared->count, 1, __ATOMIC_RELAXED);
			}
		}
	}
}

/* The count is odd meanwhile. */
static void spin(struct task_shared *shared, struct rig *rig)
{
	struct orders *orders = &shared->orders;
	char ms[16];

	snprintf(ms, sizeof(ms), "%llu", orders->rounds);
	__atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&rig->bss->spins, 1, __ATOMIC_SEQ_CST);
	if (!file_write(orders->flags ? SPIN "irqs_off_ms" : SPIN "preempt_off_ms", ms))
		die("cannot spin, is scx_spin.ko inserted?");
	__atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&rig->bss->spins, 1, __ATOMIC_SEQ_CST);
}

static void follow(struct orders *orders, void (*carry_out)(struct task_shared *, struct rig *),
		   struct task_shared *shared, struct rig *rig)
{
	for (;; usleep(MS)) {
		unsigned long long id = __atomic_load_n(&orders->id, __ATOMIC_ACQUIRE);

		if (id == orders->done)
			continue;
		carry_out(shared, rig);
		__atomic_store_n(&orders->done, id, __ATOMIC_RELEASE);
	}
}

static void task_body(enum task_kind kind, int fd, struct task_shared *shared, struct rig *rig)
{
	unsigned long long done = rig ? rig->bss->req.done : 0;
	char c;

	switch (kind) {
	case TASK_HOG:
		for (;;) {
			for (int n = 0; n < 100; n++)
				__atomic_add_fetch(&shared->count, 1, __ATOMIC_RELAXED);
			relax();
		}
	case TASK_SLEEPER:
		while (read(fd, &c, 1) == 1)
			shared->count++;
		break;
	case TASK_YIELDER:
		for (;;) {
			sched_yield();
			__atomic_add_fetch(&shared->count, 1, __ATOMIC_RELAXED);
		}
	case TASK_WAITER:
		follow(&shared->orders, wait_in_turn, shared, rig);
	case TASK_SPINNER:
		follow(&shared->orders, spin, shared, rig);
	case TASK_KICKER:
		for (;; usleep(2 * MS)) {
			struct rig_request *req = &rig->bss->req;

			if (done == at(&req->done))
				continue;
			/* the first thing after the kick's irq_work */
			shared->stops = at(&rig->bss->cpus[req->cpus[0]].stops);
			shared->behind = 0;
			for (unsigned int i = 0; i < req->kicked; i++)
				shared->behind +=
					at(&rig->bss->cpus[req->cpus[i]].passes) == req->passes[i];
			done = req->done;
			__atomic_store_n(&shared->done, done, __ATOMIC_RELEASE);
		}
	}
}

static int move(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(pid, sizeof(set), &set);
}

void keep_on(pid_t pid, int cpu)
{
	if (move(pid, cpu) && errno != ESRCH)
		ksft_exit_fail_perror("sched_setaffinity");
}

void allow_two(pid_t pid, int a, int b)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(a, &set);
	CPU_SET(b, &set);
	if (sched_setaffinity(pid, sizeof(set), &set))
		ksft_exit_fail_perror("sched_setaffinity");
}

int core_mate(int cpu)
{
	char path[96], text[32];
	int a, b;

	snprintf(path, sizeof(path),
		 "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
	if (!file_read(path, text, sizeof(text)) || sscanf(text, "%d%*[-,]%d", &a, &b) != 2)
		return -1;
	return cpu == a ? b : a;
}

void stay_on(int cpu)
{
	keep_on(0, cpu);
}

static const char *fail_nth(pid_t pid)
{
	static char path[64];

	if (!pid)
		return "/proc/thread-self/fail-nth";
	snprintf(path, sizeof(path), "/proc/%d/task/%d/fail-nth", pid, pid);
	return path;
}

void fault_order(pid_t pid, int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", nth);
	if (!file_write(fail_nth(pid), text))
		die("cannot write %s", fail_nth(pid));
}

bool fault_happened(pid_t pid)
{
	bool happened = file_is(fail_nth(pid), "0");

	file_write(fail_nth(pid), "0");
	return happened;
}

unsigned long long kernel_function(const char *name, unsigned long long behind)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	unsigned long long address, found = 0;
	char line[512], symbol[256];

	/* they are not in order */
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx %*c %255s", &address, symbol) == 2 && address > behind &&
		    (!name || !strcmp(symbol, name)) && (!found || address < found))
			found = address;
	if (f)
		fclose(f);
	return found;
}

bool faults_ready(void)
{
	static const char *const dirs[] = { "failslab", "fail_page_alloc" };
	static const struct { const char *name, *value; } settings[] = {
		{ "verbose", "0" }, { "ignore-gfp-wait", "N" }, { "ignore-gfp-highmem", "N" },
		{ "min-order", "0" },
	};
	unsigned long long start = kernel_function("__alloc_object", 0);
	unsigned long long end = start ? kernel_function(NULL, start) : 0;
	char path[128], text[32];

	for (int i = 0; i < (int)ARRAY_SIZE(dirs); i++) {
		for (int k = 0; k < (int)ARRAY_SIZE(settings); k++) {
			snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", dirs[i],
				 settings[k].name);
			file_write(path, settings[k].value);
		}
		/* what kmemleak takes itself is not what this is about */
		for (int k = 0; k < 2 && start; k++) {
			snprintf(path, sizeof(path), "/sys/kernel/debug/%s/reject-%s", dirs[i],
				 k ? "end" : "start");
			snprintf(text, sizeof(text), "%#llx", k ? end : start);
			file_write(path, text);
		}
	}
	return file_is("/sys/kernel/debug/failslab/ignore-gfp-wait", "N") &&
	       !access(fail_nth(0), W_OK);
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
		/* the scheduler stays as long as anyone has it open */
		if (link_fd >= 0)
			close(link_fd);
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

static bool sleeps(pid_t pid)
{
	char path[32], stat[256];
	const char *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	/* the state comes after the name, which is in parentheses */
	end = file_read(path, stat, sizeof(stat)) ? strrchr(stat, ')') : NULL;
	return end && end[1] && end[2] == 'S';
}

bool task_asleep(const struct task *task, long usecs)
{
	return await(sleeps(task->pid), usecs);
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

bool task_policy(const struct task *task, int policy)
{
	struct sched_param param = { .sched_priority = policy == SCHED_FIFO ? 50 : 0 };

	return !sched_setscheduler(task->pid, policy, &param);
}

bool task_move(const struct task *task, int cpu)
{
	return !move(task->pid, cpu);
}

void order_waits(struct task *task, unsigned long long cpus, unsigned long long flags,
		 unsigned long long rounds)
{
	struct orders *orders = &task->shared->orders;

	orders->cpus = cpus;
	orders->flags = flags;
	orders->rounds = rounds;
	orders->unseen = 0;
	orders->unpassed = 0;
	orders->amid_spin = 0;
	orders->stop = false;
	__atomic_store_n(&orders->id, orders->id + 1, __ATOMIC_RELEASE);
}

void order_spin(struct task *task, unsigned long ms, bool irqs_off)
{
	order_waits(task, 0, irqs_off, ms);
	await(spinning(task), 1000 * MS);
	/* it is about to, which takes long where an emulator has many CPUs and KASAN */
	usleep(20 * MS);
}

bool spinning(const struct task *task)
{
	return task_count(task) % 2;
}

bool carried_out(struct task *task, long usecs)
{
	struct orders *orders = &task->shared->orders;

	return await(__atomic_load_n(&orders->done, __ATOMIC_ACQUIRE) == orders->id, usecs);
}

bool halt_waits(struct task *task, long usecs)
{
	__atomic_store_n(&task->shared->orders.stop, true, __ATOMIC_RELAXED);
	return carried_out(task, usecs);
}

bool kick_from_op(struct rig *rig, struct task *kicker, unsigned long long flags, int nr,
		  const int *cpus)
{
	struct rig_request *req = &rig->bss->req;
	unsigned long long done = req->done;

	memcpy(req->cpus, cpus, nr * sizeof(*cpus));
	req->flags = flags;
	req->kicker = kicker->pid;
	__atomic_store_n(&req->nr, nr, __ATOMIC_RELEASE);
	return await(__atomic_load_n(&kicker->shared->done, __ATOMIC_ACQUIRE) == done + 1,
		     1000 * MS);
}

struct rig *rig_open(bool all, unsigned int timeout_ms)
{
	struct rig *rig = rig__open();

	if (!rig)
		ksft_exit_fail_perror("cannot open the test scheduler");
	rig->struct_ops.rig_ops->timeout_ms = timeout_ms;
	if (all)
		rig->struct_ops.rig_ops->flags &= ~SCX_OPS_SWITCH_PARTIAL;
	return rig;
}

int sched_start(struct sched *sched)
{
	memset(sched->uei, 0, sizeof(*sched->uei));
	sched->link = bpf_map__attach_struct_ops(sched->ops);
	if (!sched->link)
		return -errno;
	link_fd = bpf_link__fd(sched->link);
	return 0;
}

void sched_stop(struct sched *sched)
{
	bpf_link__destroy(sched->link);
	sched->link = NULL;
	link_fd = -1;
	await(sched_ext_is("disabled"), 20000 * MS);
}

bool sched_thrown_out(struct sched *sched, const char *why, long usecs)
{
	bool ok = await(at(&sched->uei->kind), usecs);

	/* what throws it out reports before the last steps are done */
	ok = await(sched_ext_is("disabled"), 2000 * MS) && ok;
	note("exit: %s (%s)", sched->uei->reason, sched->uei->msg);
	return ok && (strstr(sched->uei->msg, why) || strstr(sched->uei->reason, why));
}

bool sched_content(const struct sched *sched)
{
	if (sched_ext_is("enabled") && !at(&sched->uei->kind))
		return true;
	/* it may be on its way out, and not have been told why */
	await(at(&sched->uei->kind), 5000 * MS);
	note("exit: %s (%s)", sched->uei->reason, sched->uei->msg);
	return false;
}

void run_prog(const struct bpf_program *prog, void *args, size_t size)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = size);

	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts) || opts.retval)
		ksft_exit_fail_perror("cannot run a syscall program");
}

bool has_bpf_timers(void)
{
	struct utsname name;

	return !uname(&name) && !strstr(name.version, "PREEMPT_RT");
}

void rig_finish(struct rig *rig)
{
	if (rig->struct_ops.rig_ops->exit_dump_len) {
		UEI_SET_SIZE(rig, rig_ops, uei);
	} else {
		rig->rodata->uei_dump_len = 1;
		bpf_map__set_value_size(rig->maps.data_uei_dump, 1);
	}
	if (bpf_map__set_autoattach(rig->maps.rig_ops, false) ||
	    bpf_program__set_autoload(rig->progs.rig_start_timer, has_bpf_timers()) ||
	    rig__load(rig))
		ksft_exit_fail_perror("cannot load the test scheduler");
	if (rig__attach(rig))
		ksft_exit_fail_perror("cannot trace balance_scx()");
}

struct rig *rig_load(bool all, unsigned int timeout_ms)
{
	struct rig *rig = rig_open(all, timeout_ms);

	rig_finish(rig);
	return rig;
}

/* Two may be started at once. */
static struct sched rig_sched(struct rig *rig)
{
	struct sched sched = sched_of(rig, rig_ops);

	sched.link = rig->links.rig_ops;
	return sched;
}

int rig_start(struct rig *rig)
{
	struct sched sched = rig_sched(rig);
	struct rig_args args = {};
	int ret = sched_start(&sched);

	rig->links.rig_ops = sched.link;
	if (!ret && rig->bss->timer_ns && has_bpf_timers())
		run_prog(rig->progs.rig_start_timer, &args, sizeof(args));
	return ret;
}

void rig_stop(struct rig *rig)
{
	struct sched sched = rig_sched(rig);

	sched_stop(&sched);
	rig->links.rig_ops = NULL;
}

bool rig_thrown_out(struct rig *rig, const char *why, long usecs)
{
	struct sched sched = rig_sched(rig);

	return sched_thrown_out(&sched, why, usecs);
}

void kick(struct rig *rig, int cpu, unsigned long long flags)
{
	struct rig_args args = { .cpu = cpu, .flags = flags };

	run_prog(rig->progs.rig_kick, &args, sizeof(args));
}

void kick_traced(struct rig *rig, int cpu, unsigned long long flags)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	rig->bss->traced_cpu = cpu;
	rig->bss->traced_flags = flags;
	if (bpf_prog_test_run_opts(bpf_program__fd(rig->progs.rig_traced), &opts))
		ksft_exit_fail_perror("cannot run a tracing program");
}

void shoot(struct rig *rig, unsigned int times)
{
	struct rig_args args = { .times = times };

	run_prog(rig->progs.rig_shoot, &args, sizeof(args));
}

unsigned long long slice_of(struct rig *rig, pid_t pid)
{
	struct rig_args args = { .pid = pid };

	run_prog(rig->progs.rig_slice, &args, sizeof(args));
	return args.slice;
}
