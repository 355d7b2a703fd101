# tree.sh: a peer's files where they are compiled to be, for this run alone. Sourced by peers.
#
# A package is unpacked into $PEERS/NAME, not installed. Its programs know /usr/libexec/NAME,
# /var/spool/NAME and users that a postinst would have made, so the run's private mount namespace shows
# them: an overlay of $PEERS/NAME/usr over /usr (an exec through it costs no more that could be
# measured), a copy of /etc with the users, and folders of $WORK as /var/spool, /var/lib, /var/log and
# /run. The host's own are never written to.

# tree_mount NAME: /etc is writable from then on, and the others are there and empty.
tree_mount()
{
	: >"$WORK/mounts"
	mkdir -p "$WORK/tree" && cp -a /etc "$WORK/tree/etc" || return 1
	tree_on /usr overlay -t overlay -o "lowerdir=$PEERS/$1/usr:/usr" || return 1
	tree_on /etc "$WORK/tree/etc" --bind || return 1
	for tree_dir in var/spool var/lib var/log run; do
		mkdir -p "$WORK/tree/$tree_dir"
		tree_on "/$tree_dir" "$WORK/tree/$tree_dir" --bind || return 1
	done
	# Nobody's log is kept: syslog(3) finds nobody to talk to, for every peer alike.
	if [ -e /dev/log ]; then
		tree_on /dev/log /dev/null --bind || return 1
	fi
}

# tree_on POINT SOURCE OPTION...
tree_on()
{
	tree_point=$1 tree_source=$2
	shift 2
	mount "$@" "$tree_source" "$tree_point" || return 1
	echo "$tree_point" >>"$WORK/mounts"
}

# peer_keep: what has been queued waits for the next repetition, for which peer_refill queues it again.
peer_keep()
{
	cp -a /var/spool "$KEEP/$PROGRAM"
}

peer_refill()
{
	cp -a "$KEEP/$PROGRAM/." /var/spool
}

# tree_unmount: for when the namespace outlives the run.
tree_unmount()
{
	[ -f "$WORK/mounts" ] || return 0
	sed -n '1!G;h;$p' "$WORK/mounts" | while read -r tree_point; do
		umount -l "$tree_point"
	done
	rm -f "$WORK/mounts"
}

# tree_user NAME ID HOME: a user and a group of that name and number.
tree_user()
{
	grep -q "^$1:" /etc/passwd || echo "$1:x:$2:$2::$3:/usr/sbin/nologin" >>/etc/passwd
	grep -q "^$1:" /etc/group || echo "$1:x:$2:" >>/etc/group
}
