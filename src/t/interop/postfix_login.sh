#!/bin/sh
# Postfix's submission service with SASL by Dovecot: every mechanism, on STARTTLS and on TLS from the
# start.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_tls.sh"
. "$(dirname "$0")/lib_postfix.sh"
. "$(dirname "$0")/lib_dovecot.sh"

dovecot_conf ""
dovecot_users
cat >> "$dir/dc/conf" <<END
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 xoauth2 oauthbearer
service auth {
	unix_listener $pf/queue/private/auth {
		mode = 0600
		user = $owner
	}
}
END
postfix_conf
cat >> "$pf/conf/main.cf" <<END
smtpd_tls_chain_files = $tls/mx.key, $tls/mx.pem
smtpd_tls_security_level = encrypt
smtpd_tls_loglevel = 1
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_authenticated_header = yes
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
smtpd_relay_restrictions =
END
# shellcheck disable=SC2046
set -- $(free_ports 2)
cat > "$pf/conf/master.cf" <<END
127.0.0.1:$1 inet n - n - - smtpd
127.0.0.1:$2 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
tlsmgr unix - - n 1000? 1 tlsmgr
END
start_dovecot
wait_for "Dovecot's socket" test -S "$pf/queue/private/auth"
start_postfix
wait_port "$1"
wait_port "$2"

for url in "submission://mx.there.example:$1" "smtps://mx.there.example:$2"; do
	configure_login "$url"
	every_login SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN OAUTHBEARER XOAUTH2
done
ok "Postfix $(postconf -d -h mail_version 2> /dev/null) with Dovecot $(dovecot --version):$done_with"
