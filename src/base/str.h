/*
 * str.h: strings as bytes. ASCII only where case matters, whatever the locale (setlocale is never
 * called); nothing here allocates.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int str_lower(int c); /* A-Z to a-z, all else unchanged */
void str_lowercase(char *s);
bool str_eqi(const char *a, const char *b);
bool str_neqi(const char *a, const char *b, size_t n); /* the first n bytes; no NUL before */
bool str_starts(const char *s, const char *prefix);
bool str_ends_i(const char *s, const char *suffix);
bool str_has_i(const char *s, const char *part); /* part occurs in s, in any case; "" does */

/*
 * Copies src into dst[size] and always terminates. What does not fit is cut at a UTF-8 character's
 * border. Returns whether all of it fitted.
 */
bool str_copy(char *dst, size_t size, const char *src);

/* The UTF-8 character (RFC 3629) at s, of which n > 0 bytes are there: its length and its number; 0 when
 * the bytes are not one. */
size_t str_char(const char *s, size_t n, uint32_t *cp);
/* What a terminal or a log viewer shows as itself and does not obey. */
bool str_printable(uint32_t cp);

/*
 * Makes a foreign text safe for spool, log, terminal and report: printable UTF-8 stays, every run
 * of CR and LF becomes one space, every other control character, C1 control, bidirectional control,
 * line or paragraph separator and malformed byte becomes '?'. Terminates; cuts at a character's
 * border. The text never grows, so dst may be src.
 */
void str_clean(char *dst, size_t size, const char *src, size_t n);

/* All of s is printable UTF-8 by str_clean's rule. */
bool str_is_clean(const char *s, size_t n);

/* Decimal digits only, all of s, at most max. */
bool str_u64(const char *s, uint64_t max, uint64_t *out);
bool str_u64n(const char *s, size_t n, uint64_t max, uint64_t *out);

/*
 * "90s 15m 12h 5d 2w", and sums of them as sendmail takes them ("1h30m"); a bare number is in
 * `unit` seconds. The result is in seconds, at most 10 years.
 */
bool str_duration(const char *s, int64_t unit, int64_t *seconds);

/* "50M": bytes with an optional k, K, M or G (1024s). */
bool str_size(const char *s, uint64_t *bytes);

/* Writes a duration for people, "3d4h", "15m", "40s"; returns dst. */
const char *str_duration_text(int64_t seconds, char *dst, size_t size);

/* A uniformly random number below n (n > 0), from the CSPRNG. */
uint32_t str_random(uint32_t n);

#endif
