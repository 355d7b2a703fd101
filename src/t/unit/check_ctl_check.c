/*
 * check_ctl_check.c: sortiectl check: configuration, user, programs, certificates, name servers, and what is made of
 * `sortie -bv', which a script plays; each command that is to be typed is, and helps.
 */
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sys.h"
#include "suites.h"
#include "testroot.h"

static struct testroot t;

static void
setup(void)
{
	testroot_begin(&t);
	t.k.deadline_ms = clock_mono_ms() + 20000;
}

static void
teardown(void)
{
	testroot_end(&t);
	sys = sys_libc;
}

/* Time stands still until it is asked for that often; then it is over. */
static long long stands_at_ns;
static int times_left;

static long long
jumping_clock(void)
{
	if (times_left > 0 && --times_left > 0)
		return stands_at_ns;
	return stands_at_ns + 3600LL * 1000000000;
}

static void
jump_at(int times)
{
	stands_at_ns = sys_libc.mono_ns();
	times_left = times;
	sys.mono_ns = jumping_clock;
	t.k.deadline_ms = stands_at_ns / 1000000 + 20000;
}

/* --- configuration ------------------------------------------------------------------------ */

/* $EDITOR takes out the line that it is put on. */
static void
make_editor(void)
{
	testroot_program(&t, "/fake/takes-out",
	    "case $1 in\n+*) sed -i.old \"${1#+}d\" \"$2\" ;;\n*) sed -i.old '$d' \"$1\" "
	    ";;\nesac\n");
	setenv("EDITOR", "takes-out", 1);
}

START_TEST(every_bad_line_is_named)
{
	make_editor();
	testroot_configure(&t, "relai x\nsessions 10\nport many\ndeliver local-only\n");
	testroot_finds(&t, check_config, "/sortie.conf:5: ", "${EDITOR:-vi} +5 ");
	testroot_says_not(&t, check_config, "local-only");
	testroot_mends(&t, check_config, "relai", "${EDITOR:-vi} +3 ");
	testroot_mends(&t, check_config, "many", "${EDITOR:-vi} +4 ");
	testroot_mends(&t, check_config, "deliver local-only: there is no", "${EDITOR:-vi} ");
	ck_assert_int_eq(testroot_check(&t, check_config), CHECK_OK);
}
END_TEST

START_TEST(the_configuration_is_read_by_the_owner_and_written_by_root)
{
	ck_assert_int_eq(testroot_check(&t, check_config), CHECK_OK);
	ck_assert_int_eq(chmod(t.conf, 0666), 0);
	testroot_mends(&t, check_config, "others may write to", "chmod go-w ");
	ck_assert_int_eq(chmod(testroot_path(&t, "/etc/sortie"), 0777), 0);
	testroot_mends(&t, check_config, "and replace what is in it", "chmod go-w ");
	if (geteuid() != 0) {
		printf("check_ctl_check: not root, other people's files are not tried\n");
		return;
	}
	t.k.own = true;
	ck_assert_int_eq(chown(testroot_path(&t, "/spool"), 65534, 65534), 0);
	ck_assert_int_eq(chmod(t.conf, 0600), 0);
	testroot_mends(&t, check_config, "is not to be read by nobody", "chmod 644 ");
	ck_assert_int_eq(chown(t.conf, 0, 65534), 0);
	ck_assert_int_eq(chmod(t.conf, 0640), 0); /* his group's */
	ck_assert_int_eq(testroot_check(&t, check_config), CHECK_OK);
	ck_assert_int_eq(chown(t.conf, 1, 1), 0);
	ck_assert_int_eq(chmod(t.conf, 0644), 0);
	testroot_mends(&t, check_config, "belongs to another user", "chown root ");
	ck_assert_int_eq(chmod(testroot_path(&t, "/etc/sortie"), 0700), 0);
	testroot_mends(&t, check_config, "does not let nobody through", "chmod a+x ");
	ck_assert_int_eq(testroot_check(&t, check_config), CHECK_OK);
}
END_TEST

