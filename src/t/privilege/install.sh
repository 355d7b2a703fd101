#!/bin/sh
# install.sh BUILD: what make install and make uninstall do below DESTDIR, and when root for a user
# without a name; and what they leave alone. What they know of this machine's mailwrapper is made up.
build=$(cd "$1" && pwd)
dir=$(mktemp -d "$build/install.XXXXXX") || exit 1
trap 'chattr -i "$dir"/live/sbin/sortie* 2> /dev/null; rm -rf "$dir"' EXIT
bad=0
built=$build

run() { # install | uninstall, with DESTDIR and PREFIX set
	PROGRAM=$built/sortie FRONT=$built/sendmail CTL=$built/sortiectl SBINDIR=$PREFIX/sbin BINDIR=$PREFIX/bin \
		MAILWRAPPER=$dir/wrapper MAILERCONF=$dir/mailer.conf ALTERNATIVES=$dir/alternatives \
		ALTERNATIVESFILES="$dir/none $dir/groups" SYSCONFDIR=$PREFIX/etc SPOOLDIR=$PREFIX/spool/mail SORTIEUSER=64001 sh src/install.sh "$1" > "$dir/out" 2>&1
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

folders() { # the same of folders
	(cd "$1" && find . -type d | LC_ALL=C sort | tr '\n' ' ')
}

programs() { # files, without texts
	(cd "$1" && find bin sbin ! -type d | LC_ALL=C sort | tr '\n' ' ')
}

all='bin/mailq bin/newaliases sbin/hoststat sbin/purgestat sbin/send-mail sbin/sendmail '
all="${all}sbin/sortie sbin/sortie-sendmail sbin/sortiectl "

export DESTDIR="$dir/package" PREFIX=/opt
is package_is_installed run install
is package_has_all_names [ "$(programs "$dir/package/opt")" = "$all" ]
has_texts() {
	for file in src/man/*.[158]; do
		[ -s "$dir/package/opt/share/man/man${file##*.}/${file##*/}" ] || return 1
	done
	cmp -s "$dir/package/opt/share/man/man1/mailq.1" "$dir/package/opt/share/man/man1/newaliases.1" &&
		grep -q '/opt/sbin/sortie -q5m' "$dir/package/opt/share/sortie/sortie.service"
}
is package_has_manuals_and_what_starts_runs has_texts
is places_are_filled_in eval '! grep -rq "@[A-Z]*@" "$dir/package/opt/share" "$dir/package/opt/etc"'
configuration_is_comments() {
	[ "$(wc -l < "$dir/package/opt/etc/sortie.conf")" -eq 3 ] && ! grep -qv '^#' "$dir/package/opt/etc/sortie.conf"
}
is package_has_three_lines_of_configuration configuration_is_comments
is package_has_no_setuid_yet [ ! -u "$dir/package/opt/sbin/sortie" ]
is package_has_no_setuid_front_yet [ ! -u "$dir/package/opt/sbin/sortie-sendmail" ]
is package_is_told_what_to_do grep -q 'chmod 6755 /opt/sbin/sortie$' "$dir/out"
is package_is_told_of_the_front grep -q 'chmod 6755 /opt/sbin/sortie-sendmail$' "$dir/out"
is front_of_another_place_is_spoken_of grep -q 'not built to start /opt/sbin/sortie' "$dir/out"
is sendmail_is_the_front cmp -s "$dir/package/opt/sbin/sendmail" "$build/sendmail"
is zsh_below_opt_or_usr_local_looks_there [ -f "$dir/package/opt/share/zsh/site-functions/_sortiectl" ]
is package_is_removed run uninstall
export ZSHDIR=/opt/zsh
is installs_for_a_zsh_of_its_own run install
is its_completion_is_there [ -f "$dir/package/opt/zsh/_sortiectl" ]
is its_completion_is_removed run uninstall
unset ZSHDIR
is package_leaves_the_configuration_alone [ "$(below "$dir/package/opt")" = './etc/sortie.conf ' ]
is package_leaves_no_other_folders [ "$(folders "$dir/package")" = \
	'. ./opt ./opt/etc ./opt/spool ./opt/spool/mail ' ]

