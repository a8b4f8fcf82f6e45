#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# scxcore, the terminal program: what it shows is what the counters say, it goes on while the
# module goes and comes, and it gives the terminal back.

# shellcheck source=selftests/functions.sh
. "$(dirname "$0")/functions.sh"

scxcore=$here/../tools/scxcore/target/release/scxcore
report=$debug/last_report
export LANG=C.UTF-8
# What should come comes within so many seconds. A guest under load may be slow.
patience=30

[[ -x $scxcore ]] || skip_all "scxcore is not built: make scxcore"
need tmux python3 hackbench chrt
need_timers
begin 24

# needs_report NAME COMMAND...: as check, if this module keeps reports.
needs_report() {
	if [[ -e $report ]]; then check "$@"; else ktap_test_skip "$1: this module has no last_report"; fi
}

# says CODE TEXT ARGUMENT...: scxcore exits with that code and says that, on either channel. There
# is no timeout here: it would go by the guest's own time, see clock.
says() {
	local want=$1 text=$2 code=0
	shift 2
	"$scxcore" "$@" >"$tmp/said" 2>&1 || code=$?
	# It breaks lines where they are full.
	if ((code == want)) && tr -s ' \n' ' ' <"$tmp/said" | grep -qF -- "$text"; then return; fi
	echo "# scxcore $*: exit code $code, expected $want with: $text"
	sed 's/^/# /' "$tmp/said"
	return 1
}

# --- a terminal -----------------------------------------------------------------

in_tmux() {
	tmux -u -S "$tmp/tmux" "$@"
}

open_terminal() {
	in_tmux -f /dev/null new-session -d -x 100 -y 30 "PS1='$ ' exec bash --norc --noprofile -i"
}

# Its words go to a variable, as they come.
screen() {
	shown=$(in_tmux capture-pane -p)
}

shows() {
	screen
	[[ $shown == *"$1"* ]]
}

shows_not() {
	! shows "$1"
}

# expect TEXT: it comes within a while.
expect() {
	if await $patience shows "$1"; then return; fi
	echo "# not on the screen: $1"
	echo "# | ${shown//$'\n'/$'\n'# | }"
	return 1
}

type_keys() {
	in_tmux send-keys "$@"
}

start_top() {
	type_keys C-l "clear; $scxcore top ${*:-}; echo code=\$?" Enter
}

# value LABEL: the number behind it.
value() {
	screen
	sed -n "s|.*$1 *\([0-9.]*[0-9kM]\).*|\1|p" <<<"$shown" | head -n 1
}

is_something() {
	[[ $(value "$1") == *[1-9]* ]]
}

# The value is there, and is another one after a while.
moves() {
	local was
	await $patience is_something "$1" || { echo "# $1 is $(value "$1")"; return 1; }
	was=$(value "$1")
	await $patience is_not "$1" "$was" || { echo "# $1 stays at $was"; return 1; }
}

is_not() {
	[[ $(value "$1") != "$2" ]]
}

stays_when_paused() {
	local was
	type_keys p
	expect PAUSED || return
	was=$shown
	nap 3
	screen
	type_keys p
	[[ $shown == "$was" ]] || { echo "# the screen has changed"; return 1; }
	await $patience shows_not PAUSED
}

# The sum of the column of CPUs is about what the line of sums says.
cpus_make_up_the_sum() {
	screen
	python3 - "$shown" <<-'END'
	import re, sys

	def number(text):
	    for unit, factor in (("k", 1e3), ("M", 1e6)):
	        if text.endswith(unit):
	            return float(text[:-1]) * factor
	    return float(text)

	screen = sys.argv[1]
	total = number(re.search(r"searches/s +(\S+)", screen)[1])
	lines = screen[screen.index("CPU searches"):].splitlines()[1:]
	rows = [line.split() for line in lines if re.match(r" +\d+ ", line)]
	cpus = sum(number(row[1]) for row in rows)
	if not rows or not 0.9 * total - 1 <= cpus <= 1.1 * total + 10:
	    sys.exit(f"# {len(rows)} CPUs have {cpus} searches, all {total}")
	END
}

# code TEXT: top has ended with that code, and what was on the screen before is there again, with
# a terminal that has lines and an echo.
gave_back() {
	expect "code=$1" || return
	[[ $(in_tmux display-message -p '#{alternate_on}') == 0 ]] || { echo "# still on the other screen"; return 1; }
	type_keys "clear; stty -a" Enter
	expect " icanon" && expect " echo "
}

