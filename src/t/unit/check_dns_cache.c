/*
 * check_dns_cache.c: lookups that meet: shared while under way, answered from what is kept for as long as it
 * may be, cancelled, and given up with all the rest; and that callers who break the contract are told.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>

#include "asker.h"
#include "ns_fake.h"
#include "suites.h"
#include "vclock.h"

START_TEST(a_hundred_ask_the_same)
{
	static struct asker a[100];

	asker_open(1, 0);
	for (int i = 0; i < 100; i++)
		asker_ask(&a[i], i % 2 == 0 ? "m.example" : "M.EXAMPLE.", DNS_MX);
	asker_run();
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(a[i].calls, 1);
		ck_assert_uint_eq(a[i].n, 2);
	}
	ck_assert_uint_eq(ns[0].udp, 1);
}
END_TEST

START_TEST(kept_for_its_ttl)
{
	struct asker a;

	asker_open(1, 0);
	ns_zone(0, "t.example 100 A 192.0.2.82");
	asker_lookup("t.example", DNS_A);
	asker_pass(99999);
	a = asker_lookup("t.example", DNS_A);
	asker_assert_address(&a, "192.0.2.82");
	ck_assert_uint_eq(ns[0].udp, 1);
	asker_pass(1);
	dns_fake_free(&ns[0].zone);
	ns_zone(0, "t.example A 192.0.2.83");
	a = asker_lookup("t.example", DNS_A);
	asker_assert_address(&a, "192.0.2.83");
}
END_TEST

START_TEST(absence_is_kept_too)
{
	asker_open(1, 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(asker_lookup("none.example", DNS_A).status, DNS_NXDOMAIN);
		ck_assert_int_eq(asker_lookup("a.example", DNS_MX).status, DNS_NODATA);
	}
	ck_assert_uint_eq(ns[0].udp, 2);
	asker_pass(60000); /* the SOA's minimum */
	asker_lookup("none.example", DNS_A);
	ck_assert_uint_eq(ns[0].udp, 3);
}
END_TEST

START_TEST(ttl_zero_is_not_kept)
{
	static struct asker a, b;

	asker_open(1, 0);
	ns_zone(0, "t.example 0 A 192.0.2.82");
	asker_ask(&a, "t.example", DNS_A);
	a.then = &b; /* asks again from the callback */
	asker_run();
	asker_assert_address(&a, "192.0.2.82");
	asker_assert_address(&b, "192.0.2.82");
	ck_assert_uint_eq(ns[0].udp, 2);
}
END_TEST

START_TEST(asked_again_from_the_callback)
{
	static struct asker a, b, c;

	asker_open(1, 0);
	asker_ask(&a, "a.example", DNS_A);
	a.then = &b;
	b.then = &c;
	asker_run();
	asker_assert_address(&c, "192.0.2.80");
	ck_assert_uint_eq(ns[0].udp, 1);
	asker_lookup("a.example", DNS_A);
	ck_assert_uint_eq(ns[0].udp, 1);
}
END_TEST

START_TEST(cancelled_from_the_callback)
{
	static struct asker a, b, c;

	asker_open(1, 0);
	asker_ask(&a, "a.example", DNS_A);
	asker_ask(&b, "a.example", DNS_A);
	a.then = &b; /* waits for the same answer */
	a.cancel = true;
	asker_run();
	ck_assert_int_eq(a.calls, 1);
	ck_assert_int_eq(b.calls, 0);
	dns_cancel(&a.q);
	dns_cancel(&b.q); /* harmless */

	ns[0].manner = NS_LOSES_FIRST;
	ns[0].udp = 0;
	asker_ask(&c, "none.example", DNS_A); /* lost: is under way when a is told */
	asker_ask(&a, "a.example", DNS_A);
	a.then = &c;
	asker_run();
	ck_assert_int_eq(c.calls, 0);
	asker_settle();
	ck_assert_int_eq(sockets.open, 0);
	ck_assert_int_eq(vclock_ms(), 1000000); /* nothing went on waiting for it */
}
END_TEST

START_TEST(cancelled_while_waiting)
{
	static struct asker a, b, c;

	asker_open(1, 1);
	ns[0].manner = NS_LOSES_FIRST;
	asker_ask(&a, "a.example", DNS_A);
	asker_ask(&b, "b.example", DNS_A); /* waits for the wire */
	asker_ask(&c, "m.example", DNS_MX);
	reactor_turn(asking.reactor);
	dns_cancel(&b.q);
	dns_cancel(&a.q); /* m.example may go */
	asking.waiting -= 2;
	asker_run();
	ck_assert_int_eq(c.calls, 1);
	ck_assert_int_eq(a.calls + b.calls, 0);
	ck_assert_uint_eq(ns[0].udp, 2);
	ck_assert_int_eq(vclock_ms(), 1000000);
}
END_TEST

