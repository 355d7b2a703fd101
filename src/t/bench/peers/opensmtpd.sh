# OpenSMTPD as Debian ships it: 100 messages a connection at most, and five seconds until the next to
# the same address. The variant nodelay is the fastest of several ways to be without these waits: one
# connection that carries all, or, to many sites, none that is kept. (Where connections are limited in
# number and more are wanted, it looks again every five seconds, which cannot be set.)

. "$BENCH/peers/tree.sh"
. "$BENCH/peers/fill.sh"

peer_install()
{
	peer_fetch opensmtpd opensmtpd libevent-2.1-7 || return 1
	# As the postinst does; sendmail is smtpctl.
	chgrp 971 "$PEERS/opensmtpd/usr/sbin/smtpctl" && chmod 2755 "$PEERS/opensmtpd/usr/sbin/smtpctl"
}

peer_version()
{
	peer_packaged opensmtpd opensmtpd
}

peer_can()
{
	case $1 in
	a1k | a10k | b1k | d50c20 | d50c100 | d200c20 | f | h*) ;;
	*) return 1 ;;
	esac
}

# Two dozen a second: 300 messages have two of the waits in them. Otherwise the rate is the same with half
# of them.
peer_messages()
{
	case $VARIANT-$1 in
	-[abdf]*) echo 300 ;;
	nodelay-[af]* | -h*) echo $((N / 2)) ;;
	*) echo "$N" ;;
	esac
}

peer_setup()
{
	tree_mount opensmtpd || return 1
	tree_user opensmtpd 970 /var/lib/opensmtpd/empty
	tree_user opensmtpq 971 /var/lib/opensmtpd/empty
	mkdir -p /var/lib/opensmtpd/empty
	opensmtpd_conf >/etc/smtpd.conf
	echo out.example >/etc/mailname
	# It looks up no addresses on a host that has none but 127.0.0.1.
	ip addr replace 192.0.2.1/32 dev lo
}

opensmtpd_conf()
{
	relay=relay
	if [ "$ROUTE" = relay ]; then
		scheme=smtp
		[ "$TLS" = 1 ] && scheme=smtp+tls
		relay="relay host $scheme://127.0.0.1:$PORT"
		[ "$TLS" = 1 ] && cat "$CA" >>/etc/ssl/certs/ca-certificates.crt
	fi
	if [ "$VARIANT" = nodelay ]; then
		cat <<-END
		mta limit session-mail-max 1000000
		mta limit max-conn-per-route 1
		mta limit max-conn-per-source 1000
		mta limit conn-delay-route 0
		mta limit conn-delay-relay 0
		mta limit reconn-delay-route 0
		END
		[ "$ROUTE" = relay ] || echo "mta limit session-keepalive 0"
	fi
	if [ -n "$CONCURRENCY" ]; then
		for limit in host route source connector relay domain; do
			echo "mta limit max-conn-per-$limit $CONCURRENCY"
		done
	fi
	cat <<-END
	listen on socket
	action "relay" $relay
	match from local for any action "relay"
	END
}

# The daemon takes mail and sends none. Its id goes to a file, for peer_stop.
opensmtpd_start()
{
	/usr/sbin/smtpd -F -P mta &
	echo $! >"$WORK/smtpd.pid"
	tries=0
	until /usr/sbin/smtpctl show status >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || { echo "opensmtpd: does not start" >&2; return 1; }
		sleep 0.05
	done
}

opensmtpd_stop()
{
	[ -f "$WORK/smtpd.pid" ] || return 0
	read -r pid <"$WORK/smtpd.pid"
	rm "$WORK/smtpd.pid"
	kill "$pid" 2>/dev/null
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.05
	done
}

peer_fill()
{
	opensmtpd_start && fill_by "/usr/sbin/sendmail -f a@bench.example" "$@" && opensmtpd_stop
}

peer_drain()
{
	opensmtpd_start || return 1
	measure_start
	/usr/sbin/smtpctl resume mta
	wait
}

# Submission is to the daemon, whose own part of the work is in the time but not in the CPU.
peer_submit()
{
	[ -f "$WORK/smtpd.pid" ] || opensmtpd_start >/dev/null 2>&1 || return 1
	echo "/usr/sbin/sendmail -f a@bench.example"
}

peer_submitted()
{
	find /var/spool/smtpd/queue -name message | wc -l
}

peer_stop()
{
	opensmtpd_stop
	ip addr del 192.0.2.1/32 dev lo
	tree_unmount
}
