#include <check.h>
#include <stdint.h>

#include "backoff.h"
#include "suites.h"

START_TEST(next_starts_at_the_minimum_and_doubles_up_to_the_maximum)
{
	static const int64_t want[] = {900, 1800, 3600, 7200, 14400, 28800, 43200, 43200};
	int64_t last = 0;
	size_t i;

	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		last = backoff_next(last, 900, 43200);
		ck_assert_int_eq(last, want[i]);
	}
}
END_TEST

START_TEST(next_keeps_to_a_configuration_that_has_changed)
{
	ck_assert_int_eq(backoff_next(10, 900, 43200), 900);
	ck_assert_int_eq(backoff_next(86400, 900, 43200), 43200);
	ck_assert_int_eq(backoff_next(0, 900, 600), 600);
}
END_TEST

START_TEST(next_survives_nonsense_from_a_file)
{
	ck_assert_int_eq(backoff_next(INT64_MAX, 900, 43200), 43200);
	ck_assert_int_eq(backoff_next(INT64_MIN, 900, 43200), 900);
	ck_assert_int_eq(backoff_next(INT64_MAX, 900, INT64_MAX), INT64_MAX);
	ck_assert_int_eq(backoff_next(0, 0, 0), 1);
}
END_TEST

START_TEST(spread_stays_within_an_eighth_and_reaches_both_ends)
{
	int64_t lowest = INT64_MAX, highest = 0;
	uint32_t r;

	for (r = 0; r < 1000; r++) {
		int64_t s = backoff_spread(800, r);

		lowest = s < lowest ? s : lowest;
		highest = s > highest ? s : highest;
	}
	ck_assert_int_eq(lowest, 700);
	ck_assert_int_eq(highest, 900);
	ck_assert_int_le(backoff_spread(43200, UINT32_MAX), 43200 + 5400);
}
END_TEST

START_TEST(spread_is_never_below_one_second)
{
	ck_assert_int_eq(backoff_spread(0, 0), 1);
	ck_assert_int_eq(backoff_spread(-5, 77), 1);
	ck_assert_int_eq(backoff_spread(1, 12345), 1);
	ck_assert_int_ge(backoff_spread(8, 0), 1);
}
END_TEST

START_TEST(expired_counts_from_submission)
{
	const int64_t day = 86400, t0 = 1764000000;

	ck_assert(!backoff_expired(t0, t0 + 5 * day - 1, 5 * day));
	ck_assert(backoff_expired(t0, t0 + 5 * day, 5 * day));
	ck_assert(!backoff_expired(t0 + 10, t0, 5)); /* the clock went back */
	ck_assert(!backoff_expired(t0, 0, 5 * day));
}
END_TEST

Suite *
suite_backoff(void)
{
	Suite *s = suite_create("backoff");
	TCase *tc = tcase_create("backoff");

	tcase_add_test(tc, next_starts_at_the_minimum_and_doubles_up_to_the_maximum);
	tcase_add_test(tc, next_keeps_to_a_configuration_that_has_changed);
	tcase_add_test(tc, next_survives_nonsense_from_a_file);
	tcase_add_test(tc, spread_stays_within_an_eighth_and_reaches_both_ends);
	tcase_add_test(tc, spread_is_never_below_one_second);
	tcase_add_test(tc, expired_counts_from_submission);
	suite_add_tcase(s, tc);
	return s;
}