START_TEST(cancelled_and_asked_again)
{
	static struct asker a, b;

	asker_open(1, 0);
	asker_ask(&a, "a.example", DNS_A);
	reactor_turn(asking.reactor);
	dns_cancel(&a.q);
	asking.waiting--;
	asker_ask(&b, "a.example", DNS_A);
	asker_run();
	asker_assert_address(&b, "192.0.2.80");
	/* a cached one is not told after cancel either */
	asker_ask(&a, "a.example", DNS_A);
	dns_cancel(&a.q);
	asking.waiting--;
	asker_settle();
	ck_assert_int_eq(a.calls, 0);
	asker_ask(&a, "a.example", DNS_A);
	asker_run();
	ck_assert_uint_eq(ns[0].udp, 2);
}
END_TEST

START_TEST(five_hundred_at_once)
{
	static struct asker a[500];
	char name[40];

	asker_open(1, 50);
	ns_zone(0, "*.bulk.example A 192.0.2.90");
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "n%d.bulk.example", i);
		asker_ask(&a[i], name, DNS_A);
	}
	asker_run();
	for (int i = 0; i < 500; i++)
		asker_assert_address(&a[i], "192.0.2.90");
	ck_assert_uint_eq(ns[0].udp, 500);
	ck_assert_int_eq(sockets.most, 50);
	ck_assert_int_eq(vclock_ms(), 1000000);
}
END_TEST

START_TEST(the_cache_is_bounded)
{
	char line[80];
	struct asker a;

	asker_open(1, 0);
	for (int i = 0; i < 2500; i++) {
		snprintf(line, sizeof(line), "*.bulk.example A 10.0.%d.%d", i / 250, i % 250);
		ns_zone(0, line);
	}
	for (int i = 0; i < 21; i++) { /* 52,500 records: the first has to go */
		snprintf(line, sizeof(line), "n%d.bulk.example", i);
		a = asker_lookup(line, DNS_A);
		ck_assert_uint_eq(a.n, 2500);
	}
	asker_lookup("n1.bulk.example", DNS_A);
	ck_assert_uint_eq(ns[0].tcp, 21);
	asker_lookup("n0.bulk.example", DNS_A);
	ck_assert_uint_eq(ns[0].tcp, 22);
}
END_TEST

START_TEST(freed_in_flight)
{
	static struct asker a, b, c, d;

	asker_open(1, 2);
	ns[0].manner = NS_SILENT;
	asker_ask(&a, "a.example", DNS_A);
	reactor_turn(asking.reactor);
	reactor_turn(asking.reactor);
	ns[0].manner = NS_TCP_STALLS;
	ns_zone(0, "t.example TC");
	asker_ask(&b, "t.example", DNS_A);
	asker_ask(&c, "c.example", DNS_A); /* queued */
	asker_ask(&d, "", DNS_A); /* settled */
	for (int i = 0; i < 3; i++)
		reactor_turn(asking.reactor);
	asker_ask(&d, "", DNS_A);
	ck_assert_int_eq(sockets.open, 2);
	dns_free(&asking.dns);
	ck_assert_ptr_null(asking.dns);
	dns_cancel(&a.q);
	dns_cancel(&d.q);
	asker_settle();
	ck_assert_int_eq(a.calls + b.calls + c.calls + d.calls, 0);
	dns_free(&asking.dns);
}
END_TEST

static void
free_it(void *ctx, const struct dns_answer *answer)
{
	(void)ctx, (void)answer;
	dns_free(&asking.dns);
}

START_TEST(freed_from_a_callback)
{
	struct dns_lookup q;

	asker_open(1, 0);
	dns_lookup_init(&q);
	dns_lookup(asking.dns, &q, "", DNS_A, free_it, NULL);
	asker_settle();
}
END_TEST

START_TEST(asked_twice)
{
	struct asker a = {0};

	asker_open(1, 0);
	asker_ask(&a, "a.example", DNS_A);
	dns_lookup(asking.dns, &a.q, "b.example", DNS_A, asker_told, &a);
}
END_TEST

START_TEST(asked_for_what_we_cannot_read)
{
	struct asker a = {0};

	asker_open(1, 0);
	asker_ask(&a, "a.example", DNS_TLSA);
}
END_TEST

Suite *
suite_dns_cache(void)
{
	Suite *s = suite_create("dns_cache");
	TCase *tc = tcase_create("sharing");

	tcase_add_checked_fixture(tc, asker_setup, asker_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_hundred_ask_the_same);
	tcase_add_test(tc, kept_for_its_ttl);
	tcase_add_test(tc, absence_is_kept_too);
	tcase_add_test(tc, ttl_zero_is_not_kept);
	tcase_add_test(tc, asked_again_from_the_callback);
	tcase_add_test(tc, cancelled_from_the_callback);
	tcase_add_test(tc, cancelled_while_waiting);
	tcase_add_test(tc, cancelled_and_asked_again);
	tcase_add_test(tc, five_hundred_at_once);
	tcase_add_test(tc, the_cache_is_bounded);
	tcase_add_test(tc, freed_in_flight);
	tcase_add_test_raise_signal(tc, freed_from_a_callback, SIGABRT);
	tcase_add_test_raise_signal(tc, asked_twice, SIGABRT);
	tcase_add_test_raise_signal(tc, asked_for_what_we_cannot_read, SIGABRT);
	suite_add_tcase(s, tc);
	return s;
}
