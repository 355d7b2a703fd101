/* smtp.c: the client engine: the table of states, what moves it, and replies on their way in. */
#include "proto/smtp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/smtp_impl.h"

/*
 * The whole protocol. The barrier column is all there is to pipelining: behind a row without one
 * the next command may be sent at once if the server offers PIPELINING. RFC 2920 3.1: EHLO, DATA and
 * QUIT come last in a group; MAIL, RCPT, RSET and the end of data may stand anywhere in it, and so may
 * BDAT with its chunk (RFC 3030 2), which is in flight as the end of data.
 */
/* clang-format off */
const struct smtp_row smtp_rows[S_NSTATES] = {
	/*             name        doing, for people        patience            barrier send              reply */
	[S_GREETING] = {"greeting", "waiting for greeting", SMTP_WAIT_GREETING, true,  NULL,              smtp_on_greeting},
	[S_EHLO]     = {"EHLO",     "sending EHLO",         SMTP_WAIT_EHLO,     true,  smtp_send_hello,   smtp_on_hello},
	[S_LHLO]     = {"LHLO",     "sending LHLO",         SMTP_WAIT_EHLO,     true,  smtp_send_hello,   smtp_on_hello},
	[S_HELO]     = {"HELO",     "sending HELO",         SMTP_WAIT_EHLO,     true,  smtp_send_hello,   smtp_on_hello},
	[S_STARTTLS] = {"STARTTLS", "sending STARTTLS",     SMTP_WAIT_STARTTLS, true,  smtp_send_starttls, smtp_on_starttls},
	[S_SECURING] = {"TLS",      "starting TLS",         SMTP_WAIT_STARTTLS, true,  NULL,              NULL},
	[S_AUTH]     = {"AUTH",     "sending AUTH",         SMTP_WAIT_AUTH,     true,  smtp_send_auth,    smtp_on_auth},
	[S_RESPONSE] = {"AUTH",     "logging in",           SMTP_WAIT_AUTH,     true,  smtp_send_response, smtp_on_auth},
	[S_READY]    = {"ready",    "waiting for mail",     SMTP_WAIT_QUIT,     false, smtp_send_next,    NULL},
	[S_RSET]     = {"RSET",     "sending RSET",         SMTP_WAIT_RSET,     false, smtp_send_rset,    smtp_on_rset},
	[S_MAIL]     = {"MAIL",     "sending MAIL FROM",    SMTP_WAIT_MAIL,     false, smtp_send_mail,    smtp_on_mail},
	[S_RCPT]     = {"RCPT",     "sending RCPT TO",      SMTP_WAIT_RCPT,     false, smtp_send_rcpt,    smtp_on_rcpt},
	[S_DATA]     = {"DATA",     "sending DATA",         SMTP_WAIT_DATA,     true,  smtp_send_data,    smtp_on_data},
	[S_BDAT]     = {"BDAT",     "sending BDAT",         SMTP_WAIT_DATA,     false, smtp_send_bdat,    NULL},
	[S_BODY]     = {"body",     "sending the message",  SMTP_WAIT_BLOCK,    false, NULL,              NULL},
	[S_DOT]      = {"end of data", "sending end of data", SMTP_WAIT_DOT,    false, NULL,              smtp_on_dot},
	[S_QUIT]     = {"QUIT",     "sending QUIT",         SMTP_WAIT_QUIT,     true,  smtp_send_quit,    NULL},
	[S_CLOSING]  = {"closing",  "closing",              SMTP_WAIT_QUIT,     true,  smtp_send_nothing, NULL},
};
/* clang-format on */

/* --- what moves it -------------------------------------------------------------------------- */

void
smtp_trace_line(const struct smtp *s, char dir, const char *line, size_t n)
{
	static const char hidden[] = "***";
	char clean[1024];
	size_t shown = smtp_auth_shown(s, dir, line, n);

	if (s->trace == NULL)
		return;
	str_clean(clean, sizeof(clean) - strlen(hidden), line, shown);
	if (shown < n)
		memcpy(clean + strlen(clean), hidden, sizeof(hidden));
	else if (dir == '<')
		smtp_auth_scrub(s, clean);
	s->trace(s->trace_ctx, dir, clean);
}

uint64_t
smtp_written(const struct smtp *s)
{
	return s->sent + buf_len(&s->out);
}

