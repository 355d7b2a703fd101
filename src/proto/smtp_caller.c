/* smtp_caller.c: the engine as its caller sees it: options, mail, output, events, patience. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proto/smtp_impl.h"

struct smtp *
smtp_new(const struct smtp_options *o)
{
	struct smtp *s = xcalloc(1, sizeof(*s));

	if (!smtp_helo_ok(o->helo))
		bug("a HELO name that was not checked");
	s->o = *o;
	s->helo = xstrdup(o->helo);
	s->o.helo = s->helo;
	if (s->o.ahead == 0)
		s->o.ahead = SMTP_AHEAD;
	for (size_t i = 0; i < SMTP_NWAITS; i++)
		if (s->o.patience_s[i] == 0)
			s->o.patience_s[i] = smtp_default_patience_s[i];
	reply_init(&s->reply);
	buf_init(&s->out, SMTP_OUT_MAX);
	list_init(&s->transactions);
	s->secured = o->secured;
	if (o->auth != NULL) {
		s->auth = smtp_auth_new(o->auth);
		smtp_auth_bind(s->auth, o->binding);
	}
	s->state = S_GREETING;
	smtp_push(s, S_GREETING, NULL, 0);
	return s;
}

void
smtp_free(struct smtp **sp)
{
	struct smtp *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	while (!list_empty(&s->transactions)) {
		struct smtp_transaction *t =
		    list_item(s->transactions.next, struct smtp_transaction, link);

		list_remove(&t->link);
		spares_give(&s->spares, t);
	}
	spares_free(&s->spares);
	reply_free(&s->reply);
	smtp_drop_output(s);
	smtp_auth_free(&s->auth);
	buf_free(&s->out);
	free(s->flight);
	free(s->notes);
	free(s->verdicts);
	free(s->farewell);
	free(s->helo);
	free(s);
}

void
smtp_trace(struct smtp *s, smtp_trace_fn *fn, void *ctx)
{
	s->trace = fn;
	s->trace_ctx = ctx;
}

/* --- mail ----------------------------------------------------------------------------------- */

/*
 * One transaction may wait while another's body goes out, so that its MAIL leaves with the body's
 * last block (RFC 2920 3.1). DATA is a barrier, so only with BDAT more than that are ahead.
 */
bool
smtp_wants_mail(const struct smtp *s)
{
	if (!s->ready || s->quitting || s->queued != NULL || smtp_in_flight(s) >= s->o.ahead)
		return false;
	if (s->ehlo.mailmax > 0 && s->mails >= s->ehlo.mailmax)
		return false;
	if (s->state == S_BODY)
		return smtp_pipelining(s) && s->o.one_behind_dot &&
		       (!s->current->chunked || s->bdat_works);
	return s->state == S_READY && !smtp_blocked(s);
}

unsigned
smtp_mail(struct smtp *s, const struct smtp_mail *m)
{
	struct smtp_transaction *t;

	if (!smtp_wants_mail(s) || m->nrcpts == 0)
		bug("mail that was not wanted, or for nobody");
	t = spares_take(&s->spares, sizeof(*t) + m->nrcpts);
	t->m = *m;
	t->number = ++s->numbers;
	list_init(&t->link);
	list_add_tail(&s->transactions, &t->link);
	s->queued = t;
	smtp_advance(s);
	return s->numbers;
}

void
smtp_quit(struct smtp *s)
{
	s->quitting = true;
	smtp_advance(s);
}

/*
 * Goes when what is past its end of data has been answered, and what came before that, for the sake
 * of the count; the rest is let go. host: why, as for smtp_done().
 */
static void
leave(struct smtp *s, const struct verdict *host)
{
	struct list *next;
	size_t keep = 0;
	unsigned last = 0;

	s->quitting = true;
	s->queued = s->current = NULL;
	for (size_t i = 0; i < s->flight_n; i++) {
		const struct smtp_command *c = smtp_in_flight_at(s, i);

		if (c->state == S_DOT && smtp_is_past_dot(s, c->t)) {
			keep = i + 1;
			last = c->t->number;
		}
	}
	if (keep < s->flight_n || buf_len(&s->out) > 0 || s->state == S_SECURING)
		s->cut = true;
	s->flight_n = keep;
	smtp_drop_output(s);
	for (struct list *pos = s->transactions.next; pos != &s->transactions; pos = next) {
		struct smtp_transaction *t = list_item(pos, struct smtp_transaction, link);

		next = pos->next;
		if (t->number > last)
			smtp_done(s, t, host);
	}
	smtp_move(s, keep > 0 || !s->cut ? S_READY : S_CLOSING);
	smtp_advance(s);
}

