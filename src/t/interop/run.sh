#!/bin/sh
# run.sh SORTIE PORTS [name...]: every script of this folder, or those named; see lib.sh.
here=$(dirname "$0")
sortie=$1 ports=$2
shift 2
[ $# -gt 0 ] || set -- smtp_sink postfix exim aiosmtpd dovecot unbound \
	postfix_login dovecot_login exim_login sendmail_login stripped core
bad=0
for name; do
	sh "$here/$name.sh" "$sortie" "$ports" || bad=1
done
exit $bad
