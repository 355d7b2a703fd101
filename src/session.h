/*
 * session.h: one connection carrying one SMTP conversation, many jobs after another.
 *
 * It moves bytes and deadlines between a connection and an engine, and reads bodies. The owner's
 * functions are called from the reactor's turn, never from within a session_ function other than
 * session_kick(); after `closed` none is called, and the session frees itself from a task.
 */
#ifndef SESSION_H
#define SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth.h"
#include "base/verdict.h"
#include "config.h"
#include "job.h"
#include "net/conn.h"
#include "net/tls.h"
#include "proto/smtp.h"
#include "route.h"
#include "trace.h"

struct session;

struct session_network { /* stays valid while sessions live */
	const struct config *config; /* TLS policies */
	struct tls *tls; /* NULL: none of it, as far as the policy allows */
	struct auth *auth; /* NULL: no credentials */
	unsigned ahead; /* messages in flight on a session; 0: as many as the engine likes */
};

struct session_options {
	const struct session_network *network; /* NULL: clear text, no credentials */
	const char *domain; /* the recipients', for its TLS policy; NULL: the host's counts alone */
	bool
	    in_clear; /* TLS failed at this host before: not again where the policy leaves the choice */
	const char *helo; /* NULL: this end's address literal */
	bool one_behind_dot;
	bool no_chunking; /* BDAT came to nothing at this host before */
	int patience_s[SMTP_NWAITS];
	const struct hop *hop; /* stays valid */
	size_t hop_index;
	int64_t connect_ms;
	unsigned long number; /* for -v, to tell conversations apart */
	struct trace *const *trace; /* where it is kept, as for trace_line(); NULL: it is not */
};

struct session_end { /* how it closed */
	const struct verdict *verdict; /* SENT: in order */
	bool benign, behind_dot; /* as SMTP_CLOSE has it */
	bool tls_failed; /* it may be tried once in the clear */
	bool chunking_failed; /* it may be tried with no_chunking */
	bool stopped; /* session_stop() ended it: nothing is to be learned about the host */
};

struct session_ops {
	/* The host takes this connection: it has greeted, and where we log in accepted that. May be NULL. */
	void (*welcome)(void *ctx, struct session *s);
	/* The next job, begun (GO), or NULL. *last_hop: no other host may take it. */
	struct job *(*next)(void *ctx, struct session *s, bool *last_hop);
	void (*settled)(
	    void *ctx, struct session *s, struct job *j, size_t rcpt, const struct verdict *v);
	/* The last word about a job; host: it came back for another host, NULL: it was served; again:
	 * what is unsettled goes into another transaction at once. */
	void (*finished)(
	    void *ctx, struct session *s, struct job *j, const struct verdict *host, bool again);
	void (*idle)(void *ctx, struct session *s); /* greeted, and nothing to do */
	void (*closed)(void *ctx, struct session *s, const struct session_end *end);
	/* Greeting, EHLO, TLS and login are behind it: mail may follow. May be NULL. */
	void (*ready)(void *ctx, struct session *s);
};

struct session *session_new(struct reactor *r, struct conn *c, const struct session_options *o,
    const struct session_ops *ops, void *ctx);
void session_kick(struct session *s); /* there may be a job */
void session_quit(struct session *s); /* QUIT once what is in flight is answered */
void session_stop(struct session *s, bool hard);

const char *session_relay(const struct session *s); /* "mx.example.net[192.0.2.1]:25" */
const struct tls_facts *session_tls(const struct session *s); /* NULL: clear text */
const char *session_login(const struct session *s); /* the user that was accepted; NULL: no login */
bool session_is_ready(const struct session *s); /* greeted */
bool session_is_idle(const struct session *s); /* ready, and nothing in flight */
size_t session_in_flight(const struct session *s);
size_t session_hop(const struct session *s);
unsigned session_delivered(const struct session *s); /* messages that were answered on it */

/* The owner's list and bookkeeping. */
struct list *session_link(struct session *s);
struct session *session_of_link(struct list *l);

#endif
