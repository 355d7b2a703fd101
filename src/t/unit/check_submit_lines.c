/*
 * check_submit_lines.c: lines that are too long for SMTP.
 */
#include <check.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "logcap.h"
#include "t/unit/suites.h"
#include "testspool.h"
#include "testsubmit.h"

static struct buf big;

/* A message whose body is one line of n bytes. */
static int
run_line(const char *head, size_t n, const char *fill)
{
	int rc;

	buf_init(&big, 32 << 20);
	buf_adds(&big, head);
	buf_adds(&big, "\n");
	while (n > 0) {
		size_t part = n < strlen(fill) ? n : strlen(fill);

		buf_add(&big, fill, part);
		n -= part;
	}
	buf_adds(&big, "\n");
	rc = ts_run_bytes(buf_data(&big), buf_len(&big));
	buf_free(&big);
	return rc;
}

static int
hex_digit(char c)
{
	const char *digits = "0123456789ABCDEF", *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? 256 : (int)(at - digits);
}

/* The body, decoded: what RFC 2045 6.7 says, as a second opinion. An assertion costs a system call,
 * so there is one at the end. */
static char *
decode_qp(const char *p)
{
	char *out = xmalloc(strlen(p) + 1);
	bool ok = true;
	size_t n = 0;

	for (; *p != '\0' && ok; p++) {
		if (*p == '=' && p[1] == '\r' && p[2] == '\n') {
			p += 2;
		} else if (*p == '=') {
			int c = hex_digit(p[1]) << 4 | hex_digit(p[2]);

			ok = c < 256;
			out[n++] = (char)c;
			p += 2;
		} else {
			ok = *p == '\r' || *p == '\n' || *p == '\t' || (*p >= ' ' && *p < 127);
			out[n++] = *p;
		}
	}
	ck_assert(ok);
	out[n] = '\0';
	return out;
}

START_TEST(lines_of_1_and_998_bytes_stay_as_they_are)
{
	ck_assert_int_eq(run_line(HEAD, 1, "x"), 0);
	ck_assert_str_eq(ts.rest, HEAD_CRLF "\r\nx\r\n");
	ck_assert_int_eq(run_line(HEAD, 998, "x"), 0);
	ck_assert_uint_eq(ts_longest_line(ts.rest), 998);
	ck_assert_uint_eq(ts.e.longest, 998);
	ck_assert_ptr_null(strstr(ts.rest, "quoted-printable"));
}
END_TEST

START_TEST(a_line_of_999_bytes_becomes_quoted_printable)
{
	const char *body;
	char *text;

	ck_assert_int_eq(run_line(HEAD "Subject: x\n", 999, "a=b .\t"), 0);
	body = strstr(ts.rest, "\r\n\r\n") + 4;
	ck_assert_uint_le(ts_longest_line(body), 76);
	ck_assert(ts_starts(ts.rest,
	    HEAD_CRLF "Subject: x\r\n"
		      "MIME-Version: 1.0\r\n"
		      "Content-Type: text/plain; charset=us-ascii\r\n"
		      "Content-Transfer-Encoding: quoted-printable\r\n\r\na=3Db"));
	text = decode_qp(body);
	ck_assert_uint_eq(strlen(text), 999 + 2);
	for (size_t i = 0; i < 999; i++)
		ck_assert_int_eq(text[i], "a=b .\t"[i % 6]);
	free(text);
	ck_assert_uint_lt(ts.e.longest, 998);
	ck_assert(!ts.e.eightbit);
	ck_assert_uint_eq(ts_files_in("tmp"), 0);
	ck_assert(logcap_has("becomes quoted-printable"));
}
END_TEST

START_TEST(a_line_of_ten_million_bytes_becomes_quoted_printable)
{
	char *text;

	ck_assert_int_eq(run_line(HEAD, 10 * 1000 * 1000, "some text "), 0);
	ck_assert_uint_le(ts_longest_line(ts.rest), 76);
	text = decode_qp(strstr(ts.rest, "\r\n\r\n") + 4);
	ck_assert_uint_eq(strlen(text), 10 * 1000 * 1000 + 2);
	free(text);
}
END_TEST