START_TEST(a_user_who_is_not_there_is_made_as_make_install_does)
{
	ck_assert_int_eq(testroot_check(&t, check_user), CHECK_OK);
	t.k.user = "sortie-of-no-machine";
#ifdef __linux__
	testroot_program(&t, "/usr/sbin/nologin", "exit 1\n");
	testroot_finds(
	    &t, check_user, "there is no user sortie-of-no-machine", "adduser -S -D -H -h ");
	testroot_program(&t, "/usr/sbin/useradd", "exit 1\n");
	testroot_finds(&t, check_user, "there is no user sortie-of-no-machine",
	    "/etc/sortie -s /usr/sbin/nologin sortie-of-no-machine");
#else
	testroot_finds(&t, check_user, "there is no user sortie-of-no-machine", "useradd ");
#endif
	t.k.user = "4711";
	testroot_says(&t, check_user, "the number 4711");
}
END_TEST

/* --- programs ----------------------------------------------------------------------------- */

START_TEST(programs_are_setuid_to_the_owner_alone)
{
	const char *front = testroot_path(&t, "/usr/sbin/sortie-sendmail");

	t.k.own = false;
	testroot_finds(&t, check_programs, "is not setuid: users cannot send mail", "chmod 6755 ");
	testroot_remove(&t, "/usr/sbin/sortie-sendmail");
	testroot_finds(&t, check_programs, "is not there, or no program", "make install");
	testroot_program(&t, "/usr/sbin/sortie-sendmail", "exit 0\n");
	ck_assert_int_eq(chmod(front, 0775), 0);
	testroot_mends(&t, check_programs, "others may write to", "chmod go-w ");
	if (geteuid() != 0) {
		printf("check_ctl_check: not root, setuid programs are not tried\n");
		return;
	}
	ck_assert_int_eq(chown(testroot_path(&t, "/spool"), 65534, 65534), 0);
	(void)testroot_check(&t, check_config);
	testroot_mends(&t, check_programs, "/sortie is not setuid", "chown nobody:");
	testroot_mends(&t, check_programs, "sendmail is not setuid", "chown nobody:");
	ck_assert_int_le(testroot_check(&t, check_programs), CHECK_HINT);
	ck_assert_int_eq(chown(front, 0, 0), 0);
	ck_assert_int_eq(chmod(front, 06755), 0);
	testroot_mends(&t, check_programs, "is setuid to root", "chown nobody:");
	ck_assert_int_eq(chown(front, 1, 1), 0);
	ck_assert_int_eq(chmod(front, 06755), 0);
	testroot_mends(&t, check_programs, "is setuid to another user", "chown nobody:");

	testroot_program(&t, "/usr/sbin/sortiectl", "exit 0\n");
	ck_assert_int_le(testroot_check(&t, check_programs), CHECK_HINT);
	ck_assert_int_eq(chown(testroot_path(&t, "/usr/sbin/sortiectl"), 65534, 65534), 0);
	testroot_mends(&t, check_programs, "must be root's alone", "chown root ");
	ck_assert_int_eq(chmod(testroot_path(&t, "/usr/sbin/sortiectl"), 04755), 0);
	testroot_mends(&t, check_programs, "must be root's alone", "chmod 755 ");
}
END_TEST

static bool
has_flags(const char *path)
{
#ifdef __linux__
	int fd = open(path, O_RDONLY | O_CLOEXEC), flags;
	bool has = fd >= 0 && ioctl(fd, _IOR('f', 1, long), &flags) == 0;

	close(fd);
	return has;
#else
	return path[0] != '\0';
#endif
}

/* chattr(1) itself is tried by make system: not every root may use it. */
START_TEST(the_immutable_flag_is_hinted_at)
{
	if (geteuid() != 0) {
		printf("check_ctl_check: not root, the immutable flag is not tried\n");
		return;
	}
	ck_assert_int_eq(chown(testroot_path(&t, "/spool"), 65534, 65534), 0);
	(void)testroot_check(&t, check_config);
	testroot_mends(&t, check_programs, "/sortie is not setuid", NULL);
	testroot_mends(&t, check_programs, "sendmail is not setuid", NULL);
	if (!has_flags(t.program)) {
		printf("check_ctl_check: no flags on this file system, not tried\n");
		return;
	}
	testroot_finds(&t, check_programs, "hint  x         the programs belong to nobody, ",
	    "/usr/sbin/sortie-sendmail");
	testroot_file(&t, "/var/lib/dpkg/info/sortie.list", "/usr/sbin/sortie\n");
	testroot_says_not(&t, check_programs, "hint"); /* a package's must stay replaceable */
	testroot_remove(&t, "/var");
}
END_TEST

