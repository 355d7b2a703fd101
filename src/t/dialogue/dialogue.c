/* dialogue.c: the dialogue runner. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "t/dialogue/dialogue_impl.h"

void
dialogue_fail(struct play *p, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (p->failed)
		return;
	p->failed = true;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(p->why, p->why_size, "%s:%u (%zu bytes at a time): %s", p->path, p->line, p->chunk,
	    text);
}

/* --- the caller's side of the engine --------------------------------------------------------- */

static struct mail *
mail_of(struct play *p, unsigned number)
{
	for (size_t i = 0; i < p->handed; i++)
		if (p->mails[i].number == number)
			return &p->mails[i];
	bug("an event about unknown mail");
}

static void
give_body(struct play *p, const struct smtp_event *e)
{
	struct mail *m = mail_of(p, e->mail);
	size_t left = buf_len(&m->body) - m->given;

	if (m->fails) {
		smtp_body_failed(p->s, e->mail, "Input/output error");
		return;
	}
	if (m->is_short && left > 0)
		left--;
	if (left > e->want)
		left = e->want;
	smtp_body(p->s, e->mail, buf_data(&m->body) + m->given, left);
	m->given += left;
}

static void
add_verdict(struct buf *b, const struct verdict *v)
{
	static const char *const fates[] = {"sent", "retry", "fail"};
	static const char *const scopes[] = {"rcpt", "msg", "host", "route"};
	char line[VERDICT_TEXT_MAX + 64];

	if (v == NULL)
		return;
	buf_addf(
	    b, " %s %s %s", fates[v->fate], scopes[v->scope], verdict_line(v, line, sizeof(line)));
	if (v->doing != NULL)
		buf_addf(b, " [%s]", v->doing);
}

static void
on_event(struct play *p, const struct smtp_event *e)
{
	struct buf *b = &p->events;
	size_t before = buf_len(b);
	const struct mail *m;

	switch (e->type) {
	case SMTP_STARTTLS:
		buf_adds(b, "starttls");
		break;
	case SMTP_READY:
		buf_adds(b, "ready");
		break;
	case SMTP_SETTLED:
		m = mail_of(p, e->mail);
		buf_addf(b, "settled m%u %s", e->mail, m->rcpts[e->rcpt]);
		break;
	case SMTP_BODY:
		give_body(p, e);
		return;
	case SMTP_DONE:
		buf_addf(b, "done m%u%s", e->mail, e->again ? " again" : "");
		if (e->taken > 0)
			buf_addf(b, " taken=%zu", e->taken);
		break;
	case SMTP_CLOSE:
		buf_addf(b, "close%s%s%s%s", e->benign ? " benign" : "",
		    e->behind_dot ? " behind-dot" : "", e->tls_failed ? " tls-failed" : "",
		    e->chunking_failed ? " chunking-failed" : "");
		break;
	case SMTP_NONE:
		bug("an event that is none");
	}
	add_verdict(b, e->verdict);
	leakwatch_saw(&p->watch, buf_data(b) + before, buf_len(b) - before);
	buf_addc(b, '\n');
}

static void
on_trace(void *ctx, char dir, const char *line)
{
	struct play *p = ctx;
	char shown[1100];
	int n = snprintf(shown, sizeof(shown), "%c %s", dir, line);

	leakwatch_saw(&p->watch, shown, (size_t)n);
}

void
dialogue_begin(struct play *p)
{
	smtp_free(&p->s);
	p->s = smtp_new(&p->options);
	smtp_trace(p->s, on_trace, p);
}

static void
pull(struct play *p)
{
	struct smtp_event e;

	while (smtp_next_event(p->s, &e))
		on_event(p, &e);
}

static bool
flush(struct play *p)
{
	const char *data;
	size_t n = smtp_output(p->s, &data);

	if (p->stalled && n > p->may_write)
		n = p->may_write;
	if (n == 0)
		return false;
	if (p->stalled)
		p->may_write -= n;
	buf_add(&p->client, data, n);
	smtp_sent(p->s, n);
	return true;
}

