#!/bin/sh
# run.sh BUILD SECONDS JOBS [target...]: each fuzz target (or those named) under libFuzzer for so long,
# JOBS of them at a time, and a table of how that went. Corpora grow in BUILD/corpus and logs are in
# BUILD/log; what made a target fail is in BUILD/findings.
build=$1 seconds=$2 jobs=$3
here=$(dirname "$0")
shift 3
[ $# -gt 0 ] || set -- $(ls "$here/corpus")
export UBSAN_OPTIONS=print_stacktrace=1 TMPDIR="${TMPDIR:-/tmp}"
mkdir -p "$build/log" "$build/findings"

for name; do
	mkdir -p "$build/corpus/$name"
	cp "$here/corpus/$name"/* "$build/corpus/$name"
done

# Some targets find most with words to begin from.
printf '%s\n' "$@" | xargs -P "$jobs" -I NAME sh -c '
	dict=
	[ -f "$1/NAME.dict" ] && dict=-dict=$1/NAME.dict
	exec "$2/fuzz_NAME" -max_total_time="$3" -print_final_stats=1 -timeout=25 $dict \
		-artifact_prefix="$2/findings/NAME-" "$2/corpus/NAME" > "$2/log/NAME" 2>&1
	' sh "$here" "$build" "$seconds"

printf '%-12s %8s %12s %8s %6s\n' target seconds executions edges failed
bad=0
for name; do
	awk -v name="$name" '
		/ cov: / { sub(/.* cov: /, ""); edges = $1 }
		/^Done / { seconds = $(NF - 1) }
		/number_of_executed_units/ { executions = $2 }
		/ERROR: / { failed = 1 }
		END {
			failed = failed || seconds == ""
			printf "%-12s %8d %12d %8d %6s\n", name, seconds, executions, edges,
				failed ? "yes" : "no"
			exit failed
		}' "$build/log/$name" || bad=1
done
exit $bad
