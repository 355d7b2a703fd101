/*
 * smtp_reply.c: the reply column of the table: what each answer means, and for whom.
 *
 * Permanent is only a 5xx to MAIL, RCPT, DATA or the end of data, and not those that speak of the
 * host or of us instead of the mail. A reply counts only if what it depends on was accepted.
 */
#include <string.h>

#include "base/str.h"
#include "proto/smtp_impl.h"

/* A verdict out of the reply at hand. */
struct verdict
smtp_judge(const struct smtp *s, enum smtp_state row, enum fate fate, enum scope scope)
{
	const struct reply *r = &s->reply;
	struct verdict v = {.fate = fate, .scope = scope, .code = r->code};
	char plain[] = "0.0.0";

	plain[0] = (char)('0' + r->code / 100);
	str_copy(v.enhanced, sizeof(v.enhanced), r->enhanced[0] != '\0' ? r->enhanced : plain);
	v.doing = smtp_rows[row].doing;
	reply_text(r, v.text, sizeof(v.text));
	smtp_auth_scrub(s, v.text);
	return v;
}

/* RFC 4954 6: a login is wanted, or another; any command may be answered so. That is ours to put right. */
static bool
speaks_of_login(int code)
{
	return code == 530 || code == 534 || code == 535 || code == 538;
}

/* A refusal by its class: 4xx later, 5xx never. */
static struct verdict
refusal(const struct smtp *s, enum smtp_state row, enum scope scope)
{
	int code = s->reply.code;

	return smtp_judge(
	    s, row, code >= 500 && !speaks_of_login(code) ? FATE_FAIL : FATE_RETRY, scope);
}

/* The host, not the mail, is the trouble: another host may do. */
static enum smtp_state
host_refuses(struct smtp *s, enum smtp_state row)
{
	struct verdict v = smtp_judge(s, row, FATE_RETRY, SCOPE_HOST);

	return smtp_hang_up(s, &v, SMTP_REFUSED);
}

enum smtp_state
smtp_on_greeting(struct smtp *s, const struct smtp_command *c)
{
	if (s->reply.code >= 400)
		return host_refuses(s, c->state);
	if (s->quitting)
		return S_QUIT;
	return s->o.lmtp ? S_LHLO : S_EHLO;
}

enum smtp_state
smtp_on_hello(struct smtp *s, const struct smtp_command *c)
{
	int code = s->reply.code;

	/* RFC 5321 3.2: HELO for those that do not know EHLO; 521 and 554 are not about EHLO. */
	if (code >= 500 && code != 521 && code != 554 && c->state == S_EHLO)
		return smtp_needs_ehlo(s) ? smtp_after_hello(s) : S_HELO;
	if (code >= 400)
		return host_refuses(s, c->state);
	if (!s->o.lmtp && !s->o.loop_ok && ehlo_is_named(&s->reply, s->helo))
		return smtp_refuse(s, c->state, "5.4.6", "mail loops back to myself");
	if (c->state != S_HELO)
		ehlo_parse(&s->ehlo, &s->reply);
	return smtp_after_hello(s);
}

enum smtp_state
smtp_on_rset(struct smtp *s, const struct smtp_command *c)
{
	return s->reply.code >= 400 ? host_refuses(s, c->state) : STAY;
}

/*
 * Nobody of it will be sent to. What of it is in flight already will be answered in vain; a chunk that
 * was announced has to come (RFC 3030 2).
 */
static enum smtp_state
abandon(struct smtp *s, struct smtp_transaction *t)
{
	bool sending = t == s->current;

	if (t->chunked)
		return STAY;
	smtp_give_up(s, t);
	return sending ? S_READY : STAY;
}

/* RFC 5321 4.2.2: these say that the host, or what we said before, is the trouble. */
static bool
speaks_of_host(int code)
{
	return code == 500 || code == 502 || code == 503 || speaks_of_login(code);
}

enum smtp_state
smtp_on_mail(struct smtp *s, const struct smtp_command *c)
{
	struct verdict v;

	if (s->reply.code < 400) {
		c->t->mail = MAIL_ACCEPTED;
		return STAY;
	}
	if (speaks_of_host(s->reply.code))
		return host_refuses(s, c->state);
	v = refusal(s, c->state, SCOPE_MSG);
	smtp_settle_all(s, c->t, &v);
	c->t->mail = MAIL_REFUSED;
	return abandon(s, c->t);
}

