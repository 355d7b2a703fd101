#!/bin/sh
# table.sh BUILD JOBS: every fault sweep, one after the other, and at the end a table of what they tried
# and found. A sweep prints lines of fields separated by tabs, ROW, scenario, points, lost, duplicated,
# leaked; what else it says goes to the terminal as it comes. Fails when a sweep does, or finds anything.
build=$1 jobs=$2
rows=$(mktemp) || exit 1
trap 'rm -f "$rows"' EXIT
bad=0

sweep() {
	echo "--- $*" >&2
	"$@" > "$rows.out" || { echo "--- FAILED: $*" >&2; bad=1; }
	grep '^ROW' "$rows.out" >> "$rows"
	grep -v '^ROW' "$rows.out" >&2
	rm -f "$rows.out"
}

sweep "$build/kill-each" "$build/sortie" "$build/sendmail" --jobs "$jobs"
sweep "$build/kill-each" "$build/sortie" "$build/sortie" --only submission --jobs "$jobs"
sweep "$build/kill-each" "$build/sortie" "$build/sendmail" --faults --jobs "$jobs"
sweep "$build/kill-local" "$build/sortie"
sweep "$build/cut" "$build/sortie" "$build/sendmail" --jobs "$jobs"
sweep "$build/resources" "$build/sortie" "$build/sink"
sweep "$build/kill" "$build/sortie" "$build/sink" --together 10
sweep "$build/kill" "$build/sortie" "$build/sink" --stops 20
sweep env FAULT_STEP=1 FAULT_JOBS="$jobs" "$build/check" fault_program

awk -F '\t' '
BEGIN {
	form = "%-58s %8s %6s %12s %7s\n"
	printf "\n" form, "scenario", "points", "lost", "duplicated", "leaked"
}
{
	printf form, $2, $3, $4, $5, $6
	for (i = 3; i <= 6; i++)
		sum[i] += $i
}
END {
	printf form, "all", sum[3], sum[4], sum[5], sum[6]
	exit NR == 0 || sum[4] + sum[5] + sum[6] > 0
}' "$rows" || bad=1
echo 'duplicated: beyond what was in flight'
exit $bad