START_TEST(setuid_is_in_vain_on_some_file_systems)
{
	char program[] = "/dev/shm/sortie-test.XXXXXX";
	int fd = mkstemp(program);
	struct statvfs v;

	if (fd == -1 || fstatvfs(fd, &v) == -1 || (v.f_flag & ST_NOSUID) == 0 || geteuid() == 0) {
		printf("check_ctl_check: root, or /dev/shm is not mounted nosuid; not tried\n");
	} else {
		ck_assert_int_eq(fchmod(fd, 04755), 0);
		t.k.program = program;
		t.k.user = "4711";
		(void)testroot_check(&t, check_config);
		testroot_finds(&t, check_programs, "mounted with nosuid", "mount -o remount,suid ");
	}
	close(fd);
	unlink(program);
}
END_TEST

/* --- files that the configuration names --------------------------------------------------- */

START_TEST(credentials)
{
	testroot_says(&t, check_credentials, "no credentials");
	testroot_configure(&t, "auth %s/etc/sortie/auth\nrelay smtp://me@[192.0.2.1]\n", t.dir);
	t.k.own = true;
	(void)testroot_check(&t, check_config);
	testroot_mends(&t, check_credentials, "No such file", "install -m 600 -o ");
	ck_assert_int_eq(chmod(testroot_path(&t, "/etc/sortie/auth"), 0640), 0);
	testroot_mends(&t, check_credentials, "others may read", "chmod 600 ");
	ck_assert_int_eq(testroot_check(&t, check_credentials), CHECK_OK);
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chown(testroot_path(&t, "/etc/sortie/auth"), 1, 1), 0);
	testroot_mends(&t, check_credentials, "who is to read it", "chown root:");
}
END_TEST

START_TEST(certificates_of_the_system)
{
	static const char at[] = "/etc/ssl/certs/ca-certificates.crt";

	testroot_program(&t, "/usr/bin/apt-get", "exit 0\n");
	testroot_finds(&t, check_ca, "warn  x         there are no CA certificates",
	    "apt-get install ca-certificates");
	testroot_configure(&t, "relay submission://smtp.example.com\n");
	testroot_finds(&t, check_ca, "FAIL  x         there are no CA certificates: the relay",
	    "apt-get install ca-certificates");
	testroot_file(&t, at, "# none yet\n");
	testroot_says(&t, check_ca, "there are no CA certificates");
	testroot_file(&t, at, "# about them\n-----BEGIN CERTIFICATE-----\n");
	ck_assert_int_eq(testroot_check(&t, check_ca), CHECK_OK);
	testroot_says(&t, check_ca, at);
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chown(testroot_path(&t, "/spool"), 65534, 65534), 0);
	(void)testroot_check(&t, check_config);
	ck_assert_int_eq(chmod(testroot_path(&t, at), 0600), 0);
	testroot_mends(&t, check_ca, "is not to be read by nobody", "chmod a+r ");
	ck_assert_int_eq(chmod(testroot_path(&t, "/etc/ssl"), 0700), 0);
	testroot_mends(&t, check_ca, "does not let nobody through", "chmod a+x ");
}
END_TEST

START_TEST(certificates_of_a_line)
{
	make_editor();
	testroot_configure(&t, "ca %s/etc/ca\n", t.dir);
	testroot_folder(&t, "/etc/ca");
	testroot_file(&t, "/etc/ca/12345678.0", "x\n");
	ck_assert_int_eq(testroot_check(&t, check_ca), CHECK_OK);
	testroot_remove(&t, "/etc/ca/12345678.0");
	testroot_file(&t, "/etc/ca/some.pem", "-----BEGIN CERTIFICATE-----\n"); /* not rehashed */
	testroot_mends(&t, check_ca, "/etc/ca: no certificates there", "${EDITOR:-vi} ");
}
END_TEST

