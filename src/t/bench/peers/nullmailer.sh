# nullmailer as Debian ships it. It knows no MX records and delivers one message after another.

. "$BENCH/peers/tree.sh"
. "$BENCH/peers/fill.sh"

peer_install()
{
	peer_fetch nullmailer nullmailer
}

peer_version()
{
	peer_packaged nullmailer nullmailer
}

peer_can()
{
	case $1 in
	a1k | a10k | f | h*) ;;
	*) return 1 ;;
	esac
}

# A process and a connection a message: a fifth of them is enough to know the rate.
peer_messages()
{
	case $1 in
	[af]*) echo $((N / 5)) ;;
	h*) echo $((N / 2)) ;;
	*) echo "$N" ;;
	esac
}

peer_setup()
{
	tree_mount nullmailer || return 1
	for dir in failed queue tmp; do
		mkdir -p /var/spool/nullmailer/$dir
	done
	mkfifo -m 622 /var/spool/nullmailer/trigger
	# As in the package.
	chown -R mail /var/spool/nullmailer
	chmod 750 /var/spool/nullmailer/queue /var/spool/nullmailer/tmp

	mkdir -p /etc/nullmailer
	echo out.example >/etc/mailname
	remote="127.0.0.1 smtp --port=$PORT"
	[ "$TLS" = 1 ] && remote="$remote --starttls --x509cafile=$WORK/ca.pem" && cp "$CA" "$WORK/ca.pem"
	echo "$remote" >/etc/nullmailer/remotes
	chown mail /etc/nullmailer/remotes
	chmod 600 /etc/nullmailer/remotes
}

peer_fill()
{
	fill_by "/usr/sbin/sendmail -f a@bench.example" "$@"
}

peer_drain()
{
	exec setpriv --reuid=mail --regid=mail --clear-groups /usr/sbin/nullmailer-send
}

peer_submit()
{
	echo "/usr/sbin/sendmail -f a@bench.example"
}

peer_submit_hbs()
{
	echo "/usr/sbin/sendmail -bs"
}

peer_submitted()
{
	find /var/spool/nullmailer/queue -type f | wc -l
}

peer_stop()
{
	tree_unmount
}
