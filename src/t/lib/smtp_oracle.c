/* smtp_oracle.c: an SMTP engine under observation. */
#include "smtp_oracle.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "proto/ehlo.h"
#include "proto/reply.h"

enum { FLIGHT_MAX = 64, OUT_MAX = 1 << 20 };

struct rcpt {
	char address[48];
	bool accepted; /* in the transaction that is going on */
	bool owed; /* a 2xx has answered the end of its data: it must become SENT */
	bool settled;
	enum fate fate;
};

struct mail {
	char sender[48];
	struct rcpt rcpts[ORACLE_RCPTS];
	const char *list[ORACLE_RCPTS];
	unsigned number; /* 0: not handed over */
	size_t given, wired; /* bytes of the body given, and seen on the wire */
	size_t nsettled;
	bool done, mail_ok, again;
};

struct wire_command {
	enum oracle_command what;
	struct mail *mail;
	struct rcpt *rcpt;
};

struct oracle {
	struct smtp *s;
	struct oracle_plan plan;
	char *body;
	struct mail mails[ORACLE_MAILS];
	size_t handed;
	size_t may_write;
	bool no_mail, break_body;

	/* the wire */
	struct reply reply;
	struct ehlo ehlo;
	struct buf line; /* the client's unfinished line */
	struct wire_command flight[FLIGHT_MAX];
	size_t nflight;
	struct mail *current; /* of the last MAIL sent */
	struct mail *in_body; /* whose body is on the wire now */
	bool for_nobody; /* that body is a lone dot */
	bool lost_count; /* nobody can say any more which reply is whose */
	bool hung_up; /* 421, or an answer in mid-body: no more commands may come */

	bool closed, benign, served;
};

LOG_NORETURN static void wrong(const char *fmt, ...) LOG_PRINTF(1, 2);

static void
wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "oracle: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	abort();
}

/* --- the wire, as the server sees it ---------------------------------------------------------- */

static void
await(struct oracle *o, enum oracle_command what, struct mail *m, struct rcpt *r)
{
	if (o->nflight == FLIGHT_MAX)
		wrong("more commands in flight than there can be");
	o->flight[o->nflight++] = (struct wire_command){what, m, r};
}

static bool
pipelining(const struct oracle *o)
{
	return o->plan.options.may_pipeline && (o->ehlo.offers & EHLO_PIPELINING);
}

/* Whether a command may come while others have no answer yet. */
static void
check_place(const struct oracle *o, const char *line)
{
	enum oracle_command last;

	/* QUIT may have been under way, and nobody listens any more behind it. */
	if ((o->hung_up || o->lost_count) && strcmp(line, "QUIT") != 0)
		wrong("\"%s\" after the end", line);
	if (o->nflight == 0)
		return;
	last = o->flight[o->nflight - 1].what;
	if (last == O_GREETING || last == O_HELLO || last == O_DATA || last == O_QUIT)
		wrong("\"%s\" before the answer to what it depends on", line);
	if (!pipelining(o))
		wrong("\"%s\" without PIPELINING", line);
	if (last == O_DOT && !o->plan.options.one_behind_dot)
		wrong("\"%s\" behind a dot", line);
}

static struct mail *
mail_by_path(struct oracle *o, const char *line)
{
	for (size_t i = 0; i < o->handed; i++) {
		char want[80];

		snprintf(want, sizeof(want), "MAIL FROM:<%s>", o->mails[i].sender);
		if (strncmp(line, want, strlen(want)) == 0)
			return &o->mails[i];
	}
	wrong("\"%s\" for mail that was not handed over", line);
}

static void
on_rcpt_line(struct oracle *o, const char *line)
{
	struct mail *m = o->current;

	for (size_t i = 0; m != NULL && i < o->plan.nrcpts; i++) {
		char want[80];

		snprintf(want, sizeof(want), "RCPT TO:<%s>", m->rcpts[i].address);
		if (strcmp(line, want) == 0) {
			await(o, O_RCPT, m, &m->rcpts[i]);
			return;
		}
	}
	wrong("\"%s\" is not for this mail", line);
}

