// SPDX-License-Identifier: GPL-2.0
/* BPF schedulers of tests, and the programs that come with rig.bpf.c. */
#include <bpf/bpf.h>
#include <sys/utsname.h>

#include "harness.h"

int sched_link_fd = -1;

struct rig *rig_open(bool all, unsigned int timeout_ms)
{
	struct rig *rig = rig__open();

	if (!rig)
		ksft_exit_fail_perror("cannot open the test scheduler");
	rig->struct_ops.rig_ops->timeout_ms = timeout_ms;
	if (all)
		rig->struct_ops.rig_ops->flags &= ~SCX_OPS_SWITCH_PARTIAL;
	return rig;
}

int sched_start(struct sched *sched)
{
	memset(sched->uei, 0, sizeof(*sched->uei));
	sched->link = bpf_map__attach_struct_ops(sched->ops);
	if (!sched->link)
		return -errno;
	sched_link_fd = bpf_link__fd(sched->link);
	return 0;
}

void sched_stop(struct sched *sched)
{
	bpf_link__destroy(sched->link);
	sched->link = NULL;
	sched_link_fd = -1;
	await(sched_ext_is("disabled"), 20000 * MS);
}

bool sched_thrown_out(struct sched *sched, const char *why, long usecs)
{
	bool ok = await(at(&sched->uei->kind), usecs);

	/* what throws it out reports before the last steps are done */
	ok = await(sched_ext_is("disabled"), 2000 * MS) && ok;
	note("exit: %s (%s)", sched->uei->reason, sched->uei->msg);
	return ok && (strstr(sched->uei->msg, why) || strstr(sched->uei->reason, why));
}

bool sched_content(const struct sched *sched)
{
	if (sched_ext_is("enabled") && !at(&sched->uei->kind))
		return true;
	/* it may be on its way out, and not have been told why */
	await(at(&sched->uei->kind), 5000 * MS);
	note("exit: %s (%s)", sched->uei->reason, sched->uei->msg);
	return false;
}

void run_prog(const struct bpf_program *prog, void *args, size_t size)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = size);

	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts) || opts.retval)
		ksft_exit_fail_perror("cannot run a syscall program");
}

bool preempt_rt(void)
{
	struct utsname name;

	return !uname(&name) && strstr(name.version, "PREEMPT_RT");
}

void rig_finish(struct rig *rig)
{
	if (rig->struct_ops.rig_ops->exit_dump_len) {
		UEI_SET_SIZE(rig, rig_ops, uei);
	} else {
		rig->rodata->uei_dump_len = 1;
		bpf_map__set_value_size(rig->maps.data_uei_dump, 1);
	}
	if (bpf_map__set_autoattach(rig->maps.rig_ops, false) ||
	    bpf_program__set_autoload(rig->progs.rig_start_timer, !preempt_rt()) ||
	    rig__load(rig))
		ksft_exit_fail_perror("cannot load the test scheduler");
	if (rig__attach(rig))
		ksft_exit_fail_perror("cannot trace balance_scx()");
}

struct rig *rig_load(bool all, unsigned int timeout_ms)
{
	struct rig *rig = rig_open(all, timeout_ms);

	rig_finish(rig);
	return rig;
}

/* Two may be started at once. */
static struct sched rig_sched(struct rig *rig)
{
	struct sched sched = sched_of(rig, rig_ops);

	sched.link = rig->links.rig_ops;
	return sched;
}

int rig_start(struct rig *rig)
{
	struct sched sched = rig_sched(rig);
	struct rig_args args = {};
	int ret = sched_start(&sched);

	rig->links.rig_ops = sched.link;
	if (!ret && rig->bss->timer_ns && !preempt_rt())
		run_prog(rig->progs.rig_start_timer, &args, sizeof(args));
	return ret;
}

void rig_stop(struct rig *rig)
{
	struct sched sched = rig_sched(rig);

	sched_stop(&sched);
	rig->links.rig_ops = NULL;
}

bool rig_thrown_out(struct rig *rig, const char *why, long usecs)
{
	struct sched sched = rig_sched(rig);

	return sched_thrown_out(&sched, why, usecs);
}

void kick(struct rig *rig, int cpu, unsigned long long flags)
{
	struct rig_args args = { .cpu = cpu, .flags = flags };

	run_prog(rig->progs.rig_kick, &args, sizeof(args));
}

void kick_traced(struct rig *rig, int cpu, unsigned long long flags)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	rig->bss->traced_cpu = cpu;
	rig->bss->traced_flags = flags;
	if (bpf_prog_test_run_opts(bpf_program__fd(rig->progs.rig_traced), &opts))
		ksft_exit_fail_perror("cannot run a tracing program");
}

void shoot(struct rig *rig, unsigned int times)
{
	struct rig_args args = { .times = times };

	run_prog(rig->progs.rig_shoot, &args, sizeof(args));
}

unsigned long long slice_of(struct rig *rig, pid_t pid)
{
	struct rig_args args = { .pid = pid };

	run_prog(rig->progs.rig_slice, &args, sizeof(args));
	return args.slice;
}
