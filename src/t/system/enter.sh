#!/bin/sh
# enter.sh ROOT OUT SOURCE BUILD COMMAND ARGUMENT [BESIDE]: inside new namespaces: shows ROOT, with what is written
# kept in memory, the sources at /src, what was built at /build and OUT at /out, and runs COMMAND of ours there.
# BESIDE is another root, at /beside, for another machine on the same network.
set -e
out=$2 source=$3 build=$4
work=${out%/*}/memory # empty for all but us
mkdir -p "$work"
mount -t tmpfs -o mode=755 tmpfs "$work"

show() { # root name place
	mkdir -p "$work/$2.upper" "$work/$2.work" "$3"
	mount -t overlay -o "lowerdir=$1,upperdir=$work/$2.upper,workdir=$work/$2.work" overlay "$3"
	mkdir -p "$3/src" "$3/build" "$3/out" "$3/proc" "$3/dev"
	mount --bind "$source" "$3/src"
	mount --bind "$build" "$3/build"
	mount --bind "$out" "$3/out"
	mount -t proc proc "$3/proc"
	devices "$3/dev"
	printf '127.0.0.1 localhost\n127.0.1.1 sys.example.org sys\n127.0.0.1 smtp.example.com\n' > "$3/etc/hosts"
	echo sys.example.org > "$3/etc/hostname"
	: > "$3/etc/resolv.conf"
}

devices() { # folder
	mount -t tmpfs -o mode=755 tmpfs "$1"
	mkdir "$1/pts" "$1/shm"
	chmod 1777 "$1/shm"
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$1/pts"
	ln -s pts/ptmx "$1/ptmx"
	ln -s /proc/self/fd "$1/fd"
	ln -s fd/0 "$1/stdin"
	ln -s fd/1 "$1/stdout"
	ln -s fd/2 "$1/stderr"
	for device in 'null 3' 'zero 5' 'full 7' 'random 8' 'urandom 9'; do
		mknod -m 666 "$1/${device% *}" c 1 "${device#* }"
	done
	mknod -m 666 "$1/tty" c 5 0
}

show "$1" root "$work/root"
[ -z "$7" ] || show "$7" beside "$work/root/beside"
hostname sys.example.org
ip link set lo up
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TZ=UTC \
	chroot "$work/root" sh "/src/src/t/system/$5" "$6"
