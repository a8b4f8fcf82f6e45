// SPDX-License-Identifier: GPL-2.0
#include <linux/mmu_context.h>
#include <linux/sched.h>
#include <linux/sched/isolation.h>

#include <sched.h>

void rust_helper_cond_resched(void)
{
	cond_resched();
}

void rust_helper_lockdep_assert_rq_held(struct rq *rq)
{
	lockdep_assert_rq_held(rq);
}

bool rust_helper_need_resched(void)
{
	return need_resched();
}

void rust_helper_raw_spin_rq_lock(struct rq *rq)
{
	raw_spin_rq_lock(rq);
}

void rust_helper_raw_spin_rq_lock_irq(struct rq *rq)
{
	raw_spin_rq_lock_irq(rq);
}

unsigned long rust_helper_raw_spin_rq_lock_irqsave(struct rq *rq)
{
	unsigned long flags;

	raw_spin_rq_lock_irqsave(rq, flags);
	return flags;
}

void rust_helper_raw_spin_rq_unlock_irq(struct rq *rq)
{
	raw_spin_rq_unlock_irq(rq);
}

void rust_helper_raw_spin_rq_unlock_irqrestore(struct rq *rq, unsigned long flags)
{
	raw_spin_rq_unlock_irqrestore(rq, flags);
}

bool rust_helper_task_allowed_on_cpu(struct task_struct *p, int cpu)
{
	return task_allowed_on_cpu(p, cpu);
}

bool rust_helper_test_tsk_need_resched(struct task_struct *p)
{
	return test_tsk_need_resched(p);
}

struct rq *rust_helper_this_rq(void)
{
	return this_rq();
}

bool rust_helper_vcpu_is_preempted(int cpu)
{
	return vcpu_is_preempted(cpu);
}
