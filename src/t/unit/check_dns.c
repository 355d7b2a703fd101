/*
 * check_dns.c: what a lookup makes of an answer: records, aliases, and packets that are somebody else's. The
 * tests at the end use real sockets on loopback, for what only the kernel can do.
 */
#include <sys/socket.h>

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "asker.h"
#include "base/sys.h"
#include "dns_fake.h"
#include "ns_fake.h"
#include "suites.h"

static char why[200];

/* --- answers --- */

START_TEST(records)
{
	struct asker a;

	asker_open(1, 0);
	ns_zone(0, "six.example 90000 AAAA 2001:db8::7");
	a = asker_lookup("M.example.", DNS_MX);
	ck_assert_int_eq(a.status, DNS_OK);
	ck_assert_uint_eq(a.n, 2);
	ck_assert_str_eq(a.first_name, "mx1.m.example");
	ck_assert_uint_eq(a.first.preference, 10);
	ck_assert_uint_eq(a.last.preference, 20);
	ck_assert_str_eq(a.name, "m.example");
	ck_assert_str_eq(a.why, "");
	a = asker_lookup("a.example", DNS_A);
	asker_assert_address(&a, "192.0.2.80");
	a = asker_lookup("six.example", DNS_AAAA);
	asker_assert_address(&a, "2001:db8::7");
	ck_assert_uint_eq(a.first.ttl, 86400);
	a = asker_lookup("a.example", DNS_AAAA);
	ck_assert_int_eq(a.status, DNS_NODATA);
	a = asker_lookup("none.example", DNS_A);
	ck_assert_int_eq(a.status, DNS_NXDOMAIN);
	ck_assert(ns[0].edns);
	ck_assert_uint_eq(ns[0].udp, 5);
}
END_TEST

START_TEST(impossible_names)
{
	static const char *const names[] = {"", ".", "a..b", "-", "a b.example", "x/y.example",
	    "b\303\274cher.example", "a\\.b", "a\n.example",
	    "1234567890123456789012345678901234567890123456789012345678901234.example"};
	char longname[400];

	asker_open(1, 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct asker a = asker_lookup(names[i], DNS_A);

		ck_assert_int_eq(a.status, DNS_NXDOMAIN);
	}
	memset(longname, 'a', sizeof(longname));
	for (size_t i = 9; i < sizeof(longname); i += 10)
		longname[i] = '.';
	longname[254] = '\0';
	ck_assert_int_eq(asker_lookup(longname, DNS_A).status, DNS_NXDOMAIN);
	ck_assert_uint_eq(ns[0].udp, 1); /* "-" is odd, but can be asked */
	longname[253] = '\0';
	ck_assert_int_eq(asker_lookup(longname, DNS_A).status, DNS_NXDOMAIN);
	ck_assert_uint_eq(ns[0].udp, 2);
	longname[399] = '\0';
	longname[253] = 'a';
	longname[254] = 'a';
	ck_assert_int_eq(asker_lookup(longname, DNS_A).status, DNS_NXDOMAIN);
	ck_assert_uint_eq(ns[0].udp, 2);
}
END_TEST

START_TEST(bad_options)
{
	static const char *const bad[] = {"192.0.2.1", "ns.example"};
	static const char *const many[9] = {0};
	struct dns_options o = {.servers = bad, .nservers = 2};

	ck_assert_ptr_null(dns_new(asking.reactor, &o, why, sizeof(why)));
	ck_assert_ptr_nonnull(strstr(why, "ns.example"));
	o.servers = many;
	o.nservers = 9;
	ck_assert_ptr_null(dns_new(asking.reactor, &o, why, sizeof(why)));
	ck_assert_ptr_nonnull(strstr(why, "more than 8"));
}
END_TEST

/* --- aliases --- */

static void
chain(int links)
{
	char line[200];

	for (int i = 0; i < links; i++) {
		snprintf(line, sizeof(line), "c%d.example %d CNAME C%d.example", i, 100 + i, i + 1);
		ns_zone(0, line);
	}
	snprintf(line, sizeof(line), "c%d.example A 192.0.2.81", links);
	ns_zone(0, line);
}

