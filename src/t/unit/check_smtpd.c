/*
 * check_smtpd.c: a conversation in this process: silence, a full disk, calls that fail; and who is of this
 * machine.
 */
#include <check.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <sys/un.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "fault.h"
#include "logcap.h"
#include "smtpd.h"
#include "submit.h"
#include "suites.h"
#include "testspool.h"
#include "vclock.h"

#define HELLO "EHLO client.example\r\n"
#define ENVELOPE "MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.net>\r\n"
#define LETTER "DATA\r\nSubject: hello\r\n\r\nHello.\r\n.\r\n"

static struct program p;
static int from_client,
    to_client; /* the client's ends: it writes to the first, reads from the second */
static char said[65536];

/* Standard input and output become pipes. A test is a process of its own. */
static void
connect_client(void)
{
	int in[2], out[2];

	ck_assert_int_eq(pipe(in), 0);
	ck_assert_int_eq(pipe(out), 0);
	ck_assert_int_eq(dup2(in[0], STDIN_FILENO), STDIN_FILENO);
	ck_assert_int_eq(dup2(out[1], STDOUT_FILENO), STDOUT_FILENO);
	close(in[0]);
	close(out[1]);
	from_client = in[1];
	to_client = out[0];
	fcntl(to_client, F_SETFL, O_NONBLOCK);
}

