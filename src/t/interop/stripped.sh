#!/bin/sh
# A man in the middle takes STARTTLS out of what Postfix offers: mail goes in clear text only where the
# policy allows it and nobody has to log in.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_tls.sh"
. "$(dirname "$0")/lib_postfix.sh"
need python3

postfix_conf
cat >> "$pf/conf/main.cf" <<END
smtpd_tls_chain_files = $tls/mx.key, $tls/mx.pem
smtpd_tls_security_level = may
smtpd_recipient_restrictions = permit_mynetworks, reject
END
# shellcheck disable=SC2046
set -- $(free_ports 2)
cat > "$pf/conf/master.cf" <<END
127.0.0.1:$1 inet n - n - - smtpd
tlsmgr unix - - n 1000? 1 tlsmgr
END
start_postfix
start proxy python3 "$(dirname "$0")/strip.py" "$2" "$1"
wait_port "$1"
wait_port "$2"

fingerprint=sha256:$(openssl x509 -in "$tls/mx.pem" -outform DER | openssl dgst -sha256 -r | cut -d ' ' -f 1)
one() { # port policy: what became of a message
	forget
	configure_login "smtp://mx.there.example:$1" "tls mx.there.example $2"
	queue plain good@there.example
	run_queue
	if [ "$(waiting)" -gt 0 ]; then
		grep -q 'status=deferred' "$dir/log" && echo deferred
	elif grep -q 'Verified TLS connection established' "$dir/log"; then
		echo TLS
	else
		echo clear
	fi
}

check() { # what port policy wanted
	got=$(one "$2" "$3")
	[ "$got" = "$4" ] || fail "$1 under $3: $got instead of $4"
	table="${table:-} $1/${3%% *}:$got"
}

: > "$dir/auth"
chmod 600 "$dir/auth"
for policy in may encrypt verify "fingerprint $fingerprint"; do
	check direct "$1" "$policy" TLS
done
check stripped "$2" none clear
check stripped "$2" may clear
for policy in encrypt verify "fingerprint $fingerprint"; do
	check stripped "$2" "$policy" deferred
done
credentials password "$(quoted "$password")"
for policy in none may encrypt verify "fingerprint $fingerprint"; do
	check credentials,stripped "$2" "$policy" deferred
done
ok "Postfix $(postconf -d -h mail_version 2> /dev/null):$table"
