/*
 * message_forward.c: a copy of a message for the addresses that a recipient's .forward names.
 *
 * It is a message of its own, durable before the recipient counts as served, and named after him: after a crash
 * it would be made again under the same name, which stays until it is recorded that he is served
 * (message_commit.c). An id too long for that gives it a name of its own: then a crash may repeat it.
 * The sender stays: he hears of it when one of them does not take it. So does the time of submission: a
 * copy that goes round in circles expires, if the Delivered-To lines have not ended it.
 *
 * A name of this machine in it stands for what it is an alias of, as at submission; but lists (:include:) are
 * not read any more by then, nor are users known, for a run is confined (confine.h).
 */
#include "message_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "aliases.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"

enum { BLOCK = 65536, RECIPIENTS_MAX = 10000 };

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

/* --- its recipients ----------------------------------------------------------------------- */

struct recipients {
	struct envelope *e;
	const char *hostname;
};

/* aliases_fn */
static bool
add_recipient(void *ctx, const char *mailbox)
{
	const struct recipients *r = ctx;
	char whole[2 * ADDRESS_MAX];

	if (address_domain(mailbox) != NULL) {
		envelope_add(r->e, mailbox);
	} else {
		snprintf(whole, sizeof(whole), "%s@%s", mailbox, r->hostname);
		envelope_add(r->e, whole);
	}
	return r->e->nrcpts <= RECIPIENTS_MAX;
}

/*
 * What is wrong with an alias is no reason to lose the mail: the name stands for itself then. A file that cannot
 * be read at all, or is not there, is being mended, or just written. -1 and errno.
 */
static int
add_all(struct envelope *e, const struct message *m, char *const to[], size_t n, bool quiet)
{
	const char *hostname = m->all->options.bounce.hostname;
	struct recipients r = {e, hostname != NULL ? hostname : "localhost"};
	struct aliases *a = aliases_new_for_run(m->all->options.config, hostname);
	char why[512];
	int rc = EX_OK;

	for (size_t i = 0; i < n && rc != EX_TEMPFAIL; i++) {
		rc = aliases_expand(a, to[i], add_recipient, &r, why, sizeof(why));
		if (rc != EX_OK) {
			if (!quiet || rc == EX_TEMPFAIL)
				log_warn("%s: .forward names %s: %s", m->envelope.id, to[i], why);
			add_recipient(&r, to[i]);
		}
	}
	aliases_free(&a);
	errno = rc == EX_TEMPFAIL ? EAGAIN : E2BIG;
	return rc == EX_TEMPFAIL || e->nrcpts > RECIPIENTS_MAX ? -1 : 0;
}

/* --- the copy ----------------------------------------------------------------------------- */

static void
fill_in(struct envelope *e, const struct message *m)
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

/* 0, also when it was there already; or an errno. */
static int
enter_copy(struct message *m, struct envelope *e, const char *recipient)
{
	struct draft d;
	int error = 0;

	if (draft_open(m->all->spool, &d) != 0 ||
	    (queue_copy(m, &d, e, recipient) != 0 && errno != EEXIST))
		error = errno;
	draft_abort(m->all->spool, &d);
	return error;
}

int
message_may_forward(struct job *j, char *const to[], size_t n)
{
	struct envelope e;
	int rc, error;

	envelope_init(&e);
	rc = add_all(&e, j->ctx, to, n, true); /* which forward() says anew */
	error = errno;
	envelope_free(&e);
	errno = error;
	return rc;
}

int
message_forward(struct job *j, size_t rcpt, char *const to[], size_t n)
{
	struct message *m = j->ctx;
	size_t len = strlen(m->envelope.id);
	char suffix[32];
	struct envelope e;
	int error = 0;

	envelope_init(&e);
	fill_in(&e, m);
	snprintf(suffix, sizeof(suffix), ".f%zu", j->rcpts[rcpt].index);
	if (len + strlen(suffix) <= ENVELOPE_ID_MAX) {
		memcpy(e.id, m->envelope.id, len);
		str_copy(e.id + len, sizeof(e.id) - len, suffix);
	}
	if (add_all(&e, m, to, n, false) != 0)
		error = errno;
	else if (e.nrcpts > 0) /* else aliases say that nobody gets it */
		error = enter_copy(m, &e, j->rcpts[rcpt].address);
	envelope_free(&e);
	if (error == 0)
		m->all->options.arrived(m->all->options.ctx);
	errno = error;
	return error == 0 ? 0 : -1;
}
