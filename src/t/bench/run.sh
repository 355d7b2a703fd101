#!/bin/sh
# run.sh: the benchmark: every workload of workloads.txt with every program that can do it.
#
#	run.sh [-w "WORKLOAD..."] [-p "PROGRAM..."] [-n REPETITIONS] [-o FOLDER]
#
# BUILD is where `make` built, BENCHDIR where the spools are made (the disk under test). Within a
# workload the repetitions are the outer loop and the programs the inner one, so that what the machine
# does meanwhile meets all alike; whom no goal is about and one takes 10 s gets three of them. Tables and
# plots go to FOLDER: results/ here when everything was run, otherwise $BUILD/benchmark/results.
#
# As root everything runs in a network and mounts of its own, with servers on port 25 of 127.x and a name
# server on 127.0.0.1:53, and the peers' packages are fetched and unpacked (not installed). Without root,
# sortie and the bare clients alone run, on free ports.
set -u
BENCH=$(cd "$(dirname "$0")" && pwd) || exit 1
ROOT=$(cd "$BENCH/../../.." && pwd)
BUILD=$(cd "${BUILD:-$ROOT/build}" && pwd) || exit 1
PEERS=$BUILD/peers
MEASURE=$BUILD/measure
own=$BUILD/benchmark
CERTS=$own/certs
CA=$CERTS/ca.pem
RAW=$own/raw.tsv
BENCHDIR=${BENCHDIR:-$own/work}
PATH=$BUILD:$PATH
LC_ALL=C
export BENCH ROOT BUILD PEERS MEASURE CERTS CA RAW BENCHDIR PATH LC_ALL

# Seconds for all of it; after that every workload gets one repetition.
BUDGET=${BUDGET:-1560}
# Seconds for what is not measured of one run, and for what is.
STEP_LIMIT=120 RUN_LIMIT=90
export BUDGET STEP_LIMIT RUN_LIMIT

every='floor floor-bare floor-message sortie sortie-static postfix dma sendmail opensmtpd opensmtpd-nodelay exim
	nullmailer msmtp'
unprivileged='floor floor-bare floor-message sortie sortie-static'

usage() {
	sed -n 's/^#	run.sh/usage: run.sh/p' "$0" >&2
	exit 64
}

say() {
	[ -t 2 ] && printf '\r\033[K%s' "$*" >&2
	return 0
}

complain() {
	say
	echo "$*" >&2
}

step() {
	timeout --foreground -k 5 "$STEP_LIMIT" sh "$BENCH/step.sh" "$@"
}

# --- before anything is measured; with the host's own network ---

# The commands that are used and no part of a small system.
tools() {
	set --
	command -v openssl > /dev/null || set -- "$@" openssl
	command -v strace > /dev/null || set -- "$@" strace
	command -v ip > /dev/null || set -- "$@" iproute2
	command -v musl-gcc > /dev/null || set -- "$@" musl-tools
	[ $# = 0 ] && return
	[ "$(id -u)" = 0 ] && command -v apt-get > /dev/null && say "installing $*" &&
		apt-get -qq update > /dev/null && DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		--no-install-recommends install "$@" > /dev/null && return
	complain "run.sh: some of it cannot be measured without: $*"
}

certificates() {
	[ -s "$CERTS/server.pem" ] && return
	mkdir -p "$CERTS" && (
		cd "$CERTS" && umask 077 && printf '%s\n' 'basicConstraints=CA:FALSE' \
			'subjectAltName=DNS:localhost,DNS:bench.example,DNS:*.bench.example,IP:127.0.0.1' > ext
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
			-keyout ca.key -out ca.pem -subj '/CN=bench authority' &&
			openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
				-keyout server.key -out server.csr -subj /CN=mx.bench.example &&
			openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
				-days 3650 -extfile ext -out server.crt &&
			cat server.crt ca.pem server.key > server.pem && chmod 644 ca.pem
	) > "$own/certs.log" 2>&1 || complain "run.sh: no certificates: see $own/certs.log"
}

# Those that can be had, into $programs; the versions into a file.
install() {
	there=
	: > "$own/versions.txt"
	for program in $programs; do
		say "$program: fetching"
		if why=$(step "$program" peer_install 2>&1); then
			there="$there $program"
			printf '%-18s %s\n' "$program" "$(step "$program" peer_version 2>&1 | head -n 1)" \
				>> "$own/versions.txt"
		else
			complain "$program is left out: $(echo "$why" | tail -n 1)"
			printf '%-18s left out: %s\n' "$program" "$(echo "$why" | tail -n 1)" \
				>> "$own/versions.txt"
		fi
	done
	programs=$there
}

# --- measuring; in the namespaces ---

# A line of workloads.txt into the variables that a run's environment has.
read_workload() {
	IFS='|' read -r WORKLOAD N SIZE DOMAINS ROUTE TLS CONCURRENCY LATENCY SINK_OPTIONS place \
		repetitions seconds who what << END
$(echo "$1" | sed 's/[ 	]*|[ 	]*/|/g; s/[ 	]*$//')
END
	export WORKLOAD N SIZE DOMAINS ROUTE TLS CONCURRENCY LATENCY SINK_OPTIONS
}

# Those of this workload that are here and can do it.
able() {
	for program in $programs; do
		case " $who " in
		' all ' | *" $program "*) step "$program" peer_can "$WORKLOAD" && echo "$program" ;;
		esac
	done 2> /dev/null
}