static void
on_command(struct oracle *o, const char *line)
{
	check_place(o, line);
	if (strncmp(line, "EHLO ", 5) == 0 || strncmp(line, "HELO ", 5) == 0 ||
	    strncmp(line, "LHLO ", 5) == 0) {
		await(o, O_HELLO, NULL, NULL);
	} else if (strncmp(line, "MAIL ", 5) == 0) {
		o->current = mail_by_path(o, line);
		o->current->mail_ok = false;
		await(o, O_MAIL, o->current, NULL);
	} else if (strncmp(line, "RCPT ", 5) == 0) {
		on_rcpt_line(o, line);
	} else if (strcmp(line, "DATA") == 0) {
		await(o, O_DATA, o->current, NULL);
		o->current = NULL;
	} else if (strcmp(line, "RSET") == 0) {
		await(o, O_RSET, NULL, NULL);
		o->current = NULL;
	} else if (strcmp(line, "QUIT") == 0) {
		if (o->nflight > 0)
			wrong("QUIT into a conversation");
		await(o, O_QUIT, NULL, NULL);
	} else {
		wrong("\"%s\" is no command", line);
	}
}

static void
on_body_end(struct oracle *o)
{
	struct mail *m = o->in_body;

	o->in_body = NULL;
	if (o->for_nobody && m->wired > 0)
		wrong("a message for nobody");
	if (!o->for_nobody && m->wired != o->plan.body)
		wrong("a message of %zu bytes ended after %zu", o->plan.body, m->wired);
	if (!o->plan.options.lmtp) {
		await(o, O_DOT, m, NULL);
		return;
	}
	for (size_t i = 0; i < o->plan.nrcpts; i++)
		if (m->rcpts[i].accepted)
			await(o, O_DOT, m, &m->rcpts[i]);
}

static void
on_body_line(struct oracle *o, const char *line, size_t n)
{
	struct mail *m = o->in_body;

	if (o->hung_up || o->lost_count)
		wrong("more of a body after the end");
	if (n == 1 && line[0] == '.') {
		on_body_end(o);
		return;
	}
	if (line[0] == '.') {
		line++;
		n--;
	}
	if (n + 2 > o->plan.body - m->wired || memcmp(o->body + m->wired, line, n) != 0 ||
	    memcmp(o->body + m->wired + n, "\r\n", 2) != 0)
		wrong("a body that is not the message's at %zu", m->wired);
	m->wired += n + 2;
}

static void
client_wrote(struct oracle *o, const char *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *line;
		size_t len;

		buf_addc(&o->line, data[i]);
		line = buf_data(&o->line);
		len = buf_len(&o->line);
		if (len >= 2 && (data[i] == '\n') != (line[len - 2] == '\r'))
			wrong("a bare CR or LF on the wire");
		if (data[i] != '\n')
			continue;
		if (o->in_body != NULL) {
			on_body_line(o, line, len - 2);
		} else {
			char command[128];

			snprintf(command, sizeof(command), "%.*s", (int)len - 2, line);
			on_command(o, command);
		}
		buf_clear(&o->line);
	}
}

/* --- what the server's answers mean ----------------------------------------------------------- */

static bool
any_accepted(const struct oracle *o, const struct mail *m)
{
	for (size_t i = 0; i < o->plan.nrcpts; i++)
		if (m->rcpts[i].accepted)
			return true;
	return false;
}

static void
on_data_answer(struct oracle *o, struct mail *m, int code)
{
	if (code / 100 == 2 || (code / 100 == 3 && code != 354))
		o->lost_count = true;
	if (code != 354)
		return;
	o->in_body = m;
	o->for_nobody = !any_accepted(o, m);
	if (o->for_nobody && o->plan.options.lmtp)
		o->lost_count = true;
}