START_TEST(a_log_that_cannot_be_written)
{
	testroot_configure(&t, "log %s/log/mail\n", t.dir);
	testroot_folder(&t, "/log");
	if (geteuid() != 0) {
		ck_assert_int_eq(testroot_check(&t, check_log), CHECK_OK);
		return;
	}
	ck_assert_int_eq(chown(testroot_path(&t, "/spool"), 65534, 65534), 0);
	(void)testroot_check(&t, check_config);
	testroot_mends(&t, check_log, "nobody cannot write to ", "touch ");
	ck_assert_int_eq(testroot_check(&t, check_log), CHECK_OK);
}
END_TEST

/* --- the spool ---------------------------------------------------------------------------- */

START_TEST(a_spool_and_its_parts)
{
	t.k.own = true;
	t.k.user = geteuid() == 0 ? "root" : "4711";
	testroot_remove(&t, "/spool");
	(void)testroot_check(&t, check_config);
	if (geteuid() == 0)
		testroot_mends(&t, check_spool, "there is no ", "mkdir -p -m 700 ");
	else
		testroot_finds(&t, check_spool, "there is no ", "mkdir -p -m 700 ");
	testroot_folder(&t, "/spool");
	ck_assert_int_eq(chmod(testroot_path(&t, "/spool"), 0700), 0);
	(void)testroot_check(&t, check_config);
	ck_assert_int_eq(testroot_check(&t, check_spool), CHECK_OK);
	ck_assert_int_eq(chmod(testroot_path(&t, "/spool"), 0750), 0);
	testroot_mends(&t, check_spool, "others may look into ", "chmod 700 ");
	testroot_folder(&t, "/spool/msg");
	ck_assert_int_eq(chmod(testroot_path(&t, "/spool/msg"), 0770), 0);
	testroot_mends(&t, check_spool, "others may write to ", "chmod 700 ");
	testroot_file(&t, "/spool/ctl", "x");
	testroot_mends(&t, check_spool, "/ctl is no folder", "mv ");
	ck_assert_int_eq(rename(testroot_path(&t, "/spool"), testroot_path(&t, "/other")), 0);
	testroot_link(&t, "/other", "/spool");
	testroot_finds(&t, check_spool, "is a link, which is not followed", "${EDITOR:-vi} ");
	testroot_remove(&t, "/spool");
	ck_assert_int_eq(rename(testroot_path(&t, "/other"), testroot_path(&t, "/spool")), 0);
	if (geteuid() != 0)
		return;
	t.k.own = false;
	t.k.user = "nobody";
	(void)testroot_check(&t, check_config);
	testroot_mends(&t, check_spool, "is root's", "chown -R nobody:");
	ck_assert_int_eq(chown(testroot_path(&t, "/spool/msg"), 1, 1), 0);
	testroot_mends(&t, check_spool, "/msg belongs to another user", "chown -R nobody:");
}
END_TEST

/* --- name servers ------------------------------------------------------------------------- */

static int
bind_loopback(int type, int *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, type, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

/* A name server that answers all questions with that code, or with another's number. */
static pid_t
start_name_server(int *port, int code, bool other)
{
	int fd = bind_loopback(SOCK_DGRAM, port);
	unsigned char query[512];
	struct sockaddr_in at;
	socklen_t len;
	ssize_t n;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	while (pid == 0) {
		len = sizeof(at);
		n = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&at, &len);
		query[2] |= 0x80;
		query[3] = (unsigned char)code;
		query[0] ^= other;
		if (n <= 0 || sendto(fd, query, (size_t)n, 0, (struct sockaddr *)&at, len) != n)
			_exit(1);
	}
	close(fd);
	return pid;
}

