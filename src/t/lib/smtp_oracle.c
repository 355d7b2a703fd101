/* smtp_oracle.c: an SMTP engine under observation: what it says, and whether that is true. */
#include "smtp_oracle.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "proto/sasl.h"
#include "smtp_oracle_impl.h"

/* --- the engine's word ------------------------------------------------------------------------ */

static struct oracle_mail *
mail_by_number(struct oracle *o, unsigned number)
{
	for (size_t i = 0; i < o->handed; i++)
		if (o->mails[i].number == number && !o->mails[i].done)
			return &o->mails[i];
	oracle_wrong("an event about mail %u, which is not in its hands", number);
}

static void
check_text(const struct smtp_event *e)
{
	if (e->verdict != NULL && !str_is_clean(e->verdict->text, strlen(e->verdict->text)))
		oracle_wrong("a verdict that is not clean");
}

/* What of the client's side may be seen: commands whose arguments are no secret. */
static void
on_trace(void *ctx, char dir, const char *line)
{
	static const char *const shown[] = {
	    "EHLO ", "LHLO ", "HELO ", "MAIL FROM:<", "RCPT TO:<", "BDAT "};
	static const char *const bare[] = {"", "STARTTLS", "DATA", "RSET", "QUIT", ".", "*", "***"};
	const char *space = strncmp(line, "AUTH ", 5) == 0 ? strchr(line + 5, ' ') : NULL;
	const struct oracle *o = ctx;

	if (!str_is_clean(line, strlen(line)))
		oracle_wrong("a trace that is not clean");
	if (dir != '>' || line[0] == '(')
		return;
	if (strncmp(line, "AUTH ", 5) == 0 && (space == NULL || strcmp(space, " ***") == 0) &&
	    o->plan.options.auth != NULL)
		return;
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		if (strncmp(line, shown[i], strlen(shown[i])) == 0)
			return;
	for (size_t i = 0; i < sizeof(bare) / sizeof(bare[0]); i++)
		if (strcmp(line, bare[i]) == 0)
			return;
	oracle_wrong("\"%s\" is shown", line);
}

static void
on_settled(struct oracle *o, const struct smtp_event *e)
{
	struct oracle_mail *m = mail_by_number(o, e->mail);
	struct oracle_rcpt *r = &m->rcpts[e->rcpt];

	if (e->rcpt >= o->plan.nrcpts)
		oracle_wrong("a recipient that is none");
	if (r->settled)
		oracle_wrong("%s settled twice", r->address);
	if (e->verdict == NULL || e->verdict->enhanced[0] == '\0')
		oracle_wrong("%s settled without a word", r->address);
	if (e->verdict->scope != SCOPE_RCPT && e->verdict->scope != SCOPE_MSG)
		oracle_wrong("%s settled by something larger than its message", r->address);
	if (e->verdict->fate == FATE_SENT && !r->owed)
		oracle_wrong("%s SENT by a reply that was not his", r->address);
	if (e->verdict->fate != FATE_SENT && r->owed)
		oracle_wrong("%s was delivered and is not SENT: %s", r->address, e->verdict->text);
	r->settled = true;
	r->fate = e->verdict->fate;
	m->nsettled++;
}

/* All of it was sent to him, and what became of it nobody has said. */
static bool
may_have_it(const struct oracle *o, const struct oracle_mail *m, const struct oracle_rcpt *r)
{
	if (!m->ended || o->said_421 || r->end_answered || !r->sent)
		return false;
	return r->accepted || !r->answered;
}

static void
on_done(struct oracle *o, const struct smtp_event *e)
{
	struct oracle_mail *m = mail_by_number(o, e->mail);
	bool left = m->nsettled < o->plan.nrcpts;

	for (size_t i = 0; i < o->plan.nrcpts; i++)
		if (!m->rcpts[i].settled && may_have_it(o, m, &m->rcpts[i]))
			oracle_wrong("%s may have it and comes back", m->rcpts[i].address);
	for (size_t i = 0; i < o->plan.nrcpts; i++)
		if (m->rcpts[i].owed && !m->rcpts[i].settled)
			oracle_wrong("%s was delivered and comes back", m->rcpts[i].address);
	if (left != (e->again || e->verdict != NULL) || (e->again && e->verdict != NULL))
		oracle_wrong("mail %u: nobody can tell whether anything came back", e->mail);
	if (e->verdict != NULL &&
	    (e->verdict->scope != SCOPE_HOST || e->verdict->fate != FATE_RETRY))
		oracle_wrong(
		    "mail %u came back with a verdict that is not about the host", e->mail);
	if (e->taken != 0 && (!e->again || e->taken >= o->plan.nrcpts))
		oracle_wrong("mail %u: it is to be made smaller, but is not", e->mail);
	m->done = true;
	m->again = e->again;
	o->shrunk |= e->taken != 0;
	if (e->verdict == NULL && m->nsettled > 0)
		o->served = true;
}

