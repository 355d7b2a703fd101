#include <check.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "suites.h"

static struct buf b;

static void
setup(void)
{
	buf_init(&b, 1000);
}

static void
teardown(void)
{
	buf_free(&b);
}

START_TEST(empty_is_a_string)
{
	buf_add(&b, NULL, 0);
	ck_assert_ptr_null(b.mem);
	ck_assert_uint_eq(buf_len(&b), 0);
	ck_assert_ptr_nonnull(buf_data(&b));
	ck_assert_str_eq(buf_str(&b), "");
	buf_consume(&b, 0);
	ck_assert_uint_eq(buf_len(&b), 0);
	ck_assert(!b.overflow);
}
END_TEST

START_TEST(adds_in_order)
{
	buf_adds(&b, "one");
	buf_addc(&b, ' ');
	buf_add(&b, "two\0", 4);
	buf_addf(&b, "%d-%s", 3, "three");
	ck_assert_uint_eq(buf_len(&b), 15);
	ck_assert_mem_eq(buf_data(&b), "one two\0003-three", 15);
	ck_assert_int_eq(buf_str(&b)[15], '\0');
	ck_assert_uint_eq(buf_len(&b), 15);
}
END_TEST

START_TEST(takes_exactly_its_ceiling)
{
	for (int i = 0; i < 1000; i++)
		buf_addc(&b, 'x');
	ck_assert(!b.overflow);
	ck_assert_uint_eq(buf_room(&b), 0);
	ck_assert_uint_eq(strlen(buf_str(&b)), 1000);
	buf_add(&b, NULL, 0);
	ck_assert(!b.overflow);
	buf_addc(&b, 'x');
	ck_assert(b.overflow);
	ck_assert_uint_eq(buf_len(&b), 1000);
}
END_TEST

START_TEST(what_does_not_fit_leaves_no_part_and_no_hole)
{
	char big[1001];

	memset(big, 'y', sizeof(big));
	buf_adds(&b, "abc");
	buf_add(&b, big, 998);
	ck_assert(b.overflow);
	buf_adds(&b, "def");
	buf_addf(&b, "%d", 1);
	ck_assert_ptr_null(buf_reserve(&b, 1));
	ck_assert_str_eq(buf_str(&b), "abc");
	ck_assert_uint_eq(buf_room(&b), 0);
	buf_consume(&b, 3);
	ck_assert(b.overflow);
	buf_clear(&b);
	ck_assert(!b.overflow);
	buf_add(&b, big, 1000);
	ck_assert(!b.overflow);
	ck_assert_uint_eq(buf_len(&b), 1000);
}
END_TEST

START_TEST(a_formatted_text_past_the_ceiling_is_not_added_in_part)
{
	buf_addf(&b, "%998d", 1);
	ck_assert_uint_eq(buf_len(&b), 998);
	buf_addf(&b, "%d", 123);
	ck_assert(b.overflow);
	ck_assert_uint_eq(buf_len(&b), 998);
}
END_TEST

START_TEST(a_size_that_would_wrap_is_an_overflow)
{
	buf_addc(&b, 'x');
	ck_assert_ptr_null(buf_reserve(&b, SIZE_MAX));
	ck_assert(b.overflow);
}
END_TEST

START_TEST(an_unbounded_buffer_has_a_ceiling_that_cannot_wrap)
{
	struct buf u;

	buf_init(&u, SIZE_MAX);
	buf_adds(&u, "abc");
	ck_assert_str_eq(buf_str(&u), "abc");
	ck_assert_ptr_null(buf_reserve(&u, SIZE_MAX - 1));
	buf_free(&u);
}
END_TEST

START_TEST(reserve_and_commit_fill_from_outside)
{
	char *p = buf_reserve(&b, 100);

	memcpy(p, "hello", 5);
	buf_commit(&b, 5);
	ck_assert_str_eq(buf_str(&b), "hello");
	ck_assert_uint_eq(buf_room(&b), 995);
}
END_TEST

