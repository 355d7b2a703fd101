/*
 * qp.h: quoted-printable (RFC 2045 6.7), for bodies with lines that SMTP does not carry. Pure.
 */
#ifndef PROTO_QP_H
#define PROTO_QP_H

#include <stddef.h>

#include "base/buf.h"

struct qp { /* zeroed: at the start of a line */
	size_t column;
	char blank; /* a space or tab whose place in the line is not known yet, 0: none */
};

/* Encodes a piece of text whose line ends are CRLF; lines come out at most 76 characters long.
 * A piece may end anywhere; the text ends with a line end. At most 4 * (n + 1) bytes are added. */
void qp_encode(struct qp *q, const char *data, size_t n, struct buf *out);

#endif
