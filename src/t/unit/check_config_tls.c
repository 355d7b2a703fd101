/*
 * check_config_tls.c: which TLS policy holds for whom.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "config.h"
#include "t/unit/suites.h"

static struct config c;
static char why[512];

static void
setup(void)
{
	config_init(&c);
}

static void
teardown(void)
{
	config_free(&c);
}

static int
parse(const char *text)
{
	config_free(&c);
	config_init(&c);
	why[0] = '\0';
	return config_parse(&c, "x.conf", text, strlen(text), why, sizeof(why));
}

static void
ok(const char *text)
{
	ck_assert_msg(parse(text) == 0, "%s: %s", text, why);
}

static enum tls_level
level(const char *host, const char *domain, bool provider)
{
	return config_tls_policy(&c, host, domain, provider)->level;
}

START_TEST(without_a_line_exchanges_may_and_providers_must)
{
	ck_assert_int_eq(level("mx.example.net", "example.net", false), TLS_MAY);
	ck_assert_int_eq(level("smtp.example.com", NULL, true), TLS_VERIFY);
	ck_assert_int_eq(level("smtp.example.com", "example.net", true), TLS_VERIFY);
	ok("tls encrypt");
	ck_assert_int_eq(level("mx.example.net", "example.net", false), TLS_ENCRYPT);
	ck_assert_int_eq(level("smtp.example.com", NULL, true), TLS_VERIFY);
	ok("tls none");
	ck_assert_int_eq(level("smtp.example.com", NULL, true), TLS_VERIFY);
}
END_TEST

/* The name of an exchange comes out of the DNS; that of a relay out of the configuration. */
START_TEST(the_domains_line_before_the_exchanges)
{
	ok("tls example.net verify\ntls mx.example.org none\n");
	ck_assert_int_eq(level("mx.example.org", "example.net", false), TLS_VERIFY);
	ck_assert_int_eq(level("mx.example.org", "example.edu", false), TLS_NONE);
	ck_assert_int_eq(level("mx.example.org", NULL, true), TLS_NONE);
	ck_assert_int_eq(level("mx.example.org", "example.net", true), TLS_NONE);
}
END_TEST

START_TEST(the_nearest_line_in_whatever_order)
{
	static const char *const texts[] = {
	    "tls .example.org none\ntls .a.example.org verify\ntls b.a.example.org encrypt\n",
	    "tls b.a.example.org encrypt\ntls .a.example.org verify\ntls .example.org none\n",
	    "tls .a.example.org verify\ntls b.a.example.org encrypt\ntls .example.org none\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ok(texts[i]);
		ck_assert_int_eq(level("example.org", NULL, false), TLS_MAY);
		ck_assert_int_eq(level("x.example.org", NULL, false), TLS_NONE);
		ck_assert_int_eq(level("a.example.org", NULL, false), TLS_NONE);
		ck_assert_int_eq(level("C.A.Example.ORG", NULL, false), TLS_VERIFY);
		ck_assert_int_eq(level("B.A.Example.ORG", NULL, false), TLS_ENCRYPT);
		ck_assert_int_eq(level("c.b.a.example.org", NULL, false), TLS_VERIFY);
		ck_assert_int_eq(level("aexample.org", NULL, false), TLS_MAY);
		ck_assert_int_eq(level("", NULL, false), TLS_MAY);
	}
}
END_TEST

START_TEST(two_lines_for_one_name_are_one_too_many)
{
	static const char *const texts[] = {
	    "tls example.org verify\ntls example.org none\n",
	    "tls .example.org verify\ntls .EXAMPLE.org verify\n",
	    "tls verify\ntls may\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ck_assert_int_eq(parse(texts[i]), EX_CONFIG);
		ck_assert_msg(strncmp(why, "x.conf:2: ", 10) == 0, "%s", why);
		ck_assert_ptr_nonnull(strstr(why, "remove one"));
	}
	ok("tls example.org verify\ntls .example.org none\n");
}
END_TEST

