/* SPDX-License-Identifier: GPL-2.0 */
/* What the C tests share: the core in charge, counters, tasks, the scheduler. */
#ifndef HARNESS_H
#define HARNESS_H

#include <scx/common.h>
#include <stdbool.h>
#include <sys/types.h>

#include "kselftest.h"
#include "rig.h"
#include "rig.skel.h"

#define MS 1000			/* in microseconds */

enum task_kind {
	TASK_HOG,		/* spins, counting */
	TASK_SLEEPER,		/* counts up when woken by task_wake() */
	TASK_KICKER,		/* wakes up all the time, see kick_from_op() */
};

struct task {
	pid_t pid;
	int wake_fd;
	struct task_shared *shared;
};

struct task_shared {
	unsigned long long count;	/* work done */
	unsigned long long stops;	/* TASK_KICKER: as seen after a request */
	unsigned long long done;	/* TASK_KICKER: the request of @stops */
};

/* Print the header, and skip or fail if the core in charge is not ours. */
void harness_init(void);

/* True if the module is in charge, so that there are counters. */
bool module_in_charge(void);

#define result(ok, fmt, ...)	ksft_test_result(ok, fmt "\n", ##__VA_ARGS__)
#define note(fmt, ...)		ksft_print_msg(fmt "\n", ##__VA_ARGS__)
#define die(fmt, ...)		ksft_exit_fail_msg(fmt "\n", ##__VA_ARGS__)

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
void counters_mark(void);
/*
 * How far a counter came since counters_mark(): true if in min..max. Without
 * the module there is nothing to see, and it is true.
 */
bool counted(const char *name, long min, long max);

bool file_read(const char *path, char *buf, size_t size);
bool file_is(const char *path, const char *text);
bool file_write(const char *path, const char *text);
bool sched_ext_is(const char *state);
/* Lines of the kernel log, from the beginning of this program on, with @text. */
int dmesg_count(const char *text);

/* Keep this process on one CPU. */
void stay_on(int cpu);
/* The pid of the kernel thread of that name, 0 if there is none. */
pid_t kthread_pid(const char *name);

struct task task_start(enum task_kind kind, int cpu, int policy, struct rig *rig);
void task_wake(struct task *task);
void task_stop(struct task *task);
unsigned long long task_count(const struct task *task);

/*
 * Load the scheduler for all tasks or only those of SCHED_EXT. A timeout of 0 is
 * the longest. rig_start() enables it and returns 0 or -errno.
 */
struct rig *rig_load(bool all, unsigned int timeout_ms);
int rig_start(struct rig *rig);
void rig_stop(struct rig *rig);
/* Wait for the kernel to throw it out: true if it says @why in doing so. */
bool rig_thrown_out(struct rig *rig, const char *why, long usecs);

void kick(struct rig *rig, int cpu, unsigned long long flags);
unsigned long long slice_of(struct rig *rig, pid_t pid);

/* values of the kernel's, which BTF gives to BPF programs only */
#define SCHED_EXT_POLICY	7
#define KICK_IDLE		(1LLU << 0)
#define KICK_PREEMPT		(1LLU << 1)
#define KICK_WAIT		(1LLU << 2)

#endif
