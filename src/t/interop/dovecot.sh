#!/bin/sh
# Dovecot's LMTP server: a reply for every recipient behind the dot, and users who are not there.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_dovecot.sh"

# shellcheck disable=SC2046
set -- $(free_ports 1)
dovecot_conf lmtp
{
	awk 'BEGIN { for (i = 1; i <= 200; i++) print "r" i }'
	for file in "$dir"/corpus/*.body; do
		basename "$file" .body
	done
	echo good
} | sed 's/$/@there.example:{PLAIN}x::::::/' > "$dir/dc/users"
cat >> "$dir/dc/conf" <<END
service lmtp {
	chroot =
	inet_listener lmtp {
		address = 127.0.0.1
		port = $1
	}
	unix_listener lmtp {
		mode = 0600
	}
}
END
start_dovecot
wait_port "$1"
for relay in "lmtp://[127.0.0.1]:$1" "lmtp:$dir/dc/run/lmtp"; do
	forget
	rm -rf "$dir/dc/mail"/* "$dir/store"
	mkdir "$dir/store"
	configure "relay $relay"
	queue_all there.example
	"$sortie" -C "$dir/conf" -odq -i -f '<>' good@there.example stranger@there.example \
		< "$dir/corpus/dots"
	expect dots good@there.example
	run_queue
	[ "$(grep -c 'status=bounced' "$dir/log")" -eq 1 ] || fail "stranger@ was not bounced"
	sed -i '/warning: .*status=held/d' "$dir/log" # nobody could be told
	# It adds Delivered-To only where a transaction had one recipient; the folder is his always.
	for file in "$dir/dc/mail"/*/new/*; do
		recipient=${file%/new/*}
		recipient=${recipient##*/}
		{ echo "Envelope-To: $recipient"; sed '/^Delivered-To:/d' "$file"; } \
			> "$dir/store/$recipient.${file##*/}"
	done
	arrived "$dir/store"/*
	all_arrived
done
ok "Dovecot $(dovecot --version), over TCP and a local socket"