static const struct {
	const char *text;
	bool wants;
} stores[] = {
    {"", false},
    {"tls encrypt", false},
    {"tls verify", true},
    {"tls example.org verify", true},
    {"tls example.org encrypt", false},
    {"relay smtp://a.example", false},
    {"relay smtp://me@a.example", true},
    {"relay submission://a.example", true},
    {"relay smtps://a.example", true},
    {"relay smtps://[192.0.2.1]", true},
    {"fallback submission://a.example", true},
    {"route example.net submission://a.example", true},
    {"route example.net mx:a.example", false},
    {"relay lmtp:/run/lmtp", false},
    {"relay submission://a.example\ntls a.example encrypt", false},
    {"relay submission://a.example\ntls a.example none", false},
    {"relay submission://a.example\ntls .example may", false},
    {"relay submission://a.example\nrelay submission://b.example\ntls a.example encrypt", true},
    {"relay submission://a.example\ntls none", true},
};

START_TEST(who_needs_a_store_of_cas)
{
	ok(stores[_i].text);
	ck_assert_msg(config_wants_ca(&c, NULL, NULL) == stores[_i].wants, "%s", stores[_i].text);
}
END_TEST

START_TEST(credentials_in_clear_only_where_it_says_so)
{
	ck_assert(!config_auth_in_clear(&c, "a.example"));
	ok("auth-in-clear Hub.example .lan.example\nauth-in-clear 192.0.2.1\n");
	ck_assert(config_auth_in_clear(&c, "hub.EXAMPLE"));
	ck_assert(config_auth_in_clear(&c, "192.0.2.1"));
	ck_assert(config_auth_in_clear(&c, "a.b.lan.example"));
	ck_assert(!config_auth_in_clear(&c, "lan.example"));
	ck_assert(!config_auth_in_clear(&c, "a.hub.example"));
	ck_assert(!config_auth_in_clear(&c, "wlan.example"));
	ck_assert(!config_auth_in_clear(&c, "192.0.2.11"));
}
END_TEST

START_TEST(a_line_for_a_name_is_known)
{
	ok("tls example.org verify\ntls .example.net none\n");
	ck_assert(config_tls_names(&c, "Example.org"));
	ck_assert(config_tls_names(&c, "a.example.net"));
	ck_assert(!config_tls_names(&c, "example.net"));
	ck_assert(!config_tls_names(&c, "example.com"));
	ck_assert(!config_tls_names(&c, NULL));
}
END_TEST

START_TEST(never_and_from_the_start_is_a_contradiction)
{
	static const char *const texts[] = {
	    "relay smtps://a.example\ntls a.example none\n",
	    "tls .example none\nfallback smtps://a.example\n",
	    "route example.net smtps://a.example\ntls a.example none\n",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ck_assert_int_eq(parse(texts[i]), EX_CONFIG);
		ck_assert_ptr_nonnull(strstr(why, "a.example"));
	}
	ok("relay smtps://a.example\ntls none\n");
	ok("relay submission://a.example\ntls a.example none\n");
}
END_TEST

static bool
gets_login(const void *ctx, const struct target *t)
{
	(void)t;
	return *(const bool *)ctx;
}

/* Credentials make a provider's server of a plain relay. */
START_TEST(a_relay_that_gets_credentials_wants_a_store)
{
	static const bool yes = true, no = false;

	ok("relay smtp://relay.example.net\n");
	ck_assert(config_wants_ca(&c, gets_login, &yes));
	ck_assert(!config_wants_ca(&c, gets_login, &no));
	ok("relay smtp://relay.example.net\ntls relay.example.net encrypt\n");
	ck_assert(!config_wants_ca(&c, gets_login, &yes));
}
END_TEST

Suite *
suite_config_tls(void)
{
	Suite *s = suite_create("config_tls");
	TCase *t = tcase_create("config_tls");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, without_a_line_exchanges_may_and_providers_must);
	tcase_add_test(t, the_domains_line_before_the_exchanges);
	tcase_add_test(t, the_nearest_line_in_whatever_order);
	tcase_add_test(t, two_lines_for_one_name_are_one_too_many);
	tcase_add_loop_test(
	    t, who_needs_a_store_of_cas, 0, (int)(sizeof(stores) / sizeof(stores[0])));
	tcase_add_test(t, credentials_in_clear_only_where_it_says_so);
	tcase_add_test(t, a_line_for_a_name_is_known);
	tcase_add_test(t, a_relay_that_gets_credentials_wants_a_store);
	tcase_add_test(t, never_and_from_the_start_is_a_contradiction);
	suite_add_tcase(s, t);
	return s;
}
