#!/bin/sh
# What stands on the other side counts and behaves as it says: sink, nsfake, floor, fill.
#
#	sink_test.sh BUILD
set -u
build=$1
tmp=$(mktemp -d "${TMPDIR:-/tmp}/sortie-sink.XXXXXX") || exit 1
others='' failed=0
# shellcheck disable=SC2154 # the trap sets it
trap 'status=$?; [ -z "$others" ] || kill $others 2>/dev/null; rm -rf "$tmp"; exit $status' EXIT

complain() {
	echo "sink: $*: $(tr '\n' ' ' <"$tmp/counts")" >&2
	failed=1
}

wait_for() {
	tries=0
	until [ -s "$1" ]; do
		tries=$((tries + 1))
		[ $tries -lt 1000 ] || exit 1
		sleep 0.01
	done
}

sink() { # OPTION...
	rm -f "$tmp/port"
	"$build/sink" --port-file "$tmp/port" "$@" >"$tmp/counts" &
	others=$!
	wait_for "$tmp/port"
	port=$(cat "$tmp/port")
}

sink_end() {
	# shellcheck disable=SC2086
	kill $others
	wait
	others=''
}

# counts WHAT NAME VALUE...: what the sink has counted when that was tried.
counts() {
	what=$1
	shift
	while [ $# -gt 0 ]; do
		grep -q "^$1 $2\$" "$tmp/counts" || complain "$what: $1 is not $2"
		shift 2
	done
}

# sortie_run N LINE...: over a spool with mail for N sites, and these lines in its configuration.
sortie_run() {
	sites=$1
	shift
	rm -f "$tmp/ns"
	"$build/nsfake" --addresses "$sites" --port-file "$tmp/ns" &
	others="$others $!"
	wait_for "$tmp/ns"
	printf '%s\n' 'hostname bench.example' 'refuse none' "log $tmp/log" "spool $tmp/spool" "port $port" \
		"nameserver 127.0.0.1:$(cat "$tmp/ns")" "$@" >"$tmp/conf"
	"$build/sortie" -C "$tmp/conf" -q
}

left() {
	find "$tmp/spool/ctl" -type f | wc -l
}

"$build/fill" --files --size 5000 "$tmp/files" 100
sink
"$build/floor" --connections 4 "$port" "$tmp/files" >/dev/null || complain 'the bare client'
sink_end
# A greeting, EHLO and QUIT a connection; DATA and the dot a message.
counts plain messages 100 bytes 500300 peak 4 groups 212

# The greeting, EHLO, the first group and one a message: each its time on the line.
sink --latency 10
"$build/floor" --connections 1 --ahead --unlink --sync turn "$port" "$tmp/files" >"$tmp/floor"
sink_end
awk '/^seconds/ { exit !($2 > 1.0) }' "$tmp/floor" || complain 'latency'
counts 'MAIL behind the dot' messages 100 groups 103
[ -z "$(ls "$tmp/files")" ] || complain 'a file is left'

# Of these sites one is dead, one refuses and one greylists; 100 messages are not due.
"$build/fill" --domains 20 --sleeping 100 "$tmp/spool" 40
sink --addresses 20 --dead 0/20 --refused 1/20 --grey 2/20
sortie_run 20 'timeout connect 1s'
sink_end
counts 'good addresses' messages 34 good 34
[ "$(left)" = 106 ] || complain "$(left) are left"

# Nobody goes on before all have come.
rm -rf "$tmp/spool"
"$build/fill" --domains 10 "$tmp/spool" 10
sink --addresses 10 --hold 10
sortie_run 10
sink_end
counts held messages 10 peak 10
[ "$(left)" = 0 ] || complain "$(left) are left"
exit $failed
