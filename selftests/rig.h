/* SPDX-License-Identifier: GPL-2.0 */
/* What the test scheduler and the programs that drive it share. */
#ifndef RIG_H
#define RIG_H

#define RIG_CPUS 64

/* What was seen to happen on a CPU. */
struct rig_cpu {
	unsigned long long balances;	/* balance_scx() returned */
	unsigned long long dispatches;	/* calls of ops.dispatch() */
	unsigned long long enqueues;	/* tasks that came to wait for it */
	unsigned long long zero_prevs;	/* calls whose prev had no slice left */
	unsigned long long stops;	/* tasks that stopped running */
	unsigned long long stop_slice;	/* slice left to the latest of them */
	unsigned long long full_cycles;	/* cycles of RIG_ROUNDS calls */
	unsigned int rounds;		/* calls in this cycle so far */
	unsigned int max_rounds;	/* the most calls in one cycle */
	int running;			/* pid that was picked last */
};

/* SCX_DSP_MAX_LOOPS, which BTF does not carry */
#define RIG_ROUNDS 32

/* Kicks to be made by ops.running() when it sees the kicker. */
struct rig_request {
	int kicker;
	unsigned int nr;		/* 0: nothing to do */
	unsigned long long flags;
	int cpus[RIG_CPUS];
	unsigned long long done;	/* requests carried out */
};

/* Arguments of the syscall programs. */
struct rig_args {
	int cpu;
	int pid;
	unsigned long long flags;
	unsigned long long slice;
};

#endif
