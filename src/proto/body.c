/* body.c: dot stuffing. */
#include "proto/body.h"

#include <string.h>

void
body_start(struct body *b)
{
	b->line_start = true;
	b->cr = false;
}

/*
 * Copies in runs: from `run` to p everything may go as it is. A run ends only where a byte must be
 * put in between: a dot before a dot, a CR before a bare LF, a LF behind a bare CR.
 */
void
body_add(struct body *b, struct buf *out, const char *data, size_t n)
{
	const char *run = data, *p = data, *end = data + n, *lf = NULL, *cr;

	while (p < end) {
		if (b->cr && *p != '\n') {
			buf_add(out, run, (size_t)(p - run));
			buf_addc(out, '\n');
			run = p;
			b->line_start = true;
		}
		if (b->line_start && *p == '.') {
			buf_add(out, run, (size_t)(p - run));
			buf_addc(out, '.');
			run = p;
		}
		if (lf == NULL || lf < p)
			lf = memchr(p, '\n', (size_t)(end - p));
		if (lf == NULL)
			lf = end;
		if (lf == p && !b->cr) {
			buf_add(out, run, (size_t)(p - run));
			buf_addc(out, '\r');
			run = p;
		}
		b->cr = false;
		b->line_start = lf == p;
		if (lf == p) {
			p++;
			continue;
		}
		cr = memchr(p, '\r', (size_t)(lf - p));
		if (cr != NULL && cr + 1 == lf && lf < end) { /* as nearly all lines end */
			p = lf + 1;
			b->line_start = true;
			continue;
		}
		p = cr != NULL ? cr + 1 : lf;
		b->cr = cr != NULL;
	}
	buf_add(out, run, (size_t)(end - run));
}

void
body_end(struct body *b, struct buf *out)
{
	if (b->cr)
		buf_addc(out, '\n');
	else if (!b->line_start)
		buf_adds(out, "\r\n");
	buf_adds(out, ".\r\n");
	body_start(b);
}
