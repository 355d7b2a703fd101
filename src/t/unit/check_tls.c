/* check_tls.c: TLS through connections: who the server is, handshakes, bytes. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sys.h"
#include "certs.h"
#include "suites.h"
#include "tls_world.h"
#include "vclock.h"

/* --- who the server is --- */

/* What is true of the certificates for mx.example.org; why: part of the reason. */
static const struct {
	const char *cert;
	bool trusted, verified;
	const char *why;
} cases[] = {
    {"good", true, true, ""},
    {"rsa", true, true, ""},
    {"ed25519", true, true, ""},
    {"p384", true, true, ""},
    {"wildcard", true, true, ""},
    {"expired", false, false, "certificate has expired"},
    {"not-yet", false, false, "certificate is not yet valid"},
    {"self-signed", false, false, "self-signed certificate"},
    {"wrong-name", true, false,
	"no certificate matches the name mx.example.org (it is for a.example, b.example)"},
    {"common-name-only", true, false, "mx.example.org (it has no names)"},
    {"wildcard-two-labels", true, false, "it is for *.org"},
    {"wildcard-elsewhere", true, false, "it is for mx.*.org"},
    {"wildcard-partial", true, false, "it is for m*.example.org"},
    {"wildcard-of-parent", true, false, "it is for *.mx.example.org"},
    {"no-intermediate", false, false, "unable to get local issuer certificate"},
    {"unknown-ca", false, false, "CN=Other Root"},
    {"by-a-server", false, false, "Not a CA"},
    {"address", true, false, "it is for 192.0.2.1, 2001:db8::1"},
};

static int the_case;

enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static void
check_facts(bool verified)
{
	const struct tls_facts *f = conn_tls(conn);

	ck_assert_str_eq(f->protocol, "TLSv1.3");
	ck_assert_str_ne(f->cipher, "");
	ck_assert_int_eq(f->trusted, cases[the_case].trusted);
	ck_assert_int_eq(f->verified, verified);
	ck_assert(!f->resumed);
	ck_assert_ptr_nonnull(strstr(f->subject, "CN=mx.example.org"));
}

START_TEST(every_certificate_under_every_policy)
{
	char whole[80], key[80], nobodys[80], *listed[] = {nobodys, whole};

	the_case = _i;
	world_serve(cases[_i].cert, 0, 0);
	certs_fingerprint(world_file(cases[_i].cert), false, whole, sizeof(whole));
	certs_fingerprint(world_file(cases[_i].cert), true, key, sizeof(key));
	snprintf(nobodys, sizeof(nobodys), "sha256:%064d", 0);

	for (policy.level = TLS_MAY; policy.level <= TLS_ENCRYPT; policy.level++) {
		world_secured();
		check_facts(cases[_i].verified);
		ck_assert_ptr_nonnull(strstr(conn_tls(conn)->why, cases[_i].why));
		ck_assert_str_eq(conn_tls(conn)->fingerprint, whole);
	}
	policy.level = TLS_VERIFY;
	ck_assert_int_eq(world_secure(), cases[_i].verified ? 's' : 'i');
	ck_assert_int_eq(conn_tls(conn)->verified, cases[_i].verified);
	ck_assert_ptr_nonnull(strstr(conn_tls(conn)->why, cases[_i].why));
	ck_assert_str_eq(
	    conn_tls(conn)->fingerprint, whole); /* so that one can be told to trust it */

	policy = (struct tls_policy){TLS_FINGERPRINT, listed, 2, false};
	world_secured();
	check_facts(true);
	ck_assert_str_eq(conn_tls(conn)->why, "");
	listed[1] = key;
	world_secured();
	check_facts(true);
	policy.nfingerprints = 1;
	ck_assert_int_eq(world_secure(), 'i');
	ck_assert_str_eq(conn_tls(conn)->why, "the certificate is none of those listed");
	ck_assert(!conn_tls(conn)->verified);
}
END_TEST

