/*
 * smtp_send.c: the send column of the table. Each writes at most one command and returns what is to
 * be sent next; whether that goes out at once or has to wait is not decided here.
 */
#include <stdio.h>

#include "proto/command.h"
#include "proto/smtp_impl.h"

static enum smtp_state
send_plain(struct smtp *s, struct smtp_transaction *t, enum smtp_state next)
{
	command_plain(&s->out, smtp_rows[s->state].name);
	smtp_push(s, s->state, t, 0);
	return next;
}

enum smtp_state
smtp_send_hello(struct smtp *s)
{
	command_hello(&s->out, smtp_rows[s->state].name, s->helo);
	smtp_push(s, s->state, NULL, 0);
	return s->state; /* until the answer */
}

enum smtp_state
smtp_send_starttls(struct smtp *s)
{
	return send_plain(s, NULL, s->state); /* until the answer */
}

/* RFC 1870 6.1: what the server has said it will not take need not be offered. */
static bool
too_large(const struct smtp *s, const struct smtp_transaction *t)
{
	return s->ehlo.size > 0 && t->m.size > s->ehlo.size;
}

/* What can be said about a transaction before a byte of it is sent; true: it is not to be sent. */
static bool
refuse(struct smtp *s, struct smtp_transaction *t)
{
	enum address_error e = command_path(t->m.reverse_path);
	const char *doing = smtp_rows[S_MAIL].doing;
	struct verdict v;

	if (e != ADDRESS_OK)
		v = verdict_make(FATE_FAIL, SCOPE_MSG, e == ADDRESS_NONASCII ? "5.6.7" : "5.1.7",
		    doing, "sender: %s", address_error_text(e));
	else if (too_large(s, t))
		v = verdict_make(FATE_FAIL, SCOPE_MSG, "5.3.4", doing,
		    "message of %llu bytes, the server takes no more than %llu",
		    (unsigned long long)t->m.size, (unsigned long long)s->ehlo.size);
	else if (t->m.eightbit && !t->m.last_hop && !(s->ehlo.offers & EHLO_8BITMIME)) {
		v = verdict_make(FATE_RETRY, SCOPE_HOST, "4.6.3", doing,
		    "8-bit message, and the server does not offer 8BITMIME");
		smtp_done(s, t, &v);
		return true;
	} else
		return false;
	smtp_settle_all(s, t, &v);
	smtp_give_up(s, t);
	return true;
}

/* RFC 3030 2: what a refused BDAT leaves behind only a RSET clears away, and this one may be refused. */
static bool
is_behind_bdat(const struct smtp *s)
{
	for (size_t i = 0; i < s->flight_n; i++) {
		const struct smtp_command *c = smtp_in_flight_at(s, i);

		if (c->state == S_DOT && c->t->chunked)
			return true;
	}
	return false;
}

enum smtp_state
smtp_send_next(struct smtp *s)
{
	struct smtp_transaction *t = s->queued;

	if (t != NULL) {
		s->queued = NULL;
		if (refuse(s, t))
			return S_READY;
		s->current = t;
		return s->needs_reset || is_behind_bdat(s) ? S_RSET : S_MAIL;
	}
	/* RFC 9422: behind MAILMAX transactions the server would only say 421. */
	if (s->ehlo.mailmax > 0 && s->mails >= s->ehlo.mailmax)
		s->quitting = true;
	if (!s->quitting || !smtp_idle(s))
		return STAY;
	return s->cut ? S_CLOSING : S_QUIT;
}

enum smtp_state
smtp_send_rset(struct smtp *s)
{
	s->needs_reset = false;
	return send_plain(s, NULL, S_MAIL);
}

static bool
is_behind_dot(const struct smtp *s)
{
	for (size_t i = 0; i < s->flight_n; i++)
		if (smtp_in_flight_at(s, i)->state == S_DOT)
			return true;
	return false;
}

enum smtp_state
smtp_send_mail(struct smtp *s)
{
	struct smtp_transaction *t = s->current;

	t->behind_dot = is_behind_dot(s);
	command_mail(&s->out, t->m.reverse_path, s->ehlo.offers & EHLO_SIZE ? t->m.size : 0,
	    t->m.eightbit && (s->ehlo.offers & EHLO_8BITMIME));
	smtp_push(s, S_MAIL, t, 0);
	t->mail = MAIL_SENT;
	t->mail_end = smtp_written(s);
	s->mails++;
	return S_RCPT;
}