void
smtp_stop(struct smtp *s)
{
	struct verdict v = verdict_make(
	    FATE_RETRY, SCOPE_HOST, "4.3.2", smtp_doing(s), "stopped before it was sent");

	if (smtp_is_closing(s))
		return;
	v.no_attempt = true;
	leave(s, &v);
}

/* --- output --------------------------------------------------------------------------------- */

size_t
smtp_output(struct smtp *s, const char **data)
{
	*data = buf_data(&s->out);
	return buf_len(&s->out);
}

static void
give_room_back(struct smtp *s)
{
	if (s->out.cap <= SMTP_OUT_KEPT)
		return;
	if (s->o.room != NULL && s->o.room->cap < s->out.cap)
		buf_exchange(&s->out, s->o.room);
	if (s->out.cap > SMTP_OUT_KEPT)
		buf_free(&s->out);
}

/*
 * RFC 5321 4.5.3.2.5, 4.5.3.2.6: with the last n bytes a block has gone out, or the end of data. Of a
 * chunk the next block is there before the output is empty.
 */
static bool
got_through(const struct smtp *s, const struct smtp_command *end, size_t n)
{
	uint64_t before = s->sent - n;

	if (buf_len(&s->out) == 0)
		return true;
	if (end->end <= s->sent)
		return end->end > before;
	return s->sent / SMTP_BLOCK > before / SMTP_BLOCK;
}

void
smtp_sent(struct smtp *s, size_t n)
{
	const struct smtp_command *head = s->flight_n > 0 ? smtp_in_flight_at(s, 0) : NULL;

	buf_consume(&s->out, n);
	s->sent += n;
	if (s->secret && buf_len(&s->out) == 0) {
		buf_wipe(&s->out);
		s->secret = false;
	}
	if (buf_len(&s->out) == 0)
		give_room_back(s);
	if (head != NULL && head->state == S_DOT && got_through(s, head, n))
		s->serial++;
	smtp_advance(s);
}

/* What is in the output up to here is a message: the trace has it in one line. */
void
smtp_end_data(struct smtp *s, struct smtp_transaction *t)
{
	char line[64];

	smtp_move(s, STAY); /* a BDAT 0 LAST into the trace */
	snprintf(line, sizeof(line), "(%llu octets of message)", (unsigned long long)t->given);
	smtp_trace_line(s, '>', line, strlen(line));
	if (!t->chunked) {
		smtp_trace_line(s, '>', ".", 1);
		body_end(&s->body, &s->out);
	}
	s->traced = t->dot_end = smtp_written(s);
	t->dot_written = true;
	for (size_t i = 0; i < s->flight_n; i++)
		if (smtp_in_flight_at(s, i)->state == S_DOT && smtp_in_flight_at(s, i)->t == t)
			smtp_in_flight_at(s, i)->end = t->dot_end;
	s->current = NULL;
}

/* A chunk joins the commands before it, and the messages before those. */
static size_t
body_want(const struct smtp *s)
{
	uint64_t left = s->current->m.size - s->current->given;
	size_t room = s->current->chunked ? SMTP_GATHER - buf_len(&s->out) : SMTP_BLOCK;

	return left < room ? (size_t)left : room;
}

/*
 * For a body in the output. What is sent is mostly gone at once, so one room is enough for all engines,
 * and those that wait for an answer hold none.
 */
static void
borrow_room(struct smtp *s)
{
	if (s->o.room != NULL && s->o.room->cap > s->out.cap)
		buf_exchange(&s->out, s->o.room);
	/* for a whole group of chunks, which would be copied each time it grows */
	if (s->current->chunked && s->bdat_works && buf_len(&s->out) < SMTP_WINDOW_BYTES)
		buf_reserve(&s->out, SMTP_GATHER);
}

