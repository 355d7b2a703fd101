# calls.sh: how programs call sendmail, each as USER; read by side.sh. What a program here does is done by that
# program, as Debian ships it; where it cannot run in a root of its own the call is as its source has it.

# --- programs ---

# do_command.c of cron: "%s -FCronDaemon -i -B8BITMIME -oem %s"; @reboot is when cron starts.
call cron root cron << 'END'
printf '@reboot printf "hello\\n.\\n\\303\\274\\n"\n' | crontab -u alice - || exit
printf 'MAILTO=ops@example.net,bob\n@reboot echo to others; echo wrong >&2\n' | crontab -
cron -f &
n=0
while [ "$(ls /mail/*.message 2> /dev/null | wc -l)" -lt 2 ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
kill $!
END

call reportbug alice reportbug << 'END'
python3 - << 'PY'
from reportbug import submit, utils
submit.send_report('Package: sortie\nVersion: 1\n\nIt b\u00fcgs.\n.\nend\n', [], '', 'Alice Liddell <alice@sys.example.org>',
    'submit@bugs.debian.org', '', 'bob@example.net', [], 'sortie', charset='utf-8', rtype='debbugs', mta='/usr/sbin/sendmail', smtphost='')
PY
END

call git alice git << 'END'
git init -q repo && cd repo || exit
git config user.name 'Alice Liddell' && git config user.email alice@example.org
printf 'one\n.\nlast line without an end' > file
export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
git add file && git commit -q -m 'Grüße: a subject of eight bits' -m 'From here on a body.' || exit
git send-email --quiet --confirm=never --suppress-cc=all --smtp-server=/usr/sbin/sendmail --to bob@example.net \
	--cc 'Carol <carol@example.com>' -1
END

call git_found_by_itself alice git << 'END'
cd repo && git send-email --quiet --confirm=never --suppress-cc=all --to bob@example.net \
	--envelope-sender bounces@example.org -1
END

call php_mail alice php << 'END'
php -r 'exit(mail("bob@example.net, Carol <carol@example.com>", "=?UTF-8?B?U8O8Yg==?=", "line\n.\nline\r\nü",
	["From" => "web@example.org", "Bcc" => "dave@example.com", "X-Mine" => "1"], "-fwww@example.org") ? 0 : 1);'
END

call php_mail_plain alice php << 'END'
php -r 'exit(mail("bob@example.net", "plain", "text") ? 0 : 1);'
END

call mime_lite alice perl << 'END'
perl -MMIME::Lite -e 'my $m = MIME::Lite->new(From => q(alice@example.org), To => q(bob@example.net), Cc => q(carol@example.com),
	Subject => q(lite), Type => q(text/plain; charset=utf-8), Data => "text\n.\n\xc3\xbc\n"); $m->send or exit 1'
END

call mime_lite_from_sender alice perl << 'END'
perl -MMIME::Lite -e 'my $m = MIME::Lite->new(From => q(alice@example.org), To => q(bob@example.net), Subject => q(lite), Data => "text");
	$m->send("sendmail", FromSender => q(bounces@example.org)) or exit 1'
END

call python_t alice python3 << 'END'
python3 - << 'PY'
import subprocess
from email.message import EmailMessage
m = EmailMessage()
m['From'], m['To'], m['Subject'] = 'Alice <alice@example.org>', 'Bob <bob@example.net>, carol@example.com', 'Grüße'
m.set_content('text\n.\nü\n')
raise SystemExit(subprocess.run(['/usr/sbin/sendmail', '-t', '-oi'], input=m.as_bytes()).returncode)
PY
END

call python_f alice python3 << 'END'
python3 - << 'PY'
import subprocess
raise SystemExit(subprocess.run(['/usr/sbin/sendmail', '-oi', '-f', 'app@example.org', '--', 'bob@example.net'],
    input=b'Subject: raw\nFrom: app@example.org\n\ntext\n.\n').returncode)
PY
END

# Monitor.c of mdadm: popen("/usr/lib/sendmail -t"), and its words; it wants an array to watch.
call mdadm root mdadm << 'END'
sendmail=$(grep -a -o '/usr/[a-z]*/sendmail -t' "$(command -v mdadm)" | head -n 1)
printf 'From: mdadm monitoring <root>\nTo: %s\nSubject: TestMessage event on /dev/md0:%s\n\n%s\n\n%s\n\n%s\n' root sys.example.org \
	'This is an automatically generated mail message from mdadm' 'A TestMessage event had been detected on md device /dev/md0.' \
	'Faithfully yours, etc.' | $sendmail
