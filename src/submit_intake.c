/*
 * submit_intake.c: standard input as a header and CRLF lines of a body.
 *
 * Two machines, one behind the other: the first knows CR, LF and the lone dot and makes of the
 * bytes pieces of lines, CRs alone, and line ends; the second gathers the header and lets the body
 * pass.
 */
#include "submit_intake.h"

#include <string.h>

#include "submit_header.h"

enum { START, DOT, DOT_CR, MIDDLE, CR };

void
submit_intake_init(struct submit_intake *in, bool ignore_dots, submit_header_fn *header_fn,
    submit_body_fn *body_fn, void *ctx)
{
	*in = (struct submit_intake){.ignore_dots = ignore_dots,
	    .header_fn = header_fn,
	    .body_fn = body_fn,
	    .ctx = ctx,
	    .state = START};
	buf_init(&in->header, SUBMIT_HEADER_MAX);
}

void
submit_intake_free(struct submit_intake *in)
{
	buf_free(&in->header);
}

/* --- the second machine --- */

static void
body_piece(struct submit_intake *in, const char *data, size_t n)
{
	if (n == 0 || in->stopped)
		return;
	in->line_open = true;
	if (!in->body_fn(in->ctx, data, n))
		in->stopped = true;
}

static void
body_line_end(struct submit_intake *in)
{
	body_piece(in, "\r\n", 2);
	in->line_open = false;
}

/* Bytes that were taken for header and are body after all; a CR or LF in them is alone. */
static void
body_again(struct submit_intake *in, const char *p, const char *end)
{
	while (p < end) {
		size_t n = (size_t)(end - p), part = 0;

		while (part < n && p[part] != '\r' && p[part] != '\n')
			part++;
		body_piece(in, p, part);
		if (part < n)
			body_line_end(in);
		p += part < n ? part + 1 : part;
	}
}

/* The header is complete; with_line: what has been read of the current line belongs to the body,
 * and "From " lines that no field followed do too. */
static void
end_header(struct submit_intake *in, bool with_line)
{
	const char *text = buf_data(&in->header);
	size_t from = in->mailbox_lines, to = in->line;

	if (!in->header_fn(in->ctx, text + from, to - from)) {
		in->stopped = true;
		return;
	}
	in->in_body = true;
	if (with_line)
		body_again(in, text + (from == to ? 0 : to), text + buf_len(&in->header));
	buf_free(&in->header);
}

static enum submit_line
judge(const struct submit_intake *in, bool whole)
{
	return submit_header_line(buf_data(&in->header) + in->line, buf_len(&in->header) - in->line,
	    in->line > in->mailbox_lines, whole);
}

static void
header_piece(struct submit_intake *in, const char *data, size_t n)
{
	enum submit_line kind;

	buf_add(&in->header, data, n);
	if (in->header.overflow) {
		in->header_too_large = in->stopped = true;
		return;
	}
	if (in->decided)
		return;
	kind = judge(in, false);
	if (kind == SUBMIT_LINE_TEXT)
		end_header(in, true);
	in->decided = kind == SUBMIT_LINE_FIELD || kind == SUBMIT_LINE_FOLDED;
}

/* The line has turned out to be of the header: a CR in it is a space. */
static void
keep_line(struct submit_intake *in)
{
	char *p = in->header.mem + in->header.start + in->line;
	char *end = in->header.mem + in->header.start + in->header.len;

	for (; p < end && (p = memchr(p, '\r', (size_t)(end - p))) != NULL; p++)
		*p = ' ';
	buf_adds(&in->header, "\r\n");
}

static void
header_line_end(struct submit_intake *in)
{
	enum submit_line kind = judge(in, true);

	/* "From " lines that no field followed are the text, and the empty line is in it. */
	if (kind == SUBMIT_LINE_EMPTY && in->line > 0 && in->line == in->mailbox_lines)
		kind = SUBMIT_LINE_TEXT;
	switch (kind) {
	case SUBMIT_LINE_EMPTY:
		end_header(in, false);
		return;
	case SUBMIT_LINE_MAILBOX:
		buf_addc(&in->header, '\n');
		in->mailbox_lines = buf_len(&in->header);
		break;
	case SUBMIT_LINE_FIELD:
	case SUBMIT_LINE_FOLDED:
		keep_line(in);
		break;
	case SUBMIT_LINE_TEXT:
	case SUBMIT_LINE_UNDECIDED:
		end_header(in, true);
		body_line_end(in);
		return;
	}
	in->line = buf_len(&in->header);
	in->decided = false;
	if (in->header.overflow)
		in->header_too_large = in->stopped = true;
}

/* --- the first machine --- */

static void
piece(struct submit_intake *in, const char *data, size_t n)
{
	if (in->stopped)
		return;
	if (in->in_body)
		body_piece(in, data, n);
	else
		header_piece(in, data, n);
}

static void
lone_cr(struct submit_intake *in)
{
	if (in->stopped)
		return;
	if (in->in_body)
		body_line_end(in);
	else
		header_piece(in, "\r", 1);
}

static void
line_end(struct submit_intake *in)
{
	if (in->stopped)
		return;
	if (in->in_body)
		body_line_end(in);
	else
		header_line_end(in);
}

/* As many bytes as have no meaning here; not so many that looking for what comes late costs when something
 * else comes often. */
static size_t
take_run(struct submit_intake *in, const char *p, size_t n)
{
	enum { RUN_MAX = 512 };
	static const char stops[] = {'\n', '\r', '\0'};
	const char *at;

	if (n > RUN_MAX)
		n = RUN_MAX;
	for (size_t i = 0; i < sizeof(stops); i++)
		if ((at = memchr(p, stops[i], n)) != NULL)
			n = (size_t)(at - p);
	piece(in, p, n);
	return n;
}

/* A byte inside a line. */
static void
middle(struct submit_intake *in, char c)
{
	in->state = MIDDLE;
	if (c == '\r') {
		in->state = CR;
	} else if (c == '\n') {
		line_end(in);
		in->state = START;
	} else {
		piece(in, c == '\0' ? "?" : &c, 1);
	}
}

static void
step(struct submit_intake *in, char c)
{
	switch (in->state) {
	case START:
		if (c == '.' && !in->ignore_dots)
			in->state = DOT;
		else
			middle(in, c);
		break;
	case DOT:
		if (c == '\n') {
			in->ended = true;
		} else if (c == '\r') {
			in->state = DOT_CR;
		} else {
			piece(in, ".", 1);
			middle(in, c);
		}
		break;
	case DOT_CR:
		if (c == '\n') {
			in->ended = true;
			break;
		}
		piece(in, ".", 1);
		lone_cr(in);
		middle(in, c);
		break;
	case CR:
		if (c != '\n')
			lone_cr(in);
		middle(in, c);
		break;
	default:
		middle(in, c);
		break;
	}
}

void
submit_intake_feed(struct submit_intake *in, const char *data, size_t n)
{
	for (size_t i = 0; i < n && !in->ended && !in->stopped;) {
		if (in->state == MIDDLE)
			i += take_run(in, data + i, n - i);
		if (i < n)
			step(in, data[i++]);
	}
}

void
submit_intake_end(struct submit_intake *in)
{
	if (in->state == DOT_CR && !in->ended)
		piece(in, ".", 1);
	if ((in->state == DOT_CR || in->state == CR) && !in->ended)
		line_end(in);
	if (!in->in_body && !in->stopped && buf_len(&in->header) > in->line)
		header_line_end(in);
	if (!in->in_body && !in->stopped)
		end_header(in, true);
	if (in->in_body && in->line_open)
		body_line_end(in);
}
