# floor.sh: floor.c, the bare client: what the machine can do. As "floor" it removes each message and
# syncs their folder once a turn; floor-message syncs it for each, floor-bare removes nothing.

peer_install()
{
	:
}

peer_version()
{
	echo "floor.c of this tree"
}

# It knows one site and takes nothing in; true(1) shows what starting a program costs.
peer_can()
{
	case $1 in
	b* | c | d50mx* | d200ch | e* | i* | j* | one | size) return 1 ;;
	h*) [ -z "$VARIANT" ] ;;
	esac
}

peer_setup()
{
	:
}

peer_fill()
{
	fill --files --size "$2" "$WORK/messages" "$1"
}

peer_drain()
{
	set -- --connections "${CONCURRENCY:-20}" --ahead
	case $VARIANT in
	'') set -- "$@" --unlink --sync turn ;;
	message) set -- "$@" --unlink --sync message ;;
	esac
	[ "$TLS" = 0 ] || set -- "$@" --tls "$CA"
	measure_start
	exec "$BUILD/floor" "$@" "$PORT" "$WORK/messages"
}

peer_submit()
{
	echo /bin/true
}

peer_stop()
{
	:
}
