#!/bin/sh
# peers.sh [file]: every line of t/PEERS says yes, partly or no; what is done has tests, and they are there; what is not
# has a reason.
cd "$(dirname "$0")/../../.." || exit 1
list=${1:-src/t/PEERS}
lines=170 # more may follow, none may go

sh src/t/lint/tests.sh | awk -F ' [|] ?' -v lines=$lines -v list="$list" '
function fail(what) {
	printf "%s:%d: %s\n", list, FNR, what
	bad = 1
}

NR == FNR { # of what there is
	there[$0] = 1
	next
}
!/\|/ || /^A line is/ {
	next
}
{
	seen++
	if (NF != 3)
		fail("not three columns: what | yes, partly: why or no: why | tests")
	if ($2 !~ /^yes(: .|$)/ && $2 !~ /^(partly|no): ./)
		fail("neither yes, nor partly or no with a reason: " $2)
	if ($2 !~ /^no/ && $3 == "")
		fail("done, they say, and no test shows it")
	n = split($3, tests, "; ")
	for (i = 1; i <= n; i++)
		if (!(tests[i] in there))
			fail("no such test: " tests[i])
}
END {
	if (seen < lines) {
		printf "%s: %d lines, where there were %d\n", list, seen, lines
		bad = 1
	}
	exit bad
}' - "$list"
