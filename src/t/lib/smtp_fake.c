/* smtp_fake.c: the server's side of RFC 5321, RFC 2033 and RFC 3030, with a script in between. */
#include "smtp_fake.h"

#include <sys/socket.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "net_fake.h"
#include "vclock.h"

enum { BODY_MAX = 128 << 20, TEXT_MAX = 64 << 20, COMMAND_MAX = 2048 };

static const char usual_offers[] =
    "PIPELINING, SIZE 104857600, 8BITMIME, ENHANCEDSTATUSCODES, CHUNKING";

/* What to say, and when; after it perhaps the end. */
struct saying {
	struct list link;
	int64_t due_ms;
	bool close, reset, greeting;
	size_t len;
	char text[];
};

enum reading { COMMANDS, BODY, CHUNK };

struct talk { /* one connection */
	struct net_end end;
	struct smtp_fake *fake;
	unsigned number;
	struct list sayings;
	struct buf in;
	bool greeted, hello, esmtp, silent, closing;
	enum reading reading;
	bool body_begun;
	size_t chunk; /* bytes of it still to come */
	bool chunk_last;
	size_t line_len; /* of the body's current line */
	char last[4]; /* the body's last bytes, newest last */
	struct fake_message *mail; /* the open transaction */
};

static void complain(struct talk *t, const char *fmt, ...) LOG_PRINTF(2, 3);

static void
complain(struct talk *t, const char *fmt, ...)
{
	va_list ap;

	buf_addf(&t->fake->complaints, "%s, connection %u: ", t->fake->name, t->number);
	va_start(ap, fmt);
	buf_vaddf(&t->fake->complaints, fmt, ap);
	va_end(ap);
	buf_addc(&t->fake->complaints, '\n');
}

static bool
offers(const struct talk *t, const char *keyword)
{
	const char *p = t->fake->script.offers != NULL ? t->fake->script.offers : usual_offers;
	size_t n = strlen(keyword);

	while (t->esmtp && *p != '\0') {
		if (str_neqi(p, keyword, n) && (p[n] == '\0' || p[n] == ',' || p[n] == ' '))
			return true;
		p += strcspn(p, ",");
		p += strspn(p, ", ");
	}
	return false;
}

static void
message_free(struct fake_message *m)
{
	for (size_t i = 0; i < m->nrcpts; i++)
		free(m->rcpts[i]);
	free(m->rcpts);
	free(m->from);
	free(m->params);
	buf_free(&m->body);
	free(m);
}

static void
drop_mail(struct talk *t)
{
	if (t->mail != NULL)
		message_free(t->mail);
	t->mail = NULL;
}

/* --- saying things --- */

static void
say_at(struct talk *t, int64_t due_ms, const char *text, size_t n, const struct smtp_rule *end)
{
	struct saying *s = xcalloc(1, sizeof(*s) + n);

	s->due_ms = due_ms;
	s->close = end != NULL && end->close;
	s->reset = end != NULL && end->reset;
	s->len = n;
	if (n > 0)
		memcpy(s->text, text, n);
	list_add_tail(&t->sayings, &s->link);
	t->end.due_ms = list_item(t->sayings.next, struct saying, link)->due_ms;
}

/* One reply, as the rule wants it; replies never overtake each other. */
static void
say(struct talk *t, const struct smtp_rule *r, const char *text, size_t n)
{
	int64_t due = vclock_ms() + t->fake->script.latency_ms + (r != NULL ? r->delay_ms : 0);

	if (!list_empty(&t->sayings)) {
		int64_t before = list_item(t->sayings.prev, struct saying, link)->due_ms;

		if (before > due)
			due = before;
	}
	if (r == NULL || r->drip_ms == 0) {
		say_at(t, due, text, n, r);
		return;
	}
	for (size_t i = 0; i < n; i++)
		say_at(t, due + r->drip_ms * (int64_t)i, text + i, 1, i + 1 == n ? r : NULL);
}

/* A reply's first line into the transcript, its control characters made visible. */
static void
note(struct talk *t, char direction, const char *text, size_t n)
{
	char clean[512];

	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	str_clean(clean, sizeof(clean), text, n);
	buf_addf(&t->fake->transcript, "%u %c %s\n", t->number, direction, clean);
}

/*
 * Answers by the rule, or with `usual`. Returns whether it was accepted. A rule that says nothing
 * accepts only what it takes.
 */
