// SPDX-License-Identifier: GPL-2.0
/* One statement each, named after what it wraps. */
#include "rust_scx_helpers.h"

#include "atomic.c"
#include "cpumask.c"
#include "list.c"
#include "processor.c"
#include "rbtree.c"
#include "rcupdate.c"
#include "sched.c"
#include "slab.c"
#include "spinlock.c"
#include "topology.c"
