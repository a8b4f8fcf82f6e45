#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Usage: bench/guest.sh MODULE BUILD KERNEL CORES FIGURE [ARG]...
#
# In a guest: runs what a figure takes on each of the cores, in turn, as scripts/bench asks. A core
# that is not called rust is what the kernel has.
set -euo pipefail

module=$1 guest=$2/guest schedulers=$3/sched_ext/bin cores=$4 figure=$5
shift 5
core=

state_is() {
	local i
	for ((i = 0; i < 300; i++)); do
		if [[ $(</sys/kernel/sched_ext/state) == "$1" ]]; then return; fi
		sleep 0.1
	done
	echo "bench: sched_ext is not $1" >&2
	exit 1
}

# under SCHEDULER [OPTION]... -- COMMAND...
under() {
	local scheduler=("$schedulers/$1") pid
	shift
	while [[ $1 != -- ]]; do scheduler+=("$1"); shift; done
	shift
	"${scheduler[@]}" >/dev/null 2>&1 &
	pid=$!
	state_is enabled
	"$@"
	kill -INT "$pid"
	wait "$pid" || true
	state_is disabled
}

pingpong() { # NAME: on one CPU, and across two
	"$guest" "$core" pingpong "$1.one" "$trips" 1 1
	"$guest" "$core" pingpong "$1.two" "$trips" 1 2
}

figure_switch() {
	trips=$1
	under scx_simple -f -- pingpong switch.simple-fifo
	under scx_simple -- pingpong switch.simple-vtime
	under scx_qmap -- pingpong switch.qmap
}

figure_unused() {
	trips=$1
	pingpong unused.fair
}

# for large crowds
echo 400000 >/proc/sys/kernel/pid_max
echo 400000 >/proc/sys/kernel/threads-max
echo 1000000 >/proc/sys/vm/max_map_count

take() { # CORE
	core=$1
	if [[ $core == rust ]]; then
		insmod "$module"
		# Code above the kernel's is the module's or that of BPF programs.
		"$guest" - tell "module $(</sys/module/rust_scx/sections/.text) $(printf '%x' "$(</sys/module/rust_scx/coresize)")"
	fi
}

for one in $cores; do
	take "$one"
	case $figure in
	switch | unused) "figure_$figure" "$@" ;;
	*) "$guest" "$core" "$figure" "$@" ;;
	esac
	if [[ $core == rust ]]; then rmmod rust_scx; fi
done