static void
on_close(struct oracle *o, const struct smtp_event *e)
{
	if (o->closed)
		oracle_wrong("closed twice");
	if (e->verdict == NULL)
		oracle_wrong("closed without a word");
	if (e->tls_failed && (o->plan.options.tls != SMTP_TLS_MAY || o->plan.options.auth != NULL ||
				 !o->starttls || o->tampered))
		oracle_wrong("it may be tried without TLS, it says");
	o->closed = true;
	o->benign = e->benign;
	for (size_t i = 0; i < o->handed; i++) {
		const struct oracle_mail *m = &o->mails[i];

		if (!m->done)
			oracle_wrong("mail %u is forgotten", m->number);
		if (m->again && m->nsettled == 0 && !(o->benign && (o->served || o->shrunk)))
			oracle_wrong("mail %u comes back again for ever", m->number);
	}
}

static void
on_body(struct oracle *o, const struct smtp_event *e)
{
	enum { CRUMB = 3 };
	struct oracle_mail *m = mail_by_number(o, e->mail);
	size_t n;

	if (e->want == 0 || e->want > o->plan.body - m->given)
		oracle_wrong("more body wanted than there is");
	if (o->break_body) {
		if (o->crumble_body) /* it is shorter than it was */
			smtp_body(o->s, e->mail, "", 0);
		else
			smtp_body_failed(o->s, e->mail, "broken");
		o->leaving = true;
		return;
	}
	n = o->crumble_body && e->want > CRUMB ? CRUMB : e->want;
	smtp_body(o->s, e->mail, o->body + m->given, n);
	m->given += n;
}

static void
on_starttls(struct oracle *o)
{
	if (!o->securing || o->handshake)
		oracle_wrong("a handshake where there is none");
	o->handshake = true;
}

static void
on_ready(const struct oracle *o)
{
	if (o->plan.options.tls == SMTP_TLS_MUST && !o->secured)
		oracle_wrong("ready without TLS");
	if (o->plan.options.auth != NULL && !o->logged_in)
		oracle_wrong("ready without a login");
}

/* As far as the caller is concerned, all of it in a moment. */
static void
shake_hands(struct oracle *o)
{
	o->handshake = false;
	if (o->break_handshake) { /* nobody would understand a QUIT */
		smtp_not_secured(o->s, "broken");
		return;
	}
	o->securing = false;
	o->secured = true;
	memset(&o->ehlo, 0, sizeof(o->ehlo));
	smtp_secured(o->s, NULL);
}

static void
pull(struct oracle *o)
{
	struct smtp_event e;

	while (smtp_next_event(o->s, &e)) {
		if (o->closed)
			oracle_wrong("an event after the close");
		check_text(&e);
		if (e.type == SMTP_SETTLED)
			on_settled(o, &e);
		else if (e.type == SMTP_DONE)
			on_done(o, &e);
		else if (e.type == SMTP_CLOSE)
			on_close(o, &e);
		else if (e.type == SMTP_BODY)
			on_body(o, &e);
		else if (e.type == SMTP_STARTTLS)
			on_starttls(o);
		else if (e.type == SMTP_READY)
			on_ready(o);
		else
			oracle_wrong("an event that is none");
	}
}

static void
hand_over(struct oracle *o)
{
	struct oracle_mail *m = &o->mails[o->handed++];
	struct smtp_mail mail = {.reverse_path = m->sender,
	    .rcpts = m->list,
	    .nrcpts = o->plan.nrcpts,
	    .size = o->plan.body,
	    .eightbit = o->plan.eightbit,
	    .last_hop = o->plan.last_hop,
	    .no_dots = o->plan.no_dots,
	    .verbatim = o->plan.verbatim};
	size_t ahead = o->plan.options.ahead == 0 ? SMTP_AHEAD : o->plan.options.ahead;

	if (smtp_in_flight(o->s) >= ahead)
		oracle_wrong("more than %zu in flight", ahead);
	m->number = (unsigned)o->handed;
	if (smtp_mail(o->s, &mail) != m->number)
		oracle_wrong("mail is not counted 1, 2, ...");
}

static bool
flush(struct oracle *o)
{
	const char *data;
	size_t n = smtp_output(o->s, &data);

	if (n > o->may_write)
		n = o->may_write;
	if (n == 0)
		return false;
	if (o->may_write != SIZE_MAX)
		o->may_write -= n;
	oracle_client_wrote(o, data, n);
	smtp_sent(o->s, n);
	return true;
}

static void
check_patience(struct oracle *o)
{
	unsigned serial;
	bool waits = o->nflight > 0 && o->flight[0].what != O_QUIT;

	if (!o->closed && !o->lost_count && !o->hung_up && waits &&
	    smtp_patience(o->s, &serial) <= 0)
		oracle_wrong("it would wait for ever");
}

