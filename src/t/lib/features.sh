#!/bin/sh
# features.sh [--libs | --openssl] CC: what this system's resolver library offers, as compiler flags; and OpenSSL's.
# features.sh --harden | --harden-link CC FLAGS: what compiler and linker can do against attacks.
# features.sh --lean CC: how the program becomes smaller.
#
# Prints -DHAVE_NS_PARSE where <arpa/nameser.h> has ns_initparse() and ns_parserr() (OpenBSD has
# not); with --libs, the libraries that res_mkquery() and friends need beyond libc. Prints nothing
# where nothing is needed, or where there is no compiler yet. With --openssl it fails, and says why,
# when OpenSSL's headers are missing or too old.
#
# Hardening: a position-independent program whose addresses are all resolved and made read-only at
# start, guarded stacks, checked copies, and returns and jumps that the processor checks. FLAGS are
# those of the build: what they say already, or cannot have (a sanitizer has checks of its own), is left.
what=flags
[ "$1" = --libs ] && what=libs && shift
[ "$1" = --openssl ] && what=openssl && shift
[ "$1" = --lean ] && what=lean && shift
[ "$1" = --harden ] && what=harden && shift
[ "$1" = --harden-link ] && what=harden-link && shift
cc=${1:-cc} flags=$2

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

takes() { # flag...
	printf '#include <stdio.h>\nint main(void) { char b[64]; return fgets(b, 64, stdin) == NULL; }\n' \
		> "$tmp/t.c"
	(cd "$tmp" && $cc $flags "$@" -Werror -o t t.c 2> /dev/null) # --coverage leaves a file behind
}

# All of them if it takes them together, otherwise those that it takes one by one.
choose() { # flag...
	if takes "$@"; then
		echo "$@"
		return
	fi
	for flag; do
		takes "$flag" && printf '%s ' "$flag"
	done
	echo
}

fortify() {
	case $flags in
	*-fsanitize*) return ;;
	esac
	echo > "$tmp/t.c"
	$cc $flags -dM -E "$tmp/t.c" > "$tmp/macros" 2> /dev/null
	grep -q __OPTIMIZE__ "$tmp/macros" && ! grep -q _FORTIFY_SOURCE "$tmp/macros" || return
	for level in 3 2; do
		takes -D_FORTIFY_SOURCE=$level && echo "-D_FORTIFY_SOURCE=$level" && return
	done
}

pie=-pie
case " $flags " in
*' -static '*) pie= ;;
esac
case $what in
lean)
	choose -fno-asynchronous-unwind-tables -fno-align-functions -fno-align-jumps -fno-align-loops
	exit ;;
harden)
	case $(uname -m) in
	x86_64 | i?86 | amd64) cpu=-fcf-protection ;;
	aarch64 | arm64) cpu=-mbranch-protection=standard ;;
	*) cpu= ;;
	esac
	echo "$(choose ${pie:+-fPIE} -fstack-protector-strong -fstack-clash-protection $cpu) $(fortify)"
	exit ;;
harden-link)
	choose $pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
	exit ;;
esac

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
