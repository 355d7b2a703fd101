#!/bin/sh
# attacks.sh [file]: every item and clause of t/ATTACKS has tests, and they are there. ATTACKS says how it
# is written. What is not built cannot be tested; the lines that may say so are listed below.
cd "$(dirname "$0")/../../.." || exit 1
list=${1:-src/t/ATTACKS}
items=30 # the list that this plan began with; more may follow, none may go
not_built='19b DANE'

sh src/t/lint/tests.sh | awk -v items=$items -v not_built="$not_built" -v list="$list" '
function fail(what, line) {
	printf "%s:%d: %s\n", list, line != "" ? line : FNR, what
	bad = 1
}

# The item or clause before this line is complete.
function close_clause() {
	if (clause != "" && tests == 0)
		fail(clause " has no test", clause_line)
	clause = ""
	tests = 0
}

# "12": the next item; "12c": the next clause of this item.
function open_clause(name,  number, letter) {
	number = name + 0
	letter = name
	sub(/^[0-9]+/, "", letter)
	if (letter == "") {
		close_clause()
		if (number != item + 1)
			fail("item " number " behind item " item)
		item = number
		letters = 0
	} else {
		# the head of an item that has clauses needs no test of its own
		if (letters > 0 || tests > 0)
			close_clause()
		letters++
		if (number != item || letter != substr("abcdefghijklmnopqrstuvwxyz", letters, 1))
			fail("clause " name " is not the next one of item " item)
	}
	clause = name
	clause_line = FNR
	tests = 0
}

NR == FNR { # of what there is
	there[$0] = 1
	next
}
/^[0-9]+[a-z]?[ \t]/ {
	open_clause($1)
	next
}
/^\t/ {
	if (clause == "")
		next
	test = substr($0, 2)
	tests++
	if (test ~ /^not built: /) {
		sub(/^not built: /, "", test)
		if (clause " " test != not_built)
			fail("not among what may be unbuilt: " clause " " test)
	} else if (!(test in there))
		fail("no such test: " test)
}
END {
	close_clause()
	if (item < items)
		fail("there is no item " item + 1)
	exit bad
}' - "$list"