START_TEST(aliases_in_one_answer)
{
	struct asker a;

	asker_open(1, 0);
	chain(8);
	a = asker_lookup("c0.example", DNS_A);
	asker_assert_address(&a, "192.0.2.81");
	ck_assert_uint_eq(ns[0].udp, 1);
	ck_assert_int_eq(asker_lookup("c0.example", DNS_MX).status, DNS_NODATA);
}
END_TEST

START_TEST(aliases_left_to_us)
{
	struct asker a;

	asker_open(1, 0);
	ns[0].zone.no_chase = true;
	chain(8);
	a = asker_lookup("c0.example", DNS_A);
	asker_assert_address(&a, "192.0.2.81");
	ck_assert_uint_eq(ns[0].udp, 9);
	/* kept for the least TTL of all: 100 s */
	asker_pass(99000);
	asker_lookup("c0.example", DNS_A);
	ck_assert_uint_eq(ns[0].udp, 9);
	asker_pass(1000);
	asker_lookup("c0.example", DNS_A);
	ck_assert_uint_eq(ns[0].udp, 18);
}
END_TEST

START_TEST(too_many_aliases)
{
	struct asker a;

	asker_open(1, 0);
	ns[0].zone.no_chase = _i == 1;
	chain(9);
	a = asker_lookup("c0.example", DNS_A);
	asker_assert_temporary(&a, "too many aliases from 192.0.2.1");
}
END_TEST

START_TEST(alias_loop)
{
	struct asker a;

	asker_open(1, 0);
	ns[0].zone.no_chase = _i == 1;
	ns_zone(0, "x.example CNAME y.example");
	ns_zone(0, "y.example CNAME x.example");
	a = asker_lookup("x.example", DNS_MX);
	asker_assert_temporary(&a, "too many aliases from 192.0.2.1");
	ck_assert_uint_le(ns[0].udp, 9);
}
END_TEST

START_TEST(alias_to_nowhere)
{
	asker_open(1, 0);
	ns[0].zone.no_chase = _i == 1;
	ns_zone(0, "x.example CNAME nowhere.example");
	ck_assert_int_eq(asker_lookup("x.example", DNS_A).status, DNS_NXDOMAIN);
}
END_TEST

START_TEST(silence_behind_an_alias)
{
	struct asker a;

	asker_open(1, 0);
	ns[0].zone.no_chase = true;
	ns[0].manner = NS_DIES;
	ns_zone(0, "x.example CNAME a.example");
	a = asker_lookup("x.example", DNS_A);
	asker_assert_temporary(&a, "no answer from 192.0.2.1");
}
END_TEST

/* --- somebody else's packets --- */

START_TEST(packets_that_do_not_match)
{
	static const enum ns_manner manners[] = {NS_WRONG_ID, NS_WRONG_QUESTION, NS_FLOOD};
	struct asker a;

	asker_open(1, 0);
	ns[0].manner = manners[_i];
	a = asker_lookup("a.example", DNS_A);
	asker_assert_address(&a, "192.0.2.80");
	ck_assert_uint_eq(ns[0].udp, 1);
}
END_TEST

START_TEST(nothing_but_a_flood)
{
	struct asker a;

	asker_open(1, 0);
	ns[0].manner = NS_ONLY_FLOOD;
	a = asker_lookup("a.example", DNS_A);
	ck_assert_int_eq(a.status, DNS_TEMPORARY);
	ck_assert(a.no_server); /* forged packets are nobody's answer */
}
END_TEST

START_TEST(ids_differ)
{
	uint16_t ids[8];
	int same = 0;
	char name[40];

	asker_open(1, 0);
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		asker_lookup(name, DNS_A);
		ids[i] = ns[0].id;
		if (i > 0 && (ids[i] == ids[i - 1] || ids[i] == (uint16_t)(ids[i - 1] + 1)))
			same++;
	}
	ck_assert_int_le(same, 1);
}
END_TEST

