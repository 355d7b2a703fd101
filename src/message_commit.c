/*
 * message_commit.c: making outcomes durable, and what follows from it: a message is closed, it leaves.
 *
 * At the end of each turn outcomes are appended and finished files unlinked, and then each file and
 * directory touched is synced once. Where that takes long it must not be done for a few messages only:
 * the next turns are longer, and take in what servers have answered while the turn was at work.
 */
#include "message_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "origin.h"

enum {
	WHOLE_MAX = 1024 * 1024 * 1024,
	LONG_FILE = 32 * 1024 * 1024,
	SLOW_SYNC_NS = 500 * 1000,
	SLOW_SYNC_ROUNDS = 4,
};

/* --- closing ------------------------------------------------------------------------------ */

static bool
all_told(const struct envelope *e)
{
	return e->unreported == 0 && e->reported >= e->reports;
}

static bool
warning_owed(const struct message *m)
{
	const struct envelope *e = &m->envelope;
	int64_t now = clock_wall_s();

	return m->all->options.warn_s > 0 && (m->attempted || m->not_ours) && !e->warned &&
	       e->waiting > 0 && now - envelope_submitted(e, now) >= m->all->options.warn_s;
}

/* When it is tried next; what was no attempt leaves the interval as it is. */
static void
set_time(struct message *m)
{
	const struct messages_options *o = &m->all->options;
	struct envelope *e = &m->envelope;
	int64_t now = clock_wall_s(), retry = e->retry;

	if (m->attempted || !m->deferred || retry == 0)
		retry = backoff_next(retry, o->retry_min_s, o->retry_max_s);
	envelope_write_number(&m->lines, "attempted", now);
	envelope_write_number(&m->lines, "retry", retry);
	envelope_attempted(e, now, retry);
}

/*
 * The jobs are done: what the control file says last in this pass. Returns whether the message is
 * finished, so that nothing needs to be appended any more.
 */
static bool
close_message(struct message *m)
{
	struct envelope *e = &m->envelope;

	if (e->waiting == 0 && all_told(e)) {
		m->stage = STAGE_LEAVING;
		return origin_knows(m->all->spool, e->id);
	}
	if (m->deferred || e->unreported > 0 || e->reported < e->reports)
		set_time(m); /* so that a report that cannot be made is tried again later, too */
	if (e->unreported > 0) {
		envelope_report(e, e->reports + 1);
		envelope_write_number(&m->lines, "report", e->reports);
	}
	m->stage = STAGE_LEAVING;
	if (e->reported < e->reports && !e->hold) {
		m->stage = STAGE_REPORT;
		m->durable = true; /* what it tells of, too, whoever wrote that and was killed */
	} else if (warning_owed(m)) {
		/* First: better no warning after a crash than two. */
		e->warned = true;
		envelope_write_number(&m->lines, "warned", 1);
		m->durable = true;
		m->stage = STAGE_WARN;
	}
	return false;
}

/* --- the commit --------------------------------------------------------------------------- */

/* The control file anew from memory, with all that became of the recipients. -1 and errno. */
static int
rewrite(struct message *m)
{
	struct buf whole;
	int fd = -1, r, why;

	buf_init(&whole, WHOLE_MAX);
	envelope_write(&whole, &m->envelope);
	envelope_write_progress(&whole, &m->envelope);
	r = spool_rewrite(m->all->spool, m->envelope.id, &whole, &fd);
	why = errno;
	if (fd >= 0) { /* it has the name now, even if that is not durable */
		message_drop_lock(m);
		m->fd = fd;
		m->size = (off_t)buf_len(&whole);
	}
	buf_free(&whole);
	errno = why;
	return r;
}

/*
 * A sync failed: the kernel may have thrown away what it could not write, so what is on disk is
 * not known.
 */
static void
write_anew(struct message *m)
{
	if (rewrite(m) == -1)
		log_warn("%s: what became of it cannot be recorded: %s; recipients served may get "
			 "it again",
		    m->envelope.id, strerror(errno));
	buf_clear(&m->lines);
	m->durable = false;
}

static void
set_broken(struct messages *ms, const char *id)
{
	if (!ms->broken)
		log_warn("%s: the spool cannot be written: %s; no new delivery is started", id,
		    strerror(errno));
	ms->broken = true;
}

/* When a pass looks at it again: spread, so that what failed together does not come back together. */
static void
set_hint(struct message *m)
{
	const struct envelope *e = &m->envelope;

	spool_set_due(m->fd, e->hold
				 ? clock_wall_s() + m->all->options.retry_max_s
				 : e->attempted + backoff_spread(e->retry, str_random(UINT32_MAX)));
}