quits_by() {
	type_keys "$1"
	gave_back 0
}

ends_by_signal() {
	start_top
	expect "scheduler simple" || return
	kill -"$1" "$(pgrep -P "$(in_tmux display-message -p '#{pane_pid}')")" || return
	gave_back "$2"
}

fits_a_larger_terminal() {
	in_tmux resize-window -x 160 -y 45
	expect "── waits" || return
	[[ $(grep -c '── dispatch.*── kicks.*── waits' <<<"$shown") == 1 ]] || return
	in_tmux resize-window -x 60 -y 12
	expect "CPU searches" || return
	in_tmux resize-window -x 100 -y 30
	# An older module does not time waits, and it says so.
	if [[ $(<$debug/counters) == *wait_1us* ]]; then expect "≤1us"; else expect "does not time waits"; fi
}

# --- stat -----------------------------------------------------------------------

json_agrees() {
	cat $debug/counters >"$tmp/before"
	"$scxcore" stat --json --percpu -n 3 -i 0.5 >"$tmp/json" || return
	cat $debug/counters >"$tmp/after"
	python3 - "$tmp" <<-'END'
	import json, sys

	def read(name):
	    with open(f"{sys.argv[1]}/{name}") as file:
	        return {name: int(value) for name, value in map(str.split, file)}

	def must(what, *values):
	    if not what:
	        sys.exit(f"# {values}")

	before, after = read("before"), read("after")
	with open(f"{sys.argv[1]}/json") as file:
	    lines = [json.loads(line) for line in file]
	must(len(lines) == 3, "lines", len(lines))
	gauges = {"pick_seq_arrays"}
	for line in lines:
	    must(line["version"] == 1 and line["core"] == "rust_scx" and line["state"] == "enabled"
	         and line["ops"] == "simple" and line["event"] is None, line)
	    must(line["total"].keys() == before.keys(), "names", set(before) ^ set(line["total"]))
	    must(line["delta"].keys() == before.keys() - gauges, "names of differences")
	    for name, delta in line["delta"].items():
	        # three digits are kept of both
	        rate, off = line["per_second"][name], 0.001 + 0.002 * delta / line["seconds"]
	        must(abs(rate - delta / line["seconds"]) <= off, name, rate, delta, line["seconds"])
	for name in before.keys() - gauges:
	    deltas = sum(line["delta"][name] for line in lines)
	    first = lines[0]["total"][name] - lines[0]["delta"][name]
	    last = lines[-1]["total"][name]
	    must(last - first == deltas, name, first, last, deltas)
	    must(before[name] <= first <= last <= after[name], name, before[name], first, last, after[name])
	    # each CPU is read a moment later than the sum
	    cpus = sum(cpu["total"][name] for cpu in lines[-1]["percpu"])
	    must(last <= cpus <= after[name], name, last, cpus, after[name])
	must(sum(line["delta"]["balance"] for line in lines) > 0, "no searches")
	END
}

# What there is to be read must be two lines at least, and no complaint.
ends_quietly() {
	local codes
	"$scxcore" stat -i 0.1 2>"$tmp/said" | head -n 2 >"$tmp/head"
	codes=("${PIPESTATUS[@]}")
	[[ ${codes[0]} == 0 && ! -s $tmp/said && $(wc -l <"$tmp/head") == 2 ]] || {
		echo "# exit code ${codes[0]}: $(<"$tmp/said")"
		return 1
	}
}

has_event() {
	grep -q "\"event\":\"$1\"" "$tmp/events"
}

# --- the module goes and comes --------------------------------------------------

take_out() {
	rmmod rust_scx && [[ $(core) == builtin ]]
}

put_in() {
	insmod "$module" && [[ $(core) == rust_scx ]]
}

stat_goes_on() {
	await $patience has_event "$1" || { tail -n 2 "$tmp/events" | cut -c 1-200 | sed 's/^/# /'; return 1; }
	kill -0 "$stat_pid"
}

# --- what went wrong ------------------------------------------------------------

stall() {
	start_sched qmap -t 200 || return
	# A group of its own, to be stopped as a whole.
	setsid hackbench -g 2 -f 8 -l 1000000 >/dev/null 2>&1 &
	load_pids+=(-$!)
	if ! sched_gone 60; then
		echo "# qmap does not stall"
		return 1
	fi
	stop_load 2>/dev/null
	reported 'EXIT: runnable task stall'
}