static void
on_dot_answer(struct oracle *o, const struct wire_command *c, int code)
{
	for (size_t i = 0; i < o->plan.nrcpts; i++) {
		struct rcpt *r = &c->mail->rcpts[i];

		if (code / 100 == 2 && r->accepted && (c->rcpt == NULL || c->rcpt == r))
			r->owed = true;
	}
}

static void
on_answer(struct oracle *o, const struct wire_command *c, int code)
{
	if (code / 100 == 3 && c->what != O_DATA) {
		o->lost_count = true;
		return;
	}
	if (c->what == O_HELLO && code / 100 == 2)
		ehlo_parse(&o->ehlo, &o->reply);
	else if (c->what == O_MAIL)
		c->mail->mail_ok = code / 100 == 2;
	else if (c->what == O_RCPT)
		c->rcpt->accepted = code / 100 == 2 && c->mail->mail_ok;
	else if (c->what == O_DATA)
		on_data_answer(o, c->mail, code);
	else if (c->what == O_DOT)
		on_dot_answer(o, c, code);
}

static void
server_said(struct oracle *o, const char *data, size_t n)
{
	while (n > 0 && !o->lost_count && !o->hung_up) {
		size_t took = reply_input(&o->reply, data, n);
		struct wire_command c;

		data += took;
		n -= took;
		if (o->reply.state == REPLY_BAD)
			o->lost_count = true;
		if (o->reply.state != REPLY_COMPLETE)
			continue;
		if (o->reply.code == 421) {
			o->hung_up = true;
		} else if (o->nflight == 0) {
			/* In mid-body a refusal is the answer to its end; all else answers nothing. */
			if (o->in_body != NULL && o->reply.code >= 400)
				o->hung_up = true;
			else
				o->lost_count = true;
		} else {
			c = o->flight[0];
			memmove(o->flight, o->flight + 1, --o->nflight * sizeof(o->flight[0]));
			on_answer(o, &c, o->reply.code);
		}
	}
}

/* --- the engine's word ------------------------------------------------------------------------ */

static struct mail *
mail_by_number(struct oracle *o, unsigned number)
{
	for (size_t i = 0; i < o->handed; i++)
		if (o->mails[i].number == number && !o->mails[i].done)
			return &o->mails[i];
	wrong("an event about mail %u, which is not in its hands", number);
}

static void
on_settled(struct oracle *o, const struct smtp_event *e)
{
	struct mail *m = mail_by_number(o, e->mail);
	struct rcpt *r = &m->rcpts[e->rcpt];

	if (e->rcpt >= o->plan.nrcpts)
		wrong("a recipient that is none");
	if (r->settled)
		wrong("%s settled twice", r->address);
	if (e->verdict == NULL || e->verdict->enhanced[0] == '\0')
		wrong("%s settled without a word", r->address);
	if (e->verdict->scope != SCOPE_RCPT && e->verdict->scope != SCOPE_MSG)
		wrong("%s settled by something larger than its message", r->address);
	if (e->verdict->fate == FATE_SENT && !r->owed)
		wrong("%s SENT by a reply that was not his", r->address);
	if (e->verdict->fate != FATE_SENT && r->owed)
		wrong("%s was delivered and is not SENT: %s", r->address, e->verdict->text);
	r->settled = true;
	r->fate = e->verdict->fate;
	m->nsettled++;
}

static void
on_done(struct oracle *o, const struct smtp_event *e)
{
	struct mail *m = mail_by_number(o, e->mail);
	bool left = m->nsettled < o->plan.nrcpts;

	for (size_t i = 0; i < o->plan.nrcpts; i++)
		if (m->rcpts[i].owed && !m->rcpts[i].settled)
			wrong("%s was delivered and comes back", m->rcpts[i].address);
	if (left != (e->again || e->verdict != NULL) || (e->again && e->verdict != NULL))
		wrong("mail %u: nobody can tell whether anything came back", e->mail);
	if (e->verdict != NULL &&
	    (e->verdict->scope != SCOPE_HOST || e->verdict->fate != FATE_RETRY))
		wrong("mail %u came back with a verdict that is not about the host", e->mail);
	m->done = true;
	m->again = e->again;
	if (e->verdict == NULL && m->nsettled > 0)
		o->served = true;
}