END

# What smartd starts; it wants a disk to watch.
call smartd root smartd << 'END'
SMARTD_ADDRESS='root,ops@example.net' SMARTD_MAILER=mail SMARTD_DEVICE=/dev/sda SMARTD_DEVICETYPE=ata SMARTD_DEVICESTRING=/dev/sda \
	SMARTD_DEVICEINFO='a disk' SMARTD_MESSAGE='TEST EMAIL from smartd for device: /dev/sda' SMARTD_FAILTYPE=EmailTest \
	SMARTD_PREVCNT=0 SMARTD_NEXTDAYS='' SMARTD_SUBJECT=test SMARTD_TFIRST=now SMARTD_TFIRSTEPOCH=1700000000 \
	sh "$(find /etc/smartmontools /usr/share/smartmontools -name 'smartd_warning.sh' | head -n 1)"
END

call fail2ban root fail2ban-server << 'END'
mkdir -p /run/fail2ban && : > /var/log/auth.log && cat > /etc/fail2ban/jail.local << 'JAIL'
[DEFAULT]
backend = polling
[sshd]
enabled = false
[door]
enabled = true
filter = sshd
logpath = /var/log/auth.log
action = sendmail-whois[name=door, dest=ops@example.net, sender=fail2ban@example.org, sendername=Fail2Ban]
JAIL
fail2ban-server -xb --logtarget /tmp/fail2ban.log start > /dev/null || exit
n=0
until fail2ban-client status door > /dev/null 2>&1 || [ $n -gt 100 ]; do sleep 0.1; n=$((n + 1)); done
fail2ban-client set door banip 192.0.2.1 > /dev/null
n=0
until [ "$(ls /mail/*.message 2> /dev/null | wc -l)" -ge 2 ] || [ $n -gt 100 ]; do sleep 0.1; n=$((n + 1)); done
fail2ban-client stop > /dev/null
n=0
while fail2ban-client ping > /dev/null 2>&1 && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
END

call logwatch root logwatch << 'END'
mkdir -p /var/cache/logwatch && printf 'Nov 24 10:00:00 sys su[1]: FAILED SU (to root) bob on pts/0\n' > /var/log/auth.log
logwatch --output mail --format text --mailto root --range all --service secure --hostname sys.example.org
END

call mutt alice mutt << 'END'
printf 'set from=alice@example.org realname="Alice Liddell" use_envelope_from=yes copy=no\n' > .muttrc
printf 'text\n.\nü\n' | mutt -s 'Grüße' -c carol@example.com -b dave@example.com -- bob@example.net
END

call mutt_plain alice mutt << 'END'
rm -f .muttrc
printf 'text without an end' | mutt -e 'set copy=no' -s plain bob@example.net
END

call s_nail alice s-nail << 'END'
printf 'text\n.\nü\n' | s-nail -s 'Grüße' -c carol@example.com -r alice@example.org bob@example.net
END

call s_nail_plain alice s-nail << 'END'
printf 'text' | s-nail -s plain bob@example.net bob
END

call bsd_mailx alice bsd-mailx << 'END'
printf 'text\n.\nmore\n' | bsd-mailx -s 'a subject' -c carol@example.com -b dave@example.com bob@example.net root
END

call bsd_mailx_from alice bsd-mailx << 'END'
printf 'text\n' | bsd-mailx -s from -a 'From: Monitor <monitor@example.org>' -r monitor@example.org bob@example.net
END

# As Nagios' command notify-host-by-email.
call nagios root mail << 'END'
/usr/bin/printf "%b" "***** Nagios *****\n\nNotification Type: PROBLEM\nHost: db1\nState: DOWN\n" |
	mail -s "** PROBLEM Host Alert: db1 is DOWN **" ops@example.net
END

call swaks_bs alice swaks << 'END'
swaks --silent 2 --pipe '/usr/sbin/sendmail -bs' --from alice@example.org --to bob@example.net,carol@example.com \
	--h-Message-Id '<swaks@example.org>' --body 'text\n.\nend'
END

# Transports of Symfony's Mailer: SMTP with a process that stays; a pipe, in which it doubles dots unless it sees -i.
call symfony_bs alice php << 'END'
cat > symfony.php << 'PHP'
<?php
require '/usr/share/php/Symfony/Component/Mailer/autoload.php';
$mailer = new Symfony\Component\Mailer\Mailer(Symfony\Component\Mailer\Transport::fromDsn($argv[1]));
foreach (['one', 'two'] as $n)
	$mailer->send((new Symfony\Component\Mime\Email())->from('alice@example.org')->to('bob@example.net', 'Carol <carol@example.com>')
		->bcc('dave@example.com')->subject("Grüße, $n")->text("text\n.\n..two\nü\n"));
