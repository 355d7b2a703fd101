/*
 * smtp_tls.c: STARTTLS (RFC 3207): what follows on EHLO, from the offer to the EHLO under TLS. The
 * handshake is the caller's.
 */
#include <string.h>

#include "proto/smtp_impl.h"

/* Mail may come. */
static enum smtp_state
ready(struct smtp *s)
{
	s->ready = true;
	smtp_note(s, SMTP_READY, NULL);
	return S_READY;
}

/* Whether a server that does not know EHLO is of any use. */
bool
smtp_needs_ehlo(const struct smtp *s)
{
	return s->auth != NULL || (s->o.tls == SMTP_TLS_MUST && !s->secured);
}

/* What we know of the server is complete for now: TLS, then AUTH, then mail. */
enum smtp_state
smtp_after_hello(struct smtp *s)
{
	if (!s->secured && s->o.tls != SMTP_CLEAR) {
		if (s->ehlo.offers & EHLO_STARTTLS)
			return s->quitting ? S_QUIT : S_STARTTLS;
		if (s->o.tls == SMTP_TLS_MUST)
			return smtp_refuse(
			    s, S_EHLO, "4.7.4", "TLS is required but was not offered");
	}
	if (s->auth != NULL)
		return s->quitting ? S_QUIT : smtp_begin_auth(s);
	return ready(s);
}

enum smtp_state
smtp_after_auth(struct smtp *s)
{
	smtp_auth_free(&s->auth);
	/* RFC 4954 4: what was learned before is forgotten only with a security layer, and none of
	 * our mechanisms has one. */
	return ready(s);
}

/* The host may be tried without TLS, if that is allowed at all. */
static void
blame_tls(struct smtp *s)
{
	s->tls_failed = s->o.tls == SMTP_TLS_MAY && s->auth == NULL;
}

/*
 * The connection ends. TLS is to blame while it is being started, and until the first reply under it:
 * in TLS 1.3 a server that refuses the handshake says so when the client believes that it is done.
 * Not before: a server that leaves with its answer to EHLO has not read a STARTTLS.
 */
void
smtp_tls_lost(struct smtp *s)
{
	enum smtp_state row = smtp_awaited(s);
	bool first = s->secured && !s->o.secured && (row == S_EHLO || row == S_LHLO);
	bool asked = row == S_STARTTLS && smtp_in_flight_at(s, 0)->end <= s->sent;

	if (asked || row == S_SECURING || first)
		blame_tls(s);
}

/* RFC 3207 4: 220, 501 (not with us) or 454 (not now). */
enum smtp_state
smtp_on_starttls(struct smtp *s, const struct smtp_command *c)
{
	struct verdict v;

	if (s->reply.code == 220)
		return S_SECURING;
	blame_tls(s);
	v = smtp_judge(s, c->state, FATE_RETRY, SCOPE_HOST);
	return smtp_hang_up(s, &v, SMTP_REFUSED);
}

/*
 * RFC 3207 4.2: the client discards what it knows of the server, and says EHLO anew. So the list of
 * mechanisms is the one that nobody on the way could change.
 */
void
smtp_secured(struct smtp *s, const struct sasl_binding *b)
{
	if (s->state != S_SECURING)
		return;
	s->secured = true;
	memset(&s->ehlo, 0, sizeof(s->ehlo));
	if (s->auth != NULL)
		smtp_auth_bind(s->auth, b);
	smtp_move(s, s->quitting ? S_QUIT : s->o.lmtp ? S_LHLO : S_EHLO);
	smtp_advance(s);
}

void
smtp_not_secured(struct smtp *s, const char *why)
{
	if (s->state == S_SECURING)
		smtp_lost(s, why);
}
