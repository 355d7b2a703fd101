/*
 * smtp.h: the SMTP (RFC 5321) and LMTP (RFC 2033) client engine. No I/O, no clock, no callbacks.
 *
 * The caller feeds what the server sent (smtp_input), drains what is to be sent (smtp_output,
 * smtp_sent), and after each of these pulls events until there is none (smtp_next_event). Input
 * stops at the first event, so an event is never stale: call smtp_input again with the rest.
 * Mail is handed over one transaction at a time while smtp_wants_mail() says so, which may be long
 * before the previous one has been answered (RFC 2920).
 *
 * CHUNKING (RFC 3030): with PIPELINING a message goes as MAIL, RCPT..., BDAT n LAST in one group, and
 * the next behind it without waiting, up to SMTP_AHEAD of them, once a first BDAT has shown that the
 * server understands it. An answer counts only if what it depends on was accepted; a body of more
 * than SMTP_AHEAD_BYTES, with all that is ahead, waits until somebody is known to want it.
 *
 * For every transaction handed over the engine reports each recipient in at most one SMTP_SETTLED, and
 * then exactly one SMTP_DONE; recipients not settled by then come back to the caller: with
 * done.verdict of HOST scope to be tried on another host, or with done.again to go at once into
 * another transaction with the same host: on this connection (452 after others were accepted,
 * RCPTMAX), or on a new one when a benign SMTP_CLOSE follows. That cannot go on for ever: each time
 * at least one recipient was settled on the connection, or done.taken says how many at most to hand
 * over next time, which is fewer than there were. After SMTP_CLOSE nothing more comes.
 * No recipient is ever SENT but by the 2xx that answers the end of his message's data.
 *
 * STARTTLS (RFC 3207): SMTP_STARTTLS asks the caller for a TLS handshake, whose deadline is his. All
 * that was read in the clear must have been fed before, nothing is read past it, nothing is sent;
 * then smtp_secured() or smtp_not_secured(). Bytes behind the server's 220 end the session and are
 * no reason to try without TLS: somebody has put them there. What was learned before TLS is forgotten.
 *
 * AUTH (RFC 4954): with credentials SMTP_READY comes after the server has let us in, and in no other
 * case does mail go out: all trouble with logging in is a verdict of HOST scope, RETRY. One mechanism is
 * tried, the strongest offered; when it is refused no other is. Nothing of an exchange is in the
 * trace or in a verdict, and what the output held of it is overwritten once it is sent.
 */
#ifndef PROTO_SMTP_H
#define PROTO_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/verdict.h"

struct buf;
struct smtp;
struct sasl_credentials; /* sasl.h */
struct sasl_binding;

enum smtp_wait { /* what a patience is for; the timeouts of the configuration, in seconds */
	SMTP_WAIT_GREETING,
	SMTP_WAIT_EHLO,
	SMTP_WAIT_MAIL,
	SMTP_WAIT_RCPT,
	SMTP_WAIT_DATA,
	SMTP_WAIT_BLOCK,
	SMTP_WAIT_DOT,
	SMTP_WAIT_RSET,
	SMTP_WAIT_QUIT,
	SMTP_WAIT_STARTTLS,
	SMTP_WAIT_AUTH,
	SMTP_NWAITS
};

enum {
	SMTP_AHEAD = 8, /* transactions in flight */
	SMTP_AHEAD_BYTES = 256 * 1024, /* of messages sent before anybody is known to want them */
};

/* RFC 5321 4.5.3.2, indexed by enum smtp_wait. */
extern const int smtp_default_patience_s[SMTP_NWAITS];

enum smtp_tls {
	SMTP_CLEAR, /* no STARTTLS */
	SMTP_TLS_MAY, /* when it is offered; in the clear when it is not */
	SMTP_TLS_MUST, /* no mail without */
};

struct smtp_options {
	const char *helo; /* FQDN or address literal; must pass smtp_helo_ok() */
	bool lmtp;
	bool loop_ok; /* SMTP: a server that bears our own name is no loop (LMTP: never is) */
	bool may_pipeline; /* false: as if the server had not offered PIPELINING */
	bool may_chunk; /* false: as if it had not offered CHUNKING */
	/* false: nothing is sent behind an end of data (a host that once hung up there) */
	bool one_behind_dot;
	unsigned ahead; /* transactions in flight at most; 0: SMTP_AHEAD */
	int patience_s[SMTP_NWAITS]; /* 0: the default */
	enum smtp_tls tls;
	bool secured; /* TLS from the first byte (RFC 8314 3.3): as if STARTTLS had been done */
	const struct sasl_binding *binding; /* of a connection so secured; copied; NULL: none */
	/* NULL: no AUTH. The caller's until SMTP_READY or SMTP_CLOSE has come. */
	const struct sasl_credentials *auth;
	/* Memory that engines lend each other for bodies on their way out; NULL: none. */
	struct buf *room;
	/* The configuration says in so many words: credentials may go without TLS. */
	bool auth_in_clear;
};

/* One message for some recipients. All it points to is the caller's and stays until SMTP_DONE. */
struct smtp_mail {
	const char *reverse_path; /* without <>; "" is the null reverse-path */
	const char *const *rcpts; /* without <> */
	size_t nrcpts; /* >= 1 */
	uint64_t size; /* octets of the message as stored (CRLF lines), before dot stuffing */
	bool eightbit; /* has bytes above 127 */
	bool no_dots; /* no line starts with a dot; a hint, the bytes themselves decide */
	bool verbatim; /* all its lines end in CRLF: BDAT may take it byte for byte */
	/* 8-bit mail to a host without 8BITMIME: as it is (last hop) or SMTP_DONE with HOST scope. */
	bool last_hop;
};

