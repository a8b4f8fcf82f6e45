/* SPDX-License-Identifier: GPL-2.0 */
/* What the scheduler that follows a script and the programs that write it share. */
#ifndef SCRIPT_H
#define SCRIPT_H

#define SCRIPT_CPUS	4
#define SCRIPT_TASKS	32
#define SCRIPT_STEPS	48
#define SCRIPT_LOG	256
#define SCRIPT_FIFOS	3
#define SCRIPT_DSQS	5		/* those from SCRIPT_FIFOS on are ordered by vtime */

#define is_priq(dsq)	((dsq) >= SCRIPT_FIFOS && (dsq) < SCRIPT_DSQS)

/* Where a step sends a task to. */
enum script_target {
	TO_DSQ,				/* @dsq, at @vtime where it is ordered by it */
	TO_LOCAL,
	TO_LOCAL_ON,			/* that of @cpu */
	TO_GLOBAL,
};

enum script_verb {
	STEP_DISPATCH,			/* @task, whoever owns it */
	STEP_CANCEL,
	STEP_CONSUME,			/* @dsq */
	STEP_MOVE,			/* @task from @from, if it is there */
};

/* One call of a kfunc in ops.dispatch(). */
struct script_step {
	int verb;
	int task;			/* number, not pid */
	int target;
	int dsq;
	int from;
	int cpu;
	unsigned long long vtime;
	unsigned long long slice;
	unsigned long long flags;
	int result;			/* what it returned */
};

struct script_task {
	int pid;
	int on;				/* CPUs that run it */
	int fresh;			/* it has not run since it was enqueued */
	unsigned long long enqueues;	/* times that it came to be owned by the BPF program */
	unsigned long long direct;	/* where ops.enqueue() sends it at once, if anywhere */
	unsigned long long runs;	/* times that it ran thereafter */
	unsigned long long sleeps;
};

/* Tasks as they came to run, by CPU. */
struct script_log {
	unsigned int nr;
	int tasks[SCRIPT_LOG];
};

/* What is in a DSQ. */
struct script_listing {
	int nr_queued;			/* as the kernel counts */
	int nr;				/* tasks that are there */
	int tasks[SCRIPT_TASKS];
};

/* Arguments of the syscall programs. */
struct script_args {
	int dsq;
	int cpu;
	int task;
};

#endif
