/* SPDX-License-Identifier: GPL-2.0 */
/* What the scheduler that dispatches amid a balance and its program share. */
#ifndef DEFERRED_H
#define DEFERRED_H

#define BALANCER	1	/* the CPU that balances */
#define SOURCE		2	/* whose run queue it waits for, with its own unlocked */
#define MAKER		3	/* where tasks come from meanwhile, and go to */
#define CHILDREN	3	/* so many each time */

#endif
