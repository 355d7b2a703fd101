#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/alloc.h"
#include "proto/body.h"
#include "suites.h"

static struct buf out;

static void
setup(void)
{
	buf_init(&out, 1 << 20);
}

static void
teardown(void)
{
	buf_free(&out);
}

static const char *
encode(const char *data, size_t n, size_t piece)
{
	struct body b;

	buf_clear(&out);
	body_start(&b);
	for (size_t i = 0; i < n; i += piece)
		body_add(&b, &out, data + i, n - i < piece ? n - i : piece);
	body_end(&b, &out);
	return buf_str(&out);
}

static const struct {
	const char *in, *want;
} bodies[] = {
    {"", ".\r\n"},
    {"a", "a\r\n.\r\n"},
    {"a\r\n", "a\r\n.\r\n"},
    {"a\r\nb", "a\r\nb\r\n.\r\n"},
    {"\r\n", "\r\n.\r\n"},
    {".", "..\r\n.\r\n"},
    {".\r\n", "..\r\n.\r\n"},
    {"..\r\n", "...\r\n.\r\n"},
    {"a.\r\n", "a.\r\n.\r\n"},
    {"a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"},
    {"a\r\n.b\r\n.c", "a\r\n..b\r\n..c\r\n.\r\n"},
    /* what no spool should hold */
    {"a\n", "a\r\n.\r\n"},
    {"a\n.\nb\n", "a\r\n..\r\nb\r\n.\r\n"},
    {"a\r.\rb\r", "a\r\n..\r\nb\r\n.\r\n"},
    {"a\r\n.\nb", "a\r\n..\r\nb\r\n.\r\n"},
    {"a\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"},
    {"a\r.\r\nb", "a\r\n..\r\nb\r\n.\r\n"},
    {"\n\n", "\r\n\r\n.\r\n"},
    {"\r\r", "\r\n\r\n.\r\n"},
    {"\r\r\n", "\r\n\r\n.\r\n"},
    {"\n\r", "\r\n\r\n.\r\n"},
    {"\n\r\n", "\r\n\r\n.\r\n"},
    {"a\r", "a\r\n.\r\n"},
};

START_TEST(bodies_in_pieces_of_every_size)
{
	size_t n = strlen(bodies[_i].in);

	for (size_t piece = 1; piece <= n + 1; piece++)
		ck_assert_str_eq(encode(bodies[_i].in, n, piece), bodies[_i].want);
}
END_TEST

/*
 * All bodies of up to seven bytes of these four: one end of data, CRLF only, no line that is a lone
 * dot before the end, nothing longer than promised, and the same whatever the pieces.
 */
START_TEST(all_small_bodies)
{
	static const char alphabet[] = "\r\n.x";
	char in[7], whole[64];

	for (size_t n = 0; n <= sizeof(in); n++) {
		for (size_t k = 0; k < (size_t)1 << (2 * n); k++) {
			const char *got, *end;
			size_t len;

			for (size_t i = 0; i < n; i++)
				in[i] = alphabet[k >> (2 * i) & 3];
			got = encode(in, n, n + 1);
			len = strlen(got);
			ck_assert_uint_le(len, BODY_WORST(n) + BODY_END_WORST);
			for (size_t i = 0; i < len; i++) {
				if (got[i] == '\n')
					ck_assert(i > 0 && got[i - 1] == '\r');
				if (got[i] == '\r')
					ck_assert_int_eq(got[i + 1], '\n');
			}
			memcpy(whole, "\r\n", 2);
			memcpy(whole + 2, got, len + 1);
			end = strstr(whole, "\r\n.\r\n");
			ck_assert_ptr_eq(end, whole + len + 2 - 5);
			memcpy(whole, got, len + 1);
			ck_assert_str_eq(encode(in, n, 1), whole);
			if (n > 2)
				ck_assert_str_eq(encode(in, n, 2), whole);
		}
	}
}
END_TEST

START_TEST(a_NUL_and_8_bit_bytes_pass)
{
	static const char in[] = "a\0b\xff\r\n";

	encode(in, 6, 6);
	ck_assert_uint_eq(buf_len(&out), 9);
	ck_assert(memcmp(buf_data(&out), "a\0b\xff\r\n.\r\n", 9) == 0);
}
END_TEST

/* Lines without LF must not make it search to the end again and again. */
START_TEST(many_bare_CRs)
{
	enum { N = 1 << 18 };
	char *in = xmalloc(N);

	memset(in, '\r', N);
	encode(in, N, N);
	ck_assert_uint_eq(buf_len(&out), 2 * N + 3);
	free(in);
}
END_TEST

START_TEST(an_encoder_can_be_used_again)
{
	struct body b;

	body_start(&b);
	body_add(&b, &out, "a\r", 2);
	body_end(&b, &out);
	body_add(&b, &out, ".", 1);
	body_end(&b, &out);
	ck_assert_str_eq(buf_str(&out), "a\r\n.\r\n..\r\n.\r\n");
}
END_TEST

Suite *
suite_body(void)
{
	Suite *s = suite_create("body");
	TCase *tc = tcase_create("body");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(
	    tc, bodies_in_pieces_of_every_size, 0, sizeof(bodies) / sizeof(bodies[0]));
	tcase_add_test(tc, all_small_bodies);
	tcase_add_test(tc, a_NUL_and_8_bit_bytes_pass);
	tcase_add_test(tc, many_bare_CRs);
	tcase_add_test(tc, an_encoder_can_be_used_again);
	suite_add_tcase(s, tc);
	return s;
}