START_TEST(fingerprints_are_read_as_people_write_them)
{
	char text[80], colons[120] = "sha256:", *listed[] = {text};

	policy = (struct tls_policy){TLS_FINGERPRINT, listed, 1, false};
	certs_fingerprint(world_file("good"), false, text, sizeof(text));
	for (size_t i = 7; i < 71; i += 2)
		snprintf(colons + strlen(colons), 4, "%s%.2s", i > 7 ? ":" : "", text + i);
	listed[0] = colons;
	world_secured();
	for (size_t i = 7; i < 71; i++)
		if (text[i] >= 'a')
			text[i] = (char)(text[i] - 'a' + 'A');
	listed[0] = text;
	world_secured();
	text[70] = '\0';
	ck_assert_int_eq(world_secure(), 'i');
	listed[0] = colons + 7;
	ck_assert_int_eq(world_secure(), 'i');
	policy.nfingerprints = 0;
	ck_assert_int_eq(world_secure(), 'i');
}
END_TEST

static const struct {
	const char *cert, *name;
	bool right;
	const char *sni;
} names[] = {
    {"good", "MX.Example.Org.", true, "mx.example.org"},
    {"good", "example.org", false, "example.org"},
    {"good", ".example.org", false, ".example.org"},
    {"good", "", false, ""},
    {"wildcard", "other.example.org", true, "other.example.org"},
    {"wildcard", "xn--mller-kva.example.org", true, "xn--mller-kva.example.org"},
    {"wildcard", "a.b.example.org", false, "a.b.example.org"},
    {"wildcard", "example.org", false, "example.org"},
    {"wildcard", ".example.org", false, ".example.org"},
    {"wildcard-two-labels", "example.org", false, "example.org"},
    {"address", "192.0.2.1", true, ""},
    {"address", "[192.0.2.1]", true, ""},
    {"address", "2001:DB8:0::1", true, ""},
    {"address", "192.0.2.2", false, ""},
    {"address-as-name", "192.0.2.1", false, ""},
    {"good", "192.0.2.1", false, ""},
};

START_TEST(names_and_addresses)
{
	world_serve(names[_i].cert, 0, 0);
	policy.level = TLS_MAY;
	ck_assert_int_eq(world_secure_as(names[_i].name), 's');
	ck_assert_int_eq(conn_tls(conn)->verified, names[_i].right);
	ck_assert(conn_tls(conn)->trusted);
	ck_assert_str_eq(tls_peer_sni(far.peer), names[_i].sni);
	policy.level = TLS_VERIFY;
	ck_assert_int_eq(world_secure_as(names[_i].name), names[_i].right ? 's' : 'i');
}
END_TEST

START_TEST(a_name_that_cannot_be)
{
	char name[400];

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(world_secure_as(name), 'i');
	policy.level = TLS_MAY;
	ck_assert_int_eq(world_secure_as(name), 's');
}
END_TEST

/* Any encryption is better than none; where it is to hold it must be strong. */
START_TEST(a_weak_key)
{
	world_serve("rsa1024", 0, 0);
	policy.level = TLS_MAY;
	world_secured();
	policy.level = TLS_VERIFY;
	ck_assert_int_eq(world_secure(), 'i');
	ck_assert_ptr_nonnull(strstr(conn_tls(conn)->why, "key too weak"));
}
END_TEST

/* --- handshakes that fail --- */

static void
says_text(void)
{
	const char text[] = "454 4.7.0 TLS not available\r\n";

	if (write(far.end.fd, text, sizeof(text) - 1) == -1)
		abort();
	net_end_close(&far.end);
}

/* What has been read is no reset when it closes. */
static void
swallow(void)
{
	char block[4096];

	while (recv(far.end.fd, block, sizeof(block), 0) > 0)
		;
}

static void
closes(void)
{
	swallow();
	net_end_close(&far.end);
}

static void
resets(void)
{
	net_end_reset(&far.end);
}

static void
is_silent(void)
{
	if (!far.end.reading) /* the client has gone */
		net_end_close(&far.end);
	far.end.reading = false;
}

