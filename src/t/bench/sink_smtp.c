/* sink_smtp.c: the conversation, RFC 5321 as far as a client that means well can tell. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "sink.h"

/* The address between < and >, at most up to the end of the line. */
static const char *
path(const char *line, size_t n, size_t *len)
{
	const char *open = memchr(line, '<', n), *close;

	if (open == NULL || (close = memchr(open, '>', n - (size_t)(open - line))) == NULL)
		return NULL;
	*len = (size_t)(close - open) - 1;
	return open + 1;
}

static void
reset(struct client *c)
{
	c->mail = false;
	c->rcpts = 0;
	c->message_id[0] = '\0';
	buf_clear(&c->recipients);
}

void
smtp_start(struct client *c)
{
	c->state = COMMAND;
	reset(c);
	if (c->from->implicit)
		tls_begin(c);
	else
		client_reply(c, "220 sink ESMTP\r\n");
}

/* --- the record --- */

/* One write for the whole message, so that a reader never sees half of it. */
static void
record(const struct client *c)
{
	const char *at = buf_data(&c->recipients), *end = at + buf_len(&c->recipients), *nl;
	const char *id = c->message_id[0] != '\0' ? c->message_id : "-";
	struct buf lines;

	buf_init(&lines, 2 * c->recipients.max);
	if (c->from->name != NULL)
		buf_addf(&lines, "%s %s %s%s\n", c->from->name, c->peer != NULL ? "tls" : "clear",
		    id, c->auth ? " auth" : "");
	for (; c->from->name == NULL && at < end; at = nl + 1) {
		nl = memchr(at, '\n', (size_t)(end - at));
		buf_addf(&lines, "%s ", id);
		buf_add(&lines, at, (size_t)(nl - at) + 1);
	}
	if (lines.overflow ||
	    write(opt.record, buf_data(&lines), buf_len(&lines)) != (ssize_t)buf_len(&lines))
		die(EX_IOERR, "cannot write the record: %s", strerror(errno));
	buf_free(&lines);
}

static void
end_of_data(struct client *c)
{
	if (opt.record >= 0)
		record(c);
	count->recipients += c->rcpts;
	count->last_ns = now_ns();
	if (!c->from->tarpit && !c->from->grey) {
		count->good_ns = count->last_ns;
		count->good++;
	}
	count->messages++;
	reset(c);
	c->state = COMMAND;
	client_reply(c, "250 2.0.0 taken\r\n");
}

/* --- commands --- */

static void
on_ehlo(struct client *c)
{
	reset(c);
	client_reply(c, "250-sink\r\n");
	if (tls_offered(c))
		client_reply(c, "250-STARTTLS\r\n");
	if (opt.auth != NULL)
		client_reply(c, "250-AUTH PLAIN\r\n");
	if (!opt.no_pipelining)
		client_reply(c, "250-PIPELINING\r\n");
	if (opt.chunking)
		client_reply(c, "250-CHUNKING\r\n");
	client_reply(c, "250-8BITMIME\r\n250-SIZE 104857600\r\n250 ENHANCEDSTATUSCODES\r\n");
}

static void
on_mail(struct client *c)
{
	reset(c);
	c->mail = true;
	if (count->mail_ns == 0)
		count->mail_ns = now_ns();
	client_hold(c);
	client_reply(c, "250 2.1.0 ok\r\n");
}

static const char *
on_rcpt(struct client *c, const char *line, size_t n)
{
	const char *address;
	size_t len;

	if (!c->mail)
		return "503 5.5.1 MAIL first\r\n";
	if ((address = path(line, n, &len)) == NULL)
		return "501 5.1.3 no address\r\n";
	if (opt.reject)
		return "550 5.1.1 no such user\r\n";
	if (c->from->grey && !grey_seen(address, len))
		return "451 4.7.1 greylisted, try again\r\n";
	c->rcpts++;
	if (opt.record >= 0) {
		buf_add(&c->recipients, address, len);
		buf_addc(&c->recipients, '\n');
	}
	return "250 2.1.5 ok\r\n";
}

static const char *
on_data(struct client *c)
{
	if (c->rcpts == 0)
		return "554 5.5.1 no valid recipients\r\n";
	c->state = HEADER;
	return "354 go on\r\n";
}

/* BDAT SP size [SP LAST], RFC 3030 2. The octets come whether we want them or not. */
static void
on_bdat(struct client *c, const char *line, size_t n)
{
	char size[32];
	size_t digits;

	str_copy(size, sizeof(size), "");
	snprintf(size, sizeof(size), "%.*s", (int)n - 5, line + 5);
	digits = strcspn(size, " ");
	if (!str_u64n(size, digits, UINT64_MAX, &c->chunk)) {
		client_reply(c, "501 5.5.4 no size\r\n");
		c->quit = true; /* nobody knows where the next command begins */
		return;
	}
	c->last = size[digits] != '\0';
	c->state = CHUNK;
}

static const char *
on_auth(struct client *c, const char *line, size_t n)
{
	if (opt.auth == NULL)
		return "502 5.5.1 no\r\n";
	c->auth = n == 11 + strlen(opt.auth) && memcmp(line + 11, opt.auth, n - 11) == 0;
	return c->auth ? "235 2.7.0 welcome\r\n" : "535 5.7.8 no\r\n";
}