static bool
answer_by(struct talk *t, const struct smtp_rule *r, const char *usual)
{
	const char *text = usual;
	size_t n = strlen(usual);
	bool mute;

	if (t->silent)
		return false;
	if (r != NULL && r->reply != NULL) {
		text = r->reply;
		n = r->reply_len;
	}
	mute = r != NULL && (r->silence || (r->reply == NULL && (r->close || r->reset || r->take)));
	if (r != NULL && r->stall)
		t->end.reading = false;
	if (mute)
		n = 0;
	else
		note(t, '<', text, n);
	if (r != NULL && (r->close || r->reset))
		t->closing = true;
	if (!mute || r->close || r->reset)
		say(t, r, text, n);
	if (r != NULL && (r->silence || t->closing))
		t->silent = true;
	return mute ? r->take : text[0] == '2' || text[0] == '3';
}

static bool
answer(struct talk *t, const char *on, const char *address, const char *usual)
{
	return answer_by(t, smtp_script_find(&t->fake->script, on, address, t->number), usual);
}

/* --- commands --- */

static void
cmd_hello(struct talk *t, const char *verb)
{
	const char *p = t->fake->script.offers != NULL ? t->fake->script.offers : usual_offers;
	struct buf text;
	bool ok;

	drop_mail(t);
	buf_init(&text, 1 << 16);
	t->esmtp = !str_eqi(verb, "HELO");
	if (!t->esmtp || *p == '\0')
		buf_addf(&text, "250 %s\r\n", t->fake->name);
	else
		buf_addf(&text, "250-%s\r\n", t->fake->name);
	while (t->esmtp && *p != '\0') {
		size_t n = strcspn(p, ",");
		const char *next = p + n + strspn(p + n, ", ");

		buf_addf(&text, "250%c%.*s\r\n", *next != '\0' ? '-' : ' ', (int)n, p);
		p = next;
	}
	ok = answer(t, verb, "", buf_str(&text));
	t->hello = t->hello || ok;
	t->esmtp = t->esmtp && ok;
	buf_free(&text);
}

/* "<path> PARAMS" into address[size]; returns the params, NULL when it is no path. */
static const char *
take_path(const char *arg, char *address, size_t size)
{
	const char *p, *end;
	bool quoted = false;

	if (*arg != '<')
		return NULL;
	for (p = arg + 1; *p != '\0' && (quoted || *p != '>'); p++) {
		if (*p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '"')
			quoted = !quoted;
	}
	end = p;
	if (*end != '>' || (size_t)(end - arg) > size)
		return NULL;
	memcpy(address, arg + 1, (size_t)(end - arg) - 1);
	address[end - arg - 1] = '\0';
	return end[1] == ' ' ? end + 2 : end + 1;
}

/* What was not offered must not be used (RFC 5321 4.1.1.11). */
static void
check_params(struct talk *t, const char *params)
{
	while (*params != '\0') {
		size_t n = strcspn(params, " ");

		if (!((str_neqi(params, "SIZE=", 5) && offers(t, "SIZE")) ||
			(str_neqi(params, "BODY=", 5) && offers(t, "8BITMIME")) ||
			(n == 8 && str_neqi(params, "SMTPUTF8", 8) && offers(t, "SMTPUTF8")) ||
			((str_neqi(params, "RET=", 4) || str_neqi(params, "ENVID=", 6)) &&
			    offers(t, "DSN"))))
			complain(t, "MAIL parameter that was not offered: %s", params);
		params += n;
		params += strspn(params, " ");
	}
}

static void
cmd_mail(struct talk *t, const char *arg)
{
	char address[COMMAND_MAX];
	const char *params =
	    str_neqi(arg, "FROM:", 5) ? take_path(arg + 5, address, COMMAND_MAX) : NULL;

	if (params == NULL) {
		complain(t, "not a reverse-path: %s", arg);
		answer(t, "MAIL", "", "501 5.5.4 syntax\r\n");
		return;
	}
	if (!t->hello)
		complain(t, "MAIL before EHLO was accepted");
	if (t->mail != NULL) {
		complain(t, "MAIL within a transaction");
		answer(t, "MAIL", address, "503 5.5.1 nested MAIL\r\n");
		return;
	}
	check_params(t, params);
	if (!answer(t, "MAIL", address, "250 2.1.0 sender ok\r\n"))
		return;
	t->mail = xcalloc(1, sizeof(*t->mail));
	t->mail->from = xstrdup(address);
	t->mail->params = xstrdup(params);
	t->mail->session = t->number;
	buf_init(&t->mail->body, BODY_MAX);
}

