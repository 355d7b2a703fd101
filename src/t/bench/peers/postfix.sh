# postfix.sh: Postfix as Debian ships it, the queue manager draining messages that wait in incoming/.
#
# Defaults are kept (20 connections to a site, 5 at first, 100 processes, connections cached when a site
# is busy) but where the workload gives a number. In its favour: no TLS where the workload has none
# (Debian tries it), IPv4 alone, no chroot to be filled, nobody on the other side of syslog(3), and
# while it drains no server and no pickup.
. "$BENCH/peers/tree.sh"

postfix_id=5601 postdrop_id=5602
postfix_fill_port=10025

peer_install()
{
	peer_fetch postfix postfix &&
		chgrp $postdrop_id "$PEERS/postfix/usr/sbin/postdrop" "$PEERS/postfix/usr/sbin/postqueue" &&
		chmod 2755 "$PEERS/postfix/usr/sbin/postdrop" "$PEERS/postfix/usr/sbin/postqueue"
}

peer_version()
{
	peer_packaged postfix postfix
}

peer_can()
{
	case $1 in
	a* | b* | c | d50* | d200c20 | e | e0 | f | g | h* | j1k | k | one) return 0 ;;
	*) return 1 ;;
	esac
}

peer_setup()
{
	tree_mount postfix || return 1
	tree_user postfix $postfix_id /var/spool/postfix
	tree_user postdrop $postdrop_id /nonexistent
	rm -rf /etc/postfix
	cp -a "$PEERS/postfix/etc/postfix" /etc/postfix
	postfix_folders
	postfix_main >/etc/postfix/main.cf
	# While this one is new, who starts waits until it is two seconds old.
	touch -t 202001010000 /etc/postfix/main.cf
	postfix_services
}

# As post-install would make them.
postfix_folders()
{
	cd /var/spool || return 1
	mkdir -m 755 postfix postfix/pid /var/lib/postfix
	for postfix_folder in active bounce corrupt defer deferred flush hold incoming private saved trace; do
		mkdir -m 700 postfix/$postfix_folder
	done
	mkdir postfix/maildrop postfix/public
	chown -R postfix /var/lib/postfix postfix/[a-o]* postfix/pr* postfix/pu* postfix/[q-z]*
	chgrp postdrop postfix/maildrop postfix/public
	chmod 1730 postfix/maildrop
	chmod 2710 postfix/public
}

# inet_interfaces: an address that no site has, lest mail to 127.0.0.1 loops back to ourselves; Postfix
# wants to see it on an interface. in_flow_delay: nothing waits for the queue manager while there is none.
postfix_main()
{
	ip address add 127.255.255.254/32 dev lo 2>/dev/null
	cat /usr/share/postfix/main.cf.debian
	cat <<END
myhostname = out.bench.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.255.255.254
inet_protocols = ipv4
message_size_limit = 0
in_flow_delay = 0
import_environment = MAIL_CONFIG TZ LANG=C LD_PRELOAD SLOWSYNC_MS
END
	[ "$ROUTE" != relay ] || echo "relayhost = [127.0.0.1]:$PORT"
	[ "$TLS" = 0 ] || cat <<END
smtp_tls_security_level = encrypt
smtp_tls_CAfile = $CA
smtp_tls_session_cache_database = btree:\${data_directory}/smtp_scache
END
	[ -z "$CONCURRENCY" ] || cat <<END
default_destination_concurrency_limit = $CONCURRENCY
initial_destination_concurrency = $CONCURRENCY
default_process_limit = $((CONCURRENCY + 20))
END
}

# Debian's master.cf: for delivering without what takes mail in, for filling without what delivers.
postfix_services()
{
	awk '/^#/ { next } /^[a-z]/ && $5 == "y" { $5 = "n" } { print }' \
		/usr/share/postfix/master.cf.dist >/etc/postfix/master.all
	grep -v -e ' inet ' -e '^pickup' /etc/postfix/master.all >/etc/postfix/master.deliver
	{
		echo "127.0.0.1:$postfix_fill_port inet n - n - - smtpd"
		grep -v -e ' inet ' -e '^qmgr' /etc/postfix/master.all
	} >/etc/postfix/master.fill
}

