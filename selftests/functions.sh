# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # what is set here is used by those who source it
# shellcheck disable=SC2317 # and so are functions, or by the trap
#
# What the shell tests share: KTAP, the core in charge, counters, schedulers.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
KDIR=${KDIR:-/lib/modules/$(uname -r)/build}
# installed, what is needed of the kernel's tree comes along
if [[ -d $here/../sched_ext ]]; then : "${BPF_DIR:=$here/..}"; fi
BPF_DIR=${BPF_DIR:-$KDIR/..}
module=$here/../rust-scx.ko
scx=/sys/kernel/sched_ext
debug=/sys/kernel/debug/rust_scx
ncpus=$(getconf _NPROCESSORS_CONF)	# that there may be
online=$(getconf _NPROCESSORS_ONLN)	# and that there are

helpers=$here/../kselftest/ktap_helpers.sh
[[ -e $helpers ]] || helpers=$KDIR/tools/testing/selftests/kselftest/ktap_helpers.sh
# shellcheck source=/dev/null
. "$helpers"

tmp=$(mktemp -d)
mkfifo "$tmp/nothing"
exec {nothing}<>"$tmp/nothing"
trap 'stop_load; stop_sched; rm -rf "$tmp"' EXIT
sched_pid=
load_pids=()

# check NAME COMMAND...: one result, ok if the command succeeds.
check() {
	local name=$1
	shift
	if "$@"; then ktap_test_pass "$name"; else ktap_test_fail "$name"; fi
}

skip_all() {
	ktap_print_header
	ktap_skip_all "$*"
	exit "$KSFT_SKIP"
}

bail() {
	ktap_exit_fail_msg "$*"
}

core() {
	if [[ -e $scx/core ]]; then echo "$(<$scx/core)"; else echo builtin; fi
}

# Built-ins of bash only, here and in the waits: a fork may be stuck for long
# while a scheduler misbehaves.
enabled() {
	[[ $(<$scx/state) == enabled ]]
}

disabled() {
	[[ $(<$scx/state) == disabled ]]
}

# begin PLAN [CORE]: header and plan. Without CORE the tests are for the one in
# charge, which must be the module unless RUST_SCX_CORE says otherwise.
begin() {
	local want=${2:-${RUST_SCX_CORE:-}}
	[[ -d $scx ]] || skip_all "the kernel has no sched_ext"
	if [[ $(core) != "${want:-rust_scx}" ]]; then
		[[ ${RUST_SCX_CORE:-} ]] || skip_all "the core in charge is $(core), these tests are for ${want:-rust-scx.ko}"
		ktap_print_header
		bail "the core in charge is $(core), expected $want"
	fi
	ktap_print_header
	ktap_set_plan "$1"
	disabled || bail "a BPF scheduler is enabled already"
}

# What scx_qmap and scx_central take.
has_timers() {
	[[ $(uname -v) != *PREEMPT_RT* ]]
}

need_timers() {
	has_timers || skip_all "6.12 has no bpf_timer on PREEMPT_RT"
}

need() {
	local tool
	for tool; do
		command -v "$tool" >/dev/null || skip_all "$tool is not there"
	done
}

nap() {
	read -rt "$1" <&"$nothing" || :
}

# Seconds by the machine's clock chip. Under emulation the guest's own time leaps
# while it waits for its disk.
clock() {
	seconds=$EPOCHSECONDS
	if [[ -e /sys/class/rtc/rtc0/since_epoch ]]; then
		read -r seconds </sys/class/rtc/rtc0/since_epoch
	fi
}

# await SECONDS COMMAND...: polls the command until it succeeds.
await() {
	local until
	clock
	until=$((seconds + $1))
	shift
	until "$@"; do
		clock
		((seconds <= until)) || return 1
		nap 0.02
	done
}

# --- counters -------------------------------------------------------------------

counter() {
	awk -v name="$1" '$1 == name { print $2; found = 1 } END { exit !found }' $debug/counters
}

