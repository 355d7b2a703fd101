/*
 * message_commit.c: making a turn's outcomes durable, and what follows from it: a message is closed,
 * its report is made, it leaves.
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

enum { WHOLE_MAX = 1024 * 1024 * 1024, LONG_FILE = 32 * 1024 * 1024 };

struct body_name { /* a body to remove in a later turn */
	struct list link;
	char msgid[ENVELOPE_ID_MAX + 1];
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

	return m->all->options.warn_s > 0 && m->attempted && !e->warned && e->waiting > 0 &&
	       now - envelope_submitted(e, now) >= m->all->options.warn_s;
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
 * A report's name in ctl/ is what tells its original, after a crash, that the report was made. Until that
 * is recorded there the name stays, or the original would make another. Whether it may go.
 */
static bool
original_knows(const struct message *m)
{
	const char *id = m->envelope.id, *suffix = strrchr(id, '.');
	char original[ENVELOPE_ID_MAX + 1], why[200];
	struct envelope e;
	enum spool_load got;
	uint64_t n;
	off_t size;
	bool knows;

	if (suffix == NULL || suffix[1] != 'r' || !str_u64(suffix + 2, UINT32_MAX, &n))
		return true;
	str_copy(original, sizeof(original), id);
	original[suffix - id] = '\0';
	envelope_init(&e);
	got = spool_load(m->all->spool, original, -1, &e, &size, why, sizeof(why));
	knows = got == SPOOL_LOADED ? e.reported >= n : got != SPOOL_UNREADABLE;
	envelope_free(&e);
	return knows;
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
		return original_knows(m);
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
remove_body_later(struct messages *ms, const char *msgid)
{
	struct body_name *b = xcalloc(1, sizeof(*b));

	str_copy(b->msgid, sizeof(b->msgid), msgid);
	list_add_tail(&ms->bodies, &b->link);
	task_queue(ms->reactor, &ms->stages);
}

static void
leave(struct message *m, enum message_left how)
{
	struct messages *ms = m->all;
	char id[ENVELOPE_ID_MAX + 1];

	str_copy(id, sizeof(id), m->envelope.id);
	if (how == MESSAGE_FINISHED)
		remove_body_later(ms, m->envelope.msgid);
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
			leave(m, m->skip || !m->changed ? MESSAGE_SKIPPED : MESSAGE_LATER);
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

void
messages_commit(void *ctx)
{
	struct messages *ms = ctx;
	struct list batch;

	list_init(&batch);
	list_splice_tail(&batch, &ms->touched);
	list_each (pos, &batch)
		write_out(list_item(pos, struct message, touched));
	if (durable_commit(spool_batch(ms->spool)) != 0) {
		set_broken(ms, "sync");
		list_each (pos, &batch) {
			struct message *m = list_item(pos, struct message, touched);

			if (m->fd >= 0)
				write_anew(m);
			if (m->stage != STAGE_WORKING)
				m->stage = STAGE_LEAVING;
		}
	}
	while (!list_empty(&batch)) {
		struct message *m = list_item(batch.next, struct message, touched);

		list_remove(&m->touched);
		after_commit(m);
	}
}

/* --- reports ------------------------------------------------------------------------------ */

static void
hold(struct message *m)
{
	m->envelope.hold = true;
	envelope_write_number(&m->lines, "hold", 1);
	m->durable = true;
	m->all->counts.held++;
	log_warn("%s: status=held (a report about it could not be delivered, and there is nobody "
		 "left to tell)",
	    m->envelope.id);
}

/*
 * The report's name: the message's with a suffix, so that it is the same again after a crash. A list
 * that somebody else put into the spool may have a name too long for that: its beginning and a hash
 * of it (FNV-1a, 64 bits) stand for it then.
 */
static void
name_report(char name[ENVELOPE_ID_MAX + 1], const char *id, const char *suffix)
{
	enum { KEPT = 32 };
	uint64_t h = 0xcbf29ce484222325;
	size_t n = strlen(id);

	str_copy(name, ENVELOPE_ID_MAX + 1, id);
	if (n + strlen(suffix) > ENVELOPE_ID_MAX) {
		for (const char *p = id; *p != '\0'; p++)
			h = (h ^ (unsigned char)*p) * 0x100000001b3;
		n = KEPT + (size_t)snprintf(name + KEPT, ENVELOPE_ID_MAX + 1 - KEPT, "-%016llx",
			       (unsigned long long)h);
	}
	str_copy(name + n, ENVELOPE_ID_MAX + 1 - n, suffix);
}

static void
make_report(struct message *m)
{
	struct messages *ms = m->all;
	struct envelope *e = &m->envelope;
	unsigned n = e->reported + 1; /* in order: one may be owed since a crash or a full disk */
	char id[ENVELOPE_ID_MAX + 1], suffix[16];

	snprintf(suffix, sizeof(suffix), ".r%u", n);
	name_report(id, e->id, suffix);
	switch (
	    bounce_make(ms->spool, &ms->options.bounce, e, BOUNCE_FAILED, n, id, clock_wall_s())) {
	case BOUNCE_MADE:
		e->reported = n;
		envelope_write_number(&m->lines, "reported", e->reported);
		m->durable = true;
		m->stage = STAGE_CLOSING; /* finished now, or waiting for its time */
		ms->options.arrived(ms->options.ctx);
		m->deferred = false;
		break;
	case BOUNCE_NOBODY:
		m->stage = STAGE_LEAVING;
		if (e->waiting == 0) /* else the others have their turn first */
			hold(m);
		break;
	case BOUNCE_ERROR:
		log_warn(
		    "%s: cannot make its report: %s; trying again later", e->id, strerror(errno));
		m->stage = STAGE_LEAVING;
		break;
	}
	message_touch(m);
}

static void
make_warning(struct message *m)
{
	struct messages *ms = m->all;
	struct envelope *e = &m->envelope;
	char id[ENVELOPE_ID_MAX + 1];

	name_report(id, e->id, ".w");
	if (bounce_make(ms->spool, &ms->options.bounce, e, BOUNCE_DELAYED, 0, id, clock_wall_s()) ==
	    BOUNCE_MADE) {
		ms->options.arrived(ms->options.ctx);
	} else { /* the next attempt brings another chance */
		e->warned = false;
		envelope_write_number(&m->lines, "warned", 0);
	}
	m->stage = STAGE_LEAVING;
	message_touch(m);
}

void
messages_next_stages(void *ctx)
{
	struct messages *ms = ctx;

	while (!list_empty(&ms->bodies)) {
		struct body_name *b = list_item(ms->bodies.next, struct body_name, link);

		list_remove(&b->link);
		spool_remove_body(ms->spool, b->msgid);
		free(b);
	}
	while (!list_empty(&ms->staged)) {
		struct message *m = list_item(ms->staged.next, struct message, next_stage);

		list_remove(&m->next_stage);
		if (ms->broken) {
			m->stage = STAGE_LEAVING;
			message_touch(m);
		} else if (m->stage == STAGE_REPORT) {
			make_report(m);
		} else {
			make_warning(m);
		}
	}
}