# Those that goals are about. When time is short they go on, for as long again, and however slow they are.
is_compared() {
	case $1 in
	floor | sortie* | postfix | dma) ;;
	*) return 1 ;;
	esac
}

workload() {
	began=$(date +%s)
	[ -z "$reps" ] || repetitions=$reps
	[ $((began - started)) -lt "$BUDGET" ] || repetitions=1
	who=$(able | tr '\n' ' ')
	base=$BENCHDIR
	[ "$place" = memory ] && base=/dev/shm
	KEEP=$(mktemp -d "$base/sortie-keep.XXXXXX") && export KEEP || return
	broken=' ' slow=' '
	repetition=1
	while [ $repetition -le "$repetitions" ]; do
		spent=$(($(date +%s) - began))
		[ $repetition = 1 ] || [ $spent -lt $((2 * seconds)) ] || break
		for program in $who; do
			case $broken in *" $program "*) continue ;; esac
			[ $repetition = 1 ] || [ $spent -lt "$seconds" ] || is_compared "$program" || continue
			case $slow in *" $program "*) [ $repetition -le 3 ] || is_compared "$program" || continue ;; esac
			start=$(date +%s)
			one "$program" $repetition || broken="$broken$program "
			[ $(($(date +%s) - start)) -lt 10 ] || slow="$slow$program "
		done
		repetition=$((repetition + 1))
	done
	for program in $who; do
		step "$program" has "peer_once_$WORKLOAD" 2> /dev/null && one "$program" once
	done
	remove "$KEEP"
	echo "$WORKLOAD $(($(date +%s) - began)) s" >> "$own/times.txt"
}

# One run, and what it costs with all that is not measured. Who fails once is not asked again in this workload.
one() {
	read -r up _ < /proc/uptime
	run "$@"
	ended=$?
	awk -v up="$up" -v what="$WORKLOAD $1 $2" '{ printf "%s %.2f s\n", what, $1 - up }' /proc/uptime >> "$own/times.txt"
	return $ended
}

run() {
	say "$WORKLOAD: $1, $2 of $repetitions"
	WORK=$(mktemp -d "$base/sortie-work.XXXXXX") && chmod 755 "$WORK" || return
	SIDE=$(mktemp -d "$side/sortie-side.XXXXXX") && chmod 755 "$SIDE" || return
	LOG=$own/logs/$WORKLOAD.$1.$2
	export WORK SIDE LOG
	# shellcheck disable=SC2086
	timeout --foreground -k 10 $((RUN_LIMIT + 2 * STEP_LIMIT)) $isolate sh "$BENCH/one.sh" "$1" "$2" > /dev/null
	status=$?
	remove "$WORK" "$SIDE"
	[ $status = 0 ] && return
	[ $status = 1 ] || printf '%s\t%s\t%s\t0\t-\t-\t-\t-\t-\t-\t-\t-\t%s\n' "$WORKLOAD" "$1" "$2" \
		"failed=ended with $status" >> "$RAW"
	complain "$WORKLOAD: $1 failed: $(tail -n 1 "$RAW" | sed 's/.*failed=//')"
	return 1
}

# So that the disk has done with it before somebody else is measured.
remove() {
	rm -rf "$@"
	sync
}

# --- afterwards ---

