#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# This directory as what it is, a collection of kselftests: it is run by make, and installed and
# run by what the kernel has for that.

# shellcheck source=selftests/functions.sh
. "$(dirname "$0")/functions.sh"

need make rsync
begin 6
suite=$tmp/suite
# the runner writes there, and virtme-ng's leads out of the guest
ln -sfn /proc/self/fd/1 /dev/stdout

# By a pipe: the runner opens its output once more, and would overwrite what is in a file.
# Everything is built; test modules are made by the kernel's build, which writes.
by_make() {
	env -u RUST_SCX_CORE make -C "$here" --no-print-directory "KDIR=$KDIR" "BPF_DIR=$BPF_DIR" \
		TEST_GEN_MODS_DIR= "$@" 2>&1 | cat >"$tmp/said"
}

installed() {
	(cd "$suite" && env -u KDIR -u BPF_DIR -u RUST_SCX_CORE ./run_kselftest.sh "$@") 2>&1 | cat >"$tmp/said"
}

said() {
	if grep -qE -- "$1" "$tmp/said"; then return; fi
	sed 's/^/# /' "$tmp/said" | tail -n 20
	return 1
}

runs_by_make() {
	by_make run_tests TEST_GEN_PROGS=rounds TEST_PROGS=
	said '^ok 1 selftests: .*: rounds$'
}

installs() {
	by_make package "INSTALL_PATH=$suite"
	[[ -s $suite/kselftest-list.txt ]] || said '^$'
}

lists_all() {
	installed --list
	said '^rust_scx:kick$' && said '^rust_scx:kselftest.sh$'
}

runs_installed() {
	installed -t rust_scx:rounds
	said '^ok 1 selftests: rust_scx: rounds$'
}

runs_a_scheduler() {
	installed -t rust_scx:load.sh
	said '^ok 1 selftests: rust_scx: load.sh$'
}

says_why_not() {
	installed -t rust_scx:module.sh
	said '^ok 1 selftests: rust_scx: module.sh # SKIP' && said 'these tests are for builtin'
}

check "make run_tests runs a program" runs_by_make
check "the suite is installed" installs
check "its list names the programs" lists_all
check "run_kselftest.sh runs one" runs_installed
check "another one finds its BPF schedulers" runs_a_scheduler
check "one that is not for the core in charge is skipped, and says why" says_why_not
ktap_finished
