// SPDX-License-Identifier: GPL-2.0
/* What the kernel crate of 6.12 has no Rust for: per-CPU data, debugfs, the namespace. */
#include <linux/debugfs.h>
#include <linux/mmu_context.h>
#include <linux/module.h>
#include <linux/sched/isolation.h>
#include <linux/seq_file.h>

#include <sched.h>

#include "rust_scx.h"

MODULE_IMPORT_NS(RUST_SCX);
MODULE_VERSION("0.1");

DEFINE_PER_CPU(struct rust_scx_pcpu, rust_scx_pcpu);

const struct scx_core_layout rust_scx_layout[] = SCX_CORE_LAYOUT;

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

static struct dentry *debugfs_dir;

/* Failing is no error: the module works without, and debugfs says why. */
void rust_scx_debugfs_init(void)
{
	debugfs_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("counters", 0444, debugfs_dir, NULL, &counters_fops);
	debugfs_create_file("percpu", 0444, debugfs_dir, NULL, &percpu_fops);
}

void rust_scx_debugfs_exit(void)
{
	debugfs_remove(debugfs_dir);
}