void
smtp_body(struct smtp *s, unsigned mail, const char *data, size_t n)
{
	struct smtp_transaction *t = s->current;

	if (s->state != S_BODY || !s->body_asked || t->number != mail)
		return; /* it was given back meanwhile */
	if (n > body_want(s))
		bug("more body than was asked for");
	if (n == 0) {
		smtp_body_failed(s, mail, "shorter than recorded");
		return;
	}
	s->body_asked = false;
	t->given += n;
	borrow_room(s);
	if (t->chunked)
		buf_add(&s->out, data, n);
	else
		body_add(&s->body, &s->out, data, n);
	s->traced = smtp_written(s);
	if (t->given == t->m.size) {
		smtp_end_data(s, t);
		smtp_move(s, S_READY);
	}
	smtp_advance(s);
}

void
smtp_body_failed(struct smtp *s, unsigned mail, const char *why)
{
	struct smtp_transaction *t = s->current;
	struct verdict v;

	if (s->state != S_BODY || t->number != mail)
		return;
	/* Without its last line a message must not end: the connection goes, no dot is sent. */
	v = verdict_make(FATE_RETRY, SCOPE_MSG, "4.3.0", smtp_rows[S_BODY].doing,
	    "the message could not be read: %s", why);
	smtp_settle_sent(s, t, &v);
	s->farewell = xmalloc(sizeof(*s->farewell));
	*s->farewell = v;
	s->benign = true;
	leave(s, NULL);
}

/* --- events --------------------------------------------------------------------------------- */

static bool
body_due(const struct smtp *s)
{
	if (s->state != S_BODY || s->body_asked)
		return false;
	return buf_len(&s->out) <= (s->current->chunked ? SMTP_GATHER / 2 : 0);
}

static bool
handshake_due(const struct smtp *s)
{
	return s->state == S_SECURING && !s->tls_asked;
}

bool
smtp_has_event(const struct smtp *s)
{
	return s->notes_first < s->notes_n || body_due(s) || handshake_due(s);
}

bool
smtp_next_event(struct smtp *s, struct smtp_event *e)
{
	*e = (struct smtp_event){.type = SMTP_NONE};
	if (s->notes_first < s->notes_n) {
		const struct smtp_note *note = &s->notes[s->notes_first++];

		*e = note->e;
		if (note->verdict > 0)
			e->verdict = &s->verdicts[note->verdict - 1];
		return true;
	}
	if (body_due(s)) {
		s->body_asked = true;
		e->type = SMTP_BODY;
		e->mail = s->current->number;
		e->want = body_want(s);
		return true;
	}
	if (handshake_due(s)) {
		s->tls_asked = true;
		e->type = SMTP_STARTTLS;
		return true;
	}
	return false;
}

/* Nothing of an idle connection but the structure itself stays in memory. */
void
smtp_rest(struct smtp *s)
{
	if (!smtp_idle(s) || smtp_has_event(s) || buf_len(&s->out) > 0 ||
	    reply_is_partial(&s->reply))
		return;
	buf_free(&s->out);
	reply_free(&s->reply);
	spares_free(&s->spares);
	free(s->flight);
	free(s->notes);
	free(s->verdicts);
	s->flight = NULL;
	s->notes = NULL;
	s->verdicts = NULL;
	s->flight_cap = s->notes_cap = s->verdicts_cap = 0;
}

/* --- what it is doing ----------------------------------------------------------------------- */

int
smtp_patience(const struct smtp *s, unsigned *serial)
{
	const struct smtp_command *head;

	*serial = s->serial;
	if (smtp_is_closing(s))
		return s->o.patience_s[SMTP_WAIT_QUIT];
	if (s->flight_n == 0)
		return 0;
	head = smtp_in_flight_at(s, 0);
	if (head->state == S_DOT && head->end > s->sent)
		return s->o.patience_s[smtp_rows[S_BODY].wait];
	return s->o.patience_s[smtp_rows[head->state].wait];
}

bool
smtp_idle(const struct smtp *s)
{
	return s->ready && s->state == S_READY && s->flight_n == 0 && list_empty(&s->transactions);
}

bool
smtp_greeted(const struct smtp *s)
{
	return smtp_awaited(s) != S_GREETING && !smtp_is_closing(s);
}

bool
smtp_past_dot(const struct smtp *s)
{
	list_each (pos, &s->transactions)
		if (smtp_is_past_dot(s, list_item(pos, struct smtp_transaction, link)))
			return true;
	return false;
}

size_t
smtp_in_flight(const struct smtp *s)
{
	size_t n = 0;

	list_each (pos, &s->transactions)
		n++;
	return n;
}