PREFIX=/usr
is package_for_usr_is_installed run install
is older_place_of_sendmail_leads_here [ "$(readlink "$dir/package/usr/lib/sendmail")" = /usr/sbin/sortie-sendmail ]
zsh_looks_there() { # as Debian's zsh has it, and as all others have
	there=site-functions
	[ ! -f /etc/debian_version ] || there=vendor-completions
	[ -f "$dir/package/usr/share/zsh/$there/_sortiectl" ]
}
is zsh_of_this_system_looks_there zsh_looks_there
is package_for_usr_is_removed run uninstall
is older_place_of_sendmail_is_empty [ ! -L "$dir/package/usr/lib/sendmail" ]
PREFIX=/opt

# Where it may not write it says so, once, and does nothing.
as_a_user() { # install | uninstall
	as=
	[ "$(id -u)" != 0 ] || as="$build/check-privilege as 64002"
	(cd / && PREFIX=/usr SBINDIR=/usr/sbin BINDIR=/usr/bin DESTDIR='' $as /bin/sh -s "$1") \
		< src/install.sh > "$dir/out" 2>&1
}
refuses() { # install | uninstall, folder, how
	! $3 "$1" && [ "$(wc -l < "$dir/out")" -eq 1 ] && grep -q "^cannot write to $2, .*: make $1 as root" "$dir/out"
}
echo none > "$dir/file"
for what in install uninstall; do
	is a_user_is_told_that_${what}_wants_root refuses $what /usr/sbin as_a_user
	DESTDIR=$dir/file
	is ${what}_into_a_file_is_refused refuses $what "$dir/file" run
	DESTDIR=$dir/package
done

# What was not built, or not all of it, is not installed; below DESTDIR it may be another machine's, and is not run.
refuses_part() {
	! run install && [ "$(wc -l < "$dir/out")" -eq 1 ] && grep -q "^$built/$1 is none of our programs" "$dir/out" &&
		[ ! -e "${DESTDIR:-$PREFIX/sbin}" ]
}
refuses_parts() { # kind command that writes one
	built=$dir/built
	for name in sortie sendmail sortiectl; do
		rm -rf "$built" && mkdir "$built" && cp "$build/sortie" "$build/sendmail" "$build/sortiectl" "$built"
		$2 > "$built/$name"
		is ${1}_${name}_is_refused refuses_part $name
	done
	built=$build
}
rm -rf "$dir/package"
refuses_parts empty true
part() {
	printf '#!/bin/sh\n# sortie.conf x-citadel-delivery-list\nexit 1\n'
}
DESTDIR='' PREFIX=$dir/live
refuses_parts part_of part
DESTDIR=$dir/package PREFIX=/opt

# Somebody else's program or folder of that name: nothing is done at all.
for what in sortie sortie-sendmail sortiectl; do
	for kind in file folder; do
		rm -rf "$dir/package"
		mkdir -p "$dir/package/opt/sbin"
		if [ $kind = file ]; then
			echo "the sortie.conf of another program" > "$dir/package/opt/sbin/$what"
		else
			mkdir "$dir/package/opt/sbin/$what"
		fi
		is another_${kind}_called_${what}_stops_it eval '! run install'
		is another_${kind}_called_${what}_is_spoken_of grep -q "^/opt/sbin/$what is there" "$dir/out"
		is another_${kind}_called_${what}_is_left_by_uninstall run uninstall
		is another_${kind}_called_${what}_is_all_there_is [ "$(find "$dir/package" | wc -l)" -eq 4 ]
	done
done
rm -rf "$dir/package"

