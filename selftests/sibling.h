/* SPDX-License-Identifier: GPL-2.0 */
/* What the scheduler of SMT siblings and the test share. */
#ifndef SIBLING_H
#define SIBLING_H

#define SIBLING_CPUS	4

/* How ops.dispatch() hands a task to the CPU that it is called for. */
enum sibling_way {
	HAND_DISPATCH,		/* from a queue of its own to SCX_DSQ_LOCAL */
	HAND_MOVE,		/* from a DSQ to SCX_DSQ_LOCAL */
	HAND_MOVE_ON,		/* to SCX_DSQ_LOCAL_ON */
};

#endif
