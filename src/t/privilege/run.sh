#!/bin/sh
# run.sh BUILD MAKE: installs the program as it is meant to be, setuid to a user of its own, and lets
# check_privilege look at it as several users. All in a folder that is thrown away. Needs root.
build=$(cd "$1" && pwd) make=$2
check=$build/check-privilege
owner=64001 ann=64002 bob=64003 # nobody, we trust

skip() {
	echo "privilege: skipped: $*"
	exit 0
}

# Below it, is a setuid program that anybody may start what it should be?
fits() { # folder
	chmod 755 "$1" && cp "$(command -v id)" "$1/id" && chown $owner "$1/id" &&
		chmod 4755 "$1/id" && [ "$("$check" as $ann "$1/id" -u 2> /dev/null)" = $owner ]
}

[ "$(uname)" = Linux ] || skip 'written for Linux'
[ "$(id -u)" = 0 ] || skip 'needs root'
grep -q __asan_init "$check" && skip 'AddressSanitizer wants to trace itself'
# Another one at the same time has the same users, and each kills what is left of them.
if [ -z "$SORTIE_ALONE" ] && [ -d /run ] && command -v flock > /dev/null; then
	exec flock -o /run/sortie-privilege.lock env SORTIE_ALONE=1 sh "$0" "$@"
fi
for user in $owner $ann $bob; do
	id $user > /dev/null 2>&1 && skip "user $user exists"
done
for base in "$build" "${TMPDIR:-/tmp}" /var/tmp; do
	[ ${#base} -le 35 ] || continue # names of sockets are short, and so are the kit's
	dir=$(mktemp -d "$base/privilege.XXXXXX") || continue
	fits "$dir" && break
	rm -rf "$dir"
	dir=
done
[ -n "$dir" ] || skip 'no folder where setuid programs work for everybody'

install() { # install | uninstall
	PROGRAM=$dir/program FRONT=$dir/front CTL=$dir/ctl DESTDIR='' PREFIX=$dir SBINDIR=$dir/sbin \
		BINDIR=$dir/bin SYSCONFDIR=$dir/etc \
		SPOOLDIR=$dir/spool SORTIEUSER=$owner sh src/install.sh "$1" > "$dir/$1.out"
}

# Whoever calls us may have left descriptors open: always some.
mkdir "$dir/log" && chown $owner "$dir/log"
"$make" -s BUILD="$build" PLACE="$dir" privilege-program && install install &&
	"$check" "$dir" > "$dir/tests" 2>&1 3< /dev/null 4<&3 5<&3 6<&3
failed=$?
sed -n -e 's/^[^ ]*:P:[^:]*:\([^:]*\):\([0-9]*\).*/privilege: ok: \1 (\2)/' -e 's/ (0)$//' \
	-e '/:[FE]:/p' -e '/^privilege: ok/p' -e '/^[0-9]*%/p' "$dir/tests"
install uninstall
if [ $failed = 0 ]; then
	rm -rf "$dir"
else
	echo "privilege: FAILED, see $dir"
fi
exit $failed