# A manual of the same name is left, too, whatever it is.
mkdir -p "$dir/package/opt/share/man/man1/newaliases.1"
echo other > "$dir/package/opt/share/man/man1/mailq.1"
is installs_beside_other_manuals run install
is another_manual_is_spoken_of grep -q 'man1/mailq.1 is somebody' "$dir/out"
is uninstalls_beside_other_manuals run uninstall
is other_manuals_are_left [ "$(cat "$dir/package/opt/share/man/man1/mailq.1")" = other -a \
	-d "$dir/package/opt/share/man/man1/newaliases.1" ]
[ "$(id -u)" = 0 ] || exit $bad

export DESTDIR= PREFIX="$dir/live"
mkdir -p "$PREFIX/sbin" "$PREFIX/etc" "$PREFIX/share/man/man1"
echo other > "$PREFIX/sbin/sendmail"
ln -s "$dir/alternatives/other-mta" "$PREFIX/sbin/send-mail"
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
is another_sendmail_is_spoken_of grep -q "ln -sf $PREFIX/sbin/sortie-sendmail $PREFIX/sbin/sendmail$" "$dir/out"
is an_alternative_is_left [ "$(readlink "$PREFIX/sbin/send-mail")" = "$dir/alternatives/other-mta" ]
is an_alternative_is_spoken_of grep -q \
	"update-alternatives --install $PREFIX/sbin/send-mail other-mta $PREFIX/sbin/sortie-sendmail 100 &&" "$dir/out"
rm "$PREFIX/sbin/send-mail"
mkdir "$dir/stubs" # a Debian on which every file is a package's, and diverted by root
for name in dpkg dpkg-divert; do
	printf '#!/bin/sh\necho LOCAL\n' > "$dir/stubs/$name" && chmod +x "$dir/stubs/$name"
done
is installs_beside_a_package eval 'PATH="$dir/stubs:$PATH" run install'
is a_package_is_diverted grep -q "dpkg-divert --local --rename --add $PREFIX/sbin/sendmail && ln -sf " "$dir/out"
is installs_over_itself run install
is spool_that_is_his_needs_no_words eval '! grep -q "chown -R" "$dir/out"'
chown 64002 "$PREFIX/spool/mail"
is installs_over_the_spool_of_another run install
is spool_of_another_is_spoken_of grep -q "chown -R 64001:64001 $PREFIX/spool/mail$" "$dir/out"
chown 64001 "$PREFIX/spool/mail"
full_disk() { # the copy ends where there is no room
	(ulimit -f 8 && trap '' XFSZ && ! run install) && cmp -s "$build/sortie" "$PREFIX/sbin/sortie" &&
		cmp -s "$build/sendmail" "$PREFIX/sbin/sortie-sendmail" &&
		[ -u "$PREFIX/sbin/sortie" ] && [ -z "$(find "$PREFIX/sbin" -name '.sortie.*')" ]
}
is full_disk_leaves_the_old_program full_disk
is operators_program_is_roots [ "$(ls -ln "$PREFIX/sbin/sortiectl" | awk '{ print $1, $3 }')" = '-rwxr-xr-x 0' ]

# What of what was said is a command of that.
types() { # program
	sed -n "s/^	\\($1 .*\\)/\\1/p" "$dir/out" > "$dir/typed"
	[ "$(wc -l < "$dir/typed")" -eq 1 ] && PATH="$dir/stubs:$PATH" sh -e "$dir/typed" > /dev/null
}

