#!/bin/sh
# Exim, delivering to a Maildir, with an ACL that is strict about clients.
. "$(dirname "$0")/lib.sh"
exim=
for program in exim4 exim; do
	command -v $program > /dev/null && exim=$(command -v $program) && break
done
[ -n "$exim" ] || skip "no exim4 or exim"
[ "$(id -u)" -eq 0 ] || skip "Exim wants root"

# shellcheck disable=SC2046
set -- $(free_ports 1)
mkdir -p "$dir/ex/spool" "$dir/ex/mail"
chown -R mail:mail "$dir/ex"
cat > "$dir/ex/conf" <<END
keep_environment =
exim_path = $exim
exim_user = mail
exim_group = mail
spool_directory = $dir/ex/spool
log_file_path = $dir/ex/log.%s
pid_file_path =
primary_hostname = mx.there.example
domainlist local = there.example : here.example
local_interfaces = <; [127.0.0.1]:$1
dsn_advertise_hosts = *
chunking_advertise_hosts = *
smtp_enforce_sync = true
smtp_max_synprot_errors = 0
recipients_max = 50
never_users =
smtp_accept_max = 100
smtp_accept_queue_per_connection = 0
queue_run_in_order
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
begin acl
rcpt:
  deny local_parts = refused
       message = no such user
  defer local_parts = later
        message = greylisted
  accept domains = +local
  deny
begin routers
all:
  driver = accept
  domains = +local
  transport = maildir
begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = $dir/ex/mail
  user = mail
  envelope_to_add
  batch_max = 1
  create_directory
begin retry
* * F,1h,1s
END
("$exim" -C "$dir/ex/conf" -bV > /dev/null 2>&1) || skip "Exim wants a user that does not exist"
start exim "$exim" -C "$dir/ex/conf" -bdf
wait_port "$1"
configure "relay smtp://[127.0.0.1]:$1"
queue_all there.example
"$sortie" -C "$dir/conf" -odq -i -f alice@here.example good@there.example refused@there.example \
	later@there.example < "$dir/corpus/dots"
expect dots good@there.example
run_queue
[ "$(waiting)" -eq 1 ] || fail "$(waiting) messages wait instead of 1"
grep -q 'to=<refused@.*status=bounced' "$dir/log" || fail "refused@ was not bounced"
stored() {
	[ "$(find "$dir/ex/mail/new" -type f 2> /dev/null | wc -l)" -ge "$1" ]
}
wait_for "delivery by Exim" stored $(($(wc -l < "$dir/expected") + 1))
arrived "$dir/ex/mail/new"/*
all_arrived
ok "$("$exim" -C "$dir/ex/conf" -bV 2> /dev/null | head -n 1)"
