#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The unit tests of the module, each of them a result. They are beside what they test, in the
# Rust code; KUnit runs them when the module is inserted, and here once more.

# shellcheck source=selftests/functions.sh
. "$(dirname "$0")/functions.sh"

kunit=/sys/kernel/debug/kunit

[[ $(core) == rust_scx ]] || skip_all "the tests are in the module"
compgen -G "$kunit/rust_scx_*" >/dev/null || skip_all "KUnit has not run any test of the module: it takes" \
	"CONFIG_KUNIT=y, CONFIG_KUNIT_DEBUGFS=y, and kunit.enable=1 on the command line"

# Of what KUnit says, a test and what it complains of; the complaint comes first.
a_test='^    (ok|not ok) [0-9]+ ([^ ]+)( # SKIP.*)?$'
for dir in "$kunit"/rust_scx_*; do
	echo again >"$dir/run"
	grep '^    ' "$dir/results" | grep -vE '^    (KTAP version|1\.\.|# Subtest|# module)' | sed "s/^/${dir##*/} /"
done >"$tmp/lines"

# By the symbols of suites in the module.
all_ran() {
	local suites built
	suites=$(cut -d ' ' -f 1 "$tmp/lines" | sort -u | wc -l)
	built=$(grep -cE ' _R[A-Za-z0-9_]*5SUITE[[:space:]]+\[rust_scx\]$' /proc/kallsyms)
	echo "# $suites suites, $built in the module"
	((suites == built))
}

begin $((1 + $(cut -d ' ' -f 2- "$tmp/lines" | grep -cE "$a_test")))
check "each suite in the module has run" all_ran
while IFS= read -r line; do
	suite=${line%% *}
	line=${line#* }
	if [[ ! $line =~ $a_test ]]; then
		echo "# $line"
	elif [[ -n ${BASH_REMATCH[3]} ]]; then
		ktap_test_skip "$suite: ${BASH_REMATCH[2]}"
	else
		check "$suite: ${BASH_REMATCH[2]}" test "${BASH_REMATCH[1]}" = ok
	fi
done <"$tmp/lines"
ktap_finished
