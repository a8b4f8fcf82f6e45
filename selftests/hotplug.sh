#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# CPUs come and go under a scheduler and a load.

# shellcheck source=selftests/functions.sh
. "$(dirname "$0")/functions.sh"

need hackbench
need_timers
begin 5
((ncpus > 1)) || bail "one CPU only"
rounds=5

online() {
	echo "$2" >"/sys/devices/system/cpu/cpu$1/online"
}

cycle_cpus() {
	local round cpu
	for ((round = 0; round < rounds; round++)); do
		for ((cpu = 1; cpu < ncpus; cpu++)); do
			online "$cpu" 0 && load 2 && online "$cpu" 1 || return 1
		done
	done
	# all but one at once
	for ((cpu = 1; cpu < ncpus; cpu++)); do online "$cpu" 0 || return 1; done
	load 2 || return 1
	for ((cpu = 1; cpu < ncpus; cpu++)); do online "$cpu" 1 || return 1; done
}

each_cpu_works() {
	local before cpu
	[[ $(core) != rust_scx ]] || read_percpu balance
	before=("${percpu[@]:-0}")
	for ((cpu = 0; cpu < ncpus; cpu++)); do
		taskset -c "$cpu" sleep 0.01 || return 1
	done
	[[ $(core) == rust_scx ]] || return 0
	read_percpu balance
	for ((cpu = 0; cpu < ncpus; cpu++)); do
		((percpu[cpu] > before[cpu])) || return 1
	done
}

mark
check "a scheduler is enabled" start_sched qmap
(while :; do load 5; done) &
load_pids+=($!)
check "every CPU goes and comes under load" cycle_cpus
check "the scheduler outlives it" enabled
check "every CPU is scheduled again" each_cpu_works
stop_load
stop_sched
check "the core was at work" moved balance dispatch_rounds disables
ktap_finished
