#include <string.h>

#include <check.h>

#include "base/alloc.h"
#include "proto/reply.h"
#include "suites.h"

#include <stdlib.h>

static struct reply r;

/* Feeds text in pieces; returns how much was taken. */
static size_t
feed(const char *text, size_t n, size_t piece)
{
	size_t taken = 0;

	reply_free(&r);
	while (taken < n) {
		size_t took = reply_input(&r, text + taken, n - taken < piece ? n - taken : piece);

		ck_assert_uint_gt(took, 0);
		taken += took;
		if (r.state != REPLY_MORE)
			break;
	}
	return taken;
}

static const char *
text(void)
{
	static char dst[VERDICT_TEXT_MAX];

	reply_text(&r, dst, sizeof(dst));
	return dst;
}

static const struct {
	const char *in;
	int code;
	size_t nlines;
	const char *enhanced, *text;
} good[] = {
    {"250 ok\r\n", 250, 1, "", "ok"},
    {"250\r\n", 250, 1, "", ""},
    {"250 \r\n", 250, 1, "", ""},
    {"250-\r\n250\r\n", 250, 2, "", ""},
    {"250 ok\n", 250, 1, "", "ok"},
    {"250-a\n250-b\r\n250 c\r\n", 250, 3, "", "a b c"},
    {"200 lowest\r\n", 200, 1, "", "lowest"},
    {"599 highest\r\n", 599, 1, "", "highest"},
    {"250 2.1.5 ok\r\n", 250, 1, "2.1.5", "ok"},
    {"250 2.1.5\r\n", 250, 1, "2.1.5", ""},
    {"550-5.1.1 no\r\n550-5.1.1 such\r\n550 5.1.1 user\r\n", 550, 3, "5.1.1", "no such user"},
    {"550-no\r\n550 5.123.456 such\r\n", 550, 2, "5.123.456", "no such"},
    {"550-5.1.1 no\r\n550 5.1.2 such\r\n", 550, 2, "5.1.1", "no 5.1.2 such"},
    {"550 4.1.1 class of another code\r\n", 550, 1, "", "4.1.1 class of another code"},
    {"354 3.0.0 no such class\r\n", 354, 1, "", "3.0.0 no such class"},
    {"450 4.1 two numbers\r\n", 450, 1, "", "4.1 two numbers"},
    {"450 4.1.x\r\n", 450, 1, "", "4.1.x"},
    {"450 4..1 x\r\n", 450, 1, "", "4..1 x"},
    {"450 4.1.1x\r\n", 450, 1, "", "4.1.1x"},
    {"450 4.1.1234\r\n", 450, 1, "", "4.1.1234"},
    {"450 4.1234.1\r\n", 450, 1, "", "4.1234.1"},
    {"450 4x1.1\r\n", 450, 1, "", "4x1.1"},
    {"450 4.1\r\n", 450, 1, "", "4.1"},
    {"450 4.12\r\n", 450, 1, "", "4.12"},
    {"250 a\rb\r\n", 250, 1, "", "a b"},
    {"250 a\r\r\n", 250, 1, "", "a "},
    {"250 \x1b[31m\x07\x9b\r\n", 250, 1, "", "?[31m??"},
    {"250 gr\xc3\xbc\xc3\x9f \xff\r\n", 250, 1, "", "gr\xc3\xbc\xc3\x9f ?"},
    {"250 \xe2\x80\xaegnp.exe\r\n", 250, 1, "", "?gnp.exe"},
};

START_TEST(replies_that_are_taken)
{
	static const size_t pieces[] = {1, 3, 4096};
	size_t n = strlen(good[_i].in);

	for (size_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(feed(good[_i].in, n, pieces[i]), n);
		ck_assert_int_eq(r.state, REPLY_COMPLETE);
		ck_assert_int_eq(r.code, good[_i].code);
		ck_assert_uint_eq(r.nlines, good[_i].nlines);
		ck_assert_str_eq(r.enhanced, good[_i].enhanced);
		ck_assert_str_eq(text(), good[_i].text);
	}
}
END_TEST

static const struct {
	const char *in, *error;
} evil[] = {
    {"\r\n", "a reply line without a code"},
    {"\n", "a reply line without a code"},
    {"2\r\n", "a reply line without a code"},
    {"25\r\n", "a reply line without a code"},
    {"x50 ok\r\n", "a reply line without a code"},
    {"2x0 ok\r\n", "a reply line without a code"},
    {"25x ok\r\n", "a reply line without a code"},
    {" 250 ok\r\n", "a reply line without a code"},
    {"250-a\r\n\r\n", "a reply line without a code"},
    {"199 ok\r\n", "a reply code out of range"},
    {"100 ok\r\n", "a reply code out of range"},
    {"600 ok\r\n", "a reply code out of range"},
    {"000\r\n", "a reply code out of range"},
    {"2500 ok\r\n", "neither space nor hyphen behind a reply code"},
    {"250\tok\r\n", "neither space nor hyphen behind a reply code"},
    {"250_ok\r\n", "neither space nor hyphen behind a reply code"},
    {"250-a\r\n251 b\r\n", "different codes in one reply"},
    {"250-a\r\n550-b\r\n", "different codes in one reply"},
};

START_TEST(replies_that_end_the_conversation)
{
	size_t n = strlen(evil[_i].in);

	for (size_t piece = 1; piece < 20; piece += 9) {
		feed(evil[_i].in, n, piece);
		ck_assert_int_eq(r.state, REPLY_BAD);
		ck_assert_str_eq(r.error, evil[_i].error);
	}
	/* For good. */
	ck_assert_uint_eq(reply_input(&r, "250 ok\r\n", 8), 0);
	ck_assert_int_eq(r.state, REPLY_BAD);
}
END_TEST

