#!/bin/sh
# tests.sh: the names of all tests, one a line, as ATTACKS and PEERS name them: "dialogue NAME", "story NAME",
# "unit FILE:TEST", "fuzz TARGET/INPUT", ...
cd "$(dirname "$0")/../../.." || exit 1

for kind in dialogue story; do
	for f in src/t/$kind/*.txt; do
		f=${f##*/}
		echo "$kind ${f%.txt}"
	done
done
for f in src/t/fuzz/corpus/*/*; do
	echo "fuzz ${f#src/t/fuzz/corpus/}"
done
# Suites of Check, and programs whose tests are rows of a table with a name in quotes.
for kind in unit whole fault privilege kill confine; do
	for f in src/t/$kind/*.c; do
		[ -f "$f" ] && awk -v kind=$kind '
			FNR == 1 {
				file = FILENAME
				sub(/.*\//, "", file)
				sub(/\.c$/, "", file)
				print kind " " file
			}
			/^START_TEST\(/ {
				name = substr($0, 12)
				sub(/\).*/, "", name)
				print kind " " file ":" name
			}
			/^[ \t]*\{(\.name = )?"/ {
				name = $0
				sub(/^[^"]*"/, "", name)
				sub(/".*/, "", name)
				print kind " " file ":" name
			}' "$f"
	done
done

sed -n 's/^call \([a-z_]*\) .*/system calls:\1/p' src/t/system/calls.sh
sed -n 's/^\([a-z]*\)() {.*/system \1/p' src/t/system/run.sh
find src/t -name '*.sh' | sed 's/^/script /'
sed -n 's/^\([a-z][a-z0-9]*\)[ 	]*|.*/bench \1/p' src/t/bench/workloads.txt
