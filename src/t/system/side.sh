#!/bin/sh
# side.sh sortie|postfix: in a root of its own (enter.sh): sets this sendmail up with one relay line, makes every
# call of calls.sh, and keeps in /out what each printed, ended with, and what arrived.
mailer=$1
kit=/src/src/t/system
mail=/mail
. $kit/setup.sh

# Alice and Bob have no more than a login gives them.
as() { # user command...
	user=$1
	shift
	home=$(getent passwd "$user" | cut -d : -f 6)
	(cd "$home" && exec runuser -u "$user" -- env -i USER="$user" LOGNAME="$user" HOME="$home" TZ=UTC \
		LC_ALL=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:/usr/games "$@")
}

# call NAME USER [NEEDS]: the script on standard input is run by USER, if the command NEEDS is here.
call() {
	name=$1 to=/out/$1
	mkdir "$to"
	cat > "/calls/$name"
	if [ -n "$3" ] && ! command -v "$3" > /dev/null; then
		echo "no $3" > "$to/skipped"
		return
	fi
	as "$2" timeout 60 sh "/calls/$name" < /dev/null > "$to/stdout" 2> "$to/stderr"
	echo $? > "$to/exit"
	settled || echo 'still waits' > "$to/stuck"
	find $mail -name '0*' -exec mv {} "$to" \;
}

rm -rf /out/*
mkdir -m 755 /calls
start_receiver
setup_$mailer > /out/setup.log 2>&1 || {
	echo "system: $mailer cannot be set up: $(tail -n 3 /out/setup.log)"
	exit 1
}
. $kit/calls.sh
