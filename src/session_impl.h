/*
 * session_impl.h: what the files of the session share; nobody else includes it.
 *
 *	session.c	the conversation: jobs, bytes, deadlines
 *	session_tls.c	what comes before it, or into it: credentials, the TLS policy, the handshake
 */
#ifndef SESSION_IMPL_H
#define SESSION_IMPL_H

#include "base/spares.h"
#include "session.h"

struct session {
	struct list link; /* the owner's */
	struct reactor *reactor;
	struct conn *conn;
	struct smtp *smtp;
	struct session_options options;
	const struct session_ops *ops;
	void *ctx;
	struct task task;
	struct list flights;
	struct spares spares; /* of flights */
	char *relay;
	unsigned delivered, jobs;
	int64_t started_ms;
	unsigned serial; /* of the patience the deadline was set for */
	int patience_s;
	int stop; /* 0; 1: as soon as what is past its dot is answered; 2: now */
	bool welcome, ready, closed, blocked;
	struct auth_query query;
	const struct sasl_credentials *credentials; /* NULL: none; wiped once they have been used */
	char *login; /* whose they are */
	const struct tls_policy *policy;
	bool asked; /* for credentials */
	bool shaking; /* hands, TLS's */
	int write_errno; /* input is read to its end before that is judged */
};

/* session.c */
void session_pump(struct session *s);
void session_end(struct session *s, const struct session_end *end);
/* The conversation begins; the caller has set what concerns TLS and AUTH. */
void session_start_engine(struct session *s, struct smtp_options *so);

/* session_tls.c */
void session_prepare(struct session *s); /* until there is an engine */
void session_start_tls(struct session *s);
/* Whether the event was about TLS or came before the conversation, and has been dealt with. */
bool session_tls_event(struct session *s, enum conn_event event);

#endif
