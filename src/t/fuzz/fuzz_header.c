/*
 * fuzz_header.c: standard input, from bytes to the message made good: the same however the bytes
 * arrive, CRLF line ends only, nothing left of what is to be removed, and quoted-printable that
 * decodes to what it was made of.
 */
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/qp.h"
#include "submit_body.h"
#include "submit_header.h"
#include "submit_intake.h"
#include "fuzz.h"

struct taken {
	struct buf header, body;
};

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
take_in(struct taken *t, const char *data, size_t size, size_t chunk, bool ignore_dots)
{
	struct submit_intake in;

	buf_init(&t->header, 1 << 24);
	buf_init(&t->body, 1 << 24);
	submit_intake_init(&in, ignore_dots, take_header, take_body, t);
	for (size_t at = 0; at < size; at += chunk)
		submit_intake_feed(&in, data + at, size - at < chunk ? size - at : chunk);
	submit_intake_end(&in);
	submit_intake_free(&in);
}

static void
let_go(struct taken *t)
{
	buf_free(&t->header);
	buf_free(&t->body);
}

static bool
same(const struct buf *a, const struct buf *b)
{
	return buf_len(a) == buf_len(b) && memcmp(buf_data(a), buf_data(b), buf_len(a)) == 0;
}

static void
check_lines(const struct buf *b)
{
	const char *p = buf_data(b);
	size_t n = buf_len(b);

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\0' || (p[i] == '\r' && (i + 1 == n || p[i + 1] != '\n')) ||
		    (p[i] == '\n' && (i == 0 || p[i - 1] != '\r')))
			bug("a line end that is none, or a NUL");
	}
	if (n > 0 && p[n - 1] != '\n')
		bug("a last line without end");
}

static void
check_header(const struct buf *header)
{
	static const char *const gone[] = {
	    "Bcc:", "Resent-Bcc:", "Return-Path:", "Content-Length:"};
	struct buf once, twice;
	struct submit_facts facts;
	const char *p;

	buf_init(&once, 1 << 25);
	buf_init(&twice, 1 << 25);
	submit_header_rewrite(&once, buf_data(header), buf_len(header), &facts);
	submit_header_rewrite(&twice, buf_data(&once), buf_len(&once), &facts);
	check_lines(&once);
	if (!same(&once, &twice))
		bug("rewritten again it is another");
	for (p = buf_str(&once); *p != '\0'; p = strchr(p, '\n') + 1) {
		if (*p == ' ' || *p == '\t')
			continue;
		if (*p == '\r' || strchr(p, ':') == NULL || strchr(p, ':') > strchr(p, '\n'))
			bug("a line that is no field");
		for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
			if (str_neqi(p, gone[i], strlen(gone[i])))
				bug("a field that should be gone");
	}
	buf_free(&once);
	buf_free(&twice);
}

static void
ignore(void *ctx, const char *mailbox, enum address_error e)
{
	(void)ctx;
	(void)mailbox;
	(void)e;
}

static char
hex(char c)
{
	return (char)(c <= '9' ? c - '0' : c - 'A' + 10);
}

static void
check_qp(const struct buf *body)
{
	struct qp qp = {0};
	struct buf coded, again;
	const char *p;
	size_t line = 0;

	buf_init(&coded, 1 << 25);
	buf_init(&again, 1 << 25);
	qp_encode(&qp, buf_data(body), buf_len(body), &coded);
	if (buf_len(&coded) >= 4 * (buf_len(body) + 1))
		bug("longer than promised");
	for (p = buf_str(&coded); *p != '\0'; p++) {
		line = *p == '\n' ? 0 : line + 1;
		if (line > 76 + 1) /* the CR */
			bug("a line too long");
		if (*p == '=' && p[1] == '\r')
			p += 2, line = 0;
		else if (*p == '=')
			buf_addc(&again, (char)(hex(p[1]) * 16 + hex(p[2]))), p += 2, line += 2;
		else
			buf_addc(&again, *p);
	}
	if (!same(body, &again))
		bug("decoded it is another");
	buf_free(&coded);
	buf_free(&again);
}

void
fuzz_header(const uint8_t *data, size_t size)
{
	struct taken whole, parts;
	const char *text = (const char *)data + 1;
	size_t chunk;
	bool ignore_dots;

	if (size < 1)
		return;
	chunk = (data[0] & 0x7fu) + 1;
	ignore_dots = (data[0] & 0x80) != 0;
	take_in(&whole, text, size - 1, size, ignore_dots);
	take_in(&parts, text, size - 1, chunk, ignore_dots);
	if (!same(&whole.header, &parts.header) || !same(&whole.body, &parts.body))
		bug("it depends on how the bytes arrive");
	check_lines(&whole.header);
	check_lines(&whole.body);
	check_header(&whole.header);
	submit_header_recipients(buf_data(&whole.header), buf_len(&whole.header), ignore, NULL);
	check_qp(&whole.body);
	let_go(&whole);
	let_go(&parts);
}
