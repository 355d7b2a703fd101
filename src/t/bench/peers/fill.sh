# fill.sh: a peer's queue is filled with the peer's own sendmail. Sourced by peers.

# fill_by COMMAND N SIZE DOMAINS: N times COMMAND with a recipient as one more argument, four at a
# time; the domains take turns.
fill_by()
{
	message "$3" >"$WORK/fill.message"
	awk -v n="$2" -v domains="$4" 'BEGIN {
		for (i = 0; i < n; i++)
			print "r" i "@" (domains > 1 ? "d" i % domains "." : "") "bench.example"
	}' | xargs -P 4 -I {} sh -c "$1 {} <\"$WORK/fill.message\""
}