static void
cmd_rcpt(struct talk *t, const char *arg)
{
	char address[COMMAND_MAX];
	const char *params =
	    str_neqi(arg, "TO:", 3) ? take_path(arg + 3, address, COMMAND_MAX) : NULL;
	struct fake_message *m = t->mail;

	if (params == NULL) {
		complain(t, "not a forward-path: %s", arg);
		answer(t, "RCPT", "", "501 5.5.4 syntax\r\n");
		return;
	}
	if (m == NULL) {
		answer(t, "RCPT", "", "503 5.5.1 no MAIL\r\n");
		return;
	}
	if (*params != '\0' && !offers(t, "DSN"))
		complain(t, "RCPT parameter that was not offered: %s", params);
	if (!answer(t, "RCPT", address, "250 2.1.5 recipient ok\r\n"))
		return;
	m->rcpts = xgrow(m->rcpts, m->nrcpts, &m->cap, sizeof(*m->rcpts));
	m->rcpts[m->nrcpts++] = xstrdup(address);
}

static void
start_body(struct talk *t, enum reading how)
{
	t->reading = how;
	t->body_begun = false;
	t->line_len = 0;
	memcpy(t->last, "..\r\n", 4); /* as if behind a line: a lone dot at once ends it */
}

static void
cmd_data(struct talk *t)
{
	if (t->mail == NULL || t->mail->nrcpts == 0) {
		answer(t, "DATA", "", "503 5.5.1 no recipients\r\n");
		return;
	}
	if (answer(t, "DATA", "", "354 go ahead\r\n"))
		start_body(t, BODY);
}

/* RFC 3030: the chunk follows at once, whatever the reply will be. */
static void
cmd_bdat(struct talk *t, const char *arg)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (!offers(t, "CHUNKING"))
		complain(t, "BDAT was not offered");
	if (end == arg || (*end != '\0' && !str_eqi(end, " LAST")))
		complain(t, "BDAT syntax: %s", arg);
	if (t->reading != CHUNK && (t->mail == NULL || buf_len(&t->mail->body) == 0))
		start_body(t, CHUNK);
	t->reading = CHUNK;
	t->chunk = n;
	t->chunk_last = *end != '\0';
}

/* Takes the message, for those it was taken for. */
static void
end_of_data(struct talk *t)
{
	struct fake_message *m = t->mail;
	size_t kept = 0;
	bool taken = false;

	t->reading = COMMANDS;
	if (m == NULL || m->nrcpts == 0) {
		answer(t, "DOT", "", "503 5.5.1 no recipients\r\n");
		drop_mail(t);
		return;
	}
	if (!t->fake->lmtp)
		taken = answer(t, "DOT", m->from, "250 2.0.0 taken\r\n");
	for (size_t i = 0; t->fake->lmtp && i < m->nrcpts; i++) { /* RFC 2033 4.2 */
		if (answer(t, "DOT", m->rcpts[i], "250 2.0.0 taken\r\n"))
			m->rcpts[kept++] = m->rcpts[i];
		else
			free(m->rcpts[i]);
	}
	if (t->fake->lmtp) {
		m->nrcpts = kept;
		taken = kept > 0;
	}
	if (taken) {
		m->at_ms = vclock_ms();
		list_add_tail(&t->fake->messages, &m->link);
		t->fake->nmessages++;
		t->mail = NULL;
	}
	drop_mail(t);
}

static void
end_of_chunk(struct talk *t)
{
	if (t->chunk_last) {
		end_of_data(t);
		return;
	}
	t->reading = COMMANDS;
	if (t->mail == NULL || t->mail->nrcpts == 0)
		answer(t, "BDAT", "", "503 5.5.1 no recipients\r\n");
	else if (!answer(t, "BDAT", "", "250 2.0.0 chunk taken\r\n"))
		drop_mail(t);
}

