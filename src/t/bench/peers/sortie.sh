# sortie.sh: the program of this tree. fill.c fills its spool, by the code that takes mail in, but for
# the syncs. Logs to syslog(3), as the others do. sortie-static: with the front that `make static-front`
# makes, for submission.

peer_install()
{
	[ -z "$VARIANT" ] || [ -x "$BUILD/static/sendmail" ] ||
		make -s -C "$ROOT" BUILD="${BUILD#"$ROOT"/}" static-front
}

peer_version()
{
	"$BUILD/sortie" -V | head -n 1
}

peer_can()
{
	case $VARIANT.$1 in
	*.hbs)
		"$(sortie_front)" -C /dev/null -bs </dev/null >/dev/null 2>&1
		[ $? != 69 ] # EX_UNAVAILABLE
		;;
	.size) command -v strip >/dev/null ;;
	static.h*) ;;
	static.*) return 1 ;;
	esac
}

# In $KEEP what waits for many runs, in $WORK what does not.
sortie_spool()
{
	case $WORKLOAD in
	i*) echo "$KEEP/spool" ;;
	*) echo "$WORK/spool" ;;
	esac
}

peer_setup()
{
	{
		sortie_common
		echo "spool $(sortie_spool)"
		if [ "$ROUTE" = relay ]; then
			echo "relay smtp://[127.0.0.1]:$PORT"
			[ -z "$CONCURRENCY" ] || echo "sessions-per-site $CONCURRENCY"
		else
			echo "nameserver $NS"
			echo "port $PORT"
			[ -z "$CONCURRENCY" ] || echo "sessions $CONCURRENCY"
		fi
	} >"$WORK/conf"
	case $WORKLOAD in
	c | j*) sortie_baseline ;;
	esac
}

sortie_common()
{
	echo 'hostname bench.example'
	echo 'refuse none'
	[ "$TLS" = 0 ] || printf 'ca %s\ntls encrypt\n' "$CA"
}

peer_fill()
{
	fill --size "$2" --domains "$3" "$(sortie_spool)" "$1"
}

# Ten recipients a message: no more than 2,000 messages are in work at once.
sortie_fill_sessions()
{
	fill --size "$2" --domains "$3" --recipients 10 "$(sortie_spool)" $(($1 / 10))
}

peer_fill_j100()
{
	sortie_fill_sessions "$@"
}

peer_fill_j1k()
{
	sortie_fill_sessions "$@"
}

peer_fill_j1kt()
{
	sortie_fill_sessions "$@"
}

peer_fill_j5k()
{
	sortie_fill_sessions "$@"
}

peer_fill_j10k()
{
	sortie_fill_sessions "$@"
}

peer_fill_c()
{
	fill --size "$2" --domains "$3" --recipients "$1" "$(sortie_spool)" 1
}

peer_drain()
{
	measure_start
	exec "$BUILD/sortie" -C "$WORK/conf" -q
}

peer_submit()
{
	echo "$(sortie_front) -C $WORK/conf -odq -f a@bench.example"
}

# What is installed as sendmail.
sortie_front()
{
	if [ -n "$VARIANT" ]; then
		echo "$BUILD/$VARIANT/sendmail"
	elif [ -x "$BUILD/sendmail" ]; then echo "$BUILD/sendmail"; else echo "$BUILD/sortie"; fi
}

peer_submit_hbs()
{
	echo "$(sortie_front) -C $WORK/conf -bs -odq"
}

peer_submitted()
{
	find "$WORK/spool/ctl" -type f | wc -l
}

peer_stop()
{
	:
}

# --- a scan: the time ends when the command does, which has then seen all that wait ---

# sortie_scan SLEEPING N OCTETS DOMAINS: those that sleep are there from the first repetition.
sortie_scan()
{
	sleeping=0
	[ -d "$KEEP/spool" ] || sleeping=$1
	fill --size "$3" --sleeping "$sleeping" "$KEEP/spool" "$2" || return 1
	"$MEASURE" --limit "$RUN_LIMIT" "$OUT" -- "$BUILD/sortie" -C "$WORK/conf" -q || return
	sortie_came=$(od -An -N 8 -t u8 "$COUNT" | tr -d ' ')
	[ "$sortie_came" = "$2" ] || {
		echo "$sortie_came of $2 came" >&2
		return 1
	}
}