# read_percpu NAME: the counter's value on each CPU, into the array percpu. By
# built-ins only.
read_percpu() {
	local names values i
	percpu=()
	{
		read -ra names
		for ((i = 0; i < ${#names[@]}; i++)); do [[ ${names[i]} != "$1" ]] || break; done
		while read -ra values; do percpu[values[0]]=${values[i]}; done
	} <$debug/percpu
}

# counter_then NAME: its value at mark.
counter_then() {
	awk -v name="$1" '$1 == name { print $2 }' "$tmp/counters"
}

mark() {
	if [[ $(core) == rust_scx ]]; then cat $debug/counters >"$tmp/counters"; fi
}

# moved NAME...: each has grown since mark. The built-in core has no counters.
moved() {
	local name was now rc=0
	[[ $(core) == rust_scx ]] || return 0
	for name; do
		was=$(counter_then "$name")
		if ! now=$(counter "$name") || ((now <= was)); then
			echo "# counter $name stays at ${now:-nothing}"
			rc=1
		fi
	done
	return $rc
}

arrays_are() {
	[[ $(core) != rust_scx || $(counter pick_seq_arrays) == "$1" ]]
}

# --- kernel log -----------------------------------------------------------------

log_mark() {
	last_mark="selftests: mark $EPOCHREALTIME"
	echo "$last_mark" >/dev/kmsg
}

# log_has TEXT: the kernel said so since log_mark.
log_has() {
	if dmesg | sed "0,/$last_mark/d" | grep -qF -- "$1"; then return; fi
	echo "# not in the kernel log: $1"
	return 1
}

# --- schedulers and load --------------------------------------------------------

# start_loader SECONDS COMMAND...: what loads a BPF scheduler; what it says is in $tmp/report.
start_loader() {
	local limit=$1
	shift
	"$@" >"$tmp/report" 2>&1 &
	sched_pid=$!
	await "$limit" enabled_or_ended && enabled
}

enabled_or_ended() {
	enabled || sched_ended
}

# start_sched NAME [ARG...]: one of tools/sched_ext.
start_sched() {
	local name=$1
	shift
	start_loader 20 "$BPF_DIR/sched_ext/bin/scx_$name" "$@" && [[ $(<$scx/root/ops) == "$name" ]]
}

# scx_central wants its init on CPU 0, and this thread of the kernel calls it. It comes with
# the first scheduler.
enabler_stays() {
	taskset -cp 0 "$(pgrep -x scx_ops_enable_helper)" >/dev/null
}

# The scheduler's program ends by itself once the kernel has thrown it out.
sched_gone() {
	await "$1" disabled && await 5 sched_ended
}

# ended PID: a child of ours. It may be a zombie for long: bash reaps it with the next program
# that it runs.
ended() {
	local state=Z
	{ read -r _ _ state _ <"/proc/$1/stat"; } 2>/dev/null
	[[ $state == [ZX] ]]
}

sched_ended() {
	ended "$sched_pid"
}

stop_sched() {
	[[ -n $sched_pid ]] || return 0
	kill -INT "$sched_pid" 2>/dev/null
	wait "$sched_pid" 2>/dev/null
	sched_pid=
	await 5 disabled
}

reported() {
	if grep -q -- "$1" "$tmp/report"; then return; fi
	echo "# not reported: $1"
	grep '^EXIT' "$tmp/report" | sed 's/^/# reported: /'
	return 1
}

# prepare_hogs N: tasks that never sleep once release_hogs has been called.
prepare_hogs() {
	local i
	mkfifo "$tmp/hogs"
	exec {hogs}<>"$tmp/hogs"
	: >"$tmp/ready"
	for ((i = 0; i < $1; i++)); do
		# shellcheck disable=SC2016 # for the inner shell
		chrt -o 0 bash -c 'echo >>"$1"; read -r <"$0"; while :; do :; done' "$tmp/hogs" "$tmp/ready" &
		load_pids+=($!)
	done
	await 20 hogs_ready
}

hogs_ready() {
	local lines
	mapfile -t lines <"$tmp/ready"
	((${#lines[@]} == ${#load_pids[@]}))
}

release_hogs() {
	local _
	for _ in "${load_pids[@]}"; do echo >&"$hogs"; done
}

stop_load() {
	((${#load_pids[@]})) || return 0
	kill -KILL -- "${load_pids[@]}" 2>/dev/null
	wait "${load_pids[@]}" 2>/dev/null
	load_pids=()
	rm -f "$tmp/hogs"
}

load() {
	hackbench -g 2 -f 8 -l "${1:-20}" >/dev/null
}
