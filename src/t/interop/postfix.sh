#!/bin/sh
# Postfix's smtpd, complete with its queue, delivering to a Maildir. Each service of master.cf below is
# a server that is strict or poor in its own way.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_postfix.sh"

postfix_conf
cat >> "$pf/conf/main.cf" <<END
smtpd_recipient_restrictions =
	check_recipient_access inline:{ { refused@there.example = 550 5.1.1 no such user },
		{ later@there.example = 450 4.7.1 greylisted } }, permit_mynetworks, reject
smtpd_forbid_bare_newline = yes
smtpd_forbid_unauth_pipelining = yes
strict_rfc821_envelopes = yes
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
END
start_postfix
for service in $services; do
	wait_port "${service#*:}"
done

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
