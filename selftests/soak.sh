#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Whatever may happen to a core, at random and for long: schedulers come and go, also by force,
# under loads whose tasks change their CPUs, class and priority, while CPUs are unplugged and the
# machine goes towards suspend, and the module is taken out and put in.
#
# SOAK_SECONDS is how long, SEED what is drawn from: the same steps for the same seed, although
# not at the same moments. Each step is written to $RESULTS/soak.log before it is taken.

# shellcheck source=selftests/functions.sh
. "$(dirname "$0")/functions.sh"

SEED=${SEED:-$RANDOM}
: "${SOAK_SECONDS:=20}" "${RESULTS:=$tmp}"

need hackbench chrt taskset
begin 4
online_cpus=$online

# draw WORD...: one of them, into drawn. Only the main shell draws, so that nothing hangs on speed.
draw() {
	local n=$((RANDOM % $#))
	shift "$n"
	drawn=$1
}

step() {
	printf '%s %s\n' "$(cut -d ' ' -f 1 /proc/uptime)" "$*" >>"$RESULTS/soak.log"
	echo "soak: $*" >/dev/kmsg
}

# --- what happens to the tasks and CPUs -------------------------------------------------------

# any_task: one of the load's, into task.
any_task() {
	local pids
	mapfile -t pids < <(pgrep -x hackbench; printf '%s\n' "${load_pids[@]}")
	task=${pids[$((RANDOM % ${#pids[@]}))]}
}

affinity() {
	any_task
	draw $(seq 1 $(((1 << online_cpus) - 1)))
	taskset -p "$(printf %x "$drawn")" "$task" &>/dev/null
}

class() {
	any_task
	draw "-o 0" "-b 0" "-i 0" "-f 1" "-r 1"
	# shellcheck disable=SC2086 # two words
	chrt -p $drawn "$task" &>/dev/null
}

nice_value() {
	any_task
	draw -10 0 5 19
	renice -n "$drawn" -p "$task" &>/dev/null
}

hotplug() {
	local cpu
	draw $(seq 1 $((online_cpus - 1)))
	cpu=$drawn
	step "  CPU $cpu goes"
	echo 0 >"/sys/devices/system/cpu/cpu$cpu/online"
	draw 0.01 0.2
	nap "$drawn"
	echo 1 >"/sys/devices/system/cpu/cpu$cpu/online"
}

# Tasks are frozen, and thawed: sched_ext is bypassed for that long. To go on would cost the guest
# its files.
suspend() {
	[[ -w /sys/power/pm_test ]] || return 0
	step "  towards suspend"
	echo freezer >/sys/power/pm_test
	echo 1 >/sys/module/suspend/parameters/pm_test_delay
	echo freeze >/sys/power/state
}

# --- schedulers, and how they end ------------------------------------------------------------

declare -A ends=([orderly]=0 [killed]=0 [sysrq]=0 [watchdog]=0 [error]=0)

# end_sched HOW: the scheduler ends that way, and is gone. More than once if need be: some begin
# anew when a CPU comes or goes.
end_sched() {
	local how=$1 tries
	step "  ends: $how"
	for ((tries = 0; tries < 12; tries++)); do
		case $how in
		orderly) kill -INT "$sched_pid" ;;
		killed) kill -KILL "$sched_pid" ;;
		sysrq) echo S >/proc/sysrq-trigger ;;
		watchdog | error) ;;
		esac 2>/dev/null
		if await 5 sched_over; then
			wait "$sched_pid" 2>/dev/null
			sched_pid=
			((++ends[$how]))
			return
		fi
	done
	echo "# it does not end: $how"
	show_ending
	return 1
}

show_ending() {
	step "  the scheduler is $(<$scx/state); its program, its kernel thread, and who has the CPUs:"
	{
		cat "/proc/$sched_pid/stack" "/proc/$(pgrep -x sched_ext_ops_helper)/stack"
		ps -eLo pid,cls,psr,stat,comm | awk '$2 != "TS" || $4 ~ /^R/'
	} &>>"$RESULTS/soak.log"
}

sched_over() {
	disabled && sched_ended
}

# Whether a scheduler that is to be thrown out, in the way $1, already is.
thrown_out() {
	[[ $1 ]] && grep -qE 'EXIT: (runnable task stall|scx_bpf_error)' "$tmp/report"
}

# A scheduler, a load, and what befalls it.
episode() {
	local sched end="" n i
	draw simple "simple -f" qmap "qmap -s 5000" "qmap -e 50" central flatcg "qmap -l 10" "qmap -t 5"
	sched=$drawn
	draw 1 2 4
	n=$drawn
	step "scx_$sched, hackbench -g $n"
	if [[ $sched == central ]]; then enabler_stays 2>/dev/null || sched=simple; fi
	(while :; do hackbench -g "$n" -f 8 -l 20; done) &>/dev/null &
	load_pids+=($!)
	(while :; do :; done) &
	load_pids+=($!)
	# these are thrown out for what they do, on a busy host before this shell gets to see them
	case $sched in
	"qmap -l 10" | "qmap -t 5") end=watchdog ;;
	"qmap -e 50") end=error ;;
	esac
	# shellcheck disable=SC2086 # a list
	start_sched $sched || thrown_out "$end" || { echo "# scx_$sched does not start"; return 1; }

	draw 2 5 10
	for ((i = drawn; i; i--)); do
		draw affinity affinity affinity class class nice_value hotplug suspend "nap 0.2"
		$drawn
	done
	draw orderly orderly killed sysrq
	: "${end:=$drawn}"
	end_sched "$end" || return
	# first who would start another one
	stop_load
	pkill -KILL -x hackbench
	await 20 no_hackbench || { echo "# hackbench does not end"; return 1; }
	all_go_on
}

no_hackbench() {
	! pgrep -x hackbench >/dev/null
}

# Whatever class they are of now, tasks run on each CPU.
all_go_on() {
	local cpu
	for ((cpu = 0; cpu < online_cpus; cpu++)); do
		taskset -c "$cpu" timeout 20 true || { echo "# nothing runs on CPU $cpu"; return 1; }
	done
}

# One of the programs that draw by themselves.
storm() {
	draw wakeup affinity nice class fork hotplug
	step "storm of $drawn"
	env STORM="$drawn" STORM_MS=1000 SEED=$RANDOM RUST_SCX_CORE="$(core)" "$here/storm" >"$tmp/storm" ||
		{ sed 's/^/# /' "$tmp/storm"; return 1; }
}

sequence() {
	step "sequence"
	env ROUNDS=20 SEED=$RANDOM RUST_SCX_CORE="$(core)" "$here/sequence" >"$tmp/sequence" ||
		{ sed 's/^/# /' "$tmp/sequence"; return 1; }
}

reload() {
	step "rmmod, insmod"
	rmmod rust_scx && [[ $(core) == builtin ]] && insmod "$module" && [[ $(core) == rust_scx ]]
}

soak() {
	local until episodes=0 balanced=0
	RANDOM=$SEED
	clock
	until=$((seconds + SOAK_SECONDS))
	while clock && ((seconds < until)); do
		draw episode episode episode storm sequence reload
		if [[ $drawn == reload ]]; then
			# the counters go with it
			((balanced += $(counter balance)))
		fi
		$drawn || return
		disabled || { echo "# a scheduler was left behind"; return 1; }
		((++episodes))
	done
	((balanced += $(counter balance)))
	echo "# SEED=$SEED: $episodes episodes, $balanced balances; ended ${ends[*]@K}"
	((episodes && balanced))
}

quiet_log() {
	! dmesg | grep -E 'BUG:|Oops|lockup|detected stall|KASAN|UBSAN|circular locking|general protection'
}

[[ $(core) == rust_scx ]] || bail "soak.sh is for the module"
step "SEED=$SEED"
# By then the watchdog has thrown out any scheduler that lets RCU's kthread starve.
echo 120 >/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout
check "schedulers, loads, CPUs and the module come and go at random" soak
check "no scheduler is left" disabled
check "no pick sequence is left behind" arrays_are 0
check "the kernel has nothing to complain of" quiet_log
ktap_finished