static void
pump(struct play *p)
{
	do {
		pull(p);
		while (p->handed < p->nmails && smtp_wants_mail(p->s)) {
			struct mail *m = &p->mails[p->handed++];

			m->number = (unsigned)p->handed; /* events may come with the call */
			if (smtp_mail(p->s, &m->m) != m->number)
				dialogue_fail(
				    p, "the engine counts its mail otherwise than by 1, 2, ...");
			pull(p);
		}
	} while (flush(p));
}

static void
feed(struct play *p)
{
	const char *data = buf_data(&p->server);
	size_t n = buf_len(&p->server);

	while (n > 0) {
		size_t piece = n < p->chunk ? n : p->chunk;
		size_t took = smtp_input(p->s, data, piece);

		data += took;
		n -= took;
		pump(p);
	}
	buf_clear(&p->server);
}

/* --- the script ------------------------------------------------------------------------------ */

static void
unescape(struct play *p, const char *s, struct buf *out)
{
	for (; *s != '\0'; s++) {
		if (*s != '\\') {
			buf_addc(out, *s);
		} else if (*++s == 'r') {
			buf_addc(out, '\r');
		} else if (*s == 'n') {
			buf_addc(out, '\n');
		} else if (*s == '\\') {
			buf_addc(out, '\\');
		} else if (*s == 'x' && isxdigit((unsigned char)s[1]) &&
			   isxdigit((unsigned char)s[2])) {
			char hex[3] = {s[1], s[2], '\0'};

			buf_addc(out, (char)strtoul(hex, NULL, 16));
			s += 2;
		} else {
			dialogue_fail(p, "an unknown escape in the script");
			return;
		}
	}
}

/* For people: the bytes of a line, control characters as escapes. */
static const char *
shown(const char *s, size_t n, char *dst, size_t size)
{
	size_t out = 0;

	for (size_t i = 0; i < n && out + 5 < size; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= ' ' && c < 0x7f)
			dst[out++] = (char)c;
		else
			out += (size_t)snprintf(dst + out, size - out,
			    c == '\r'   ? "\\r"
			    : c == '\n' ? "\\n"
					: "\\x%02x",
			    c);
	}
	dst[out] = '\0';
	return dst;
}

static size_t
line_length(const struct buf *b)
{
	const char *lf = buf_len(b) > 0 ? memchr(buf_data(b), '\n', buf_len(b)) : NULL;

	return lf != NULL ? (size_t)(lf - buf_data(b)) + 1 : 0;
}

/* What the client says to log in is to be seen by the server alone. */
static void
hide(struct play *p, const char *line)
{
	const char *response = line;

	if (strncmp(line, "AUTH ", 5) == 0) {
		p->logging_in = true;
		response = strchr(line + 5, ' ');
	} else if (strchr(line, ' ') != NULL || strcmp(line, "QUIT") == 0) {
		p->logging_in = false;
	}
	if (p->logging_in && response != NULL)
		leakwatch_hide(&p->watch, response, strlen(response));
}

static void
expect_client(struct play *p, const char *text)
{
	struct buf want;
	size_t n = line_length(&p->client);
	char a[512], b[512];

	hide(p, text);
	buf_init(&want, TEXT_MAX);
	unescape(p, text, &want);
	buf_adds(&want, "\r\n");
	if (n == 0)
		dialogue_fail(p, "the client should have sent \"%s\" and sent nothing", text);
	else if (n != buf_len(&want) || memcmp(buf_data(&want), buf_data(&p->client), n) != 0)
		dialogue_fail(p, "the client should have sent \"%s\" and sent \"%s\"",
		    shown(buf_data(&want), buf_len(&want), a, sizeof(a)),
		    shown(buf_data(&p->client), n, b, sizeof(b)));
	else
		buf_consume(&p->client, n);
	buf_free(&want);
}

static void
expect_event(struct play *p, const char *text)
{
	size_t n = line_length(&p->events), wanted = strlen(text);
	const char *line = buf_data(&p->events);

	if (n == 0) {
		dialogue_fail(p, "the event should have been \"%s\", there was none", text);
		return;
	}
	if (n - 1 < wanted || memcmp(line, text, wanted) != 0 ||
	    (n - 1 > wanted && (line[wanted] != ' ' || line[wanted + 1] != '[')))
		dialogue_fail(p, "the event should have been \"%s\" and was \"%.*s\"", text,
		    (int)(n - 1), line);
	else
		buf_consume(&p->events, n);
}