static void
end_server(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

START_TEST(what_name_servers_answer)
{
	static const struct {
		int code;
		const char *says;
	} cases[] = {{0, "answers"}, {3, "answers"}, {2, "reaches no others"},
	    {5, "does not answer this machine's questions"}};
	int port;
	pid_t ns = start_name_server(&port, cases[_i].code, false);

	testroot_configure(&t, "nameserver 127.0.0.1:%d\n", port);
	testroot_says(&t, check_nameservers, cases[_i].says);
	ck_assert_int_eq(t.k.worst_of_this, _i < 2 ? CHECK_OK : CHECK_FAIL);
	end_server(ns);
	if (_i == 0) /* nobody listens there now */
		testroot_finds(
		    &t, check_nameservers, "FAIL  x         name server", "${EDITOR:-vi} ");
}
END_TEST

START_TEST(one_of_two_name_servers_will_do)
{
	int port, dead;
	int fd = bind_loopback(SOCK_DGRAM, &dead);
	pid_t ns = start_name_server(&port, 0, false);

	testroot_configure(&t, "nameserver 127.0.0.1:%d\nnameserver 127.0.0.1:%d\n", dead, port);
	jump_at(4);
	testroot_finds(&t, check_nameservers, "warn  x         name server", "${EDITOR:-vi} ");
	jump_at(4);
	testroot_says(&t, check_nameservers, "does not answer within");
	end_server(ns);
	close(fd);
}
END_TEST

START_TEST(somebody_elses_answer_is_none)
{
	int port;
	pid_t ns = start_name_server(&port, 0, true);

	testroot_configure(&t, "nameserver 127.0.0.1:%d\n", port);
	testroot_says(&t, check_nameservers, "does not answer within");
	end_server(ns);
}
END_TEST

static const struct {
	const char *conf;
	bool needs; /* a name server */
} dns_cases[] = {
    {"", true},
    {"relay smtp://[192.0.2.1]\n", false},
    {"relay smtp://mx.example.org\n", true},
    {"relay smtp://known.example.org\n", false},
    {"relay mx:known.example.org\n", true},
    {"relay lmtp:/run/lmtp\n", false},
    {"relay smtp://[192.0.2.1] from example.org\n", true},
    {"relay smtp://[192.0.2.1]\nrelay smtp://mx.example.org from example.org\n", true},
    {"relay smtp://[192.0.2.1]\nroute example.org smtp://[192.0.2.2]\n", false},
    {"relay smtp://[192.0.2.1]\nroute example.org mx:example.net\n", true},
    {"relay smtp://[192.0.2.1]\nfallback smtp://mx.example.org\n", true},
    {"local maildir\ndeliver local-only\n", false},
    {"local lmtp://mx.example.org:24\ndeliver local-only\n", true},
    {"local lmtp://mx.example.org:24\nrelay smtp://[192.0.2.1]\n", true},
};

START_TEST(where_no_mail_needs_a_name_server_none_is_asked)
{
	int dead;
	int fd = bind_loopback(SOCK_DGRAM, &dead);

	close(fd);
	testroot_file(&t, "/etc/hosts", "192.0.2.7 known.example.org\n");
	testroot_configure(
	    &t, "nameserver 127.0.0.1:%d\nhosts %s/etc/hosts\n%s", dead, t.dir, dns_cases[_i].conf);
	ck_assert(t.k.configured);
	ck_assert_msg((testroot_check(&t, check_nameservers) == CHECK_FAIL) == dns_cases[_i].needs,
	    "%s", t.said);
	if (!dns_cases[_i].needs)
		testroot_says(&t, check_nameservers, "ok    x         no mail needs it");
}
END_TEST

/* --- delivery ----------------------------------------------------------------------------- */

static void
play(const char *script)
{
	testroot_program(&t, "/usr/sbin/sortie", script);
}

#define ANSWERS "echo '  host: mx.example.org[192.0.2.1]:25 answers'\n"
#define VERIFIED "echo '  TLS: verified, TLSv1.3 with X; certificate of A, issued by B, sha256:0'\n"

START_TEST(what_becomes_of_what_bv_says)
{
	static const struct {
		const char *script, *says;
		enum check_result result;
	} cases[] = {
	    {ANSWERS VERIFIED "echo '  login: accepted for me'\n",
		"mx.example.org[192.0.2.1]:25 answers; TLS: verified, TLSv1.3 with X; certificate "
		"of "
		"A, issued by B, sha256:0; login: accepted for me",
		CHECK_OK},
	    {ANSWERS "echo '  TLS: none, mail goes in clear text'\n", "answers; TLS: none",
		CHECK_WARN},
	    {ANSWERS "echo '  TLS: not verified, x: has expired'\n", "has expired", CHECK_WARN},
	    {ANSWERS "echo '  TLS: trusted, not verified, x'\n", "trusted, not", CHECK_WARN},
	    {"echo '  host: a[127.0.0.1]:25 answers'\necho '  TLS: none'\n", "answers; TLS: none",
		CHECK_OK},
	    {"echo '  host: a[192.0.2.9]:25: refused'\n" ANSWERS VERIFIED,
		"         mx.example.org[192.0.2.1]:25 answers", CHECK_OK},
	    {"echo 'x@y... deliverable'\necho '  host: a[192.0.2.9]:25: refused'\nexit 75\n",
		"a[192.0.2.9]:25: refused", CHECK_FAIL},
	    {"echo 'postmaster@example.org... not deliverable now: no address'\nexit 75\n",
		"no address", CHECK_FAIL},
	    {"echo 'warning: x' >&2\necho 'sortie: auth:1: what' >&2\nexit 78\n",
		"FAIL  x         auth:1: what", CHECK_FAIL},
	    {"exit 78\n", "nothing was said", CHECK_FAIL},
	    {"kill -9 $$\n", "no answer in time", CHECK_FAIL},
	};

	testroot_configure(&t, "relay smtp://[192.0.2.1]\n");
	play(cases[_i].script);
	testroot_says(&t, check_delivery, cases[_i].says);
	ck_assert_msg(t.k.worst_of_this == cases[_i].result, "%s", t.said);
	if (cases[_i].result != CHECK_OK)
		testroot_finds(
		    &t, check_delivery, cases[_i].says, " -bv -v postmaster@example.org");
}
END_TEST

START_TEST(a_program_that_cannot_be_started)
{
	testroot_configure(&t, "relay smtp://[192.0.2.1]\n");
	testroot_remove(&t, "/usr/sbin/sortie");
	testroot_says(&t, check_delivery, "/usr/sbin/sortie could not be started");
}
END_TEST

/* It is not waited for, and it is gone. */
START_TEST(a_relay_that_never_answers_is_left_when_the_time_is_over)
{
	char pid[32] = "";
	FILE *f;

	testroot_configure(&t, "relay smtp://[192.0.2.1]\n");
	play("echo $$ > ${0%/usr/*}/pid\necho '-- connecting to a[192.0.2.9]:25' >&2\n"
	     "exec tail -f /dev/null\n");
	jump_at(5); /* when the line has been read */
	testroot_says(&t, check_delivery, "FAIL  x         no answer in time; last: -- connecting");
	f = fopen(testroot_path(&t, "/pid"), "r");
	ck_assert(f != NULL && fgets(pid, sizeof(pid), f) != NULL);
	fclose(f);
	ck_assert(kill((pid_t)strtol(pid, NULL, 10), 0) == -1 && errno == ESRCH);

	/* one that was asked before has taken all of it */
	t.k.deadline_ms = clock_mono_ms() - 1;
	testroot_says(&t, check_delivery, "no answer in time");
}
END_TEST

START_TEST(each_relay_is_asked_for_a_sender_of_its_own)
{
	static const char conf[] = "relay smtp://[192.0.2.1] from *@one.example\n"
				   "relay smtp://[192.0.2.2] from .two.example\n"
				   "relay smtp://[192.0.2.3] from .two.example\n"
				   "relay smtp://[192.0.2.4] from <>\n"
				   "relay smtp://[192.0.2.5] from bob@four.example\n"
				   "route example.org smtp://[192.0.2.9]\n";

	testroot_configure(&t, "%s", conf);
	play("shift 4\n[ \"$1\" = -f ] && echo \"$2 to $3\" | sed 's/^/  host: /'\nexit 75\n");
	testroot_says(
	    &t, check_delivery, "from *@one.example: x@one.example to postmaster@example.net\n");
	testroot_says(&t, check_delivery, "from .two.example: postmaster@x.two.example to ");
	testroot_says(&t, check_delivery, "from <>: <> to ");
	testroot_finds(&t, check_delivery, "from bob@four.example: bob@four.example to ",
	    " -bv -v -f 'bob@four.example' postmaster@example.net");
	(void)testroot_check(&t, check_delivery);
	ck_assert_ptr_null(strstr(strstr(t.said, "from .two") + 1, "from .two"));
	ck_assert_ptr_null(strstr(t.said, "nothing was said"));
}
END_TEST

START_TEST(without_a_relay_a_domain_is_asked)
{
	play("shift 4\necho \"  host: $1[192.0.2.1]:25 answers\"\necho '  TLS: not verified, x'\n");
	testroot_says(&t, check_delivery, "`sortiectl check DOMAIN' tries those of one");
	t.k.domain = "there.example";
	testroot_says(
	    &t, check_delivery, "ok    x         postmaster@there.example[192.0.2.1]:25 answers");
	play(ANSWERS "echo '  TLS: none, mail goes in clear text'\n");
	testroot_says(
	    &t, check_delivery, "warn  x         mx.example.org[192.0.2.1]:25 answers; TLS: none");
	t.k.domain = NULL;
	testroot_configure(&t, "local maildir\ndeliver local-only\n");
	testroot_says(&t, check_delivery, "no mail leaves this machine (");
}
END_TEST

/* --- how it is shown ---------------------------------------------------------------------- */

/* A terminal's lines are filled and no word is cut; what is to be typed stays one line. */
START_TEST(text_is_filled_on_a_terminal)
{
	static const unsigned widths[] = {132, 80, 60};

	testroot_configure(&t, "relay smtp://[192.0.2.1]\n");
	play(ANSWERS
	    "echo '  TLS: not verified, TLSv1.3 with TLS_AES_256_GCM_SHA384; certificate of "
	    "mx.example.org, issued by somebody, x: has expired'\n");
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		t.c.width = widths[i];
		(void)testroot_check(&t, check_delivery);
		for (const char *at = t.said; *at != '\0'; at += strcspn(at, "\n") + 1) {
			size_t n = strcspn(at, "\n");

			ck_assert_msg(at[0] == '\t' || n <= widths[i], "%zu: %s", n, t.said);
			ck_assert_msg(
			    at == t.said || at[0] == '\t' || strspn(at, " ") == 16, "%s", t.said);
		}
		ck_assert_ptr_nonnull(strstr(t.said, "TLS_AES_256_GCM_SHA384;"));
		ck_assert_ptr_nonnull(strstr(t.said, " -bv -v postmaster@example.org\n"));
	}
	t.c.width = 0;
	testroot_says(&t, check_delivery,
	    "25 answers; TLS: not verified, TLSv1.3 with TLS_AES_256_GCM_SHA384; certificate");
}
END_TEST

