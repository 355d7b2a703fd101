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
