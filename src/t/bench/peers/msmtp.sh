# msmtp as Debian ships it. It has no queue: a shell's loop sends what lies in a folder.

. "$BENCH/peers/tree.sh"

peer_install()
{
	peer_fetch msmtp msmtp
}

peer_version()
{
	peer_packaged msmtp msmtp
}

peer_can()
{
	case $1 in
	a1k | a10k | f) ;;
	*) return 1 ;;
	esac
}

peer_messages()
{
	case $1 in
	[af]*) echo $((N / 5)) ;;
	*) echo "$N" ;;
	esac
}

peer_setup()
{
	tree_mount msmtp || return 1
	mkdir /var/spool/queue
	cat >/etc/msmtprc <<-END
	account default
	host 127.0.0.1
	port $PORT
	from a@bench.example
	domain out.example
	END
	[ "$TLS" = 0 ] || cat >>/etc/msmtprc <<-END
	tls on
	tls_starttls on
	tls_trust_file $CA
	END
}

# A file a message, its recipient in its name.
peer_fill()
{
	message "$2" >"$WORK/message"
	i=0
	while [ $i -lt "$1" ]; do
		cp "$WORK/message" "/var/spool/queue/r$i@bench.example"
		i=$((i + 1))
	done
}

peer_drain()
{
	cd /var/spool/queue || return 1
	for to in *; do
		/usr/bin/msmtp "$to" <"$to" && rm "$to"
	done
}

peer_stop()
{
	tree_unmount
}
