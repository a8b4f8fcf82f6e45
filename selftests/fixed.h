/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Defects of 6.12's C that both cores share as long as no patch of ours repairs
 * them: 1 where one does. The tests expect the defect where it is 0.
 */
#ifndef FIXED_H
#define FIXED_H

#define FIXED_SIBLING_MOVE	1	/* dispatch_from_dsq() for an SMT sibling hangs */
#define FIXED_BALANCE_CALLBACK	1	/* it is queued while the lock may drop */
#define FIXED_PREEMPT		1	/* SCX_ENQ_PREEMPT is lost in remote moves */
#define FIXED_OWNERSHIP		1	/* slice and vtime are written without it */

#endif
