#!/bin/sh
# Routes found through a real resolver: unbound, which answers for a zone of its own, with mail
# taken by smtp-sink at an address of loopback each.
. "$(dirname "$0")/lib.sh"
need unbound smtp-sink

adds_empty_line=yes
as=
[ "$(id -u)" -ne 0 ] || as="-u nobody"
# shellcheck disable=SC2046
set -- $(free_ports 2)
dns=$1 port=$2

cat > "$dir/unbound.conf" <<END
server:
	directory: "$dir"
	chroot: ""
	username: ""
	pidfile: "$dir/unbound.pid"
	interface: 127.0.0.1@$dns
	do-daemonize: no
	use-syslog: no
	root-hints: ""
	module-config: "iterator"
	local-zone: "." static
	local-data: "plain.example. MX 10 mx.plain.example."
	local-data: "mx.plain.example. A 127.0.0.2"
	local-data: "implicit.example. A 127.0.0.2"
	local-data: "alias.example. CNAME plain.example."
	local-data: "mxalias.example. MX 10 alias.mxalias.example."
	local-data: "alias.mxalias.example. CNAME mx.plain.example."
	local-data: "two.example. MX 10 down.two.example."
	local-data: "two.example. MX 20 mx.plain.example."
	local-data: "down.two.example. A 127.0.0.3"
	local-data: "null.example. MX 0 ."
	local-data: "empty.example. TXT text"
$(awk 'BEGIN {
	for (i = 1; i <= 300; i++) {
		printf "\tlocal-data: \"big.example. MX %d host-with-a-long-name-number-%d.big.example.\"\n", i * 10, i
		printf "\tlocal-data: \"host-with-a-long-name-number-%d.big.example. A 127.0.0.2\"\n", i
	}
}')
END
mkdir "$dir/store"
chmod 777 "$dir/store"
start unbound unbound -d -c "$dir/unbound.conf"
wait_port "$dns"
# shellcheck disable=SC2086
start sink smtp-sink $as -d "$dir/store/m." "127.0.0.2:$port" 100
wait_port "$port"

configure "nameserver 127.0.0.1:$dns" "port $port"
for domain in plain implicit mxalias two big; do
	queue plain "bob@$domain.example"
	queue dots "bob@$domain.example" "carol@$domain.example"
done
# RFC 5321 5.1: a CNAME at the recipient's domain is followed
queue plain bob@alias.example
run_queue
arrived "$dir"/store/*
all_arrived
[ "$(waiting)" -eq 0 ] || fail "$(waiting) messages wait"

# With the null sender, so that no reports are made.
for domain in null empty nothing; do
	"$sortie" -C "$dir/conf" -odq -i -f '<>' "bob@$domain.example" < "$dir/corpus/plain"
done
run_queue
for status in 5.1.10:null 5.4.4:empty 5.1.2:nothing; do # RFC 7505 4.2; RFC 3463
	grep -q "to=<bob@${status#*:}.example>.*dsn=${status%:*}, status=bounced" "$dir/log" ||
		fail "${status#*:}.example: not bounced with ${status%:*}"
done
ok "$(unbound -V | head -n 1)"
