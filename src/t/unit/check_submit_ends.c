/*
 * check_submit_ends.c: line ends, lone dots, and where the header ends.
 */
#include <check.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "submit_intake.h"
#include "t/unit/suites.h"
#include "testspool.h"
#include "testsubmit.h"

/* --- line ends and dots --- */

static const struct {
	const char *body, *want, *want_ignoring_dots; /* NULL: the same */
} ends[] = {
    {"", "", NULL},
    {"a", "a\r\n", NULL},
    {"a\n", "a\r\n", NULL},
    {"a\r\n", "a\r\n", NULL},
    {"a\r", "a\r\n", NULL},
    {"a\rb", "a\r\nb\r\n", NULL},
    {"a\r\rb\n", "a\r\n\r\nb\r\n", NULL},
    {"a\r\r\nb\n", "a\r\n\r\nb\r\n", NULL},
    {"a\n\rb\n", "a\r\n\r\nb\r\n", NULL},
    {"\n\n", "\r\n\r\n", NULL},
    {"\r\n\r\n", "\r\n\r\n", NULL},
    {"a\n.\nb\n", "a\r\n", "a\r\n.\r\nb\r\n"},
    {"a\r\n.\r\nb\n", "a\r\n", "a\r\n.\r\nb\r\n"},
    {"a\r\n.\nb\n", "a\r\n", "a\r\n.\r\nb\r\n"},
    {"a\n.\r\nb\n", "a\r\n", "a\r\n.\r\nb\r\n"},
    {".\nb\n", "", ".\r\nb\r\n"},
    {"a\n.", "a\r\n", "a\r\n.\r\n"},
    /* a CR alone makes no lone dot, before it or behind it */
    {"a\r.\r\nb\n", "a\r\n.\r\nb\r\n", NULL},
    {"a\r.\nb\n", "a\r\n.\r\nb\r\n", NULL},
    {"a\n.\rb\n", "a\r\n.\r\nb\r\n", NULL},
    {"a\r.\rb\n", "a\r\n.\r\nb\r\n", NULL},
    {"a\n.\r\r\nb\n", "a\r\n.\r\n\r\nb\r\n", NULL},
    {"a\n.\r", "a\r\n.\r\n", NULL},
    {"a\r.", "a\r\n.\r\n", NULL},
    /* more than a dot */
    {"a\n..\nb\n", "a\r\n..\r\nb\r\n", NULL},
    {"a\n.b\n", "a\r\n.b\r\n", NULL},
    {"a\n. \nb\n", "a\r\n. \r\nb\r\n", NULL},
    {"a.\nb\n", "a.\r\nb\r\n", NULL},
    {"a\n \n.\n", "a\r\n \r\n", "a\r\n \r\n.\r\n"},
};

START_TEST(every_mix_of_cr_lf_and_dots)
{
	char text[500], want[500];

	snprintf(text, sizeof(text), HEAD "\n%s", ends[_i].body);
	snprintf(want, sizeof(want), HEAD_CRLF "\r\n%s", ends[_i].want);
	ts_gives(text, want);
	ts.o.ignore_dots = true;
	if (ends[_i].want_ignoring_dots != NULL)
		snprintf(want, sizeof(want), HEAD_CRLF "\r\n%s", ends[_i].want_ignoring_dots);
	ts_gives(text, want);
}
END_TEST

START_TEST(a_nul_becomes_a_question_mark)
{
	static const char text[] = HEAD "X: a\0b\n\na\0b\n\0\n";

	ck_assert_int_eq(ts_run_bytes(text, sizeof(text) - 1), 0);
	ck_assert_uint_eq(strlen(ts.message), ts.nmessage);
	ck_assert_str_eq(ts.rest, HEAD_CRLF "X: a?b\r\n\r\na?b\r\n?\r\n");
}
END_TEST

/* --- the intake alone --- */

static struct buf seen;

static bool
see_header(void *ctx, const char *text, size_t n)
{
	(void)ctx;
	buf_adds(&seen, "[");
	buf_add(&seen, text, n);
	buf_adds(&seen, "]");
	return true;
}

static bool
see_body(void *ctx, const char *data, size_t n)
{
	(void)ctx;
	buf_add(&seen, data, n);
	return true;
}

static void
take_in(const char *text, size_t n, size_t chunk)
{
	struct submit_intake in;

	buf_clear(&seen);
	submit_intake_init(&in, false, see_header, see_body, NULL);
	for (size_t at = 0; at < n; at += chunk)
		submit_intake_feed(&in, text + at, n - at < chunk ? n - at : chunk);
	submit_intake_end(&in);
	submit_intake_free(&in);
}