/*
 * RFC 5321 4.5.3.1.10: 452, from some servers 552, says that one transaction takes no more
 * recipients. RFC 3463 has x.5.3 for that; 5.2.2 is a full mailbox, 5.3.4 a message too large.
 */
static bool
is_too_many(const struct reply *r)
{
	if (r->code == 552)
		return r->enhanced[0] == '\0' || strcmp(r->enhanced, "5.5.3") == 0;
	return r->code == 452;
}

enum smtp_state
smtp_on_rcpt(struct smtp *s, const struct smtp_command *c)
{
	struct smtp_transaction *t = c->t;
	struct verdict v;

	t->rcpts_in_flight--;
	if (t->mail != MAIL_ACCEPTED) /* servers answer 503 to what follows a refused MAIL */
		return STAY;
	t->rcpt[c->rcpt] = R_OPEN;
	if (s->reply.code < 400) {
		t->rcpt[c->rcpt] = R_ACCEPTED;
		t->accepted++;
		return STAY;
	}
	if (s->reply.code == 503)
		return host_refuses(s, c->state);
	if (is_too_many(&s->reply)) {
		if (t->accepted > 0) { /* unsettled it comes back, with all not sent yet */
			t->next = t->m.nrcpts;
			t->too_many = true;
			return STAY;
		}
		v = smtp_judge(s, c->state, FATE_RETRY, SCOPE_RCPT);
	} else {
		v = refusal(s, c->state, SCOPE_RCPT);
	}
	smtp_settle(s, t, c->rcpt, &v);
	return STAY;
}

/* RFC 2033 4.2: LMTP answers the end of data once for each recipient it has accepted. */
enum smtp_state
smtp_begin_body(struct smtp *s, struct smtp_transaction *t)
{
	body_start(&s->body);
	s->body_asked = false;
	if (!s->o.lmtp)
		smtp_push(s, S_DOT, t, 0);
	for (size_t i = 0; s->o.lmtp && i < t->m.nrcpts; i++)
		if (t->rcpt[i] == R_ACCEPTED)
			smtp_push(s, S_DOT, t, i);
	s->current = t;
	if (t->m.size > 0)
		return S_BODY;
	smtp_end_data(s, t);
	return S_READY;
}

/*
 * RFC 2920 3.1: 354 although every recipient was refused. A lone dot ends the data, and whatever
 * is answered concerns nobody.
 */
static enum smtp_state
empty_body(struct smtp *s, struct smtp_transaction *t)
{
	if (s->o.lmtp) /* RFC 2033 4.2: no answer would come to that dot */
		return smtp_protocol_error(s, S_DATA, "a 354 reply to DATA for nobody");
	body_start(&s->body);
	smtp_push(s, S_DOT, t, 0);
	smtp_end_data(s, t);
	t->over = true;
	return S_READY;
}

enum smtp_state
smtp_on_data(struct smtp *s, const struct smtp_command *c)
{
	struct smtp_transaction *t = c->t;
	struct verdict v;

	if (s->reply.code == 354)
		return t->accepted > 0 ? smtp_begin_body(s, t) : empty_body(s, t);
	if (t->accepted > 0) {
		if (s->reply.code == 503)
			return host_refuses(s, c->state);
		v = refusal(s, c->state, SCOPE_MSG);
		smtp_settle_sent(s, t, &v);
	}
	return abandon(s, t);
}

void
smtp_not_taken(struct smtp *s, const struct smtp_command *c)
{
	struct verdict v;

	c->t->answered = true;
	if (!s->o.lmtp) {
		c->t->dot_written = false;
		return;
	}
	v = smtp_judge(s, c->state, FATE_RETRY, SCOPE_RCPT); /* one recipient's (RFC 2033 4.2) */
	smtp_settle(s, c->t, c->rcpt, &v);
}

/*
 * An answer before the end of data was sent: the server wants no more of it. RFC 5321 has no way to
 * stop in the middle but to close.
 */
