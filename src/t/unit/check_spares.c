#include <check.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/spares.h"
#include "suites.h"

static struct spares s;

static void
teardown(void)
{
	spares_free(&s);
	ck_assert_ptr_null(s.first);
}

START_TEST(what_was_given_back_is_taken_again)
{
	void *a = spares_take(&s, 40), *b = spares_take(&s, 40);
	unsigned long before = xallocs();

	ck_assert_ptr_ne(a, b);
	for (int i = 0; i < 10; i++) {
		spares_give(&s, a);
		spares_give(&s, b);
		a = spares_take(&s, 40);
		b = spares_take(&s, 30);
		ck_assert_ptr_ne(a, b);
	}
	ck_assert_uint_eq(xallocs(), before);
	spares_give(&s, a);
	spares_give(&s, b);
}
END_TEST

START_TEST(records_are_zeroed_and_aligned)
{
	static const char zeros[100];

	for (int i = 0; i < 3; i++) {
		char *p = spares_take(&s, sizeof(zeros));

		ck_assert_mem_eq(p, zeros, sizeof(zeros));
		ck_assert_uint_eq((uintptr_t)p % _Alignof(max_align_t), 0);
		memset(p, 'x', sizeof(zeros));
		spares_give(&s, p);
		ck_assert_mem_eq(p, zeros, sizeof(zeros));
	}
}
END_TEST

START_TEST(a_spare_too_small_is_replaced_by_one_that_is_not)
{
	unsigned long before;
	char *p = spares_take(&s, 1);

	spares_give(&s, p);
	p = spares_take(&s, 5000);
	memset(p, 'x', 5000);
	spares_give(&s, p);
	before = xallocs();
	p = spares_take(&s, 1);
	spares_give(&s, p);
	p = spares_take(&s, 5000);
	ck_assert_int_eq(p[4999], 0);
	spares_give(&s, p);
	ck_assert_uint_eq(xallocs(), before);
}
END_TEST

Suite *
suite_spares(void)
{
	Suite *suite = suite_create("spares");
	TCase *tc = tcase_create("spares");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, what_was_given_back_is_taken_again);
	tcase_add_test(tc, records_are_zeroed_and_aligned);
	tcase_add_test(tc, a_spare_too_small_is_replaced_by_one_that_is_not);
	suite_add_tcase(suite, tc);
	return suite;
}
