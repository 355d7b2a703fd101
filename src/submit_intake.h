/*
 * submit_intake.h: standard input as a header and CRLF lines of a body. Pure.
 *
 *	- LF and CRLF end a line, and a CR that is the last byte of all. A CR alone is a space in the
 *	  header and a line end in the body.
 *	- A dot alone between two such line ends is the end of the message, unless ignore_dots. A CR
 *	  alone makes no lone dot (that is how mail is smuggled).
 *	- The header ends at an empty line, or before the first line that is neither a field nor
 *	  the continuation of one; a header need not be there at all.
 *	- Lines "From " and ">From " before the first field come from a mailbox file and are dropped;
 *	  not so when no field follows: then they are the text, and so is an empty line behind them.
 *	- NUL, which no mail may hold (RFC 5322 2.2, 2.3), becomes a question mark.
 */
#ifndef SUBMIT_INTAKE_H
#define SUBMIT_INTAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { SUBMIT_HEADER_MAX = 16 * 1024 * 1024 };

/*
 * What comes out: the header once, as CRLF lines without the empty line (perhaps none), then pieces
 * of the body. Returning false ends the intake.
 */
typedef bool submit_header_fn(void *ctx, const char *text, size_t n);
typedef bool submit_body_fn(void *ctx, const char *data, size_t n);

struct submit_intake {
	bool ignore_dots;
	submit_header_fn *header_fn;
	submit_body_fn *body_fn;
	void *ctx;

	int state; /* where in a line the input is */
	bool ended; /* a lone dot was read: nothing more is taken */
	bool stopped; /* a callback returned false, or the header is too large */
	bool header_too_large;
	bool in_body;
	bool line_open; /* in the body: the last line has no end yet */
	struct buf header; /* fields as CRLF lines; the line being read as it came */
	size_t mailbox_lines; /* bytes of "From " lines at its start, as they came */
	size_t line; /* where the line being read starts */
	bool decided; /* that line belongs to the header */
};

void submit_intake_init(struct submit_intake *in, bool ignore_dots, submit_header_fn *header_fn,
    submit_body_fn *body_fn, void *ctx);
void submit_intake_free(struct submit_intake *in);
void submit_intake_feed(struct submit_intake *in, const char *data, size_t n);
void submit_intake_end(struct submit_intake *in); /* the input is at its end */

#endif
