#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "suites.h"

START_TEST(nothing_asked_for_is_still_a_pointer)
{
	void *p = xmalloc(0), *q = xcalloc(0, 8), *r = xreallocarray(NULL, 0, 8);

	ck_assert_ptr_nonnull(p);
	ck_assert_ptr_nonnull(q);
	ck_assert_ptr_nonnull(r);
	free(p);
	free(q);
	free(r);
}
END_TEST

START_TEST(calloc_zeroes)
{
	char *p = xcalloc(100, 3);

	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(p[i], 0);
	free(p);
}
END_TEST

START_TEST(strndup_stops_at_the_nul_and_at_n)
{
	char *s = xstrndup("abc", 10), *t = xstrndup("abcdef", 2), *u = xstrdup("");
	static const char raw[] = {'x', 'y'}; /* no NUL within n */
	char *v = xstrndup(raw, sizeof(raw));

	ck_assert_str_eq(s, "abc");
	ck_assert_str_eq(t, "ab");
	ck_assert_str_eq(u, "");
	ck_assert_str_eq(v, "xy");
	free(s);
	free(t);
	free(u);
	free(v);
}
END_TEST

START_TEST(grow_doubles_only_when_full_and_keeps_the_content)
{
	int *a = NULL;
	size_t cap = 0, changes = 0;

	for (size_t n = 0; n < 1000; n++) {
		size_t before = cap;

		a = xgrow(a, n, &cap, sizeof(*a));
		ck_assert(cap > n);
		changes += cap != before;
		a[n] = (int)n;
	}
	ck_assert(changes <= 10);
	for (int n = 0; n < 1000; n++)
		ck_assert_int_eq(a[n], n);
	free(a);
}
END_TEST

static void
quiet(void)
{
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
}

START_TEST(a_product_that_overflows_dies)
{
	quiet();
	free(xcalloc(SIZE_MAX / 4, 8));
}
END_TEST

START_TEST(an_array_that_overflows_dies)
{
	quiet();
	free(xreallocarray(NULL, SIZE_MAX / 2 + 1, 2));
}
END_TEST

Suite *
suite_alloc(void)
{
	Suite *s = suite_create("alloc");
	TCase *tc = tcase_create("alloc");

	tcase_add_test(tc, nothing_asked_for_is_still_a_pointer);
	tcase_add_test(tc, calloc_zeroes);
	tcase_add_test(tc, strndup_stops_at_the_nul_and_at_n);
	tcase_add_test(tc, grow_doubles_only_when_full_and_keeps_the_content);
	tcase_add_exit_test(tc, a_product_that_overflows_dies, EX_TEMPFAIL);
	tcase_add_exit_test(tc, an_array_that_overflows_dies, EX_TEMPFAIL);
	suite_add_tcase(s, tc);
	return s;
}
