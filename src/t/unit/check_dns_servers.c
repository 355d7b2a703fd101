/*
 * check_dns_servers.c: name servers that are of no use, named after what they do: the next one is asked, none
 * is waited for longer than need be, and when all fail the answer says why. Then the same over TCP.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "asker.h"
#include "base/sys.h"
#include "net_fake.h"
#include "ns_fake.h"
#include "suites.h"

static char why[200];

/* --- servers that are of no use --- */

START_TEST(trouble_from_the_first)
{
	static const char *const words[] = {"SERVFAIL", "REFUSED", "NOTIMP", "FORMERR", "LAME"};
	char line[64];
	struct asker a;

	asker_open(2, 0);
	snprintf(line, sizeof(line), "t.example %s", words[_i]);
	ns_zone(0, line);
	ns_zone(1, "t.example A 192.0.2.81");
	a = asker_lookup("t.example", DNS_A);
	asker_assert_address(&a, "192.0.2.81");
	ck_assert_int_eq(a.at_ms, 1000000); /* nobody waited */
	ck_assert_uint_eq(ns[1].udp, 1);
}
END_TEST

START_TEST(trouble_from_all)
{
	struct asker a;

	asker_open(2, 0);
	ns_zone(0, "t.example REFUSED");
	ns_zone(1, "t.example SERVFAIL");
	a = asker_lookup("t.example", DNS_A);
	asker_assert_temporary(&a, "SERVFAIL from 192.0.2.2");
	ck_assert_uint_eq(ns[0].udp, 1); /* not asked again in the second round */
	ck_assert_uint_eq(ns[1].udp, 1);
	/* failures are kept for a while, too: RFC 9520 */
	asker_pass(29000);
	a = asker_lookup("t.example", DNS_A);
	asker_assert_temporary(&a, "SERVFAIL from 192.0.2.2");
	ck_assert_uint_eq(ns[0].udp, 1);
	asker_pass(1000);
	asker_lookup("t.example", DNS_A);
	ck_assert_uint_eq(ns[0].udp, 2);
}
END_TEST

START_TEST(no_edns)
{
	struct asker a;

	asker_open(1, 0);
	if (_i == 0)
		ns_zone(0, "a.example FORMERR-EDNS");
	else
		ns[0].manner = _i == 1 ? NS_BADVERS : NS_HATES_EDNS;
	a = asker_lookup("a.example", DNS_A);
	asker_assert_address(&a, "192.0.2.80");
	ck_assert_uint_eq(ns[0].udp, 2);
	ck_assert(!ns[0].edns);
	ck_assert_uint_eq(net_fake_connects(ns[0].address), 2); /* another socket, another id */
	ck_assert_int_eq(a.at_ms, 1000000);
}
END_TEST

START_TEST(malformed_answers)
{
	struct asker a;

	asker_open(2, 0);
	ns[0].manner = NS_CUT;
	a = asker_lookup("a.example", DNS_A);
	asker_assert_address(&a, "192.0.2.80");
	ns[1].manner = NS_CUT;
	a = asker_lookup("m.example", DNS_MX);
	asker_assert_temporary(&a, "malformed answer from 192.0.2.2");
}
END_TEST

START_TEST(silence_from_the_first)
{
	struct asker a;

	asker_open(2, 0);
	ns[0].manner = NS_SILENT;
	a = asker_lookup("a.example", DNS_A);
	asker_assert_address(&a, "192.0.2.80");
	ck_assert_int_eq(a.at_ms, 1005000);
	/* so the second is asked first, for a while */
	a = asker_lookup("m.example", DNS_MX);
	ck_assert_int_eq(a.at_ms, 1005000);
	ck_assert_uint_eq(ns[0].udp, 1);
	asker_pass(30000);
	ns[0].manner = NS_PLAIN;
	asker_lookup("b.example", DNS_A);
	ck_assert_uint_eq(ns[0].udp, 2);
}
END_TEST

