/* SPDX-License-Identifier: GPL-2.0 */
/* What the scheduler that watches what balancing decides and the test share. */
#ifndef KEEP_H
#define KEEP_H

#define KEEP_CPUS	4
#define KEEP_LOG	16

/* What was found before a cycle, and what came of it: a row of the truth table. */
enum keep_bit {
	WAS_QUEUED	= 1 << 0,	/* prev is runnable */
	HAD_SLICE	= 1 << 1,
	BYPASSING	= 1 << 2,
	HAD_LOCAL	= 1 << 3,	/* tasks on the local DSQ */
	ASKED		= 1 << 4,	/* ops.dispatch() was called */
	IS_QUEUED	= 1 << 5,	/* after that */
	HAS_SLICE	= 1 << 6,
	HAS_LOCAL	= 1 << 7,
	KEPT		= 1 << 8,	/* prev is to go on */
	FOUND		= 1 << 9,	/* there is something to run */
	KEEP_ROWS	= 1 << 10,
};

/* Whose a CPU is, as far as the scheduler was told. */
enum keep_state {
	UNTOLD,
	ACQUIRED,
	RELEASED,
};

struct keep_args {
	int cpu;
	unsigned long long flags;
};

#endif
