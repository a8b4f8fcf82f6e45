#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Tracepoints and the last report say what happened, and nothing when they are off.

# shellcheck source=selftests/functions.sh
. "$(dirname "$0")/functions.sh"

tracefs=/sys/kernel/tracing
events=$tracefs/events/rust_scx

[[ $(core) == rust_scx ]] || skip_all "only the module traces"
[[ -e $tracefs/trace ]] || mount -t tracefs nodev $tracefs || skip_all "there is no tracefs"
need hackbench chrt
need_timers
begin 13
# what follows is to run while sched_ext does not
chrt -f -p 50 $$
echo nop >$tracefs/current_tracer
echo 8192 >$tracefs/buffer_size_kb
trap 'echo 0 >$events/enable; stop_load; stop_sched; rm -rf "$tmp"' EXIT

# count PATTERN: events that match it
count() {
	grep -c -- "$1" $tracefs/trace
}

trace() { # 0|1
	echo >$tracefs/trace
	echo "$1" >$events/enable
}

nothing_traced() {
	[[ $(count ' rust_scx_') == 0 ]]
}

# as many as the counters say, each with an outcome that is a counter
kicks_traced() {
	local name now asked=0 traced
	for name in kick_plain kick_idle kick_preempt kick_no_scheduler kick_bypassed; do
		now=$(counter "$name")
		asked=$((asked + now - $(counter_then "$name")))
	done
	traced=$(count ' rust_scx_kick: ')
	echo "# $traced kicks traced, $asked counted"
	((traced == asked && traced > 0)) || return 1
	sed -n 's/.* rust_scx_kick: .* outcome=//p' $tracefs/trace | sort -u >"$tmp/outcomes"
	# the irq_work counts what it does by the same names, and traces none of it
	while read -r name; do
		now=$(counter "$name") || return 1
		traced=$(count " outcome=$name\$")
		echo "# $traced times $name, $((now - $(counter_then "$name"))) counted"
		((now - $(counter_then "$name") >= traced)) || return 1
	done <"$tmp/outcomes"
	[[ -s $tmp/outcomes ]]
}

trips_traced() {
	[[ $(count ' rust_scx_guard_trip: .*rounds=32$') -gt 0 && $(count 'rounds=32$') == "$(count ' rust_scx_guard_trip: ')" ]]
}

# value KEY: of the last report
value() {
	sed -n "s/^$1 //p" $debug/last_report
}

report_kept() {
	[[ $(value kind) == stall && $(value scheduler) == qmap && $(value curr_class) =~ ^[a-z]+$ ]] &&
		(($(value cpu) < ncpus && $(value ms) > 5000 && $(value pid) > 0 && $(value guard_trips) == 0)) &&
		[[ $(value place) == bpf ]]
}

report_names_task() {
	[[ $(value text) == "$(value comm)[$(value pid)] failed to run for "* ]] && log_has "$(value text)"
}

report_traced() {
	[[ $(count " rust_scx_report: kind=stall cpu=$(value cpu) ms=$(value ms) pid=$(value pid) $(value comm)\\[") == 1 ]]
}

check "the tracepoints are there" test -d $events/rust_scx_kick -a -d $events/rust_scx_wait \
	-a -d $events/rust_scx_guard_trip -a -d $events/rust_scx_report
trace 0
check "there is no report at first" test ! -s $debug/last_report
start_sched simple || bail "scx_simple does not start"
stop_sched
enabler_stays
mark
start_sched central || bail "scx_central does not start"
load 5
check "kicks are not traced while that is off" nothing_traced
check "though there are some" moved kick_preempt
stop_sched
mark
trace 1
start_sched central || bail "scx_central does not start again"
load 5
stop_sched
echo 0 >$events/enable
check "all kicks are traced while that is on" kicks_traced
check "kicks sent IPIs" moved kick_ipis
check "who ends as it should leaves no report" test ! -s $debug/last_report

trace 0
echo 1 >$events/rust_scx_guard_trip/enable
prepare_hogs $((2 * online))
start_sched qmap -l 1 || bail "scx_qmap does not start"
release_hogs
check "the watchdog ends an endless loop" sched_gone 30
stop_load
echo 0 >$events/enable
check "the guard's trips are traced" trips_traced

# every second task stays with the BPF scheduler
log_mark
trace 0
echo 1 >$events/rust_scx_report/enable
prepare_hogs $((2 * online))
start_sched qmap -t 2 || bail "scx_qmap does not start again"
release_hogs
check "the watchdog ends a stall" sched_gone 30
stop_load
echo 0 >$events/enable
check "the last report says what it was about" report_kept
check "its text is that of the kernel log" report_names_task
check "and it is traced" report_traced
ktap_finished