/* Filled at the end, drained from the front: memory follows what is in it, not what has passed. */
START_TEST(a_stream_passes_through_without_growing)
{
	unsigned in = 0, out = 0, wrong = 0, x = 1;
	struct buf u;

	buf_init(&u, 1 << 20);
	while (out < 300000) {
		size_t n;

		x = x * 1103515245 + 12345;
		for (n = (x >> 16) % 300; n > 0 && buf_len(&u) < 1000; n--)
			buf_addc(&u, (char)(in++ % 251));
		x = x * 1103515245 + 12345;
		n = (x >> 16) % 300;
		if (n > buf_len(&u))
			n = buf_len(&u);
		for (size_t i = 0; i < n; i++)
			wrong += (unsigned char)buf_data(&u)[i] != out++ % 251;
		buf_consume(&u, n);
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_le(u.cap, 4096);
	buf_free(&u);
}
END_TEST

START_TEST(free_keeps_the_ceiling)
{
	buf_adds(&b, "abc");
	buf_free(&b);
	ck_assert_uint_eq(buf_len(&b), 0);
	ck_assert_uint_eq(buf_room(&b), 1000);
	buf_adds(&b, "def");
	ck_assert_str_eq(buf_str(&b), "def");
}
END_TEST

START_TEST(consuming_too_much_is_a_bug)
{
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	buf_adds(&b, "abc");
	buf_consume(&b, 4);
}
END_TEST

START_TEST(committing_what_was_not_reserved_is_a_bug)
{
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	buf_reserve(&b, 4);
	buf_commit(&b, b.cap);
}
END_TEST

START_TEST(wiped_memory_holds_nothing)
{
	static const char secret[] = "s3cret";

	buf_init(&b, 1000);
	buf_adds(&b, "before");
	buf_adds(&b, secret);
	buf_consume(&b, 6);
	buf_wipe(&b);
	ck_assert_uint_eq(buf_len(&b), 0);
	ck_assert_uint_gt(b.cap, 6 + sizeof(secret));
	for (size_t i = 0; i < 6 + sizeof(secret); i++)
		ck_assert_int_eq(b.mem[i], 0);
	buf_free(&b);
	buf_wipe(&b); /* nothing there */
}
END_TEST

START_TEST(memory_changes_places_and_content_stays)
{
	struct buf spare;
	const char *large;

	buf_init(&spare, 1000);
	buf_reserve(&spare, 500);
	large = buf_data(&spare);
	buf_adds(&b, "gone stays");
	buf_consume(&b, 5);
	buf_exchange(&b, &spare);
	ck_assert_ptr_eq(buf_data(&b), large);
	ck_assert_str_eq(buf_str(&b), "stays");
	ck_assert_uint_eq(buf_len(&spare), 0);
	buf_adds(&spare, "both are good for more");
	ck_assert_str_eq(buf_str(&spare), "both are good for more");
	buf_clear(&b);
	buf_clear(&spare);
	buf_free(&spare);
	buf_exchange(&b, &spare); /* there may be none */
	ck_assert_str_eq(buf_str(&b), "");
	ck_assert_ptr_eq(buf_data(&spare), large);
	buf_free(&spare);
}
END_TEST

START_TEST(memory_too_small_for_the_content_is_not_taken)
{
	struct buf spare;

	buf_init(&spare, 1000);
	buf_adds(&b, "something");
	buf_exchange(&b, &spare);
}
END_TEST

Suite *
suite_buf(void)
{
	Suite *s = suite_create("buf");
	TCase *tc = tcase_create("buf");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, empty_is_a_string);
	tcase_add_test(tc, adds_in_order);
	tcase_add_test(tc, takes_exactly_its_ceiling);
	tcase_add_test(tc, what_does_not_fit_leaves_no_part_and_no_hole);
	tcase_add_test(tc, a_formatted_text_past_the_ceiling_is_not_added_in_part);
	tcase_add_test(tc, a_size_that_would_wrap_is_an_overflow);
	tcase_add_test(tc, an_unbounded_buffer_has_a_ceiling_that_cannot_wrap);
	tcase_add_test(tc, reserve_and_commit_fill_from_outside);
	tcase_add_test(tc, a_stream_passes_through_without_growing);
	tcase_add_test(tc, free_keeps_the_ceiling);
	tcase_add_test(tc, wiped_memory_holds_nothing);
	tcase_add_test(tc, memory_changes_places_and_content_stays);
	tcase_add_test_raise_signal(tc, memory_too_small_for_the_content_is_not_taken, SIGABRT);
	tcase_add_test_raise_signal(tc, consuming_too_much_is_a_bug, SIGABRT);
	tcase_add_test_raise_signal(tc, committing_what_was_not_reserved_is_a_bug, SIGABRT);
	suite_add_tcase(s, tc);
	return s;
}
