/*
 * clock.h: the two clocks. Pure code is given the time; only the reactor, the spool's ids and the
 * program's edges ask for it. Tests bring their own by replacing sys.mono_ns and sys.wall_ns.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_mono_ms(void); /* milliseconds, monotonic: for deadlines and durations */
int64_t clock_wall_s(void); /* seconds since 1970: for the spool and for people */
int64_t clock_wall_us(void); /* microseconds since 1970: for ids */

/*
 * RFC 5322 date-time in local time with a numeric offset, "Tue, 24 Nov 2026 06:10:00 +0000"; day
 * and month names are ours. Returns dst; size >= 40.
 */
const char *clock_rfc5322(int64_t at_s, char *dst, size_t size);

/* ISO 8601, UTC, with milliseconds, "2026-11-24T06:10:00.123Z". Returns dst; size >= 32. */
const char *clock_utc(int64_t at_ms, char *dst, size_t size);

/* As syslog's classic lines begin, "Nov 24 06:10:00", local time. Returns dst; size >= 16. */
const char *clock_syslog(int64_t at_s, char *dst, size_t size);

#endif
