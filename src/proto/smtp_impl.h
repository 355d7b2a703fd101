/*
 * smtp_impl.h: what the engine's files share; nobody else includes it.
 *
 *	smtp.c		the table of states and what moves it
 *	smtp_caller.c	what the caller hands in and pulls out
 *	smtp_send.c	the send column: commands and bodies
 *	smtp_reply.c	the reply column: what each answer means
 *	smtp_tls.c	STARTTLS, and what comes between EHLO and mail
 *	smtp_auth.c	AUTH
 *	smtp_mail.c	transactions: what became of each recipient, and the events that say so
 *
 * The state is what is to be sent next. A command that has been sent is remembered in `flight`, a
 * FIFO; each reply takes the first one out and goes to that row's reply function. Both kinds of
 * function return the next state, or STAY.
 */
#ifndef PROTO_SMTP_IMPL_H
#define PROTO_SMTP_IMPL_H

#include "base/buf.h"
#include "base/list.h"
#include "base/spares.h"
#include "proto/body.h"
#include "proto/ehlo.h"
#include "proto/reply.h"
#include "proto/smtp.h"

enum smtp_state {
	STAY,
	S_GREETING, /* the reply to a command nobody sent */
	S_EHLO,
	S_LHLO,
	S_HELO,
	S_STARTTLS,
	S_SECURING, /* the caller's handshake */
	S_AUTH,
	S_RESPONSE, /* to a challenge of AUTH */
	S_READY, /* between transactions */
	S_RSET,
	S_MAIL,
	S_RCPT,
	S_DATA,
	S_BDAT,
	S_BODY, /* driven by smtp_body() */
	S_DOT, /* only in flight: the end of data, from the body's first byte on; BDAT LAST as well */
	S_QUIT,
	S_CLOSING, /* what is written goes out, then the connection is closed */
	S_NSTATES
};

enum {
	SMTP_BLOCK = 32768, /* bytes of a body asked for at a time */
	SMTP_GATHER = 2 * SMTP_BLOCK, /* of chunks, and the commands before them, in one write */
	/* RFC 2920 3.1: a client must not fill the window with commands while nobody reads replies.
	 * Ours are read whenever they come; this bounds what a server has to hold. */
	SMTP_WINDOW_COMMANDS = 100,
	SMTP_WINDOW_BYTES = 16384,
	/* Commands ahead and one block of a body, or the body's end and the commands behind it. */
	SMTP_OUT_MAX = BODY_WORST(SMTP_BLOCK) + 2 * SMTP_WINDOW_BYTES,
	SMTP_OUT_KEPT = 4096 /* memory that stays when the output is empty */
};

enum smtp_rcpt_state { R_OPEN, R_SENT, R_ACCEPTED, R_SETTLED };

struct smtp_transaction {
	struct list link; /* in order of handing over */
	unsigned number;
	struct smtp_mail m;
	enum { MAIL_UNSENT, MAIL_SENT, MAIL_ACCEPTED, MAIL_REFUSED } mail;
	bool over; /* no more will be sent for it; DONE once nothing of it is in flight */
	bool behind_dot; /* its MAIL was sent while another's end of data was in flight */
	uint64_t mail_end; /* where in the output its MAIL ends */
	bool answered; /* some command of it has been answered */
	bool chunked; /* its BDAT was sent: the body follows whatever is answered */
	bool dot_written; /* its end of data is in the output or gone */
	uint64_t dot_end; /* where in the output */
	uint64_t given; /* bytes of the body so far */
	size_t next; /* the first recipient not sent */
	size_t rcpts_sent, rcpts_in_flight, accepted;
	bool too_many; /* recipients, it was said */
	size_t taken; /* of SMTP_DONE */
	size_t in_flight; /* commands */
	unsigned char rcpt[]; /* enum smtp_rcpt_state */
};

struct smtp_command {
	enum smtp_state state; /* its row */
	struct smtp_transaction *t; /* NULL: not a transaction's */
	size_t rcpt;
	size_t len;
	uint64_t end; /* where in the output it ends; UINT64_MAX: not known yet (the dot) */
};

