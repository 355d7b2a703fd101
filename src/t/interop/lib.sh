# lib.sh: what the scripts of this folder share; read by them, not run.
#
# Each script is called with two programs, `NAME.sh SORTIE PORTS`, delivers the same messages through
# a real server and looks at what arrived: every message to every recipient, once, its body the same
# byte for byte. It ends with one line, "NAME: ok ..." or "NAME: skipped: ..." (status 0) or "NAME:
# FAILED ..." (status 1, and its directory stays). Servers are found through PATH and the usual
# folders, or below the folder INTEROP_ROOT, where packages may have been unpacked without
# installing them. Only what a script has started is ended.
set -u
LC_ALL=C
export LC_ALL

me=$(basename "$0" .sh)
[ $# -eq 2 ] || { echo "usage: $0 SORTIE PORTS" >&2; exit 64; }
sortie=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
ports_program=$2
root=${INTEROP_ROOT:-}
if [ -n "$root" ]; then
	PATH=$root/usr/sbin:$root/usr/bin:$PATH
	for folder in usr/lib usr/lib/postfix usr/lib/dovecot usr/lib/dovecot/modules/old-stats \
		usr/lib/$(uname -m)-linux-gnu \
		lib/$(uname -m)-linux-gnu; do
		LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}${LD_LIBRARY_PATH:+:}$root/$folder
	done
	export LD_LIBRARY_PATH
fi
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
pids=
dir=$(mktemp -d "${TMPDIR:-/tmp}/sortie-$me.XXXXXX") || exit 1
chmod 755 "$dir"

finish() { # status
	for pid in $pids; do
		kill "$pid" 2> /dev/null && wait "$pid" 2> /dev/null
	done
	[ "$1" -ne 0 ] || rm -rf "$dir"
	exit "$1"
}
trap 'finish 1' INT TERM HUP

ok() {
	echo "$me: ok: $*"
	finish 0
}

skip() {
	echo "$me: skipped: $*"
	finish 0
}

fail() {
	echo "$me: FAILED: $* (see $dir)" >&2
	finish 1
}

need() { # program...
	for program; do
		command -v "$program" > /dev/null || skip "no $program"
	done
}

free_ports() { # how many
	"$ports_program" "$1" | tr '\n' ' '
}

# A server in the background; its output is in $dir/out.NAME.
start() { # name command...
	name=$1
	shift
	"$@" > "$dir/out.$name" 2>&1 &
	pids="$pids $!"
	last=$!
}

stop() { # pid
	kill "$1" 2> /dev/null
	wait "$1" 2> /dev/null
	pids=$(echo " $pids " | sed "s/ $1 / /")
}

# Runs until the command succeeds.
wait_for() { # what command...
	what=$1
	shift
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 150 ] || fail "in vain: $what"
		sleep 0.1
	done
}


# Until a TCP server answers at the port: /proc where there is one, else by trying it.
wait_port() { # port
	wait_for "a server at port $1" port_open "$1"
}

