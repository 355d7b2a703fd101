#!/bin/sh
# install.sh install | uninstall: what make install and make uninstall do.
#
# Installs PROGRAM as sortie and FRONT as sortie-sendmail, both setuid and setgid to SORTIEUSER, CTL as
# sortiectl, which is root's; the names that the front is called by; manuals (src/man) into MANDIR; what
# starts queue runs (src/system), for the administrator to choose from, into DATADIR; completions for
# shells, zsh's into ZSHDIR; an example of a configuration where there is none. It makes the spool (0700,
# his). All of these come in the environment, as do PREFIX SBINDIR BINDIR SYSCONFDIR SPOOLDIR, and DESTDIR,
# below which a package is built: then no user is made and nothing gets an owner. What cannot be done is said,
# with the command that does it, and the rest is done.
#
# What is not ours is never replaced and never removed. There is no list of what was installed: a file is
# ours when it looks like it (is_program, is_text), whichever version of ours it is; a link, when it leads
# to our programs. Of folders alone it is noted which were made. uninstall leaves configuration and spool.
umask 022
MANDIR=${MANDIR:-$PREFIX/share/man}
DATADIR=${DATADIR:-$PREFIX/share/sortie}
if [ -z "$ZSHDIR" ]; then
	ZSHDIR=$PREFIX/share/zsh/site-functions # where Debian's zsh looks below /usr/local alone
	[ "$PREFIX" != /usr ] || [ ! -f /etc/debian_version ] || ZSHDIR=/usr/share/zsh/vendor-completions
