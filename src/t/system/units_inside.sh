# units_inside.sh: what units.sh does where systemd is the first process. Everything here is thrown away.
cd /sortie-units || exit 1
touch out/began
ip link set lo up
useradd -m alice
bad=0

is() { # name command...
	name=$1
	shift
	if "$@"; then
		echo "units: ok: $name"
	else
		echo "units: FAILED: $name: $*"
		bad=1
	fi
}

# Ten seconds at most.
soon() { # command...
	tries=0
	until "$@" > /dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || return 1
		sleep 0.1
	done
}

arrived() { # recipient
	grep -q " $1$" record
}

as_alice() { # sendmail's arguments
	echo hello | su alice -c "/usr/sbin/sendmail $*"
}

runs_as() { # user...: the processes of the service, in order
	[ "$(ps -eo user,args | sed -n 's| */usr/sbin/sortie -q5m$||p' | tr '\n' ' ')" = "$* " ]
}

result_is() { # unit result
	systemctl show -p Result "$1" | grep -q "^Result=$2$"
}

PROGRAM=./sortie FRONT=./sendmail CTL=./sortiectl DESTDIR='' PREFIX=/usr SBINDIR=/usr/sbin BINDIR=/usr/bin \
	SYSCONFDIR=/etc/sortie SPOOLDIR=/var/spool/sortie SORTIEUSER=sortie sh src/install.sh install
ln -sf sortie-sendmail /usr/sbin/sendmail
cp /usr/share/sortie/*.service /usr/share/sortie/*.timer /usr/share/sortie/*.socket /etc/systemd/system/
systemctl daemon-reload
./sink --port-file port --record record &
soon test -s port || exit 1
printf '%s\n' 'hostname out.example.org' 'log /var/spool/sortie/log' 'hosts none' \
	"relay smtp://[127.0.0.1]:$(cat port)" > /etc/sortie/sortie.conf

is service_starts systemctl start sortie
is service_is_the_users_alone soon runs_as sortie sortie
as_alice ann@example.net
is service_delivers soon arrived ann@example.net
systemctl reload sortie
is service_reads_its_configuration_again soon grep -q 'configuration read again' /var/spool/sortie/log
is service_stops systemctl stop sortie
is service_ended_well result_is sortie success

as_alice -odq bob@example.net
is one_run_starts systemctl start sortie-queue.service
is one_run_delivers arrived bob@example.net
is timer_starts systemctl start sortie-queue.timer
is timer_leads_to_a_run eval 'systemctl list-timers | grep -q sortie-queue.service'
systemctl stop sortie-queue.timer

is socket_starts systemctl start sortie-smtp.socket
by_smtp() { # address recipient
	python3 -c 'import smtplib, sys
s = smtplib.SMTP(sys.argv[1], 25)
s.sendmail("a@example.org", [sys.argv[2]], "Subject: hello\r\n\r\nhello\r\n")
s.quit()' "$1" "$2"
}
is takes_mail_by_smtp by_smtp 127.0.0.1 carl@example.net
is delivers_what_came_by_smtp soon arrived carl@example.net
is takes_mail_by_smtp_over_ipv6 by_smtp ::1 dora@example.net
is delivers_what_came_over_ipv6 soon arrived dora@example.net
systemctl stop sortie-smtp.socket

mkdir -p /etc/systemd/system/sortie.service.d
cp /usr/share/sortie/sortie-local.conf /etc/systemd/system/sortie.service.d/local.conf
systemctl daemon-reload
echo 'local maildir' >> /etc/sortie/sortie.conf
is service_with_mailboxes_starts systemctl start sortie
is one_process_stays_root soon runs_as sortie root sortie
as_alice alice
is maildir_is_written soon eval '[ -f /home/alice/Maildir/new/* ]'
sed -i 's/^local .*/local mbox/' /etc/sortie/sortie.conf
systemctl restart sortie
as_alice alice
is mbox_is_written soon test -s /var/mail/alice
is service_with_mailboxes_stops systemctl stop sortie
is service_with_mailboxes_ended_well result_is sortie success
is nothing_is_left eval 'mailq | grep -q "^Mail queue is empty"'
[ $bad = 1 ] || echo 'units: all is well'
journalctl --no-pager -t sortie | tail -n 30