# What explain says is what the kernel log says.
explains_the_stall() {
	local who pid
	who=$(dmesg | sed -n 's/.* \([^ ]*\[[0-9]*\]\) failed to run for .*/\1/p' | tail -n 1)
	pid=${who##*[}
	says 0 "A task that was not run, under the BPF scheduler qmap" explain &&
		says 0 "$who could run, and was not run for" explain &&
		says 0 "with the BPF scheduler" explain &&
		says 0 "\"pid\":${pid%]}," explain --json
}

# The trap ends by sysrq or, if that comes late, by the watchdog, which reports it then.
explains_the_last() {
	local title="A task that was not run"
	[[ $(dmesg | grep -o 'failed to .* for [0-9]' | tail -n 1) != *"check in"* ]] ||
		title="A watchdog that was not run"
	says 0 "$title, under the BPF scheduler qmap" explain
}

trap_cpus() {
	prepare_hogs $((2 * online)) || return
	start_sched qmap -l 1 || return
	release_hogs
	nap 0.5
}

# The watchdog may be faster than what looks, which a busy host keeps from running: that says nothing.
explains_the_trap() {
	local _
	for _ in 1 2 3; do
		trap_cpus || bail "no trap"
		if says 0 "It goes on:" explain >"$tmp/explained"; then return; fi
		if enabled; then break; fi
		echo "# the trap was over before it was looked at"
		stop_load
		sched_gone 5 || bail "the trap does not end"
	done
	cat "$tmp/explained"
	return 1
}

guard_sum_is() {
	local trips
	trips=$(counter guard_trips)
	says 0 "run $trips times since the module was inserted" explain &&
		says 0 "It does not go on" explain
}

# --------------------------------------------------------------------------------

# Reports and counters of whatever was before are not wanted.
take_out || bail "the module cannot be taken out"
check "without the module stat says what to do" says 3 "insmod rust-scx.ko" stat -n 1
check "and so does explain" says 3 "insmod rust-scx.ko" explain
put_in || bail "the module cannot be put in"
needs_report "explain with nothing says so" says 0 "has had nothing to report" explain
check "no guard trip is said to be none" says 0 "The guard has not ended a dispatch loop" explain
check "top without a terminal says so" says 1 "needs a terminal" top

start_sched simple || bail "scx_simple does not start"
(while load 20; do :; done) &
load_pids+=($!)
check "the differences of stat --json are those of the counters" json_agrees
check "stat ends quietly when its reader does" ends_quietly

open_terminal || bail "no terminal"
start_top
check "top names the core and the scheduler" expect "core rust_scx  scheduler simple (enabled)"
check "searches move" moves searches/s
check "rounds move" moves rounds/s
check "the CPUs make up the sum" cpus_make_up_the_sum
check "it pauses" stays_when_paused
check "it fits the terminal when that changes" fits_a_larger_terminal
check "q gives the terminal back" quits_by q
check "SIGTERM does, too" ends_by_signal TERM 143
check "and so does SIGINT" ends_by_signal INT 130
stop_load
stop_sched

start_top -i 0.5
expect "scheduler none (disabled)"
"$scxcore" stat --json -i 0.5 >"$tmp/events" &
stat_pid=$!
nap 2
take_out || bail "the module cannot be taken out again"
check "top says that the module is gone" expect "the built-in core is in charge"
check "stat says that it is gone, and goes on" stat_goes_on removed
put_in || bail "the module cannot be put in again"
check "top says that it is back" expect "the module was inserted"
check "stat says that it is back, and goes on" stat_goes_on inserted
kill $stat_pid
type_keys q
in_tmux kill-server

stall || bail "no stall"
needs_report "explain tells of a stall what the kernel log does" explains_the_stall

# What follows is to run while sched_ext does not: without the kernel's workers, which are of that and
# would have to fetch the program.
chrt -f -p 50 $$
cp "$scxcore" "$tmp/scxcore"
scxcore=$tmp/scxcore
check "explain says that the guard is at work" explains_the_trap
echo S >/proc/sysrq-trigger
sched_gone 20 || bail "the trap does not end"
stop_load
check "and how often it was, once it is over" guard_sum_is
needs_report "the report is the last one of the kernel log" explains_the_last
ktap_finished
