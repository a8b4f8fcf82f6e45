#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# CPUs come and go under a scheduler and a load.

. "$(dirname "$0")/functions.sh"

need hackbench
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
	local cpu before now
	for ((cpu = 0; cpu < ncpus; cpu++)); do
		[[ $(core) != rust_scx ]] || before=$(percpu balance | sed -n "$((cpu + 1))p")
		taskset -c "$cpu" sleep 0.01 || return 1
		[[ $(core) != rust_scx ]] || now=$(percpu balance | sed -n "$((cpu + 1))p")
		((${now:-1} > ${before:-0})) || return 1
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
