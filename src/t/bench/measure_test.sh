#!/bin/sh
# measure(1) counts what it should, and leaves nobody behind.
#
#	measure_test.sh MEASURE
set -u
measure=$1
tmp=$(mktemp -d "${TMPDIR:-/tmp}/sortie-measure.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
out=$tmp/out failed=0

# Some tenths of a second of CPU.
cat >"$tmp/work" <<'END'
i=0
while [ $i -lt 200000 ]; do i=$((i + 1)); done
END

complain() {
	echo "measure: $*: $(cat "$out" 2>/dev/null)" >&2
	failed=1
}

# cpu TEST: an awk condition on the CPU seconds.
cpu() {
	awk "NR == 1 { exit !(\$2 + \$3 $1) }" "$out"
}

"$measure" "$out" -- sh "$tmp/work"
cpu '> 0.05' || complain 'a command has worked'

"$measure" "$out" -- sh -c 'exit 3'
[ $? = 3 ] || complain 'a command has failed'

# shellcheck disable=SC2016
"$measure" "$out" -- sh -c 'trap "" TERM; (while :; do sleep 1; done) & echo $! >"$0"' "$tmp/pid"
kill -0 "$(cat "$tmp/pid")" 2>/dev/null && complain 'somebody is left who ignores SIGTERM'

# Whose parent ignores SIGCHLD is counted by a control group alone, which root can make. (dma's does;
# a shell cannot, and perl can.)
if command -v perl >/dev/null && { [ -w /sys/fs/cgroup/unified/cgroup.procs ] ||
	[ -w /sys/fs/cgroup/cgroup.procs ]; }; then
	"$measure" "$out" -- perl -e '$SIG{CHLD} = "IGNORE"; system "sh", @ARGV' "$tmp/work"
	cpu '> 0.05' || complain 'nobody has waited for who worked'
fi

rm -f "$out"
# shellcheck disable=SC2016
"$measure" "$out" -- env OUT="$out" sh -c '. "$0"
	kill -USR1 "$MEASURE_PID"
	until [ -e "$OUT" ]; do sleep 0.01; done' "$tmp/work"
cpu '< 0.05' || complain 'what went before the start is counted'

echo line >"$tmp/line"
"$measure" --times 20 --jobs 3 --stdin "$tmp/line" "$out" -- sh -c "cat >>'$tmp/lines'"
[ "$(grep -c line "$tmp/lines")" = 20 ] || complain 'twenty times'

dd if=/dev/zero of="$tmp/count" bs=4096 count=1 2>/dev/null
"$measure" --until "$tmp/count" 1 "$out" -- true
[ $? = 1 ] || complain 'no message came'

"$measure" --limit 1 "$out" -- sleep 1000
[ $? = 124 ] || complain 'the limit is over'
exit $failed
