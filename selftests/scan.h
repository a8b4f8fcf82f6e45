/* SPDX-License-Identifier: GPL-2.0 */
/* What the scheduler with a crowd in its DSQs and the program that drives it share. */
#ifndef SCAN_H
#define SCAN_H

#define SCAN_CPUS	4

enum scan_dsq {
	SCAN_FIFO,
	SCAN_OTHER,		/* a second one; there are more */
	SCAN_FIFOS = 5,
	SCAN_PRIQ = SCAN_FIFOS,
	SCAN_DSQS,
};

/* Calls of scx_bpf_consume(), for the last of the DSQs in use. */
struct scan_cpu {
	unsigned long long calls;
	unsigned long long hit;		/* the last that found a task */
	unsigned long long shortest;	/* in nanoseconds */
	unsigned long long limit;
	unsigned long long over;	/* those that took longer */
};

struct scan_args {
	int dsq;
	int cpu;
};

#endif