enum smtp_event_type {
	SMTP_NONE,
	SMTP_STARTTLS, /* begin the handshake: smtp_secured() or smtp_not_secured() is the answer */
	SMTP_READY, /* greeting, EHLO, TLS and AUTH are through: transactions may come */
	SMTP_SETTLED, /* recipient `rcpt` of `mail`: `verdict` (RCPT or MSG scope) */
	SMTP_BODY, /* give up to `want` bytes of mail's body: smtp_body() */
	SMTP_DONE, /* the last word about `mail` */
	SMTP_CLOSE, /* close the connection; verdict says why (SENT: in order, after QUIT) */
};

struct smtp_event {
	enum smtp_event_type type;
	unsigned mail; /* as smtp_mail() returned it */
	size_t rcpt; /* index into rcpts */
	size_t want; /* SMTP_BODY */
	bool again; /* SMTP_DONE: unsettled recipients go into another transaction, to this host */
	size_t taken; /* SMTP_DONE: of its recipients, before it hung up over "too many"; or 0 */
	/*
	 * SMTP_CLOSE: it counts against neither hop nor site, reconnect if there is mail: 421 or close
	 * with nothing in flight, or before anything of a transaction was answered where an earlier one
	 * was, or over "too many recipients"; an answer in mid-body; our own trouble; in order.
	 */
	bool benign;
	/* SMTP_CLOSE: it hung up while something was in flight behind a final dot. */
	bool behind_dot;
	/*
	 * SMTP_CLOSE, only under SMTP_TLS_MAY and without credentials: STARTTLS was offered and came to
	 * nothing (refused; the handshake failed; the connection ended before a word was said under TLS):
	 * the host may be tried once in the clear, on a new connection with SMTP_CLEAR.
	 */
	bool tls_failed;
	/* SMTP_CLOSE: it offered CHUNKING and does not know BDAT, or went away over it: on a new
	 * connection without may_chunk. */
	bool chunking_failed;
	/* SETTLED, DONE (HOST scope, or NULL: nothing came back or again), CLOSE; valid until the next
	 * call. */
	const struct verdict *verdict;
};

/* Whether s may stand behind EHLO: a domain or address literal, no control characters or spaces. */
bool smtp_helo_ok(const char *s);

struct smtp *smtp_new(const struct smtp_options *o);
void smtp_free(struct smtp **s);

/* Bytes from the server; returns how many were taken (fewer than n: pull events, call again). */
size_t smtp_input(struct smtp *s, const char *data, size_t n);
/* The connection ended: why is "connection closed" or strerror's text, or for a deadline
 * smtp_timeout(). All input that was read must have been fed before. */
void smtp_lost(struct smtp *s, const char *why);
void smtp_timeout(struct smtp *s);

/*
 * The answers to SMTP_STARTTLS. b: the channel's bindings (copied), NULL: none. why: a clean phrase,
 * "certificate has expired"; SMTP_CLOSE follows. Without effect when the session has ended meanwhile.
 */
void smtp_secured(struct smtp *s, const struct sasl_binding *b);
void smtp_not_secured(struct smtp *s, const char *why);

/* What is to be written now; returns its length, 0: nothing. smtp_sent() says how much was. */
size_t smtp_output(struct smtp *s, const char **data);
void smtp_sent(struct smtp *s, size_t n);

/* The next event into *e; false (and type SMTP_NONE): none. */
bool smtp_next_event(struct smtp *s, struct smtp_event *e);

bool smtp_wants_mail(const struct smtp *s);
/* Hands a transaction over; returns its number. Only while smtp_wants_mail(). */
unsigned smtp_mail(struct smtp *s, const struct smtp_mail *m);
/* The answer to SMTP_BODY: 1 to want bytes; 0, or smtp_body_failed(): they cannot be had, and the
 * connection is given up without an end of data. The end is reached with mail.size bytes. */
void smtp_body(struct smtp *s, unsigned mail, const char *data, size_t n);
void smtp_body_failed(struct smtp *s, unsigned mail, const char *why);

/* There is no mail for now: an idle engine gives all its memory back that the next would use. */
void smtp_rest(struct smtp *s);
/* No more mail: QUIT when what is in flight has been answered. Harmless when called again. */
void smtp_quit(struct smtp *s);
/* Stop now, as on SIGTERM: transactions whose end of data has not been sent are given back
 * (SMTP_DONE, HOST scope), those past it are waited for, then QUIT. */
void smtp_stop(struct smtp *s);

/*
 * How long the server may take from now on, in seconds; 0: nothing is awaited. *serial changes
 * whenever the time starts anew (a command reached the head, a block of the body went out).
 */
int smtp_patience(const struct smtp *s, unsigned *serial);

bool smtp_idle(const struct smtp *s); /* greeted, and nothing in flight */
bool smtp_greeted(const struct smtp *s); /* and not refused by that */
bool smtp_past_dot(const struct smtp *s); /* some end of data was sent and not answered */
size_t smtp_in_flight(const struct smtp *s); /* transactions handed over and not done */
/* What it is doing, for logs: "sending RCPT TO". */
const char *smtp_doing(const struct smtp *s);

/*
 * For -v: the conversation. Set before the first call; fn gets one clean line at a time (dir '<' or
 * '>'), the body as one summary line, credentials masked.
 */
typedef void smtp_trace_fn(void *ctx, char dir, const char *line);
void smtp_trace(struct smtp *s, smtp_trace_fn *fn, void *ctx);

#endif