/* Commands that must be the last of a group (RFC 2920 3.1). */
static void
check_group(struct talk *t, const char *verb)
{
	if (buf_len(&t->in) == 0)
		return;
	if (!offers(t, "PIPELINING"))
		complain(t, "more behind %s, and PIPELINING was not offered", verb);
	else if (str_eqi(verb, "EHLO") || str_eqi(verb, "HELO") || str_eqi(verb, "DATA") ||
		 str_eqi(verb, "STARTTLS") || str_eqi(verb, "AUTH") || str_eqi(verb, "QUIT"))
		complain(t, "more behind %s", verb);
}

static void
command(struct talk *t, const char *line)
{
	char verb[SMTP_SCRIPT_VERB_MAX];
	size_t n = strcspn(line, " ");
	const char *arg = line[n] == ' ' ? line + n + 1 : line + n;

	note(t, '>', line, strlen(line));
	if (n >= sizeof(verb))
		n = sizeof(verb) - 1;
	memcpy(verb, line, n);
	verb[n] = '\0';
	if (!str_eqi(verb, "BDAT"))
		check_group(t, verb);
	if (str_eqi(verb, "EHLO") || str_eqi(verb, "HELO") || str_eqi(verb, "LHLO")) {
		if (str_eqi(verb, "LHLO") != t->fake->lmtp)
			complain(t, "the wrong hello: %s", verb);
		cmd_hello(t, verb);
	} else if (str_eqi(verb, "MAIL"))
		cmd_mail(t, arg);
	else if (str_eqi(verb, "RCPT"))
		cmd_rcpt(t, arg);
	else if (str_eqi(verb, "DATA"))
		cmd_data(t);
	else if (str_eqi(verb, "BDAT"))
		cmd_bdat(t, arg);
	else if (str_eqi(verb, "RSET")) {
		if (answer(t, "RSET", "", "250 2.0.0 reset\r\n"))
			drop_mail(t);
	} else if (str_eqi(verb, "QUIT")) {
		static const struct smtp_rule leave = {.close = true};

		if (answer(t, "QUIT", "", "221 2.0.0 bye\r\n") && !t->closing)
			say(t, &leave, "", 0);
		t->silent = true;
	} else {
		if (!str_eqi(verb, "NOOP") && !str_eqi(verb, "STARTTLS") && !str_eqi(verb, "AUTH"))
			complain(t, "not a command: %s", line);
		answer(
		    t, verb, "", str_eqi(verb, "NOOP") ? "250 2.0.0 ok\r\n" : "502 5.5.1 no\r\n");
	}
}

/* --- bytes --- */

/* One command line out of the input; false: there is no whole one yet. */
static bool
read_command(struct talk *t)
{
	const char *data = buf_data(&t->in);
	const char *lf = memchr(data, '\n', buf_len(&t->in));
	char line[COMMAND_MAX];
	size_t n;

	if (lf == NULL)
		return false;
	n = (size_t)(lf - data);
	if (n == 0 || data[n - 1] != '\r' || memchr(data, '\r', n - 1) != NULL ||
	    memchr(data, '\0', n) != NULL)
		complain(t, "a line with a bare CR, LF or NUL");
	if (n >= sizeof(line)) {
		complain(t, "a command of %zu bytes", n);
		n = sizeof(line) - 1;
	}
	memcpy(line, data, n);
	line[n > 0 && data[n - 1] == '\r' ? n - 1 : n] = '\0';
	buf_consume(&t->in, (size_t)(lf - data) + 1);
	if (!t->greeted)
		complain(t, "spoke before the greeting: %s", line);
	command(t, line);
	return true;
}

static void
body_byte(struct talk *t, char c)
{
	bool was_cr = t->last[3] == '\r';

	if (t->mail != NULL && !(t->reading == BODY && c == '.' && t->line_len == 0))
		buf_addc(&t->mail->body, c);
	if ((c == '\n') != was_cr)
		complain(t, "a bare %s in the body", c == '\n' ? "LF" : "CR");
	t->line_len++;
	memmove(t->last, t->last + 1, 3);
	t->last[3] = c;
	if (c != '\n')
		return;
	if (t->line_len > 1000) /* RFC 5321 4.5.3.1.6 */
		complain(t, "a line of %zu bytes in the body", t->line_len);
	t->line_len = 0;
}

