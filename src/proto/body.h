/*
 * body.h: a message on its way through DATA: dot stuffing (RFC 5321 4.5.2) and the end of data.
 *
 * Whatever the bytes are, the wire carries CRLF only and exactly one end of data: a bare CR or a
 * bare LF becomes CRLF, so "\n.\n" and its kin end no message at any server (CVE-2023-51764).
 * A stream: it may be cut anywhere. Bodies in the spool are CRLF lines already; for them, and
 * without leading dots, a block is one memcpy.
 */
#ifndef PROTO_BODY_H
#define PROTO_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct body {
	bool line_start; /* the next byte is the first of a line */
	bool cr; /* the last byte was a CR, and is on the wire */
};

/* The most that body_add() makes of n bytes, and body_end() of nothing. */
#define BODY_WORST(n) (2 * (n) + 1)
enum { BODY_END_WORST = 5 };

void body_start(struct body *b);
void body_add(struct body *b, struct buf *out, const char *data, size_t n);
/* Ends an unfinished line and adds the lone dot. */
void body_end(struct body *b, struct buf *out);

#endif