PHP
php symfony.php sendmail://default
END

call symfony_t alice php << 'END'
php symfony.php 'sendmail://default?command=/usr/sbin/sendmail%20-t'
END

call symfony_t_i alice php << 'END'
php symfony.php 'sendmail://default?command=/usr/sbin/sendmail%20-oi%20-t'
END

call phpmailer alice php << 'END'
php << 'PHP'
<?php
require '/usr/share/php/libphp-phpmailer/autoload.php';
$m = new PHPMailer\PHPMailer\PHPMailer(true);
$m->isSendmail();
$m->setFrom('shop@example.org', 'A Shop');
$m->Sender = 'bounces@example.org';
$m->addAddress('bob@example.net', 'Bob');
$m->addBCC('dave@example.com');
$m->Subject = 'Order';
$m->Body = "text\n.\nend";
exit($m->send() ? 0 : 1);
PHP
END

# Its recipients stand on the command line, one of them looks like an option.
call email_sender alice perl << 'END'
perl -MEmail::Sender::Simple=sendmail -MEmail::Simple -e 'sendmail(Email::Simple->create(header => [From => q(alice@example.org),
	To => q(bob@example.net), Subject => q(x)], body => "text\n.\n\n"), { from => q(bounces@example.org), to => [q(bob@example.net), q(carol@example.com)] })'
END

call ruby_mail alice ruby << 'END'
ruby -e 'require "mail"; Mail.deliver { delivery_method :sendmail; charset = "UTF-8"; from "Alice <alice@example.org>"
	to ["bob@example.net", "Carol <carol@example.com>"]; bcc "dave@example.com"; subject "Grüße"; body "text\n.\nend" }'
END

call smtplib_bs alice python3 << 'END'
python3 - << 'PY'
import smtplib, socket, subprocess
ours, theirs = socket.socketpair()
child = subprocess.Popen(['/usr/sbin/sendmail', '-bs'], stdin=theirs, stdout=theirs)
theirs.close()
class Pipe(smtplib.SMTP):
    def _get_socket(self, *_):
        return ours
with Pipe('pipe', 25, local_hostname='me') as s:
    try:
        s.sendmail('alice@example.org', ['nobody'], 'Subject: one\r\n\r\n.\r\ntext\r\n')
        s.sendmail('alice@example.org', ['bob@example.net', 'carol@example.com'], 'Subject: two\r\n\r\n.\r\ntext\r\n')
        s.sendmail('alice@example.org', ['<>'], 'Subject: three\r\n\r\ntext\r\n')
    except smtplib.SMTPRecipientsRefused:
        print('refused')
raise SystemExit(child.wait())
PY
END

# --- command lines ---

# What do_command.c of cronie, runjob.c of anacron, atd.c of at, sudo and sendmail.el of Emacs write and start.
call cronie root << 'END'
printf 'From: "(Cron Daemon)" <root>\nTo: root\nSubject: Cron <root@sys> job\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\nAuto-Submitted: auto-generated\nPrecedence: bulk\nX-Cron-Env: <LANG=C.UTF-8>\n\ntext\n.\n\303\274\n' |
	/usr/sbin/sendmail -FCronDaemon -i -odi -oem -oi -t -f root
END

call anacron root << 'END'
printf "From: Anacron <root>\nTo: root\nContent-Type: text/plain; charset=\"UTF-8\"\nSubject: Anacron job 'cron.daily' on sys\n\ntext\n" |
	/usr/sbin/sendmail -FAnacron -odi root
END

call at alice << 'END'
printf 'Subject: Output from your job        1\nTo: alice\n\ntext\n.\nend\n' | /usr/sbin/sendmail alice
END

call sudo root << 'END'
printf 'To: root\nFrom: alice\nAuto-Submitted: auto-generated\nSubject: *** SECURITY information for sys ***\n\nsys : Nov 24 10:00:00 : alice : user NOT in sudoers\n\n' |
	/usr/sbin/sendmail -t
END

call emacs alice << 'END'
printf 'From: Alice Liddell <alice@sys.example.org>\nTo: bob@example.net\nSubject: x\n\ntext\n' | /usr/sbin/sendmail -oi -f alice -oem -odb -t
END