static bool
may_chunk(const struct smtp *s, const struct smtp_transaction *t)
{
	return s->o.may_chunk && (s->ehlo.offers & EHLO_CHUNKING) && smtp_pipelining(s) &&
	       t->m.verbatim;
}

/* One recipient; RFC 9422: no more than RCPTMAX, the others come back to be sent again. */
enum smtp_state
smtp_send_rcpt(struct smtp *s)
{
	struct smtp_transaction *t = s->current;
	enum address_error e;
	size_t i = t->next;

	if (i == t->m.nrcpts || (s->ehlo.rcptmax > 0 && t->rcpts_sent == s->ehlo.rcptmax))
		return may_chunk(s, t) ? S_BDAT : S_DATA;
	t->next++;
	e = t->m.rcpts[i][0] == '\0' ? ADDRESS_SYNTAX : command_path(t->m.rcpts[i]);
	if (e != ADDRESS_OK) {
		struct verdict v =
		    verdict_make(FATE_FAIL, SCOPE_RCPT, e == ADDRESS_NONASCII ? "5.6.7" : "5.1.3",
			smtp_rows[S_RCPT].doing, "%s", address_error_text(e));

		smtp_settle(s, t, i, &v);
		return S_RCPT;
	}
	command_rcpt(&s->out, t->m.rcpts[i]);
	smtp_push(s, S_RCPT, t, i);
	t->rcpt[i] = R_SENT;
	t->rcpts_sent++;
	t->rcpts_in_flight++;
	return S_RCPT;
}

static bool
is_for_nobody(const struct smtp_transaction *t)
{
	return t->accepted == 0 && t->rcpts_in_flight == 0;
}

enum smtp_state
smtp_send_data(struct smtp *s)
{
	struct smtp_transaction *t = s->current;

	if (is_for_nobody(t)) {
		smtp_give_up(s, t);
		return S_READY;
	}
	s->current = NULL;
	return send_plain(s, t, S_READY);
}

/* Of messages that may turn out to have been sent in vain, t's own included. */
static uint64_t
bytes_ahead(const struct smtp *s, const struct smtp_transaction *t)
{
	uint64_t n = t->m.size;

	list_each (pos, &s->transactions) {
		const struct smtp_transaction *other =
		    list_item(pos, struct smtp_transaction, link);

		if (other->chunked)
			n += other->m.size;
	}
	return n;
}

/*
 * Whether the recipients' answers come first: for a large message, which may be for nobody; for the
 * first, because a host that hangs up on a MAIL or RCPT must not be asked whether it has taken the
 * message; and in LMTP, which answers a chunk once for each of them (RFC 2033 4.2).
 */
static bool
waits_for_rcpts(const struct smtp *s, const struct smtp_transaction *t)
{
	return t->rcpts_in_flight > 0 &&
	       (!s->bdat_works || s->o.lmtp || bytes_ahead(s, t) > SMTP_AHEAD_BYTES);
}

/* RFC 3030 2: the chunk follows the command at once. */
enum smtp_state
smtp_send_bdat(struct smtp *s)
{
	struct smtp_transaction *t = s->current;

	if (waits_for_rcpts(s, t))
		return STAY;
	if (is_for_nobody(t)) {
		smtp_give_up(s, t);
		return S_READY;
	}
	command_bdat(&s->out, t->m.size);
	t->chunked = true;
	return smtp_begin_body(s, t);
}

enum smtp_state
smtp_send_quit(struct smtp *s)
{
	command_plain(&s->out, smtp_rows[s->state].name);
	return S_CLOSING; /* its answer is not waited for */
}

/* What was written goes out, then the connection may be closed. */
enum smtp_state
smtp_send_nothing(struct smtp *s)
{
	struct verdict v = verdict_make(FATE_SENT, SCOPE_MSG, "2.0.0", NULL, "closed in order");
	struct smtp_note *note;

	if (s->closed || buf_len(&s->out) > 0)
		return STAY;
	s->closed = true;
	smtp_auth_free(&s->auth);
	note = smtp_note(s, SMTP_CLOSE, s->farewell != NULL ? s->farewell : &v);
	note->e.benign = s->benign || s->farewell == NULL;
	note->e.behind_dot = s->behind_dot;
	note->e.tls_failed = s->tls_failed;
	note->e.chunking_failed = s->chunking_failed;
	return STAY;
}
