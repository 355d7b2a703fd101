/*
 * smtp_fake_impl.h: what the files of the scripted SMTP server share; nobody else includes it.
 *
 *	smtp_fake.c		a connection: what is said when, what is read, TLS
 *	smtp_fake_commands.c	the commands, the transaction, AUTH
 */
#ifndef T_LIB_SMTP_FAKE_IMPL_H
#define T_LIB_SMTP_FAKE_IMPL_H

#include "auth_fake.h"
#include "base/log.h"
#include "net_fake.h"
#include "smtp_fake.h"
#include "tls_server.h"

enum { FAKE_COMMAND_MAX = 2048, FAKE_TEXT_MAX = 64 << 20 };

enum reading { COMMANDS, RESPONSE, BODY, CHUNK };

struct talk { /* one connection */
	struct net_end end;
	struct smtp_fake *fake;
	unsigned number;
	struct list sayings;
	struct buf in;
	bool greeted, hello, esmtp, silent, closing;
	char said; /* the first digit of the last reply; 0: there was none */
	struct tls_peer *tls; /* NULL: in the clear */
	bool shaking; /* hands, or about to */
	bool secured;
	struct buf offered; /* in the last reply to EHLO, "PIPELINING, SIZE 1000" */
	struct auth_fake auth; /* reading RESPONSE: the exchange */
	char *login; /* who it is; NULL: nobody has said */
	enum reading reading;
	bool body_begun;
	size_t chunk; /* bytes of it still to come */
	bool chunk_last, chunk_answered; /* before its end */
	bool chunk_failed; /* nothing but RSET will do (RFC 3030 2) */
	size_t line_len; /* of the body's current line */
	char last[4]; /* the body's last bytes, newest last */
	struct fake_message *mail; /* the open transaction */
};

/* smtp_fake.c */
void talk_complain(struct talk *t, const char *fmt, ...) LOG_PRINTF(2, 3);
/* A line of the transcript: its first line, control characters made visible. */
void talk_note(struct talk *t, char direction, const char *text, size_t n);
/*
 * Answers by the rule, or with `usual`. Returns whether it was accepted. A rule that says nothing
 * accepts only what it takes.
 */
bool talk_answer_by(struct talk *t, const struct smtp_rule *r, const char *usual);
/* By the script's rule for the command, if it has one. */
bool talk_answer(struct talk *t, const char *on, const char *address, const char *usual);
void talk_hang_up(struct talk *t); /* once all has been said */

/* smtp_fake_commands.c */
void fake_command(struct talk *t, const char *line);
void fake_response(struct talk *t, const char *line); /* of an AUTH exchange */
void fake_end_of_data(struct talk *t);
void fake_end_of_chunk(struct talk *t);
void fake_forget(struct talk *t); /* what was said so far, as when TLS begins */
void fake_drop_mail(struct talk *t);

#endif