static enum smtp_state
stop_body(struct smtp *s, struct smtp_transaction *t)
{
	struct verdict v = refusal(s, S_BODY, SCOPE_MSG), end;

	/* out of step: no reason to return mail; for nobody it is as it should be (RFC 3030 2) */
	if (s->reply.code == 503 && t->accepted > 0) {
		v = smtp_judge(s, S_BODY, FATE_RETRY, SCOPE_HOST);
		return smtp_hang_up(s, &v, SMTP_BROKEN);
	}
	end = verdict_make(FATE_RETRY, SCOPE_HOST, "4.5.0", smtp_rows[S_BODY].doing,
	    "the server answered before the end of data");
	smtp_settle_sent(s, t, &v);
	smtp_done(s, t, NULL);
	return smtp_hang_up(s, &end, SMTP_LEFT);
}

/* RFC 2033 4.2: LMTP's answers to the end of data are one recipient's each. */
static void
settle_one(struct smtp *s, const struct smtp_command *c)
{
	int code = s->reply.code;
	enum fate fate = code < 400                  ? FATE_SENT
			 : code < 500 || code == 503 ? FATE_RETRY
						     : FATE_FAIL;
	struct verdict v = smtp_judge(s, c->state, fate, SCOPE_RCPT);

	smtp_settle(s, c->t, c->rcpt, &v);
}

/*
 * RFC 5321 4.2.2: these say that BDAT is no command, or not here; a server that does not read chunks
 * takes ours for commands. 503 for nobody is as it should be (RFC 3030 2).
 */
static bool
does_not_know_bdat(const struct smtp *s, const struct smtp_transaction *t)
{
	int code = s->reply.code;

	if (!t->chunked || code < 500 || code > 504)
		return false;
	if (s->o.lmtp && s->bdat_works) /* one recipient's, and others have been answered */
		return false;
	return code != 503 || t->accepted > 0;
}

static enum smtp_state
give_up_chunking(struct smtp *s, const struct smtp_command *c)
{
	struct verdict v = smtp_judge(s, S_BDAT, FATE_RETRY, SCOPE_HOST);

	smtp_not_taken(s, c);
	s->chunking_failed = true;
	return smtp_hang_up(s, &v, SMTP_BROKEN);
}

/*
 * Behind DATA a 354 shows that answers and commands are still in step; behind BDAT every good answer is a
 * 250. But X.1.X speaks of an address (RFC 3463 3.2): it answers a RCPT. A host that answers its first
 * BDAT so, which is alone, is spared pipelined ones.
 */
static bool
is_for_an_address(const struct reply *r)
{
	return r->code < 300 && strncmp(r->enhanced, "2.1.", 4) == 0;
}

/* What the answer to a chunk says beside what becomes of the message. */
static void
learn_from_bdat(struct smtp *s, const struct smtp_transaction *t)
{
	const struct list *next = t->link.next;
	bool last = next == &s->transactions ||
		    list_item(next, const struct smtp_transaction, link)->mail == MAIL_UNSENT;

	if (t->accepted > 0 && s->reply.code < 300 && !is_for_an_address(&s->reply))
		s->bdat_works = true;
	if (last && (s->reply.code >= 400 || t->accepted == 0))
		s->needs_reset = true;
}

enum smtp_state
smtp_on_dot(struct smtp *s, const struct smtp_command *c)
{
	struct smtp_transaction *t = c->t;
	struct verdict v;

	if (does_not_know_bdat(s, t))
		return give_up_chunking(s, c);
	if (c->end > s->sent)
		return stop_body(s, t);
	if (t->chunked && s->bdat_works && is_for_an_address(&s->reply)) {
		s->chunking_failed = true;
		return smtp_protocol_error(s, S_BDAT, "an answer to RCPT where BDAT's belongs");
	}
	if (t->chunked)
		learn_from_bdat(s, t);
	t->over = true;
	if (t->accepted == 0) /* it was a lone dot, or a chunk in vain */
		return STAY;
	if (s->o.lmtp) {
		settle_one(s, c);
		return STAY;
	}
	if (s->reply.code == 503) {
		smtp_not_taken(s, c);
		return host_refuses(s, c->state);
	}
	if (s->reply.code < 400)
		v = smtp_judge(s, c->state, FATE_SENT, SCOPE_MSG);
	else
		v = refusal(s, c->state, SCOPE_MSG);
	smtp_settle_sent(s, t, &v);
	return STAY;
}
