/* str.c: strings as bytes. */
#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"

int
str_lower(int c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

void
str_lowercase(char *s)
{
	for (; *s != '\0'; s++)
		*s = (char)str_lower(*s);
}

bool
str_neqi(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (a[i] == '\0' || str_lower(a[i]) != str_lower(b[i]))
			return false;
	return true;
}

bool
str_eqi(const char *a, const char *b)
{
	size_t n = strlen(a);

	return strlen(b) == n && str_neqi(a, b, n);
}

bool
str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool
str_ends_i(const char *s, const char *suffix)
{
	size_t n = strlen(s), tail = strlen(suffix);

	return n >= tail && str_neqi(s + n - tail, suffix, tail);
}

bool
str_has_i(const char *s, const char *part)
{
	size_t n = strlen(s), len = strlen(part);

	for (size_t i = 0; i + len <= n; i++)
		if (str_neqi(s + i, part, len))
			return true;
	return false;
}

bool
str_copy(char *dst, size_t size, const char *src)
{
	size_t n = strlen(src);
	bool fits = n < size;

	if (size == 0)
		return false;
	if (!fits) {
		n = size - 1;
		/* src[n] is the first byte left out; a continuation byte means a cut character. */
		for (int i = 0; i < 3 && n > 0 && ((unsigned char)src[n] & 0xc0) == 0x80; i++)
			n--;
	}
	memcpy(dst, src, n);
	dst[n] = '\0';
	return fits;
}

/*
 * RFC 3629 section 4:
 *   UTF8-octets = *( UTF8-char )      UTF8-char = 1 to 4 octets, shortest form only,
 *   no surrogates (D800-DFFF), nothing above 10FFFF.
 */
size_t
str_char(const char *text, size_t n, uint32_t *out)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *s = (const unsigned char *)text;
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t cp;

	if (len == 0 || len > n || s[0] > 0xf4)
		return 0;
	cp = len == 1 ? s[0] : s[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3fu);
	}
	if (cp < least[len] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	*out = cp;
	return len;
}

bool
str_printable(uint32_t cp)
{
	if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
		return false; /* C0, DEL, C1 */
	if (cp == 0x2028 || cp == 0x2029)
		return false; /* line and paragraph separator */
	/* Unicode's Bidi_Control: they make text read in an order that is not its own. */
	return !(cp == 0x061c || cp == 0x200e || cp == 0x200f || (cp >= 0x202a && cp <= 0x202e) ||
		 (cp >= 0x2066 && cp <= 0x2069));
}

/* The length of the character at s; *ok tells whether it may stay. A malformed byte counts as one. */
static size_t
next_char(const char *s, size_t n, bool *ok)
{
	uint32_t cp = 0;
	size_t len = str_char(s, n, &cp);

	*ok = len > 0 && str_printable(cp);
	return len > 0 ? len : 1;
}

/* How many of the next bytes are printable ASCII: most text is nothing else. */
static size_t
plain_length(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && s[i] >= 0x20 && s[i] < 0x7f)
		i++;
	return i;
}

void
str_clean(char *dst, size_t size, const char *src, size_t n)
{
	size_t in = 0, out = 0, len;
	bool ok;

	if (size == 0)
		return;
	for (; in < n; in += len) {
		char one = '?';
		const char *from = src + in;

		len = plain_length(from, n - in < size - 1 - out ? n - in : size - 1 - out);
		if (len > 0) {
			memmove(dst + out, from, len);
			out += len;
			continue;
		}
		len = next_char(from, n - in, &ok);
		if (*from == '\r' || *from == '\n') {
			while (in + len < n && (from[len] == '\r' || from[len] == '\n'))
				len++;
			one = ' ';
		}
		if (out + (ok ? len : 1) >= size)
			break;
		if (ok) {
			memmove(dst + out, from, len);
			out += len;
		} else {
			dst[out++] = one;
		}
	}
	dst[out] = '\0';
}

bool
str_is_clean(const char *s, size_t n)
{
	bool ok = true;

	for (size_t i = plain_length(s, n); i < n && ok; i += plain_length(s + i, n - i))
		i += next_char(s + i, n - i, &ok);
	return ok;
}

bool
str_u64(const char *s, uint64_t max, uint64_t *out)
{
	return str_u64n(s, strlen(s), max, out);
}

bool
str_u64n(const char *s, size_t n, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		uint64_t digit = (uint64_t)(unsigned char)s[i] - '0';

		if (s[i] < '0' || s[i] > '9' || digit > max || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

static int64_t
unit_seconds(char c)
{
	switch (c) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	case 'w':
		return 604800;
	default:
		return 0;
	}
}

bool
str_duration(const char *s, int64_t unit, int64_t *seconds)
{
	const uint64_t most = 10 * 366 * 86400;
	uint64_t sum = 0;

	do {
		size_t digits = strspn(s, "0123456789");
		uint64_t value, scale;

		if (!str_u64n(s, digits, most, &value))
			return false;
		s += digits;
		scale = *s == '\0' ? (uint64_t)unit : (uint64_t)unit_seconds(*s++);
		if (scale == 0 || value > (most - sum) / scale)
			return false;
		sum += value * scale;
	} while (*s != '\0');
	*seconds = (int64_t)sum;
	return true;
}

bool
str_size(const char *s, uint64_t *bytes)
{
	size_t n = strlen(s);
	int shift = 0;
	uint64_t value;

	if (n > 0) {
		int c = str_lower(s[n - 1]);

		shift = c == 'k' ? 10 : c == 'm' ? 20 : c == 'g' ? 30 : 0;
	}
	if (!str_u64n(s, shift > 0 ? n - 1 : n, UINT64_MAX >> shift, &value))
		return false;
	*bytes = value << shift;
	return true;
}

const char *
str_duration_text(int64_t seconds, char *dst, size_t size)
{
	static const char units[] = "dhms";
	size_t i = 0;
	int64_t scale, big, small;

	if (seconds < 0)
		seconds = 0;
	while (i < 3 && seconds < unit_seconds(units[i]))
		i++;
	scale = unit_seconds(units[i]);
	big = seconds / scale;
	small = i < 3 ? seconds % scale / unit_seconds(units[i + 1]) : 0;
	if (small > 0)
		snprintf(dst, size, "%lld%c%lld%c", (long long)big, units[i], (long long)small,
		    units[i + 1]);
	else
		snprintf(dst, size, "%lld%c", (long long)big, units[i]);
	return dst;
}

/* 32 random bits. Bytes are fetched in bulk; a child never uses what its parent has fetched. */
static uint32_t
random_u32(void)
{
	static uint32_t pool[64];
	static size_t left;
	static pid_t owner;

	if (left == 0 || owner != getpid()) {
		if (sys.getentropy(pool, sizeof(pool)) == -1)
			die(EX_TEMPFAIL, "no randomness from the kernel");
		left = sizeof(pool) / sizeof(pool[0]);
		owner = getpid();
	}
	return pool[--left];
}

uint32_t
str_random(uint32_t n)
{
	uint32_t r, skip;

	if (n == 0)
		bug("str_random(0)");
	/* 2^32 mod n: numbers below it would make the small remainders likelier. */
	skip = (uint32_t)(UINT32_MAX % n + 1) % n;
	do
		r = random_u32();
	while (r < skip);
	return r % n;
}