static void
sends_alert(void)
{
	const unsigned char alert[] = {21, 3, 3, 0, 2, 2, 80};

	if (write(far.end.fd, alert, sizeof(alert)) == -1)
		abort();
	net_end_close(&far.end);
}

/* A ServerHello of the year 1999: RFC 2246 7.4.1.3. _i: minor version */
static void
says_hello(unsigned char minor)
{
	unsigned char hello[5 + 4 + 38] = {22, 3, minor, 0, 42, 2, 0, 0, 38, 3, minor};

	swallow();
	hello[5 + 4 + 2 + 32 + 2] = 0x2f; /* TLS_RSA_WITH_AES_128_CBC_SHA */
	if (write(far.end.fd, hello, sizeof(hello)) == -1)
		net_end_close(&far.end);
}

static void
is_of_1999(void)
{
	says_hello(1);
}

static void
is_of_2006(void)
{
	says_hello(2);
}

static void
ends_in_the_middle(void)
{
	const unsigned char start[] = {22, 3, 3, 0, 100, 2, 0};

	swallow();
	if (write(far.end.fd, start, sizeof(start)) == -1)
		abort();
	net_end_close(&far.end);
}

static const struct {
	void (*plain)(void);
	const char *why;
	int err;
} failures[] = {
    {says_text, "the server does not answer in TLS", EPROTO},
    {closes, "the server closed the connection during the handshake", EPROTO},
    {ends_in_the_middle, "the server closed the connection during the handshake", EPROTO},
    {resets, "connection reset during the handshake", ECONNRESET},
    {sends_alert, "the server broke TLS off: internal error", EPROTO},
    {is_of_1999, "the server speaks TLS 1.0 only", EPROTO},
    {is_of_2006, "the server speaks TLS 1.1 only", EPROTO},
};

START_TEST(a_handshake_fails)
{
	char byte;

	far.plain = failures[_i].plain;
	policy.level = TLS_MAY;
	ck_assert_int_eq(world_secure(), 'i');
	ck_assert_str_eq(conn_tls(conn)->why, failures[_i].why);
	ck_assert_int_eq(conn_errno(conn), failures[_i].err);
	ck_assert_int_eq(conn_read(conn, &byte, 1), -1);
	ck_assert_int_eq(errno, failures[_i].err);
	ck_assert_int_eq(conn_write(conn, "x", 1), -1);
	ck_assert_uint_eq(conn_tls_binding(conn, "tls-exporter", (unsigned char *)&byte, 1), 0);
	conn_want(conn, true, true);
	ck_assert_uint_lt(world_second(), 5);
	ck_assert_str_eq(trail, "");
}
END_TEST

static ssize_t
broken_recv(int fd, void *buf, size_t n, int flags)
{
	(void)fd, (void)buf, (void)n, (void)flags;
	errno = ETIMEDOUT;
	return -1;
}

START_TEST(a_handshake_times_out_below_us)
{
	world_connect("192.0.2.1", 25);
	sys.recv = broken_recv;
	conn_start_tls(conn, tls, &policy, "mx.example.org");
	ck_assert_int_eq(world_next(), 'i');
	ck_assert_ptr_nonnull(strstr(conn_tls(conn)->why, "timed out during the handshake"));
	ck_assert_int_eq(conn_errno(conn), ETIMEDOUT);
}
END_TEST