START_TEST(such_a_body_says_what_it_is_written_in)
{
	static const struct {
		const char *fill, *charset;
	} rows[] = {{"x", "charset=us-ascii"}, {"\xc3\xbc", "charset=utf-8"},
	    {"\xf0\x9f\x90\xa6\xe2\x82\xac", "charset=utf-8"}, {"\xfc", "charset=unknown-8bit"},
	    {"\xc0\x80", "charset=unknown-8bit"}, {"\xe0\x80\x80", "charset=unknown-8bit"},
	    {"\xed\xa0\x80", "charset=unknown-8bit"}, {"\xf4\x90\x80\x80", "charset=unknown-8bit"},
	    {"\xf0\x80\x80\x80", "charset=unknown-8bit"}, {"\xed\x9f\xbf", "charset=utf-8"},
	    {"\xe2\x82x", "charset=unknown-8bit"}};
	char *text;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_int_eq(run_line(HEAD, 100000 * strlen(rows[i].fill), rows[i].fill), 0);
		ck_assert_msg(strstr(ts.rest, rows[i].charset) != NULL, "row %zu", i);
		ck_assert(!ts.e.eightbit);
		text = decode_qp(strstr(ts.rest, "\r\n\r\n") + 4);
		ck_assert_uint_eq(strlen(text), 100000 * strlen(rows[i].fill) + 2);
		ck_assert(ts_starts(text, rows[i].fill));
		free(text);
	}
}
END_TEST

START_TEST(the_fields_of_mime_are_completed_not_repeated)
{
	ck_assert_int_eq(run_line(HEAD "MIME-Version: 1.0\nContent-Type: text/html; charset=x\n"
				       "Content-Transfer-Encoding: 8bit\n",
			     2000, "x"),
	    0);
	ck_assert(ts_starts(ts.rest,
	    HEAD_CRLF "MIME-Version: 1.0\r\nContent-Type: text/html; charset=x\r\n"
		      "Content-Transfer-Encoding: quoted-printable\r\n\r\nxxx"));
	ck_assert_int_eq(
	    run_line(
		HEAD "content-type: TEXT/plain\ncontent-transfer-encoding :\n 7BIT\n", 2000, "x"),
	    0);
	ck_assert_ptr_null(strstr(ts.rest, "7BIT"));
	ck_assert_ptr_nonnull(strstr(ts.rest, "MIME-Version: 1.0\r\n"));
	ck_assert_uint_le(ts_longest_line(ts.rest), 76);
}
END_TEST

START_TEST(where_it_must_not_be_changed_it_is_left_with_a_log_line)
{
	static const char *const heads_left[] = {HEAD "Content-Type: multipart/mixed; boundary=x\n",
	    HEAD "Content-Type: application/pdf\n", HEAD "Content-Type: text\n",
	    HEAD "Content-Type: text/plain\nContent-Type: text/plain\n",
	    HEAD "Content-Transfer-Encoding: base64\n", HEAD "Content-Transfer-Encoding: binary\n",
	    HEAD "Content-Transfer-Encoding: 7bitter\n",
	    HEAD "Content-Transfer-Encoding: quoted-printable\n", HEAD "dkim-signature: v=1\n"};

	for (size_t i = 0; i < sizeof(heads_left) / sizeof(heads_left[0]); i++) {
		logcap_start();
		ck_assert_int_eq(run_line(heads_left[i], 999, "x"), 0);
		ck_assert_uint_eq(ts_longest_line(ts.rest), 999);
		ck_assert_uint_eq(ts.e.longest, 999);
		ck_assert(logcap_has("left as it is"));
	}
}
END_TEST

START_TEST(blanks_at_line_ends_survive_the_encoding)
{
	char *text;

	ck_assert_int_eq(run_line(HEAD "\na \nb\t\n \n\nFrom x\n.\r.x\n", 999, "x"), 0);
	text = decode_qp(strstr(ts.rest, "\r\n\r\n") + 4);
	ck_assert(ts_starts(text, "a \r\nb\t\r\n \r\n\r\nFrom x\r\n.\r\n.x\r\n\r\nxxx"));
	ck_assert_ptr_nonnull(strstr(ts.rest, "a=20\r\nb=09\r\n=20\r\n\r\n=46rom x\r\n=2E\r\n"));
	free(text);
}
END_TEST

