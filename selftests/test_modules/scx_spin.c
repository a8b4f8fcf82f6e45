// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps a CPU from rescheduling: who writes a number of milliseconds to a
 * parameter spins for as long, with preemption or IRQs off, or has all CPUs do so.
 */
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/processor.h>
#include <linux/stop_machine.h>

/* enough for any test, and too little for the lock-up detectors */
#define MAX_MS	2000

/* A place for a BPF program to do something while IRQs are off. */
noinline void scx_spin_irqs_off(void);
noinline void scx_spin_irqs_off(void)
{
	barrier();
}

static void spin(unsigned int ms)
{
	u64 end = ktime_get_ns() + ms * NSEC_PER_MSEC;
	unsigned int n = 0;

	/* relaxing costs an emulator more than anything else */
	while (ktime_get_ns() < end)
		if (!(++n % 256))
			cpu_relax();
}

static int parse(const char *val, unsigned int *ms)
{
	int ret = kstrtouint(val, 0, ms);

	return ret ?: *ms > MAX_MS ? -EINVAL : 0;
}

static int spin_preempt_off(const char *val, const struct kernel_param *kp)
{
	unsigned int ms;
	int ret = parse(val, &ms);

	if (ret)
		return ret;
	preempt_disable();
	spin(ms);
	preempt_enable();
	return 0;
}

static int spin_irqs_off(const char *val, const struct kernel_param *kp)
{
	unsigned int ms;
	int ret = parse(val, &ms);

	if (ret)
		return ret;
	local_irq_disable();
	scx_spin_irqs_off();
	spin(ms);
	local_irq_enable();
	return 0;
}

static int spin_stopped(void *ms)
{
	spin(*(unsigned int *)ms);
	return 0;
}

static int spin_all(const char *val, const struct kernel_param *kp)
{
	unsigned int ms;
	int ret = parse(val, &ms);

	return ret ?: stop_machine(spin_stopped, &ms, NULL);
}

static const struct kernel_param_ops preempt_off_ops = { .set = spin_preempt_off };
module_param_cb(preempt_off_ms, &preempt_off_ops, NULL, 0200);
MODULE_PARM_DESC(preempt_off_ms, "spin for so long with preemption off");

static const struct kernel_param_ops irqs_off_ops = { .set = spin_irqs_off };
module_param_cb(irqs_off_ms, &irqs_off_ops, NULL, 0200);
MODULE_PARM_DESC(irqs_off_ms, "spin for so long with IRQs off");

static const struct kernel_param_ops machine_ops = { .set = spin_all };
module_param_cb(machine_ms, &machine_ops, NULL, 0200);
MODULE_PARM_DESC(machine_ms, "have all CPUs spin for so long with IRQs off");

MODULE_DESCRIPTION("Keep a CPU from rescheduling");
MODULE_LICENSE("GPL");
