/* smtp_fake.c: connections of the scripted server: bytes, and TLS beneath them. */
#include "smtp_fake_impl.h"

#include <sys/socket.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "vclock.h"

/* What to say, and when; after it perhaps the end. */
struct saying {
	struct list link;
	int64_t due_ms;
	bool close, reset, half_close;
	size_t len;
	char text[];
};

void
talk_complain(struct talk *t, const char *fmt, ...)
{
	va_list ap;

	buf_addf(&t->fake->complaints, "%s, connection %u: ", t->fake->name, t->number);
	va_start(ap, fmt);
	buf_vaddf(&t->fake->complaints, fmt, ap);
	va_end(ap);
	buf_addc(&t->fake->complaints, '\n');
}

/* --- saying things --- */

static void
say_at(struct talk *t, int64_t due_ms, const char *text, size_t n, const struct smtp_rule *end)
{
	struct saying *s = xcalloc(1, sizeof(*s) + n);

	s->due_ms = due_ms;
	s->close = end != NULL && end->close;
	s->reset = end != NULL && end->reset;
	s->half_close = end != NULL && end->half_close;
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

void
talk_note(struct talk *t, char direction, const char *text, size_t n)
{
	char clean[512];

	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	str_clean(clean, sizeof(clean), text, n);
	buf_addf(&t->fake->transcript, "%u %c %s\n", t->number, direction, clean);
}

bool
talk_answer_by(struct talk *t, const struct smtp_rule *r, const char *usual)
{
	const char *text = usual;
	size_t n = strlen(usual);
	bool ends = r != NULL && (r->close || r->reset || r->half_close), mute;

	t->said = 0;
	if (t->silent)
		return false;
	if (r != NULL && r->reply != NULL) {
		text = r->reply;
		n = r->reply_len;
	}
	mute = r != NULL && (r->silence || (r->reply == NULL && (ends || r->take)));
	if (r != NULL && r->stall)
		t->end.reading = false;
	if (mute)
		n = 0;
	else
		talk_note(t, '<', text, n);
	if (ends)
		t->closing = true;
	if (!mute || ends)
		say(t, r, text, n);
	if (r != NULL && (r->silence || t->closing))
		t->silent = true;
	t->said = mute ? 0 : text[0];
	return mute ? r->take : text[0] == '2' || text[0] == '3';
}

bool
talk_answer(struct talk *t, const char *on, const char *address, const char *usual)
{
	return talk_answer_by(t, smtp_script_find(&t->fake->script, on, address, t->number), usual);
}

void
talk_hang_up(struct talk *t)
{
	static const struct smtp_rule leave = {.close = true};

	if (!t->closing)
		say(t, &leave, "", 0);
	t->silent = true;
}

/* --- bytes --- */

/* One command line out of the input; false: there is no whole one yet. */
static bool
read_command(struct talk *t)
{
	const char *data = buf_data(&t->in);
	const char *lf = memchr(data, '\n', buf_len(&t->in));
	char line[FAKE_COMMAND_MAX];
	size_t n;

	if (lf == NULL)
		return false;
	n = (size_t)(lf - data);
	if (n == 0 || data[n - 1] != '\r' || memchr(data, '\r', n - 1) != NULL ||
	    memchr(data, '\0', n) != NULL)
		talk_complain(t, "a line with a bare CR, LF or NUL");
	if (n >= sizeof(line)) {
		talk_complain(t, "a command of %zu bytes", n);
		n = sizeof(line) - 1;
	}
	memcpy(line, data, n);
	line[n > 0 && data[n - 1] == '\r' ? n - 1 : n] = '\0';
	buf_consume(&t->in, (size_t)(lf - data) + 1);
	if (!t->greeted)
		talk_complain(t, "spoke before the greeting: %s", line);
	if (t->reading == RESPONSE)
		fake_response(t, line);
	else
		fake_command(t, line);
	return true;
}

static void
body_byte(struct talk *t, char c)
{
	bool was_cr = t->last[3] == '\r';

	if (t->mail != NULL && !(t->reading == BODY && c == '.' && t->line_len == 0))
		buf_addc(&t->mail->body, c);
	if ((c == '\n') != was_cr)
		talk_complain(t, "a bare %s in the body", c == '\n' ? "LF" : "CR");
	t->line_len++;
	memmove(t->last, t->last + 1, 3);
	t->last[3] = c;
	if (c != '\n')
		return;
	if (t->line_len > 1000) /* RFC 5321 4.5.3.1.6 */
		talk_complain(t, "a line of %zu bytes in the body", t->line_len);
	t->line_len = 0;
}

/* What the script has to say to its first byte. */
static void
begin_body(struct talk *t)
{
	const struct smtp_rule *r;

	if (t->body_begun)
		return;
	t->body_begun = true;
	r = smtp_script_find(&t->fake->script, "BODY", "", t->number);
	if (r == NULL)
		return;
	talk_answer_by(t, r, "421 4.3.0 not now\r\n");
	t->chunk_answered = true;
}

/* The body, its first dots taken away; the lone dot ends it. */
static bool
read_body(struct talk *t)
{
	const char *data = buf_data(&t->in);
	size_t i, n = buf_len(&t->in);

	if (n == 0)
		return false;
	begin_body(t);
	for (i = 0; i < n; i++) {
		size_t left = n - i;

		/* Wait for the two bytes that tell a lone dot from a stuffed one. */
		if (t->line_len == 0 && data[i] == '.') {
			if (left >= 3 && data[i + 1] == '\r' && data[i + 2] == '\n') {
				buf_consume(&t->in, i + 3);
				fake_end_of_data(t);
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

	if (n > 0)
		begin_body(t);
	for (size_t i = 0; i < n; i++)
		body_byte(t, buf_data(&t->in)[i]);
	buf_consume(&t->in, n);
	t->chunk -= n;
	if (t->chunk > 0)
		return false;
	fake_end_of_chunk(t);
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
	fake_forget(t);
	tls_peer_free(&t->tls);
	net_end_close(&t->end);
	buf_free(&t->in);
	buf_free(&t->offered);
	t->fake->open--;
	free(t);
}

static struct talk *
talk_of(struct net_end *e)
{
	return (struct talk *)(void *)((char *)e - offsetof(struct talk, end));
}

/* --- TLS --- */

/* The server that has the script's certificate; remade when another one is wanted. */
static struct tls_server *
tls_of(struct smtp_fake *f)
{
	char path[512];
	struct tls_server_options o = {.pem = path};

	if (f->tls != NULL && strcmp(f->tls_cert, f->script.tls) == 0)
		return f->tls;
	tls_server_free(&f->tls);
	free(f->tls_cert);
	f->tls_cert = xstrdup(f->script.tls);
	snprintf(path, sizeof(path), "%s/%s.pem", f->certs, f->script.tls);
	f->tls = tls_server_new(&o);
	return f->tls;
}

static void
greet(struct talk *t)
{
	char greeting[512];

	snprintf(greeting, sizeof(greeting), "220 %s ready\r\n", t->fake->name);
	talk_answer(t, "CONNECT", "", greeting);
}

static void
secured(struct talk *t)
{
	char text[300];
	bool resumed = tls_peer_resumed(t->tls);

	snprintf(
	    text, sizeof(text), "TLS, SNI %s%s", tls_peer_sni(t->tls), resumed ? ", resumed" : "");
	talk_note(t, '=', text, strlen(text));
	if (resumed)
		t->fake->resumed++;
	else
		t->fake->handshakes++;
	t->shaking = false;
	t->secured = true;
	if (t->fake->script.tls_first)
		greet(t);
}

/* The client shakes hands. false: it came to nothing. */
static bool
shake_hands(struct talk *t)
{
	const struct smtp_rule *r;
	char text[300];
	int rc;

	if (t->tls == NULL) {
		r = smtp_script_find(&t->fake->script, "HANDSHAKE", "", t->number);
		if (r != NULL) { /* in the clear, and then no more */
			t->shaking = false;
			talk_answer_by(t, r, "");
			t->silent = true;
			return true;
		}
		t->tls = tls_peer_new(tls_of(t->fake), t->end.fd);
	}
	rc = tls_peer_accept(t->tls);
	if (rc == 1)
		secured(t);
	if (rc != -1)
		return true;
	snprintf(text, sizeof(text), "no TLS: %s", tls_peer_error(t->tls));
	talk_note(t, '=', text, strlen(text));
	return false;
}

/* --- being called --- */

static ssize_t
receive(struct talk *t, void *bytes, size_t n)
{
	return t->tls != NULL ? tls_peer_recv(t->tls, bytes, n) : recv(t->end.fd, bytes, n, 0);
}

static ssize_t
transmit(struct talk *t, const void *bytes, size_t n)
{
	return t->tls != NULL ? tls_peer_send(t->tls, bytes, n)
			      : send(t->end.fd, bytes, n, MSG_NOSIGNAL);
}

/* What was read means something. */
static void
digest(struct talk *t)
{
	while (!t->silent && !t->shaking && t->end.reading &&
	       (t->reading == BODY       ? read_body(t)
		   : t->reading == CHUNK ? read_chunk(t)
					 : read_command(t)))
		;
}

static void
talk_input(struct net_end *e)
{
	struct talk *t = talk_of(e);
	static char bytes[65536];
	ssize_t n;

	if (t->shaking && !shake_hands(t)) {
		talk_free(t);
		return;
	}
	/* All there is: what TLS has read already no poll(2) reports. */
	while (!t->shaking) {
		n = receive(t, bytes, sizeof(bytes));
		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n <= 0) {
			talk_free(t);
			return;
		}
		if (t->silent)
			continue;
		buf_add(&t->in, bytes, (size_t)n);
		digest(t);
		if (!t->end.reading)
			return;
	}
}

/* Says what is due; what the peer has no room for is tried again a moment later. */
static void
talk_due(struct net_end *e)
{
	struct talk *t = talk_of(e);

	while (!list_empty(&t->sayings)) {
		struct saying *s = list_item(t->sayings.next, struct saying, link);
		bool close = s->close, reset = s->reset, half_close = s->half_close;

		if (s->due_ms > vclock_ms()) {
			e->due_ms = s->due_ms;
			return;
		}
		if (s->len > 0 && transmit(t, s->text, s->len) < (ssize_t)s->len) {
			e->due_ms = vclock_ms() + 10;
			return;
		}
		t->greeted = true;
		list_remove(&s->link);
		free(s);
		if (half_close) {
			if (t->secured)
				tls_peer_close_notify(t->tls);
			shutdown(e->fd, SHUT_WR);
		}
		if (reset)
			net_end_reset(e);
		if (close || reset) {
			if (close && t->secured)
				tls_peer_close_notify(t->tls);
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

	(void)stream;
	t->fake = f;
	t->number = ++f->sessions;
	if (++f->open > f->most_open)
		f->most_open = f->open;
	buf_init(&t->in, FAKE_TEXT_MAX);
	buf_init(&t->offered, 1 << 16);
	list_init(&t->sayings);
	net_end_init(&t->end, fd);
	t->end.input = talk_input;
	t->end.due = talk_due;
	t->shaking = f->script.tls_first;
	if (!t->shaking)
		greet(t);
}

struct smtp_fake *
smtp_fake_new(const char *name)
{
	struct smtp_fake *f = xcalloc(1, sizeof(*f));

	f->name = xstrdup(name);
	smtp_script_init(&f->script);
	list_init(&f->messages);
	buf_init(&f->complaints, FAKE_TEXT_MAX);
	buf_init(&f->transcript, FAKE_TEXT_MAX);
	return f;
}

void
smtp_fake_serve(struct smtp_fake *f, const char *address)
{
	net_fake_listen(address, talk_accept, f);
}