fi
CTL=${CTL:-${PROGRAM%/*}/sortiectl}
program=$SBINDIR/sortie
front=$SBINDIR/sortie-sendmail
ctl=$SBINDIR/sortiectl
user=$SORTIEUSER
wrapper=${MAILWRAPPER:-/usr/sbin/mailwrapper} # the BSDs' /usr/sbin/sendmail, and what it reads
alternatives=${ALTERNATIVES:-/etc/alternatives} # links of update-alternatives(1), and its files: Debian's, Fedora's
alternatives_files=${ALTERNATIVESFILES:-/var/lib/dpkg/alternatives /var/lib/alternatives}
todo=
made= # folders, a line each
bad=0

# Whether we can do what only root can.
live() {
	[ "$(id -u)" = 0 ] && [ -z "$DESTDIR" ]
}

later() { # command, as it is to be typed
	case $todo in
	*"	$1
"*) return ;;
	esac
	todo="$todo	$1
"
}

# Done, or put on the list.
as_root() { # command...
	live && "$@" && return
	later "$*"
}

must() { # command...
	"$@" && return
	bad=1
}

# --- what is ours ---

there() { # path, which may be a link that leads nowhere
	[ -e "$1" ] || [ -L "$1" ]
}

is_program() { # file: speaks of our configuration, and of our control files
	[ -f "$1" ] && grep -q 'sortie\.conf' "$1" && grep -q x-citadel-delivery-list "$1"
}

is_text() { # file
	[ -f "$1" ] && grep -q sortie "$1"
}

is_link() { # name: a link to one of our programs
	case $(readlink "$1" 2> /dev/null) in
	sortie | "$program" | sortie-sendmail | "$front") return 0 ;;
	esac
	return 1
}

# Before anything is done: half an installation would be worse than none.
refuse_strangers() { # file...
	for file; do
		! there "$DESTDIR$file" || is_program "$DESTDIR$file" && continue
		echo "$file is there and none of ours: move it away, or install elsewhere with PREFIX or SBINDIR"
		bad=1
	done
	[ $bad = 0 ] || exit 1
}

# What was built is what it should be, and no part of it: it will be setuid, and immutable. For a package it may
# have been built for another machine.
refuse_what_is_no_program() { # built...
	for file; do
		is_program "$file" && { [ -n "$DESTDIR" ] || [ -n "$("$file" --version 2> /dev/null < /dev/null)" ]; } && continue
		echo "$file is none of our programs, or does not run: make it again; nothing was touched"
		exit 1
	done
}

# Where programs and texts go; the folders of configuration and spool are root's to make, later.
refuse_to_lack_rights() { # folder...
	for folder; do
		at=$DESTDIR$folder
		until there "$at"; do
			case $at in
			/*/* | [!/]*/*) at=${at%/*} ;;
			/*) at=/ ;;
			*) at=. ;;
			esac
		done
		[ -d "$at" ] && [ -w "$at" ] && continue
		echo "cannot write to $at, and nothing was touched: make $action as root, or with a PREFIX or DESTDIR of your own"
		exit 1
	done
}

# --- user and programs ---

known() { # user
	case $1 in
	*[!0-9]*) id -u "$1" > /dev/null 2>&1 ;;
	esac
}

# His home is not the spool, into which confined runs may write, but where root alone does.
make_user() {
	known "$user" && [ -z "$DESTDIR" ] && return
	shell=/usr/sbin/nologin
	[ -x $shell ] || shell=/sbin/nologin
	case $(uname) in
	Linux)
		if command -v useradd > /dev/null; then
			as_root useradd -r -U -M -d "$SYSCONFDIR" -s $shell "$user"
		else
			as_root addgroup -S "$user"
			as_root adduser -S -D -H -h "$SYSCONFDIR" -s $shell -G "$user" "$user"
		fi ;;
	FreeBSD | DragonFly)
		as_root pw useradd "$user" -w no -d "$SYSCONFDIR" -s $shell ;;
	*)
		as_root groupadd "$user"
		as_root useradd -g "$user" -d "$SYSCONFDIR" -s $shell "$user" ;;
	esac
}

owner() { # user:group
	case $user in
	*[!0-9]*) echo "$user:$(id -gn "$user" 2> /dev/null || echo "$user")" ;;
	*) echo "$user:$user" ;;
	esac
}

# The programs belong to the user they run as. Confined runs cannot write to it; but a submission, or a command
# that prints a password, is not confined, and root's cron starts it. A package's files must stay replaceable,
# and on a BSD that runs at a raised securelevel there is no way back: there it is for root to decide.
set_immutable() { # file...
	[ -n "$DESTDIR" ] && return
	case $(uname) in
	Linux) as_root chattr +i "$@" 2> /dev/null ;;
	*) later "chflags schg $*" ;;
	esac
}

clear_immutable() { # file...
	for file; do
		live && [ -f "$file" ] || continue
		chattr -i "$file" 2> /dev/null || chflags noschg "$file" 2> /dev/null
	done
}

# What was made to have it is remembered: what uninstall finds empty and not made by us may be somebody's.
make_folder() { # folder
	folder=$1
	until [ -d "$DESTDIR$folder" ] || [ "${folder%/*}" = "$folder" ]; do
		made="$made$folder
"
		folder=${folder%/*}
	done
	must mkdir -p "$DESTDIR$1"
}

# There is a whole file at any moment: the old one may be running, and the disk may be full.
place() { # built installed mode [owner]
	new=$DESTDIR${2%/*}/.sortie.$$

	if ! cp "$1" "$new"; then
		rm -f "$new"
		bad=1
		return
	fi
	if [ -z "$4" ]; then
		must chmod "$3" "$new"
	elif live && chown "$4" "$new" && chmod "$3" "$new"; then
		:
	else
		must chmod 755 "$new"
		later "chown $4 $2"
		later "chmod $3 $2"
	fi
	must mv -f "$new" "$DESTDIR$2"
}

install_setuid() { # built installed
	clear_immutable "$2"
	place "$1" "$2" 6755 "$(owner)"
}

# --- names ---

# The file of the group that has that link: its master's name is the file's, its slaves' are lines of it.
group_of() { # name
	for folder in $alternatives_files; do
		[ ! -f "$folder/$1" ] || { echo "$folder/$1"; return; }
		grep -lxF -e "$1" "$folder"/* 2> /dev/null && return
	done
}

# One command for the whole group: update-alternatives removes each slave that is not named, and makes none that
# is asked for by itself. In a file of its: how it chooses, the master's link, name and link of each slave,
# nothing, and who is there.
say_alternative() { # link
	name=$(readlink "$DESTDIR$1")
	name=${name##*/}
	file=$(group_of "$name" | head -n 1)
	group=${file:-$name}
	if [ -n "$file" ]; then
		cat "$file"
	else
		printf '%s\n' auto "$1" ''
	fi | awk -v group="${group##*/}" -v front="$front" '
		NR == 2 { command = "update-alternatives --install " $0 " " group " " front " 100" }
		NR > 2 && $0 == "" { exit }
		NR > 2 && NR % 2 { name = $0 }
		NR > 2 && !(NR % 2) && /\/(sendmail|send-mail|mailq|newaliases|hoststat|purgestat)$/ {
			command = command " --slave " $0 " " name " " front
		}
		END { print command " && update-alternatives --set " group " " front }'
}