struct smtp_note { /* an event and where its verdict is */
	struct smtp_event e;
	size_t verdict; /* 1 + index into verdicts; 0: none */
};

struct smtp {
	struct smtp_options o;
	char *helo;
	enum smtp_state state;
	struct reply reply;
	struct ehlo ehlo;

	struct smtp_command *flight; /* [first, first + n) */
	size_t flight_first, flight_n, flight_cap, flight_bytes;

	struct list transactions;
	struct spares spares; /* of transactions */
	struct smtp_transaction *current; /* whose commands are being sent */
	struct smtp_transaction *queued; /* handed over, not begun */
	unsigned numbers, mails; /* handed over, MAILs sent */
	bool served; /* some transaction was answered to its end on this connection */
	bool needs_reset; /* the server still holds a transaction that we have given up */
	bool bdat_works; /* a message was taken by one */

	struct buf out;
	uint64_t sent, traced; /* where in the output: gone, in the trace */
	struct body body;
	bool body_asked;

	struct smtp_note *notes; /* [notes_first, notes_n) are still to be pulled */
	size_t notes_first, notes_n, notes_cap;
	struct verdict *verdicts;
	size_t verdicts_n, verdicts_cap;

	bool secured; /* what is said goes through TLS */
	bool tls_asked; /* SMTP_STARTTLS was pulled */
	struct smtp_auth *auth; /* NULL: no credentials, or they have been taken */
	bool secret; /* the output holds something of AUTH */

	bool ready; /* greeted: mail may come */
	bool quitting, cut; /* cut: commands were given up unanswered, there is no place for QUIT */
	bool closed; /* SMTP_CLOSE has been noted */
	bool benign, behind_dot, tls_failed, chunking_failed; /* of SMTP_CLOSE */
	struct verdict *farewell; /* of SMTP_CLOSE; NULL: in order */
	unsigned serial;

	smtp_trace_fn *trace;
	void *trace_ctx;
};

struct smtp_row {
	const char *name;
	const char *doing; /* for people */
	enum smtp_wait wait;
	bool barrier; /* nothing is sent behind it before its reply, whatever is offered */
	enum smtp_state (*send)(struct smtp *);
	enum smtp_state (*reply)(struct smtp *, const struct smtp_command *);
};
extern const struct smtp_row smtp_rows[S_NSTATES];

enum smtp_end { /* how a conversation ends before its time */
	SMTP_LEFT, /* the server closed, said 421, or we cannot go on: perhaps benign */
	SMTP_REFUSED, /* the server will not have us: QUIT, if it would understand it */
	SMTP_BROKEN, /* nobody knows any more where the other is */
};

/* smtp.c */
void smtp_move(struct smtp *s, enum smtp_state next);
void smtp_advance(struct smtp *s); /* sends whatever may be sent now */
bool smtp_pipelining(const struct smtp *s);
bool smtp_blocked(const struct smtp *s);
enum smtp_state smtp_awaited(const struct smtp *s); /* whose reply; nobody's: the state */
bool smtp_is_closing(const struct smtp *s);
uint64_t smtp_written(const struct smtp *s); /* where in the output we are */
void smtp_drop_output(struct smtp *s); /* what is not gone yet will not go */
void smtp_trace_line(const struct smtp *s, char dir, const char *line, size_t n);
void smtp_push(struct smtp *s, enum smtp_state row, struct smtp_transaction *t, size_t rcpt);
struct smtp_command *smtp_in_flight_at(const struct smtp *s, size_t i);
/* Takes all commands in flight and all transactions back. Returns the next state. */
enum smtp_state smtp_hang_up(struct smtp *s, const struct verdict *v, enum smtp_end how);
/* Nothing more is to be had from this host now: why, in our own words. */
enum smtp_state smtp_refuse(
    struct smtp *s, enum smtp_state row, const char *enhanced, const char *why);
/* A server that breaks the protocol. what is a phrase, "a 354 reply to MAIL". */
enum smtp_state smtp_protocol_error(struct smtp *s, enum smtp_state row, const char *what);