/* The body, its first dots taken away; the lone dot ends it. */
static bool
read_body(struct talk *t)
{
	const char *data = buf_data(&t->in);
	size_t i, n = buf_len(&t->in);

	if (n == 0)
		return false;
	if (!t->body_begun) {
		const struct smtp_rule *r =
		    smtp_script_find(&t->fake->script, "BODY", "", t->number);

		t->body_begun = true;
		if (r != NULL)
			answer_by(t, r, "421 4.3.0 not now\r\n");
	}
	for (i = 0; i < n; i++) {
		size_t left = n - i;

		/* Wait for the two bytes that tell a lone dot from a stuffed one. */
		if (t->line_len == 0 && data[i] == '.') {
			if (left >= 3 && data[i + 1] == '\r' && data[i + 2] == '\n') {
				buf_consume(&t->in, i + 3);
				end_of_data(t);
				return true;
			}
			if (left < 3)
				break;
		}
		body_byte(t, data[i]);
	}
	buf_consume(&t->in, i);
	return i > 0;
}

static bool
read_chunk(struct talk *t)
{
	size_t n = buf_len(&t->in) < t->chunk ? buf_len(&t->in) : t->chunk;

	for (size_t i = 0; i < n; i++)
		body_byte(t, buf_data(&t->in)[i]);
	buf_consume(&t->in, n);
	t->chunk -= n;
	if (t->chunk > 0)
		return false;
	end_of_chunk(t);
	return true;
}

static void
talk_free(struct talk *t)
{
	while (!list_empty(&t->sayings)) {
		struct saying *s = list_item(t->sayings.next, struct saying, link);

		list_remove(&s->link);
		free(s);
	}
	drop_mail(t);
	net_end_close(&t->end);
	buf_free(&t->in);
	t->fake->open--;
	free(t);
}

static struct talk *
talk_of(struct net_end *e)
{
	return (struct talk *)(void *)((char *)e - offsetof(struct talk, end));
}

static void
talk_input(struct net_end *e)
{
	struct talk *t = talk_of(e);
	static char bytes[65536];
	ssize_t n = recv(e->fd, bytes, sizeof(bytes), 0);

	if (n <= 0) {
		talk_free(t);
		return;
	}
	if (t->silent)
		return;
	buf_add(&t->in, bytes, (size_t)n);
	while (!t->silent && t->end.reading &&
	       (t->reading == COMMANDS  ? read_command(t)
		   : t->reading == BODY ? read_body(t)
					: read_chunk(t)))
		;
}

/* Says what is due; what the peer has no room for is tried again a moment later. */
static void
talk_due(struct net_end *e)
{
	struct talk *t = talk_of(e);

	while (!list_empty(&t->sayings)) {
		struct saying *s = list_item(t->sayings.next, struct saying, link);
		bool close = s->close, reset = s->reset;

		if (s->due_ms > vclock_ms()) {
			e->due_ms = s->due_ms;
			return;
		}
		if (s->len > 0 && send(e->fd, s->text, s->len, MSG_NOSIGNAL) < (ssize_t)s->len) {
			e->due_ms = vclock_ms() + 10;
			return;
		}
		t->greeted = true;
		list_remove(&s->link);
		free(s);
		if (reset)
			net_end_reset(e);
		if (close || reset) {
			talk_free(t);
			return;
		}
	}
}

static void
talk_accept(void *ctx, int fd, bool stream)
{
	struct smtp_fake *f = ctx;
	struct talk *t = xcalloc(1, sizeof(*t));
	char greeting[512];

	(void)stream;
	t->fake = f;
	t->number = ++f->sessions;
	if (++f->open > f->most_open)
		f->most_open = f->open;
	buf_init(&t->in, TEXT_MAX);
	list_init(&t->sayings);
	net_end_init(&t->end, fd);
	t->end.input = talk_input;
	t->end.due = talk_due;
	snprintf(greeting, sizeof(greeting), "220 %s ready\r\n", f->name);
	answer(t, "CONNECT", "", greeting);
}

struct smtp_fake *
smtp_fake_new(const char *name)
{
	struct smtp_fake *f = xcalloc(1, sizeof(*f));

	f->name = xstrdup(name);
	smtp_script_init(&f->script);
	list_init(&f->messages);
	buf_init(&f->complaints, TEXT_MAX);
	buf_init(&f->transcript, TEXT_MAX);
	return f;
}

void
smtp_fake_serve(struct smtp_fake *f, const char *address)
{
	net_fake_listen(address, talk_accept, f);
}