# How somebody else's sendmail makes room, in the way of those whose it is; sortiectl check says the same.
say_how_to_replace() { # name
	echo "$1 is somebody else's and was left"
	case $(readlink "$DESTDIR$1") in
	"$alternatives"/*)
		later "$(say_alternative "$1")"
		return ;;
	esac
	if [ -z "$DESTDIR" ] && command -v dpkg-divert > /dev/null && dpkg -S "$1" > /dev/null 2>&1; then
		later "dpkg-divert --local --rename --add $1 && ln -sf $front $1"
	else
		later "ln -sf $front $1"
	fi
}

# By alternatives, or a link to another of our names.
leads_here() { # name
	[ -z "$DESTDIR" ] && { [ "$1" -ef "$front" ] || [ "$1" -ef "$program" ]; }
}

link_names() { # directory target name...
	dir=$1 target=$2
	shift 2
	for name; do
		if ! there "$DESTDIR$dir/$name" || is_link "$DESTDIR$dir/$name"; then
			must ln -sf "$target" "$DESTDIR$dir/$name"
		elif ! leads_here "$dir/$name"; then
			say_how_to_replace "$dir/$name"
		fi
	done
}

unlink_names() { # directory name...
	dir=$1
	shift
	for name; do
		is_link "$DESTDIR$dir/$name" || continue
		must rm -f "$DESTDIR$dir/$name"
		[ -z "$DESTDIR" ] && [ "$(dpkg-divert --listpackage "$dir/$name" 2> /dev/null)" = LOCAL ] &&
			later "dpkg-divert --local --rename --remove $dir/$name"
	done
}

# Before the program is: no link of theirs leads nowhere meanwhile.
remove_alternatives() {
	[ -z "$DESTDIR" ] || return
	for folder in $alternatives_files; do
		for file in $(grep -lxF -e "$front" "$folder"/* 2> /dev/null); do
			as_root update-alternatives --remove "${file##*/}" "$front"
		done
	done
}

wrapped_names() { # mailer.conf
	for name in sendmail send-mail mailq newaliases hoststat purgestat; do
		printf '%s\t%s\n' $name "$front"
	done
}

# Where the system's sendmail is mailwrapper(8): its file says who is called. One that is there is the
# administrator's.
find_mailer_conf() {
	mailer_conf=$MAILERCONF
	for file in /usr/local/etc/mail/mailer.conf /etc/mail/mailer.conf /etc/mailer.conf; do
		[ -n "$mailer_conf" ] || { [ -f "$file" ] && mailer_conf=$file; }
	done
	[ -n "$mailer_conf" ] || { [ -d /etc/mail ] && mailer_conf=/etc/mail/mailer.conf; }
	mailer_conf=${mailer_conf:-/etc/mailer.conf}
}

tell_mailwrapper() {
	[ -x "$wrapper" ] && [ -z "$DESTDIR" ] || return
	find_mailer_conf
	[ -f "$mailer_conf" ] && wrapped_names | cmp -s - "$mailer_conf" && return
	if live && ! there "$mailer_conf"; then
		wrapped_names > "$mailer_conf" && echo "made $mailer_conf, by which $wrapper calls $front" && return
	fi
	echo "$wrapper calls $front with these lines in $mailer_conf, in place of those that are there:"
	wrapped_names | sed 's/^/	/'
}

untell_mailwrapper() {
	[ -x "$wrapper" ] && [ -z "$DESTDIR" ] || return
	find_mailer_conf
	if wrapped_names | cmp -s - "$mailer_conf"; then
		must rm -f "$mailer_conf"
	elif grep -q "$front" "$mailer_conf" 2> /dev/null; then
		echo "$mailer_conf still leads to $front, and was left"
	fi
}

# --- texts ---

# What is written for any place, for this one.
filled_in() { # file
	sed -e "s|@SBINDIR@|$SBINDIR|g" -e "s|@SPOOLDIR@|$SPOOLDIR|g" -e "s|@SYSCONFDIR@|$SYSCONFDIR|g" \
		-e "s|@SORTIEUSER@|$user|g" -e "s|@FRONT@|$front|g" -e "s|@DATADIR@|$DATADIR|g" "$1"
}

