// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel crate of 6.12 has no Rust for: per-CPU data, debugfs,
 * tracepoints, the namespace.
 */
#include <linux/debugfs.h>
#include <linux/mmu_context.h>
#include <linux/module.h>
#include <linux/sched/isolation.h>
#include <linux/seq_buf.h>
#include <linux/seq_file.h>

#ifdef CONFIG_X86
#include <asm/hypervisor.h>
#endif

#include <sched.h>

#include "rust_scx.h"

#define CREATE_TRACE_POINTS
#include "rust_scx_trace.h"

MODULE_IMPORT_NS(RUST_SCX);
MODULE_VERSION("0.1");

DEFINE_PER_CPU(struct rust_scx_pcpu, rust_scx_pcpu);

static_assert(SCX_CORE_ABI == RUST_SCX_ABI, "this kernel has another state of our patches");
const struct scx_core_layout rust_scx_layout[] = SCX_CORE_LAYOUT;

/* Whether there is a hypervisor, and vcpu_is_preempted() does not know what it does. */
bool rust_scx_cpus_may_vanish(void)
{
#ifdef CONFIG_X86
	if (IS_ENABLED(CONFIG_PARAVIRT_SPINLOCKS) &&
	    (hypervisor_is_type(X86_HYPER_KVM) || hypervisor_is_type(X86_HYPER_XEN_PV) ||
	     hypervisor_is_type(X86_HYPER_XEN_HVM)))
		return false;
	return boot_cpu_has(X86_FEATURE_HYPERVISOR);
#else
	return false;
#endif
}

/*
 * Hook kick, on its way to ops.rs: here it takes no call to find out in which operation
 * of the BPF scheduler this CPU is, or that it is in an NMI.
 */
void rust_scx_enter_kick(struct rq *this_rq, s32 cpu, u64 flags)
{
	rust_scx_kick(this_rq, cpu, flags,
		      unlikely(in_nmi()) ? RUST_SCX_IN_NMI : current->scx.kf_mask);
}

#define RUST_SCX_COUNTER_NAME(name) #name,
static const char *const counter_names[] = { RUST_SCX_COUNTERS(RUST_SCX_COUNTER_NAME) };

static u64 read_counter(int cpu, int id)
{
	return READ_ONCE(per_cpu(rust_scx_pcpu, cpu).counters[id]);
}

static int counters_show(struct seq_file *m, void *v)
{
	int id, cpu, arrays = 0;

	for (id = 0; id < RUST_SCX_NR_COUNTERS; id++) {
		u64 sum = 0;

		for_each_possible_cpu(cpu)
			sum += read_counter(cpu, id);
		seq_printf(m, "%s %llu\n", counter_names[id], sum);
	}

	for_each_possible_cpu(cpu)
		arrays += !!rcu_access_pointer(per_cpu(rust_scx_pcpu, cpu).waits);
	seq_printf(m, "pick_seq_arrays %d\n", arrays);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static int percpu_show(struct seq_file *m, void *v)
{
	int id, cpu;

	seq_puts(m, "cpu");
	for (id = 0; id < RUST_SCX_NR_COUNTERS; id++)
		seq_printf(m, " %s", counter_names[id]);
	seq_putc(m, '\n');

	for_each_possible_cpu(cpu) {
		seq_printf(m, "%d", cpu);
		for (id = 0; id < RUST_SCX_NR_COUNTERS; id++)
			seq_printf(m, " %llu", read_counter(cpu, id));
		seq_putc(m, '\n');
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(percpu);

/*
 * What the watchdog found last, as "key value" lines. Under a lock that any
 * other may be held around: it is the innermost.
 */
static DEFINE_RAW_SPINLOCK(report_lock);
DECLARE_SEQ_BUF(report, 1024);
static char scheduler[128];

/* While no task is on sched_ext. */
void rust_scx_set_scheduler(const char *name)
{
	strscpy(scheduler, name);
}

/* Takes the lock, and turns IRQs off; returns whether they were. */
unsigned long rust_scx_report_begin(void)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&report_lock, flags);
	seq_buf_clear(&report);
	rust_scx_report_line("scheduler", scheduler);
	return flags;
}

void rust_scx_report_line(const char *key, const char *value)
{
	seq_buf_printf(&report, "%s %s\n", key, value);
}

void rust_scx_report_end(unsigned long flags)
{
	raw_spin_unlock_irqrestore(&report_lock, flags);
}

static int last_report_show(struct seq_file *m, void *v)
{
	guard(raw_spinlock_irqsave)(&report_lock);
	seq_write(m, report.buffer, seq_buf_used(&report));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(last_report);

void rust_scx_trace_kick(int cpu, u64 flags, enum rust_scx_counter outcome)
{
	trace_rust_scx_kick(cpu, flags, counter_names[outcome]);
}

void rust_scx_trace_wait(int cpu, s64 ns, enum rust_scx_counter outcome)
{
	trace_rust_scx_wait(cpu, ns, counter_names[outcome]);
}

void rust_scx_trace_guard_trip(int cpu, u32 rounds)
{
	trace_rust_scx_guard_trip(cpu, rounds);
}

void rust_scx_trace_report(const char *kind, int cpu, u32 ms, int pid, const char *text)
{
	trace_rust_scx_report(kind, cpu, ms, pid, text);
}

static struct dentry *debugfs_dir;

/* Failing is no error: the module works without, and debugfs says why. */
void rust_scx_debugfs_init(void)
{
	debugfs_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("counters", 0444, debugfs_dir, NULL, &counters_fops);
	debugfs_create_file("percpu", 0444, debugfs_dir, NULL, &percpu_fops);
	debugfs_create_file("last_report", 0444, debugfs_dir, NULL, &last_report_fops);
}

void rust_scx_debugfs_exit(void)
{
	debugfs_remove(debugfs_dir);
}
