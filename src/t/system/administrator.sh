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