static void
on_starttls(struct client *c)
{
	bool refused = c->from->name != NULL && strcmp(c->from->name, "refused") == 0;

	if (!tls_offered(c))
		client_reply(c, "502 5.5.1 no\r\n");
	else if (refused)
		client_reply(c, "454 4.7.0 not now\r\n");
	else {
		client_reply(c, "220 2.0.0 go on\r\n");
		tls_begin(c);
	}
}

static bool
is(const char *line, size_t n, const char *verb)
{
	size_t len = strlen(verb);

	return n >= len && strncasecmp(line, verb, len) == 0;
}

static void
other_command(struct client *c, const char *line, size_t n)
{
	char text[40];

	if (is(line, n, "HELO"))
		client_reply(c, "250 sink\r\n");
	else if (is(line, n, "STARTTLS"))
		on_starttls(c);
	else if (is(line, n, "AUTH PLAIN "))
		client_reply(c, on_auth(c, line, n));
	else if (is(line, n, "NOOP"))
		client_reply(c, "250 2.0.0 ok\r\n");
	else if (is(line, n, "XSINK")) {
		snprintf(
		    text, sizeof(text), "250 %llu others\r\n", (unsigned long long)count->open - 1);
		client_reply(c, text);
	} else
		client_reply(c, "500 5.5.2 what?\r\n");
}

static void
on_command(struct client *c, const char *line, size_t n)
{
	count->commands++;
	if (is(line, n, "MAIL"))
		on_mail(c);
	else if (is(line, n, "RCPT"))
		client_reply(c, on_rcpt(c, line, n));
	else if (is(line, n, "DATA"))
		client_reply(c, on_data(c));
	else if (opt.chunking && is(line, n, "BDAT "))
		on_bdat(c, line, n);
	else if (is(line, n, "RSET")) {
		reset(c);
		client_reply(c, "250 2.0.0 ok\r\n");
	} else if (is(line, n, "QUIT")) {
		c->quit = true;
		client_reply(c, "221 2.0.0 bye\r\n");
	} else if (is(line, n, "EHLO"))
		on_ehlo(c);
	else
		other_command(c, line, n);
}

/* --- content --- */

static void
on_header(struct client *c, const char *line, size_t n)
{
	static const char name[] = "Message-ID:";

	if (n == 0)
		c->state = BODY;
	else if (is(line, n, name)) {
		const char *id = line + strlen(name);

		n -= strlen(name);
		while (n > 0 && *id == ' ') {
			id++;
			n--;
		}
		snprintf(c->message_id, sizeof(c->message_id), "%.*s", (int)n, id);
	}
}

/* The identifier, if it stands in the piece's whole lines; clients' chunks are larger than that. */
static void
look_for_id(struct client *c, const char *data, size_t n)
{
	const char *end = data + n, *nl;
	enum client_state state = c->state;

	for (; (nl = memchr(data, '\n', (size_t)(end - data))) != NULL; data = nl + 1) {
		size_t len = (size_t)(nl - data);

		on_header(c, data, len > 0 && data[len - 1] == '\r' ? len - 1 : len);
		if (c->message_id[0] != '\0' || c->state == BODY)
			break;
	}
	c->state = state;
}

static void
end_of_chunk(struct client *c)
{
	c->state = COMMAND;
	if (c->rcpts == 0) {
		client_reply(
		    c, c->mail ? "554 5.5.1 no valid recipients\r\n" : "503 5.5.1 MAIL first\r\n");
	} else if (c->last)
		end_of_data(c);
	else
		client_reply(c, "250 2.0.0 ok\r\n");
}

static size_t
chunk_input(struct client *c, const char *data, size_t n)
{
	size_t piece = n < c->chunk ? n : (size_t)c->chunk;

	if (opt.record >= 0 && c->message_id[0] == '\0')
		look_for_id(c, data, piece);
	count->bytes += piece;
	c->chunk -= piece;
	if (c->chunk == 0)
		end_of_chunk(c);
	return piece;
}

size_t
smtp_input(struct client *c, const char *data, size_t n)
{
	size_t at = 0;

	while (
	    !c->quit && c->state != SHAKING && (at < n || (c->state == CHUNK && c->chunk == 0))) {
		const char *line = data + at, *nl;
		size_t len, text;

		if (c->state == CHUNK) {
			at += chunk_input(c, line, n - at);
			continue;
		}
		if ((nl = memchr(line, '\n', n - at)) == NULL)
			break;
		len = (size_t)(nl - line);
		text = len > 0 && line[len - 1] == '\r' ? len - 1 : len;
		at += len + 1;
		if (c->state == COMMAND) {
			on_command(c, line, text);
			continue;
		}
		count->bytes += len + 1;
		if (line[0] == '.' && len == 2 && text == 1) /* CRLF alone, RFC 5321 4.1.1.4 */
			end_of_data(c);
		else if (c->state == HEADER)
			on_header(c, line, text);
	}
	return at;
}
