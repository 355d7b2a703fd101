# dma.sh: dma(8), the queue flushed by dma -q, which starts a process for each message at once.
. "$BENCH/peers/tree.sh"
. "$BENCH/peers/fill.sh"

peer_install()
{
	peer_fetch dma dma
}

peer_version()
{
	peer_packaged dma dma
}

peer_can()
{
	case $1 in
	a1k | a1kt | b1k | f | h* | one) return 0 ;;
	*) return 1 ;;
	esac
}

# DEFER: what is submitted waits for dma -q.
peer_setup()
{
	tree_mount dma || return 1
	rm -rf /etc/dma
	mkdir /etc/dma
	install -d -g mail -m 2775 /var/spool/dma || return 1
	{
		echo 'MAILNAME out.bench.example'
		echo DEFER
		echo "PORT $PORT"
		[ "$ROUTE" != relay ] || echo 'SMARTHOST 127.0.0.1'
		[ "$TLS" = 0 ] || printf 'SECURETRANSFER\nSTARTTLS\n'
	} >/etc/dma/dma.conf
}

# It writes some 260 octets of headers.
peer_fill()
{
	fill_by 'dma -f a@bench.example' "$1" $(($2 - 260)) "$3"
}

# It ends at once; what it leaves in the background is waited for.
peer_drain()
{
	exec dma -q
}

peer_submit()
{
	echo /usr/sbin/dma -f a@bench.example
}

peer_submitted()
{
	find /var/spool/dma -name 'Q*' | wc -l
}

peer_stop()
{
	:
}