START_TEST(a_silent_server_meets_the_deadline)
{
	int64_t at;

	far.plain = is_silent;
	world_connect("192.0.2.1", 25);
	at = reactor_now(reactor) + 60000;
	conn_start_tls(conn, tls, &policy, "mx.example.org");
	conn_deadline(conn, at);
	conn_want(conn, true, true);
	ck_assert_int_eq(conn_read(conn, &at, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(conn_write(conn, "x", 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(world_next(), 'd');
	ck_assert_int_eq(vclock_ms(), at);
}
END_TEST

START_TEST(old_versions_by_explicit_setting_only)
{
	world_serve("rsa", 0x0301, 0x0301);
	policy.level = TLS_MAY;
	ck_assert_int_eq(world_secure(), 'i');
	ck_assert_str_eq(conn_tls(conn)->why, "the server broke TLS off: protocol version");
	policy = (struct tls_policy){.level = TLS_VERIFY, .old_versions = true};
	world_secured();
	ck_assert_str_eq(conn_tls(conn)->protocol, "TLSv1");
	ck_assert(conn_tls(conn)->verified);
}
END_TEST

static void
close_it(enum conn_event event)
{
	if (event != CONN_OPEN)
		conn_close(&conn);
}

/* Whatever is reported of a handshake, closing in it is the end. */
START_TEST(closing_in_the_callback)
{
	act = close_it;
	if (_i == 1)
		far.plain = closes;
	ck_assert_int_eq(world_secure(), _i == 1 ? 'i' : 's');
	ck_assert_ptr_null(conn);
	reactor_turn(reactor);
	ck_assert_str_eq(trail, "");
}
END_TEST

START_TEST(closing_before_and_in_a_handshake)
{
	world_connect("192.0.2.1", 25);
	conn_start_tls(conn, tls, &policy, "mx.example.org");
	conn_close(&conn);
	ck_assert_uint_lt(world_second(), 5);
	far.plain = is_silent;
	world_connect("192.0.2.1", 25);
	conn_start_tls(conn, tls, &policy, "mx.example.org");
	reactor_turn(reactor);
	conn_close(&conn);
	ck_assert_uint_lt(world_second(), 5);
	ck_assert_str_eq(trail, "");
}
END_TEST

/* The socket says so before the handshake has begun: one outcome, not two. */
START_TEST(a_server_that_has_hung_up_already)
{
	world_connect("192.0.2.1", 25);
	net_end_close(&far.end);
	conn_start_tls(conn, tls, &policy, "mx.example.org");
	ck_assert_int_eq(world_next(), 'i');
	ck_assert_uint_lt(world_second(), 5);
	ck_assert_str_eq(trail, "");
}
END_TEST

/* --- reading and writing --- */

static size_t
read_all(char *buf, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while (n < size && (got = conn_read(conn, buf + n, size - n)) > 0)
		n += (size_t)got;
	return n;
}

START_TEST(there_and_back)
{
	char text[32];
	ssize_t n;

	world_serve("good", 0, _i);
	world_settled();
	ck_assert_str_eq(conn_tls(conn)->protocol, _i == 0x0303 ? "TLSv1.2" : "TLSv1.3");
	ck_assert_int_eq(conn_write(conn, "EHLO x\r\n", 8), 8);
	ck_assert_int_eq(conn_write(conn, "", 0), 0);
	while (buf_len(&far.in) < 8)
		world_second();
	ck_assert_mem_eq(buf_data(&far.in), "EHLO x\r\n", 8);
	trail[0] = '\0';
	world_say("250 y\r\n", 7);
	ck_assert_int_eq(world_next(), 'r');
	ck_assert_uint_eq(read_all(text, sizeof(text)), 7);
	ck_assert_mem_eq(text, "250 y\r\n", 7);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(conn_read(conn, text, 0), 0);
	tls_peer_close_notify(far.peer);
	ck_assert_int_eq(world_next(), 'r');
	for (int i = 0; i < 2; i++) {
		n = conn_read(conn, text, sizeof(text));
		ck_assert_int_eq(n, 0);
	}
	ck_assert_int_eq(conn_write(conn, "QUIT\r\n", 6), 6); /* a half-close is one */
	ck_assert_uint_lt(world_second(), 5);
	ck_assert_uint_eq(buf_len(&far.in), 14);
	conn_close(&conn);
	world_second();
	ck_assert(tls_peer_saw_close_notify(far.peer));
}
END_TEST

START_TEST(an_end_without_close_notify_is_an_end)
{
	char text[8];

	world_settled();
	world_say("x", 1);
	net_end_close(&far.end);
	ck_assert_int_eq(world_next(), 'r');
	ck_assert_uint_eq(read_all(text, sizeof(text)), 1);
	ck_assert_int_eq(conn_read(conn, text, sizeof(text)), 0);
	ck_assert_uint_lt(world_second(), 5);
}
END_TEST

/* What the server said before it hung up is read, although writing has failed. */
START_TEST(a_write_error_leaves_what_can_be_read)
{
	char text[8];

	world_settled();
	signal(SIGPIPE, SIG_DFL); /* it would end the test */
	world_say("421", 3);
	net_end_close(&far.end);
	ck_assert_int_eq(conn_write(conn, "MAIL", 4), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(conn_write(conn, "MAIL", 4), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_uint_eq(read_all(text, sizeof(text)), 3);
	ck_assert_int_eq(conn_read(conn, text, sizeof(text)), 0);
}
END_TEST

START_TEST(a_reset_is_an_error_of_reading)
{
	char text[8];

	world_settled();
	net_end_reset(&far.end);
	ck_assert_int_eq(world_next(), 'r');
	ck_assert_int_eq(conn_read(conn, text, sizeof(text)), -1);
	ck_assert_int_eq(errno, ECONNRESET);
}
END_TEST

/* One record, read a byte a turn: poll(2) does not see what is inside. */
START_TEST(what_waits_inside_is_reported)
{
	char text[4];

	world_settled();
	world_say("0123456789", 10);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(world_next(), 'r');
		ck_assert_str_eq(trail, "");
		ck_assert_int_eq(conn_read(conn, text, 1), 1);
		ck_assert_int_eq(text[0], '0' + i);
	}
	ck_assert_uint_lt(world_second(), 5);
	ck_assert_str_eq(trail, "");
}
END_TEST

START_TEST(what_waits_inside_waits_until_it_is_wanted)
{
	char text[16];

	world_settled();
	world_say("0123456789", 10);
	ck_assert_int_eq(world_next(), 'r');
	ck_assert_int_eq(conn_read(conn, text, 1), 1);
	conn_want(conn, false, false);
	ck_assert_uint_lt(world_second(), 5);
	ck_assert_str_eq(trail, "");
	conn_want(conn, true, false);
	ck_assert_int_eq(world_next(), 'r');
	ck_assert_uint_eq(read_all(text, sizeof(text)), 9);
}
END_TEST

/* EAGAIN: nothing was taken, and other bytes may come instead. What was taken goes out by itself. */
START_TEST(a_server_that_does_not_read)
{
	static char block[20000];
	size_t taken = 0;
	ssize_t n;

	world_settled();
	conn_want(conn, false, false);
	far.end.reading = false;
	memset(block, 'a', sizeof(block));
	while ((n = conn_write(conn, block, sizeof(block))) > 0)
		taken += (size_t)n;
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_gt(taken, 16384);
	ck_assert_int_eq(conn_write(conn, "b", 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_lt(world_second(), 5);
	far.end.reading = true;
	world_second(); /* nothing is wanted */
	ck_assert_str_eq(trail, "");
	ck_assert_uint_eq(buf_len(&far.in), taken);
	ck_assert_int_eq(conn_write(conn, "b", 1), 1);
	world_second();
	ck_assert_uint_eq(buf_len(&far.in), taken + 1);
	ck_assert_int_eq(buf_data(&far.in)[taken - 1], 'a');
	ck_assert_int_eq(buf_data(&far.in)[taken], 'b');
}
END_TEST

START_TEST(closing_while_something_is_unsent)
{
	static char block[20000];

	world_settled();
	conn_want(conn, false, false);
	far.end.reading = false;
	while (conn_write(conn, block, sizeof(block)) > 0)
		;
	conn_close(&conn);
	world_second();
	ck_assert(!tls_peer_saw_close_notify(far.peer));
}
END_TEST

START_TEST(a_server_that_hangs_up_while_something_is_unsent)
{
	static char block[20000];

	world_settled();
	conn_want(conn, false, false);
	far.end.reading = false;
	while (conn_write(conn, block, sizeof(block)) > 0)
		;
	net_end_close(&far.end);
	ck_assert_uint_lt(world_second(), 5);
	ck_assert_int_eq(conn_write(conn, "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
}
END_TEST

static unsigned calls;

static ssize_t
grudging_send(int fd, const void *buf, size_t n, int flags)
{
	if (++calls % 3 == 0) {
		errno = calls % 2 == 0 ? EAGAIN : EINTR;
		return -1;
	}
	return sys_libc.send(fd, buf, n > 900 ? 900 : n, flags);
}

static ssize_t
grudging_recv(int fd, void *buf, size_t n, int flags)
{
	if (++calls % 3 == 0) {
		errno = calls % 2 == 0 ? EAGAIN : EINTR;
		return -1;
	}
	return sys_libc.recv(fd, buf, n > 700 ? 700 : n, flags);
}

enum { LARGE = 300000 };

static size_t sent, received;

static void
transfer(enum conn_event event)
{
	static char block[40000];
	ssize_t n;

	if (event != CONN_READY)
		return;
	while (sent < LARGE) {
		size_t want = 1 + sent * 7 % sizeof(block);

		if (want > LARGE - sent)
			want = LARGE - sent;
		for (size_t i = 0; i < want; i++)
			block[i] = (char)((sent + i) * 31 >> 3);
		n = conn_write(conn, block, want);
		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	while ((n = conn_read(conn, block, sizeof(block))) > 0)
		for (ssize_t i = 0; i < n; i++, received++)
			if (block[i] != (char)(received * 17 >> 2))
				ck_abort_msg("byte %zu is wrong", received);
	conn_want(conn, true, sent < LARGE);
}

/* Much each way at once, through a socket that takes and gives little. */
START_TEST(much_both_ways)
{
	char *back = malloc(LARGE);

	for (size_t i = 0; i < LARGE; i++)
		back[i] = (char)(i * 17 >> 2);
	world_serve("good", 0, _i);
	sys.send = grudging_send;
	sys.recv = grudging_recv;
	sent = received = 0;
	world_secured();
	world_say(back, LARGE);
	act = transfer;
	conn_want(conn, true, true);
	for (int i = 0; i < 100000 && (received < LARGE || buf_len(&far.in) < LARGE); i++)
		reactor_turn(reactor);
	ck_assert_uint_eq(received, LARGE);
	ck_assert_uint_eq(buf_len(&far.in), LARGE);
	for (size_t i = 0; i < LARGE; i++)
		if (buf_data(&far.in)[i] != (char)(i * 31 >> 3))
			ck_abort_msg("byte %zu is wrong at the server", i);
	free(back);
}
END_TEST

/* --- what else may come between --- */

static ssize_t
counting_recv(int fd, void *buf, size_t n, int flags)
{
	calls++;
	return sys_libc.recv(fd, buf, n, flags);
}

static void
read_some(enum conn_event event)
{
	char text[16];

	if (event == CONN_READY)
		received += read_all(text, sizeof(text));
}

/* However much there is that is not for us, one call does a bounded piece of it. */
static void
flood(void (*what)(struct tls_peer *), size_t times)
{
	char text[16];

	world_settled();
	for (size_t i = 0; i < times; i++)
		what(far.peer);
	sys.recv = counting_recv;
	calls = 0;
	(void)conn_read(conn, text, sizeof(text));
	ck_assert_uint_le(calls, 64);
}

START_TEST(tickets_without_end)
{
	flood(tls_peer_ticket, 100);
	world_say("hello", 5);
	received = 0;
	act = read_some;
	while (received < 5)
		ck_assert(reactor_turn(reactor));
	ck_assert_uint_lt(world_second(), 5);
}
END_TEST

START_TEST(new_keys_again_and_again)
{
	flood(tls_peer_key_update, 30);
	world_say("hello", 5);
	received = 0;
	act = read_some;
	while (received < 5)
		ck_assert(reactor_turn(reactor));
	ck_assert_int_eq(conn_write(conn, "x", 1), 1);
	world_second();
	ck_assert_uint_eq(buf_len(&far.in), 1);
	ck_assert(!far.failed);
}
END_TEST

/* Ours are answers, which must go out although nothing is written. */
START_TEST(new_keys_while_the_server_does_not_read)
{
	static char block[20000];
	size_t taken = 0;
	ssize_t n;

	world_settled();
	conn_want(conn, false, false);
	far.end.reading = false;
	while ((n = conn_write(conn, block, sizeof(block))) > 0)
		taken += (size_t)n;
	tls_peer_key_update(far.peer);
	world_say("hello", 5);
	received = 0;
	act = read_some;
	conn_want(conn, true, false);
	while (received < 5)
		ck_assert(reactor_turn(reactor));
	far.end.reading = true;
	world_second();
	ck_assert_int_eq(conn_write(conn, "x", 1), 1);
	world_second();
	ck_assert_uint_eq(buf_len(&far.in), taken + 1);
	ck_assert(!far.failed);
}
END_TEST

static ssize_t
dripping_recv(int fd, void *buf, size_t n, int flags)
{
	calls++;
	return sys_libc.recv(fd, buf, n > 0 ? 1 : 0, flags);
}

/* Bytes that come one by one are taken a few a turn, in the handshake and after it. */
START_TEST(a_server_that_drips)
{
	unsigned before, most = 0, turns = 0;

	world_connect("192.0.2.1", 25);
	sys.recv = dripping_recv;
	conn_start_tls(conn, tls, &policy, "mx.example.org");
	for (; trail[0] == '\0'; turns++) {
		before = calls;
		reactor_turn(reactor);
		if (calls - before > most)
			most = calls - before;
	}
	ck_assert_int_eq(world_next(), 's');
	ck_assert_uint_le(most, 64);
	ck_assert_uint_gt(turns, 10);
	received = 0;
	act = read_some;
	conn_want(conn, true, false);
	world_say("hello", 5);
	while (received < 5)
		ck_assert(reactor_turn(reactor));
	ck_assert_uint_lt(world_second(), 5);
}
END_TEST

START_TEST(records_of_no_bytes_without_end)
{
	struct tls_server_options o = {.pem = world_file("good"), .no_tickets = true};
	char text[4];

	tls_server_free(&server);
	server = tls_server_new(&o);
	flood(tls_peer_empty_record, 10);
	ck_assert_int_eq(conn_read(conn, text, sizeof(text)), -1);
	ck_assert_int_eq(errno, EAGAIN);
	for (int i = 0; i < 100; i++)
		tls_peer_empty_record(far.peer);
	act = read_some;
	ck_assert_uint_lt(world_second(), 110);
	ck_assert_int_eq(conn_errno(conn), EPROTO);
	ck_assert_str_ne(conn_tls(conn)->why, "");
}
END_TEST

START_TEST(renegotiation_is_refused)
{
	world_serve("good", 0, 0x0303);
	world_settled();
	tls_peer_renegotiate(far.peer);
	act = world_read;
	ck_assert_uint_lt(world_second(), 20);
	ck_assert_str_ne(trail, "");
	world_say("x", 1);
	ck_assert_uint_lt(world_second(), 20);
	ck_assert(far.failed); /* as servers do that insist */
}
END_TEST

static ssize_t
spoiled_send(int fd, const void *buf, size_t n, int flags)
{
	char copy[1000];

	if (n > sizeof(copy))
		n = sizeof(copy);
	memcpy(copy, buf, n);
	copy[n - 1] ^= 1;
	return sys_libc.send(fd, copy, n, flags);
}

START_TEST(an_alert_in_mid_body)
{
	char text[4];

	world_settled();
	sys.send = spoiled_send;
	ck_assert_int_eq(conn_write(conn, "body", 4), 4);
	ck_assert_int_eq(world_next(), 'r');
	while (conn_read(conn, text, sizeof(text)) == -1 && errno == EAGAIN)
		reactor_turn(reactor);
	ck_assert_int_eq(conn_errno(conn), EPROTO);
	ck_assert_str_eq(conn_tls(conn)->why, "the server broke TLS off: bad record mac");
	ck_assert_int_eq(conn_write(conn, "x", 1), -1);
	ck_assert_int_eq(errno, EPROTO);
	ck_assert_int_eq(conn_read(conn, text, 1), -1);
	ck_assert_int_eq(errno, EPROTO);
	ck_assert_uint_lt(world_second(), 5);
}
END_TEST

static ssize_t
spoiled_recv(int fd, void *buf, size_t n, int flags)
{
	ssize_t got = sys_libc.recv(fd, buf, n, flags);

	if (got > 5)
		((char *)buf)[got - 1] ^= 1;
	return got;
}

START_TEST(a_spoiled_record)
{
	char text[4];

	world_settled();
	sys.recv = spoiled_recv;
	world_say("x", 1);
	ck_assert_int_eq(world_next(), 'r');
	while (conn_read(conn, text, sizeof(text)) == -1 && errno == EAGAIN)
		reactor_turn(reactor);
	ck_assert_int_eq(conn_errno(conn), EPROTO);
	ck_assert_str_ne(conn_tls(conn)->why, "");
}
END_TEST

static TCase *
tcase(const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_unchecked_fixture(tc, world_certs, world_certs_remove);
	tcase_add_checked_fixture(tc, world_setup, world_teardown);
	tcase_set_timeout(tc, 20);
	return tc;
}

static TCase *
tcase_names(void)
{
	TCase *tc = tcase("who the server is");

	tcase_add_loop_test(tc, every_certificate_under_every_policy, 0, CASES);
	tcase_add_test(tc, fingerprints_are_read_as_people_write_them);
	tcase_add_loop_test(tc, names_and_addresses, 0, (int)(sizeof(names) / sizeof(names[0])));
	tcase_add_test(tc, a_name_that_cannot_be);
	tcase_add_test(tc, a_weak_key);
	return tc;
}

static TCase *
tcase_handshake(void)
{
	TCase *tc = tcase("handshake");

	tcase_add_loop_test(
	    tc, a_handshake_fails, 0, (int)(sizeof(failures) / sizeof(failures[0])));
	tcase_add_test(tc, a_handshake_times_out_below_us);
	tcase_add_test(tc, a_silent_server_meets_the_deadline);
	tcase_add_test(tc, old_versions_by_explicit_setting_only);
	tcase_add_loop_test(tc, closing_in_the_callback, 0, 2);
	tcase_add_test(tc, closing_before_and_in_a_handshake);
	tcase_add_test(tc, a_server_that_has_hung_up_already);
	return tc;
}

static TCase *
tcase_bytes(void)
{
	TCase *tc = tcase("reading and writing");

	tcase_add_loop_test(tc, there_and_back, 0x0303, 0x0305);
	tcase_add_test(tc, an_end_without_close_notify_is_an_end);
	tcase_add_test(tc, a_write_error_leaves_what_can_be_read);
	tcase_add_test(tc, a_reset_is_an_error_of_reading);
	tcase_add_test(tc, what_waits_inside_is_reported);
	tcase_add_test(tc, what_waits_inside_waits_until_it_is_wanted);
	tcase_add_test(tc, a_server_that_does_not_read);
	tcase_add_test(tc, closing_while_something_is_unsent);
	tcase_add_test(tc, a_server_that_hangs_up_while_something_is_unsent);
	tcase_add_loop_test(tc, much_both_ways, 0x0303, 0x0305);
	tcase_add_test(tc, tickets_without_end);
	tcase_add_test(tc, new_keys_again_and_again);
	tcase_add_test(tc, new_keys_while_the_server_does_not_read);
	tcase_add_test(tc, a_server_that_drips);
	tcase_add_test(tc, records_of_no_bytes_without_end);
	tcase_add_test(tc, renegotiation_is_refused);
	tcase_add_test(tc, an_alert_in_mid_body);
	tcase_add_test(tc, a_spoiled_record);
	return tc;
}

Suite *
suite_tls(void)
{
	Suite *suite = suite_create("tls");

	suite_add_tcase(suite, tcase_names());
	suite_add_tcase(suite, tcase_handshake());
	suite_add_tcase(suite, tcase_bytes());
	return suite;
}
