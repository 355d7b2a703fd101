#!/bin/sh
# deps.sh: everything make check and make demo need, or how to get it.
#
# Silent when nothing is missing. Otherwise installs it with the system's package manager when root,
# and when not prints the command to give and fails.
cc=${CC:-cc}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/sortie-deps.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT

compiles() { # header [library]
	printf '#include <stdio.h>\n#include <sys/types.h>\n#include <stdint.h>\n#include <%s>\nint main(void) { return 0; }\n' \
		"$1" > "$tmp/t.c"
	# shellcheck disable=SC2046
	$cc $(pkg-config --cflags check openssl 2> /dev/null) -o "$tmp/t" "$tmp/t.c" \
		$(pkg-config --libs "${2:-openssl}" 2> /dev/null) > /dev/null 2>&1
}

complete() {
	command -v pkg-config > /dev/null && compiles stdlib.h && compiles openssl/ssl.h &&
		compiles check.h check
}

complete && exit 0

update=:
if command -v apt-get > /dev/null; then
	update='apt-get -qq update'
	install='env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install
		gcc libc6-dev make pkg-config libssl-dev check'
elif command -v apk > /dev/null; then
	install='apk add -q gcc musl-dev make pkgconf openssl-dev check-dev'
elif command -v dnf > /dev/null; then
	install='dnf -q -y install gcc make pkgconf-pkg-config openssl-devel check-devel'
elif command -v pkg_add > /dev/null && [ "$(uname)" = OpenBSD ]; then
	install='pkg_add check'
elif command -v pkgin > /dev/null; then
	install='pkgin -y install pkgconf check'
elif command -v pkg > /dev/null; then
	install='pkg install -y pkgconf check'
else
	echo 'needed: a C compiler, pkg-config, the headers of OpenSSL, and check' \
		'(https://libcheck.github.io/check); no package manager that this script knows' >&2
	exit 1
fi

if [ "$(id -u)" -ne 0 ]; then
	echo 'something is missing that the tests need; as root:' >&2
	[ "$update" = : ] || echo "	$update" >&2
	echo "	$install" | tr -s ' \n\t' ' ' | sed 's/^ /	/' >&2
	echo >&2
	exit 1
fi
echo 'installing what the tests need' >&2
# shellcheck disable=SC2086
$update > /dev/null && $install > /dev/null || exit 1
complete && exit 0
echo 'installed, and still something does not compile: a C compiler, openssl/ssl.h or check.h' >&2
exit 1
