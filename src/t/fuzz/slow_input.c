/* slow_input.c: standard input understood once more, in the most obvious way. */
#include "slow_input.h"

#include <string.h>

#include "base/str.h"

void
slow_expand(struct buf *out, const uint8_t *data, size_t n)
{
	enum { LETTERS = 990, TIMES = 3 };
	char letters[LETTERS];
	int times = 0;

	memset(letters, 'y', sizeof(letters));
	for (size_t i = 0; i < n; i++) {
		if (data[i] != 1)
			buf_addc(out, (char)data[i]);
		else if (times++ < TIMES)
			buf_add(out, letters, sizeof(letters));
	}
}

/* --- lines --- */

struct line {
	const char *text;
	size_t n; /* without its end */
	bool whole; /* it has one */
};

/* Up to the next LF, without the one CR before it; a CR may also be the last byte of all. false: it is
 * a lone dot, or there is none. */
static bool
next_line(const struct buf *input, size_t *at, bool ignore_dots, struct line *l)
{
	const char *p = buf_data(input) + *at, *lf;
	size_t n, left = buf_len(input) - *at;
	bool ends_in_cr;

	lf = memchr(p, '\n', left);
	n = lf != NULL ? (size_t)(lf - p) : left;
	ends_in_cr = n > 0 && p[n - 1] == '\r';
	*l = (struct line){p, ends_in_cr ? n - 1 : n, ends_in_cr || n < left};
	*at += n < left ? n + 1 : n;
	if (l->n == 1 && p[0] == '.' && (!ends_in_cr || n < left))
		return ignore_dots;
	return l->n > 0 || l->whole;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

enum kind { FIELD, FOLDED, EMPTY, MAILBOX, TEXT };

/* A line's length counts here: nothing of a header is looked for behind 998 bytes. */
static enum kind
kind_of(const struct line *l, bool have_fields)
{
	size_t name = 0, colon, cr = 0, quoted;

	while (cr < l->n && l->text[cr] == '\r')
		cr++;
	if (cr == l->n && l->n <= 998)
		return EMPTY;
	if (is_blank(l->text[0]))
		return have_fields ? FOLDED : TEXT;
	while (name < l->n && l->text[name] > 32 && l->text[name] < 127 && l->text[name] != ':')
		name++;
	for (colon = name; colon < l->n && is_blank(l->text[colon]);)
		colon++;
	if (name >= 1 && name <= 256 && colon < l->n && colon <= 999 && l->text[colon] == ':')
		return FIELD;
	quoted = l->n > 0 && l->text[0] == '>';
	if (!have_fields && l->n - quoted >= 5 && l->n - quoted <= 998 &&
	    memcmp(l->text + quoted, "From ", 5) == 0)
		return MAILBOX;
	return TEXT;
}

/* A CR alone is a line end in the body, and a space in the header. */
static void
add_line(struct buf *out, const struct line *l, const char *cr)
{
	const char *p = l->text, *end = p + l->n, *at;

	for (; (at = memchr(p, '\r', (size_t)(end - p))) != NULL; p = at + 1) {
		buf_add(out, p, (size_t)(at - p));
		buf_adds(out, cr);
	}
	buf_add(out, p, (size_t)(end - p));
	buf_adds(out, "\r\n");
}

/* The line goes into the header or the body; lines of a mailbox file wait for what follows them. */
static void
sort_line(struct slow_input *in, struct buf *mailbox, const struct line *l, bool *in_body)
{
	enum kind kind = *in_body ? TEXT : kind_of(l, buf_len(&in->header) > 0);

	if (kind == FIELD || kind == FOLDED) {
		add_line(&in->header, l, " ");
		return;
	}
	if (kind == MAILBOX) {
		add_line(mailbox, l, "\r\n");
		return;
	}
	if (buf_len(&in->header) > 0)
		buf_clear(mailbox);
	buf_add(&in->body, buf_data(mailbox), buf_len(mailbox));
	if (kind == TEXT || buf_len(mailbox) > 0)
		add_line(&in->body, l, "\r\n");
	buf_clear(mailbox);
	*in_body = true;
}

void
slow_input(struct slow_input *in, const struct buf *input, bool ignore_dots)
{
	struct buf clean, mailbox;
	bool in_body = false;
	struct line l;
	char *nul;

	buf_init(&in->header, SLOW_MAX);
	buf_init(&in->body, SLOW_MAX);
	buf_init(&clean, SLOW_MAX);
	buf_init(&mailbox, SLOW_MAX);
	buf_add(&clean, buf_data(input), buf_len(input));
	while ((nul = memchr(buf_data(&clean), '\0', buf_len(&clean))) != NULL)
		*nul = '?';
	for (size_t at = 0; next_line(&clean, &at, ignore_dots, &l);)
		sort_line(in, &mailbox, &l, &in_body);
	if (buf_len(&in->header) == 0) /* no field followed: it is the text */
		buf_add(&in->body, buf_data(&mailbox), buf_len(&mailbox));
	buf_free(&clean);
	buf_free(&mailbox);
}

void
slow_input_free(struct slow_input *in)
{
	buf_free(&in->header);
	buf_free(&in->body);
}

/* --- fields --- */

bool
slow_field(const struct buf *header, size_t *at, struct slow_field *f)
{
	const char *p = buf_data(header) + *at;
	size_t left = buf_len(header) - *at, n = 0, name = 0;

	if (left == 0)
		return false;
	do
		while (p[n++] != '\n')
			;
	while (n < left && is_blank(p[n]));
	*f = (struct slow_field){.text = p, .n = n, .empty = true};
	while (p[name] != ':')
		name++;
	f->value = p + name + 1;
	for (const char *v = f->value; v < p + n; v++)
		f->empty = f->empty && (is_blank(*v) || *v == '\n');
	while (is_blank(p[name - 1]))
		name--;
	memcpy(f->name, p, name); /* at most 256 */
	str_lowercase(f->name);
	*at += n;
	return true;
}

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* 1*alnum "@" 1*alnum *("." 1*alnum), and short. */
static bool
is_simple_address(const char *p, size_t n)
{
	size_t ats = 0;

	for (size_t i = 0; i < n; i++) {
		bool between = i > 0 && i + 1 < n && is_alnum(p[i - 1]) && is_alnum(p[i + 1]);

		if (p[i] == '@')
			ats++;
		else if (!is_alnum(p[i]) && (p[i] != '.' || ats == 0))
			return false;
		if (!is_alnum(p[i]) && !between)
			return false;
	}
	return ats == 1 && n <= 60;
}

bool
slow_addresses(struct buf *out, const struct slow_field *f)
{
	const char *p = f->value, *end = f->text + f->n;

	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p)), *last;

		if (comma == NULL)
			comma = end;
		while (p < comma && (is_blank(*p) || *p == '\n'))
			p++;
		for (last = comma; last > p && (is_blank(last[-1]) || last[-1] == '\n');)
			last--;
		if (last > p && !is_simple_address(p, (size_t)(last - p)))
			return false;
		if (last > p)
			buf_addf(out, "%.*s,", (int)(last - p), p);
		p = comma + (comma < end);
	}
	return true;
}