/* The only place that assigns the state; what the old one has written goes into the trace. */
void
smtp_move(struct smtp *s, enum smtp_state next)
{
	const char *p = buf_data(&s->out) + (size_t)(s->traced - s->sent);
	size_t left = (size_t)(smtp_written(s) - s->traced), n;

	for (; left > 0; p += n, left -= n) {
		const char *lf = memchr(p, '\n', left);

		n = lf != NULL ? (size_t)(lf + 1 - p) : left;
		smtp_trace_line(s, '>', p, n >= 2 ? n - 2 : n);
	}
	s->traced = smtp_written(s);
	if (next != STAY)
		s->state = next;
}

bool
smtp_pipelining(const struct smtp *s)
{
	return s->o.may_pipeline && (s->ehlo.offers & EHLO_PIPELINING) != 0;
}

struct smtp_command *
smtp_in_flight_at(const struct smtp *s, size_t i)
{
	return &s->flight[s->flight_first + i];
}

/* The row whose reply is awaited; when none is, the state. */
enum smtp_state
smtp_awaited(const struct smtp *s)
{
	return s->flight_n > 0 ? smtp_in_flight_at(s, 0)->state : s->state;
}

const char *
smtp_doing(const struct smtp *s)
{
	enum smtp_state row = smtp_awaited(s);

	if (row == S_DOT && smtp_in_flight_at(s, 0)->end > s->sent)
		row = S_BODY;
	return smtp_rows[row].doing;
}

/* Whether what is in flight must be answered before more is sent. The first BDAT is tried alone. */
bool
smtp_blocked(const struct smtp *s)
{
	const struct smtp_command *last;

	if (s->flight_n == 0)
		return false;
	last = smtp_in_flight_at(s, s->flight_n - 1);
	if (!smtp_pipelining(s) || smtp_rows[last->state].barrier)
		return true;
	if (last->state == S_DOT && (!s->o.one_behind_dot || (last->t->chunked && !s->bdat_works)))
		return true;
	return s->flight_n >= SMTP_WINDOW_COMMANDS || s->flight_bytes >= SMTP_WINDOW_BYTES;
}

/* Transactions that are over and of which nothing is in flight any more are done. */
static void
sweep(struct smtp *s)
{
	struct list *next;

	for (struct list *pos = s->transactions.next; pos != &s->transactions; pos = next) {
		struct smtp_transaction *t = list_item(pos, struct smtp_transaction, link);

		next = pos->next;
		if (t->over && t->in_flight == 0)
			smtp_done(s, t, NULL);
	}
}

/* Sends whatever may be sent now. */
void
smtp_advance(struct smtp *s)
{
	enum smtp_state next;

	for (;;) {
		sweep(s);
		if (smtp_rows[s->state].send == NULL || smtp_blocked(s))
			return;
		next = smtp_rows[s->state].send(s);
		if (next == STAY)
			return;
		smtp_move(s, next);
	}
}

/* A command has been written: all that is in the output and not yet in the trace. */
void
smtp_push(struct smtp *s, enum smtp_state row, struct smtp_transaction *t, size_t rcpt)
{
	struct smtp_command *c;

	if (s->out.overflow)
		bug("more output than there can be");
	if (s->flight_first > 0 && s->flight_first + s->flight_n == s->flight_cap) {
		memmove(s->flight, smtp_in_flight_at(s, 0), s->flight_n * sizeof(*s->flight));
		s->flight_first = 0;
	}
	s->flight =
	    xgrow(s->flight, s->flight_first + s->flight_n, &s->flight_cap, sizeof(*s->flight));
	c = smtp_in_flight_at(s, s->flight_n++);
	*c = (struct smtp_command){.state = row, .t = t, .rcpt = rcpt, .end = smtp_written(s)};
	c->len = (size_t)(c->end - s->traced);
	s->flight_bytes += c->len;
	if (row == S_DOT)
		c->end = UINT64_MAX; /* smtp_end_data() */
	if (t != NULL)
		t->in_flight++;
	if (s->flight_n == 1)
		s->serial++;
}

static struct smtp_command
pop(struct smtp *s)
{
	struct smtp_command c = *smtp_in_flight_at(s, 0);

	s->flight_first = --s->flight_n > 0 ? s->flight_first + 1 : 0;
	s->flight_bytes -= c.len;
	s->serial++;
	if (c.t != NULL) {
		c.t->in_flight--;
		c.t->answered = true;
	}
	return c;
}

/* --- the end -------------------------------------------------------------------------------- */

