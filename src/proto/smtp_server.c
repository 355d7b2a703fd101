/*
 * smtp_server.c: lines, the table of commands, replies, and the message.
 */
#include "proto/smtp_server.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "proto/smtp_server_impl.h"

enum {
	OUT_MAX = 64 * 1024,
	OUT_ENOUGH = 16 * 1024, /* no more commands are taken before it is written */
	RCPTS_BYTES_MAX = 4 * 1024 * 1024,
	TEXT_MAX = 400, /* of a reply: RFC 5321 4.5.3.1.5 has 512 for the line */
};

/* --- replies --- */

void
smtp_server_say(struct smtp_server *s, int code, const char *enhanced, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p != '\0'; p++)
		if (*p < ' ' || *p > '~') /* RFC 5321 4.2: textstring */
			*p = '?';
	buf_addf(&s->out, "%d %s%s%s\r\n", code, enhanced != NULL ? enhanced : "",
	    enhanced != NULL ? " " : "", text);
}

void
smtp_server_close(struct smtp_server *s, const char *enhanced, const char *text)
{
	smtp_server_say(s, 421, enhanced, "%s: %s", s->o.hostname, text);
	s->state = SMTP_SERVER_CLOSED;
}

void
smtp_server_fault(struct smtp_server *s, int code, const char *enhanced, const char *text)
{
	if (++s->errors > SMTP_SERVER_ERRORS_MAX)
		smtp_server_close(s, "4.7.0", "too many errors");
	else
		smtp_server_say(s, code, enhanced, "%s", text);
}

static void
end_transaction(struct smtp_server *s)
{
	s->mail = false;
	s->sender[0] = '\0';
	s->nrcpts = 0;
	buf_free(&s->rcpts);
}

/* --- commands --- */

/* Made of what a domain or an address literal is made of, the name can stand in a header. A client that does
 * not know its name is none to turn away (RFC 5321 4.1.4). */
static void
hello(struct smtp_server *s, const char *name)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789-._:[]";

	if (strlen(name) > SMTP_SERVER_NAME_MAX) {
		smtp_server_fault(s, 501, "5.5.4", "that is no name");
		return;
	}
	end_transaction(s);
	(void)str_copy(s->helo, sizeof(s->helo), name);
	for (char *p = s->helo; *p != '\0'; p++)
		if (strchr(safe, *p) == NULL)
			*p = '?';
	if (!s->esmtp) {
		smtp_server_say(s, 250, NULL, "%s", s->o.hostname);
		return;
	}
	buf_addf(&s->out, "250-%s\r\n250-PIPELINING\r\n", s->o.hostname);
	if (s->o.max_size > 0)
		buf_addf(&s->out, "250-SIZE %llu\r\n", (unsigned long long)s->o.max_size);
	else
		buf_adds(&s->out, "250-SIZE\r\n");
	buf_adds(&s->out, "250 ENHANCEDSTATUSCODES\r\n");
}

static void
on_ehlo(struct smtp_server *s, const char *name)
{
	s->esmtp = true;
	hello(s, name);
}

static void
on_helo(struct smtp_server *s, const char *name)
{
	s->esmtp = false;
	hello(s, name);
}

/* The message of one who does not wait for the answer would be read as commands: smtp_server_input(). */
static void
refuse_data(struct smtp_server *s)
{
	s->data_refused = true;
}

static void
on_data(struct smtp_server *s, const char *args)
{
	(void)args;
	if (s->mail && s->nrcpts > 0) {
		s->state = SMTP_SERVER_DATA;
		return;
	}
	refuse_data(s);
	if (s->mail)
		smtp_server_say(s, 554, "5.5.1", "no valid recipients");
	else
		smtp_server_fault(s, 503, "5.5.1", "MAIL comes first");
}

static void
on_rset(struct smtp_server *s, const char *args)
{
	(void)args;
	end_transaction(s);
	smtp_server_say(s, 250, "2.0.0", "Ok");
}

static void
on_noop(struct smtp_server *s, const char *args)
{
	(void)args;
	smtp_server_say(s, 250, "2.0.0", "Ok");
}

/* RFC 5321 3.5.3: that is known when it has been delivered. */
static void
on_vrfy(struct smtp_server *s, const char *args)
{
	(void)args;
	smtp_server_say(s, 252, "2.0.0", "send some mail, and it will be tried");
}

static void
on_help(struct smtp_server *s, const char *args)
{
	(void)args;
	smtp_server_say(s, 214, "2.0.0", "EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT");
}

