#!/bin/sh
# sendmail, with Cyrus SASL and its users in a sasldb. What it takes stays in its queue.
# It takes no key from below a directory that everybody can write to, as /tmp.
if [ "$(id -u)" -eq 0 ]; then
	TMPDIR=/run
else
	TMPDIR=$HOME
fi
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_tls.sh"
need m4 saslpasswd2
for program in $root/usr/libexec/sendmail/sendmail $root/usr/sbin/sendmail.sendmail \
	$root/usr/lib/sm.bin/sendmail; do
	[ -x "$program" ] && break
done
[ -x "$program" ] || skip "no sendmail"
cf=$root/usr/share/sendmail/cf
[ -r "$cf/m4/cf.m4" ] || skip "no $cf/m4/cf.m4"

# shellcheck disable=SC2046
set -- $(free_ports 2)
sm=$dir/sm
mkdir -m 755 "$sm" "$sm/sasl"
mkdir -m 700 "$sm/queue"
cp "$program" "$sm/sendmail" # without its set-group-ID bit
mechanisms="EXTERNAL SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 DIGEST-MD5 PLAIN LOGIN"
cat > "$sm/sasl/Sendmail.conf" <<END
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: $sm/sasldb
mech_list: $mechanisms
END
printf '%s' "$password" | saslpasswd2 -p -c -f "$sm/sasldb" -u mx.there.example "$user"
chmod 600 "$tls/mx.key"
cat > "$sm/mc" <<END
include(\`$cf/m4/cf.m4')dnl
OSTYPE(\`linux')dnl
define(\`confDOMAIN_NAME', \`mx.there.example')dnl
define(\`confPID_FILE', \`$sm/pid')dnl
define(\`confLOG_LEVEL', \`14')dnl
define(\`confDELIVERY_MODE', \`queueonly')dnl
define(\`confDONT_BLAME_SENDMAIL', \`groupwritabledirpathsafe')dnl
define(\`QUEUE_DIR', \`$sm/queue')dnl
define(\`HELP_FILE', \`')dnl
define(\`STATUS_FILE', \`')dnl
define(\`ALIAS_FILE', \`')dnl
define(\`confSERVER_CERT', \`$tls/mx.pem')dnl
define(\`confSERVER_KEY', \`$tls/mx.key')dnl
define(\`confCACERT', \`$tls/ca.pem')dnl
define(\`confCACERT_PATH', \`$tls')dnl
define(\`confAUTH_MECHANISMS', \`$mechanisms')dnl
define(\`confAUTH_OPTIONS', \`A p')dnl
define(\`confAUTH_REALM', \`mx.there.example')dnl
TRUST_AUTH_MECH(\`$mechanisms')dnl
FEATURE(\`no_default_msa')dnl
FEATURE(\`nocanonify')dnl
FEATURE(\`accept_unresolvable_domains')dnl
DAEMON_OPTIONS(\`Port=$1, Addr=127.0.0.1, Name=MSA, M=a')dnl
DAEMON_OPTIONS(\`Port=$2, Addr=127.0.0.1, Name=TLSMSA, M=as')dnl
MAILER(\`smtp')dnl
LOCAL_CONFIG
ESASL_CONF_PATH=$sm/sasl
END
m4 -D_CF_DIR_="$cf/" "$sm/mc" > "$sm/cf" 2> "$sm/m4.out" || fail "m4: $(tail -n 1 "$sm/m4.out")"
chmod 644 "$sm/cf"
export SASL_CONF_PATH="$sm/sasl"
# It waits a minute when the machine's name has no dot.
named=
case $(uname -n) in
*.*) ;;
*)
	named="unshare -u"
	$named true 2> /dev/null || skip "it wants a machine whose name has a dot" ;;
esac
# shellcheck disable=SC2016,SC2086
start sendmail $named sh -c '[ -z "$1" ] || hostname mx.there.example; shift; exec "$@"' - "$named" \
	"$sm/sendmail" -C "$sm/cf" -bD -X "$sm/log"
wait_port "$1"
wait_port "$2"
for url in "submission://mx.there.example:$1" "smtps://mx.there.example:$2"; do
	configure_login "$url"
	every_login SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN
	configure_login "$url" "client-cert $tls/$user.pem $tls/$user.key"
	credentials external
	logs_in EXTERNAL
done
ok "sendmail $(sed -n 's/.* ESMTP Sendmail \([^;]*\);.*/\1/p' "$sm/log" | head -n 1):$done_with"
