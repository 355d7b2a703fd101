/*
 * check_dns_conf.c: lookups that go by a resolv.conf, also when it changes meanwhile, cannot be read, or is
 * not there. What its lines mean is check_resolvconf.c's.
 */
#include <sys/stat.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "asker.h"
#include "base/sys.h"
#include "net_fake.h"
#include "ns_fake.h"
#include "suites.h"

static char why[200];

static char conf[] = "/tmp/check_dns.XXXXXX";

static void
write_conf(const char *text)
{
	FILE *f = fopen(conf, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static void
open_with_conf(const char *text)
{
	struct dns_options o = {.resolv_conf = conf};
	int fd = mkstemp(conf);

	ck_assert_int_ne(fd, -1);
	close(fd);
	write_conf(text);
	asking.dns = dns_new(asking.reactor, &o, why, sizeof(why));
	ck_assert_ptr_nonnull(asking.dns);
}

static int
open_fails(int dir, const char *path, int flags, mode_t mode)
{
	(void)dir, (void)path, (void)flags, (void)mode;
	errno = EMFILE;
	return -1;
}

static ssize_t
read_fails(int fd, void *buf, size_t n)
{
	(void)fd, (void)buf, (void)n;
	errno = EIO;
	return -1;
}

static int
stat_fails(int dir, const char *path, struct stat *st, int flags)
{
	(void)dir, (void)path, (void)st, (void)flags;
	errno = EACCES;
	return -1;
}

START_TEST(resolv_conf_changes)
{
	open_with_conf("nameserver 192.0.2.1\n");
	asker_lookup("a.example", DNS_A);
	asker_lookup("a.example", DNS_A);
	ck_assert_uint_eq(ns[0].udp, 1);

	write_conf("nameserver 192.0.2.2 \noptions timeout:1\n");
	asker_lookup("m.example", DNS_MX); /* within the same second: not looked at again */
	ck_assert_uint_eq(ns[0].udp, 2);
	asker_pass(1000);
	asker_lookup("a.example", DNS_A); /* what the old servers said is forgotten */
	ck_assert_uint_eq(ns[1].udp, 1);

	/* As long as it cannot be read the old one stays. */
	write_conf("nameserver 192.0.2.3\n");
	asker_pass(1000);
	sys.openat = open_fails;
	asker_lookup("m.example", DNS_MX);
	ck_assert_uint_eq(ns[1].udp, 2);
	sys.openat = sys_libc.openat;
	sys.read = read_fails;
	asker_pass(1000);
	asker_lookup("b.example", DNS_MX);
	ck_assert_uint_eq(ns[1].udp, 3);
	sys.read = sys_libc.read;
	sys.fstatat = stat_fails;
	asker_pass(1000);
	asker_lookup("c.example", DNS_MX);
	ck_assert_uint_eq(ns[1].udp, 4);
	sys.fstatat = sys_libc.fstatat;
	asker_pass(1000);
	asker_lookup("d.example", DNS_MX);
	ck_assert_uint_eq(ns[2].udp, 1);
	unlink(conf);
}
END_TEST

START_TEST(resolv_conf_changes_in_flight)
{
	struct asker a = {0}, b = {0};

	open_with_conf("nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions timeout:3\n");
	ns[0].manner = NS_SILENT;
	asker_ask(&a, "a.example", DNS_A);
	reactor_turn(asking.reactor);
	write_conf("nameserver 192.0.2.3\nnameserver 192.0.2.1\n");
	asker_pass(1000);
	asker_ask(&b, "b.example", DNS_A);
	asker_run();
	asker_assert_address(&a, "192.0.2.80");
	ck_assert_uint_eq(ns[1].udp, 1);
	ck_assert_uint_eq(ns[2].udp, 1);
	ck_assert_int_eq(a.at_ms, 1003000);
	ns[0].manner = NS_PLAIN;
	asker_lookup("c.example", DNS_A); /* that one was silent says nothing about the new first */
	ck_assert_uint_eq(ns[2].udp, 2);
	unlink(conf);
}
END_TEST

START_TEST(no_resolv_conf)
{
	struct dns_options o = {.resolv_conf = "/nonexistent/resolv.conf"};
	struct asker a;

	asking.dns = dns_new(asking.reactor, &o, why, sizeof(why));
	a = asker_lookup("a.example", DNS_A);
	ck_assert(a.no_server);
	ck_assert_str_eq(net_fake_unknown(), "127.0.0.1:53");
}
END_TEST

START_TEST(rotate)
{
	char name[40];

	open_with_conf("nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions rotate\n");
	for (int i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		asker_lookup(name, DNS_A);
	}
	ck_assert_uint_gt(ns[0].udp, 8);
	ck_assert_uint_gt(ns[1].udp, 8);
	unlink(conf);
}
END_TEST

START_TEST(timeout_and_attempts)
{
	struct asker a;

	open_with_conf("nameserver 192.0.2.1\noptions timeout:2 attempts:3\n");
	ns[0].manner = NS_SILENT;
	a = asker_lookup("a.example", DNS_A);
	ck_assert_int_eq(a.status, DNS_TEMPORARY);
	ck_assert_int_eq(a.at_ms, 1006000);
	ck_assert_uint_eq(ns[0].udp, 3);
	unlink(conf);
}
END_TEST

Suite *
suite_dns_conf(void)
{
	Suite *s = suite_create("dns_conf");
	TCase *tc = tcase_create("resolv.conf");

	tcase_add_checked_fixture(tc, asker_setup, asker_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, resolv_conf_changes);
	tcase_add_test(tc, resolv_conf_changes_in_flight);
	tcase_add_test(tc, no_resolv_conf);
	tcase_add_test(tc, rotate);
	tcase_add_test(tc, timeout_and_attempts);
	suite_add_tcase(s, tc);
	return s;
}
