#!/bin/sh
# afl.sh BUILD SECONDS: the program against a server whose words AFL++ makes up (socket.c). What it
# finds is in BUILD/findings; the last line is for the table of make fuzz-run.
build=$1 seconds=$2
corpus=$(dirname "$0")/socket
export AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_AFFINITY=1 AFL_NO_UI=1
export AFL_FORKSRV_INIT_TMOUT=10000
export UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:symbolize=0

rm -rf "$build/findings"
afl-fuzz -V "$seconds" -t 5000 -m none -x "$corpus.dict" -i "$corpus" -o "$build/findings" -- \
	"$build/fuzz-socket" > "$build/afl.log" 2>&1 || { tail -5 "$build/afl.log"; exit 1; }
awk -F ' *: *' -v seconds="$seconds" '
	$1 == "execs_done" { execs = $2 }
	$1 == "edges_found" { edges = $2 }
	$1 == "saved_crashes" { crashes = $2 }
	$1 == "saved_hangs" { hangs = $2 }
	END {
		printf "%-12s %8d %12d %8d %6d\n", "socket (AFL)", seconds, execs, edges, crashes + hangs
		exit crashes + hangs > 0
	}' "$build/findings/default/fuzzer_stats"
