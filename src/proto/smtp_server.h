/*
 * smtp_server.h: the server's side of SMTP (RFC 5321), as far as one who takes mail in needs it. Pure: bytes
 * in, replies out, no I/O, no clock.
 *
 * What the caller has to do next is the state. Replies gather in `out`, the greeting from the start;
 * whoever reads input until it would block, and writes then, answers a group of commands at once (RFC 2920
 * 3.2). What has been written is told by smtp_server_sent().
 *
 * A line ends with CRLF and with nothing else, in commands (RFC 5321 2.3.8) and in the message (4.1.1.4),
 * which ends with CRLF "." CRLF and nothing else. A CR or LF alone is no line end for one and is for
 * another; so a message that has one is refused, but only behind its true end (that is how mail is smuggled).
 */
#ifndef PROTO_SMTP_SERVER_H
#define PROTO_SMTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h" /* LOG_PRINTF */
#include "proto/address.h"

enum {
	SMTP_SERVER_LINE_MAX = 2048, /* of a command, with CRLF; RFC 5321 4.5.3.1.4 asks for 512 */
	SMTP_SERVER_NAME_MAX = 255,
	SMTP_SERVER_RCPTS_MAX = 10000, /* of a transaction; 4.5.3.1.8 asks for 100 */
	SMTP_SERVER_ERRORS_MAX = 10, /* bad commands, since the last message that was taken */
};

struct smtp_server_options {
	const char *hostname;
	const char *domain; /* completes addresses that have none; NULL: they stay as they are */
	uint64_t max_size; /* of a message; 0: any */
	bool refused; /* this client gets nothing but an answer to QUIT (RFC 5321 3.1) */
};

enum smtp_server_state {
	SMTP_SERVER_COMMAND, /* give it commands */
	SMTP_SERVER_DATA, /* DATA has been said: invite the message, or answer with a refusal */
	SMTP_SERVER_TEXT, /* give it the message */
	SMTP_SERVER_END, /* of the message, which has no fault: answer it */
	SMTP_SERVER_CLOSED, /* write what is in out, and hang up */
};

struct smtp_server {
	struct smtp_server_options o;
	enum smtp_server_state state; /* the caller reads it, and what follows up to out */
	bool quit; /* closed because the client has said so */
	bool esmtp; /* EHLO, not HELO */
	char helo[SMTP_SERVER_NAME_MAX +
		  1]; /* what it called itself, made harmless; "" nothing yet */
	bool mail; /* a transaction is open */
	char sender[ADDRESS_MAX + 1]; /* "" the null reverse-path */
	struct buf rcpts; /* mailboxes, a NUL behind each */
	size_t nrcpts;
	struct buf out;

	char line[SMTP_SERVER_LINE_MAX];
	size_t nline;
	bool line_too_long;
	unsigned errors;
	bool data_refused; /* and that answer is not written yet */
	int at; /* where in a line of the message it is */
	bool bare; /* the message has a CR or LF alone */
};

void smtp_server_init(struct smtp_server *s, const struct smtp_server_options *o);
void smtp_server_free(struct smtp_server *s);

/* Commands, in any pieces. Returns how many bytes it took: not all, when the state has changed or out should
 * be written first. */
size_t smtp_server_input(struct smtp_server *s, const char *data, size_t n);

/*
 * The message, in any pieces. Returns how many bytes it took; *nout of out, of at least 2 bytes, are
 * the message's own, without the doubled dots (RFC 5321 4.5.2). Behind the end the state is END; or COMMAND
 * again, when the message had a fault and has been answered with a refusal.
 */
size_t smtp_server_text(
    struct smtp_server *s, const char *data, size_t n, char *out, size_t size, size_t *nout);

void smtp_server_sent(struct smtp_server *s, size_t n); /* so much of out has been written */
void smtp_server_invite(struct smtp_server *s); /* 354 */
/* The answer to DATA (a refusal) or to the end of the message. It ends the transaction. */
void smtp_server_answer(struct smtp_server *s, int code, const char *enhanced, const char *fmt, ...)
    LOG_PRINTF(4, 5);
/* 421, whatever the state. */
void smtp_server_close(struct smtp_server *s, const char *enhanced, const char *text);

#endif
