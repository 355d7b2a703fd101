#!/bin/sh
# rules.sh BUILD FLAGS GROUP source... GROUP source...
#
# Writes BUILD/rules.mk: for every source the rule that compiles it to BUILD/x/y.o, its header
# dependencies, and for every GROUP (a word in capitals) the variable OBJ_GROUP; and BUILD/t/suites.c,
# the table of all suites. Objects depend on BUILD/flags, which changes when FLAGS do. Prints nothing:
# make runs it through != while reading the Makefile.
set -e
build=$1 flags=$2
shift 2

mkdir -p "$build/t"
out=$build/rules.mk.$$
suites=$build/t/suites.c.$$
trap 'rm -f "$out" "$suites"' EXIT

replace() { # only when different, so that nothing is built again for nothing
	cmp -s "$1" "$2" || mv -f "$1" "$2"
}

rule() { # source object
	mkdir -p "${2%/*}"
	printf '%s: %s %s\n\t@echo "cc %s"\n\t@$(COMPILE) -o $@ %s\n-include %s\n' \
		"$2" "$1" "$build/flags" "$1" "$1" "${2%.o}.d"
}

object() { # the object of a source
	o=${1#src/}
	echo "$build/${o%.c}.o"
}

echo '#include "t/unit/suites.h"' > "$suites"
list=
for word; do
	case $word in
	*.c)
		rule "$word" "$(object "$word")" >> "$out"
		echo "OBJ_$group += $(object "$word")" >> "$out"
		if [ "$group" = TESTS ]; then
			name=${word##*/check_}
			list="$list suite_${name%.c},"
		fi ;;
	*)
		group=$word
		echo "OBJ_$group =" >> "$out" ;;
	esac
done
rule "$build/t/suites.c" "$build/t/suites.o" >> "$out"
echo "suite_fn *const suites[] = {$list NULL};" >> "$suites"

echo "$flags" > "$build/flags.$$"
replace "$build/flags.$$" "$build/flags"
rm -f "$build/flags.$$"
replace "$out" "$build/rules.mk"
replace "$suites" "$build/t/suites.c"