# A group of update-alternatives(1) as Fedora has it: mailq and newaliases come and go with sendmail.
groups() { # as the program does, but where we say
	printf '#!/bin/sh\nexec %s --quiet --altdir %s --admindir %s --log /dev/null "$@"\n' \
		"$(command -v update-alternatives)" "$dir/alternatives" "$dir/groups"
}
all_lead_to() { # file
	for link in sbin/sendmail bin/mailq bin/newaliases; do
		[ "$(readlink "$PREFIX/$link")" = "$dir/alternatives/mta${link#*/}" ] && [ "$PREFIX/$link" -ef "$1" ] ||
			return 1
	done
}
alternatives() {
	mkdir -p "$dir/alternatives" "$dir/groups"
	groups > "$dir/stubs/update-alternatives" && chmod +x "$dir/stubs/update-alternatives"
	rm -f "$PREFIX/sbin/sendmail" "$PREFIX/bin/mailq" "$PREFIX/bin/newaliases"
	"$dir/stubs/update-alternatives" --install "$PREFIX/sbin/sendmail" mtasendmail "$dir/other" 200 \
		--slave "$PREFIX/bin/mailq" mtamailq "$dir/other" --slave "$PREFIX/share/other.1" mtaman "$dir/other" \
		--slave "$PREFIX/bin/newaliases" mtanewaliases "$dir/other"
	is a_group_is_there all_lead_to "$dir/other"
	is installs_beside_a_group run install
	is a_group_is_left all_lead_to "$dir/other"
	is a_group_is_changed_by_one_command types update-alternatives
	is a_group_leads_here all_lead_to "$PREFIX/sbin/sortie-sendmail"
	is installs_where_a_group_leads_here run install
	is a_group_that_leads_here_needs_no_words eval '! grep -q -e "somebody else" -e update-alternatives "$dir/out"'
	is uninstalls_where_a_group_leads_here eval 'PATH="$dir/stubs:$PATH" run uninstall'
	is a_group_leads_nowhere_else_than_before all_lead_to "$dir/other"
	"$dir/stubs/update-alternatives" --remove mtasendmail "$dir/other"
	rmdir "$PREFIX/bin" # which nobody remembers
	echo other > "$PREFIX/sbin/sendmail"
	is installs_again run install
}
echo '#!/bin/sh' > "$dir/other" && chmod +x "$dir/other"
if command -v update-alternatives > /dev/null; then
	alternatives
else
	echo 'privilege: skipped: no update-alternatives'
fi

# Where sendmail is mailwrapper(8).
is no_mailwrapper_no_mailer_conf [ ! -e "$dir/mailer.conf" ]
echo '#!/bin/sh' > "$dir/wrapper" && chmod +x "$dir/wrapper"
is installs_behind_a_mailwrapper run install
is mailer_conf_is_made grep -q "^sendmail	$PREFIX/sbin/sortie-sendmail$" "$dir/mailer.conf"
is installs_again_behind_a_mailwrapper run install
is mailer_conf_of_ours_needs_no_words eval '! grep -q wrapper "$dir/out"'
is uninstalls_behind_a_mailwrapper run uninstall
is mailer_conf_is_removed [ ! -e "$dir/mailer.conf" ]
echo 'sendmail /usr/libexec/dma' > "$dir/mailer.conf"
is installs_beside_another_mailer_conf run install
is another_mailer_conf_is_left [ "$(cat "$dir/mailer.conf")" = 'sendmail /usr/libexec/dma' ]
is its_lines_are_said grep -q "^	purgestat	$PREFIX/sbin/sortie-sendmail$" "$dir/out"
is uninstalls_as_root eval 'PATH="$dir/stubs:$PATH" run uninstall'
is what_was_diverted_can_come_back grep -q "^	dpkg-divert --local --rename --remove $PREFIX/bin/mailq$" "$dir/out"
is what_is_not_ours_is_left [ "$(below "$PREFIX")" = './etc/sortie.conf ./sbin/sendmail ' ]
is folders_that_were_there_are_left [ "$(folders "$PREFIX")" = \
	'. ./etc ./sbin ./share ./share/man ./share/man/man1 ./spool ./spool/mail ' ]
is our_configuration_is_left [ "$(cat "$PREFIX/etc/sortie.conf")" = mine ]
is spool_is_left [ -d "$PREFIX/spool/mail" ]
exit $bad
