#!/bin/sh
# Dovecot's submission server, every mechanism on STARTTLS and on TLS from the start; it hands on to
# smtp-sink. The last: who shows a client certificate needs no password.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_tls.sh"
. "$(dirname "$0")/lib_dovecot.sh"
need smtp-sink
[ -z "$root" ] || [ -e /usr/lib/dovecot/modules/libssl_iostream_openssl.so ] ||
	skip "Dovecot looks for its TLS where it was built to be"

# shellcheck disable=SC2046
set -- $(free_ports 3)
dovecot_submission "$1" "$2" "$3"

for url in "submission://mx.there.example:$1" "smtps://mx.there.example:$2"; do
	configure_login "$url"
	every_login SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN OAUTHBEARER XOAUTH2
	configure_login "$url" "client-cert $tls/$user.pem $tls/$user.key"
	credentials external
	logs_in EXTERNAL
done
ok "Dovecot $(dovecot --version):$done_with"
