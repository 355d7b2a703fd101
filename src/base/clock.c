/* clock.c: the two clocks, and dates as mail and log write them. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

#include "base/sys.h"

/* Ours, because strftime(3) follows a locale. */
static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const months[] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

int64_t
clock_mono_ms(void)
{
	return sys.mono_ns() / 1000000;
}

int64_t
clock_wall_s(void)
{
	return sys.wall_ns() / 1000000000;
}

int64_t
clock_wall_us(void)
{
	return sys.wall_ns() / 1000;
}

/* Local time, or 1970 for a time that no calendar holds. */
static struct tm
local_time(time_t at)
{
	struct tm tm = {.tm_mday = 1, .tm_year = 70, .tm_wday = 4};

	if (localtime_r(&at, &tm) == NULL)
		tm = (struct tm){.tm_mday = 1, .tm_year = 70, .tm_wday = 4};
	return tm;
}

/* Minutes east of UTC: the two calendars differ by less than a day, so by at most one day's name. */
static int
offset_minutes(time_t at, const struct tm *local)
{
	struct tm utc;
	int day;

	if (gmtime_r(&at, &utc) == NULL)
		return 0;
	day = local->tm_yday - utc.tm_yday;
	if (local->tm_year != utc.tm_year)
		day = local->tm_year > utc.tm_year ? 1 : -1;
	return (day * 24 + local->tm_hour - utc.tm_hour) * 60 + local->tm_min - utc.tm_min;
}

const char *
clock_rfc5322(int64_t at_s, char *dst, size_t size)
{
	time_t at = (time_t)at_s;
	struct tm tm = local_time(at);
	int off = offset_minutes(at, &tm);
	int east = off < 0 ? -off : off;

	snprintf(dst, size, "%s, %02d %s %04lld %02d:%02d:%02d %c%02d%02d", days[tm.tm_wday],
	    tm.tm_mday, months[tm.tm_mon], 1900LL + tm.tm_year, tm.tm_hour, tm.tm_min, tm.tm_sec,
	    off < 0 ? '-' : '+', east / 60, east % 60);
	return dst;
}

const char *
clock_syslog(int64_t at_s, char *dst, size_t size)
{
	struct tm tm = local_time((time_t)at_s);

	snprintf(dst, size, "%s %2d %02d:%02d:%02d", months[tm.tm_mon], tm.tm_mday, tm.tm_hour,
	    tm.tm_min, tm.tm_sec);
	return dst;
}

const char *
clock_utc(int64_t at_ms, char *dst, size_t size)
{
	time_t at = (time_t)(at_ms / 1000);
	struct tm tm;

	if (gmtime_r(&at, &tm) == NULL)
		tm = (struct tm){.tm_mday = 1, .tm_year = 70};
	snprintf(dst, size, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ", 1900LL + tm.tm_year,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(at_ms % 1000));
	return dst;
}
