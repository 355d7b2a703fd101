# sendmail with the configuration that Debian ships, whose queue run is one process and, to one site,
# one connection.

. "$BENCH/peers/tree.sh"
. "$BENCH/peers/fill.sh"

peer_install()
{
	peer_fetch sendmail sendmail-bin sendmail-base sendmail-cf m4 || return 1
	# As the postinst does: the group of the client's queue.
	chgrp 974 "$PEERS/sendmail/usr/libexec/sendmail/sendmail" &&
		chmod 2755 "$PEERS/sendmail/usr/libexec/sendmail/sendmail"
}

peer_version()
{
	peer_packaged sendmail sendmail-bin
}

peer_can()
{
	case $1 in
	a1k | a10k | b1k | f | h*) ;;
	*) return 1 ;;
	esac
}

# The slow ones with fewer messages: the rate is the same.
peer_messages()
{
	case $1 in
	b*) echo $((N / 5)) ;;
	h*) echo $((N / 4)) ;;
	*) echo "$N" ;;
	esac
}

peer_setup()
{
	tree_mount sendmail || return 1
	tree_user smmta 973 /var/lib/sendmail
	tree_user smmsp 974 /var/lib/sendmail
	cp -a "$PEERS/sendmail/etc/mail" /etc/mail
	# As the postinsts do.
	install -d -o 973 -g 974 -m 750 /var/spool/mqueue
	install -d -o 974 -g 974 -m 2770 /var/spool/mqueue-client
	install -d -o 973 -g 974 -m 2775 /run/sendmail/mta /run/sendmail/msp
	install -d -o 973 -g 974 /var/lib/sendmail /var/lib/sendmail/host_status
	sendmail_conf
}

sendmail_conf()
{
	# The shipped configuration includes these two, which are the site's own.
	mkdir -p /etc/mail/m4
	: >/etc/mail/m4/dialup.m4
	sendmail_local >/etc/mail/m4/provider.m4
	: >/etc/mail/aliases
	echo out.example >/etc/mail/local-host-names
	# Without a name that has a dot in it, it waits a minute at each start.
	printf '127.0.0.1 localhost\n127.0.0.1 out.example %s\n' "$(uname -n)" >/etc/hosts
	[ "$ROUTE" = mx ] || cp /etc/mail/service.switch-nodns /etc/mail/service.switch
	m4 /usr/share/sendmail/cf/debian/sendmail.mc >/etc/mail/sendmail.cf || return 1
	m4 /usr/share/sendmail/cf/debian/submit.mc >/etc/mail/submit.cf || return 1
	[ "$TLS" = 0 ] || echo 'TLS_Srv: VERIFY' >/etc/mail/access
	touch /etc/mail/access
	/usr/libexec/sendmail/makemap hash /etc/mail/access </etc/mail/access
}

sendmail_local()
{
	echo "define(\`confDOMAIN_NAME', \`out.example')dnl"
	# It does nothing while the load, which is the benchmark itself, is high.
	echo "define(\`confQUEUE_LA', \`1000')dnl"
	# With the mailer's name, because an address of this host's is otherwise no smart host.
	[ "$ROUTE" = mx ] || echo "define(\`SMART_HOST', \`esmtp:[127.0.0.1]')dnl"
	# It trusts no file below a folder that others may write to.
	[ "$TLS" = 0 ] || cp "$CA" /etc/mail/ca.pem
	[ "$TLS" = 0 ] || cat <<-END
	define(\`confCACERT', \`/etc/mail/ca.pem')dnl
	define(\`confCACERT_PATH', \`/etc/ssl/certs')dnl
	END
}

peer_fill()
{
	fill_by "/usr/libexec/sendmail/sendmail -Am -odq -f a@bench.example" "$@"
}

peer_drain()
{
	exec /usr/libexec/sendmail/sendmail -Am -q
}

peer_submit()
{
	echo "/usr/libexec/sendmail/sendmail -odq -f a@bench.example"
}

peer_submit_hbs()
{
	# Here a sender's domain must have an address.
	echo '127.0.0.2 bench.example' >>/etc/hosts
	echo "/usr/libexec/sendmail/sendmail -bs -odq"
}

peer_submitted()
{
	find /var/spool/mqueue-client /var/spool/mqueue -name 'qf*' | wc -l
}

peer_stop()
{
	tree_unmount
}
