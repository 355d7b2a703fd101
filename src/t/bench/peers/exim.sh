# Exim as Debian ships and configures it, with four queue runners at once.

. "$BENCH/peers/tree.sh"
. "$BENCH/peers/fill.sh"

peer_install()
{
	peer_fetch exim exim4-daemon-light exim4-base exim4-config
}

peer_version()
{
	peer_packaged exim exim4-daemon-light
}

peer_can()
{
	case $1 in
	a1k | a10k | b1k | f | h*) ;;
	*) return 1 ;;
	esac
}

# A process and a connection a message: a fifth of them is enough to know the rate.
peer_messages()
{
	case $1 in
	[abf]*) echo $((N / 5)) ;;
	h*) echo $((N / 4)) ;;
	*) echo "$N" ;;
	esac
}

peer_setup()
{
	tree_mount exim || return 1
	tree_user Debian-exim 972 /var/spool/exim4
	cp -a "$PEERS/exim/etc/exim4" /etc/exim4
	mkdir -p /var/lib/exim4
	# As the postinst does.
	install -d -o 972 -g 972 -m 750 /run/exim4 /var/spool/exim4 /var/spool/exim4/db \
		/var/spool/exim4/input /var/spool/exim4/msglog
	install -d -o 972 -g adm -m 2750 /var/log/exim4

	echo out.example >/etc/mailname
	exim_answers >/etc/exim4/update-exim4.conf.conf
	exim_macros >/etc/exim4/exim4.conf.localmacros
	# Every server here is this host, which a router takes for a loop.
	sed -i -e '/^smarthost:/,/^$/s/^  no_more/  self = send\n&/' \
		-e '/^dnslookup:/,/^$/s/^  no_more/  self = send\n&/' /etc/exim4/exim4.conf.template
	/usr/sbin/update-exim4.conf
}

# What debconf asks.
exim_answers()
{
	type=internet smarthost=
	[ "$ROUTE" = relay ] && type=smarthost smarthost=127.0.0.1::$PORT
	cat <<-END
	dc_eximconfig_configtype='$type'
	dc_other_hostnames='out.example'
	dc_local_interfaces='127.0.0.1 ; ::1'
	dc_readhost=''
	dc_relay_domains=''
	dc_minimaldns='false'
	dc_relay_nets=''
	dc_smarthost='$smarthost'
	CFILEMODE='644'
	dc_use_split_config='false'
	dc_hide_mailname=''
	dc_mailname_in_oh='true'
	dc_localdelivery='mail_spool'
	END
}

exim_macros()
{
	cat <<-END
	log_file_path = syslog
	ROUTER_DNSLOOKUP_IGNORE_TARGET_HOSTS = 0.0.0.0
	END
	[ "$TLS" = 0 ] || cat <<-END
	REMOTE_SMTP_SMARTHOST_HOSTS_REQUIRE_TLS = *
	REMOTE_SMTP_SMARTHOST_TLS_VERIFY_CERTIFICATES = $CA
	REMOTE_SMTP_SMARTHOST_TLS_VERIFY_HOSTS = *
	END
}

peer_fill()
{
	fill_by "$(peer_submit)" "$@"
}

# Each runner tries every message; the others' are locked.
peer_drain()
{
	for runner in 1 2 3 4; do
		/usr/sbin/exim4 -q &
	done
	wait
}

peer_submit()
{
	echo "/usr/sbin/sendmail -odq -f a@bench.example"
}

peer_submit_hbs()
{
	echo "/usr/sbin/sendmail -bs -odq"
}

peer_submitted()
{
	find /var/spool/exim4/input -name '*-H' | wc -l
}

peer_stop()
{
	tree_unmount
}
