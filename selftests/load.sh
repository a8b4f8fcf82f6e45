#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The schedulers of tools/sched_ext under load.

# shellcheck source=selftests/functions.sh
. "$(dirname "$0")/functions.sh"

need hackbench
if has_timers; then
	names=(simple qmap central flatcg)
	begin 15
else
	names=(simple)
	begin 4
fi

# The counters that this scheduler must move, beside those that all of them do.
declare -A counts=(
	[simple]="dispatch dispatch_rounds"
	[qmap]="dispatch dispatch_rounds scans scan_rqs tick_checks"
	[central]="dispatch dispatch_rounds kick_preempt kick_resched"
	[flatcg]="dispatch dispatch_rounds"
)

in_cgroup() {
	local dir=$1
	shift
	(echo "$BASHPID" >"$dir/cgroup.procs" && "$@")
}

# Two cgroups of different weight, each with its load.
load_cgroups() {
	local root=/sys/fs/cgroup name rc=0
	mountpoint -q $root || mount -t cgroup2 none $root
	[[ -d $root/unified ]] && root=$root/unified
	echo +cpu >$root/cgroup.subtree_control || return
	mkdir -p $root/light $root/heavy
	echo 500 >$root/heavy/cpu.weight
	in_cgroup $root/light load &
	in_cgroup $root/heavy load || rc=1
	wait $! || rc=1
	for name in light heavy; do
		await 5 rmdir $root/$name 2>/dev/null || rc=1
	done
	return $rc
}

for name in "${names[@]}"; do
	mark
	if [[ $name == central ]]; then enabler_stays; fi
	check "scx_$name is enabled" start_sched "$name"
	check "scx_$name schedules a load" load
	if [[ $name == flatcg ]]; then check "scx_flatcg schedules a load in cgroups" load_cgroups; fi
	# a scan takes place every half timeout, 2.5 s for qmap
	if [[ $name == qmap ]]; then sleep 3; fi
	if [[ $name == central ]]; then check "scx_central stays enabled" enabled; fi
	# shellcheck disable=SC2086 # a list
	check "scx_$name is served by the core" moved balance enables ${counts[$name]}
	stop_sched
	reported 'EXIT: unregistered from user space' || bail "scx_$name did not last"
done
check "no pick sequence is left behind" arrays_are 0
ktap_finished