# postfix_through COMMAND...: what it sends goes through Postfix into a folder, ready/.
postfix_through()
{
	cd /var/spool/postfix || return 1
	cp /etc/postfix/master.fill /etc/postfix/master.cf
	/usr/lib/postfix/sbin/master -d &
	# Its sockets are made in the order of master.cf, smtpd's first.
	until [ -S private/scache ]; do sleep 0.05; done
	"$@" || return 1
	# A message that is all there has its x bit set; one in maildrop/ is still pickup's.
	until [ -z "$(find maildrop -type f; find incoming -type f ! -perm -100)" ]; do
		sleep 0.1
	done
	kill $!
	wait $! 2>/dev/null
	[ -n "$(ls incoming)" ] || return 1
	mv incoming ready
	mkdir -m 700 incoming
	chown postfix incoming
}

# One message for each length that a domain's name may have takes that way. The others are copies of
# its queue file, whose name may be any hexadecimal number: 10,000 syncs would take half a minute.
peer_fill()
{
	postfix_through postfix_patterns $(($2 - 300)) "$3" || return 1
	mv ready patterns
	mkdir -m 700 ready
	postfix_copies=$(yes copy | head -n $(($1 / $3)))
	postfix_domain=0
	for postfix_pattern in 0 10 100; do
		postfix_file=$(grep -l "d$postfix_pattern\.bench" patterns/*)
		while [ $postfix_domain -lt "$3" ] && [ ${#postfix_domain} = ${#postfix_pattern} ]; do
			postfix_copy "$postfix_file" || return 1
			postfix_domain=$((postfix_domain + 1))
		done
	done
	rm -r patterns
	chown -R postfix ready && find ready -type f -exec chmod 700 {} +
}

# The headers that smtp-source(1) and smtpd write are some 300 octets.
postfix_patterns()
{
	for postfix_pattern in 0 10 100; do
		[ $postfix_pattern -ge "$2" ] || smtp-source -l "$1" -f a@bench.example \
			-t "r@d$postfix_pattern.bench.example" 127.0.0.1:$postfix_fill_port || return 1
	done
}

postfix_copy()
{
	sed "s/d$postfix_pattern\.bench/d$postfix_domain.bench/g" "$1" >copy || return 1
	if [ "$postfix_copies" = copy ]; then
		mv copy "ready/A$postfix_domain"
	else
		cat $postfix_copies | split -d -a 5 -b "$(wc -c <copy)" - "ready/A$postfix_domain"
	fi
}

# One message to many, through pickup.
peer_fill_c()
{
	postfix_through postfix_once "$@"
}

postfix_once()
{
	message "$2" | /usr/sbin/sendmail -f a@bench.example $(awk 'BEGIN {
		for (i = 0; i < 10000; i++)
			print i "@d" i % 1000 ".bench.example"
	}')
}

# Starting is not delivering: what waits becomes visible when the queue manager is there.
peer_drain()
{
	cp /etc/postfix/master.deliver /etc/postfix/master.cf
	/usr/lib/postfix/sbin/master -d &
	until grep -q -x qmgr /proc/[0-9]*/comm; do sleep 0.05; done 2>/dev/null
	sleep 0.3
	cd /var/spool/postfix && rmdir incoming && mv ready incoming || return 1
	measure_start
	postkick public qmgr W
	wait
}

# With nobody who would pick it up, in whose place there is something, lest each call complains.
peer_submit()
{
	[ -p /var/spool/postfix/public/pickup ] || mkfifo /var/spool/postfix/public/pickup
	echo /usr/sbin/sendmail -f a@bench.example
}

# This one asks daemons about addresses, whose part of the work is in the time but not in the CPU.
peer_submit_hbs()
{
	peer_submit >/dev/null || return 1
	grep -v -e '^qmgr' /etc/postfix/master.deliver >/etc/postfix/master.cf
	/usr/lib/postfix/sbin/master -d >/dev/null 2>&1 &
	until [ -S /var/spool/postfix/private/scache ]; do sleep 0.05; done
	echo /usr/sbin/sendmail -bs
}

peer_submitted()
{
	find /var/spool/postfix/maildrop -type f | wc -l
}

# A session is a process; the few others count for little.
peer_extra_j1k()
{
	awk 'NR == 1 { printf "session_kib=%.0f\n", $6 / $5 }' "$OUT"
}

peer_stop()
{
	:
}
