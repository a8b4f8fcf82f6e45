/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a program in the guest tells the plugin what is measured: bit by bit, by
 * system calls that nobody else makes and that do nothing with these arguments.
 */
#ifndef MARK_H
#define MARK_H

#include <sys/syscall.h>
#include <unistd.h>

static inline void mark_end(void)
{
	syscall(SYS_timer_getoverrun, -1);
}

static inline void mark(const char *text)
{
	for (; *text; text++) {
		for (int bit = 7; bit >= 0; bit--) {
			if (*text >> bit & 1)
				syscall(SYS_get_robust_list, -1, NULL, NULL);
			else
				syscall(SYS_sched_rr_get_interval, -1, NULL);
		}
	}
	mark_end();
}

#endif
