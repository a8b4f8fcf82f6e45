/* SPDX-License-Identifier: GPL-2.0 */
/* What the scheduler that does all things at random and the storms share. */
#ifndef STORM_H
#define STORM_H

/* What becomes of a task that is enqueued. */
enum storm_way {
	WAY_SHARED	= 1 << 0,	/* to a FIFO that all CPUs consume */
	WAY_PRIQ	= 1 << 1,	/* to one that is ordered by vtime */
	WAY_QUEUE	= 1 << 2,	/* stays with the BPF program, ops.dispatch() takes it */
	WAY_ELSEWHERE	= 1 << 3,	/* to the local DSQ of any CPU, at once */
};

enum storm_dsq {
	STORM_SHARED,
	STORM_PRIQ,
	STORM_DSQS,
};

struct storm_args {
	int cpu;
};

#endif
