/*
 * submit_header.h: a message's header: what of it is kept, what it tells. Pure.
 *
 * A header is text of CRLF lines without the empty line at its end; every line is a field or the
 * continuation of one.
 */
#ifndef SUBMIT_HEADER_H
#define SUBMIT_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "proto/address.h"

enum submit_line {
	SUBMIT_LINE_FIELD,
	SUBMIT_LINE_FOLDED, /* continues the field before it */
	SUBMIT_LINE_EMPTY, /* the header ends */
	SUBMIT_LINE_MAILBOX, /* "From alice Tue Nov 24 ...": no field, a mailbox file's separator */
	SUBMIT_LINE_TEXT, /* none of these: the body has begun */
	SUBMIT_LINE_UNDECIDED, /* not whole: more of it is needed */
};
/* What a line (without its end; a CR in it counts as a space) at the head of a message is. */
enum submit_line submit_header_line(const char *line, size_t n, bool have_fields, bool whole);

struct submit_field {
	const char *text; /* all of it, CRLF at its end */
	size_t n;
	size_t name; /* length of the name at its start */
	const char *value; /* behind the colon */
	size_t nvalue;
};
/* The field at *at, which moves behind it; false: the header has ended. */
bool submit_field_next(const char **at, const char *end, struct submit_field *f);
bool submit_field_named(const struct submit_field *f, const char *name);
/* names: NULL ends them */
bool submit_field_one_of(const struct submit_field *f, const char *const names[]);

enum submit_content { SUBMIT_CONTENT_NONE, SUBMIT_CONTENT_TEXT, SUBMIT_CONTENT_OTHER };

struct submit_facts {
	bool date, message_id, from; /* there, with a value */
	bool mime_version;
	bool dkim; /* signed: nothing may be changed */
	enum submit_content content; /* Content-Type */
	bool encoded; /* Content-Transfer-Encoding is there and neither 7bit nor 8bit */
	unsigned received;
};

/*
 * Copies to out what is kept: without Bcc, Resent-Bcc, Return-Path and Content-Length, without empty
 * Date, Message-ID and From, and with lines over 998 bytes folded at white space.
 */
void submit_header_rewrite(struct buf *out, const char *text, size_t n, struct submit_facts *facts);

/* The recipients that the header names: in Resent-To, Resent-Cc and Resent-Bcc if one of these is
 * there (RFC 5322 3.6.6), else in To, Cc and Bcc. */
void submit_header_recipients(const char *text, size_t n, address_fn *fn, void *ctx);

/* Copies a rewritten header for a body that has become quoted-printable: with that encoding, and
 * with the MIME fields that are missing. */
void submit_header_encoded(struct buf *out, const char *text, size_t n,
    const struct submit_facts *facts, const char *charset);

#endif
