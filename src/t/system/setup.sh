# setup.sh: the mailers, each with one relay line; read by what runs in a root.

wait_for() { # tenths-of-seconds command...
	tenths=$1
	shift
	until "$@"; do
		[ "$tenths" -gt 0 ] || return 1
		tenths=$((tenths - 1))
		sleep 0.1
	done
}

start_receiver() {
	mkdir -p $mail
	python3 $kit/receiver.py 2525 $mail 2> /out/receiver.log &
	wait_for 100 [ -f $mail/ready ]
}

install_sortie() {
	cd /src && PROGRAM=/build/sortie FRONT=/build/sendmail CTL=/build/sortiectl DESTDIR='' PREFIX=/usr SBINDIR=/usr/sbin \
		BINDIR=/usr/bin MANDIR=/usr/share/man DATADIR=/usr/share/sortie SYSCONFDIR=/etc/sortie \
		SPOOLDIR=/var/spool/sortie SORTIEUSER=sortie sh src/install.sh install
}

setup_sortie() {
	install_sortie || return
	echo 'relay smtp://127.0.0.1:2525' >> /etc/sortie/sortie.conf
	queues='/var/spool/sortie/ctl /var/spool/sortie/msg'
}

# What needs a chroot to be filled or a name server does without, as in the benchmark.
setup_postfix() {
	cat > /etc/postfix/main.cf << END
compatibility_level = 3.6
myhostname = sys.example.org
mydestination =
relayhost = [127.0.0.1]:2525
inet_interfaces = loopback-only
inet_protocols = ipv4
smtp_host_lookup = native
smtp_tls_security_level = none
maillog_file = /var/log/postfix.log
alias_maps =
alias_database =
END
	awk '/^#/ { next } /^[a-z]/ && $5 == "y" { $5 = "n" } { print }' /usr/share/postfix/master.cf.dist > /etc/postfix/master.cf
	queues=$(cd /var/spool/postfix && echo "$PWD/maildrop $PWD/incoming $PWD/active $PWD/deferred")
	postfix start
}

# Whether all that was queued has gone.
is_empty() {
	# shellcheck disable=SC2086
	[ -z "$(find $queues -type f 2> /dev/null)" ]
}

settled() {
	wait_for 100 is_empty
}
