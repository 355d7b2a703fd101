#!/bin/sh
# users.sh sortie: in a root of its own: what Alice and Bob see of each other's mail, and what both see on a terminal
# of 80 columns.
kit=/src/src/t/system
mail=/mail
bad=0
. $kit/setup.sh

ok() { # what command...
	what=$1
	shift
	if "$@"; then
		echo "system: ok: $what"
	else
		echo "system: FAILED: $what"
		bad=1
	fi
}

not() {
	! "$@"
}

has() { # text file
	grep -q -e "$1" "$2"
}

by() { # user script: what it prints is in /tmp/said
	runuser -u "$1" -- env -i HOME="/home/$1" PATH=/usr/bin:/bin:/usr/sbin:/sbin TERM=xterm TZ=UTC sh -c "$2" > /tmp/said 2>&1
}

ends_with() { # status user script
	by "$2" "$3"
	[ $? = "$1" ]
}

queued() {
	find /var/spool/sortie/ctl -type f | wc -l
}

relay() { # port
	echo "relay smtp://127.0.0.1:$1" > /etc/sortie/sortie.conf
}

# Takes connections and says nothing, ever; and one port where nobody is.
silent_relay() {
	python3 -c 'import socket, time
s = socket.create_server(("127.0.0.1", 2526))
open("/tmp/silent", "w").close()
time.sleep(600)' &
	wait_for 100 [ -f /tmp/silent ]
}

queues() {
	by alice 'printf "To: secret.friend@example.net\nSubject: wedding\n\nfrom a wallflower\n" | sendmail -odq -t'
	by bob 'printf "Subject: x\n\ntext\n" | sendmail -odq carol@example.com'
	ok "two messages are queued" [ "$(queued)" = 2 ]
	by bob mailq
	ok "mailq shows Bob his own" has carol@example.com /tmp/said
	ok "mailq shows Bob nothing of Alice's" not has 'secret.friend\|alice' /tmp/said
	by alice mailq
	ok "mailq shows Alice hers" has secret.friend@example.net /tmp/said
	ok "and nothing of Bob's" not has carol@example.com /tmp/said
	mailq > /tmp/said
	ok "mailq shows root all" [ "$(grep -c -e secret.friend -e carol@ /tmp/said)" = 2 ]
	ok "Bob may not list the spool" not by bob 'ls /var/spool/sortie'
	ok "Bob may not read the spool" not by bob 'cat /var/spool/sortie/msg/* /var/spool/sortie/ctl/*'
	ok "Bob may not ask sortiectl" ends_with 77 bob 'sortiectl list'
	ok "Bob may not run what he chooses" ends_with 77 bob 'sortie -qRsecret'
	ok "Bob may not watch" ends_with 77 bob 'sortie -v -q'
	ok "Bob may make a run" ends_with 0 bob 'sortie -q'
	ok "which leaves Alice's where it is" [ "$(queued)" = 1 ]
	settled_to 1
	ok "Bob's has arrived, hers has not" [ "$(cat $mail/*.envelope | grep -c @example)" = 1 ]
	by alice 'sortie -q'
	ok "Alice's own run sends it" settled
}

settled_to() {
	wait_for 100 eval "[ \$(queued) = $1 ]"
}

# While her mail is on its way Bob reads all of /proc that he may.
processes() {
	relay 2526
	by alice 'printf "To: secret.friend@example.net\nSubject: wedding\n\nfrom a wallflower\n" | sendmail -t'
	ok "Alice's mail is being delivered" wait_for 50 eval 'grep -l -a sortie /proc/[0-9]*/cmdline > /dev/null 2>&1'
	by bob 'for p in /proc/[0-9]*; do
		for f in cmdline environ maps mem stack syscall auxv io comm status cwd exe root; do
			head -c 1000000 $p/$f; readlink $p/$f
		done
		for f in $p/fd/* $p/fdinfo/*; do head -c 1000000 $f; readlink $f; done
	done 2> /dev/null < /dev/null'
	ok "Bob looked" has bash\\\|sh /tmp/said
	ok "/proc shows Bob nothing of Alice's mail" not has 'secret.friend\|wedding\|wallflower' /tmp/said
	by bob 'ps_mail=$(grep -l -a sortie /proc/[0-9]*/cmdline | cut -d / -f 3); kill $ps_mail 2> /dev/null; kill -0 $ps_mail'
	ok "nor may he end it" [ "$(queued)" = 1 ]
	kill "$(grep -l -a -e --deliver /proc/[0-9]*/cmdline 2> /dev/null | cut -d / -f 3 | head -n 1)" 2> /dev/null
}

