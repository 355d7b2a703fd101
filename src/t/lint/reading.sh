#!/bin/sh
# reading.sh: every source and folder of the program stands in src/README's reading order.
cd "$(dirname "$0")/../../.." || exit 1
bad=0
patterns=$(sed -n '/READING ORDER/,/^A layer/p' src/README | grep -oE '[a-z_0-9]+\*?\.c' | sort -u)

for file in src/*.c; do
	name=${file#src/} known=
	for pattern in $(set -f; echo $patterns); do
		case $name in
		$pattern) known=1 ;;
		esac
	done
	[ -n "$known" ] || { echo "src/README does not speak of $file"; bad=1; }
done
for folder in src/*/; do
	grep -q "$folder" src/README || { echo "src/README does not speak of $folder"; bad=1; }
done
exit $bad