/* --- real sockets --- */

static struct {
	int fd, forger;
	struct watch watch;
	struct dns_fake zone;
	char address[32];
} real;

static void
forge_then_answer(void *ctx, short events)
{
	static uint8_t msg[DNS_FAKE_MAX];
	uint8_t q[512];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t qlen = recvfrom(real.fd, q, sizeof(q), 0, (struct sockaddr *)&from, &len);
	size_t n;

	(void)ctx, (void)events;
	ck_assert_int_gt(qlen, 12);
	n = dns_fake_answer(&real.zone, q, (size_t)qlen, false, msg);
	msg[n - 1] = 66; /* all is right about it but where it comes from and what it says */
	ck_assert_int_eq(sendto(real.forger, msg, n, 0, (struct sockaddr *)&from, len), (ssize_t)n);
	msg[n - 1] = 80;
	ck_assert_int_eq(sendto(real.fd, msg, n, 0, (struct sockaddr *)&from, len), (ssize_t)n);
}

static int
loopback_socket(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	return fd;
}

static void
setup_real(void)
{
	const char *server = real.address;
	struct dns_options o = {.servers = &server, .nservers = 1};
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	sys = sys_libc;
	asking.reactor = reactor_new();
	real.fd = loopback_socket();
	real.forger = loopback_socket();
	getsockname(real.fd, (struct sockaddr *)&sin, &len);
	snprintf(real.address, sizeof(real.address), "127.0.0.1:%u", (unsigned)ntohs(sin.sin_port));
	dns_fake_init(&real.zone);
	dns_fake_add(&real.zone, "a.example A 192.0.2.80");
	asking.dns = dns_new(asking.reactor, &o, why, sizeof(why));
}

static void
teardown_real(void)
{
	dns_free(&asking.dns);
	reactor_free(&asking.reactor);
	close(real.forger);
	dns_fake_free(&real.zone);
}

START_TEST(wrong_source)
{
	struct asker a = {0};

	watch_init(&real.watch, forge_then_answer, NULL);
	watch_add(asking.reactor, &real.watch, real.fd, POLLIN);
	asker_ask(&a, "a.example", DNS_A);
	asker_run();
	asker_assert_address(&a, "192.0.2.80");
	watch_remove(asking.reactor, &real.watch);
	close(real.fd);
}
END_TEST

START_TEST(nobody_listens)
{
	struct asker a = {0};

	close(real.fd);
	asker_ask(&a, "a.example", DNS_A);
	asker_run(); /* the kernel says so; five seconds would be a failure by timeout */
	ck_assert_int_eq(a.status, DNS_TEMPORARY);
	ck_assert(a.no_server);
	ck_assert_ptr_nonnull(strstr(a.why, strerror(ECONNREFUSED)));
}
END_TEST

static TCase *
loopback_cases(void)
{
	TCase *tc = tcase_create("loopback");

	tcase_add_checked_fixture(tc, setup_real, teardown_real);
	tcase_add_test(tc, wrong_source);
	tcase_add_test(tc, nobody_listens);
	return tc;
}

Suite *
suite_dns(void)
{
	Suite *s = suite_create("dns");
	TCase *tc = tcase_create("answers");

	tcase_add_checked_fixture(tc, asker_setup, asker_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, records);
	tcase_add_test(tc, impossible_names);
	tcase_add_test(tc, bad_options);
	tcase_add_test(tc, aliases_in_one_answer);
	tcase_add_test(tc, aliases_left_to_us);
	tcase_add_loop_test(tc, too_many_aliases, 0, 2);
	tcase_add_loop_test(tc, alias_loop, 0, 2);
	tcase_add_loop_test(tc, alias_to_nowhere, 0, 2);
	tcase_add_test(tc, silence_behind_an_alias);
	tcase_add_loop_test(tc, packets_that_do_not_match, 0, 3);
	tcase_add_test(tc, nothing_but_a_flood);
	tcase_add_test(tc, ids_differ);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, loopback_cases());
	return s;
}