/* What the client says at once; then it is silent, or goes. The exit status. */
static int
converse(const char *text, bool goes)
{
	ssize_t n;
	int rc;

	ck_assert_int_eq(write(from_client, text, strlen(text)), (ssize_t)strlen(text));
	if (goes)
		close(from_client);
	rc = smtpd_session(&p, "check");
	n = read(to_client, said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	return rc;
}

static void
hears(const char *end)
{
	ck_assert_msg(strstr(said, end) != NULL, "no %s in: %s", end, said);
}

/* --- silence --- */

static const struct {
	const char *text;
	int rc;
} silences[] = {{"", EX_OK}, {"NO", EX_OK}, {HELLO, EX_OK}, {HELLO ENVELOPE, EX_TEMPFAIL},
    {HELLO ENVELOPE "DATA\r\n", EX_TEMPFAIL},
    {HELLO ENVELOPE "DATA\r\nHello.\r\n.\r", EX_TEMPFAIL}};

START_TEST(five_minutes_of_silence)
{
	int64_t before;

	connect_client();
	before = vclock_ms();
	ck_assert_int_eq(converse(silences[_i].text, false), silences[_i].rc);
	ck_assert_int_eq(vclock_ms() - before, 5 * 60 * 1000);
	hears("421 4.4.2 ");
	ck_assert_uint_eq(testspool_count(p.spool), 0);
}
END_TEST

/* The client lets a minute pass before each byte: that is slow, but no silence. */
static ssize_t
read_slowly(int fd, void *buf, size_t n)
{
	vclock_advance(60 * 1000);
	return sys_libc.read(fd, buf, n > 1 ? 1 : n);
}

START_TEST(slow_is_not_silent)
{
	connect_client();
	sys.read = read_slowly;
	ck_assert_int_eq(converse(HELLO ENVELOPE LETTER "QUIT\r\n", true), EX_OK);
	hears("221 2.0.0");
	ck_assert_uint_eq(testspool_count(p.spool), 1);
}
END_TEST

static int
never_ready(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	(void)n;
	if (fds->events == POLLOUT) {
		vclock_advance(timeout_ms);
		return 0;
	}
	return sys_libc.poll(fds, n, 0);
}

START_TEST(client_that_does_not_read)
{
	connect_client();
	sys.poll = never_ready;
	ck_assert_int_eq(converse(HELLO ENVELOPE LETTER, true), EX_IOERR);
	ck_assert_str_eq(said, "");
	ck_assert_uint_eq(testspool_count(p.spool), 0);
}
END_TEST

/* Whoever was told to stop says so, but does not wait for somebody who does not read it. */
START_TEST(stopped_while_the_client_does_not_read)
{
	int64_t before;

	connect_client();
	sys.poll = never_ready;
	submit_stop = SIGTERM;
	before = vclock_ms();
	(void)converse(HELLO, false);
	ck_assert_int_le(vclock_ms() - before, 10 * 1000);
}
END_TEST

/* --- calls that fail --- */

static ssize_t
write_when_full(int fd, const void *buf, size_t n)
{
	if (fd == STDOUT_FILENO)
		return sys_libc.write(fd, buf, n);
	errno = ENOSPC;
	return -1;
}

START_TEST(disk_that_is_full)
{
	connect_client();
	sys.write = write_when_full;
	ck_assert_int_eq(converse(HELLO ENVELOPE LETTER "NOOP\r\nQUIT\r\n", true), EX_TEMPFAIL);
	hears("\r\n354 ");
	hears("\r\n452 4.3.1 ");
	hears("\r\n221 2.0.0 ");
	ck_assert_uint_eq(testspool_count(p.spool), 0);
}
END_TEST

static int
openat_when_full(int dir, const char *path, int flags, mode_t mode)
{
	if ((flags & O_CREAT) == 0)
		return sys_libc.openat(dir, path, flags, mode);
	errno = ENOSPC;
	return -1;
}

START_TEST(disk_that_is_full_before_the_message)
{
	connect_client();
	sys.openat = openat_when_full;
	ck_assert_int_eq(converse(HELLO ENVELOPE "DATA\r\n", true), EX_TEMPFAIL);
	hears("\r\n452 4.3.1 ");
	ck_assert_ptr_null(strstr(said, "354"));
}
END_TEST

/* Each call fails, one after the other: what is queued without the client's knowing may be where its answer
 * could not be written, or where the folder could not be synced; what it was told is so in any case. */
START_TEST(each_call_fails)
{
	static const int errors[] = {EIO, ENOSPC, EINTR};
	unsigned failed = 0;
	bool fired = true;

	for (unsigned n = 1; fired; n++) {
		size_t before = testspool_count(p.spool), queued;
		bool told;
		int rc;

		connect_client();
		fault_arm(n, FAULT_ONCE, errors[_i]);
		rc = converse(HELLO ENVELOPE LETTER "QUIT\r\n", true);
		fired = fault_fired();
		fault_disarm();
		close(to_client);
		queued = testspool_count(p.spool) - before;
		told = strstr(said, "Ok: queued as ") != NULL;
		ck_assert_msg(
		    !told || queued == 1, "call %u, %s: told, not queued", n, fault_where());
		ck_assert_msg(told || queued == 0 || strcmp(fault_where(), "write") == 0 ||
				  strcmp(fault_where(), "poll") == 0,
		    "call %u, %s: queued, not told", n, fault_where());
		ck_assert_msg((rc == EX_OK) == (queued == 1), "call %u, %s: %zu queued, status %d",
		    n, fault_where(), queued, rc);
		failed += !told;
	}
	ck_assert_uint_gt(failed, 0);
}
END_TEST

/* --- who it is --- */

static const struct {
	int family;
	const char *address, *text;
	bool local;
} addresses[] = {
    {AF_INET, "127.0.0.1", "[127.0.0.1]", true},
    {AF_INET, "127.255.255.254", "[127.255.255.254]", true},
    {AF_INET, "128.0.0.1", "[128.0.0.1]", false},
    {AF_INET, "0.0.0.0", "[0.0.0.0]", false},
    {AF_INET, "192.0.2.1", "[192.0.2.1]", false},
    {AF_INET6, "::1", "[IPv6:::1]", true},
    {AF_INET6, "::", "[IPv6:::]", false},
    {AF_INET6, "::7f00:1", "[IPv6:::127.0.0.1]", false},
    {AF_INET6, "::ffff:127.0.0.1", "[127.0.0.1]", true},
    {AF_INET6, "::ffff:192.0.2.1", "[192.0.2.1]", false},
    {AF_INET6, "fe80::1", "[IPv6:fe80::1]", false},
    {AF_INET6, "2001:db8::127", "[IPv6:2001:db8::127]", false},
    {AF_UNIX, NULL, "", true},
    {AF_UNSPEC, NULL, "", false},
};

START_TEST(addresses_and_whether_they_are_of_this_machine)
{
	struct sockaddr_storage ss;
	char text[64];

	memset(&ss, 0, sizeof(ss));
	ss.ss_family = (sa_family_t)addresses[_i].family;
	if (ss.ss_family == AF_INET)
		inet_pton(
		    AF_INET, addresses[_i].address, &((struct sockaddr_in *)(void *)&ss)->sin_addr);
	else if (ss.ss_family == AF_INET6)
		inet_pton(AF_INET6, addresses[_i].address,
		    &((struct sockaddr_in6 *)(void *)&ss)->sin6_addr);
	ck_assert_int_eq(
	    smtpd_is_local((struct sockaddr *)&ss, text, sizeof(text)), addresses[_i].local);
	ck_assert_str_eq(text, addresses[_i].text);
}
END_TEST

static void
setup(void)
{
	logcap_start();
	memset(&p, 0, sizeof(p));
	config_init(&p.config);
	free(p.config.hostname);
	p.config.hostname = xstrdup("mx.example.org");
	p.options.delivery = DELIVER_QUEUE;
	p.spool = testspool_open();
	vclock_install(1795500600);
}

static void
teardown(void)
{
	fault_disarm();
	sys = sys_libc;
	testspool_close(&p.spool);
	config_free(&p.config);
	logcap_stop();
	submit_stop = 0;
}

Suite *
suite_smtpd(void)
{
	Suite *s = suite_create("smtpd");
	TCase *tc = tcase_create("smtpd");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, five_minutes_of_silence, 0, sizeof(silences) / sizeof(silences[0]));
	tcase_add_test(tc, slow_is_not_silent);
	tcase_add_test(tc, client_that_does_not_read);
	tcase_add_test(tc, stopped_while_the_client_does_not_read);
	tcase_add_test(tc, disk_that_is_full);
	tcase_add_test(tc, disk_that_is_full_before_the_message);
	tcase_add_loop_test(tc, each_call_fails, 0, 3);
	tcase_add_loop_test(tc, addresses_and_whether_they_are_of_this_machine, 0,
	    sizeof(addresses) / sizeof(addresses[0]));
	suite_add_tcase(s, tc);
	return s;
}
