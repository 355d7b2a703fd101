#include <string.h>

#include <check.h>

#include "proto/ehlo.h"
#include "suites.h"

static struct ehlo e;

static void
hear(const char *text)
{
	struct reply r;

	reply_init(&r);
	ck_assert_uint_eq(reply_input(&r, text, strlen(text)), strlen(text));
	ck_assert_int_eq(r.state, REPLY_COMPLETE);
	ehlo_parse(&e, &r);
	reply_free(&r);
}

START_TEST(every_offer_is_seen)
{
	hear(
	    "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n"
	    "250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250-DSN\r\n250-SMTPUTF8\r\n250-STARTTLS\r\n"
	    "250-AUTH PLAIN LOGIN\r\n250 HELP\r\n");
	ck_assert_uint_eq(e.offers, EHLO_PIPELINING | EHLO_SIZE | EHLO_8BITMIME |
					EHLO_ENHANCEDSTATUSCODES | EHLO_CHUNKING | EHLO_DSN |
					EHLO_SMTPUTF8 | EHLO_STARTTLS | EHLO_AUTH);
	ck_assert_uint_eq(e.size, 52428800);
	ck_assert_str_eq(e.auth, "PLAIN LOGIN");
}
END_TEST

START_TEST(nothing_is_offered_by_the_first_line_or_by_half_a_keyword)
{
	hear("250-PIPELINING\r\n250-PIPELINING2\r\n250-XPIPELINING\r\n250-\r\n250- \r\n250 DS\r\n");
	ck_assert_uint_eq(e.offers, 0);
	hear("250 DSN\r\n");
	ck_assert_uint_eq(e.offers, 0);
	hear("250\r\n");
	ck_assert_uint_eq(e.offers, 0);
}
END_TEST

START_TEST(keywords_come_in_any_case_and_with_parameters)
{
	hear("250-mx\r\n250-pipelining now\r\n250  8BitMime\r\n");
	ck_assert_uint_eq(e.offers, EHLO_PIPELINING | EHLO_8BITMIME);
}
END_TEST

static const struct {
	const char *line;
	bool offered;
	uint64_t size;
} sizes[] = {
    {"SIZE", true, 0},
    {"SIZE ", true, 0},
    {"SIZE 0", true, 0},
    {"SIZE 1", true, 1},
    {"size 1000 2000", true, 1000},
    {"SIZE 18446744073709551615", true, UINT64_MAX},
    {"SIZE 18446744073709551616", true, 0},
    {"SIZE 99999999999999999999", true, 0},
    {"SIZE -1", false, 0},
    {"SIZE 10M", false, 0},
    {"SIZE=1000", false, 0},
};

START_TEST(sizes_that_are_said)
{
	char text[100] = "250-mx\r\n250 ";

	strncat(text, sizes[_i].line, 60);
	strncat(text, "\r\n", 3);
	hear(text);
	ck_assert_int_eq((e.offers & EHLO_SIZE) != 0, sizes[_i].offered);
	ck_assert_uint_eq(e.size, sizes[_i].size);
}
END_TEST

START_TEST(limits)
{
	hear("250-mx\r\n250 LIMITS RCPTMAX=100 MAILMAX=3 RCPTDOMAINMAX=1\r\n");
	ck_assert_uint_eq(e.rcptmax, 100);
	ck_assert_uint_eq(e.mailmax, 3);
	hear("250-mx\r\n250 limits rcptmax=1\r\n");
	ck_assert_uint_eq(e.rcptmax, 1);
	ck_assert_uint_eq(e.mailmax, 0);
	hear("250-mx\r\n250 LIMITS RCPTMAX=0 MAILMAX=-1 RCPTMAX= RCPTMAX =5 RCPTMAX=9999999\r\n");
	ck_assert_uint_eq(e.rcptmax, 0);
	ck_assert_uint_eq(e.mailmax, 0);
}
END_TEST

START_TEST(mechanisms)
{
	hear(
	    "250-mx\r\n250-AUTH login PLAIN\r\n250-AUTH=LOGIN\r\n250 AUTH scram-sha-256 LOGIN\r\n");
	ck_assert_str_eq(e.auth, "LOGIN PLAIN SCRAM-SHA-256");
	ck_assert(ehlo_has_auth(&e, "PLAIN"));
	ck_assert(ehlo_has_auth(&e, "SCRAM-SHA-256"));
	ck_assert(!ehlo_has_auth(&e, "SCRAM-SHA-1"));
	ck_assert(!ehlo_has_auth(&e, "SCRAM"));
	ck_assert(!ehlo_has_auth(&e, ""));
	hear("250-mx\r\n250 AUTH PLA\x1bIN ABCDEFGHIJKLMNOPQRSTU X_Y-2\r\n");
	ck_assert_str_eq(e.auth, "X_Y-2");
	hear("250-mx\r\n250 AUTH\r\n");
	ck_assert_uint_eq(e.offers, EHLO_AUTH);
	ck_assert_str_eq(e.auth, "");
	hear("250-mx\r\n250 AUTH=\r\n");
	ck_assert_uint_eq(e.offers, 0);
}
END_TEST

START_TEST(more_mechanisms_than_fit)
{
	char text[512] = "250-mx\r\n250 AUTH";

	for (int i = 0; i < 25; i++) {
		char name[16] = " MECHANISM-000";

		name[12] = (char)('0' + i / 10);
		name[13] = (char)('0' + i % 10);
		strncat(text, name, 20);
	}
	strncat(text, " Z\r\n", 5);
	hear(text);
	ck_assert(ehlo_has_auth(&e, "MECHANISM-000"));
	ck_assert(!ehlo_has_auth(&e, "MECHANISM-024"));
	ck_assert_uint_lt(strlen(e.auth), sizeof(e.auth));
}
END_TEST

static bool
is_named(const char *text, const char *name)
{
	struct reply r;
	bool named;

	reply_init(&r);
	reply_input(&r, text, strlen(text));
	named = ehlo_is_named(&r, name);
	reply_free(&r);
	return named;
}

START_TEST(a_name_is_the_first_word_of_the_first_line)
{
	ck_assert(is_named("250 mx.example\r\n", "mx.example"));
	ck_assert(is_named("250-MX.Example at your service\r\n250 DSN\r\n", "mx.example"));
	ck_assert(!is_named("250 mx.example.org\r\n", "mx.example"));
	ck_assert(!is_named("250 mx\r\n", "mx.example"));
	ck_assert(!is_named("250-other\r\n250 mx.example\r\n", "mx.example"));
	ck_assert(!is_named("250 hello mx.example\r\n", "mx.example"));
	ck_assert(!is_named("250\r\n", "mx.example"));
	ck_assert(!is_named("250 \r\n", "mx.example"));
	ck_assert(!is_named("", "mx.example"));
}
END_TEST

Suite *
suite_ehlo(void)
{
	Suite *s = suite_create("ehlo");
	TCase *tc = tcase_create("ehlo");

	tcase_add_test(tc, every_offer_is_seen);
	tcase_add_test(tc, nothing_is_offered_by_the_first_line_or_by_half_a_keyword);
	tcase_add_test(tc, keywords_come_in_any_case_and_with_parameters);
	tcase_add_loop_test(tc, sizes_that_are_said, 0, sizeof(sizes) / sizeof(sizes[0]));
	tcase_add_test(tc, limits);
	tcase_add_test(tc, mechanisms);
	tcase_add_test(tc, more_mechanisms_than_fit);
	tcase_add_test(tc, a_name_is_the_first_word_of_the_first_line);
	suite_add_tcase(s, tc);
	return s;
}