/* What v says of the host, for a transaction whose end of data was sent and not answered. */
static struct verdict
duplicate_possible(const struct verdict *v)
{
	static const char suffix[] = ", a duplicate is possible";
	struct verdict m = *v;

	m.scope = SCOPE_MSG;
	m.duplicate = true;
	m.doing = smtp_rows[S_DOT].doing;
	str_copy(m.text, sizeof(m.text) - sizeof(suffix) + 1, v->text);
	memcpy(m.text + strlen(m.text), suffix, sizeof(suffix));
	return m;
}

/*
 * The transaction that the connection ends in the middle of, after "too many recipients": Postfix
 * says 452 to each that is, and hangs up after 20 of them. The host is well, but the transaction has
 * to be smaller. NULL: it is no such end.
 */
static struct smtp_transaction *
too_large(const struct smtp *s)
{
	const struct smtp_command *head = s->flight_n > 0 ? smtp_in_flight_at(s, 0) : NULL;

	if (head == NULL || (head->state != S_RCPT && head->state != S_DATA))
		return NULL;
	return head->t->too_many ? head->t : NULL;
}

/*
 * A connection that ends between transactions, or before anything of one has been answered where an
 * earlier one was served, says nothing about the host: servers close what idles or has served enough
 * (421). The transactions go to a new connection. That each time one has been served, or is to be made
 * smaller, keeps it from going on for ever.
 */
static bool
is_benign(const struct smtp *s)
{
	const struct smtp_transaction *large = too_large(s);

	if (!s->ready)
		return false;
	list_each (pos, &s->transactions) {
		const struct smtp_transaction *t = list_item(pos, struct smtp_transaction, link);

		if (t == large)
			continue;
		if (t->answered || (t->mail != MAIL_UNSENT && !s->served))
			return false;
	}
	return true;
}

void
smtp_drop_output(struct smtp *s)
{
	if (s->secret)
		buf_wipe(&s->out);
	s->secret = false;
	buf_clear(&s->out);
	s->traced = s->sent;
}

enum smtp_state
smtp_hang_up(struct smtp *s, const struct verdict *v, enum smtp_end how)
{
	bool polite = how == SMTP_REFUSED && s->flight_n == 0 && buf_len(&s->out) == 0 && !s->cut;
	struct smtp_transaction *large = too_large(s);

	s->benign = how == SMTP_LEFT && is_benign(s);
	if (s->benign && large != NULL)
		large->taken = large->accepted;
	if (s->farewell == NULL)
		s->farewell = xmalloc(sizeof(*s->farewell));
	*s->farewell = *v;
	while (!list_empty(&s->transactions)) {
		struct smtp_transaction *t =
		    list_item(s->transactions.next, struct smtp_transaction, link);

		if (t->behind_dot && t->mail == MAIL_SENT && t->mail_end <= s->sent)
			s->behind_dot = true;
		if (smtp_is_past_dot(s, t)) {
			struct verdict m = duplicate_possible(v);

			smtp_settle_sent(s, t, &m);
		}
		smtp_done(s, t, s->benign ? NULL : v);
	}
	s->flight_n = s->flight_first = s->flight_bytes = 0;
	s->serial++;
	smtp_drop_output(s);
	smtp_auth_free(&s->auth);
	return polite ? S_QUIT : S_CLOSING;
}

enum smtp_state
smtp_refuse(struct smtp *s, enum smtp_state row, const char *enhanced, const char *why)
{
	struct verdict v =
	    verdict_make(FATE_RETRY, SCOPE_HOST, enhanced, smtp_rows[row].doing, "%s", why);

	return smtp_hang_up(s, &v, SMTP_REFUSED);
}

enum smtp_state
smtp_protocol_error(struct smtp *s, enum smtp_state row, const char *what)
{
	struct verdict v = verdict_make(
	    FATE_RETRY, SCOPE_HOST, "4.5.0", smtp_rows[row].doing, "protocol error: %s", what);

	return smtp_hang_up(s, &v, SMTP_BROKEN);
}

bool
smtp_is_closing(const struct smtp *s)
{
	return s->state == S_QUIT || s->state == S_CLOSING;
}

/* It does not survive its first BDAT: that may be why. */
static bool
died_of_bdat(const struct smtp *s)
{
	const struct smtp_command *head = s->flight_n > 0 ? smtp_in_flight_at(s, 0) : NULL;

	return head != NULL && head->state == S_DOT && head->t->chunked && !s->bdat_works;
}

