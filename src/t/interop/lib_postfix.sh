# lib_postfix.sh: a Postfix that delivers to a Maildir, $pf/mail/all, for scripts that have read lib.sh;
# read by them, not run.
#
# They call postfix_conf, add to $pf/conf/main.cf, write the lines of their smtpd services into
# $pf/conf/master.cf, and start_postfix.
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

postfix_conf() {
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
}

start_postfix() {
	cat >> "$pf/conf/master.cf" <<END
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
}

stored() { # whether so many messages and reports are there
	[ "$(find "$pf/mail/all/new" -type f 2> /dev/null | wc -l)" -ge "$1" ]
}