START_TEST(unreachable_servers)
{
	static const int errors[] = {ECONNREFUSED, ENETUNREACH, EHOSTUNREACH};
	struct asker a;

	asker_open(2, 0);
	net_fake_down(ns[0].address, errors[_i]);
	a = asker_lookup("a.example", DNS_A);
	asker_assert_address(&a, "192.0.2.80");
	ck_assert_int_eq(a.at_ms, 1000000);
	net_fake_down(ns[1].address, errors[_i]);
	a = asker_lookup("b.example", DNS_A);
	ck_assert_int_eq(a.status, DNS_TEMPORARY);
	ck_assert(a.no_server);
	ck_assert_int_eq(a.at_ms, 1000000);
	snprintf(why, sizeof(why), "no answer from 192.0.2.1: %s", strerror(errors[_i]));
	ck_assert_str_eq(a.why, why);
}
END_TEST

START_TEST(silence_from_all)
{
	struct asker a;

	asker_open(3, 0);
	for (int i = 0; i < 3; i++)
		ns[i].manner = NS_SILENT;
	a = asker_lookup("a.example", DNS_A);
	ck_assert_int_eq(a.status, DNS_TEMPORARY);
	ck_assert(a.no_server);
	ck_assert_str_eq(a.why, "no answer from 192.0.2.3");
	ck_assert_int_eq(a.at_ms, 1030000);
	ck_assert_uint_eq(ns[0].udp, 2);
	ck_assert_uint_eq(ns[2].udp, 2);
	ck_assert(!ns[0].edns); /* dropped by a firewall, for all we know */
	ns[0].manner = NS_PLAIN;
	a = asker_lookup("m.example", DNS_MX); /* all the same: from the first again */
	ck_assert_int_eq(a.at_ms, 1030000);
}
END_TEST

START_TEST(trouble_tells_more_than_silence)
{
	struct asker a;

	asker_open(2, 0);
	ns_zone(0, "a.example SERVFAIL");
	ns[1].manner = NS_SILENT;
	a = asker_lookup("a.example", DNS_A);
	asker_assert_temporary(&a, "SERVFAIL from 192.0.2.1");
}
END_TEST

START_TEST(a_packet_is_lost)
{
	struct asker a;

	asker_open(1, 0);
	ns[0].manner = _i == 0 ? NS_LOSES_FIRST : NS_LATE;
	a = asker_lookup("a.example", DNS_A);
	asker_assert_address(&a, "192.0.2.80");
	ck_assert_uint_eq(ns[0].udp, 2);
	ck_assert_int_eq(a.at_ms, 1005000);
}
END_TEST

START_TEST(no_descriptors_for_a_while)
{
	struct asker a;

	asker_open(1, 0);
	sockets.missing = 1;
	a = asker_lookup("a.example", DNS_A);
	asker_assert_address(&a, "192.0.2.80");
	ck_assert_int_eq(a.at_ms, 1005000);
	sockets.missing = 2;
	a = asker_lookup("m.example", DNS_MX);
	ck_assert_int_eq(a.status, DNS_TEMPORARY);
	ck_assert(a.no_server);
	snprintf(why, sizeof(why), "no answer from 192.0.2.1: %s", strerror(EMFILE));
	ck_assert_str_eq(a.why, why);
}
END_TEST

static ssize_t
send_fails(int fd, const void *buf, size_t n, int flags)
{
	(void)fd, (void)buf, (void)n, (void)flags;
	errno = EPERM;
	return -1;
}

START_TEST(a_firewall_of_our_own)
{
	struct asker a;

	asker_open(1, 0);
	sys.send = send_fails;
	a = asker_lookup("a.example", DNS_A);
	ck_assert(a.no_server);
	snprintf(why, sizeof(why), "no answer from 192.0.2.1: %s", strerror(EPERM));
	ck_assert_str_eq(a.why, why);
}
END_TEST

/* --- TCP --- */

START_TEST(truncated_then_tcp)
{
	struct asker a;
	char line[100];

	asker_open(1, 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "big.example MX %d mx%d.big.example", i, i);
		ns_zone(0, line);
	}
	a = asker_lookup("big.example", DNS_MX);
	ck_assert_int_eq(a.status, DNS_OK);
	ck_assert_uint_eq(a.n, 1000);
	ck_assert_str_eq(a.last_name, "mx999.big.example");
	ck_assert_uint_eq(ns[0].udp, 1);
	ck_assert_uint_eq(ns[0].tcp, 1);
}
END_TEST