/* The connection is of no use any more. */
static void
lost(struct smtp *s, enum smtp_end how, const char *why)
{
	if (smtp_is_closing(s)) {
		smtp_drop_output(s);
		smtp_move(s, S_CLOSING);
	} else {
		struct verdict v = verdict_make(FATE_RETRY, SCOPE_HOST,
		    s->state == S_SECURING ? "4.7.5" : "4.4.2", smtp_doing(s), "%s", why);

		smtp_tls_lost(s);
		s->chunking_failed = died_of_bdat(s);
		smtp_move(s, smtp_hang_up(s, &v, how));
	}
	smtp_advance(s);
}

void
smtp_lost(struct smtp *s, const char *why)
{
	lost(s, SMTP_LEFT, why);
}

void
smtp_timeout(struct smtp *s)
{
	char why[64];
	unsigned serial;

	if (s->state == S_SECURING) /* whose time is the caller's */
		str_copy(why, sizeof(why), "timed out");
	else
		snprintf(why, sizeof(why), "no answer in %d s", smtp_patience(s, &serial));
	lost(s, SMTP_BROKEN, why);
}

/* --- input ---------------------------------------------------------------------------------- */

static void
trace_reply(const struct smtp *s)
{
	size_t pos = 0, n;
	const char *line;

	if (s->trace == NULL)
		return;
	while (reply_line(&s->reply, &pos, &line, &n))
		smtp_trace_line(s, '<', line, n);
}

/* RFC 5321 3.8: "421 ... closing transmission channel" may answer any command, or none. */
static enum smtp_state
on_421(struct smtp *s)
{
	const struct smtp_command *head = s->flight_n > 0 ? smtp_in_flight_at(s, 0) : NULL;
	const struct smtp_transaction *half = NULL;
	enum smtp_state row = smtp_awaited(s);
	struct verdict v = smtp_judge(s, row, FATE_RETRY, SCOPE_HOST);

	if (head != NULL && row == S_DOT && head->end <= s->sent)
		smtp_not_taken(s, head);
	/* Nor is anything behind it, which nobody reads any more; LMTP's other recipients may have it. */
	if (head != NULL && row == S_DOT && s->o.lmtp)
		half = head->t;
	list_each (pos, &s->transactions) {
		struct smtp_transaction *t = list_item(pos, struct smtp_transaction, link);

		t->dot_written = t->dot_written && t == half;
	}
	smtp_tls_lost(s);
	return smtp_hang_up(s, &v, SMTP_LEFT);
}

/* Whether a reply of this code can be an answer to c. */
static bool
fits(const struct smtp *s, const struct smtp_command *c, int code)
{
	int class = code / 100;

	if (c->end > s->sent && !(c->state == S_DOT && class >= 4))
		return false; /* nobody answers what he has not read, unless he wants no more of it */
	switch (c->state) {
	case S_DATA:
		return code == 354 || class >= 4;
	case S_STARTTLS:
		return code == 220 || class >= 4;
	case S_AUTH:
	case S_RESPONSE:
		return code == 235 || code == 334 || class >= 4;
	default:
		return class != 3;
	}
}

static enum smtp_state
on_reply(struct smtp *s)
{
	struct smtp_command c = {.state = s->state};
	char what[64];
	int code = s->reply.code;

	if (code == 421)
		return on_421(s);
	if (s->flight_n > 0)
		c = *smtp_in_flight_at(s, 0);
	if (s->flight_n == 0 || !fits(s, &c, code)) {
		snprintf(what, sizeof(what), "a %d reply to %s", code,
		    s->flight_n > 0 ? smtp_rows[c.state].name : "nothing");
		return smtp_protocol_error(s, c.state, what);
	}
	pop(s);
	return smtp_rows[c.state].reply(s, &c);
}

size_t
smtp_input(struct smtp *s, const char *data, size_t n)
{
	size_t taken = 0;

	if (smtp_is_closing(s)) /* the answer to QUIT is not waited for, and nothing else counts */
		return n;
	while (taken < n && !smtp_has_event(s) && !smtp_is_closing(s) && s->state != S_SECURING) {
		taken += reply_input(&s->reply, data + taken, n - taken);
		if (s->reply.state == REPLY_MORE)
			continue;
		trace_reply(s);
		if (s->reply.state == REPLY_BAD)
			smtp_move(s, smtp_protocol_error(s, smtp_awaited(s), s->reply.error));
		else
			smtp_move(s, on_reply(s));
		smtp_advance(s);
	}
	if (taken < n && s->state == S_SECURING) {
		/* RFC 3207 4.2: taken for what TLS protects, they would be believed. */
		smtp_move(
		    s, smtp_protocol_error(s, S_STARTTLS, "more behind the reply to STARTTLS"));
		smtp_advance(s);
		return n;
	}
	return taken;
}