static void
on_close(struct oracle *o, const struct smtp_event *e)
{
	if (o->closed)
		wrong("closed twice");
	if (e->verdict == NULL)
		wrong("closed without a word");
	o->closed = true;
	o->benign = e->benign;
	for (size_t i = 0; i < o->handed; i++) {
		const struct mail *m = &o->mails[i];

		if (!m->done)
			wrong("mail %u is forgotten", m->number);
		if (m->again && m->nsettled == 0 && !(o->benign && o->served))
			wrong("mail %u comes back again for ever", m->number);
	}
}

static void
on_body(struct oracle *o, const struct smtp_event *e)
{
	struct mail *m = mail_by_number(o, e->mail);

	if (e->want == 0 || e->want > o->plan.body - m->given)
		wrong("more body wanted than there is");
	if (o->break_body) {
		smtp_body_failed(o->s, e->mail, "broken");
		o->hung_up = true;
		return;
	}
	smtp_body(o->s, e->mail, o->body + m->given, e->want);
	m->given += e->want;
}

static void
pull(struct oracle *o)
{
	struct smtp_event e;

	while (smtp_next_event(o->s, &e)) {
		if (o->closed)
			wrong("an event after the close");
		if (e.type == SMTP_SETTLED)
			on_settled(o, &e);
		else if (e.type == SMTP_DONE)
			on_done(o, &e);
		else if (e.type == SMTP_CLOSE)
			on_close(o, &e);
		else if (e.type == SMTP_BODY)
			on_body(o, &e);
		else if (e.type != SMTP_READY)
			wrong("an event that is none");
	}
}

static void
hand_over(struct oracle *o)
{
	struct mail *m = &o->mails[o->handed++];
	struct smtp_mail mail = {.reverse_path = m->sender,
	    .rcpts = m->list,
	    .nrcpts = o->plan.nrcpts,
	    .size = o->plan.body,
	    .eightbit = o->plan.eightbit};

	m->number = (unsigned)o->handed;
	if (smtp_mail(o->s, &mail) != m->number)
		wrong("mail is not counted 1, 2, ...");
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
	client_wrote(o, data, n);
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
		wrong("it would wait for ever");
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
	for (size_t i = 0; i < plan->nmails; i++) {
		struct mail *m = &o->mails[i];

		snprintf(m->sender, sizeof(m->sender), "m%zu@x", i);
		for (size_t j = 0; j < plan->nrcpts; j++) {
			snprintf(
			    m->rcpts[j].address, sizeof(m->rcpts[j].address), "r%zu@m%zu", j, i);
			m->list[j] = m->rcpts[j].address;
		}
	}
	reply_init(&o->reply);
	buf_init(&o->line, OUT_MAX);
	await(o, O_GREETING, NULL, NULL);
	o->s = smtp_new(&o->plan.options);
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
	while (n > 0) {
		size_t took = smtp_input(o->s, data, n < chunk ? n : chunk);

		if (took == 0)
			wrong("it takes no input and has no event");
		server_said(o, data, took);
		data += took;
		n -= took;
		oracle_pump(o);
	}
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
oracle_lose(struct oracle *o)
{
	oracle_pump(o);
	if (!o->closed) {
		smtp_lost(o->s, "connection closed");
		o->hung_up = true;
		oracle_pump(o);
	}
	if (!o->closed)
		wrong("the connection is lost and it does not close");
	if (smtp_in_flight(o->s) > 0)
		wrong("closed, and it still has mail");
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