install_text() { # source installed
	if there "$DESTDIR$2" && ! is_text "$DESTDIR$2"; then
		echo "$2 is somebody else's and was left"
		return
	fi
	new=$DESTDIR${2%/*}/.sortie.$$
	make_folder "${2%/*}"
	if filled_in "$1" > "$new" && chmod 644 "$new"; then
		must mv -f "$new" "$DESTDIR$2"
	else
		rm -f "$new"
		bad=1
	fi
}

uninstall_text() { # source installed
	is_text "$DESTDIR$2" && must rm -f "$DESTDIR$2"
}

# Every text, and where it goes. Two manuals have a second name.
each_text() { # install_text | uninstall_text
	for file in src/man/*.[158]; do
		$1 "$file" "$MANDIR/man${file##*.}/${file##*/}"
	done
	$1 src/man/mailq.1 "$MANDIR/man1/newaliases.1"
	$1 src/man/sortie.8 "$MANDIR/man8/sendmail.8"
	for file in src/system/*; do
		[ -f "$file" ] && $1 "$file" "$DATADIR/${file##*/}"
	done
	for file in src/system/completion/*; do
		name=${file##*/}
		case $name in
		*.bash) $1 "$file" "$PREFIX/share/bash-completion/completions/${name%.bash}" ;;
		_*) $1 "$file" "$ZSHDIR/$name" ;;
		*.fish) $1 "$file" "$PREFIX/share/fish/vendor_completions.d/$name" ;;
		esac
	done
}

# --- folders ---

note_folders() {
	[ -z "$DESTDIR" ] && [ -n "$made" ] || return
	[ -s "$DATADIR/folders" ] || echo '# made for sortie; make uninstall removes those that are empty' > "$DATADIR/folders"
	printf '%s' "$made" >> "$DATADIR/folders"
}

folder_of() { # source installed
	echo "${2%/*}"
}

