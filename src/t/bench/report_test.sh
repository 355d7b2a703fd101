#!/bin/sh
# The tables say what they should: medians, spreads, ratios, verdicts, failures, from figures that
# were made up so that each can be worked out by hand.
#
#	report_test.sh
set -u
bench=$(dirname "$0")
tmp=$(mktemp -d "${TMPDIR:-/tmp}/sortie-report.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT

cat > "$tmp/workloads" << END
a | 1000 | 4096 | 1 | relay | 0 |  |   0 | | disk | 5 | 9 | all | to one site
d | 50   | 4096 | 1 | relay | 0 | 1| 200 | | disk | 5 | 9 | all | far away
END
cat > "$tmp/goals" << END
# comment
a ours rate >= 2.5 a postfix rate | faster
a ours cpu  <= 1/6 a postfix cpu  | cheaper
a ours cpu  <= 1/8 a postfix cpu  | not cheap enough
a ours rss  <= 9   - -       -    | small
a ours calls < 8   - -       -    | few calls
d ours rounds <= 1.1 - -     -    | one round trip
a ours rate >= 1   a absent  rate | nobody there
END

# workload program repetition messages wall user sys rss pss processes connections handshakes extra
run() {
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$@"
}
{
	run a slow    1 200  2.0 0.40 0.40 4096 8192 1 20 0 -
	run a slow    2 0 - - - - - - - - 'failed=it said: no'
	run a even    1 1000 2.0 0.40 0.40 4096 8192 1 20 0 -
	run a even    2 1000 1.0 0.40 0.40 4096 8192 1 20 0 -
	run a even    3 1000 8.0 0.40 0.40 4096 8192 1 20 0 -
	run a even    4 1000 4.0 0.40 0.40 4096 8192 1 20 0 -
	run a postfix 1 1000 0.5 0.40 0.20 4096 8192 9 20 0 -
	run a ours    1 1000 0.1 0.05 0.05 4096 8192 1 20 0 -
	run a postfix 2 1000 0.4 0.40 0.30 4096 8192 9 20 0 -
	run a ours    2 1000 0.2 0.06 0.05 9728 8192 1 20 0 -
	run a postfix 3 1000 1.0 0.40 0.40 4096 8192 9 20 0 -
	run a ours    3 1000 0.4 0.06 0.06 9728 8192 1 20 0 -
	run a ours once 0 - - - - - - - - 'calls=30.1;syncs=0.05'
	run d ours    1 50 10.8 0.1 0.1 4096 8192 1 1 0 'peak=1;first_mail_ms=400'
	run d broken  1 0 - - - - - - - - 'failed=no such file'
} > "$tmp/raw"

awk -f "$bench/stats.awk" -f "$bench/report.awk" "$tmp/workloads" "$tmp/goals" "$tmp/raw" > "$tmp/table" ||
	exit 1

failed=0
# A line of the table that has these words in this order and nothing else between them.
line() {
	tr -s ' ' < "$tmp/table" | grep -qF -- "$1" && return
	echo "report_test: the table has no line: $1"
	failed=1
}

# Medians 5,000 and 2,000 a second; the ratios of the repetitions are 5, 2 and 2.5.
line 'faster 5,000 2,000 2.50 >= 2.5 2-5 met'
# 0.11 ms and 0.7 ms.
line 'cheaper 0.110 0.700 0.157 <= 1/6 0.150-0.167 met'
line 'not cheap enough 0.110 0.700 0.157 <= 1/8 0.150-0.167 NOT MET'
line 'small 9.50 <= 9 4-9.50 NOT MET'
line 'few calls 30.1 < 8 30.1-30.1 NOT MET'
# 10.8 s for 50 messages at 0.2 s, but the first 0.4.
line 'one round trip 1.04 <= 1.1 1.04-1.04 met'
line 'nobody there - >= 1 not measured'
line '3 met, 3 not met, 1 not measured'
line ' ours 5,000 2,500-10,000 2.50 - 0.110 9.50 8 1 20 3 calls 30.1 syncs 0.050'
line ' postfix 2,000 1,000-2,500 1 - 0.700 4 8 9 20 3'
# Between 250 and 500.
line ' even 375 125-1,000 0.188 -'
line ' slow 100 100-100 0.050 - 4 4 8 1 20 1 of 200 messages 1 failed'
line ' broken - no such file'
line 'a slow: it said: no'
line 'd broken: no such file'

order=$(awk '$0 == "" { next } /^a / { on = 1 } /^d / { on = 0 } on && /^  [a-z]/ { printf "%s ", $1 }' \
	"$tmp/table")
if [ "$order" != 'ours postfix even slow ' ]; then
	echo "report_test: not the fastest first: $order"
	failed=1
fi

# The plot is well-formed as far as this can tell: what opens closes, and each program has its bar.
if [ -f "$bench/plot.awk" ]; then
	echo 'a | to one site | rate | messages/s | a' > "$tmp/plots"
	awk -f "$bench/stats.awk" -f "$bench/plot.awk" -v plot=a "$tmp/workloads" "$tmp/plots" \
		"$tmp/raw" > "$tmp/a.svg" || failed=1
	for what in '<svg ' '</svg>' '>ours<' '>postfix<' '>slow<'; do
		grep -qF -- "$what" "$tmp/a.svg" && continue
		echo "report_test: the plot has no $what"
		failed=1
	done
fi
exit $failed
