# root.sh: Debian roots of our own; read by run.sh and fresh.sh, not run.
#
# They are made once, in $roots: base is what debootstrap makes of a minimal system; callers is that and every
# program here that calls sendmail; postfix is callers with Postfix. Nobody writes to them: who runs in one
# writes into memory that vanishes with him (enter.sh).

# Of these, what cannot be had is left out, and said.
callers='bsd-mailx s-nail mutt git git-email php-cli php-symfony-mailer libphp-phpmailer libmime-lite-perl
	libemail-sender-perl ruby-mail python3 cron mdadm smartmontools
	fail2ban logwatch reportbug swaks tmux libssl3 ca-certificates python3-aiosmtpd'

say() {
	echo "system: $*" >&2
}

missing() {
	echo "system: skipped: $*"
	exit 0
}

in_root() { # root command...
	chroot_to=$1
	shift
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive \
		chroot "$chroot_to" "$@"
}

# One by one where not all can be had together.
add_packages() { # root package...
	to=$1
	shift
	cp /etc/resolv.conf "$to/etc/resolv.conf" && in_root "$to" apt-get -qq update || return
	in_root "$to" apt-get -qq -y --no-install-recommends install "$@" && return
	for package; do
		in_root "$to" apt-get -qq -y --no-install-recommends install "$package" ||
			say "$package cannot be had and is left out"
	done
}

# A name that is complete has NAME.made beside it.
make_root() { # name command...
	made=$roots/$1.made
	name=$1
	shift
	[ -f "$made" ] && return
	say "making the root $name; what is said meanwhile is in $roots/$name.log"
	rm -rf "${roots:?}/$name"
	began=$(date +%s)
	"$@" > "$roots/$name.log" 2>&1 || missing "no root: $(tail -n 1 "$roots/$name.log")"
	echo "$(($(date +%s) - began)) s" > "$made"
}

make_base() {
	suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
	debootstrap --variant=minbase "$suite" "$roots/base" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" || return
	# Nothing is started because it was installed.
	printf '#!/bin/sh\nexit 101\n' > "$roots/base/usr/sbin/policy-rc.d"
	chmod 755 "$roots/base/usr/sbin/policy-rc.d"
	rm -rf "$roots/base/var/cache/apt/archives"/*.deb
}

# Debian's packages want some mail-transport-agent; this one is empty, for one that dpkg does not know.
add_mailer() { # root
	mkdir -p "$1/tmp/mailer/DEBIAN" && printf '%s\n' 'Package: local-mailer' 'Version: 1' 'Architecture: all' \
		'Maintainer: nobody' 'Provides: mail-transport-agent' 'Conflicts: mail-transport-agent' \
		'Description: a mailer that dpkg does not know' > "$1/tmp/mailer/DEBIAN/control" &&
		in_root "$1" dpkg-deb -b /tmp/mailer /tmp/mailer.deb && in_root "$1" dpkg -i /tmp/mailer.deb
}

make_callers() {
	cp -a "$roots/base" "$roots/callers" && add_mailer "$roots/callers" || return
	add_packages "$roots/callers" $callers
	in_root "$roots/callers" useradd -m -s /bin/sh -c 'Alice Liddell' alice &&
		in_root "$roots/callers" useradd -m -s /bin/sh -c 'Bob "Bobby" Büchi' bob
	in_root "$roots/callers" apt-get clean
}

make_postfix() {
	cp -a "$roots/callers" "$roots/postfix" && add_packages "$roots/postfix" postfix &&
		in_root "$roots/postfix" apt-get clean && [ -x "$roots/postfix/usr/sbin/postdrop" ]
}

# As nobody else in this machine: own mounts, processes, network, names. The root is ROOT as it was made.
enter() { # root out script argument [root beside it]
	mkdir -p "$2"
	unshare --mount --propagation private --pid --fork --kill-child --net --uts --ipc \
		sh "$here/enter.sh" "$roots/$1" "$2" "$source" "$BUILD/usr" "$3" "$4" ${5:+"$roots/$5"}
}
