/*
 * smtp_wire.c: the oracle's own books of what is on the wire: the client's commands in place, its
 * bodies whole, and what the server's answers mean.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtp_oracle_impl.h"

void
oracle_wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "oracle: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	abort();
}

void
oracle_await(
    struct oracle *o, enum oracle_command what, struct oracle_mail *m, struct oracle_rcpt *r)
{
	if (o->nflight == ORACLE_FLIGHT_MAX)
		oracle_wrong("more commands in flight than there can be");
	o->flight[o->nflight++] = (struct oracle_wire_command){what, m, r};
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

	if (o->securing)
		oracle_wrong("\"%s\" into a handshake", line);
	/* QUIT may have been under way, and nobody listens any more behind it. */
	if ((o->hung_up || o->lost_count || o->leaving) && strcmp(line, "QUIT") != 0)
		oracle_wrong("\"%s\" after the end", line);
	if (o->nflight == 0)
		return;
	last = o->flight[o->nflight - 1].what;
	if (last == O_GREETING || last == O_HELLO || last == O_STARTTLS || last == O_AUTH ||
	    last == O_RESPONSE || last == O_DATA || last == O_QUIT)
		oracle_wrong("\"%s\" before the answer to what it depends on", line);
	if (!pipelining(o))
		oracle_wrong("\"%s\" without PIPELINING", line);
	if (last == O_DOT && !o->plan.options.one_behind_dot)
		oracle_wrong("\"%s\" behind a dot", line);
	if (last == O_DOT && o->flight[o->nflight - 1].mail->chunked && !o->bdat_works)
		oracle_wrong("\"%s\" behind the first BDAT", line);
}

static struct oracle_mail *
mail_by_path(struct oracle *o, const char *line)
{
	for (size_t i = 0; i < o->handed; i++) {
		char want[80];

		snprintf(want, sizeof(want), "MAIL FROM:<%s>", o->mails[i].sender);
		if (strncmp(line, want, strlen(want)) == 0)
			return &o->mails[i];
	}
	oracle_wrong("\"%s\" for mail that was not handed over", line);
}

static void
on_rcpt_line(struct oracle *o, const char *line)
{
	struct oracle_mail *m = o->current;

	for (size_t i = 0; m != NULL && i < o->plan.nrcpts; i++) {
		char want[80];

		snprintf(want, sizeof(want), "RCPT TO:<%s>", m->rcpts[i].address);
		if (strcmp(line, want) == 0) {
			m->rcpts[i].sent = true;
			oracle_await(o, O_RCPT, m, &m->rcpts[i]);
			return;
		}
	}
	oracle_wrong("\"%s\" is not for this mail", line);
}

static void
on_starttls_line(struct oracle *o)
{
	if (o->secured || o->plan.options.tls == SMTP_CLEAR || !(o->ehlo.offers & EHLO_STARTTLS))
		oracle_wrong("STARTTLS that nobody wants");
	o->starttls = true;
	oracle_await(o, O_STARTTLS, NULL, NULL);
}

static void
on_auth_line(struct oracle *o, const char *line)
{
	char mechanism[32];

	snprintf(mechanism, sizeof(mechanism), "%.*s", (int)strcspn(line, " "), line);
	if (o->plan.options.auth == NULL || o->logged_in)
		oracle_wrong("AUTH without credentials");
	if (!o->secured && !o->plan.options.auth_in_clear)
		oracle_wrong("credentials in the clear");
	if (!ehlo_has_auth(&o->ehlo, mechanism))
		oracle_wrong("AUTH %s, which was not offered", mechanism);
	oracle_await(o, O_AUTH, NULL, NULL);
}

static void
on_response_line(struct oracle *o, const char *line)
{
	check_place(o, line);
	o->challenged = false;
	o->cancelled = strcmp(line, "*") == 0;
	oracle_await(o, O_RESPONSE, NULL, NULL);
}

static size_t
chunks_ahead(const struct oracle *o)
{
	size_t n = 0;

	for (size_t i = 0; i < o->nflight; i++)
		n += o->flight[i].what == O_DOT && o->flight[i].mail->chunked;
	return n;
}

static bool
awaits_rcpts(const struct oracle *o)
{
	for (size_t i = 0; i < o->nflight; i++)
		if (o->flight[i].what == O_RCPT && o->flight[i].mail == o->current)
			return true;
	return false;
}

/* RFC 2033 4.2 for LMTP. */
static void
await_end(struct oracle *o, struct oracle_mail *m)
{
	if (!o->plan.options.lmtp) {
		oracle_await(o, O_DOT, m, NULL);
		return;
	}
	for (size_t i = 0; i < o->plan.nrcpts; i++)
		if (m->rcpts[i].accepted)
			oracle_await(o, O_DOT, m, &m->rcpts[i]);
}