START_TEST(a_NUL_is_text_and_comes_out_clean)
{
	ck_assert_uint_eq(feed("250 a\0b\r\n", 9, 9), 9);
	ck_assert_int_eq(r.state, REPLY_COMPLETE);
	ck_assert_str_eq(text(), "a?b");
	feed("2\0000 a\r\n", 8, 8);
	ck_assert_int_eq(r.state, REPLY_BAD);
}
END_TEST

START_TEST(input_stops_behind_the_reply)
{
	ck_assert_uint_eq(feed("250 a\r\n550 b\r\n", 14, 14), 7);
	ck_assert_int_eq(r.code, 250);
	ck_assert(!reply_is_partial(&r));
	ck_assert_uint_eq(reply_input(&r, "550-5.1.1 b\r\n550", 16), 16);
	ck_assert_int_eq(r.state, REPLY_MORE);
	ck_assert(reply_is_partial(&r));
	ck_assert_uint_eq(reply_input(&r, "\r\n", 2), 2);
	ck_assert_int_eq(r.state, REPLY_COMPLETE);
	ck_assert_int_eq(r.code, 550);
	ck_assert_uint_eq(r.nlines, 2);
	ck_assert_str_eq(r.enhanced, "5.1.1");
	reply_free(&r);
	ck_assert(!reply_is_partial(&r));
}
END_TEST

static void
feed_long_line(size_t total)
{
	char *line = xmalloc(total);

	memset(line, 'x', total);
	memcpy(line, "250 ", 4);
	line[total - 1] = '\n';
	feed(line, total, 100);
	free(line);
}

START_TEST(a_line_has_a_ceiling)
{
	feed_long_line(REPLY_LINE_MAX);
	ck_assert_int_eq(r.state, REPLY_COMPLETE);
	feed_long_line(REPLY_LINE_MAX + 1);
	ck_assert_int_eq(r.state, REPLY_BAD);
	ck_assert_str_eq(r.error, "a reply line without end");
	ck_assert_uint_le(buf_len(&r.raw), REPLY_LINE_MAX);
}
END_TEST

static void
feed_lines(size_t lines, size_t length)
{
	char *line = xmalloc(length);

	memset(line, 'x', length);
	memcpy(line, "250-", 4);
	line[length - 1] = '\n';
	reply_free(&r);
	for (size_t i = 0; i < lines && r.state == REPLY_MORE; i++)
		reply_input(&r, line, length);
	if (r.state == REPLY_MORE)
		reply_input(&r, "250 end\r\n", 9);
	free(line);
}

START_TEST(a_reply_has_ceilings)
{
	feed_lines(REPLY_LINES_MAX - 1, 10);
	ck_assert_int_eq(r.state, REPLY_COMPLETE);
	feed_lines(REPLY_LINES_MAX, 10);
	ck_assert_int_eq(r.state, REPLY_BAD);
	ck_assert_str_eq(r.error, "a reply of too many lines");
	feed_lines(REPLY_MAX / 4000 + 1, 4000);
	ck_assert_int_eq(r.state, REPLY_BAD);
	ck_assert_str_eq(r.error, "a reply without end");
}
END_TEST

START_TEST(the_text_is_cut)
{
	char dst[8];

	feed("250-abc\r\n250-defgh\r\n250 ijk\r\n", 29, 29);
	reply_text(&r, dst, sizeof(dst));
	ck_assert_str_eq(dst, "abc def");
	/* where a character is left out nothing comes behind it */
	feed("250-abcd\xf0\x9f\x93\xac\r\n250 x\r\n", 21, 21);
	reply_text(&r, dst, sizeof(dst));
	ck_assert_str_eq(dst, "abcd");
}
END_TEST

START_TEST(lines_come_out_as_they_went_in)
{
	size_t pos = 0, n;
	const char *line;

	feed("250-a\r\n250 b\n", 13, 13);
	ck_assert(reply_line(&r, &pos, &line, &n));
	ck_assert(n == 5 && memcmp(line, "250-a", n) == 0);
	ck_assert(reply_line(&r, &pos, &line, &n));
	ck_assert(n == 5 && memcmp(line, "250 b", n) == 0);
	ck_assert(!reply_line(&r, &pos, &line, &n));
	/* The unfinished one too: a trace shows what broke it off. */
	feed("250-a\r\nxy", 9, 9);
	pos = 7;
	ck_assert(reply_line(&r, &pos, &line, &n));
	ck_assert(n == 2 && memcmp(line, "xy", n) == 0);
	ck_assert(!reply_line(&r, &pos, &line, &n));
}
END_TEST

static void
setup(void)
{
	reply_init(&r);
}

static void
teardown(void)
{
	reply_free(&r);
}

Suite *
suite_reply(void)
{
	Suite *s = suite_create("reply");
	TCase *tc = tcase_create("reply");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, replies_that_are_taken, 0, sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(
	    tc, replies_that_end_the_conversation, 0, sizeof(evil) / sizeof(evil[0]));
	tcase_add_test(tc, a_NUL_is_text_and_comes_out_clean);
	tcase_add_test(tc, input_stops_behind_the_reply);
	tcase_add_test(tc, a_line_has_a_ceiling);
	tcase_add_test(tc, a_reply_has_ceilings);
	tcase_add_test(tc, the_text_is_cut);
	tcase_add_test(tc, lines_come_out_as_they_went_in);
	suite_add_tcase(s, tc);
	return s;
}