static const struct {
	enum ns_manner manner;
	const char *why;
	int64_t waited_ms;
} tcp_troubles[] = {
    {NS_TCP_REFUSED, "Connection refused", 0},
    {NS_TCP_STALLS, "timed out", 5000},
    {NS_TCP_HALF, "timed out", 5000},
    {NS_TCP_SLOW, "timed out", 5000},
    {NS_TCP_CLOSES, "connection closed", 0},
    {NS_TCP_WRONG_ID, "not the answer to our question", 0},
};

START_TEST(tcp_trouble)
{
	struct asker a;

	asker_open(2, 0);
	ns[0].manner = ns[1].manner = tcp_troubles[_i].manner;
	ns_zone(0, "t.example TC");
	ns_zone(0, "t.example A 192.0.2.82");
	ns_zone(1, "t.example A 192.0.2.81");
	a = asker_lookup("t.example", DNS_A);
	asker_assert_address(&a, "192.0.2.81"); /* the next server's, over UDP */
	ck_assert_int_eq(a.at_ms, 1000000 + tcp_troubles[_i].waited_ms);

	ns_zone(0, "u.example TC");
	ns_zone(0, "u.example A 192.0.2.82");
	ns_zone(1, "u.example TC");
	ns_zone(1, "u.example A 192.0.2.82");
	a = asker_lookup("u.example", DNS_A);
	snprintf(why, sizeof(why), "truncated answer, and none over TCP, from 192.0.2.2: %s",
	    tcp_troubles[_i].why);
	asker_assert_temporary(&a, why);
}
END_TEST

START_TEST(truncated_over_tcp_too)
{
	struct asker a;

	asker_open(1, 0);
	ns[0].manner = NS_TCP_TRUNCATED;
	ns_zone(0, "t.example TC");
	ns_zone(0, "t.example A 192.0.2.82");
	a = asker_lookup("t.example", DNS_A);
	asker_assert_temporary(&a, "truncated answer over TCP from 192.0.2.1");
}
END_TEST

START_TEST(no_descriptor_for_tcp)
{
	struct asker a = {0};

	asker_open(1, 0);
	ns_zone(0, "t.example TC");
	asker_ask(&a, "t.example", DNS_A);
	reactor_turn(asking.reactor);
	sockets.missing = 1;
	asker_run();
	snprintf(why, sizeof(why), "truncated answer, and none over TCP, from 192.0.2.1: %s",
	    strerror(EMFILE));
	asker_assert_temporary(&a, why);
}
END_TEST

static TCase *
tcp_cases(void)
{
	TCase *tc = tcase_create("tcp");

	tcase_add_checked_fixture(tc, asker_setup, asker_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, truncated_then_tcp);
	tcase_add_loop_test(tc, tcp_trouble, 0, sizeof(tcp_troubles) / sizeof(tcp_troubles[0]));
	tcase_add_test(tc, truncated_over_tcp_too);
	tcase_add_test(tc, no_descriptor_for_tcp);
	return tc;
}

Suite *
suite_dns_servers(void)
{
	Suite *s = suite_create("dns_servers");
	TCase *tc = tcase_create("servers");

	tcase_add_checked_fixture(tc, asker_setup, asker_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, trouble_from_the_first, 0, 5);
	tcase_add_test(tc, trouble_from_all);
	tcase_add_loop_test(tc, no_edns, 0, 3);
	tcase_add_test(tc, malformed_answers);
	tcase_add_test(tc, silence_from_the_first);
	tcase_add_loop_test(tc, unreachable_servers, 0, 3);
	tcase_add_test(tc, silence_from_all);
	tcase_add_test(tc, trouble_tells_more_than_silence);
	tcase_add_loop_test(tc, a_packet_is_lost, 0, 2);
	tcase_add_test(tc, no_descriptors_for_a_while);
	tcase_add_test(tc, a_firewall_of_our_own);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, tcp_cases());
	return s;
}
