/*
 * smtp_script.h: what a scripted SMTP server does differently from a good one. A line at a time:
 *
 *	greeting 220 mx1.example.net ESMTP	short for: on CONNECT reply ...
 *	offer PIPELINING, SIZE 1000, 8BITMIME	instead of all we know; offer nothing
 *	latency 20ms				before every reply
 *	tls CERT [first]			it has this certificate of certs.h, and offers STARTTLS; first:
 *						TLS from the start
 *	auth USER SECRET [MECHANISM...]		it offers AUTH, under TLS; mail is taken only from
 *						that user. Mechanisms as in auth_fake.h
 *	auth-in-clear				... and without TLS too
 *	offer-secured PIPELINING, AUTH LOGIN	under TLS, instead of what is offered otherwise
 *	on COMMAND [ADDRESS] [session N] [skip N] [times N] ACTION; ACTION ...
 *
 * COMMAND is a verb, or CONNECT, or BODY (the body's first byte), or DOT (its end; BDAT LAST too), or
 * RESPONSE (a line of an AUTH exchange), or HANDSHAKE (the client's first bytes for TLS: instead of
 * shaking hands). What offer names is all that is offered, STARTTLS and AUTH too.
 * ADDRESS is a pattern as in fnmatch(3) for the path of MAIL, RCPT and, in LMTP, DOT; it holds an @ or a *.
 * session N: on the N-th connection only; skip N: not the first N times; times N: only N times.
 * The first rule that applies is used. Its actions:
 *
 *	delay 10s		the reply comes so much later
 *	drip 2s			one byte of it every 2 s
 *	reply 250-one|250 two	instead of the usual; 2xx accepts, anything else does not
 *	raw 250 ok\n\x00	bytes as they are, with escapes; accepts as reply does
 *	close, reset		afterwards, or instead of a reply when none is given
 *	half-close		the same, but it goes on reading, for ever
 *	take			the message counts as taken (only where there is no reply)
 *	silence			nothing more is ever said
 *	stall			nothing more is ever read, nor said
 */
#ifndef T_LIB_SMTP_SCRIPT_H
#define T_LIB_SMTP_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

enum { SMTP_SCRIPT_VERB_MAX = 16 };

struct smtp_rule {
	struct list link;
	char on[SMTP_SCRIPT_VERB_MAX];
	char *match; /* NULL: any */
	unsigned session, skip, times; /* 0: any, none, always */
	unsigned seen, used;
	int64_t delay_ms, drip_ms;
	bool take, silence, stall, close, reset, half_close;
	char *reply; /* with its line ends; NULL: the usual */
	size_t reply_len; /* it may hold a NUL */
};

struct smtp_script {
	struct list rules;
	char *offers; /* "PIPELINING, SIZE 1000"; NULL: the usual */
	char *offers_secured; /* NULL: the same */
	char *tls; /* name of a certificate; NULL: no TLS */
	bool tls_first;
	char *user, *secret, *mechanisms; /* user NULL: no AUTH; mechanisms NULL: the usual */
	bool auth_in_clear;
	int64_t latency_ms;
};

void smtp_script_init(struct smtp_script *s);
void smtp_script_free(struct smtp_script *s);
bool smtp_script_line(struct smtp_script *s, const char *line); /* false: not understood */
/* The rule for this command, NULL: none; counts its use. */
const struct smtp_rule *smtp_script_find(
    struct smtp_script *s, const char *on, const char *address, unsigned session);
bool smtp_script_time(const char *s, int64_t *ms); /* "20ms", or as str_duration reads it */

#endif
