// SPDX-License-Identifier: GPL-2.0
/*
 * The guard of the dispatch loop, seen from inside: a scheduler that never finds
 * a task is asked exactly SCX_DSP_MAX_LOOPS times a cycle, on every CPU, and the
 * CPU is made to go through the next cycle.
 */
#include <limits.h>
#include <sched.h>

#include "harness.h"

#define CYCLES	20

static unsigned long long full_cycles(struct rig *rig, int cpu)
{
	return ((volatile struct rig_cpu *)&rig->bss->cpus[cpu])->full_cycles;
}

int main(void)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	bool every = true, exact = true, single = true;
	unsigned long long cycles = 0;
	struct task sleeper;
	struct rig *rig;

	harness_init();
	ksft_set_plan(5);
	rig = rig_load(false, 0);
	if (rig_start(rig))
		die("cannot enable the scheduler");

	sleeper = task_start(TASK_SLEEPER, 0, SCHED_EXT_POLICY, NULL);
	task_wake(&sleeper);
	await(task_count(&sleeper), 500 * MS);
	for (int cpu = 0; cpu < cpus; cpu++)
		single &= rig->bss->cpus[cpu].max_rounds <= 2;
	result(single, "a scheduler with nothing to dispatch is not asked again");

	counters_mark();
	rig->bss->trap = true;
	for (int cpu = 0; cpu < cpus; cpu++) {
		kick(rig, cpu, 0);
		/* each of the others turns in circles, and may keep an emulator busy */
		if (await(full_cycles(rig, cpu) >= CYCLES, 20000 * MS))
			continue;
		note("CPU %d: %llu full cycles of %llu", cpu, full_cycles(rig, cpu),
		     rig->bss->cpus[cpu].balances);
		every = false;
		break;
	}
	rig->bss->trap = false;
	usleep(20 * MS);
	result(every, "a trapped CPU starts a new cycle again and again, on every CPU");

	for (int cpu = 0; cpu < cpus; cpu++) {
		struct rig_cpu *seen = &rig->bss->cpus[cpu];

		cycles += seen->full_cycles;
		if (seen->max_rounds != RIG_ROUNDS) {
			note("CPU %d: %u rounds in a cycle", cpu, seen->max_rounds);
			exact = false;
		}
	}
	result(exact, "a cycle has exactly %d rounds", RIG_ROUNDS);
	result(counted("guard_trips", cycles, LONG_MAX) &&
	       counted("dispatch_rounds", cycles * RIG_ROUNDS, LONG_MAX) &&
	       counted("kick_plain", cycles, LONG_MAX),
	       "guard trips, rounds and self-kicks are counted");

	task_wake(&sleeper);
	result(await(task_count(&sleeper) == 2, 1000 * MS) && sched_ext_is("enabled"),
	       "the scheduler goes on once it finds tasks again");
	task_stop(&sleeper);
	rig_stop(rig);
	rig__destroy(rig);
	ksft_finished();
}
