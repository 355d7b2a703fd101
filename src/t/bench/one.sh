#!/bin/sh
# one.sh: one run of one program in one workload; run.sh starts it, as root in namespaces of its own:
# what it mounts vanishes with it, and what it leaves running is killed.
#
#	one.sh PROGRAM REPETITION	appends one line to $RAW (stats.awk)
#	one.sh PROGRAM once		the same for a look that is not timed (peer_once_WORKLOAD)
#
# The environment is run.sh's: BENCH, BUILD, WORKLOAD, N, SIZE, DOMAINS and so on. Everything goes to
# $LOG; what it ends with is the reason when the run fails.
set -u
program=$1 repetition=$2
OUT=$SIDE/out COUNT=$SIDE/count PORT_FILE=$SIDE/port
export OUT COUNT PORT_FILE

line() { # messages wall user sys maxrss pss processes connections handshakes extra
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$WORKLOAD" "$program" \
		"$repetition" "$@" >> "$RAW"
}

fail() {
	[ $? != 124 ] || echo "more than $limit s" >&2
	why=$(tail -n 1 "$LOG" | tr '\t;' ' ,')
	line 0 - - - - - - - - "failed=$1${why:+: $why}"
	exit 1
}

# What is not measured.
step() {
	limit=$STEP_LIMIT
	timeout --foreground -k 5 "$STEP_LIMIT" sh "$BENCH/step.sh" "$program" "$@"
}

has() {
	step has "$1" 2> /dev/null
}

# peer_fill_WORKLOAD for peer_fill, where there is one.
own() {
	if has "$1_$WORKLOAD"; then echo "$1_$WORKLOAD"; else echo "$1"; fi
}

# --- the other side ---

wait_for() { # file, whose
	tries=0
	until [ -s "$1" ]; do
		tries=$((tries + 1))
		[ $tries -lt 500 ] || fail "the $2 does not start"
		sleep 0.01
	done
}

# The kernel's latency, half of it each way, where the network is ours and the kernel can; true: it does.
delay_network() {
	[ "$PRIVATE" = yes ] && command -v tc > /dev/null || return 1
	tc qdisc del dev lo root 2> /dev/null # one that was killed may have left it
	[ "$LATENCY" != 0 ] && tc qdisc replace dev lo root netem delay $((LATENCY / 2))ms limit 100000 2> /dev/null &&
		delayed=yes
}

start_sink() {
	set -- --port "$SINK_PORT" --port-file "$PORT_FILE" --count "$COUNT"
	[ "$ROUTE" = relay ] || set -- "$@" --addresses "$addresses"
	delay_network || [ "$LATENCY" = 0 ] || set -- "$@" --latency "$LATENCY"
	[ "$TLS" = 0 ] || set -- "$@" --tls "$CERTS/server.pem"
	# shellcheck disable=SC2086
	"$BUILD/sink" "$@" $SINK_OPTIONS > "$SIDE/sink.out" 2>&1 &
	others=$!
	wait_for "$PORT_FILE" sink
	PORT=$(cat "$PORT_FILE")
	export PORT
}

# At port 53 for programs that know no other, when root has a network of its own.
start_ns() {
	"$BUILD/nsfake" --port "$NS_PORT" --port-file "$SIDE/ns-port" --addresses "$addresses" \
		> "$SIDE/ns.out" 2>&1 &
	others="$others $!"
	wait_for "$SIDE/ns-port" 'name server'
	NS=127.0.0.1:$(cat "$SIDE/ns-port")
	export NS
	[ "$PRIVATE" = yes ] || return 0
	echo 'nameserver 127.0.0.1' > "$SIDE/resolv.conf"
	mount --bind "$SIDE/resolv.conf" /etc/resolv.conf
}

# count.h, as numbers: messages good recipients bytes connections open peak full resumed ...
read_count() {
	# shellcheck disable=SC2046
	set -- $(od -An -v -t u8 "$COUNT")
	accepted=$1 connections=$5 peak=$7 handshakes=$(($8 + $9)) resumed=$9
}

# --- the measured part ---

# measure's arguments, which follow its options.
measured() {
	limit=$RUN_LIMIT
	timeout --foreground -k 10 $((RUN_LIMIT + 20)) "$BUILD/measure" --limit "$RUN_LIMIT" "$@"
}