peer_run_i1k()
{
	sortie_scan 0 "$@"
}

peer_run_i100k()
{
	sortie_scan 99000 "$@"
}

peer_run_i1m()
{
	sortie_scan 999000 "$@"
}

# --- memory: what is beyond a run with one message, in KiB by what there is many of ---

# Such a run, with a server of its own; its figures go to $WORK/baseline.
sortie_baseline()
{
	set -- --port-file "$WORK/one-port"
	[ "$TLS" = 0 ] || set -- "$@" --tls "$CERTS/server.pem"
	"$BUILD/sink" "$@" >/dev/null &
	until [ -s "$WORK/one-port" ]; do sleep 0.01; done
	{
		sortie_common
		echo "spool $WORK/one"
		echo "relay smtp://[127.0.0.1]:$(cat "$WORK/one-port")"
	} >"$WORK/one-conf"
	fill "$WORK/one" 1 &&
		"$MEASURE" "$WORK/baseline" -- "$BUILD/sortie" -C "$WORK/one-conf" -q
	kill $!
	wait $! 2>/dev/null
}

# sortie_memory KEY
sortie_memory()
{
	awk -v key="$1" -v many="$N" 'FNR == 1 { rss[NR == FNR] = $4 }
		END { printf "%s=%.2f\n", key, (rss[0] - rss[1]) / many }' "$WORK/baseline" "$OUT"
}

peer_extra_c()
{
	sortie_memory recipient_kib
}

peer_extra_j1k()
{
	sortie_memory session_kib
}

peer_extra_j1kt()
{
	sortie_memory session_kib
}

peer_extra_j5k()
{
	sortie_memory session_kib
}

peer_extra_j10k()
{
	sortie_memory session_kib
}

# --- system calls: strace's own time is long, so it is a run that is not timed ---

# sortie_calls MESSAGES COMMAND...: by strace's table, whose columns are % time, seconds, usecs/call,
# calls, perhaps errors, name.
sortie_calls()
{
	sortie_n=$1
	shift
	command -v strace >/dev/null || return 0
	strace -c -f -o "$WORK/calls" "$@" >/dev/null || return 1
	awk -v n="$sortie_n" '$4 ~ /^[0-9]+$/ && $NF != "total" {
			calls += $4
			if ($NF == "fsync" || $NF == "fdatasync") syncs += $4
			if ($NF == "poll") turns += $4
		}
		END {
			printf "calls=%.2f;syncs=%.3f", calls / n, syncs / n
			if (turns > 0) printf ";turns=%d;syncs_turn=%.2f", turns, syncs / turns
			print ""
		}' "$WORK/calls"
}

peer_once_a1k()
{
	sortie_calls "$1" "$BUILD/sortie" -C "$WORK/conf" -q
}

peer_once_h1()
{
	message 1024 >"$WORK/message"
	set -- $(peer_submit)
	strace -f -e trace=openat -o "$WORK/opened" "$@" r0@bench.example <"$WORK/message" || return 1
	printf 'libssl=%d;' "$(grep -c -e libssl -e libcrypto "$WORK/opened")"
	sortie_calls 1 "$@" r0@bench.example <"$WORK/message"
}

# --- the program itself ---

peer_run_size()
{
	echo '0 0 0 0 0 0' >"$OUT"
	cp "$BUILD/sortie" "$WORK/sortie" && cp "$(sortie_front)" "$WORK/front" &&
		strip "$WORK/sortie" "$WORK/front" || return 1
	echo "kb=$(sortie_kb "$WORK/sortie");front_kb=$(sortie_kb "$WORK/front")"
}

sortie_kb()
{
	wc -c <"$1" | awk '{ printf "%.0f", $1 / 1000 }'
}