static void
on_bdat_line(struct oracle *o, const char *line)
{
	struct oracle_mail *m = o->current;
	char want[48];

	snprintf(want, sizeof(want), "%zu LAST", o->plan.body);
	if (m == NULL || strcmp(line, want) != 0)
		oracle_wrong("BDAT %s: of which message?", line);
	if (!o->plan.options.may_chunk || !(o->ehlo.offers & EHLO_CHUNKING) || !pipelining(o) ||
	    !o->plan.verbatim)
		oracle_wrong("BDAT, which must not be");
	if (awaits_rcpts(o) && (o->plan.options.lmtp || !o->bdat_works ||
				   (chunks_ahead(o) + 1) * o->plan.body > SMTP_AHEAD_BYTES))
		oracle_wrong("BDAT before anybody is known to want it");
	m->chunked = true;
	o->current = NULL;
	await_end(o, m);
	o->in_chunk = o->plan.body > 0 ? m : NULL;
	m->ended = o->plan.body == 0;
}

static void
on_mail_line(struct oracle *o, const char *line)
{
	if ((chunks_ahead(o) > 0 || o->needs_reset) && !o->reset)
		oracle_wrong("\"%s\" without RSET", line);
	o->needs_reset = false;
	o->last_mail = o->current = mail_by_path(o, line);
	o->current->mail_ok = false;
	oracle_await(o, O_MAIL, o->current, NULL);
}

static void
check_mail(const struct oracle *o)
{
	if (o->plan.options.tls == SMTP_TLS_MUST && !o->secured)
		oracle_wrong("mail without TLS");
	if (o->plan.options.auth != NULL && !o->logged_in)
		oracle_wrong("mail without a login");
}

static void
on_command(struct oracle *o, const char *line)
{
	check_place(o, line);
	if (strcmp(line, "STARTTLS") == 0) {
		on_starttls_line(o);
	} else if (strncmp(line, "AUTH ", 5) == 0) {
		on_auth_line(o, line + 5);
	} else if (strncmp(line, "EHLO ", 5) == 0 || strncmp(line, "HELO ", 5) == 0 ||
		   strncmp(line, "LHLO ", 5) == 0) {
		oracle_await(o, O_HELLO, NULL, NULL);
	} else if (strncmp(line, "MAIL ", 5) == 0) {
		check_mail(o);
		on_mail_line(o, line);
	} else if (strncmp(line, "RCPT ", 5) == 0) {
		on_rcpt_line(o, line);
	} else if (strcmp(line, "DATA") == 0) {
		oracle_await(o, O_DATA, o->current, NULL);
		o->current = NULL;
	} else if (strncmp(line, "BDAT ", 5) == 0) {
		on_bdat_line(o, line + 5);
	} else if (strcmp(line, "RSET") == 0) {
		oracle_await(o, O_RSET, NULL, NULL);
		o->current = NULL;
	} else if (strcmp(line, "QUIT") == 0) {
		if (o->nflight > 0)
			oracle_wrong("QUIT into a conversation");
		oracle_await(o, O_QUIT, NULL, NULL);
	} else {
		oracle_wrong("\"%s\" is no command", line);
	}
	o->reset = strcmp(line, "RSET") == 0;
}

static void
on_body_end(struct oracle *o)
{
	struct oracle_mail *m = o->in_body;

	o->in_body = NULL;
	m->ended = true;
	if (o->for_nobody && m->wired > 0)
		oracle_wrong("a message for nobody");
	if (!o->for_nobody && m->wired != o->plan.body)
		oracle_wrong("a message of %zu bytes ended after %zu", o->plan.body, m->wired);
	await_end(o, m);
}

static void
on_chunk_byte(struct oracle *o, char c)
{
	struct oracle_mail *m = o->in_chunk;

	if (o->hung_up || o->lost_count || o->leaving)
		oracle_wrong("more of a chunk after the end");
	if (c != o->body[m->wired])
		oracle_wrong("a chunk that is not the message's at %zu", m->wired);
	if (++m->wired == o->plan.body) {
		m->ended = true;
		o->in_chunk = NULL;
	}
}

static void
on_body_line(struct oracle *o, const char *line, size_t n)
{
	struct oracle_mail *m = o->in_body;

	if (o->hung_up || o->lost_count || o->leaving)
		oracle_wrong("more of a body after the end");
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
		oracle_wrong("a body that is not the message's at %zu", m->wired);
	m->wired += n + 2;
}

