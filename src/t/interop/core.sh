#!/bin/sh
# What a core dump would give away, if one could be made: a debugger makes one with
# the login done and mail on its way, and another at the end of the run. Neither has the secret in it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_tls.sh"
. "$(dirname "$0")/lib_dovecot.sh"
need gdb smtp-sink
[ -z "$root" ] || [ -e /usr/lib/dovecot/modules/libssl_iostream_openssl.so ] ||
	skip "Dovecot looks for its TLS where it was built to be"

# shellcheck disable=SC2046
set -- $(free_ports 2)
dovecot_submission "$1" "" "$2"
url=submission://mx.there.example:$1
configure_login "$url"
for mechanism in PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 XOAUTH2 OAUTHBEARER; do
	forget
	secret_for $mechanism
	credentials $kind "$(quoted "$secret")" mechanism $mechanism
	queue plain good@there.example
	rm -f "$dir"/core.*
	gdb -batch -nx -ex 'set pagination off' -ex 'break sasl_new' -ex run \
		-ex "generate-core-file $dir/core.login" -ex 'break smtp_mail' -ex continue \
		-ex "generate-core-file $dir/core.mail" -ex delete -ex 'break network_close' -ex continue \
		-ex "generate-core-file $dir/core.end" -ex continue \
		--args "$sortie" -C "$dir/conf" -q > "$dir/out.run" 2>&1
	[ -f "$dir/core.mail" ] && [ -f "$dir/core.end" ] || skip "gdb makes no core: $(tail -n 1 "$dir/out.run")"
	[ "$(waiting)" -eq 0 ] || fail "$mechanism: not sent"
	secrets
	for core in mail end; do
		strings -n 6 "$dir/core.$core" > "$dir/strings"
		! grep -F -f "$dir/secrets" "$dir/strings" > "$dir/shown" ||
			fail "$mechanism: core.$core has $(head -n 1 "$dir/shown")"
	done
	# that it would have been found
	strings -n 6 "$dir/core.login" | grep -q -F -f "$dir/secrets" || fail "$mechanism: nothing in core.login"
	done_with="${done_with:-} $mechanism"
done
ok "no secret in a core after$done_with"