/* Before the server goes on nothing may be left that the script has not named. */
static void
nothing_left(struct play *p)
{
	size_t n = line_length(&p->client);
	char a[512];

	if (n > 0)
		dialogue_fail(
		    p, "the client also sent \"%s\"", shown(buf_data(&p->client), n, a, sizeof(a)));
	if ((n = line_length(&p->events)) > 0)
		dialogue_fail(
		    p, "there also was the event \"%.*s\"", (int)(n - 1), buf_data(&p->events));
}

char *
dialogue_word(char **s)
{
	char *w = *s + strspn(*s, " \t"), *end = w + strcspn(w, " \t");

	*s = end + (*end != '\0');
	*end = '\0';
	return w;
}

static void
add_recipients(struct play *p, struct mail *m, const char *list)
{
	char *at = m->list = xstrdup(list);

	while (at != NULL) {
		char *comma = strchr(at, ',');

		if (m->m.nrcpts == RCPTS_MAX) {
			dialogue_fail(p, "too many recipients");
			return;
		}
		if (comma != NULL)
			*comma++ = '\0';
		m->rcpts[m->m.nrcpts++] = at;
		at = comma;
	}
	m->m.rcpts = m->rcpts;
}

static void
add_mail(struct play *p, char *args)
{
	struct mail *m = &p->mails[p->nmails];
	const char *w;

	if (p->nmails == MAILS_MAX) {
		dialogue_fail(p, "too many mails");
		return;
	}
	m->sender = xstrdup(dialogue_word(&args));
	if (strcmp(m->sender, "<>") == 0)
		m->sender[0] = '\0';
	m->m.reverse_path = m->sender;
	m->m.verbatim = true;
	add_recipients(p, m, dialogue_word(&args));
	buf_init(&m->body, TEXT_MAX);
	while (*(w = dialogue_word(&args)) != '\0' && strcmp(w, "=") != 0) {
		if (strcmp(w, "8bit") == 0)
			m->m.eightbit = true;
		else if (strcmp(w, "last-hop") == 0)
			m->m.last_hop = true;
		else if (strcmp(w, "foreign") == 0)
			m->m.verbatim = false;
		else if (strcmp(w, "fails") == 0)
			m->fails = true;
		else if (strcmp(w, "short") == 0)
			m->is_short = true;
		else if (strcmp(w, "size") == 0)
			m->size_said = str_u64(dialogue_word(&args), UINT64_MAX, &m->m.size);
		else
			dialogue_fail(p, "unknown word \"%s\"", w);
	}
	unescape(p, *w == '=' ? args : "Subject: x\\r\\n\\r\\nhi\\r\\n", &m->body);
	if (!m->size_said)
		m->m.size = buf_len(&m->body);
	p->nmails++;
	pump(p);
}

static void
expect_number(struct play *p, const char *what, int is, const char *should)
{
	uint64_t n;

	if (!str_u64(should, 1000000, &n))
		dialogue_fail(p, "not a number: %s", should);
	else if (is != (int)n)
		dialogue_fail(p, "%s should have been %s and was %d", what, should, is);
}

/* Looks, without touching anything. */
static bool
look(struct play *p, const char *verb, char *args)
{
	unsigned serial;

	if (strcmp(verb, "C:") == 0)
		expect_client(p, args);
	else if (strcmp(verb, "E:") == 0)
		expect_event(p, args);
	else if (strcmp(verb, "E?") == 0) {
		if (line_length(&p->events) == strlen(args) + 1)
			expect_event(p, args);
	} else if (strcmp(verb, "traced") == 0) {
		if (!leakwatch_has_seen(&p->watch, args))
			dialogue_fail(p, "the trace should have the line \"%s\"", args);
	} else if (strcmp(verb, "patience") == 0)
		expect_number(p, "the patience", smtp_patience(p->s, &serial), args);
	else if (strcmp(verb, "doing") == 0) {
		if (strcmp(smtp_doing(p->s), args) != 0)
			dialogue_fail(p, "it should be %s and is %s", args, smtp_doing(p->s));
	} else if (strcmp(verb, "wants") == 0) {
		if (smtp_wants_mail(p->s) != (strcmp(args, "yes") == 0))
			dialogue_fail(p, "wants more mail: should have been %s", args);
	} else
		return false;
	return true;
}