/* Where the header ends, and what becomes of what is no header. */
static const struct {
	const char *text, *want;
} heads[] = {
    {"", "[]"},
    {"\n", "[]"},
    {"\nbody\n", "[]body\r\n"},
    {"\r\nbody\r\n", "[]body\r\n"},
    {"\r\r\nbody\r\r\n", "[]body\r\n\r\n"},
    {"A: b\n", "[A: b\r\n]"},
    {"A: b", "[A: b\r\n]"},
    {"A: b\n.\nC: d\n", "[A: b\r\n]"},
    {".\n", "[]"},
    {"A: b\n\nbody\n", "[A: b\r\n]body\r\n"},
    {"A: b\r\n\r\nbody\r\n", "[A: b\r\n]body\r\n"},
    {"A: b\r\r\nC: d\r\r\n\r\r\nbody\r\r\n", "[A: b \r\nC: d \r\n]body\r\n\r\n"},
    {"A: b\n c\n\td\n\nbody\n", "[A: b\r\n c\r\n\td\r\n]body\r\n"},
    {"A: b\n \n\nbody\n", "[A: b\r\n \r\n]body\r\n"},
    {"A : b\nC\t:d\n\n", "[A : b\r\nC\t:d\r\n]"},
    {"A: b\nno field\nC: d\n", "[A: b\r\n]no field\r\nC: d\r\n"},
    {"A: b\nnofield\n\nC: d\n", "[A: b\r\n]nofield\r\n\r\nC: d\r\n"},
    {"A: b\n: c\n", "[A: b\r\n]: c\r\n"},
    {"A: b\nno field", "[A: b\r\n]no field\r\n"},
    {"body\n", "[]body\r\n"},
    {"two words: x\n", "[]two words: x\r\n"},
    {"body\rTo: x\n", "[]body\r\nTo: x\r\n"},
    {" A: b\nC: d\n", "[] A: b\r\nC: d\r\n"},
    {"\rA: b\n", "[]\r\nA: b\r\n"},
    {"A: b\rC: d\n\n", "[A: b C: d\r\n]"},
    {"\xc3\xbc: b\n", "[]\xc3\xbc: b\r\n"},
    {"From alice Tue Nov 24\nA: b\n\nbody\n", "[A: b\r\n]body\r\n"},
    {">From alice Tue Nov 24\nA: b\n\nbody\n", "[A: b\r\n]body\r\n"},
    {"From a\n>From b\nA: b\n\nbody\n", "[A: b\r\n]body\r\n"},
    {"From today on\n\nwe rest\n", "[]From today on\r\n\r\nwe rest\r\n"},
    {"word\r", "[]word\r\n"},
    {"A: b\r", "[A: b\r\n]"},
    {"From here to eternity\nis a film\n", "[]From here to eternity\r\nis a film\r\n"},
    {"From here\rto eternity\nis a film\n", "[]From here\r\nto eternity\r\nis a film\r\n"},
    {"From here to eternity", "[]From here to eternity\r\n"},
    {"A: b\nFrom here\n", "[A: b\r\n]From here\r\n"},
    {"A: b\n\nFrom here\n>From there\n", "[A: b\r\n]From here\r\n>From there\r\n"},
    {"From: a\n\n", "[From: a\r\n]"},
    {"From : a\n\n", "[From : a\r\n]"},
    {"From", "[]From\r\n"},
};

START_TEST(where_the_header_ends_however_the_bytes_arrive)
{
	const char *text = heads[_i].text;

	buf_init(&seen, 10000);
	for (size_t chunk = 1; chunk <= strlen(text) + 1; chunk++) {
		take_in(text, strlen(text), chunk);
		ck_assert_msg(strcmp(buf_str(&seen), heads[_i].want) == 0,
		    "\"%s\" by %zu: \"%s\", not \"%s\"", text, chunk, buf_str(&seen),
		    heads[_i].want);
	}
	buf_free(&seen);
}
END_TEST

START_TEST(ends_and_dots_do_not_depend_on_how_the_bytes_arrive)
{
	char text[500], want[500];

	buf_init(&seen, 10000);
	snprintf(text, sizeof(text), "A: b\n\n%s", ends[_i].body);
	snprintf(want, sizeof(want), "[A: b\r\n]%s", ends[_i].want);
	for (size_t chunk = 1; chunk <= strlen(text); chunk++) {
		take_in(text, strlen(text), chunk);
		ck_assert_str_eq(buf_str(&seen), want);
	}
	buf_free(&seen);
}
END_TEST

/* Quadratic would be minutes. */
START_TEST(a_million_of_one_byte_are_one_pass)
{
	static const char bytes[] = "\r\n\0.: a>\t";
	enum { SIZE = 1000 * 1000 };
	char *text = xmalloc(SIZE);

	buf_init(&seen, 2 * SIZE + 100);
	for (size_t chunk = 1; chunk <= 65536; chunk *= 65536) {
		memset(text, bytes[_i], SIZE);
		take_in(text, SIZE, chunk);
		ck_assert(!seen.overflow);
		memcpy(text, "A: b\n", 5);
		take_in(text, SIZE, chunk);
		ck_assert(!seen.overflow);
	}
	buf_free(&seen);
	free(text);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

Suite *
suite_submit_ends(void)
{
	Suite *s = suite_create("submit_ends");
	TCase *t = tcase_create("submit_ends");

	tcase_add_checked_fixture(t, ts_setup, ts_teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, every_mix_of_cr_lf_and_dots, 0, COUNT(ends));
	tcase_add_test(t, a_nul_becomes_a_question_mark);
	tcase_add_loop_test(t, where_the_header_ends_however_the_bytes_arrive, 0, COUNT(heads));
	tcase_add_loop_test(t, ends_and_dots_do_not_depend_on_how_the_bytes_arrive, 0, COUNT(ends));
	tcase_add_loop_test(t, a_million_of_one_byte_are_one_pass, 0, 9);
	suite_add_tcase(s, t);
	return s;
}
