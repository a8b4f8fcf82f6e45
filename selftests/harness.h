/* SPDX-License-Identifier: GPL-2.0 */
/* What the C tests share: the core in charge, counters, tasks, the scheduler. */
#ifndef HARNESS_H
#define HARNESS_H

#include <scx/common.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "kselftest.h"
#include "rig.h"
#include "rig.skel.h"

#define MS 1000			/* in microseconds */

enum task_kind {
	TASK_HOG,		/* spins, counting */
	TASK_SLEEPER,		/* counts up when woken by task_wake() */
	TASK_YIELDER,		/* gives way all the time, counting */
	TASK_KICKER,		/* wakes up all the time, see kick_from_op() */
	TASK_WAITER,		/* kicks CPUs in turn, see order_waits() */
	TASK_SPINNER,		/* spins in the kernel, see order_spin() */
};

struct task {
	pid_t pid;
	int wake_fd;
	struct task_shared *shared;
};

/* What a task is to do, and what came of it. */
struct orders {
	unsigned long long cpus;
	unsigned long long flags;
	unsigned long long rounds;
	unsigned long long id;		/* written last, new orders are other ones */
	unsigned long long unseen;	/* rounds without a trace of a stopped task */
	unsigned long long unpassed;	/* rounds without a pass of the target's */
	unsigned long long amid_spin;	/* rounds that ended while a TASK_SPINNER spun */
	unsigned long long done;	/* @id of what was carried out */
	bool stop;
};

struct task_shared {
	unsigned long long count;	/* work done */
	unsigned long long stops;	/* TASK_KICKER: as seen after a request */
	unsigned long long behind;	/* TASK_KICKER: targets without a pass */
	unsigned long long done;	/* TASK_KICKER: the request of both */
	struct orders orders;		/* TASK_WAITER, TASK_SPINNER */
};

/* Print the header, and skip or fail if the core in charge is not ours. */
void harness_init(void);
/* The last of that alone, in module.c. */
void core_init(void);

/* True if the module is in charge, so that there are counters. */
bool module_in_charge(void);
/* True without our patches. */
bool stock_kernel(void);
/* Insert and remove rust-scx.ko, which is beside this directory; 0 or -errno. */
int module_insert(void);
int module_remove(void);
/* The same for one of test_modules/. */
int test_module_insert(const char *name);
int test_module_remove(const char *name);

/* A number from the environment, to make a test longer or shorter. */
long setting(const char *name, long otherwise);

/* What chance says, the same again for the same seed: a number below @below. */
void draw_seed(unsigned long long seed);
unsigned int draw(unsigned int below);
/*
 * How many of @waits may go wrong by chance. More with SHARED=1: where the
 * host's CPUs are shared, one of the guest may stand still for longer than a
 * wait takes at most.
 */
long few(long waits);

#define result(ok, fmt, ...)	ksft_test_result(ok, fmt "\n", ##__VA_ARGS__)
#define note(fmt, ...)		ksft_print_msg(fmt "\n", ##__VA_ARGS__)
#define die(fmt, ...)		ksft_exit_fail_msg(fmt "\n", ##__VA_ARGS__)

/*
 * To be called where one spins: it has the next CPU emulated, where that is done
 * by one thread.
 */
static inline void relax(void)
{
	__builtin_ia32_pause();
}

/* By the monotonic clock. */
static inline unsigned long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* What shares memory with us may change it at any time. */
#define at(pointer) __atomic_load_n(pointer, __ATOMIC_RELAXED)

/* Poll @cond for a while; false if it never came true. */
#define await(cond, usecs) ({						\
	long __left = (usecs);						\
	bool __ok;							\
	while (!(__ok = (cond)) && __left > 0) {			\
		usleep(MS);						\
		__left -= MS;						\
	}								\
	__ok;								\
})

long counter(const char *name);
/* True if there is one of that name. */
bool counts(const char *name);
void counters_mark(void);
/*
 * How far a counter came since counters_mark(): true if in min..max. Without
 * the module there is nothing to see, and it is true.
 */
bool counted(const char *name, long min, long max);
/* How far it came. */
long moved(const char *name);

bool file_read(const char *path, char *buf, size_t size);
bool file_is(const char *path, const char *text);
bool file_write(const char *path, const char *text);
bool sched_ext_is(const char *state);
/* The kernel log from the beginning of this program on, until the next call. */
const char *dmesg(void);
/* How often @text is in it. */
int dmesg_count(const char *text);
/* A line in the kernel log, so that the console tells how far a test came. */
void kernel_log(const char *fmt, ...);

/*
 * Have the kernel refuse memory: for the @nth time from now on that a task asks
 * for it. @pid is that task, 0 for the calling one. Says afterwards whether it
 * happened, and has it not happen anymore.
 */
void fault_order(pid_t pid, int nth);
bool fault_happened(pid_t pid);
/* To be called first: false if the kernel refuses nothing. */
bool faults_ready(void);

/*
 * Where the kernel has a function of that name, or any if that is NULL: the first
 * one behind an address. 0 if there is none.
 */
unsigned long long kernel_function(const char *name, unsigned long long behind);