# Bob reads with mailx what Alice and root sent him, and nobody else can.
mailboxes() {
	{ echo 'relay smtp://127.0.0.1:2525' && echo 'local mbox'; } > /etc/sortie/sortie.conf
	printf 'root: bob\n' > /etc/aliases
	by alice 'printf "Subject: from Alice\n\nFrom a wallflower\n" | sendmail bob'
	by root 'printf "Subject: from root\n\ntext\n" | sendmail root'
	sortie -q
	ok "mail for users of this machine is delivered" settled
	by bob 'echo x | bsd-mailx -f /var/mail/bob'
	ok "Bob's mailx shows both" [ "$(grep -c -e 'from Alice' -e 'from root' /tmp/said)" = 2 ]
	ok "his mailbox is his alone" [ "$(stat -c '%U %a' /var/mail/bob)" = 'bob 600' ]
	ok "Alice may not read it" not by alice 'cat /var/mail/bob'
	rm /etc/aliases
}

# --- on a terminal ---

# The lines of a terminal of 80 columns into /out/NAME.80, and those that the command wrote into NAME.whole.
typed() { # name command
	rm -f /tmp/done
	tmux -L "$1" -f /dev/null new-session -d -x 80 -y 50 "sh -c '$2; echo > /tmp/done; sleep 60'" &&
		wait_for 200 [ -f /tmp/done ] && sleep 0.3
	tmux -L "$1" capture-pane -p -S - > "/out/$1.80"
	tmux -L "$1" capture-pane -p -J -S - > "/out/$1.whole"
	tmux -L "$1" kill-server
	ok "$1 says something" [ -n "$(tr -d ' \n' < "/out/$1.80")" ]
}

# Of whole lines those that are longer than the terminal, but for what is written out in full wherever it is read: what
# is said and logged, addresses, -bv's verdict.
too_long() { # name
	grep -v -e '^<<<' -e '^>>>' -e '^-- [^ ]*: to=<' -e '^ *[^ ]*$' -e '\.\.\. deliverable: ' "/out/$1.whole" | grep '.\{81\}'
}

fits() { # name command
	typed "$@"
	ok "$1 fits 80 columns" not too_long "$1"
}

terminal() {
	relay 2527
	by alice 'printf "Subject: x\n\ntext\n" | sendmail -odq a.person.with.a.rather.long.name@a.department.example.com'
	by bob 'printf "Subject: x\n\ntext\n" | sendmail -odq carol@example.com dave@example.com'
	sortie -q
	id=$(find /var/spool/sortie/ctl -type f | head -n 1)
	fits mailq mailq
	sortiectl help > /tmp/commands 2>&1
	for command in list shape stats sites 'check -n'; do
		! grep -q "^ *${command%% *}" /tmp/commands || fits "sortiectl_${command%% *}" "sortiectl $command"
	done
	typed sortiectl_show "sortiectl show ${id##*/}"
	relay 2525
	fits sendmail_v 'printf "Subject: x\n\ntext\n" | sendmail -v carol@example.com'
	fits sortie_bv 'sortie -bv -v carol@example.com'
}

rm -rf /out/*
start_receiver
setup_sortie > /out/setup.log 2>&1 || exit 1
relay 2525
queues
silent_relay
processes
mailboxes
terminal
exit $bad
