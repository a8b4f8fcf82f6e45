#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Usage: guest.sh PROGRAM...
#
# Runs test programs of this directory one after the other, within a guest, and
# prints nested KTAP. After each it looks for splats in the kernel log and for a
# scheduler left behind. What helps to understand a failure is put into
# $RESULTS: PROGRAM.dmesg and PROGRAM.counters.

cd "$(dirname "$0")" || exit 1
RESULTS=${RESULTS:-$(mktemp -d)}
export RESULTS
failed=0

# What must not be seen. sched_ext's own reports of what the tests provoke may
# hold such words too.
splats='BUG:|WARNING:|Oops|lockup|[Ss]elf-detected stall|detected stalls|invoked oom-killer|blocked for more than|KASAN|UBSAN|circular locking|INFO: rcu|general protection'
allowed='sched_ext:|selftests:'
# 6.12 reads its clock again if an update came in between (seqcount_latch_t), which KCSAN is not told.
allowed+='|KCSAN: data-race in ktime_get_mono_fast_ns / timekeeping_update'
# The detector of RCU stalls reports before it asks; that of hard lock-ups is in the backtrace of
# the exit that it causes. And the program has a name that is looked for.
lockups='rcu: INFO: rcu_preempt (self-)?detected| watchdog_hardlockup_check\+| Comm: lockup '
# Where there is no memory, 6.12's tracing counts wrong what the events of a module take, and it
# reads behind its map of BTF types if the module has a base of them, as pahole 1.30 makes it.
no_memory='WARNING: .* (event_define_fields|event_file_put)\+|KASAN: slab-out-of-bounds in btf_relocate\+'
declare -A known=([lockup]=$lockups [faults]=$no_memory)
# The built-in core keeps a task that no longer runs.
if [[ $(cat /sys/kernel/sched_ext/core 2>/dev/null) != rust_scx ]]; then
	known[siblings]='WARNING: .* pick_task_scx\+'
	known[unbalanced]=${known[siblings]}
fi
# What a patch repairs is to be seen without it.
if [[ ! -e /sys/kernel/sched_ext/core ]]; then
	fair_server='WARNING: .* (task_non_contending|inactive_task_timer)\+'
	known[deferred]='WARNING: .* kernel/sched/sched\.h:'
	known[hogged]="$fair_server|rcu: INFO: rcu_preempt detected stalls"
	known[unbalanced]+="|$fair_server"
fi

mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
dmesg -n 1

explain() {
	sed -n "1,${1:-40}p" | sed 's/^/  # /'
}

echo "KTAP version 1"
echo "1..$#"
number=0
for program; do
	number=$((number + 1))
	verdict="ok $number $program"
	echo "# Subtest: $program"
	dmesg -C
	"./$program" 2>&1 </dev/null | sed -u 's/^/  /'
	rc=${PIPESTATUS[0]}
	dmesg >"$RESULTS/$program.dmesg"

	if [[ $(cat /sys/kernel/sched_ext/state 2>/dev/null) == en* ]]; then
		verdict="not ok $number $program # it left a scheduler enabled"
		echo S >/proc/sysrq-trigger
		sleep 1
	fi
	if grep -E "$splats" "$RESULTS/$program.dmesg" |
		grep -vE "$allowed${known[$program]:+|${known[$program]}}" >"$RESULTS/$program.splats"; then
		verdict="not ok $number $program # splats in the kernel log"
		explain 10 <"$RESULTS/$program.splats"
	else
		rm "$RESULTS/$program.splats"
	fi
	case $rc in
	0) ;;
	4) verdict="ok $number $program # SKIP" ;;
	*) verdict="not ok $number $program # exit=$rc" ;;
	esac
	for counters in counters percpu; do
		cat "/sys/kernel/debug/rust_scx/$counters" >"$RESULTS/$program.$counters" 2>/dev/null ||
			rm "$RESULTS/$program.$counters"
	done
	if [[ $verdict == not* ]]; then
		failed=1
		echo "  # the end of the kernel log:"
		tail -n 40 "$RESULTS/$program.dmesg" | explain
		if [[ -s $RESULTS/$program.counters ]]; then
			echo "  # the counters of the module:"
			explain <"$RESULTS/$program.counters"
		fi
	fi
	echo "$verdict"
done
exit $failed
