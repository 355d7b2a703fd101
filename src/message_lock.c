/*
 * message_lock.c: the lock of a message, its body, and what another runner has recorded meanwhile.
 */
#include "message_impl.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sys.h"

static void
close_body(struct message *m)
{
	if (m->body >= 0)
		sys.close(m->body);
	m->body = -1;
}

void
message_drop_lock(struct message *m)
{
	if (m->fd >= 0)
		durable_forget_file(spool_batch(m->all->spool), m->fd);
	spool_unlock(&m->fd);
}

void
message_let_go(struct message *m)
{
	close_body(m);
	message_drop_lock(m);
}

/* Jobs point to the addresses of e; only what became of them is new. */
static void
take_progress(struct envelope *e, const struct envelope *fresh)
{
	for (size_t i = 0; i < fresh->nrcpts; i++) {
		const struct recipient *r = &fresh->rcpts[i];

		if (r->status != RCPT_NEW)
			envelope_settle(e, i, r->status, r->reason);
		e->rcpts[i].report = r->report;
	}
	e->unreported = fresh->unreported;
	e->reports = fresh->reports;
	e->reported = fresh->reported;
	e->warned = fresh->warned;
	e->ended = fresh->ended;
	if (fresh->attempted != 0)
		envelope_attempted(e, fresh->attempted, fresh->retry);
}

/* Another runner has been at it since we read it: what it recorded counts. */
static bool
reload(struct message *m)
{
	struct messages *ms = m->all;
	struct envelope fresh;
	char why[256];
	off_t size;
	bool ok;

	envelope_init(&fresh);
	ok = spool_load(ms->spool, m->envelope.id, m->fd, &fresh, &size, why, sizeof(why)) ==
		 SPOOL_LOADED &&
	     fresh.nrcpts == m->envelope.nrcpts && !fresh.hold &&
	     (m->ignore_due || message_due(&fresh, clock_wall_s()));
	if (ok) {
		m->size = size;
		take_progress(&m->envelope, &fresh);
	}
	envelope_free(&fresh);
	return ok;
}

/* The lock is had, and what the file says is known. */
bool
message_lock(struct message *m)
{
	struct messages *ms = m->all;
	off_t size;

	if (m->fd >= 0)
		return true;
	if (m->skip)
		return false;
	switch (spool_lock_sized(ms->spool, m->envelope.id, &m->fd, &size)) {
	case SPOOL_LOCKED:
		break;
	case SPOOL_FAILED:
		log_warn("%s: cannot lock its control file: %s", m->envelope.id, strerror(errno));
		m->skip = true;
		return false;
	case SPOOL_BUSY:
		m->busy = m->skip = true;
		return false;
	case SPOOL_GONE:
		m->skip = true;
		return false;
	}
	if ((size != m->size || !m->envelope.ended) && !reload(m)) {
		m->skip = true;
		message_drop_lock(m);
		return false;
	}
	return true;
}

bool
message_open_body(struct message *m)
{
	struct messages *ms = m->all;

	if (m->body >= 0)
		return true;
	/* what is there counts, not what was written down */
	m->body = spool_open_body(ms->spool, m->envelope.msgid, &m->envelope.size);
	if (m->body < 0) {
		/* not there, a folder or FIFO, a link: no later run would find it better */
		if (errno == ENOENT || errno == EINVAL || errno == ELOOP)
			spool_quarantine(ms->spool, m->envelope.id, m->envelope.msgid,
			    errno == ENOENT ? "its body is missing" : "its body is no file");
		else
			log_warn("%s: cannot open its body: %s", m->envelope.id, strerror(errno));
		return false;
	}
	return true;
}