Suite *
suite_ctl_check(void)
{
	const TTest *const tests[] = {every_bad_line_is_named,
	    the_configuration_is_read_by_the_owner_and_written_by_root,
	    a_user_who_is_not_there_is_made_as_make_install_does,
	    programs_are_setuid_to_the_owner_alone, the_immutable_flag_is_hinted_at,
	    setuid_is_in_vain_on_some_file_systems, credentials, certificates_of_the_system,
	    certificates_of_a_line, a_log_that_cannot_be_written, a_spool_and_its_parts,
	    one_of_two_name_servers_will_do, somebody_elses_answer_is_none,
	    a_program_that_cannot_be_started,
	    a_relay_that_never_answers_is_left_when_the_time_is_over,
	    each_relay_is_asked_for_a_sender_of_its_own, without_a_relay_a_domain_is_asked,
	    text_is_filled_on_a_terminal};
	Suite *s = suite_create("ctl_check");
	TCase *tc = tcase_create("check");

	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	tcase_add_loop_test(tc, what_name_servers_answer, 0, 4);
	tcase_add_loop_test(tc, where_no_mail_needs_a_name_server_none_is_asked, 0,
	    sizeof(dns_cases) / sizeof(dns_cases[0]));
	tcase_add_loop_test(tc, what_becomes_of_what_bv_says, 0, 11);
	suite_add_tcase(s, tc);
	return s;
}