drain() {
	until=$messages
	case $WORKLOAD in
	c) until=$DOMAINS ;; # one transaction each
	line100k) RUN_LIMIT=180 ;;
	e) until=750 messages=750 RUN_LIMIT=35 ;; # at good addresses; the sink counts no others
	esac
	slow=
	[ "$WORKLOAD" = k ] && slow="env LD_PRELOAD=$BUILD/slowsync.so SLOWSYNC_MS=5"
	# shellcheck disable=SC2086
	measured --until "$COUNT" "$until" "$OUT" -- $slow sh "$BENCH/step.sh" "$program" \
		"$(own peer_drain)" "$messages"
}

submit() {
	jobs=1
	[ "$WORKLOAD" = h8 ] && jobs=8
	step message "$SIZE" > "$SIDE/message"
	command=$(step "$(own peer_submit)") || fail 'no command to submit with'
	# shellcheck disable=SC2086
	if [ "$WORKLOAD" = hbs ]; then
		measured "$OUT" -- "$BUILD/bs" "$messages" "$SIDE/message" $command
	else
		measured --times "$messages" --jobs $jobs --stdin "$SIDE/message" "$OUT" -- $command r0@bench.example
	fi
}

# Where a peer's spool can be kept, all repetitions have the first one's: making it takes longer than
# what is measured.
fill() {
	if [ -d "$KEEP/$program" ]; then
		step peer_refill
	else
		step "$(own peer_fill)" "$messages" "$SIZE" "$DOMAINS" && { ! has peer_keep || step peer_keep; }
	fi || fail 'filling the spool'
	read_count
	[ "$accepted" = 0 ] || fail "$accepted messages were delivered while the spool was filled"
	sync
}

timed() {
	case $WORKLOAD in
	h*)
		submit || fail "submitting ended with $?"
		if has peer_submitted; then
			queued=$(step peer_submitted)
			[ "$queued" = "$messages" ] || fail "$queued of $messages are queued"
		fi
		;;
	*)
		fill
		drain || fail "delivering ended with $?"
		;;
	esac
	has "peer_extra_$WORKLOAD" && extra=$(step "peer_extra_$WORKLOAD")
}

# OUT has wall user sys maxrss processes pss, and below perhaps the seconds to the first MAIL.
report() {
	{ read -r wall user sys maxrss processes pss && read -r first; } < "$OUT"
	[ -n "${pss:-}" ] || fail 'nothing was measured'
	read_count
	[ "$peak" = 0 ] || extra="${extra:+$extra;}peak=$peak"
	[ "$resumed" = 0 ] || extra="${extra:+$extra;}resumed=$resumed"
	[ -z "$delayed" ] || extra="${extra:+$extra;}netem=1"
	[ -z "${first:-}" ] || extra="${extra:+$extra;}first_mail_ms=$(awk "BEGIN { print $first * 1000 }")"
	line "$messages" "$wall" "$user" "$sys" "$maxrss" "$pss" "$processes" "$connections" \
		"$handshakes" "${extra:--}"
}

main() {
	extra='' first='' messages=$N
	has peer_messages && messages=$(step peer_messages "$WORKLOAD")
	messages=${messages:-$N}
	# Listening costs files, and a limit on these must suffice for as many connections.
	addresses=$((DOMAINS < 1000 ? DOMAINS : 1000))
	start_sink
	start_ns
	step peer_setup || fail 'setting it up'
	if [ "$repetition" = once ]; then
		[ "$WORKLOAD" = h1 ] || fill
		extra=$(step "peer_once_$WORKLOAD" "$messages") || fail 'the look that is not timed'
		line "$messages" - - - - - - - - "$extra"
	elif has "peer_run_$WORKLOAD"; then
		limit=$((RUN_LIMIT + STEP_LIMIT))
		extra=$(timeout --foreground -k 10 "$limit" sh "$BENCH/step.sh" \
			"$program" "peer_run_$WORKLOAD" "$messages" "$SIZE" "$DOMAINS") ||
			fail "ended with $?"
		report
	else
		timed
		report
	fi
	step peer_stop
}

finish() {
	[ -z "$others" ] || kill $others 2> /dev/null
	[ -z "$delayed" ] || tc qdisc del dev lo root
}

others='' delayed=''
trap finish EXIT
trap 'exit 130' HUP INT TERM
main 2> "$LOG" < /dev/null