/* smtp_caller.c */
bool smtp_has_event(const struct smtp *s);
void smtp_end_data(struct smtp *s, struct smtp_transaction *t);
/* Those it was accepted for get the body: with whose answers its end is in flight. Returns the next state. */
enum smtp_state smtp_begin_body(struct smtp *s, struct smtp_transaction *t);

/* smtp_send.c */
enum smtp_state smtp_send_hello(struct smtp *s);
enum smtp_state smtp_send_starttls(struct smtp *s);
enum smtp_state smtp_send_next(struct smtp *s);
enum smtp_state smtp_send_rset(struct smtp *s);
enum smtp_state smtp_send_mail(struct smtp *s);
enum smtp_state smtp_send_rcpt(struct smtp *s);
enum smtp_state smtp_send_data(struct smtp *s);
enum smtp_state smtp_send_bdat(struct smtp *s);
enum smtp_state smtp_send_quit(struct smtp *s);
enum smtp_state smtp_send_nothing(struct smtp *s);

/* smtp_reply.c */
struct verdict smtp_judge(
    const struct smtp *s, enum smtp_state row, enum fate fate, enum scope scope);
/* The answer to an end of data speaks of the host: not accepted, no duplicate. */
void smtp_not_taken(struct smtp *s, const struct smtp_command *c);
enum smtp_state smtp_on_greeting(struct smtp *s, const struct smtp_command *c);
enum smtp_state smtp_on_hello(struct smtp *s, const struct smtp_command *c);
enum smtp_state smtp_on_rset(struct smtp *s, const struct smtp_command *c);
enum smtp_state smtp_on_mail(struct smtp *s, const struct smtp_command *c);
enum smtp_state smtp_on_rcpt(struct smtp *s, const struct smtp_command *c);
enum smtp_state smtp_on_data(struct smtp *s, const struct smtp_command *c);
enum smtp_state smtp_on_dot(struct smtp *s, const struct smtp_command *c);

/* smtp_tls.c */
bool smtp_needs_ehlo(const struct smtp *s);
enum smtp_state smtp_after_hello(struct smtp *s);
enum smtp_state smtp_after_auth(struct smtp *s);
void smtp_tls_lost(struct smtp *s); /* before smtp_hang_up() for a connection that ends */
enum smtp_state smtp_on_starttls(struct smtp *s, const struct smtp_command *c);

/* smtp_auth.c */
struct smtp_auth *smtp_auth_new(const struct sasl_credentials *c);
void smtp_auth_free(struct smtp_auth **a);
void smtp_auth_bind(struct smtp_auth *a, const struct sasl_binding *b); /* NULL: none */
/* Begins an exchange; returns the next state. */
enum smtp_state smtp_begin_auth(struct smtp *s);
enum smtp_state smtp_send_auth(struct smtp *s);
enum smtp_state smtp_send_response(struct smtp *s);
enum smtp_state smtp_on_auth(struct smtp *s, const struct smtp_command *c);
/* How much of a line may be shown: what is behind it is a credential. */
size_t smtp_auth_shown(const struct smtp *s, char dir, const char *line, size_t n);
/* Takes out of a clean text what a server repeats of our credentials: "500 What is AUTH PLAIN AGZv?" */
void smtp_auth_scrub(const struct smtp *s, char *text);

/* smtp_mail.c */
void smtp_settle(struct smtp *s, struct smtp_transaction *t, size_t rcpt, const struct verdict *v);
/* MSG scope: all; those the body was or would have been sent to. */
void smtp_settle_all(struct smtp *s, struct smtp_transaction *t, const struct verdict *v);
void smtp_settle_sent(struct smtp *s, struct smtp_transaction *t, const struct verdict *v);
/* Nothing more will be sent for it. */
void smtp_give_up(struct smtp *s, struct smtp_transaction *t);
/* DONE for it; host: why what is unsettled comes back, NULL: as `again`. Frees it. */
void smtp_done(struct smtp *s, struct smtp_transaction *t, const struct verdict *host);
bool smtp_is_past_dot(const struct smtp *s, const struct smtp_transaction *t);
struct smtp_note *smtp_note(struct smtp *s, enum smtp_event_type type, const struct verdict *v);

#endif