/* Keep this process on one CPU. */
void stay_on(int cpu);
/* Have a CPU come online, or go offline, which it has when this returns true. */
bool cpu_plug(int cpu, bool in);
bool cpu_online(int cpu);
/* The CPU that shares a core with @cpu, of two, or -1. */
int core_mate(int cpu);
/* The same for another, if there is one. */
void keep_on(pid_t pid, int cpu);
/* Let that process, 0 for this one, run on two. */
void allow_two(pid_t pid, int a, int b);
/* The pid of the kernel thread of that name, 0 if there is none. */
pid_t kthread_pid(const char *name);

/* A TASK_SLEEPER sleeps by now, unless it does not get to run for seconds. */
struct task task_start(enum task_kind kind, int cpu, int policy, struct rig *rig);
/* A TASK_HOG that has run by now. */
struct task hog_start(int cpu, int policy);
/* Wait until it sleeps: in a call that waits for something, not for a moment of its own. */
bool task_asleep(const struct task *task, long usecs);
void task_wake(struct task *task);
void task_stop(struct task *task);
unsigned long long task_count(const struct task *task);
bool task_policy(const struct task *task, int policy);
bool task_move(const struct task *task, int cpu);

/* Have a TASK_WAITER kick all of @cpus, a mask, so many times. */
void order_waits(struct task *task, unsigned long long cpus, unsigned long long flags,
		 unsigned long long rounds);
/* Have a TASK_SPINNER keep its CPU for a while; true in between. */
void order_spin(struct task *task, unsigned long ms, bool irqs_off);
bool spinning(const struct task *task);
/* True once orders are carried out, which halt_waits() makes them be early. */
bool carried_out(struct task *task, long usecs);
bool halt_waits(struct task *task, long usecs);
/* Have ops.running() kick @nr CPUs at once; true when the TASK_KICKER has gone on. */
bool kick_from_op(struct rig *rig, struct task *kicker, unsigned long long flags, int nr,
		  const int *cpus);

/* A scheduler in a BPF object, and whether it is enabled. */
struct sched {
	struct bpf_map *ops;
	struct user_exit_info *uei;
	struct bpf_link *link;
};

/* What is in @skel, with its operations in the map @name and its exit in uei. */
#define sched_of(skel, name) ((struct sched) {				\
	.ops = (skel)->maps.name,					\
	.uei = &(skel)->data->uei,					\
})
/* Before it is loaded: it makes no dump, and is enabled by sched_start() alone. */
#define sched_plain(skel, name) do {					\
	(skel)->rodata->uei_dump_len = 1;				\
	if (bpf_map__set_value_size((skel)->maps.data_uei_dump, 1) ||	\
	    bpf_map__set_autoattach((skel)->maps.name, false))		\
		ksft_exit_fail_perror("cannot prepare a scheduler");	\
} while (0)

/* Open and load the scheduler of @name.skel.h, so that it is as above. */
#define sched_load(name, ops) ({					\
	typeof(name##__open()) skel_ = name##__open();			\
									\
	if (!skel_)							\
		ksft_exit_fail_perror("cannot open the scheduler");	\
	sched_plain(skel_, ops);					\
	if (name##__load(skel_))					\
		ksft_exit_fail_perror("cannot load the scheduler");	\
	skel_;								\
})

/* Of the one that is enabled: a child that keeps it keeps the scheduler. -1 if there is none. */
extern int sched_link_fd;
/* Enable it: 0 or -errno. */
int sched_start(struct sched *sched);
void sched_stop(struct sched *sched);
/* Wait for the kernel to throw it out: true if it says @why in doing so. */
bool sched_thrown_out(struct sched *sched, const char *why, long usecs);
/* True as long as it is enabled and nothing is to be said against it. */
bool sched_content(const struct sched *sched);
/* There are no BPF timers there, so that rig.bss->timer_ns makes no difference. */
bool preempt_rt(void);
/* Call a syscall program. */
void run_prog(const struct bpf_program *prog, void *args, size_t size);

/*
 * Load the scheduler for all tasks or only those of SCHED_EXT. A timeout of 0 is
 * the longest. rig_start() enables it and returns 0 or -errno.
 */
struct rig *rig_load(bool all, unsigned int timeout_ms);
/* In two steps, for who wants to change more. */
struct rig *rig_open(bool all, unsigned int timeout_ms);
void rig_finish(struct rig *rig);
int rig_start(struct rig *rig);
void rig_stop(struct rig *rig);
/* Wait for the kernel to throw it out: true if it says @why in doing so. */
bool rig_thrown_out(struct rig *rig, const char *why, long usecs);

void kick(struct rig *rig, int cpu, unsigned long long flags);
/* Kick from a program that must not sleep. */
void kick_traced(struct rig *rig, int cpu, unsigned long long flags);
/* Kick at random, see @kinds and @targets. */
void shoot(struct rig *rig, unsigned int times);
unsigned long long slice_of(struct rig *rig, pid_t pid);

/* values of the kernel's, which BTF gives to BPF programs only */
#define SCHED_EXT_POLICY	RIG_SCHED_EXT
#define SLICE_INF		(~0ULL)
#define KICK_IDLE		(1LLU << 0)
#define KICK_PREEMPT		(1LLU << 1)
#define KICK_WAIT		(1LLU << 2)

#endif
