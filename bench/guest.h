/* SPDX-License-Identifier: GPL-2.0 */
/* What the scheduler of the bench shares with the program that drives it. */
#ifndef GUEST_H
#define GUEST_H

#define BENCH_CPUS	64
#define BENCH_TARGETS	8
#define BENCH_DSQ	1
#define BENCH_BATCH	32

/* Where ops.dispatch() sends the workers of a batch. */
enum bench_to {
	BENCH_LOCAL,		/* to the CPU that dispatches */
	BENCH_REMOTE,		/* from a second CPU to a third one */
	BENCH_USER,		/* to a DSQ */
};

struct bench_args {
	int cpu;
	unsigned long long flags;
};

#endif
