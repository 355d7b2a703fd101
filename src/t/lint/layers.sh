#!/bin/sh
# layers.sh source...: who includes whom, checked against the table below.
#
# A line of the table: a file or folder, and what it may include besides its own header (X.c and
# X_*.c may include X.h), itself being free for folders. A path ending in / is all of it.
awk '
BEGIN {
	# folders: the layers. Siblings never see each other.
	may["base/"] = ""
	may["proto/"] = "base/"
	may["spool/"] = "base/"
	may["net/"] = "base/"
	may["dns/"] = "base/ net/"
	may["local/"] = "base/"
	may["ctl/"] = "base/ proto/ spool/ net/ dns/" # and the top level; nobody includes it

	# the top level, in the order calls go; the leaves know nobody there.
	layers = "base/ proto/ spool/ net/ dns/ local/"
	leaf = "options privilege config backoff hosts peer job view forward origin ledger trace"
	order = "front|sortie|smtpd|deliver|background program|keeper|runner verify|network|submit queue mailq|message|aliases|masquerade|bounce|site|session|dial|route|auth|helper|confine"
	n = split(order, rank, "|")
	for (i = 1; i <= n; i++) {
		m = split(rank[i], name, " ")
		for (j = 1; j <= m; j++)
			level[name[j]] = i
	}
	m = split(leaf, name, " ")
	for (j = 1; j <= m; j++)
		level[name[j]] = n + 1

	# headers that only one file may include, or a few
	only["resolv.h"] = only["arpa/nameser.h"] = "dns/dns_msg.c"
	only["openssl/ssl.h"] = "net/tls_impl.h"
	only["net/tls_impl.h"] = "net/tls.c net/tls_setup.c net/tls_resume.c"
}

function fail(what) {
	printf "%s:%d: %s\n", FILENAME, FNR, what
	bad = 1
}

# The module of a top-level file: its name up to the suffix, without what it was split by
# (queue_scan.c belongs to queue).
function module(file,  m) {
	m = file
	sub(/\.[ch]$/, "", m)
	while (!(m in level) && sub(/_[a-z0-9]*$/, "", m))
		;
	return m
}

function check_layer(file, inc,  own, i, n, allowed) {
	own = file
	sub(/[^\/]*$/, "", own)
	if (substr(inc, 1, length(own)) == own)
		return
	if (own == "ctl/" && inc !~ /\// && module(inc) in level)
		return
	n = split(may[own], allowed, " ")
	for (i = 1; i <= n; i++)
		if (substr(inc, 1, length(allowed[i])) == allowed[i])
			return
	fail("layer " own " may not include " inc)
}

function check_top(file, inc,  from, to, dir) {
	if (inc ~ /\//) {
		dir = inc
		sub(/[^\/]*$/, "", dir)
		if (index(" " layers " ", " " dir " ") == 0)
			fail("not a layer: " inc)
		return
	}
	if (file == "main.c")
		return
	from = module(file)
	to = module(inc)
	if (!(from in level))
		fail("module not in the table of layers.sh: " file)
	else if (!(to in level))
		fail("module not in the table of layers.sh: " inc)
	else if (from != to && level[to] <= level[from])
		fail(from " may not include " inc ": calls go down")
}

/^[ \t]*#[ \t]*include/ {
	file = FILENAME
	sub(/^src\//, "", file)
	inc = $0
	sub(/^[^<"]*[<"]/, "", inc)
	sub(/[>"].*/, "", inc)
	if (inc in only && index(" " only[inc] " ", " " file " ") == 0)
		fail(inc " is for " only[inc] " alone")
	if ($0 !~ /"/)
		next
	if (file ~ /\//)
		check_layer(file, inc)
	else
		check_top(file, inc)
}

END { exit bad }
' "$@"
