/* reply.c: the reply parser. */
#include "proto/reply.h"

#include <string.h>

#include "base/str.h"

enum { LONGEST_CHAR = 4 }; /* of UTF-8 */

void
reply_init(struct reply *r)
{
	*r = (struct reply){.state = REPLY_MORE};
	buf_init(&r->raw, REPLY_MAX);
}

void
reply_free(struct reply *r)
{
	buf_free(&r->raw);
	reply_init(r);
}

static void
begin(struct reply *r)
{
	r->state = REPLY_MORE;
	r->code = 0;
	r->enhanced[0] = '\0';
	r->nlines = 0;
	r->line = 0;
	buf_clear(&r->raw);
}

static void
bad(struct reply *r, const char *error)
{
	r->state = REPLY_BAD;
	r->error = error;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* 1*3digit of RFC 3463; 0: none there. */
static size_t
number_length(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && i < 3 && is_digit(s[i]))
		i++;
	return i;
}

/*
 * status-code = class "." subject "." detail; class = "2" / "4" / "5"; subject, detail = 1*3digit
 * (RFC 3463 2). Its length, or 0. Its class must be that of the reply (RFC 2034 4).
 */
static size_t
enhanced_length(const char *s, size_t n, int code)
{
	size_t subject, detail;

	if (n < 5 || s[0] != '0' + code / 100 || s[0] == '3' || s[1] != '.')
		return 0;
	subject = number_length(s + 2, n - 2);
	if (subject == 0 || 2 + subject >= n || s[2 + subject] != '.')
		return 0;
	detail = number_length(s + 3 + subject, n - 3 - subject);
	n -= 3 + subject + detail;
	if (detail == 0 || (n > 0 && s[3 + subject + detail] != ' '))
		return 0;
	return 3 + subject + detail;
}

/*
 * Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
 * Reply-code = %x32-35 %x30-35 %x30-39 (RFC 5321 4.2; a second digit above 5 is let through)
 */
static void
take_line(struct reply *r, const char *s, size_t n)
{
	int code;
	size_t len;

	if (n < 3 || !is_digit(s[0]) || !is_digit(s[1]) || !is_digit(s[2])) {
		bad(r, "a reply line without a code");
		return;
	}
	code = (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0');
	if (code < 200 || code > 599) {
		bad(r, "a reply code out of range");
		return;
	}
	if (n > 3 && s[3] != ' ' && s[3] != '-') {
		bad(r, "neither space nor hyphen behind a reply code");
		return;
	}
	if (r->nlines > 0 && code != r->code) {
		bad(r, "different codes in one reply");
		return;
	}
	if (++r->nlines > REPLY_LINES_MAX) {
		bad(r, "a reply of too many lines");
		return;
	}
	r->code = code;
	if (n > 4 && r->enhanced[0] == '\0' && (len = enhanced_length(s + 4, n - 4, code)) > 0) {
		memcpy(r->enhanced, s + 4, len);
		r->enhanced[len] = '\0';
	}
	if (n == 3 || s[3] == ' ')
		r->state = REPLY_COMPLETE;
}

/* The bytes of one line, or of its beginning. */
static void
take(struct reply *r, const char *data, size_t n, bool ends)
{
	size_t len;
	const char *s;

	if (buf_len(&r->raw) - r->line + n > REPLY_LINE_MAX) {
		bad(r, "a reply line without end");
		return;
	}
	buf_add(&r->raw, data, n);
	if (r->raw.overflow) {
		bad(r, "a reply without end");
		return;
	}
	if (!ends)
		return;
	s = buf_data(&r->raw) + r->line;
	len = buf_len(&r->raw) - r->line - 1;
	if (len > 0 && s[len - 1] == '\r')
		len--;
	take_line(r, s, len);
	r->line = buf_len(&r->raw);
}

size_t
reply_input(struct reply *r, const char *data, size_t n)
{
	size_t taken = 0;

	if (r->state == REPLY_COMPLETE)
		begin(r);
	while (taken < n && r->state == REPLY_MORE) {
		const char *lf = memchr(data + taken, '\n', n - taken);
		size_t len = lf != NULL ? (size_t)(lf + 1 - data) - taken : n - taken;

		take(r, data + taken, len, lf != NULL);
		taken += len;
	}
	return taken;
}

bool
reply_is_partial(const struct reply *r)
{
	return r->state == REPLY_MORE && buf_len(&r->raw) > 0;
}

bool
reply_line(const struct reply *r, size_t *pos, const char **line, size_t *n)
{
	const char *s = buf_data(&r->raw) + *pos;
	size_t left = buf_len(&r->raw) - *pos;
	const char *lf = left > 0 ? memchr(s, '\n', left) : NULL;

	if (left == 0)
		return false;
	*line = s;
	*n = lf != NULL ? (size_t)(lf - s) : left;
	*pos += lf != NULL ? *n + 1 : left;
	if (*n > 0 && s[*n - 1] == '\r')
		(*n)--;
	return true;
}

void
reply_text(const struct reply *r, char *dst, size_t size)
{
	size_t pos = 0, used = 0, n, skip;
	const char *s;

	dst[0] = '\0';
	/* with less room a character may have been left out, and nothing may come behind the gap */
	while (size - used > LONGEST_CHAR && reply_line(r, &pos, &s, &n)) {
		skip = n > 4 ? 4 : n;
		s += skip;
		n -= skip;
		skip = enhanced_length(s, n, r->code);
		if (skip > 0 && skip == strlen(r->enhanced) && memcmp(s, r->enhanced, skip) == 0) {
			skip += skip < n; /* the space */
			s += skip;
			n -= skip;
		}
		if (n > 0 && used > 0)
			dst[used++] = ' ';
		str_clean(dst + used, size - used, s, n);
		used += strlen(dst + used);
	}
}
