/* SPDX-License-Identifier: GPL-2.0 */
/* What the test scheduler and the programs that drive it share. */
#ifndef RIG_H
#define RIG_H

#define RIG_CPUS 64
#define RIG_SCHED_EXT 7	/* SCHED_EXT, which BTF does not carry */
#define RIG_TRAIL 17	/* two cache lines and a bit */

/* What was seen to happen on a CPU. */
struct rig_cpu {
	unsigned long long passes;	/* balance_scx() was entered */
	unsigned long long balances;	/* and returned */
	unsigned long long dispatches;	/* calls of ops.dispatch() */
	unsigned long long enqueues;	/* tasks that came to wait for it */
	unsigned long long zero_prevs;	/* calls whose prev had no slice left */
	unsigned long long stops;	/* tasks that stopped running */
	unsigned long long least_slice;	/* slice left to one of them, the least so far */
	unsigned long long full_cycles;	/* cycles of RIG_ROUNDS calls */
	unsigned int rounds;		/* calls in this cycle so far */
	unsigned int max_rounds;	/* the most calls in one cycle */
	int passing;			/* in balance_scx() */
	int running;			/* pid that was picked last */
	unsigned long long trail[RIG_TRAIL]; /* each is set to @stops, far apart */

	/* A kick raises these first, and a pass notes what it found at its start. */
	unsigned long long asked;	/* requests that must lead to a pass */
	unsigned long long asked_idle;	/* those that must unless it is busy */
	unsigned long long answered;
	unsigned long long answered_idle;

	/*
	 * When a fair task blocks, 6.12 may pick what is on the local DSQ without
	 * asking the core. Known only where rig_switched() is loaded.
	 */
	unsigned long long switched_at;	/* @passes at the latest switch of tasks */
	unsigned long long unpassed;	/* tasks that were picked without a pass */
	unsigned long long unpassed_scx; /* of them, after a task of sched_ext */
	unsigned long long found;	/* of @asked, by the latest of them */
	unsigned long long found_idle;
	int above;			/* the pid of a task of a higher class that runs, or 0 */

	long shots;			/* kicks of ops.*() left to this CPU */
};

/* It may be an answer to a kick that came amid it. */
#define RIG_AMID_PASS (-1ULL)

/* SCX_DSP_MAX_LOOPS, which BTF does not carry */
#define RIG_ROUNDS 32

/* Kicks to be made by ops.running() when it sees the kicker. */
struct rig_request {
	int kicker;
	unsigned int nr;		/* 0: nothing to do */
	unsigned long long flags;
	int cpus[RIG_CPUS];
	unsigned int kicked;		/* CPUs that were kicked */
	unsigned long long passes[RIG_CPUS]; /* of each, before; RIG_AMID_PASS: it was in one */
	unsigned long long done;	/* requests carried out */
};

/* How a task is handed to another CPU, by a kick that comes before it is there. */
enum rig_way {
	RIG_KICK_LAST,			/* ops.enqueue() dispatches it, then kicks */
	RIG_KICK_FIRST,			/* the other way round */
	RIG_FROM_SELECT,		/* ops.select_cpu() kicks, ops.enqueue() dispatches */
	RIG_FROM_DISPATCH,		/* ops.dispatch() of its CPU does both */
	RIG_TO_LOCAL,			/* as the first, but to the local DSQ */
	RIG_FROM_STOPPING,		/* ops.stopping() kicks, ops.enqueue() dispatches */
};

struct rig_hand {
	int pid;			/* this task, 0 for none */
	int cpus[2];			/* goes from one of these to the other */
	unsigned int way;
	unsigned long long flags;	/* of the kick */
	unsigned long long ns;		/* and so long after that the program goes on */
	int waits;			/* it is for ops.dispatch() to do so */
	unsigned long long kicks;
};

/* A task that goes while its SMT sibling searches for its CPU. */
struct rig_leaver {
	int pid;			/* it, 0 for none */
	int cpu;
	int beside;			/* while this task is current on the sibling ... */
	int sent;			/* ... ops.dispatch() sends this one away, once, ... */
	unsigned long long ns;		/* ... after so long, which drops the lock */
	unsigned long long pass;	/* it did amid this one, not 0, and looks the next time */
	unsigned long long gone;	/* times that the leaver had gone by then, ... */
	unsigned long long told;	/* ... and was what ops.dispatch() was called with */
};

/* Kinds of kicks, as shot at random. */
enum rig_kind {
	RIG_PLAIN,
	RIG_IDLE,
	RIG_PREEMPT,
	RIG_WAIT,
	RIG_PREEMPT_WAIT,
	RIG_KINDS,
};

#define RIG_SLOTS 8	/* for them, a power of two */

/* Arguments of the syscall programs. */
struct rig_args {
	int cpu;
	int pid;
	unsigned long long flags;
	unsigned long long slice;
	unsigned int times;
};

#endif
