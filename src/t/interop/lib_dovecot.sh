# lib_dovecot.sh: a Dovecot, for scripts that have read lib.sh; read by them, not run.
#
# They write users into $dir/dc/users, call dovecot_conf, add to $dir/dc/conf, and start_dovecot.
need dovecot doveconf
[ "$(id -u)" -eq 0 ] || skip "Dovecot wants root"

dovecot_conf() { # protocols... ; its service is looked for first
	libexec=$root/usr/lib/dovecot
	[ -x "$libexec/auth" ] || libexec=/usr/libexec/dovecot
	for program in auth $1; do
		[ -x "$libexec/$program" ] || skip "no $libexec/$program"
	done
	mkdir -p "$dir/dc/mail"
	chown mail:mail "$dir/dc/mail"
	cat > "$dir/dc/conf" <<END
protocols = $*
base_dir = $dir/dc/run
state_dir = $dir/dc/state
libexec_dir = $libexec
log_path = $dir/dc/log
import_environment = TZ LD_LIBRARY_PATH
ssl = no
default_internal_user = mail
default_internal_group = mail
default_login_user = nobody
auth_failure_delay = 0
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:$dir/dc/mail/%u
lda_mailbox_autocreate = yes
postmaster_address = postmaster@there.example
passdb {
	driver = passwd-file
	args = $dir/dc/users
}
userdb {
	driver = passwd-file
	args = $dir/dc/users
	default_fields = uid=mail gid=mail home=$dir/dc/mail
}
service stats {
	chroot =
}
service anvil {
	chroot =
	unix_listener anvil-auth-penalty {
		mode = 0
	}
}
END
}

# As dovecot does by itself, but only where it was built to be.
start_dovecot() {
	start dovecot doveconf -c "$dir/dc/conf" -e "$(command -v dovecot)" -F -c "$dir/dc/conf"
}

dovecot_users() { # those of lib_tls.sh
	printf '%s:{PLAIN}%s::::::\n' "$user" "$password" robot "$token" > "$dir/dc/users"
}

# A submission server at two ports, STARTTLS and TLS from the start ("": not), that hands on to
# smtp-sink at a third. With lib_tls.sh.
dovecot_submission() { # port port port
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
		port = ${2:-0}
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
	for port in $1 $2 $3; do
		wait_port "$port"
	done
}