static void
on_quit(struct smtp_server *s, const char *args)
{
	(void)args;
	end_transaction(s);
	s->quit = true;
	s->state = SMTP_SERVER_CLOSED;
	smtp_server_say(s, 221, "2.0.0", "%s: good bye", s->o.hostname);
}

static void
not_here(struct smtp_server *s, const char *args)
{
	(void)args;
	smtp_server_fault(s, 502, "5.5.1", "that command is not there");
}

/* Somebody who does not know to whom he speaks: a browser, say, whom a page has sent here with a form in
 * which there is mail. */
static void
stranger(struct smtp_server *s, const char *args)
{
	(void)args;
	smtp_server_close(s, "4.7.0", "this is SMTP");
}

enum args { NONE, SOME, ANY };

static const struct command {
	const char *verb;
	enum args args;
	void (*fn)(struct smtp_server *s, const char *args);
} commands[] = {
    {"EHLO", SOME, on_ehlo},
    {"HELO", SOME, on_helo},
    {"MAIL", SOME, smtp_server_mail},
    {"RCPT", SOME, smtp_server_rcpt},
    {"DATA", NONE, on_data},
    {"RSET", NONE, on_rset},
    {"NOOP", ANY, on_noop},
    {"VRFY", SOME, on_vrfy},
    {"HELP", ANY, on_help},
    {"QUIT", NONE, on_quit},
    {"EXPN", ANY, not_here},
    {"BDAT", ANY, not_here},
    {"AUTH", ANY, not_here},
    {"STARTTLS", ANY, not_here},
    {"ETRN", ANY, not_here},
    {"TURN", ANY, not_here},
    {"SEND", ANY, not_here},
    {"SOML", ANY, not_here},
    {"SAML", ANY, not_here},
    {"GET", ANY, stranger},
    {"HEAD", ANY, stranger},
    {"POST", ANY, stranger},
    {"PUT", ANY, stranger},
    {"OPTIONS", ANY, stranger},
    {"CONNECT", ANY, stranger},
};

static const struct command *
find_command(const char *verb, size_t n)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strlen(commands[i].verb) == n && str_neqi(verb, commands[i].verb, n))
			return &commands[i];
	return NULL;
}

/* A line without its end. RFC 5321 4.1.1: white space behind a command is none of it. */
static void
obey(struct smtp_server *s, char *line, size_t n)
{
	const struct command *c;
	const char *args;

	while (n > 0 && line[n - 1] == ' ')
		n--;
	line[n] = '\0';
	n = strcspn(line, " ");
	args = line + n + strspn(line + n, " ");
	c = find_command(line, n);
	if (c == NULL)
		smtp_server_fault(s, 500, "5.5.1", "unknown command");
	else if (s->o.refused && c->fn != on_quit)
		smtp_server_fault(s, 503, "5.7.1", "mail is taken from this machine alone");
	else if (c->args == NONE && args[0] != '\0')
		smtp_server_fault(s, 501, "5.5.4", "nothing may stand behind that command");
	else if (c->args == SOME && args[0] == '\0')
		smtp_server_fault(s, 501, "5.5.4", "something must stand behind that command");
	else
		c->fn(s, args);
}

static bool
has_control(const char *p, size_t n)
{
	for (; n > 0; p++, n--)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return true;
	return false;
}

static void
end_line(struct smtp_server *s)
{
	size_t n = s->nline;
	bool too_long = s->line_too_long;

	s->nline = 0;
	s->line_too_long = false;
	if (too_long)
		smtp_server_fault(s, 500, "5.5.2", "line too long");
	else if (n < 2 || s->line[n - 2] != '\r')
		smtp_server_fault(
		    s, 500, "5.5.2", "a line ends with CR LF, and this one with LF alone");
	else if (has_control(s->line, n - 2))
		smtp_server_fault(s, 500, "5.5.2", "control character in a command");
	else
		obey(s, s->line, n - 2);
}

static size_t
take_line(struct smtp_server *s, const char *data, size_t n)
{
	const char *eol = memchr(data, '\n', n);
	size_t part = eol != NULL ? (size_t)(eol - data) + 1 : n;

	if (part > sizeof(s->line) - s->nline) {
		s->line_too_long = true;
		s->nline = 0;
	}
	if (!s->line_too_long) {
		memcpy(s->line + s->nline, data, part);
		s->nline += part;
	}
	if (eol != NULL)
		end_line(s);
	return part;
}

