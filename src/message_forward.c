/*
 * message_forward.c: a copy of a message for the addresses that a recipient's .forward names.
 *
 * It is a message of its own, durable before the recipient counts as served, and named after him: after a crash
 * it would be made again under the same name, which stays until it is recorded that he is served
 * (message_commit.c). An id too long for that gives it a name of its own: then a crash may repeat it.
 * The sender stays: he hears of it when one of them does not take it. So does the time of submission: a
 * copy that goes round in circles expires.
 */
#include "message_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/sys.h"

enum { BLOCK = 65536 };

struct copy {
	int from, to;
	uint64_t size; /* written */
	off_t at;
};

static int
put(struct copy *c, const char *data, size_t n)
{
	c->size += n;
	return durable_write(c->to, data, n);
}

static int
put_body(struct copy *c)
{
	static char block[BLOCK];
	ssize_t n;

	for (;;) {
		n = sys.pread(c->from, block, sizeof(block), c->at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		if (put(c, block, (size_t)n) != 0)
			return -1;
		c->at += n;
	}
}

/* What somebody else put into the spool need not have CRLF lines, which we promise for ours. */
static int
put_lines(struct copy *c)
{
	static char in[BLOCK / 2], out[BLOCK];
	char before = '\0';
	ssize_t got;

	while ((got = sys.pread(c->from, in, sizeof(in), c->at)) != 0) {
		size_t n = 0;

		if (got < 0 && errno != EINTR)
			return -1;
		for (ssize_t i = 0; i < got; i++) {
			if (in[i] == '\n' && before != '\r')
				out[n++] = '\r';
			out[n++] = before = in[i];
		}
		if (put(c, out, n) != 0)
			return -1;
		c->at += got > 0 ? got : 0;
	}
	return before == '\n' || c->size == 0 ? 0 : put(c, "\r\n", 2);
}

static void
fill_in(struct envelope *e, const struct message *m, char *const to[], size_t n)
{
	const struct envelope *o = &m->envelope;

	e->sender = xstrdup(o->sender != NULL ? o->sender : "");
	e->bounceto = o->bounceto != NULL ? xstrdup(o->bounceto) : NULL;
	e->source_room = xstrdup("forward");
	e->uid = o->uid;
	e->eightbit = o->eightbit;
	e->utf8 = o->utf8;
	e->dots = o->dots || o->citadel;
	e->longest = o->longest;
	e->submitted = envelope_submitted(o, clock_wall_s());
	for (size_t i = 0; i < n; i++)
		envelope_add(e, to[i]);
}

static int
queue_copy(struct message *m, struct draft *d, struct envelope *e, const char *recipient)
{
	struct copy c = {.from = m->body, .to = d->fd};
	char line[ENVELOPE_ID_MAX + 4096];
	int n = snprintf(line, sizeof(line), "Delivered-To: %s\r\n", recipient);

	if (n < 0 || (size_t)n >= sizeof(line)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (put(&c, line, (size_t)n) != 0 ||
	    (m->envelope.citadel ? put_lines(&c) : put_body(&c)) != 0)
		return -1;
	if (e->longest < (unsigned)n)
		e->longest = (unsigned)n;
	e->size = c.size;
	return draft_commit(m->all->spool, d, e, e->id[0] != '\0' ? e->id : NULL);
}

int
message_forward(struct job *j, size_t rcpt, char *const to[], size_t n)
{
	struct message *m = j->ctx;
	struct messages *ms = m->all;
	size_t len = strlen(m->envelope.id);
	char suffix[32];
	struct envelope e;
	struct draft d;
	int error = 0;

	envelope_init(&e);
	fill_in(&e, m, to, n);
	snprintf(suffix, sizeof(suffix), ".f%zu", j->rcpts[rcpt].index);
	if (len + strlen(suffix) <= ENVELOPE_ID_MAX) {
		memcpy(e.id, m->envelope.id, len);
		str_copy(e.id + len, sizeof(e.id) - len, suffix);
	}
	if (draft_open(ms->spool, &d) != 0 ||
	    (queue_copy(m, &d, &e, j->rcpts[rcpt].address) != 0 && errno != EEXIST))
		error = errno;
	draft_abort(ms->spool, &d);
	envelope_free(&e);
	if (error == 0)
		ms->options.arrived(ms->options.ctx);
	errno = error;
	return error == 0 ? 0 : -1;
}
