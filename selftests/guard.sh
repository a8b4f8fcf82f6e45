#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# scx_qmap -l traps every CPU in the dispatch loop: whatever runs outside of
# sched_ext goes on, sysrq-S gets out of it, and so does the watchdog.

# shellcheck source=selftests/functions.sh
. "$(dirname "$0")/functions.sh"

need chrt
need_timers
begin 8
# what follows is to run while sched_ext does not
chrt -f -p 50 $$

# Every task that is queued stays there. Hogs are sure to be queued: they use up
# their slices.
trap_cpus() {
	prepare_hogs $((2 * online))
	start_sched qmap -l 1 || bail "scx_qmap does not start"
	release_hogs
	nap 0.5
}

trapped_everywhere() {
	local before cpu rc=0
	enabled || return 1
	[[ $(core) == rust_scx ]] || return 0
	read_percpu guard_trips
	before=("${percpu[@]}")
	nap 0.2
	read_percpu guard_trips
	for ((cpu = 0; cpu < online; cpu++)); do
		((percpu[cpu] > before[cpu])) && continue
		echo "# CPU $cpu: ${percpu[cpu]} guard trips, ${before[cpu]} before"
		rc=1
	done
	return $rc
}

answers() {
	local i
	for ((i = 0; i < 10; i++)); do
		nap 0.02
		(enabled) || return 1
	done
}

ends_by_sysrq() {
	echo S >/proc/sysrq-trigger
	sched_gone 2 && reported 'EXIT: disabled by sysrq-S' && log_has 'disabled (disabled by sysrq-S)'
}

ends_by_watchdog() {
	sched_gone 30 && reported 'EXIT: runnable task stall' &&
		log_has 'BPF scheduler "qmap" disabled (runnable task stall)'
}

# 32 rounds to a trip, and no more than a few beside them
rounds_fit_trips() {
	local rounds trips
	[[ $(core) == rust_scx ]] || return 0
	rounds=$(($(counter dispatch_rounds) - $(counter_then dispatch_rounds)))
	trips=$(($(counter guard_trips) - $(counter_then guard_trips)))
	echo "# $trips guard trips, $rounds rounds"
	((trips > 0 && rounds >= 32 * trips && rounds <= 33 * trips + 20000))
}

log_mark
mark
trap_cpus
check "scx_qmap -l traps every CPU of $online" trapped_everywhere
check "the machine answers while all CPUs are trapped" answers
check "sysrq-S gets it out before the watchdog does" ends_by_sysrq
check "the guard ended the loop every 32 rounds" rounds_fit_trips
stop_load
check "a task of the fair class runs afterwards" chrt -o 0 timeout 30 true

log_mark
mark
trap_cpus
check "a second trap is answered through as well" answers
check "without sysrq the watchdog ends it" ends_by_watchdog
stop_load
check "the guard was at work" moved guard_trips dispatch_rounds kick_plain
ktap_finished
