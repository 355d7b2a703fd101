/*
 * reply.h: one reply of an SMTP server (RFC 5321 4.2), taken in byte by byte.
 *
 * Strict where a reply's meaning is at stake: every line has three digits from 200 to 599, then a
 * hyphen (more lines follow), a space, or nothing at all (RFC 5321 4.2.1 asks clients to take a
 * bare "250"); all lines carry the same code; a line, a reply and the number of lines have ceilings.
 * Whatever breaks this ends the conversation, because nobody can say any more which reply belongs
 * to which command. Lenient in one thing: a LF without a CR ends a line too, since such servers
 * exist and nothing we send can put a LF into a reply. Text may hold anything; it is cleaned
 * whenever it is taken out.
 */
#ifndef PROTO_REPLY_H
#define PROTO_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/verdict.h"

enum { REPLY_LINE_MAX = 4096, REPLY_MAX = 65536, REPLY_LINES_MAX = 256 };

enum reply_state { REPLY_MORE, REPLY_COMPLETE, REPLY_BAD };

struct reply {
	enum reply_state state;
	int code;
	char enhanced[VERDICT_ENHANCED_MAX]; /* RFC 2034: of the code's class, else "" */
	const char *error; /* BAD: a string constant */
	size_t nlines;
	size_t line; /* where the unfinished line starts */
	struct buf raw; /* all lines as they came, each with a LF behind it, CR taken off */
};

void reply_init(struct reply *r);
void reply_free(struct reply *r); /* back to reply_init() */

/*
 * Takes bytes up to the end of the reply and returns how many. r->state says where that led:
 * behind a COMPLETE one the next call starts a new reply; BAD is final.
 */
size_t reply_input(struct reply *r, const char *data, size_t n);

bool reply_is_partial(const struct reply *r); /* some bytes of one, but not its end */

/* The lines, code included, one a call; start with *pos 0. Raw: not cleaned, not terminated. */
bool reply_line(const struct reply *r, size_t *pos, const char **line, size_t *n);

/* All lines' text behind code and enhanced status, joined by spaces, clean; cut to size. */
void reply_text(const struct reply *r, char *dst, size_t size);

#endif
