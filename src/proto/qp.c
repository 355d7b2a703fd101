/*
 * qp.c: quoted-printable (RFC 2045 6.7).
 */
#include "proto/qp.h"

#include <stdbool.h>

enum { LINE_MAX_CHARS = 76 };

/* One byte, behind a soft line break where it would leave no room for one. */
static void
put(struct qp *q, struct buf *out, unsigned char c, bool plain)
{
	size_t n = plain ? 1 : 3;

	if (q->column + n > LINE_MAX_CHARS - 1) {
		buf_adds(out, "=\r\n");
		q->column = 0;
	}
	/* A line of "From " or "." is altered by some on its way. */
	if (q->column == 0 && (c == 'F' || c == '.')) {
		plain = false;
		n = 3;
	}
	if (plain)
		buf_addc(out, (char)c);
	else
		buf_addf(out, "=%02X", (unsigned)c);
	q->column += n;
}

static void
put_blank(struct qp *q, struct buf *out, bool plain)
{
	if (q->blank != 0)
		put(q, out, (unsigned char)q->blank, plain);
	q->blank = 0;
}

void
qp_encode(struct qp *q, const char *data, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c == '\r')
			continue; /* half of a line end */
		put_blank(q, out, c != '\n'); /* rule 3: none at the end of a line */
		if (c == '\n') {
			buf_adds(out, "\r\n");
			q->column = 0;
		} else if (c == ' ' || c == '\t') {
			q->blank = (char)c;
		} else {
			put(q, out, c, c > 32 && c < 127 && c != '=');
		}
	}
}