machine() {
	sed -n 's/^model name[^:]*: */processor   /p' /proc/cpuinfo | head -n 1
	echo "processors  $(getconf _NPROCESSORS_ONLN)"
	sed -n 's/^MemTotal: */memory      /p' /proc/meminfo
	echo "system      $(uname -srm), $(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)"
	echo "spools on   $(df -PT "$BENCHDIR" | awk 'NR == 2 { print $2 }')" \
		"($(findmnt -no OPTIONS -T "$BENCHDIR"))"
	echo "in memory   $(df -PT /dev/shm | awk 'NR == 2 { print $2 }')"
	echo "network     loopback; acknowledgements are not delayed"
	echo "compiler    $(${CC:-cc} --version | head -n 1)"
	echo "OpenSSL     $(openssl version)"
	echo "date        $(date -u '+%Y-%m-%d'); all of it took $((($(date +%s) - started) / 60)) minutes"
	echo
	cat "$own/versions.txt"
}

results() {
	mkdir -p "$output"
	cp "$RAW" "$output/raw.tsv"
	machine > "$output/machine.txt" 2> /dev/null
	awk -f "$BENCH/stats.awk" -f "$BENCH/report.awk" "$BENCH/workloads.txt" "$BENCH/goals.txt" \
		"$RAW" > "$output/table.txt"
	rm -f "$output"/*.svg
	sed -n 's/^\([a-z][a-z0-9-]*\) *|.*/\1/p' "$BENCH/plots.txt" | while read -r plot; do
		awk -f "$BENCH/stats.awk" -f "$BENCH/plot.awk" -v plot="$plot" "$BENCH/workloads.txt" \
			"$BENCH/plots.txt" "$RAW" > "$output/$plot.svg"
		[ -s "$output/$plot.svg" ] || rm -f "$output/$plot.svg"
	done
	say
	sed '/^[0-9]* met, /q' "$output/table.txt" | if [ $complete = yes ]; then cat; else
		grep -v '  not measured$'
	fi
	echo "all of it is in $output"
}

# --- who does what ---

wanted='' reps='' output='' programs=''
while getopts w:p:n:o: option; do
	case $option in
	w) wanted=$OPTARG ;;
	p) programs=$OPTARG ;;
	n) reps=$OPTARG ;;
	o) output=$OPTARG ;;
	*) usage ;;
	esac
done
[ $OPTIND -gt $# ] || usage

prepare() {
	mkdir -p "$own/logs" "$BENCHDIR" "$PEERS"
	# ext4 uses no inode again that was freed a moment ago, and looks at each: a spool in the blocks of one
	# just removed is made forty times slower. With this flag every folder begins somewhere else.
	chattr +T "$BENCHDIR" 2> /dev/null
	rm -f "$own/logs"/*
	: > "$RAW"
	: > "$own/times.txt"
	tools
	certificates
	if [ "$(id -u)" != 0 ] || ! unshare -m -n true 2> /dev/null; then
		complain 'run.sh: not as root, or in a container: without the peers'
		programs=${programs:-$unprivileged}
	fi
	programs=${programs:-$every}
	install
}

# Acknowledgements are not delayed: for some programs a message would take 40 ms longer.
network() {
	ip link set lo up
	ip route replace local 127.0.0.0/8 dev lo proto kernel scope host src 127.0.0.1 table local \
		quickack 1
	ip route replace local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1 table local \
		quickack 1
}

measure_all() {
	trap 'rm -rf "${WORK:-}" "${SIDE:-}" "${KEEP:-}"' EXIT
	trap 'exit 130' HUP INT TERM
	PRIVATE=no isolate='' SINK_PORT=0 NS_PORT=0
	if [ "${BENCH_INSIDE:-}" = yes ]; then
		PRIVATE=yes isolate='unshare -m -p -f --kill-child --mount-proc' SINK_PORT=25 NS_PORT=53
		network
	fi
	export PRIVATE SINK_PORT NS_PORT
	side=/dev/shm
	[ -w $side ] || side=$own
	while read -r text; do
		case $text in '' | '#'*) continue ;; esac
		read_workload "$text"
		case " ${wanted:-$WORKLOAD} " in *" $WORKLOAD "*) workload ;; esac
	done < "$BENCH/workloads.txt"
}

# The rest of it once more in here, where the network is.
if [ "${BENCH_INSIDE:-}" = yes ]; then
	programs=$BENCH_PROGRAMS started=$BENCH_STARTED
	measure_all
	exit
fi

started=$(date +%s)
complete=no
[ -z "$wanted$programs$reps" ] && complete=yes
prepare
if unshare -m -n true 2> /dev/null; then
	BENCH_INSIDE=yes BENCH_PROGRAMS=$programs BENCH_STARTED=$started \
		unshare -m -n sh "$0" ${wanted:+-w "$wanted"} ${reps:+-n "$reps"}
else
	measure_all
fi
if [ -z "$output" ]; then
	output=$own/results
	[ $complete = yes ] && output=$BENCH/results
fi
results
