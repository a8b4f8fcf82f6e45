#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# An unpatched kernel refuses the module and is none the worse for it.

# shellcheck source=selftests/functions.sh
. "$(dirname "$0")/functions.sh"

begin 3 builtin
[[ ! -e $scx/core ]] || bail "the kernel is patched"

refused() {
	! insmod "$module" 2>"$tmp/said" && [[ -s $tmp/said && ! -d /sys/module/rust_scx ]]
}

runs() {
	start_sched simple && load 5 && enabled && stop_sched
}

log_mark
check "insmod is refused" refused
check "the refusal names what the kernel lacks" log_has 'rust_scx: Unknown symbol scx_core_register'
check "a scheduler runs on it afterwards" runs
ktap_finished