# A transport of Symfony's: EHLO, one message after another, RSET, a recipient it was not told.
call bs alice << 'END'
printf '%s\r\n' 'EHLO [127.0.0.1]' 'MAIL FROM:<alice@example.org>' 'RCPT TO:<bob@example.net>' DATA 'Subject: one' '' '..dots' '.' \
	RSET 'MAIL FROM:<>' 'RCPT TO:<bob@example.net>' 'RCPT TO:<carol@example.com>' DATA 'Subject: two' '' text '.' QUIT |
	/usr/sbin/sendmail -bs | cut -c 1-3 | uniq
END

call bp alice << 'END'
sendmail -bp
END

call mailq alice << 'END'
mailq
END

# What waits, for whom and why, as scripts look for it; then a run by hand.
call deferred root << 'END'
printf 'From: alice@example.org\nSubject: x\n\ntext\n' | sendmail -f alice@example.org later@example.net
n=0
until mailq | grep -q 'come again' || [ $n -gt 100 ]; do sleep 0.1; n=$((n + 1)); done
mailq > /tmp/waits
grep -o 'alice@example.org' /tmp/waits
grep -o 'later@example.net' /tmp/waits
grep -o '451 4.7.1 come again' /tmp/waits
grep -c '^[0-9A-Za-z]' /tmp/waits
sed -n '$s/ [0-9]* Kbytes / N Kbytes /p' /tmp/waits
sendmail -q
n=0
until ls /mail/*.message > /dev/null 2>&1 || [ $n -gt 20 ]; do sleep 0.1; n=$((n + 1)); done
ls /mail/*.message > /dev/null 2>&1 || { echo 'it waits for its time' >&2 && sendmail -qRlater; }
END

call newaliases root << 'END'
newaliases
END

call q root << 'END'
sendmail -q
END

call q_time_as_user alice << 'END'
printf 'Subject: x\n\ntext\n' | sendmail -odq bob@example.net && sendmail -q
END

call bv alice << 'END'
sendmail -bv bob@example.net > /dev/null
END

call relayed alice << 'END'
printf 'Received: from elsewhere; Tue, 1 Jan 2030 00:00:00 +0000\nFrom: a@example.org\nSubject: x\n\ntext\n' | sendmail -G -i bob@example.net
END

call dsn alice << 'END'
printf 'Subject: x\n\ntext\n' | sendmail -N never -R hdrs -V envelope-17 bob@example.net
END

call dsn_success_failure alice << 'END'
printf 'Subject: x\n\ntext\n' | sendmail -N success,failure,delay -R full bob@example.net
END

call settings alice << 'END'
printf 'Subject: x\n\ntext\n' | sendmail -oi -oem -oee -odb -O ErrorMode=m -O DeliveryMode=background -Am -B8BITMIME -L tag -p smtp bob@example.net
END

call queue_directory alice << 'END'
printf 'Subject: x\n\ntext\n' | sendmail -oQ/tmp bob@example.net
END

call t_and_recipients alice << 'END'
printf 'To: bob@example.net\nCc: "Carol, the first" <carol@example.com>, team: dave@example.com, eve@example.com;\nBcc: frank@example.com\nSubject: x\n\ntext\n' |
	sendmail -t -i grace@example.com bob@example.net
END

call t_folded alice << 'END'
printf 'To: bob@example.net,\n carol@example.com,\n\t"D \\"q\\" D" <dave@example.com>\nSubject: a\n b\n\tc\n\ntext\n' | sendmail -t
END

call t_resent alice << 'END'
printf 'Resent-From: alice@example.org\nResent-To: carol@example.com\nTo: bob@example.net\nFrom: x@example.org\nSubject: x\n\ntext\n' | sendmail -t
END

call t_nobody alice << 'END'
printf 'Subject: x\n\ntext\n' | sendmail -t
END

call no_recipient alice << 'END'
printf 'Subject: x\n\ntext\n' | sendmail
END

call dot_ends alice << 'END'
printf 'Subject: x\n\nbefore\n.\nbehind\n' | sendmail bob@example.net
END

call dot_does_not_end alice << 'END'
printf 'Subject: x\n\nbefore\n.\nbehind\n' | sendmail -i bob@example.net
END

call dots_at_the_start alice << 'END'
printf 'Subject: x\n\n..two\n.one\n...\n' | sendmail -i bob@example.net
END

call null_sender alice << 'END'
printf 'Subject: x\n\ntext\n' | sendmail -f '' bob@example.net
END

call null_sender_in_brackets alice << 'END'
printf 'From: MAILER-DAEMON@example.org\nSubject: x\n\ntext\n' | sendmail -f '<>' bob@example.net
END

call sender_unqualified root << 'END'
printf 'Subject: x\n\ntext\n' | sendmail -f backup -F 'Backup of sys' bob@example.net
END

call sender_with_a_name alice << 'END'
printf 'Subject: x\n\ntext\n' | sendmail -f 'Alice <alice@example.org>' bob@example.net
END

call r alice << 'END'
printf 'Subject: x\n\ntext\n' | sendmail -r alice@example.org bob@example.net
END

call full_name bob << 'END'
printf 'Subject: full names\n\ntext\n' | sendmail alice@example.net
END

call nothing_but_a_body alice << 'END'
printf 'text: not\njust text\n' | sendmail bob@example.net
printf 'just text\n' | sendmail bob@example.net
END

call unqualified alice << 'END'
printf 'From: root (Cron Daemon)\nTo: root\nCc: bob, Carol <carol>\nSubject: x\n\ntext\n' | sendmail -i root
END

call eight_bit_subject alice << 'END'
printf 'From: Alice <alice@example.org>\nTo: bob@example.net\nSubject: Grüße aus Köln ☃\n\nplain text\n' | sendmail -t
END

call eight_bit_body alice << 'END'
printf 'To: bob@example.net\nSubject: x\n\nGr\374\337e (Latin-1), and ü\n' | sendmail -t
END

call long_lines alice << 'END'
{ printf 'To: bob@example.net\nSubject: x\n\n'; head -c 3000 /dev/zero | tr '\0' x; echo; } | sendmail -t
END

call long_header alice << 'END'
{ printf 'To: bob@example.net\nSubject: x\nX-Long:'; yes ' word' | head -n 500 | tr -d '\n'; printf '\n\ntext\n'; } | sendmail -t
END

call nul alice << 'END'
printf 'To: bob@example.net\nSubject: x\n\nbefore \000 behind\n' | sendmail -t
END

call crlf alice << 'END'
printf 'To: bob@example.net\r\nSubject: x\r\n\r\none\r\n.two\r\n' | sendmail -t -i
END

call crlf_and_lf alice << 'END'
printf 'To: bob@example.net\nSubject: x\n\none\r\ntwo\nthree\rfour\n' | sendmail -t -i
END

call no_end_of_line alice << 'END'
printf 'To: bob@example.net\nSubject: x\n\nno end' | sendmail -t
END

call empty_body alice << 'END'
printf 'To: bob@example.net\nSubject: x\n' | sendmail -t
printf 'To: bob@example.net\nSubject: y\n\n' | sendmail -t
END

call nothing_at_all alice << 'END'
sendmail bob@example.net < /dev/null
END

call mailbox_line alice << 'END'
printf 'From alice Tue Nov 24 10:00:00 2026\nTo: bob@example.net\nSubject: x\n\nFrom here on\n' | sendmail -t
END

call large alice << 'END'
{ printf 'To: bob@example.net\nSubject: 1 MB\n\n'; yes 'a line of a report, as long as such lines are, 66 octets in all..' | head -n 15000; } | sendmail -t -i
END

call hundred_recipients alice << 'END'
printf 'Subject: x\n\ntext\n' | sendmail -i $(seq -f 'r%g@example.net' 100)
END

call duplicate_recipients alice << 'END'
printf 'To: bob@example.net\nSubject: x\n\ntext\n' | sendmail -t bob@example.net bob@EXAMPLE.net bob@example.net
END

call odd_addresses alice << 'END'
printf 'Subject: x\n\ntext\n' | sendmail -i 'a+b@example.net' '"a b"@example.net' 'Bob <bob@example.net>' 'carol@example.com, dave@example.com' '<eve@example.com>'
END

call bad_address alice << 'END'
printf 'Subject: x\n\ntext\n' | sendmail -i 'a@b@c'
END

call unknown_option alice << 'END'
printf 'Subject: x\n\ntext\n' | sendmail -Z bob@example.net
END

call dash_dash alice << 'END'
printf 'Subject: x\n\ntext\n' | sendmail -i -- -dash@example.net
END

call send_mail alice send-mail << 'END'
printf 'Subject: x\n\ntext\n' | send-mail -i bob@example.net
END

call usr_lib_sendmail alice << 'END'
printf 'Subject: x\n\ntext\n' | /usr/lib/sendmail -i bob@example.net
END