static void
act(struct play *p, const char *verb, char *args)
{
	if (strcmp(verb, "option") == 0)
		dialogue_option(p, args);
	else if (strcmp(verb, "mail") == 0)
		add_mail(p, args);
	else if (strcmp(verb, "stall") == 0) {
		uint64_t n = 0;

		p->stalled = str_u64(args, TEXT_MAX, &n);
		p->may_write = (size_t)n;
	} else if (strcmp(verb, "flow") == 0)
		p->stalled = false;
	else {
		nothing_left(p);
		if (strcmp(verb, "close") == 0)
			smtp_lost(p->s, args);
		else if (strcmp(verb, "timeout") == 0)
			smtp_timeout(p->s);
		else if (strcmp(verb, "secured") == 0)
			smtp_secured(p->s, &p->binding);
		else if (strcmp(verb, "not-secured") == 0)
			smtp_not_secured(p->s, args);
		else if (strcmp(verb, "quit") == 0)
			smtp_quit(p->s);
		else if (strcmp(verb, "stop") == 0)
			smtp_stop(p->s);
		else
			dialogue_fail(p, "unknown word \"%s\"", verb);
	}
	pump(p);
}

static void
step(struct play *p, char *line)
{
	size_t n = strcspn(line, "\n");
	char *args = line;
	const char *verb;

	line[n] = '\0';
	if (*line == '#' || *line == '\0')
		return;
	verb = dialogue_word(&args);
	if (strcmp(verb, "S:") == 0 || strcmp(verb, "S>") == 0) {
		if (buf_len(&p->server) == 0)
			nothing_left(p);
		unescape(p, args, &p->server);
		if (verb[1] == ':')
			buf_adds(&p->server, "\r\n");
		return;
	}
	if (buf_len(&p->server) > 0)
		feed(p);
	if (!look(p, verb, args))
		act(p, verb, args);
}

static void
end(struct play *p)
{
	smtp_free(&p->s);
	leakwatch_free(&p->watch);
	for (size_t i = 0; i < p->nmails; i++) {
		free(p->mails[i].sender);
		free(p->mails[i].list);
		buf_free(&p->mails[i].body);
	}
	buf_free(&p->server);
	buf_free(&p->client);
	buf_free(&p->events);
}

/* What the kernel gives for random is SCRAM's nonce. */
static const struct play *playing;

static int
the_nonce(void *dst, size_t n)
{
	if (n > playing->nnonce)
		return -1;
	memcpy(dst, playing->nonce, n);
	return 0;
}

bool
dialogue_run(const char *path, size_t chunk, char *why, size_t size)
{
	struct play *p = xcalloc(1, sizeof(*p));
	int (*entropy)(void *, size_t) = sys.getentropy;
	const char *leak;
	char line[DIALOGUE_LINE];
	FILE *f = fopen(path, "r");
	bool ok;

	*p = (struct play){.path = path, .chunk = chunk, .why = why, .why_size = size};
	p->options =
	    (struct smtp_options){.helo = p->helo, .may_pipeline = true, .may_chunk = true};
	p->options.one_behind_dot = true;
	str_copy(p->helo, sizeof(p->helo), "client.example");
	buf_init(&p->server, TEXT_MAX);
	buf_init(&p->client, TEXT_MAX);
	buf_init(&p->events, TEXT_MAX);
	leakwatch_init(&p->watch);
	p->options.binding = &p->binding;
	sys.getentropy = the_nonce;
	playing = p;
	dialogue_begin(p);
	if (f == NULL)
		dialogue_fail(p, "cannot be read");
	while (f != NULL && !p->failed && fgets(line, sizeof(line), f) != NULL) {
		p->line++;
		step(p, line);
	}
	if (f != NULL)
		fclose(f);
	if (!p->failed && buf_len(&p->server) > 0)
		feed(p);
	nothing_left(p);
	if ((leak = leakwatch_leak(&p->watch)) != NULL)
		dialogue_fail(p, "the secret \"%s\" can be seen", leak);
	sys.getentropy = entropy;
	ok = !p->failed;
	end(p);
	free(p);
	return ok;
}
