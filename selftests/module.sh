#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The module comes and goes, and is refused when it must be. Starts without it.

# shellcheck source=selftests/functions.sh
. "$(dirname "$0")/functions.sh"

misfit=$here/test_modules/scx_misfit.ko
times=100

begin 14 builtin
[[ -f $scx/core ]] || bail "the kernel is not patched"
cp "$module" "$misfit" "$tmp/" || bail "the modules are not built"
module=$tmp/rust-scx.ko
misfit=$tmp/scx_misfit.ko

# refused CORE WHY COMMAND...: fails saying WHY, and leaves CORE in charge.
refused() {
	local want=$1 why=$2 said
	shift 2
	if said=$(LC_ALL=C "$@" 2>&1); then
		echo "# $* succeeded"
		return 1
	fi
	if [[ $said != *"$why"* ]]; then
		echo "# it said: $said"
		return 1
	fi
	[[ $(core) == "$want" ]]
}

taken_over() {
	insmod "$module" && [[ $(core) == rust_scx ]] && log_has 'rust_scx: in charge of dispatch, kicks and watchdog'
}

handed_back() {
	rmmod rust_scx && [[ $(core) == builtin ]] && log_has 'rust_scx: handed back to the built-in core' &&
		[[ ! -e $debug ]]
}

memory() {
	sleep 2 # RCU and the vmalloc area free late
	awk '$1 ~ /^(Percpu|Slab|VmallocUsed):/ { sum += $2 } END { print sum }' /proc/meminfo
}

over_and_over() {
	local i
	for ((i = 1; i <= $1; i++)); do
		insmod "$module" || return 1
		if ((i % 10 == 0)); then
			start_sched simple && arrays_are "$ncpus" && stop_sched && arrays_are 0 || return 1
		fi
		rmmod rust_scx || return 1
	done
	[[ $(core) == builtin ]]
}

log_mark
start_sched simple || bail "scx_simple does not start"
check "insmod is refused while a scheduler runs" \
	refused builtin 'Device or resource busy' insmod "$module"
check "the refusal says why" log_has 'core module rust_scx refused: a BPF scheduler is enabled'
stop_sched

log_mark
check "insmod takes over" taken_over
mark
check "a scheduler runs on it" start_sched simple
check "rmmod is refused while a scheduler runs" refused rust_scx 'in use' rmmod rust_scx
check "a second core is refused" refused rust_scx 'Device or resource busy' insmod "$misfit"
stop_sched
check "the core was at work" moved balance dispatch_rounds enables disables
check "rmmod hands back" handed_back

log_mark
check "a core of another ABI is refused" refused builtin 'Invalid' insmod "$misfit" abi=4711
check "the refusal names both ABIs" log_has 'core module scx_misfit refused: ABI 4711, this kernel has'
check "a core of another layout is refused" \
	refused builtin 'Invalid' insmod "$misfit" 'what="sizeof(struct rq)"'
check "the refusal names the misfit" log_has 'core module scx_misfit refused: sizeof(struct rq) is'

over_and_over 10 # what is allocated once and for all
before=$(memory)
check "insmod and rmmod $times times, with schedulers in between" over_and_over $times
grown=$(($(memory) - before))
echo "# memory changed by $grown kB"
# Kernels that check allocations keep notes of them; there kmemleak tells of leaks, see faults.
if [[ -e /sys/kernel/debug/kmemleak ]]; then most=8192; else most=1024; fi
check "memory is what it was" test $grown -lt $most
ktap_finished