# Below DESTDIR all are ours.
remove_folders() {
	noted=$(cat "$DATADIR/folders" 2> /dev/null)
	uninstall_text '' "$DATADIR/folders"
	for folder in $(each_text folder_of | sort -u) "$SBINDIR" "$BINDIR" /usr/lib; do
		while [ -n "$DESTDIR" ] || echo "$noted" | grep -qxF -e "$folder"; do
			rmdir "$DESTDIR$folder" 2> /dev/null || break
			folder=${folder%/*}
			[ -n "$folder" ] || break
		done
	done
	rmdir "$DESTDIR$DATADIR" 2> /dev/null # of a version that took no notes
}

make_directories() {
	[ -d "$DESTDIR$SYSCONFDIR" ] || mkdir -p "$DESTDIR$SYSCONFDIR" 2> /dev/null ||
		as_root mkdir -p "$SYSCONFDIR"
	if [ -d "$DESTDIR$SPOOLDIR" ] && [ -z "$DESTDIR" ]; then
		# that of a user who has been made anew, with another number
		[ "$(ls -dln "$SPOOLDIR" | awk '{ print $3 }')" = "$(id -u "$user" 2> /dev/null || echo "$user")" ] ||
			later "chown -R $(owner) $SPOOLDIR"
		return
	fi
	[ -d "$DESTDIR$SPOOLDIR" ] || { mkdir -p "$DESTDIR${SPOOLDIR%/*}" 2> /dev/null &&
		mkdir -m 700 "$DESTDIR$SPOOLDIR" 2> /dev/null; } || as_root mkdir -p -m 700 "$SPOOLDIR"
	as_root chown "$(owner)" "$SPOOLDIR"
}

# Every line of it is a comment: without it mail goes to the recipients' own servers.
write_configuration() {
	conf=$DESTDIR$SYSCONFDIR/sortie.conf
	there "$conf" || [ ! -w "${conf%/*}" ] && return
	cat > "$conf" << END
#relay submission://me@example.com@smtp.example.com	# all mail goes there; else to the recipients' servers
#auth $SYSCONFDIR/auth	# machine smtp.example.com login me@example.com password "..."; chmod 600, his who sends
#postmaster admin@example.com	# hears of what cannot be delivered; all other keys: sortie.conf(5)
END
}

# --- what is left to say ---

# The front starts the program that it was built for.
look_inside() {
	grep -qF "$program" "$FRONT" ||
		echo "$FRONT was not built to start $program: make it with the same PREFIX and SBINDIR"
}

# Where programs look.
look_outside() {
	[ -n "$DESTDIR" ] || [ "$SBINDIR" = /usr/sbin ] || [ -x "$wrapper" ] || leads_here /usr/sbin/sendmail ||
		echo "programs look for /usr/sbin/sendmail, which is not this one: PREFIX=/usr, or a link"
}

# Mail is sent when it is submitted; what must be tried again waits for a queue run, which nobody starts unasked.
say_how_to_run() {
	echo 'mail that must be tried again waits for queue runs; one of these, as root, starts them:'
	if [ -n "$DESTDIR" ] || [ -d /run/systemd/system ]; then
		echo "	cp $DATADIR/sortie.service /etc/systemd/system/ && systemctl enable --now sortie"
	elif [ -x /sbin/openrc-run ]; then
		echo "	install -m 755 $DATADIR/sortie.openrc /etc/init.d/sortie && rc-update add sortie && rc-service sortie start"
	fi
	case $(uname) in
	FreeBSD | DragonFly)
		echo "	install -m 755 $DATADIR/sortie.freebsd /usr/local/etc/rc.d/sortie && service sortie enable && service sortie start" ;;
	NetBSD)
		echo "	install -m 755 $DATADIR/sortie.netbsd /etc/rc.d/sortie && echo sortie=YES >> /etc/rc.conf && service sortie start" ;;
	OpenBSD)
		echo "	install -m 755 $DATADIR/sortie.openbsd /etc/rc.d/sortie && rcctl enable sortie && rcctl start sortie" ;;
	esac
	if [ -d /etc/cron.d ] || [ -n "$DESTDIR" ]; then
		echo "	cp $DATADIR/sortie.cron /etc/cron.d/sortie"
	else
		echo "	crontab -e, and in it: */5 * * * * $program -q"
	fi
}

say_todo() {
	if [ -n "$todo" ] && [ -n "$DESTDIR" ]; then
		printf 'what the package must do when it is installed, as root:\n%s' "$todo"
	elif [ -n "$todo" ]; then
		printf 'not done; as root:\n%s' "$todo"
	fi
}

say_what_is_left() {
	look_inside
	look_outside
	say_todo
	say_how_to_run
	[ -n "$DESTDIR" ] || echo "whether all is well: $ctl check"
}

# Beside /usr/sbin/sendmail there is /usr/lib/sendmail, the older place, where some programs look first.
action=$1
case $action in
install)
	refuse_to_lack_rights "$SBINDIR" "$BINDIR" "$MANDIR" "$DATADIR" "$PREFIX/share"
	refuse_what_is_no_program "$PROGRAM" "$FRONT" "$CTL"
	refuse_strangers "$program" "$front" "$ctl"
	make_user
	make_folder "$SBINDIR"
	make_folder "$BINDIR"
	install_setuid "$PROGRAM" "$program" # the front, which is to find it, comes after it
	install_setuid "$FRONT" "$front"
	place "$CTL" "$ctl" 755
	link_names "$SBINDIR" sortie-sendmail sendmail send-mail hoststat purgestat
	link_names "$BINDIR" "$front" mailq newaliases
	[ "$SBINDIR" != /usr/sbin ] || { make_folder /usr/lib && link_names /usr/lib "$front" sendmail; }
	tell_mailwrapper
	make_directories
	write_configuration
	each_text install_text
	note_folders
	set_immutable "$program" "$front"
	say_what_is_left ;;
uninstall)
	refuse_to_lack_rights "$SBINDIR" "$BINDIR" "$MANDIR" "$DATADIR" "$PREFIX/share"
	unlink_names "$SBINDIR" sendmail send-mail hoststat purgestat
	unlink_names "$BINDIR" mailq newaliases
	[ "$SBINDIR" != /usr/sbin ] || unlink_names /usr/lib sendmail
	remove_alternatives
	untell_mailwrapper
	each_text uninstall_text
	for file in "$front" "$ctl" "$program"; do
		is_program "$DESTDIR$file" || continue
		clear_immutable "$file"
		must rm -f "$DESTDIR$file"
	done
	remove_folders
	say_todo
	echo "left: $SPOOLDIR, $SYSCONFDIR and the user $user" ;;
esac
exit $bad
