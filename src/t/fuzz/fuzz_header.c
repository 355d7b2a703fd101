/*
 * fuzz_header.c: standard input, from bytes to header and body, to the header made good and the
 * recipients it names. What comes out is what slow_input.c makes of the same bytes, however they
 * arrive; nothing is left of what is to be removed, and all the rest is.
 *
 * The first byte is the size of a piece and whether a lone dot is text. 01 stands for 990 letters.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "fuzz.h"
#include "slow_input.h"
#include "submit_body.h"
#include "submit_header.h"
#include "submit_intake.h"

struct taken {
	struct buf header, body;
};

static void
require(bool holds, const char *what)
{
	if (!holds)
		bug(what);
}

static bool
same(const struct buf *a, const struct buf *b)
{
	return buf_len(a) == buf_len(b) && memcmp(buf_data(a), buf_data(b), buf_len(a)) == 0;
}

/* --- the intake --- */

static bool
take_header(void *ctx, const char *text, size_t n)
{
	buf_add(&((struct taken *)ctx)->header, text, n);
	return true;
}

static bool
take_body(void *ctx, const char *data, size_t n)
{
	buf_add(&((struct taken *)ctx)->body, data, n);
	return true;
}

static void
check_intake(const struct buf *input, size_t chunk, bool ignore_dots, const struct slow_input *want)
{
	const char *data = buf_data(input);
	size_t size = buf_len(input);
	struct submit_intake in;
	struct taken t;

	buf_init(&t.header, SLOW_MAX);
	buf_init(&t.body, SLOW_MAX);
	submit_intake_init(&in, ignore_dots, take_header, take_body, &t);
	for (size_t at = 0; at < size; at += chunk)
		submit_intake_feed(&in, data + at, size - at < chunk ? size - at : chunk);
	submit_intake_end(&in);
	submit_intake_free(&in);
	require(same(&t.header, &want->header), "another header");
	require(same(&t.body, &want->body), "another body");
	buf_free(&t.header);
	buf_free(&t.body);
}

/* --- the header made good --- */

/* Without white space, which folding may change. */
static void
squeeze(struct buf *b, const char *p, size_t n)
{
	const char *end = p + n;

	while (p < end) {
		const char *run = p;

		while (p < end && *p != ' ' && *p != '\t' && *p != '\r' && *p != '\n')
			p++;
		buf_add(b, run, (size_t)(p - run));
		p += p < end;
	}
}

static bool
is_any(const struct slow_field *f, const char *names)
{
	char wanted[sizeof(f->name) + 2];

	snprintf(wanted, sizeof(wanted), " %s ", f->name);
	return strstr(names, wanted) != NULL;
}

/* Whether white space is left in a line where it could have been broken: not right behind the name
 * of the field, nor where one side would be empty. */
static bool
has_break(const char *line, size_t n)
{
	size_t at = 0;

	if (line[0] != ' ' && line[0] != '\t')
		while (line[at++] != ':')
			;
	while (at < n && (line[at] == ' ' || line[at] == '\t'))
		at++;
	return memchr(line + at, ' ', n - at) != NULL || memchr(line + at, '\t', n - at) != NULL;
}

static void
check_lines(const struct buf *header)
{
	const char *p = buf_data(header), *end = p + buf_len(header), *lf;
	size_t n;

	for (; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		require(lf != NULL && lf > p && lf[-1] == '\r', "a line without its end");
		n = (size_t)(lf - 1 - p);
		require(n > 0 && memchr(p, '\r', n) == NULL, "an empty line, or a CR");
		require(*p == ' ' || *p == '\t' || memchr(p, ':', n) != NULL,
		    "a line that is no field");
		require(n <= SUBMIT_LINE_MAX || !has_break(p, n), "a line that could be folded");
	}
}

static void
check_rewriting(const struct slow_input *in)
{
	struct buf out, again, have, want;
	struct submit_facts facts;
	struct slow_field f;
	unsigned received = 0;
	bool date = false;

	buf_init(&out, SLOW_MAX);
	buf_init(&again, SLOW_MAX);
	buf_init(&have, SLOW_MAX);
	buf_init(&want, SLOW_MAX);
	submit_header_rewrite(&out, buf_data(&in->header), buf_len(&in->header), &facts);
	check_lines(&out);
	for (size_t at = 0; slow_field(&in->header, &at, &f);) {
		if (is_any(&f, " bcc resent-bcc return-path content-length ") ||
		    (f.empty && is_any(&f, " date message-id from ")))
			continue;
		squeeze(&want, f.text, f.n);
		received += is_any(&f, " received ");
		date = date || is_any(&f, " date ");
	}
	squeeze(&have, buf_data(&out), buf_len(&out));
	require(same(&have, &want), "other fields are left than should be");
	require(facts.received == received && facts.date == date, "a wrong account of them");
	submit_header_rewrite(&again, buf_data(&out), buf_len(&out), &facts);
	require(same(&out, &again), "made good again it is another");
	buf_free(&out);
	buf_free(&again);
	buf_free(&have);
	buf_free(&want);
}

/* --- recipients --- */

static void
note_recipient(void *ctx, const char *mailbox, enum address_error e)
{
	buf_addf(ctx, "%s%s,", mailbox, e == ADDRESS_OK ? "" : "!");
}

static void
check_recipients(const struct slow_input *in)
{
	const char *names = " to cc bcc ";
	struct buf have, want;
	struct slow_field f;
	bool simple = true;

	buf_init(&have, SLOW_MAX);
	buf_init(&want, SLOW_MAX);
	for (size_t at = 0; slow_field(&in->header, &at, &f);)
		if (is_any(&f, " resent-to resent-cc resent-bcc "))
			names = " resent-to resent-cc resent-bcc ";
	for (size_t at = 0; simple && slow_field(&in->header, &at, &f);)
		if (is_any(&f, names))
			simple = slow_addresses(&want, &f);
	submit_header_recipients(
	    buf_data(&in->header), buf_len(&in->header), note_recipient, &have);
	require(!simple || same(&have, &want), "other recipients");
	buf_free(&have);
	buf_free(&want);
}

void
fuzz_header(const uint8_t *data, size_t size)
{
	struct buf input;
	struct slow_input in;
	bool ignore_dots;

	if (size < 1)
		return;
	ignore_dots = (data[0] & 0x80) != 0;
	buf_init(&input, SLOW_MAX);
	slow_expand(&input, data + 1, size - 1);
	slow_input(&in, &input, ignore_dots);
	check_intake(&input, (data[0] & 0x7fu) + 1, ignore_dots, &in);
	check_intake(&input, SLOW_MAX, ignore_dots, &in);
	check_rewriting(&in);
	check_recipients(&in);
	slow_input_free(&in);
	buf_free(&input);
}
