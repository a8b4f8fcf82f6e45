// SPDX-License-Identifier: GPL-2.0
/* Tasks of a test, and what they are told to do. */
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "harness.h"

#define SPIN		"/sys/module/scx_spin/parameters/"

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

static const char *online(int cpu)
{
	static char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	return path;
}

bool cpu_plug(int cpu, bool in)
{
	return file_write(online(cpu), in ? "1" : "0");
}

bool cpu_online(int cpu)
{
	return file_is(online(cpu), "1");
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

static int priority(int policy)
{
	return policy == SCHED_FIFO ? 50 : policy == SCHED_RR ? 1 : 0;
}

struct task task_start(enum task_kind kind, int cpu, int policy, struct rig *rig)
{
	struct sched_param param = { .sched_priority = priority(policy) };
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
		if (sched_link_fd >= 0)
			close(sched_link_fd);
		stay_on(cpu);
		if (sched_setscheduler(0, policy, &param))
			_exit(1);
		task_body(kind, fds[0], task.shared, rig);
		_exit(0);
	}
	close(fds[0]);
	task.wake_fd = fds[1];
	if (kind == TASK_SLEEPER)
		task_asleep(&task, 5000 * MS);
	return task;
}

struct task hog_start(int cpu, int policy)
{
	struct task hog;

	/* there timers and RCU have threads of priority 1, which are to take turns with it */
	if (policy == SCHED_FIFO && preempt_rt())
		policy = SCHED_RR;
	hog = task_start(TASK_HOG, cpu, policy, NULL);
	if (!await(task_count(&hog), 5000 * MS))
		die("the hog on CPU %d does not run", cpu);
	return hog;
}

void task_wake(struct task *task)
{
	if (write(task->wake_fd, "", 1) != 1)
		ksft_exit_fail_perror("cannot wake a task");
}

void task_stop(struct task *task)
{
	struct sched_param param = { .sched_priority = sched_get_priority_max(SCHED_FIFO) };

	/* so that it can exit whatever the scheduler does, and whoever else has the CPU */
	sched_setscheduler(task->pid, SCHED_FIFO, &param);
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
	struct sched_param param = { .sched_priority = priority(policy) };

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
