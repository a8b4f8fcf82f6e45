/* SPDX-License-Identifier: GPL-2.0 */
/*
 * C inlines and macros as functions for Rust, which sees them without the
 * prefix. Bodies in helpers/, sorted by the header they come from.
 */
#ifndef _RUST_SCX_HELPERS_H
#define _RUST_SCX_HELPERS_H

#include <linux/cpumask.h>
#include <linux/types.h>

struct list_head;
struct raw_spinlock;
struct rb_node;
struct rq;
struct task_struct;

/* linux/atomic.h */
unsigned long rust_helper_atomic_long_cmpxchg(unsigned long *v, unsigned long old,
					      unsigned long new);
unsigned long rust_helper_atomic_long_fetch_or(unsigned long *v, unsigned long bits);
unsigned long rust_helper_atomic_long_read_acquire(const unsigned long *v);
unsigned long rust_helper_atomic_long_xchg(unsigned long *v, unsigned long new);
void rust_helper_smp_mb(void);
void rust_helper_smp_store_release(unsigned long *p, unsigned long v);

/* linux/cpumask.h */
void rust_helper_cpumask_clear_cpu(unsigned int cpu, struct cpumask *mask);
unsigned int rust_helper_cpumask_next(int n, const struct cpumask *mask);
void rust_helper_cpumask_set_cpu(unsigned int cpu, struct cpumask *mask);
bool rust_helper_cpumask_test_and_clear_cpu(unsigned int cpu, struct cpumask *mask);

/* linux/list.h */
void rust_helper_list_add(struct list_head *entry, struct list_head *head);
void rust_helper_list_del_init(struct list_head *entry);
void rust_helper_list_move_tail(struct list_head *entry, struct list_head *head);
void rust_helper_list_bulk_move_tail(struct list_head *head, struct list_head *first,
				     struct list_head *last);

/* linux/processor.h */
void rust_helper_cpu_relax(void);

/* linux/rbtree.h */
void rust_helper_rb_clear_node(struct rb_node *node);

/* linux/rcupdate.h */
void rust_helper_kvfree_rcu_mightsleep(void *ptr);
void rust_helper_rcu_assign_pointer(void **p, void *v);

/* linux/sched.h */
void rust_helper_cond_resched(void);
bool rust_helper_need_resched(void);
bool rust_helper_test_tsk_need_resched(struct task_struct *p);
bool rust_helper_vcpu_is_preempted(int cpu);

/* linux/slab.h */
void *rust_helper_kvzalloc_node(size_t size, int cpu);

/* linux/spinlock.h */
void rust_helper_raw_spin_lock(struct raw_spinlock *lock);
void rust_helper_raw_spin_unlock(struct raw_spinlock *lock);

/* linux/topology.h */
int rust_helper_cpu_to_node(unsigned int cpu);
struct cpumask *rust_helper_topology_sibling_cpumask(unsigned int cpu);

/* kernel/sched/sched.h */
void rust_helper_lockdep_assert_rq_held(struct rq *rq);
void rust_helper_raw_spin_rq_lock(struct rq *rq);
void rust_helper_raw_spin_rq_lock_irq(struct rq *rq);
unsigned long rust_helper_raw_spin_rq_lock_irqsave(struct rq *rq);
void rust_helper_raw_spin_rq_unlock_irq(struct rq *rq);
void rust_helper_raw_spin_rq_unlock_irqrestore(struct rq *rq, unsigned long flags);
bool rust_helper_task_allowed_on_cpu(struct task_struct *p, int cpu);
struct rq *rust_helper_this_rq(void);

#endif	/* _RUST_SCX_HELPERS_H */
