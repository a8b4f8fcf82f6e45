#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own sched_ext selftests, in one boot: on the built-in core, on
# the module's, and some on the built-in one again.

# shellcheck source=selftests/functions.sh
. "$(dirname "$0")/functions.sh"

runner=$BPF_DIR/selftests/runner
mapfile -t tests < <(find "$KDIR/tools/testing/selftests/sched_ext" -name '*.c' ! -name '*.bpf.c' \
	-exec sed -n 's/^[[:space:]]*\.name[[:space:]]*= "\(.*\)",.*/\1/p' {} + | sort)

begin $((${#tests[@]} + 4)) builtin
[[ -x $runner ]] || bail "the kernel's selftests are not built"
echo "# ${#tests[@]} tests"

# The tests of the last pass, as -t of the runner takes them: few, and short ones.
some=select_cpu

# run PASS [OPTION]...: what the runner prints is kept; its exit code means nothing in 6.12.
run() {
	local pass=$1
	shift
	echo "# $pass on the $(core) core"
	# by lines, or each child that it forks prints its buffer once more
	stdbuf -oL "$runner" "$@" >"$tmp/$pass" 2>&1
	grep -cE "^ok " "$tmp/$pass" | sed "s/^/# passed: /"
	cp "$tmp/$pass" "${RESULTS:-$tmp}/upstream.$pass" 2>/dev/null
	disabled
}

verdict() {
	sed -nE "s/^(ok|not ok) [0-9]+ $2 # ?(SKIP)?.*/\1 \2/p" "$tmp/$1" | tail -n 1 | sed 's/ *$//'
}

same_verdicts() {
	local pass got rc=0
	for pass in first rust ${2:-}; do
		got=$(verdict "$pass" "$1")
		[[ $got == ok ]] && continue
		echo "# $1, $pass: ${got:-no verdict}"
		rc=1
	done
	return $rc
}

check "the runner ends on the built-in core" run first
insmod "$module" || bail "insmod fails"
[[ $(core) == rust_scx ]] || bail "the core in charge is $(core)"
mark
check "the runner ends on the module's core" run rust
check "the module's core was at work" moved balance dispatch dispatch_rounds scans enables disables
rmmod rust_scx || bail "rmmod fails"
check "the runner ends on the built-in core again" run again -t "$some"

for name in "${tests[@]}"; do
	if [[ $name == *"$some"* ]]; then
		check "$name passes on both cores, and once more" same_verdicts "$name" again
	else
		check "$name passes on both cores" same_verdicts "$name"
	fi
done
ktap_finished
