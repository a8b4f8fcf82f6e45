#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# More possible CPUs than the stock kernel boots with, of which two are there:
# both cores come, work, and give back the memory that they took. MANY_CPUS is
# how many are enough, for trying this test with fewer.

# shellcheck source=selftests/functions.sh
. "$(dirname "$0")/functions.sh"

possible=$(</sys/devices/system/cpu/possible)
((ncpus >= ${MANY_CPUS:-4097})) || skip_all "only CPUs $possible are possible"
need hackbench
begin 14
cd "$here" || bail "cannot enter $here"

all_counted() {
	[[ $possible == "0-$((ncpus - 1))" && $(</sys/devices/system/cpu/online) == 0-1 ]]
}

# What a scheduler and a core may take, in kB.
memory() {
	awk '$1 ~ /^(Percpu|SUnreclaim|VmallocUsed):/ { sum += $2 } END { print sum }' /proc/meminfo
}

# The same, once RCU and the vmalloc area have freed what they were given.
settled() {
	local last now i
	now=$(memory)
	for ((i = 0; i < 10; i++)); do
		nap 1
		last=$now
		now=$(memory)
		((now < last - 64)) || break
	done
	echo "$now"
}

enable() {
	start_sched simple && arrays_are "$ncpus"
}

disable() {
	stop_sched && arrays_are 0
}

# What a scheduler takes and leaves. It has run once before, as some of what the
# first one brings stays, programs of the kernel's among it.
measure() {
	base=$(settled)
	enable || return
	held=$(($(settled) - base))
	disable || return
	left=$(($(settled) - base))
	echo "# $(core): $base kB; with a scheduler $held kB more, afterwards $left kB more"
}

came_back() {
	((left < 512))
}

kicks_work() {
	RUST_SCX_CORE=$(core) ./kick_kinds >"$tmp/kicks" 2>&1 && return
	sed 's/^/# /' "$tmp/kicks"
	return 1
}

# Whoever cannot be enabled must have a reason that its user sees.
works_or_says_why() {
	enable && return
	sed 's/^/# scx_simple: /' "$tmp/report"
	disabled && grep -q 'Cannot allocate memory' "$tmp/report"
}

check "possible CPUs are $possible, of which two are there" all_counted

mark
check "a scheduler is enabled on the module's core" enable
check "it schedules a load" load
check "the module's core is at work" moved balance dispatch dispatch_rounds enables
check "it is disabled again" disable
check "another takes and leaves its memory" measure
# the request sets are there at all times, and the kernel's
check "waits take less than 1 KiB for each possible CPU" test "$held" -lt "$ncpus"
check "all of it comes back" came_back
check "kicks of every kind work" kicks_work

check "the module hands back" rmmod rust_scx
check "on the built-in core, a scheduler is enabled or told why it cannot be" works_or_says_why
if enabled; then
	disable
	measure
	check "kicks of every kind work on the built-in core" kicks_work
	check "the built-in core gives its memory back" came_back
else
	stop_sched
	ktap_test_skip "kicks of every kind work on the built-in core"
	ktap_test_skip "the built-in core gives its memory back"
fi

module_again() {
	insmod "$module" && [[ $(core) == rust_scx ]] && enable && disable
}
check "the module is inserted again and works" module_again
ktap_finished