/*
 * RFC 2920 3.1: DATA is the last of a group. Whoever goes on behind one that is refused, without having seen
 * the answer, sends a message, and whoever wrote that must not command us.
 */
size_t
smtp_server_input(struct smtp_server *s, const char *data, size_t n)
{
	size_t taken = 0;

	while (taken < n && s->state == SMTP_SERVER_COMMAND && buf_len(&s->out) < OUT_ENOUGH) {
		if (s->data_refused)
			smtp_server_close(s, "4.7.0", "a message that was not asked for");
		else
			taken += take_line(s, data + taken, n - taken);
	}
	return taken;
}

/* --- the message --- */

enum { START, DOT, DOT_CR, MIDDLE, CR };

/* Bytes that mean nothing where they are: up to the next CR or LF. Not so many that looking for the one costs
 * when the other comes often. */
static size_t
plain(const char *p, size_t n)
{
	enum { RUN_MAX = 512 };
	const char *at;

	if (n > RUN_MAX)
		n = RUN_MAX;
	if ((at = memchr(p, '\n', n)) != NULL)
		n = (size_t)(at - p);
	if ((at = memchr(p, '\r', n)) != NULL)
		n = (size_t)(at - p);
	return n;
}

/* One byte at the start or the end of a line; what goes out of it, at most two bytes. */
static size_t
step(struct smtp_server *s, char c, char *out)
{
	int was = s->at;

	s->at = c == '\r' ? CR : MIDDLE;
	if (c == '\n') {
		if (was == DOT_CR) {
			s->state = SMTP_SERVER_END;
		} else if (was == CR) {
			s->at = START;
			memcpy(out, "\r\n", 2);
			return 2;
		}
		s->bare = s->bare || was != DOT_CR;
		return 0;
	}
	if (was == CR || was == DOT_CR)
		s->bare = true;
	if (c == '.' && was == START) {
		s->at = DOT;
		return 0;
	}
	if (c == '\r') {
		if (was == DOT)
			s->at = DOT_CR;
		return 0;
	}
	*out = c;
	return 1;
}

static void
end_text(struct smtp_server *s)
{
	if (s->bare)
		smtp_server_answer(s, 550, "5.5.2",
		    "a line ends with CR LF, and the message has one of them alone");
}

size_t
smtp_server_text(
    struct smtp_server *s, const char *data, size_t n, char *out, size_t size, size_t *nout)
{
	size_t taken = 0, part, room;

	*nout = 0;
	while (taken < n && s->state == SMTP_SERVER_TEXT && (room = size - *nout) >= 2) {
		if (s->at == MIDDLE && (part = plain(data + taken, n - taken)) > 0) {
			if (part > room)
				part = room;
			memcpy(out + *nout, data + taken, part);
			taken += part;
			*nout += part;
		} else {
			*nout += step(s, data[taken++], out + *nout);
		}
	}
	if (s->bare)
		*nout = 0;
	if (s->state == SMTP_SERVER_END)
		end_text(s);
	return taken;
}

void
smtp_server_invite(struct smtp_server *s)
{
	smtp_server_say(s, 354, NULL, "End data with <CR><LF>.<CR><LF>");
	s->state = SMTP_SERVER_TEXT;
	s->at = START;
	s->bare = false;
}

void
smtp_server_answer(struct smtp_server *s, int code, const char *enhanced, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (s->state == SMTP_SERVER_DATA)
		refuse_data(s);
	if (code / 100 == 2)
		s->errors = 0;
	end_transaction(s);
	s->state = SMTP_SERVER_COMMAND;
	smtp_server_say(s, code, enhanced, "%s", text);
}

/* --- the whole --- */

void
smtp_server_sent(struct smtp_server *s, size_t n)
{
	buf_consume(&s->out, n);
	if (buf_len(&s->out) == 0)
		s->data_refused = false;
}

void
smtp_server_init(struct smtp_server *s, const struct smtp_server_options *o)
{
	memset(s, 0, sizeof(*s));
	s->o = *o;
	buf_init(&s->out, OUT_MAX);
	buf_init(&s->rcpts, RCPTS_BYTES_MAX);
	if (o->refused)
		smtp_server_say(
		    s, 554, NULL, "%s: mail is taken from this machine alone", o->hostname);
	else
		smtp_server_say(s, 220, NULL, "%s ESMTP sortie", o->hostname);
}

void
smtp_server_free(struct smtp_server *s)
{
	buf_free(&s->out);
	buf_free(&s->rcpts);
}
