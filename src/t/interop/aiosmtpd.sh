#!/bin/sh
# aiosmtpd, a server in Python, with its Maildir handler.
. "$(dirname "$0")/lib.sh"
need aiosmtpd

# shellcheck disable=SC2046
set -- $(free_ports 1)
start aiosmtpd aiosmtpd -n -l "127.0.0.1:$1" -c aiosmtpd.handlers.Mailbox "$dir/store"
wait_port "$1"
configure "relay smtp://[127.0.0.1]:$1"
queue_all there.example
deliver 2
# RFC 5321 4.5.3.1.6 by the letter: a line that could not be made shorter is refused, and comes back.
sed -i '/^line1500 /d' "$dir/expected"
grep -q 'to=<line1500@.*status=bounced' "$dir/log" || fail "line1500 was not refused"
arrived "$dir/store/new"/*
all_arrived
ok "aiosmtpd"
