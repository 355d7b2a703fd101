#!/bin/sh
# install.sh install | uninstall: what make install and make uninstall do.
#
# Installs PROGRAM as sortie and FRONT as sortie-sendmail, both setuid and setgid to SORTIEUSER, the names
# that the latter is called by, and makes the spool (0700, his) and the configuration's directory. All of
# these come in the environment: PROGRAM FRONT PREFIX SBINDIR BINDIR SYSCONFDIR SPOOLDIR SORTIEUSER, and DESTDIR, below
# which a package is built: then no user is made and nothing gets an owner. What cannot be done is
# said, with the command that does it, and the rest is done. What is there of a configuration or a
# spool is left alone; uninstall leaves both.
umask 022
program=$SBINDIR/sortie
front=$SBINDIR/sortie-sendmail
user=$SORTIEUSER
todo=
bad=0

# Whether we can do what only root can.
live() {
	[ "$(id -u)" = 0 ] && [ -z "$DESTDIR" ]
}

# Done, or put on the list.
as_root() { # command...
	live && "$@" && return
	todo="$todo	$*
"
}

must() { # command...
	"$@" && return
	bad=1
}

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
	*) todo="$todo	chflags schg $*
" ;;
	esac
}

clear_immutable() { # file...
	for file; do
		live && [ -f "$file" ] || continue
		chattr -i "$file" 2> /dev/null || chflags noschg "$file" 2> /dev/null
	done
}

install_program() { # built installed
	new=$DESTDIR$SBINDIR/.sortie.$$

	must mkdir -p "$DESTDIR$SBINDIR" "$DESTDIR$BINDIR"
	clear_immutable "$2"
	# The old one may be running, and there must be a whole one at any moment.
	if ! cp "$1" "$new"; then # a full disk: the old one stays whole
		rm -f "$new"
		bad=1
		return
	fi
	if live && chown "$(owner)" "$new" && chmod 6755 "$new"; then
		must mv -f "$new" "$DESTDIR$2"
	else
		must chmod 755 "$new"
		must mv -f "$new" "$DESTDIR$2"
		todo="$todo	chown $(owner) $2
	chmod 6755 $2
"
	fi
}

ours() { # name: a link to one of our programs
	case $(readlink "$1" 2> /dev/null) in
	sortie | "$program" | sortie-sendmail | "$front") return 0 ;;
	esac
	return 1
}

link_names() { # directory target name...
	dir=$1 target=$2
	shift 2
	for name; do
		if { [ -e "$DESTDIR$dir/$name" ] || [ -L "$DESTDIR$dir/$name" ]; } &&
			! ours "$DESTDIR$dir/$name"; then
			echo "$dir/$name is somebody else's and was left"
			todo="$todo	ln -sf $target $dir/$name
"
		else
			must ln -sf "$target" "$DESTDIR$dir/$name"
		fi
	done
}

unlink_names() { # directory name...
	dir=$1
	shift
	for name; do
		ours "$DESTDIR$dir/$name" && must rm -f "$DESTDIR$dir/$name"
	done
}

make_directories() {
	[ -d "$DESTDIR$SYSCONFDIR" ] || mkdir -p "$DESTDIR$SYSCONFDIR" 2> /dev/null ||
		as_root mkdir -p "$SYSCONFDIR"
	[ -d "$DESTDIR$SPOOLDIR" ] && [ -z "$DESTDIR" ] && return
	[ -d "$DESTDIR$SPOOLDIR" ] || { mkdir -p "$DESTDIR${SPOOLDIR%/*}" 2> /dev/null &&
		mkdir -m 700 "$DESTDIR$SPOOLDIR" 2> /dev/null; } || as_root mkdir -p -m 700 "$SPOOLDIR"
	as_root chown "$(owner)" "$SPOOLDIR"
}

# The front starts the program that it was built for.
look_inside() {
	grep -qF "$program" "$FRONT" ||
		echo "$FRONT was not built to start $program: make it with the same PREFIX and SBINDIR"
}

# Where programs look.
look_outside() {
	[ -n "$DESTDIR" ] || [ "$SBINDIR" = /usr/sbin ] || ours /usr/sbin/sendmail ||
		[ "$(readlink /usr/sbin/sendmail 2> /dev/null)" = "$SBINDIR/sendmail" ] ||
		echo "programs look for /usr/sbin/sendmail, which is not this one: PREFIX=/usr, or a link"
}

case $1 in
install)
	make_user
	install_program "$PROGRAM" "$program" # the front, which is to find it, comes after it
	install_program "$FRONT" "$front"
	link_names "$SBINDIR" sortie-sendmail sendmail send-mail hoststat purgestat
	link_names "$BINDIR" "$front" mailq newaliases
	make_directories
	set_immutable "$program" "$front"
	look_inside
	look_outside
	if [ -n "$todo" ] && [ -n "$DESTDIR" ]; then
		printf 'what the package must do when it is installed, as root:\n%s' "$todo"
	elif [ -n "$todo" ]; then
		printf 'not done; as root:\n%s' "$todo"
	fi ;;
uninstall)
	clear_immutable "$program" "$front"
	unlink_names "$SBINDIR" sendmail send-mail hoststat purgestat
	unlink_names "$BINDIR" mailq newaliases
	must rm -f "$DESTDIR$front" "$DESTDIR$program"
	echo "left: $SPOOLDIR, $SYSCONFDIR and the user $user" ;;
esac
exit $bad
