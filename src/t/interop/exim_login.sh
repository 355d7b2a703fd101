#!/bin/sh
# Exim, which knows PLAIN, LOGIN, CRAM-MD5 and EXTERNAL itself; Dovecot does the rest for it, where
# there is one. TLS is by GnuTLS in Debian's.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_tls.sh"
exim=
for program in exim4 exim; do
	command -v $program > /dev/null && exim=$(command -v $program) && break
done
[ -n "$exim" ] || skip "no exim4 or exim"
. "$(dirname "$0")/lib_dovecot.sh"

# shellcheck disable=SC2046
set -- $(free_ports 2)
mkdir -p "$dir/ex/spool" "$dir/ex/mail"
chown -R mail:mail "$dir/ex"
printf '%s: %s\n' "$user" "$password" > "$dir/ex/users"
known="\${lookup{\$auth%d}lsearch{$dir/ex/users}{\$value}fail}"
cat > "$dir/ex/conf" <<END
keep_environment = LD_LIBRARY_PATH
exim_path = $exim
exim_user = mail
exim_group = mail
spool_directory = $dir/ex/spool
log_file_path = $dir/ex/log.%s
pid_file_path =
primary_hostname = mx.there.example
domainlist local = there.example : here.example
local_interfaces = <; [127.0.0.1]:$1 ; [127.0.0.1]:$2
tls_on_connect_ports = $2
tls_advertise_hosts = *
tls_certificate = $tls/mx.pem
tls_privatekey = $tls/mx.key
tls_verify_certificates = $tls/ca.pem
tls_try_verify_hosts = *
auth_advertise_hosts = \${if def:tls_in_cipher{*}{}}
smtp_enforce_sync = true
never_users =
queue_run_in_order
acl_smtp_rcpt = rcpt
acl_smtp_data = accept
begin acl
rcpt:
  accept authenticated = *
         domains = +local
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
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if eq{\$auth3}{$(printf "$known" 2)}}
  server_set_id = \$auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = \${if eq{\$auth2}{$(printf "$known" 1)}}
  server_set_id = \$auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = $(printf "$known" 1)
  server_set_id = \$auth1
external:
  driver = external
  public_name = EXTERNAL
  server_advertise_condition = \$tls_in_certificate_verified
  server_param2 = \${certextract{subject,CN}{\$tls_in_peercert}}
  server_condition = \${if eq{\$auth1}{\$auth2}}
  server_set_id = \$auth1
$(for name in SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2; do
	printf '%s:\n  driver = dovecot\n  public_name = %s\n' "$(echo $name | tr -d - | tr A-Z a-z)" $name
	printf '  server_socket = %s\n  server_set_id = $auth1\n' "$dir/dc/run/exim"
done)
END
("$exim" -C "$dir/ex/conf" -bV > "$dir/out.version" 2>&1) ||
	skip "Exim does not like its configuration: $(tail -n 1 "$dir/out.version")"

dovecot_conf ""
dovecot_users
cat >> "$dir/dc/conf" <<END
auth_mechanisms = scram-sha-1 scram-sha-256 xoauth2 oauthbearer
service auth {
	unix_listener exim {
		mode = 0600
		user = mail
	}
}
END
start_dovecot
wait_for "Dovecot's socket" test -S "$dir/dc/run/exim"
start exim "$exim" -C "$dir/ex/conf" -bdf
wait_port "$1"
wait_port "$2"
for url in "submission://mx.there.example:$1" "smtps://mx.there.example:$2"; do
	configure_login "$url"
	every_login SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN OAUTHBEARER XOAUTH2
	configure_login "$url" "client-cert $tls/$user.pem $tls/$user.key"
	credentials external
	logs_in EXTERNAL
done
ok "$("$exim" -C "$dir/ex/conf" -bV 2> /dev/null | head -n 1):$done_with"
