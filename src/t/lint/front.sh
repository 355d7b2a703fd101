#!/bin/sh
# front.sh PROGRAM: what takes mail in loads no OpenSSL and no resolver, and has neither in it. Needs
# readelf.
command -v readelf > /dev/null && readelf -h "$1" > /dev/null 2>&1 || exit 0

bad=0
hasnt() { # what pattern, in what is on standard input
	found=$(grep -E "$2" | head -n 1)
	[ -z "$found" ] && return
	echo "front: $1: $found" >&2
	bad=1
}
libraries=$(readelf -dW "$1" 2> /dev/null | grep NEEDED)
symbols=$(readelf -sW "$1" 2> /dev/null | awk '{ print $8 }')
hasnt 'a library that it should not load' 'ssl|crypto|resolv' << END
$libraries
END
hasnt 'code that it should not have' '^(SSL|OPENSSL|EVP|X509|BIO|ns|res|dns|smtp_new|reactor)_' << END
$symbols
END
[ $bad = 0 ] && echo "front: ok"
exit $bad
