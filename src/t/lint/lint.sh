#!/bin/sh
# lint.sh [check...]: layers, banned functions, attacks and features without a test, manuals, the reading order, scripts and units, headers that
# compile alone, gcc's analyzer, clang-tidy. Runs all of them, or those named; every one looks at all of the source and says what it found.
cd "$(dirname "$0")/../../.." || exit 1
here=src/t/lint
flags="-std=c11 -D_DEFAULT_SOURCE -Isrc -Isrc/t/lib $(sh src/t/lib/features.sh gcc)
	-DSPOOLDIR=\"/\" -DSYSCONFDIR=\"/\""
warn='-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
	-Wvla -Wformat=2 -Werror'
program=$(find src -path src/t -prune -o -name '*.[ch]' -print)
program_c=$(find src -path src/t -prune -o -name '*.c' -print)
all=$(find src -name '*.[ch]')

# Runs a command for every file, FILE standing for its name, two at a time; fails if one does.
each() { # files command...
	files=$1
	shift
	printf '%s\n' $files | xargs -P 2 -I FILE "$@"
}

layers() {
	sh $here/layers.sh $program
}

banned() {
	sh $here/banned.sh $all
}

attacks() { # every attack in t/ATTACKS has tests
	sh $here/attacks.sh
}

peers() { # every feature in t/PEERS has tests, or a reason
	sh $here/peers.sh
}

manuals() { # nothing left out, and clean mdoc where mandoc is there to say so
	sh src/t/manual/tables.sh || return 1
	command -v mandoc > /dev/null || return 0
	mandoc -Tlint -Wstyle src/man/*.[158] 2>&1 | grep -v -e 'referenced manual not found' -e 'outdated mandoc.db' && return 1
	return 0
}

reading() { # src/README has every source
	sh $here/reading.sh
}

scripts() { # for sh, and for systemd where it is there to say so
	sh src/t/lint/scripts.sh
}

headers() { # every header compiles alone
	each "$(find src -name '*.h')" gcc $flags $warn -fsyntax-only -x c FILE
}

analyzer() {
	each "$program_c" gcc $flags -O1 -fanalyzer -Werror -c -o /dev/null FILE
}

tidy() {
	each "$program_c" clang-tidy --quiet FILE -- $flags 2> /dev/null
}

bad=0
for check in ${*:-layers banned attacks peers manuals reading scripts headers analyzer tidy}; do
	if $check; then
		echo "lint: $check: ok"
	else
		echo "lint: $check: FAILED"
		bad=1
	fi
done
exit $bad