port_open() { # port
	if [ -r /proc/net/tcp ]; then
		cat /proc/net/tcp /proc/net/tcp6 2> /dev/null |
			grep -q ":$(printf %04X "$1") [0-9A-F]*:0000 0A "
	else
		(exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null || nc -z 127.0.0.1 "$1" 2> /dev/null
	fi
}

configure() { # line...
	{
		echo "hostname here.example"
		echo "spool $dir/spool"
		echo "log $dir/log"
		echo "refuse none"
		echo "retry 1s 1s"
		for line; do
			echo "$line"
		done
	} > "$dir/conf"
}

# --- messages ---

# corpus/NAME is a message, corpus/NAME.body what must arrive behind its header.
message() { # name; the body on standard input
	cat > "$dir/corpus/$1.body"
	{
		printf 'From: alice@here.example\nTo: bob@there.example\nSubject: %s\n' "$1"
		printf 'X-Interop: %s\n%s\n' "$1" "${fields:-}"
		cat "$dir/corpus/$1.body"
	} > "$dir/corpus/$1"
}

repeat() { # text times
	awk -v s="$1" -v n="$2" 'BEGIN { while (n-- > 0) printf "%s", s }'
}

make_corpus() {
	mkdir -p "$dir/corpus"
	printf 'Hello.\n' | message plain
	: | message empty
	printf '.\n..\n...\n.dot at the start\nat the end.\n\n.\n\n' | message dots
	printf '.' | message lonedot
	printf '\n' >> "$dir/corpus/lonedot.body" # the line is completed
	printf 'no newline at the end' | message unfinished
	printf '\n' >> "$dir/corpus/unfinished.body"
	printf '\n\n\nempty lines around\n\n\n' | message emptylines
	printf 'Gr\303\274\303\237e; Latin-1: \374\337\344; \001\177\200\377\n' | message eightbit
	{ repeat 0123456789 99; printf '12345678\n'; } | message line998
	fields=$(printf 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n')
	fields="$fields
"
	{ printf -- '--x\n\n'; repeat 0123456789 150; printf '\n--x--\n'; } | message line1500
	fields=
	awk 'BEGIN { for (i = 0; i < 40000; i++) printf "line %d of a large message, 012345678901234567\n", i }' |
		message large
}

# What every recipient is to get: lines "MESSAGE RECIPIENT" in $dir/expected.
expect() { # message recipient...
	message=$1
	shift
	for recipient; do
		echo "$message $recipient"
	done >> "$dir/expected"
}


queue() { # message recipient...: submits and expects
	expect "$@"
	message=$1
	shift
	"$sortie" -C "$dir/conf" -odq -i -f "${sender:-alice@here.example}" "$@" \
		< "$dir/corpus/$message" || fail "submission of $message: status $?"
}

# Every message to a recipient of its own, and a message to 200.
queue_all() { # domain
	for file in "$dir"/corpus/*.body; do
		name=$(basename "$file" .body)
		queue "$name" "$name@$1"
	done
	# shellcheck disable=SC2046
	queue plain $(awk -v d="$1" 'BEGIN { for (i = 1; i <= 200; i++) print "r" i "@" d }')
}

waiting() {
	ls "$dir/spool/ctl" | wc -l | tr -d ' '
}

run_queue() { # due or not
	"$sortie" -C "$dir/conf" -qR@ > "$dir/out.run" 2>&1 || fail "sortie -q: status $?"
}

# Queue runs until nothing waits.
deliver() { # at most so many runs
	runs=0
	while [ "$(waiting)" -gt 0 ]; do
		[ $runs -lt "$1" ] || fail "after $1 runs $(waiting) messages wait"
		run_queue
		runs=$((runs + 1))
	done
}

# --- what arrived ---

# Notes for each file, a message as the server stored it, who got what, and compares the body.
arrived() { # file...
	for file; do
		[ -f "$file" ] || continue
		tr -d '\r' < "$file" > "$dir/one"
		name=$(sed -n -e '/^$/q' -e 's/^X-Interop: //p' "$dir/one")
		[ -n "$name" ] || continue # a report
		sed '1,/^$/d' "$dir/one" > "$dir/body"
		[ -z "${adds_empty_line:-}" ] || sed '$d' "$dir/body" > "$dir/body2"
		[ -z "${adds_empty_line:-}" ] || mv "$dir/body2" "$dir/body"
		cmp -s "$dir/body" "$dir/corpus/$name.body" ||
			fail "$file: the body of $name is not what was sent"
		# several fields, or one with commas in it, folded
		sed '/^$/q' "$dir/one" | awk -v name="$name" '
			/^[ \t]/ { if (list) text = text $0; next }
			{ list = 0 }
			tolower($0) ~ /^(delivered-to|envelope-to|x-rcpt-args|x-rcptto):/ {
				list = 1
				text = text ", " substr($0, index($0, ":") + 1)
			}
			END {
				n = split(text, r, ",")
				for (i = 1; i <= n; i++) {
					sub(/^[ \t]*<?/, "", r[i])
					sub(/[> \t].*/, "", r[i])
					if (r[i] != "")
						print name, r[i]
				}
			}' >> "$dir/arrived"
	done
}

all_arrived() {
	sort "$dir/expected" > "$dir/expected.sorted"
	sort "$dir/arrived" > "$dir/arrived.sorted"
	diff "$dir/expected.sorted" "$dir/arrived.sorted" > "$dir/difference" ||
		fail "not every recipient got every message once: $(grep -c '^<' "$dir/difference") missing, $(grep -c '^>' "$dir/difference") too many"
	! grep -q 'warning:' "$dir/log" || fail "warnings in the log"
}

forget() { # everything that was expected and arrived
	rm -rf "$dir/expected" "$dir/arrived" "$dir/spool" "$dir/log"
	: > "$dir/expected"
	: > "$dir/arrived"
	: > "$dir/log"
}

forget
make_corpus
