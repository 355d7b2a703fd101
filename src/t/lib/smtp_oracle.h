/*
 * smtp_oracle.h: an SMTP engine under observation. The oracle keeps its own books of what is on
 * the wire, in both directions, and aborts, saying why, as soon as the engine
 *
 *	says SENT of a recipient without a 2xx that answers the end of his message's data, or does not
 *	    say so although there was one;
 *	settles a recipient twice, finishes a transaction twice or never, or gives one back without
 *	    progress or end;
 *	sends a command out of place (before the greeting's end, without PIPELINING, behind a barrier,
 *	    behind a dot where it must not), a line that is not CRLF, or a body that is not the message's;
 *	sends a BDAT that it must not send (CHUNKING, CRLF lines, the first before its recipients' answers,
 *	    more ahead than allowed), anything behind a first BDAT, or a MAIL without the RSET that has to
 *	    be between it and a BDAT that was refused, or may be;
 *	gives a message back to be sent at once that the server may have taken;
 *	sends mail without the TLS or the login that it was told to have, credentials in the clear, or
 *	    anything at all while TLS is being started; believes what a server said before TLS; or says
 *	    that the host may be tried without TLS where that is not so;
 *	shows a credential in the trace, or what is not clean there or in a verdict.
 */
#ifndef T_LIB_SMTP_ORACLE_H
#define T_LIB_SMTP_ORACLE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/smtp.h"

enum { ORACLE_MAILS = 6, ORACLE_RCPTS = 4 };

enum oracle_command {
	O_NONE, /* nothing awaits an answer */
	O_GREETING,
	O_HELLO,
	O_STARTTLS,
	O_AUTH,
	O_RESPONSE,
	O_MAIL,
	O_RCPT,
	O_DATA,
	O_DOT,
	O_RSET,
	O_QUIT
};

struct oracle;

struct oracle_plan {
	struct smtp_options options; /* helo is the oracle's */
	size_t nmails; /* <= ORACLE_MAILS; each sender is mN@x, its recipients rM@mN */
	size_t nrcpts; /* <= ORACLE_RCPTS */
	size_t body; /* bytes of each body */
	bool eightbit, last_hop, no_dots, verbatim; /* of every mail; no_dots may be a lie */
};

struct oracle *oracle_new(const struct oracle_plan *plan);
void oracle_free(struct oracle *o); /* everything must have been accounted for */
struct smtp *oracle_engine(struct oracle *o);

/* The next command that the server has read and not answered. */
enum oracle_command oracle_asked(const struct oracle *o);

void oracle_say(
    struct oracle *o, const char *data, size_t n, size_t chunk); /* the server's bytes */
void oracle_limit(struct oracle *o, size_t n); /* only so many more bytes are written; SIZE_MAX */
void oracle_no_mail(struct oracle *o, bool none); /* none is handed over for now */
void oracle_break_body(struct oracle *o); /* the next block cannot be read */
void oracle_crumble_body(struct oracle *o); /* it comes a few bytes at a time from now on */
void oracle_break_handshake(struct oracle *o); /* if one begins from now on */
/* Handshakes take until this is called again; what the server says meanwhile is TLS's own. */
void oracle_hold_handshake(struct oracle *o, bool hold);
bool oracle_secured(const struct oracle *o);
void oracle_pump(struct oracle *o); /* after calling the engine oneself */
void oracle_lose(struct oracle *o); /* the connection ends; all must have come back after this */

bool oracle_closed(const struct oracle *o);
size_t oracle_count(const struct oracle *o, enum fate fate); /* recipients so settled */

#endif