void
oracle_pump(struct oracle *o)
{
	do {
		pull(o);
		while (!o->no_mail && o->handed < o->plan.nmails && smtp_wants_mail(o->s)) {
			hand_over(o);
			pull(o);
		}
		if (o->handshake && !o->saying && !o->closed && !o->hold_handshake) {
			shake_hands(o);
			pull(o);
		}
	} while (flush(o));
	check_patience(o);
}

/* --- the outside ------------------------------------------------------------------------------ */

static char *
make_body(size_t n)
{
	char *body = xmalloc(n + 1);

	for (size_t i = 0; i < n; i++)
		body[i] = i % 7 == 0 ? '.' : (char)('a' + i % 26);
	for (size_t i = 9; i + 1 < n; i += 11)
		memcpy(body + i, "\r\n", 2);
	if (n >= 2)
		memcpy(body + n - 2, "\r\n", 2);
	if (n >= 3 && body[n - 3] == '\r')
		body[n - 3] = 'x';
	return body;
}

struct oracle *
oracle_new(const struct oracle_plan *plan)
{
	struct oracle *o = xcalloc(1, sizeof(*o));

	o->plan = *plan;
	if (o->plan.body == 1)
		o->plan.body = 0; /* bodies are CRLF lines */
	o->plan.options.helo = "oracle.example";
	o->body = make_body(o->plan.body);
	o->may_write = SIZE_MAX;
	o->secured = plan->options.secured;
	for (size_t i = 0; i < plan->nmails; i++) {
		struct oracle_mail *m = &o->mails[i];

		snprintf(m->sender, sizeof(m->sender), "m%zu@x", i);
		for (size_t j = 0; j < plan->nrcpts; j++) {
			snprintf(
			    m->rcpts[j].address, sizeof(m->rcpts[j].address), "r%zu@m%zu", j, i);
			m->list[j] = m->rcpts[j].address;
		}
	}
	reply_init(&o->reply);
	buf_init(&o->line, ORACLE_OUT_MAX);
	oracle_await(o, O_GREETING, NULL, NULL);
	o->s = smtp_new(&o->plan.options);
	smtp_trace(o->s, on_trace, o);
	return o;
}

void
oracle_free(struct oracle *o)
{
	oracle_lose(o);
	smtp_free(&o->s);
	reply_free(&o->reply);
	buf_free(&o->line);
	free(o->body);
	free(o);
}

struct smtp *
oracle_engine(struct oracle *o)
{
	return o->s;
}

enum oracle_command
oracle_asked(const struct oracle *o)
{
	return o->nflight > 0 ? o->flight[0].what : O_NONE;
}

void
oracle_say(struct oracle *o, const char *data, size_t n, size_t chunk)
{
	oracle_pump(o);
	if (o->handshake && o->hold_handshake)
		return;
	o->saying = true;
	while (n > 0) {
		size_t took = smtp_input(o->s, data, n < chunk ? n : chunk);

		if (took == 0)
			oracle_wrong("it takes no input and has no event");
		oracle_server_said(o, data, took);
		data += took;
		n -= took;
		oracle_pump(o);
	}
	o->saying = false;
	oracle_pump(o);
}

void
oracle_limit(struct oracle *o, size_t n)
{
	o->may_write = n;
	oracle_pump(o);
}

void
oracle_no_mail(struct oracle *o, bool none)
{
	o->no_mail = none;
	oracle_pump(o);
}

void
oracle_break_body(struct oracle *o)
{
	o->break_body = true;
}

void
oracle_crumble_body(struct oracle *o)
{
	o->crumble_body = true;
}

/* The caller may hear of its success when the session has ended. */
void
oracle_hold_handshake(struct oracle *o, bool hold)
{
	o->hold_handshake = hold;
	if (!hold && o->handshake && o->closed) {
		o->handshake = false;
		smtp_secured(o->s, NULL);
	}
	oracle_pump(o);
}

void
oracle_break_handshake(struct oracle *o)
{
	o->break_handshake = true;
}

bool
oracle_secured(const struct oracle *o)
{
	return o->secured;
}

void
oracle_lose(struct oracle *o)
{
	oracle_pump(o);
	if (!o->closed) {
		smtp_lost(o->s, "connection closed");
		o->hung_up = true;
		oracle_pump(o);
	}
	if (!o->closed)
		oracle_wrong("the connection is lost and it does not close");
	if (smtp_in_flight(o->s) > 0)
		oracle_wrong("closed, and it still has mail");
}

bool
oracle_closed(const struct oracle *o)
{
	return o->closed;
}

size_t
oracle_count(const struct oracle *o, enum fate fate)
{
	size_t n = 0;

	for (size_t i = 0; i < o->handed; i++)
		for (size_t j = 0; j < o->plan.nrcpts; j++)
			n += o->mails[i].rcpts[j].settled && o->mails[i].rcpts[j].fate == fate;
	return n;
}
