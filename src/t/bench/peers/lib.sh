# lib.sh: what every peer needs. Sourced before peers/NAME.sh, whose functions src/t/README lists.

# peer_fetch NAME PACKAGE...: the packages, and those they depend on that this machine lacks, unpacked
# into $PEERS/NAME. Nothing is installed and no postinst runs. Done once.
peer_fetch()
{
	fetch_dir=$PEERS/$1
	shift
	[ ! -e "$fetch_dir/complete" ] || return 0
	for fetch_tool in apt-get dpkg; do
		command -v "$fetch_tool" >/dev/null || {
			echo "cannot fetch $1: there is no $fetch_tool here" >&2
			return 1
		}
	done
	rm -rf "$fetch_dir"
	mkdir -p "$fetch_dir/deb" || return 1
	fetch_download "$@" || {
		# What apt knows is old, or nothing.
		apt-get -qq update >&2
		fetch_download "$@"
	} || {
		tail -n 1 "$fetch_dir/log" >&2
		return 1
	}
	for fetch_deb in "$fetch_dir"/deb/*.deb; do
		dpkg -x "$fetch_deb" "$fetch_dir" || return 1
		dpkg-deb -W --showformat='${Package} ${Version}\n' "$fetch_deb" >>"$fetch_dir/packages"
	done
	# A library may still be packaged for /lib, which is /usr/lib.
	for fetch_top in lib sbin bin; do
		[ ! -d "$fetch_dir/$fetch_top" ] || {
			mkdir -p "$fetch_dir/usr/$fetch_top"
			cp -a "$fetch_dir/$fetch_top/." "$fetch_dir/usr/$fetch_top/"
		}
	done
	: >"$fetch_dir/complete"
}

# fetch_download PACKAGE...: these, and what installing them would bring along.
fetch_download()
{
	fetch_plan=$(LC_ALL=C apt-get -s -qq --no-install-recommends install "$@" 2>"$fetch_dir/log") ||
		return 1
	fetch_all=$({
		printf '%s\n' "$@"
		printf '%s\n' "$fetch_plan" | sed -n 's/^Inst \([^ ]*\) .*/\1/p'
	} | sort -u)
	# It warns that it cannot give up root's rights in a folder of root's.
	(cd "$fetch_dir/deb" && apt-get -qq download $fetch_all 2>../log)
}

# peer_packaged NAME PACKAGE: "PACKAGE VERSION".
peer_packaged()
{
	grep "^$2 " "$PEERS/$1/packages"
}

# In a peer_drain whose daemon has started and not begun: what went before was not delivering.
measure_start()
{
	kill -USR1 "$MEASURE_PID"
	measure_looks=0
	until [ -e "$OUT" ] || [ $((measure_looks += 1)) -gt 10000 ]; do :; done
}

# message SIZE: a message of so many octets (at least 80), a line's end counted as two, for standard input.
message()
{
	awk -v size="$1" 'BEGIN {
		head = "From: <a@bench.example>\nTo: <r@bench.example>\nSubject: bench\n\n"
		printf "%s", head
		size -= length(head) + 4
		line = "This line is here to fill the message and is seventy octets in length."
		for (; size >= 2 * 72; size -= 72)
			print line
		print substr(line line, 1, size - 2)
	}'
}