/*
 * A line for each recipient at each attempt: with very many of both the file would become one that
 * nobody can read. What was overtaken by later lines is left out in time.
 */
static bool
grows_too_long(const struct message *m)
{
	return m->lines.overflow ||
	       (m->stage != STAGE_WORKING && m->size + (off_t)buf_len(&m->lines) > LONG_FILE);
}

static void
append_lines(struct message *m)
{
	struct messages *ms = m->all;
	bool written;

	if (buf_len(&m->lines) == 0)
		return;
	written = grows_too_long(m) && rewrite(m) == 0;
	if (!written && spool_append(ms->spool, m->fd, &m->size, &m->lines, m->durable) != 0) {
		ms->full = errno == ENOSPC || errno == EDQUOT;
		if (ms->full)
			task_queue(ms->reactor, &ms->stages);
		set_broken(ms, m->envelope.id);
		write_anew(m);
	}
	buf_clear(&m->lines);
	m->durable = false;
	if (m->stage != STAGE_WORKING)
		set_hint(m);
}

/* Before the sync: appends or unlinks. */
static void
write_out(struct message *m)
{
	struct messages *ms = m->all;

	if (m->stage == STAGE_CLOSING) {
		if (ms->broken || !message_lock(m)) {
			m->stage = STAGE_LEAVING;
		} else if (close_message(m)) {
			if (spool_finish(ms->spool, m->envelope.id) == 0) {
				m->stage = STAGE_FINISHED;
				return;
			}
			log_warn("%s: cannot remove its control file: %s", m->envelope.id,
			    strerror(errno));
			m->stage = STAGE_LEAVING;
		}
	}
	if (m->fd >= 0)
		append_lines(m);
}

static void
leave(struct message *m, enum message_left how)
{
	struct messages *ms = m->all;
	char id[ENVELOPE_ID_MAX + 1];

	str_copy(id, sizeof(id), m->envelope.id);
	ms->counts.finished += how == MESSAGE_FINISHED;
	if (how == MESSAGE_FINISHED)
		messages_remove_body(ms, m->envelope.msgid, m->envelope.size);
	message_free(m);
	ms->options.left(ms->options.ctx, id, how);
}

/* After the sync: what was written down holds, and the next thing may happen. */
static void
after_commit(struct message *m)
{
	struct messages *ms = m->all;

	switch (m->stage) {
	case STAGE_FINISHED:
		leave(m, MESSAGE_FINISHED);
		break;
	case STAGE_LEAVING:
		if (m->busy)
			leave(m, MESSAGE_BUSY);
		else
			leave(m, m->skip || m->not_ours || !m->changed ? MESSAGE_SKIPPED
								       : MESSAGE_LATER);
		break;
	case STAGE_REPORT:
	case STAGE_WARN:
		list_add_tail(&ms->staged, &m->next_stage);
		task_queue(ms->reactor, &ms->stages);
		break;
	case STAGE_WORKING:
		if (m->holds == 0)
			message_let_go(m);
		break;
	case STAGE_CLOSING:
		break;
	}
}

/* Nothing that this turn has written is known to be on disk: once more, elsewhere. */
static void
write_all_anew(struct messages *ms, struct list *batch)
{
	set_broken(ms, "sync");
	list_each (pos, batch) {
		struct message *m = list_item(pos, struct message, touched);

		if (m->fd >= 0)
			write_anew(m);
		if (m->stage != STAGE_WORKING)
			m->stage = STAGE_LEAVING;
	}
}

static void
make_durable(struct messages *ms, struct list *batch)
{
	struct durable_batch *b = spool_batch(ms->spool);
	unsigned long long syncs = b->syncs;
	long long begun_ns = sys.mono_ns();

	if (durable_commit(b) != 0)
		write_all_anew(ms, batch);
	if (b->syncs > syncs)
		reactor_rounds(
		    ms->reactor, sys.mono_ns() - begun_ns > SLOW_SYNC_NS ? SLOW_SYNC_ROUNDS : 1);
}

void
messages_commit(void *ctx)
{
	struct messages *ms = ctx;
	struct list batch;

	list_init(&batch);
	list_splice_tail(&batch, &ms->touched);
	list_each (pos, &batch)
		write_out(list_item(pos, struct message, touched));
	make_durable(ms, &batch);
	while (!list_empty(&batch)) {
		struct message *m = list_item(batch.next, struct message, touched);

		list_remove(&m->touched);
		after_commit(m);
	}
}
