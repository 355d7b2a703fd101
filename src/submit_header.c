/*
 * submit_header.c: a message's header: what of it is kept, what it tells.
 */
#include "submit_header.h"

#include <string.h>

#include "base/str.h"
#include "submit_body.h" /* SUBMIT_LINE_MAX */

enum { FIELD_NAME_MAX = 256 };

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* RFC 5322 2.2: printable ASCII except the colon. */
static bool
is_ftext(char c)
{
	return c > 32 && c < 127 && c != ':';
}

static bool
is_mailbox_line(const char *line, size_t n)
{
	if (n > 0 && line[0] == '>') {
		line++;
		n--;
	}
	return n >= 5 && n <= SUBMIT_LINE_MAX && memcmp(line, "From ", 5) == 0;
}

enum submit_line
submit_header_line(const char *line, size_t n, bool have_fields, bool whole)
{
	size_t name = 0, i;

	while (name < n && name <= SUBMIT_LINE_MAX && line[name] == '\r')
		name++;
	/* Nothing, or an empty line that ended in CR CR LF. */
	if (name == n && n <= SUBMIT_LINE_MAX)
		return whole ? SUBMIT_LINE_EMPTY : SUBMIT_LINE_UNDECIDED;
	if (is_blank(line[0]))
		return have_fields ? SUBMIT_LINE_FOLDED : SUBMIT_LINE_TEXT;
	for (name = 0; name < n && name <= FIELD_NAME_MAX && is_ftext(line[name]);)
		name++;
	if (name == 0 || name > FIELD_NAME_MAX)
		return SUBMIT_LINE_TEXT;
	for (i = name; i < n && i <= SUBMIT_LINE_MAX && is_blank(line[i]);) /* RFC 5322 4.5 */
		i++;
	if (i == n && !whole)
		return SUBMIT_LINE_UNDECIDED;
	if (i < n && line[i] == ':')
		return SUBMIT_LINE_FIELD;
	if (!have_fields && is_mailbox_line(line, n))
		return SUBMIT_LINE_MAILBOX;
	return SUBMIT_LINE_TEXT;
}

/* --- fields --- */

bool
submit_field_next(const char **at, const char *end, struct submit_field *f)
{
	const char *p = *at, *colon;

	if (p >= end)
		return false;
	do {
		const char *eol = memchr(p, '\n', (size_t)(end - p));

		p = eol == NULL ? end : eol + 1;
	} while (p < end && is_blank(*p));
	f->text = *at;
	f->n = (size_t)(p - *at);
	colon = memchr(f->text, ':', f->n);
	f->value = colon == NULL ? p : colon + 1;
	f->nvalue = (size_t)(p - f->value);
	f->name = colon == NULL ? 0 : (size_t)(colon - f->text);
	while (f->name > 0 && is_blank(f->text[f->name - 1]))
		f->name--;
	*at = p;
	return true;
}

bool
submit_field_named(const struct submit_field *f, const char *name)
{
	return f->name == strlen(name) && str_neqi(f->text, name, f->name);
}

bool
submit_field_one_of(const struct submit_field *f, const char *const names[])
{
	for (; *names != NULL; names++)
		if (submit_field_named(f, *names))
			return true;
	return false;
}

static bool
is_value_empty(const struct submit_field *f)
{
	for (size_t i = 0; i < f->nvalue; i++)
		if (!is_blank(f->value[i]) && f->value[i] != '\n')
			return false;
	return true;
}

/* Whether the value starts with this token (any case), nothing but white space or a comment or a
 * parameter behind it. "text/" ends where it ends. */
static bool
value_is(const struct submit_field *f, const char *token)
{
	size_t i = 0, n = strlen(token);

	while (i < f->nvalue && (is_blank(f->value[i]) || f->value[i] == '\n'))
		i++;
	if (f->nvalue - i < n || !str_neqi(f->value + i, token, n))
		return false;
	i += n;
	return token[n - 1] == '/' || i == f->nvalue || strchr(" \t\r\n;(", f->value[i]) != NULL;
}

/* --- folding --- */

/*
 * Where to break a line of n > 998 bytes that does not end in a blank: before the last white space
 * that leaves a line short enough, or else the first behind that. Neither side may be all blank
 * (RFC 5322 3.2.2), and nothing is broken right behind the field's name. n: there is no such place.
 */
static size_t
break_at(const char *line, size_t n, size_t from)
{
	size_t last = n;

	while (from < n && (line[from] == ' ' || line[from] == '\t'))
		from++;
	for (size_t i = from; i < n && (i <= SUBMIT_LINE_MAX || last == n); i++)
		if (line[i] == ' ' || line[i] == '\t')
			last = i;
	return last;
}

