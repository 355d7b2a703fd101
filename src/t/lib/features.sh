#!/bin/sh
# features.sh [--libs | --openssl] CC: what this system's resolver library offers, as compiler flags; and OpenSSL's.
#
# Prints -DHAVE_NS_PARSE where <arpa/nameser.h> has ns_initparse() and ns_parserr() (OpenBSD has
# not); with --libs, the libraries that res_mkquery() and friends need beyond libc. Prints nothing
# where nothing is needed, or where there is no compiler yet. With --openssl it fails, and says why,
# when OpenSSL's headers are missing or too old.
what=flags
[ "$1" = --libs ] && what=libs && shift
[ "$1" = --openssl ] && what=openssl && shift
cc=${1:-cc}

tmp=$(mktemp -d "${TMPDIR:-/tmp}/sortie-features.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT

if [ $what = openssl ]; then
	printf '#include <openssl/ssl.h>\n#if OPENSSL_VERSION_NUMBER < 0x30000000L\n#error\n#endif\n' > "$tmp/t.c"
	# shellcheck disable=SC2046
	$cc $(pkg-config --cflags openssl 2> /dev/null) -c -o "$tmp/t.o" "$tmp/t.c" 2> /dev/null && exit 0
	echo 'OpenSSL 3.0 or later is needed, and its headers: libssl-dev (Debian), openssl-dev' \
		'(Alpine), openssl-devel (Fedora)' >&2
	exit 1
fi

headers='#include <sys/types.h>
#include <netinet/in.h>
#include <arpa/nameser.h>
#include <resolv.h>'
mkquery='unsigned char b[512];
(void)res_mkquery(0, "example.org", 1, 1, 0, 0, 0, b, 512);'
parse='ns_msg m; ns_rr r;
(void)(ns_initparse(b, 512, &m) || ns_parserr(&m, ns_s_an, 0, &r));'

links() { # body library...
	printf '%s\nint main(void) { %s return 0; }\n' "$headers" "$1" > "$tmp/t.c"
	shift
	$cc -D_DEFAULT_SOURCE -o "$tmp/t" "$tmp/t.c" "$@" 2> /dev/null
}

lib=
links "$mkquery" || { links "$mkquery" -lresolv && lib=-lresolv; }
if links "$mkquery$parse" $lib; then
	flag=-DHAVE_NS_PARSE
elif links "$mkquery$parse" -lresolv; then
	flag=-DHAVE_NS_PARSE lib=-lresolv
fi
if [ $what = libs ]; then
	echo "$(pkg-config --libs openssl 2> /dev/null || echo -lssl -lcrypto) $lib"
else
	echo "$flag $(pkg-config --cflags openssl 2> /dev/null)"
fi
