#!/bin/sh
# install.sh BUILD: what make install and make uninstall do below DESTDIR, and when root for a user
# without a name; and what they leave alone.
build=$(cd "$1" && pwd)
dir=$(mktemp -d "$build/install.XXXXXX") || exit 1
trap 'chattr -i "$dir"/live/sbin/sortie* 2> /dev/null; rm -rf "$dir"' EXIT
bad=0

run() { # install | uninstall, with DESTDIR and PREFIX set
	PROGRAM=$build/sortie FRONT=$build/sendmail SBINDIR=$PREFIX/sbin BINDIR=$PREFIX/bin SYSCONFDIR=$PREFIX/etc \
		SPOOLDIR=$PREFIX/spool/mail SORTIEUSER=64001 sh src/install.sh "$1" > "$dir/out" 2>&1
}

is() { # name command...
	name=$1
	shift
	if "$@"; then
		echo "privilege: ok: $name"
	else
		echo "privilege: FAILED: $name: $*"
		cat "$dir/out"
		bad=1
	fi
}

below() { # what is in the folder, in one line
	(cd "$1" && find . ! -type d | LC_ALL=C sort | tr '\n' ' ')
}

all='./bin/mailq ./bin/newaliases ./sbin/hoststat ./sbin/purgestat ./sbin/send-mail ./sbin/sendmail '
all="$all./sbin/sortie ./sbin/sortie-sendmail "

export DESTDIR="$dir/package" PREFIX=/opt
is package_is_installed run install
is package_has_all_names [ "$(below "$dir/package/opt")" = "$all" ]
is package_has_no_setuid_yet [ ! -u "$dir/package/opt/sbin/sortie" ]
is package_has_no_setuid_front_yet [ ! -u "$dir/package/opt/sbin/sortie-sendmail" ]
is package_is_told_what_to_do grep -q 'chmod 6755 /opt/sbin/sortie$' "$dir/out"
is package_is_told_of_the_front grep -q 'chmod 6755 /opt/sbin/sortie-sendmail$' "$dir/out"
is front_of_another_place_is_spoken_of grep -q 'not built to start /opt/sbin/sortie' "$dir/out"
is sendmail_is_the_front cmp -s "$dir/package/opt/sbin/sendmail" "$build/sendmail"
is package_is_removed run uninstall
is package_leaves_no_file [ -z "$(below "$dir/package/opt")" ]
[ "$(id -u)" = 0 ] || exit $bad

export DESTDIR= PREFIX="$dir/live"
mkdir -p "$PREFIX/sbin" "$PREFIX/etc"
echo other > "$PREFIX/sbin/sendmail"
echo mine > "$PREFIX/etc/sortie.conf"
is installs_as_root run install
is_setuid() { # name
	[ "$(ls -ln "$PREFIX/sbin/$1" | awk '{ print $1, $3, $4 }')" = '-rwsr-sr-x 64001 64001' ]
}
is program_is_setuid is_setuid sortie
is front_is_setuid is_setuid sortie-sendmail
altered() { # name, by root, which could otherwise
	touch "$dir/file" && chattr +i "$dir/file" 2> /dev/null || return 1 # a file system without that
	chattr -i "$dir/file"
	(: >> "$PREFIX/sbin/$1") 2> /dev/null
}
is program_is_immutable eval '! altered sortie'
is front_is_immutable eval '! altered sortie-sendmail'
is spool_is_the_owners [ "$(ls -dln "$PREFIX/spool/mail" | awk '{ print $1, $3, $4 }')" = \
	'drwx------ 64001 64001' ]
is another_sendmail_is_left [ "$(cat "$PREFIX/sbin/sendmail")" = other ]
is another_sendmail_is_spoken_of grep -q 'ln -sf sortie-sendmail .*/sendmail$' "$dir/out"
is installs_over_itself run install
full_disk() { # the copy ends where there is no room
	(ulimit -f 8 && trap '' XFSZ && ! run install) && cmp -s "$build/sortie" "$PREFIX/sbin/sortie" &&
		cmp -s "$build/sendmail" "$PREFIX/sbin/sortie-sendmail" &&
		[ -u "$PREFIX/sbin/sortie" ] && [ -z "$(find "$PREFIX/sbin" -name '.sortie.*')" ]
}
is full_disk_leaves_the_old_program full_disk
is uninstalls_as_root run uninstall
is what_is_not_ours_is_left [ "$(below "$PREFIX")" = './etc/sortie.conf ./sbin/sendmail ' ]
is spool_is_left [ -d "$PREFIX/spool/mail" ]
exit $bad