void
oracle_client_wrote(struct oracle *o, const char *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *line;
		size_t len;

		if (o->in_chunk != NULL) {
			on_chunk_byte(o, data[i]);
			continue;
		}
		buf_addc(&o->line, data[i]);
		line = buf_data(&o->line);
		len = buf_len(&o->line);
		if (len >= 2 && (data[i] == '\n') != (line[len - 2] == '\r'))
			oracle_wrong("a bare CR or LF on the wire");
		if (data[i] != '\n')
			continue;
		if (o->in_body != NULL) {
			on_body_line(o, line, len - 2);
		} else {
			char command[128];

			snprintf(command, sizeof(command), "%.*s", (int)len - 2, line);
			if (o->challenged && strcmp(command, "QUIT") != 0)
				on_response_line(o, command);
			else
				on_command(o, command);
		}
		buf_clear(&o->line);
	}
}

/* --- what the server's answers mean ----------------------------------------------------------- */

static bool
any_accepted(const struct oracle *o, const struct oracle_mail *m)
{
	for (size_t i = 0; i < o->plan.nrcpts; i++)
		if (m->rcpts[i].accepted)
			return true;
	return false;
}

static void
on_data_answer(struct oracle *o, struct oracle_mail *m, int code)
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
on_bdat_answer(struct oracle *o, struct oracle_mail *m, int code)
{
	bool wanted = any_accepted(o, m);
	bool address = code < 300 && strncmp(o->reply.enhanced, "2.1.", 4) == 0;

	if (code >= 500 && code <= 504 && (wanted || code != 503) &&
	    !(o->plan.options.lmtp && o->bdat_works)) {
		o->hung_up = true; /* it does not know BDAT */
		return;
	}
	if (m == o->in_chunk || (o->bdat_works && address)) {
		if (code >= 400)
			o->hung_up = true;
		else
			o->lost_count = true;
		return;
	}
	o->bdat_works |= wanted && code / 100 == 2 && !address;
	if ((code >= 400 || !wanted) && o->last_mail == m)
		o->needs_reset = true;
}

static void
on_dot_answer(struct oracle *o, const struct oracle_wire_command *c, int code)
{
	if (c->mail->chunked)
		on_bdat_answer(o, c->mail, code);
	for (size_t i = 0; i < o->plan.nrcpts && !o->lost_count; i++) {
		struct oracle_rcpt *r = &c->mail->rcpts[i];

		if (c->rcpt != NULL && c->rcpt != r)
			continue;
		r->end_answered = true;
		if (code / 100 == 2 && r->accepted)
			r->owed = true;
	}
}

static void
on_starttls_answer(struct oracle *o, int code)
{
	if (code == 220)
		o->securing = true;
	else
		o->hung_up = true;
}

static void
on_auth_answer(struct oracle *o, int code)
{
	if (code == 334 && !o->cancelled)
		o->challenged = true;
	else if (code == 235 && !o->cancelled)
		o->logged_in = true;
	else
		o->hung_up = true;
}

static void
on_answer(struct oracle *o, const struct oracle_wire_command *c, int code)
{
	if (c->what == O_STARTTLS) {
		on_starttls_answer(o, code);
		return;
	}
	if (c->what == O_AUTH || c->what == O_RESPONSE) {
		on_auth_answer(o, code);
		return;
	}
	if (code / 100 == 3 && c->what != O_DATA) {
		o->lost_count = true;
		return;
	}
	if (c->what == O_HELLO && code / 100 == 2)
		ehlo_parse(&o->ehlo, &o->reply);
	else if (c->what == O_MAIL)
		c->mail->mail_ok = code / 100 == 2;
	else if (c->what == O_RCPT) {
		c->rcpt->answered = true;
		c->rcpt->accepted = code / 100 == 2 && c->mail->mail_ok;
	} else if (c->what == O_DATA)
		on_data_answer(o, c->mail, code);
	else if (c->what == O_DOT)
		on_dot_answer(o, c, code);
}

void
oracle_server_said(struct oracle *o, const char *data, size_t n)
{
	while (n > 0 && !o->lost_count && !o->hung_up) {
		if (o->securing) {
			o->tampered = o->lost_count = true;
			return;
		}
		size_t took = reply_input(&o->reply, data, n);
		struct oracle_wire_command c;

		data += took;
		n -= took;
		if (o->reply.state == REPLY_BAD)
			o->lost_count = true;
		if (o->reply.state != REPLY_COMPLETE)
			continue;
		if (o->reply.code == 421) {
			o->hung_up = o->said_421 = true;
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
