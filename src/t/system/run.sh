#!/bin/sh
# run.sh BUILD [PART...]: the program, made in BUILD/usr for PREFIX=/usr, on whole Debian systems of its own: calls: what
# other programs do with it, side by side with Postfix; users: two people beside each other, and a terminal; fresh:
# from a minimal system to cron's mail. Wants root, Linux, debootstrap and, the first time, the network.
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../../.." && pwd)
BUILD=$(cd "$1" && pwd) || exit 1
shift
roots=${SYSTEM_ROOTS:-$BUILD/system/roots}
out=$BUILD/system/out
. "$here/root.sh"

[ "$(uname)" = Linux ] && [ "$(id -u)" = 0 ] || missing 'needs root and Linux'
for command in debootstrap unshare chroot ip; do
	command -v $command > /dev/null || missing "needs $command"
done
grep -q overlay /proc/filesystems || modprobe overlay 2> /dev/null || missing 'needs overlay file systems'

calls() {
	make_root callers make_callers
	make_root postfix make_postfix
	for side in sortie postfix; do
		[ $side = sortie ] && root=callers || root=postfix
		enter $root "$out/$side" side.sh $side || return
	done
	chroot_out=$roots/callers/tmp/out
	unshare --mount --propagation private sh -c 'mkdir -p "$1" && mount --bind "$2" "$1" && mkdir -p "$3/tmp/kit" &&
		mount --bind "$4" "$3/tmp/kit" && exec chroot "$3" python3 /tmp/kit/compare.py /tmp/out/sortie /tmp/out/postfix \
		/tmp/kit/differences' sh "$chroot_out" "$out" "$roots/callers" "$here"
}

users() {
	make_root callers make_callers
	enter callers "$out/users" users.sh sortie
}

fresh() {
	make_root callers make_callers
	. "$here/fresh.sh"
}

mkdir -p "$roots" "$out"
make_root base make_base
bad=0
for part in ${*:-calls users fresh}; do
	$part || bad=1
done
exit $bad
