#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/sys.h"
#include "suites.h"

static void
zone(const char *tz)
{
	ck_assert_int_eq(setenv("TZ", tz, 1), 0);
	tzset();
}

static void
teardown(void)
{
	sys = sys_libc;
	unsetenv("TZ");
	tzset();
}

static long long
fixed_ns(void)
{
	return 1764000000123456789;
}

START_TEST(units)
{
	sys.mono_ns = sys.wall_ns = fixed_ns;
	ck_assert_int_eq(clock_mono_ms(), 1764000000123);
	ck_assert_int_eq(clock_wall_us(), 1764000000123456);
	ck_assert_int_eq(clock_wall_s(), 1764000000);
}
END_TEST

static const struct {
	const char *tz;
	int64_t at_s;
	const char *text;
} dates[] = {
    {"UTC0", 0, "Thu, 01 Jan 1970 00:00:00 +0000"},
    {"UTC0", 1764000000, "Mon, 24 Nov 2025 16:00:00 +0000"},
    {"CET-1CEST,M3.5.0,M10.5.0/3", 1764000000, "Mon, 24 Nov 2025 17:00:00 +0100"},
    {"CET-1CEST,M3.5.0,M10.5.0/3", 1751328000, "Tue, 01 Jul 2025 02:00:00 +0200"},
    {"EST5EDT,M3.2.0,M11.1.0", 1764000000, "Mon, 24 Nov 2025 11:00:00 -0500"},
    {"IST-5:30", 1764000000, "Mon, 24 Nov 2025 21:30:00 +0530"},
    {"NST3:30NDT,M3.2.0,M11.1.0", 1764000000, "Mon, 24 Nov 2025 12:30:00 -0330"},
    {"<+1245>-12:45", 1764000000, "Tue, 25 Nov 2025 04:45:00 +1245"},
    {"<+14>-14", 1764000000, "Tue, 25 Nov 2025 06:00:00 +1400"},
    {"<-12>12", 1764000000, "Mon, 24 Nov 2025 04:00:00 -1200"},
    /* The year's end lies between local time and UTC. */
    {"<+14>-14", 1767225599, "Thu, 01 Jan 2026 13:59:59 +1400"},
    {"<-12>12", 1767225600, "Wed, 31 Dec 2025 12:00:00 -1200"},
    {"<-01>1", 1709164800, "Wed, 28 Feb 2024 23:00:00 -0100"},
    {"UTC0", 1709164800, "Thu, 29 Feb 2024 00:00:00 +0000"},
    {"UTC0", 4102444800, "Fri, 01 Jan 2100 00:00:00 +0000"},
    {"UTC0", -1, "Wed, 31 Dec 1969 23:59:59 +0000"},
};

START_TEST(rfc5322_has_local_time_and_its_offset)
{
	char text[40];

	zone(dates[_i].tz);
	ck_assert_str_eq(clock_rfc5322(dates[_i].at_s, text, sizeof(text)), dates[_i].text);
}
END_TEST

/* Every hour of a leap year in three zones: name of the day and offset agree with the C library. */
START_TEST(agrees_with_the_c_library)
{
	static const char *const zones[] = {
	    "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "<+1345>-13:45"};

	for (size_t z = 0; z < sizeof(zones) / sizeof(zones[0]); z++) {
		zone(zones[z]);
		for (int64_t at = 1704067200; at < 1735689600; at += 3600) {
			time_t t = (time_t)at;
			char ours[40], theirs[40];
			struct tm tm;

			localtime_r(&t, &tm);
			strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S %z", &tm);
			ck_assert_str_eq(clock_rfc5322(at, ours, sizeof(ours)), theirs);
		}
	}
}
END_TEST

START_TEST(a_time_no_calendar_holds_is_still_a_date)
{
	char text[40];

	zone("UTC0");
	ck_assert_str_eq(
	    clock_rfc5322(INT64_MAX, text, sizeof(text)), "Thu, 01 Jan 1970 00:00:00 +0000");
	ck_assert_str_eq(clock_syslog(INT64_MIN, text, sizeof(text)), "Jan  1 00:00:00");
}
END_TEST

START_TEST(syslog_pads_the_day_with_a_space)
{
	char text[40];

	zone("UTC0");
	ck_assert_str_eq(clock_syslog(1764000000, text, sizeof(text)), "Nov 24 16:00:00");
	ck_assert_str_eq(clock_syslog(1751328000, text, sizeof(text)), "Jul  1 00:00:00");
}
END_TEST

Suite *
suite_clock(void)
{
	Suite *s = suite_create("clock");
	TCase *tc = tcase_create("clock");

	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, units);
	tcase_add_loop_test(
	    tc, rfc5322_has_local_time_and_its_offset, 0, (int)(sizeof(dates) / sizeof(dates[0])));
	tcase_add_test(tc, agrees_with_the_c_library);
	tcase_add_test(tc, a_time_no_calendar_holds_is_still_a_date);
	tcase_add_test(tc, syslog_pads_the_day_with_a_space);
	suite_add_tcase(s, tc);
	return s;
}
