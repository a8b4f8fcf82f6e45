/* SPDX-License-Identifier: GPL-2.0 */
/*
 * C inlines and macros as functions for Rust, which sees them without the
 * prefix. Bodies in helpers/, sorted by the header they come from.
 */
#ifndef _RUST_SCX_HELPERS_H
#define _RUST_SCX_HELPERS_H

#include <linux/cpumask.h>
#include <linux/types.h>

struct rq;

/* linux/atomic.h */
unsigned long rust_helper_atomic_long_read_acquire(const unsigned long *v);
void rust_helper_smp_store_release(unsigned long *p, unsigned long v);

/* linux/cpumask.h */
void rust_helper_cpumask_clear_cpu(unsigned int cpu, struct cpumask *mask);
unsigned int rust_helper_cpumask_next(int n, const struct cpumask *mask);
void rust_helper_cpumask_set_cpu(unsigned int cpu, struct cpumask *mask);
bool rust_helper_cpumask_test_and_clear_cpu(unsigned int cpu, struct cpumask *mask);
bool rust_helper_cpumask_test_cpu(unsigned int cpu, const struct cpumask *mask);

/* linux/processor.h */
void rust_helper_cpu_relax(void);

/* linux/rcupdate.h */
void rust_helper_kvfree_rcu_mightsleep(void *ptr);
void rust_helper_rcu_assign_pointer(void **p, void *v);

/* linux/sched.h */
void rust_helper_cond_resched(void);
bool rust_helper_need_resched(void);

/* linux/slab.h */
void *rust_helper_kvzalloc_node(size_t size, int cpu);

/* linux/topology.h */
struct cpumask *rust_helper_topology_sibling_cpumask(unsigned int cpu);

/* kernel/sched/sched.h */
struct rq *rust_helper_cpu_rq(unsigned int cpu);
void rust_helper_lockdep_assert_rq_held(struct rq *rq);
void rust_helper_raw_spin_rq_lock_irq(struct rq *rq);
unsigned long rust_helper_raw_spin_rq_lock_irqsave(struct rq *rq);
void rust_helper_raw_spin_rq_unlock_irq(struct rq *rq);
void rust_helper_raw_spin_rq_unlock_irqrestore(struct rq *rq, unsigned long flags);
struct rq *rust_helper_this_rq(void);

#endif	/* _RUST_SCX_HELPERS_H */
