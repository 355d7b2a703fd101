#!/bin/sh
# hardened.sh PROGRAM: whether what was built is what it was meant to be: position-independent, its
# tables of addresses read-only, no executable stack, guarded stacks. Needs readelf.
command -v readelf > /dev/null && readelf -h "$1" > /dev/null 2>&1 || exit 0

headers=$(readelf -hldW "$1" 2> /dev/null)
bad=0
has() { # what pattern
	echo "$headers" | grep -Eq "$2" && return
	echo "hardened: $1: missing in the program" >&2
	bad=1
}
has 'position-independent code' 'Type: +DYN'
has 'read-only relocations' 'GNU_RELRO'
has 'binding at the start' 'BIND_NOW|Flags:.* NOW'
has 'a stack without code' 'GNU_STACK .* RW '
headers=$(readelf -W --dyn-syms "$1" 2> /dev/null)
has 'a guarded stack' '__stack_chk_fail|__stack_smash'
[ $bad = 0 ] && echo "hardened: ok"
exit $bad
