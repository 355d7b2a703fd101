#!/bin/sh
# Postfix's smtpd, complete with its queue, delivering to a Maildir. Each service of master.cf below is
# a server that is strict or poor in its own way.
. "$(dirname "$0")/lib.sh"
need postconf
[ "$(id -u)" -eq 0 ] || skip "Postfix wants root"
owner=mail # stands for the user postfix, which need not exist
id "$owner" > /dev/null 2>&1 || skip "no user $owner"
getent group staff > /dev/null 2>&1 || skip "no group staff"
daemons=$root$(postconf -d -h daemon_directory 2> /dev/null)
[ -x "$daemons/master" ] || skip "no $daemons/master"

pf=$dir/pf
mkdir -p "$pf/queue" "$pf/data" "$pf/mail" "$pf/conf"
for q in active bounce corrupt defer deferred flush hold incoming private saved trace; do
	mkdir -m 700 "$pf/queue/$q"
	chown "$owner" "$pf/queue/$q"
done
mkdir -m 755 "$pf/queue/pid"
mkdir -m 710 "$pf/queue/public"
mkdir -m 730 "$pf/queue/maildrop"
chown "$owner:staff" "$pf/queue/public" "$pf/queue/maildrop"
chown "$owner" "$pf/data" "$pf/mail"
: > "$pf/conf/dynamicmaps.cf"

cat > "$pf/conf/main.cf" <<END
compatibility_level = 3.6
queue_directory = $pf/queue
data_directory = $pf/data
daemon_directory = $daemons
meta_directory = $pf/conf
shlib_directory = $root$(postconf -d -h shlib_directory 2> /dev/null)
mail_owner = $owner
setgid_group = staff
default_privs = nobody
import_environment = MAIL_CONFIG MAIL_LOGTAG LD_LIBRARY_PATH
maillog_file = $pf/log
maillog_file_prefixes = $pf
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = mx.there.example
mydestination =
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 100
smtpd_recipient_restrictions =
	check_recipient_access inline:{ { refused@there.example = 550 5.1.1 no such user },
		{ later@there.example = 450 4.7.1 greylisted } }, permit_mynetworks, reject
smtpd_forbid_bare_newline = yes
smtpd_forbid_unauth_pipelining = yes
strict_rfc821_envelopes = yes
virtual_mailbox_domains = there.example here.example
virtual_mailbox_maps = static:all/
virtual_mailbox_base = $pf/mail
virtual_uid_maps = static:$(id -u $owner)
virtual_gid_maps = static:$(id -g $owner)
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
alias_maps =
alias_database =
virtual_alias_expansion_limit = 10000
END

# shellcheck disable=SC2046
set -- $(free_ports 9)
services="plain:$1 nopipelining:$2 no8bit:$3 helo:$4 fifty:$5 small:$6 impatient:$7 onebyone:$8 lists:$9"
cat > "$pf/conf/master.cf" <<END
127.0.0.1:$1 inet n - n - - smtpd
127.0.0.1:$2 inet n - n - - smtpd -o smtpd_discard_ehlo_keywords=pipelining
127.0.0.1:$3 inet n - n - - smtpd -o smtpd_discard_ehlo_keywords=8bitmime,enhancedstatuscodes
127.0.0.1:$4 inet n - n - - smtpd -o smtpd_discard_ehlo_keywords=pipelining,8bitmime,size,chunking,dsn,etrn,vrfy,enhancedstatuscodes
127.0.0.1:$5 inet n - n - - smtpd -o smtpd_recipient_limit=50
127.0.0.1:$6 inet n - n - - smtpd -o message_size_limit=100000
127.0.0.1:$7 inet n - n - - smtpd -o smtpd_hard_error_limit=3 -o smtpd_soft_error_limit=1 -o smtpd_error_sleep_time=0
127.0.0.1:$8 inet n - n - 1 smtpd -o smtpd_client_connection_count_limit=1
127.0.0.1:$9 inet n - n - - smtpd -o smtpd_delay_reject=no -o smtpd_helo_required=yes
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
END
MAIL_CONFIG=$pf/conf MAIL_LOGTAG=postfix
export MAIL_CONFIG MAIL_LOGTAG
start master "$daemons/master" -c "$pf/conf" -d
for service in $services; do
	wait_port "${service#*:}"
done

stored() { # whether so many messages and reports are there
	[ "$(find "$pf/mail/all/new" -type f 2> /dev/null | wc -l)" -ge "$1" ]
}

prepare() { # service
	forget
	for each in $services; do
		[ "${each%:*}" != "$1" ] || port=${each#*:}
	done
	rm -rf "$pf/mail/all"
	configure "relay smtp://[127.0.0.1]:$port"
}

look() { # messages besides those expected
	wait_for "delivery by Postfix" stored $(($(wc -l < "$dir/expected") + $1))
	arrived "$pf/mail/all/new"/*
	all_arrived
}

for service in plain nopipelining no8bit helo fifty onebyone lists; do
	prepare $service
	queue_all there.example
	deliver 2
	look 0
done

# What is too large is refused with the size in MAIL, and its report comes to the sender.
prepare small
queue_all there.example
deliver 2
sed -i '/^large /d' "$dir/expected"
look 1
grep -q 'status=bounced' "$dir/log" || fail "the large message was not refused"
grep -l '^Content-Type: message/delivery-status' "$pf/mail/all/new"/* > /dev/null || fail "no report"

# One recipient is refused, one deferred; the others are not touched by it, whatever Postfix thinks
# of clients that name refused recipients.
for service in plain impatient; do
	prepare $service
	for n in 1 2 3 4 5 6 7 8 9; do
		queue plain "a$n@there.example"
		queue dots "b$n@there.example" "c$n@there.example"
		"$sortie" -C "$dir/conf" -odq -i -f alice@here.example "d$n@there.example" \
			refused@there.example later@there.example "e$n@there.example" < "$dir/corpus/eightbit"
		expect eightbit "d$n@there.example" "e$n@there.example"
	done
	runs=0
	while [ "$(grep -c 'status=sent' "$dir/log")" -lt 54 ] && [ $runs -lt 40 ]; do
		run_queue
		runs=$((runs + 1))
	done
	look 9
	[ "$(grep -c 'to=<refused@.*status=bounced' "$dir/log")" -eq 9 ] || fail "$service: refused@ was not bounced 9 times"
	[ "$(waiting)" -eq 9 ] || fail "$service: $(waiting) messages wait for later@ instead of 9"
	runs_of="${runs_of:-} $service $runs"
done
ok "Postfix $(postconf -d -h mail_version 2> /dev/null):" $(echo "$services" | sed 's/:[0-9]*//g')"; runs with refusals:$runs_of"