START_TEST(long_fields_are_folded_at_white_space_only)
{
	const char *p;

	buf_init(&big, 1 << 20);
	buf_adds(&big, HEAD "X-Words:");
	for (int i = 0; i < 1000; i++)
		buf_addf(&big, " word%04d", i);
	buf_adds(&big, "\nX-Long: ");
	for (int i = 0; i < 1200; i++)
		buf_addc(&big, 'x');
	buf_adds(&big, " end\nX-Token: ");
	for (int i = 0; i < 1500; i++)
		buf_addc(&big, 'y');
	buf_adds(&big, "  \n\nbody\n");
	ck_assert_int_eq(ts_run_bytes(buf_data(&big), buf_len(&big)), 0);
	p = strstr(ts.rest, "X-Words: word0000 ");
	ck_assert_ptr_nonnull(p);
	for (int i = 0; i < 1000; i++) { /* every word, and nothing but one space or fold between */
		char word[20];

		snprintf(word, sizeof(word), "word%04d", i);
		p = strstr(p, word);
		ck_assert_ptr_nonnull(p);
		p += 8;
		ck_assert(*p == ' ' || strncmp(p, "\r\n ", 3) == 0 || i == 999);
	}
	ck_assert_ptr_nonnull(strstr(ts.rest, "x\r\n end\r\n"));
	ck_assert_ptr_nonnull(strstr(ts.rest, "X-Token: yyy"));
	ck_assert_ptr_nonnull(strstr(ts.rest, "y\r\n\r\nbody\r\n"));
	ck_assert_uint_eq(
	    ts_longest_line(ts.rest), 1500 + 9); /* cannot be folded, is not refused */
	ck_assert_uint_eq(ts_longest_line(strstr(ts.rest, "X-Words")), 1500 + 9);
	ck_assert_uint_eq(ts.e.longest, 1509);
	ck_assert_ptr_null(strstr(ts.rest, "quoted-printable"));
	buf_free(&big);
}
END_TEST

/* Quadratic would be hours. */
START_TEST(ten_megabytes_of_one_field_are_folded_in_one_pass)
{
	static const char *const fills[] = {"x", " ", "x ", "\t x", "word word       "};

	buf_init(&big, 32 << 20);
	buf_adds(&big, HEAD "X: ");
	while (buf_len(&big) < 10 * 1000 * 1000)
		buf_adds(&big, fills[_i]);
	for (int i = 0; i < 2 * 1000 * 1000; i++)
		buf_addc(&big, ' ');
	buf_adds(&big, "\n\nbody\n");
	ck_assert_int_eq(ts_run_bytes(buf_data(&big), buf_len(&big)), 0);
	ck_assert_str_eq(ts.rest + strlen(ts.rest) - 10, "\r\n\r\nbody\r\n");
	ck_assert_ptr_null(strstr(strstr(ts.rest, "\r\nX:"), "\r\n \r\n"));
	buf_free(&big);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

Suite *
suite_submit_lines(void)
{
	Suite *s = suite_create("submit_lines");
	TCase *t = tcase_create("submit_lines");

	tcase_add_checked_fixture(t, ts_setup, ts_teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, lines_of_1_and_998_bytes_stay_as_they_are);
	tcase_add_test(t, a_line_of_999_bytes_becomes_quoted_printable);
	tcase_add_test(t, a_line_of_ten_million_bytes_becomes_quoted_printable);
	tcase_add_test(t, such_a_body_says_what_it_is_written_in);
	tcase_add_test(t, the_fields_of_mime_are_completed_not_repeated);
	tcase_add_test(t, where_it_must_not_be_changed_it_is_left_with_a_log_line);
	tcase_add_test(t, blanks_at_line_ends_survive_the_encoding);
	tcase_add_test(t, long_fields_are_folded_at_white_space_only);
	tcase_add_loop_test(t, ten_megabytes_of_one_field_are_folded_in_one_pass, 0, 5);
	suite_add_tcase(s, t);
	return s;
}
