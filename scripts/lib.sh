# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # what is set here is used by those who source it
#
# Shared by the other scripts: where things are, and how to talk about long work.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${RUST_SCX_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/rust_scx}
tools=$cache/tools

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "${0##*/}: $*"
	exit 1
}

# The release of a kernel tree.
release_of() { # TREE
	awk '/^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *=/ { v[$1] = $3 }
		END { print v["VERSION"] "." v["PATCHLEVEL"] "." v["SUBLEVEL"] v["EXTRAVERSION"] }' "$1/Makefile"
}

# The comment block at the head of a script is its help text.
usage() {
	sed -n '3,/^[^#]/s/^#\( \|$\)//p' "$0"
}

interactive() {
	[[ -t 2 && ${CI:-} != true ]]
}

elapsed() {
	printf '%d:%02d' $((($1) / 60)) $((($1) % 60))
}

# logged LABEL LOG COMMAND...: runs the command with its output in the log, and tells how
# far it is: every two seconds on a terminal, every 30 seconds elsewhere.
logged() {
	local label=$1 log=$2 start=$SECONDS watcher rc=0
	shift 2
	printf '+ %s\n' "$*" >>"$log"
	say "$label ..."
	watch_log "$label" "$log" &
	watcher=$!
	"$@" >>"$log" 2>&1 </dev/null || rc=$?
	kill "$watcher" 2>/dev/null || true
	wait "$watcher" 2>/dev/null || true
	if interactive; then printf '\r\033[K' >&2; fi
	if ((rc)); then
		say "$label failed after $(elapsed $((SECONDS - start))). The log ends with:"
		tail -n 25 "$log" | sed 's/^/    /' >&2
		say "The whole log: $log"
		return "$rc"
	fi
	say "$label: done in $(elapsed $((SECONDS - start)))"
}

watch_log() {
	local label=$1 log=$2 start=$SECONDS first period=30 line
	first=$(wc -l <"$log")
	if interactive; then period=2; fi
	trap 'kill "$napping" 2>/dev/null; exit' TERM
	while :; do
		# A plain sleep would outlive us and keep the caller's stderr open.
		sleep "$period" >/dev/null 2>&1 &
		napping=$!
		wait "$napping"
		line="$label: $(($(wc -l <"$log") - first)) steps, $(elapsed $((SECONDS - start)))"
		if interactive; then
			printf '\r\033[K%s' "$line" >&2
		else
			say "$line"
		fi
	done
}
