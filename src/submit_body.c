/*
 * submit_body.c: writes the body file of a draft and learns what delivery would have to scan for.
 */
#include "submit_body.h"

#include <errno.h>
#include <string.h>

#include "spool/durable.h"

void
submit_body_init(struct submit_body *b, int fd, uint64_t max)
{
	memset(b, 0, offsetof(struct submit_body, buf));
	b->fd = fd;
	b->max = max;
}

bool
submit_body_failed(const struct submit_body *b)
{
	return b->error != 0 || b->too_large;
}

void
submit_body_flush(struct submit_body *b)
{
	if (b->nbuf > 0 && !submit_body_failed(b) && durable_write(b->fd, b->buf, b->nbuf) == -1)
		b->error = errno;
	b->nbuf = 0;
}

/* Whether a byte of it is above 0x7f. Eight at a time: one by one it was a third of a large submission. */
static bool
has_eightbit(const char *p, size_t n)
{
	const uint64_t high = UINT64_C(0x8080808080808080);
	uint64_t eight;

	for (; n >= sizeof(eight); p += sizeof(eight), n -= sizeof(eight)) {
		memcpy(&eight, p, sizeof(eight));
		if ((eight & high) != 0)
			return true;
	}
	for (; n > 0; p++, n--)
		if (((unsigned char)*p & 0x80) != 0)
			return true;
	return false;
}

/* A piece of one line, perhaps with its end. */
static void
learn(struct submit_body *b, const char *p, size_t n)
{
	bool ends = p[n - 1] == '\n';

	if (!b->line_open && p[0] == '.')
		b->dots = true;
	b->eightbit = b->eightbit || has_eightbit(p, n);
	b->line += n;
	if (ends)
		b->line -= b->line >= 2 ? 2 : b->line; /* CRLF, always both */
	if (b->line > b->longest)
		b->longest = b->line;
	b->line_open = !ends;
	if (ends)
		b->line = 0;
}

static void
put(struct submit_body *b, const char *data, size_t n)
{
	while (n > 0 && !submit_body_failed(b)) {
		size_t room = sizeof(b->buf) - b->nbuf, part = n < room ? n : room;

		memcpy(b->buf + b->nbuf, data, part);
		b->nbuf += part;
		data += part;
		n -= part;
		if (b->nbuf == sizeof(b->buf))
			submit_body_flush(b);
	}
}

void
submit_body_add(struct submit_body *b, const char *data, size_t n)
{
	const char *p = data, *end = data + n, *eol;

	if (n == 0 || submit_body_failed(b))
		return;
	b->size += n;
	if (b->max > 0 && b->size > b->max) {
		b->too_large = true;
		return;
	}
	for (; p < end; p = eol + 1) {
		eol = memchr(p, '\n', (size_t)(end - p));
		if (eol == NULL)
			eol = end - 1;
		learn(b, p, (size_t)(eol - p) + 1);
	}
	put(b, data, n);
}
