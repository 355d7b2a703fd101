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
set -- $(free_ports 5)
dovecot_conf submission
dovecot_users
cat >> "$dir/dc/conf" <<END
ssl = required
ssl_cert = <$tls/mx.pem
ssl_key = <$tls/mx.key
ssl_ca = <$tls/ca.pem
ssl_require_crl = no
ssl_verify_client_cert = yes
auth_ssl_username_from_cert = yes
passdb {
	driver = static
	mechanisms = external
	args = nopassword
}
hostname = mx.there.example
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 xoauth2 oauthbearer external
submission_relay_host = 127.0.0.1
submission_relay_port = $3
service submission-login {
	chroot =
	inet_listener submission {
		address = 127.0.0.1
		port = $1
	}
	inet_listener submissions {
		address = 127.0.0.1
		port = $2
		ssl = yes
	}
}
service submission {
	chroot =
}
END
mkdir "$dir/store"
chmod 777 "$dir/store"
start sink smtp-sink -u nobody -d "$dir/store/m." "127.0.0.1:$3" 100
start_dovecot
for port in "$1" "$2" "$3"; do
	wait_port "$port"
done

for url in "submission://mx.there.example:$1" "smtps://mx.there.example:$2"; do
	configure_login "$url"
	every_login SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN OAUTHBEARER XOAUTH2
	configure_login "$url" "client-cert $tls/$user.pem $tls/$user.key"
	credentials external
	logs_in EXTERNAL
done
ok "Dovecot $(dovecot --version):$done_with"
