#!/bin/sh
# administrator.sh: what is typed on a machine that has no mailer, timed; the provider's machine is at /beside.
kit=/src/src/t/system
mail=/nowhere
. $kit/setup.sh

now() { # milliseconds
	date +%s%3N
}

# The command, as it is typed, and what it took.
typed() {
	began=$(now)
	sh -c "$1" > /out/typed.log 2>&1
	status=$?
	spent=$(($(now) - began))
	total=$((total + spent))
	echo "$1" | awk -v ms=$spent '{ printf "%7s  # %s\n", NR == 1 ? sprintf("%.1f s", ms / 1000) : "", $0 }'
	[ $status = 0 ] && return
	echo "system: FAILED: it ended with $status: $(tail -n 3 /out/typed.log)"
	exit 1
}

arrived() {
	[ -f /out/1.mail ]
}

chroot /beside /usr/bin/python3 $kit/relay.py /out > /out/relay.log 2>&1 &
cp /out/ca.crt /usr/local/share/ca-certificates/authority.crt && update-ca-certificates > /dev/null 2>&1
mkdir -p /root/sortie && cp -a /src/Makefile /src/src /root/sortie && cd /root/sortie || exit 1
wait_for 200 [ -f /out/ready ] || { echo "system: FAILED: no relay: $(tail -n 1 /out/relay.log)"; exit 1; }
total=0
typed 'make -j 2 install PREFIX=/usr'
typed 'echo "relay submission://me@example.com@smtp.example.com" >> /etc/sortie/sortie.conf'
typed '(umask 077 && echo "machine smtp.example.com login me@example.com password \"correct horse\"" > /etc/sortie/auth)
chown sortie /etc/sortie/auth'
typed 'cp /usr/share/sortie/sortie.cron /etc/cron.d/sortie'
typed 'sortiectl check -n'
! grep -q -e ballast -e '^FAIL' /out/typed.log || { echo "system: FAILED: it is fresh: $(cat /out/typed.log)"; exit 1; }
typed 'sortie -bv -v postmaster@example.com'
began=$(now)
printf '%s\n' '@reboot printf "the nightly backup\n.\nfailed\n"' | crontab -
cron -f &
cron=$!
wait_for 300 arrived || echo 'system: FAILED: no mail has arrived'
kill $cron
printf '%5d ms  # from the start of cron to the provider'"'"'s answer\n' $(($(now) - began))
printf '%7s  # all commands\n' "$(awk -v ms=$total 'BEGIN { printf "%.1f s", ms / 1000 }')"
grep -q '^me@example.com TLS' /out/1.mail && grep -q '^From: .*root' /out/1.mail && grep -q '^failed' /out/1.mail || {
	echo "system: FAILED: this is not it: $(head -n 12 /out/1.mail)"
	exit 1
}
echo "system: ok: from a minimal system to cron's mail, over TLS and logged in, at the provider"

# What root can spoil is mended by typing what check says, a round for each thing that hid another.
mends() { # command that spoils
	chattr -i /usr/sbin/sortie /usr/sbin/sortie-sendmail 2> /dev/null # as a hint has it
	sh -c "$1" || { echo "system: FAILED: cannot be spoiled: $1"; exit 1; }
	sortiectl check -n > /out/spoiled.log
	! cmp -s /out/good.log /out/spoiled.log || { echo "system: FAILED: check sees nothing: $1"; exit 1; }
	for round in 1 2 3; do
		sortiectl check -n | sed -n 's/^	//p' | grep -v -e apt-get > /out/mend.sh
		sh -e /out/mend.sh > /out/mend.log 2>&1 < /dev/null || { echo "system: FAILED: $(cat /out/mend.sh /out/mend.log)"; exit 1; }
	done
	! sortiectl check -n | grep -q '^FAIL' && return
	echo "system: FAILED: not mended: $1: $(sortiectl check -n)"
	exit 1
}

sortiectl check -n > /out/good.log
mends 'userdel -f sortie'
mends 'chown root /usr/sbin/sortie && chmod 4755 /usr/sbin/sortie'
mends 'chmod 755 /usr/sbin/sortie-sendmail'
mends 'chown sortie /usr/sbin/sortiectl && chmod 4777 /usr/sbin/sortiectl'
mends 'rm /usr/sbin/sendmail /usr/lib/sendmail /usr/bin/mailq && cp /bin/true /usr/sbin/sendmail && ln -s /nowhere /usr/bin/mailq'
mends 'chmod 666 /etc/sortie/sortie.conf && chmod 700 /etc/sortie'
mends 'chmod 644 /etc/sortie/auth && chown root /etc/sortie/auth'
mends 'chown -R root /var/spool/sortie && chmod 755 /var/spool/sortie'
mends 'rm -r /var/spool/sortie'
mends 'chmod 700 /var/spool'
mends 'chmod 600 /etc/ssl/certs/ca-certificates.crt'
mends 'mv /etc/cron.d/sortie /etc/cron.d/sortie.cron'
mends 'rm /etc/cron.d/sortie*'
mends 'echo "local maildir" >> /etc/sortie/sortie.conf && sed -i "s/root/sortie/" /etc/cron.d/sortie'
echo "system: ok: what is spoiled is mended by typing what sortiectl check says"
