// SPDX-License-Identifier: GPL-2.0
/* One statement each, named after what it wraps. */
#include "rust_scx_helpers.h"

#include "atomic.c"
#include "cpumask.c"
#include "processor.c"
#include "rcupdate.c"
#include "sched.c"
#include "slab.c"
#include "topology.c"
