#!/bin/sh
# cov.sh BUILD: line coverage (gcov) of what BUILD was tested with: a line a file, and a sum a folder.
build=$1
out=$(mktemp -d "${TMPDIR:-/tmp}/sortie-cov.XXXXXX") || exit 1
trap 'rm -rf "$out"' EXIT

find "$build" -name '*.gcda' ! -path "$build/t/*" | while read -r data; do
	# gcov names the source, then says "Lines executed:95.12% of 82", for headers too
	(cd "$out" && gcov -n "$OLDPWD/$data" 2> /dev/null)
done | awk -F"[':% ]+" '
	/^File/ { file = $2 }
	/^Lines executed/ {
		if (file ~ /^src\/.*\.c$/ && !(file in lines)) {
			lines[file] = $NF
			hit[file] = int($3 * $NF / 100 + 0.5)
		}
		file = ""
	}
	END {
		for (f in lines) {
			folder = f
			sub(/[^\/]*$/, "", folder)
			n[folder] += lines[f]
			h[folder] += hit[f]
			printf "%-32s %6.2f %% of %5d lines\n", f, 100 * hit[f] / lines[f], lines[f] | "sort"
		}
		close("sort")
		for (f in n)
			printf "%-32s %6.2f %% of %5d lines\n", f, 100 * h[f] / n[f], n[f] | "sort"
	}'