static void
fold_line(struct buf *out, const char *line, size_t n, size_t from)
{
	if (n > SUBMIT_LINE_MAX)
		while (line[n - 1] == ' ' || line[n - 1] == '\t')
			n--;
	while (n > SUBMIT_LINE_MAX) {
		size_t at = break_at(line, n, from);

		if (at == n)
			break;
		buf_add(out, line, at);
		buf_adds(out, "\r\n");
		line += at;
		n -= at;
		from = 0;
	}
	buf_add(out, line, n);
	buf_adds(out, "\r\n");
}

/* A field with its lines folded and without lines of nothing but white space. */
static void
copy_field(struct buf *out, const struct submit_field *f)
{
	const char *p = f->text, *end = f->text + f->n, *eol;
	size_t from = (size_t)(f->value - f->text);

	for (; p < end; p = eol + 1, from = 0) {
		size_t n;
		bool blank = true;

		eol = memchr(p, '\n', (size_t)(end - p));
		if (eol == NULL)
			eol = end;
		n = (size_t)(eol - p);
		if (n > 0 && p[n - 1] == '\r')
			n--;
		for (size_t i = 0; i < n && blank; i++)
			blank = is_blank(p[i]);
		if (!blank)
			fold_line(out, p, n, from);
	}
}

/* --- the whole --- */

static const char *const removed[] = {"Bcc", "Resent-Bcc", "Return-Path", "Content-Length", NULL};

static void
note_field(struct submit_facts *facts, const struct submit_field *f)
{
	if (submit_field_named(f, "Date"))
		facts->date = true;
	else if (submit_field_named(f, "Message-ID"))
		facts->message_id = true;
	else if (submit_field_named(f, "From"))
		facts->from = true;
	else if (submit_field_named(f, "MIME-Version"))
		facts->mime_version = true;
	else if (submit_field_named(f, "DKIM-Signature"))
		facts->dkim = true;
	else if (submit_field_named(f, "Received"))
		facts->received++;
	else if (submit_field_named(f, "Content-Type"))
		facts->content = facts->content == SUBMIT_CONTENT_NONE && value_is(f, "text/")
				     ? SUBMIT_CONTENT_TEXT
				     : SUBMIT_CONTENT_OTHER;
	else if (submit_field_named(f, "Content-Transfer-Encoding"))
		facts->encoded = facts->encoded || !(value_is(f, "7bit") || value_is(f, "8bit"));
}

void
submit_header_rewrite(struct buf *out, const char *text, size_t n, struct submit_facts *facts)
{
	static const char *const needed[] = {"Date", "Message-ID", "From", NULL};
	const char *at = text;
	struct submit_field f;

	*facts = (struct submit_facts){0};
	while (submit_field_next(&at, text + n, &f)) {
		if (submit_field_one_of(&f, removed) ||
		    (submit_field_one_of(&f, needed) && is_value_empty(&f)))
			continue;
		note_field(facts, &f);
		copy_field(out, &f);
	}
}

void
submit_header_recipients(const char *text, size_t n, address_fn *fn, void *ctx)
{
	static const char *const plain[] = {"To", "Cc", "Bcc", NULL};
	static const char *const resent[] = {"Resent-To", "Resent-Cc", "Resent-Bcc", NULL};
	const char *const *wanted = plain;
	const char *at = text;
	struct submit_field f;

	while (wanted == plain && submit_field_next(&at, text + n, &f))
		if (submit_field_one_of(&f, resent))
			wanted = resent;
	for (at = text; submit_field_next(&at, text + n, &f);)
		if (submit_field_one_of(&f, wanted))
			(void)address_list(f.value, f.nvalue, fn, ctx);
}

void
submit_header_encoded(struct buf *out, const char *text, size_t n, const struct submit_facts *facts,
    const char *charset)
{
	const char *at = text;
	struct submit_field f;

	while (submit_field_next(&at, text + n, &f))
		if (!submit_field_named(&f, "Content-Transfer-Encoding"))
			buf_add(out, f.text, f.n);
	if (!facts->mime_version)
		buf_adds(out, "MIME-Version: 1.0\r\n");
	if (facts->content == SUBMIT_CONTENT_NONE)
		buf_addf(out, "Content-Type: text/plain; charset=%s\r\n", charset);
	buf_adds(out, "Content-Transfer-Encoding: quoted-printable\r\n");
}
