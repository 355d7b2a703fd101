/*
 * message.c: the messages in work.
 *
 * A crash at any instruction may repeat a delivery that was in flight; it never loses a message and
 * never forgets a recorded success. So: the control file is open for writing and locked before the
 * first byte goes out; what became of a recipient is appended, or the file unlinked when nothing is
 * left to do, and synced with all else of the turn; the body goes in a later turn than the control
 * file; a report is durable before the failure counts as reported, and that before the original goes.
 */
#include "message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backoff.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "base/sys.h"
#include "bounce_original.h"
#include "proto/address.h"

enum { LINES_MAX = 64 * 1024 * 1024, WHOLE_MAX = 1024 * 1024 * 1024 };

enum stage {
	STAGE_WORKING, /* jobs are out */
	STAGE_CLOSING, /* they are done; the commit sees what follows */
	STAGE_REPORT, /* report|N is durable: make it */
	STAGE_WARN, /* tell the sender about the delay */
	STAGE_LEAVING, /* nothing more to do in this pass */
	STAGE_FINISHED, /* unlinked from ctl/ */
};

struct message;

struct work { /* a job and whose it is */
	struct list link;
	struct message *message;
	bool holds; /* between GO and pause or done */
	struct job job;
	size_t cap; /* of job.rcpts */
};

struct message {
	struct map_node node;
	struct list touched; /* on messages->touched: the commit has to look at it */
	struct list next_stage; /* on messages->staged */
	struct messages *all;
	struct envelope envelope;
	off_t size; /* of the control file, as last seen */
	struct list works;
	size_t jobs, holds, rcpts;
	int fd, body; /* the locked control file; the message; -1: not open */
	struct buf lines; /* progress not appended yet */
	bool durable; /* ... and some of it must be synced */
	bool deferred; /* some recipient was */
	bool attempted; /* ... and some host or route had been tried */
	bool ignore_due, skip, changed;
	bool busy; /* why it is skipped: another has the lock */
	enum stage stage;
	int64_t admitted_ms;
};

struct body_name { /* a body to remove in a later turn */
	struct list link;
	char msgid[ENVELOPE_ID_MAX + 1];
};

struct messages {
	struct reactor *reactor;
	struct spool *spool;
	struct sites *sites;
	struct messages_options options;
	struct map by_id;
	struct list touched, staged, bodies;
	struct task commit, stages;
	struct messages_counts counts;
	size_t rcpts;
	bool broken, full;
};

static const struct job_ops job_ops;

static void
touch(struct message *m)
{
	if (!list_linked(&m->touched))
		list_add_tail(&m->all->touched, &m->touched);
	task_queue_last(m->all->reactor, &m->all->commit);
}

/* --- the lock ----------------------------------------------------------------------------- */

static void
close_body(struct message *m)
{
	if (m->body >= 0)
		sys.close(m->body);
	m->body = -1;
}

static void
drop_lock(struct message *m)
{
	if (m->fd >= 0)
		durable_forget_file(spool_batch(m->all->spool), m->fd);
	spool_unlock(&m->fd);
}

static void
let_go(struct message *m)
{
	close_body(m);
	drop_lock(m);
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
static bool
have_lock(struct message *m)
{
	struct messages *ms = m->all;
	struct stat st;

	if (m->fd >= 0)
		return true;
	if (m->skip)
		return false;
	switch (spool_lock(ms->spool, m->envelope.id, &m->fd)) {
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
	if (sys.fstat(m->fd, &st) != 0 ||
	    ((st.st_size != m->size || !m->envelope.ended) && !reload(m))) {
		m->skip = true;
		drop_lock(m);
		return false;
	}
	return true;
}

static bool
have_body(struct message *m)
{
	struct messages *ms = m->all;
	struct stat st;

	if (m->body >= 0)
		return true;
	m->body = spool_open_body(ms->spool, m->envelope.msgid);
	if (m->body < 0) {
		if (errno == ENOENT)
			spool_quarantine(
			    ms->spool, m->envelope.id, m->envelope.msgid, "its body is missing");
		else
			log_warn("%s: cannot open its body: %s", m->envelope.id, strerror(errno));
		return false;
	}
	if (sys.fstat(m->body, &st) != 0) {
		close_body(m);
		return false;
	}
	m->envelope.size =
	    (uint64_t)st.st_size; /* what is there counts, not what was written down */
	return true;
}

/* --- jobs --------------------------------------------------------------------------------- */

static struct work *
work_of(struct job *j)
{
	return list_item(j, struct work, job);
}

static void
drop_settled(const struct message *m, struct job *j)
{
	for (size_t i = 0; i < j->nrcpts; i++) {
		enum rcpt_status status = m->envelope.rcpts[j->rcpts[i].index].status;

		if (j->rcpts[i].settled || (status != RCPT_DELIVERED && status != RCPT_FAILED))
			continue;
		j->rcpts[i].settled = true;
		j->unsettled--;
	}
}

static enum job_answer
job_begin(struct job *j)
{
	struct work *w = work_of(j);
	struct message *m = w->message;

	if (m->all->broken || (m->all->full && messages_full(m->all)))
		return JOB_BUSY;
	if (!have_lock(m))
		return JOB_BUSY;
	drop_settled(m, j);
	if (j->unsettled == 0)
		return JOB_GONE;
	if (j->body_wanted && !have_body(m)) {
		m->skip = true;
		return JOB_BUSY;
	}
	j->body = m->body;
	j->size = m->envelope.size;
	w->holds = true;
	m->holds++;
	return JOB_GO;
}

static void
release_hold(struct work *w)
{
	if (!w->holds)
		return;
	w->holds = false;
	if (--w->message->holds == 0)
		touch(w->message); /* the commit lets go of the lock */
}

static void
job_pause(struct job *j)
{
	release_hold(work_of(j));
}

static void
job_done(struct job *j)
{
	struct work *w = work_of(j);
	struct message *m = w->message;

	release_hold(w);
	if (--m->jobs == 0)
		m->stage = STAGE_CLOSING;
	touch(m);
}

/* --- outcomes ----------------------------------------------------------------------------- */

struct outcome {
	enum rcpt_status status;
	const char *word, *enhanced;
	char reason[VERDICT_TEXT_MAX + 160];
};

static void
decide(const struct message *m, const struct verdict *v, struct outcome *o)
{
	const struct messages_options *opt = &m->all->options;
	int64_t now = clock_wall_s();

	o->enhanced = v->enhanced;
	verdict_line(v, o->reason, sizeof(o->reason));
	switch (verdict_action(v, false)) {
	case ACTION_DONE:
	case ACTION_DONE_ALL:
		o->status = RCPT_DELIVERED;
		o->word = "sent";
		return;
	case ACTION_BOUNCE:
	case ACTION_BOUNCE_ALL:
		o->status = RCPT_FAILED;
		o->word = "bounced";
		return;
	case ACTION_DEFER:
	case ACTION_DEFER_ALL:
	case ACTION_NEXT_HOP:
		break;
	}
	o->status =
	    v->scope == SCOPE_HOST || v->scope == SCOPE_ROUTE ? RCPT_UNREACHED : RCPT_DEFERRED;
	o->word = "deferred";
	if (!v->no_attempt &&
	    backoff_expired(envelope_submitted(&m->envelope, now), now, opt->expire_s)) {
		char last[VERDICT_TEXT_MAX + 64], age[32];

		str_copy(last, sizeof(last), o->reason);
		snprintf(o->reason, sizeof(o->reason), "4.4.7 not delivered within %s; last: %s",
		    str_duration_text(opt->expire_s, age, sizeof(age)), last);
		o->status = RCPT_FAILED;
		o->word = "expired";
		o->enhanced = "4.4.7";
	}
}

/* The delays as Postfix logs them: before the queue run, waiting, connecting, transmitting. */
static void
log_outcome(const struct message *m, const struct job *j, const char *to, const struct outcome *o)
{
	int64_t now_ms = reactor_now(m->all->reactor), now = clock_wall_s();
	int64_t begun_ms = j->begun_ms != 0 ? j->begun_ms : now_ms;
	double total = (double)(now - envelope_submitted(&m->envelope, now));
	double wait = (double)(begun_ms - m->admitted_ms - j->setup_ms) / 1000.0;
	double setup = (double)j->setup_ms / 1000.0,
	       transmit = (double)(now_ms - begun_ms) / 1000.0;
	double before = total - wait - setup - transmit;

	if (wait < 0)
		wait = 0;
	if (before < 0)
		before = 0;
	if (total < wait + setup + transmit)
		total = wait + setup + transmit;
	log_info(
	    "%s: to=<%s>, relay=%s, delay=%.2f, delays=%.2f/%.2f/%.2f/%.2f, dsn=%s, status=%s (%s)",
	    m->envelope.id, to, j->relay != NULL ? j->relay : "none", total, before, wait, setup,
	    transmit, o->enhanced, o->word, o->reason);
}

static void
count(struct messages_counts *c, enum rcpt_status status)
{
	if (status == RCPT_DELIVERED)
		c->sent++;
	else if (status == RCPT_FAILED)
		c->failed++;
	else
		c->deferred++;
}

/* Who said so, for the report: the host's name out of "mx.example.net[192.0.2.1]:25". */
static void
remember_mta(struct recipient *r, const char *relay, const struct verdict *v)
{
	free(r->mta);
	r->mta = NULL;
	if (relay != NULL && v->code != 0)
		r->mta = xstrndup(relay, strcspn(relay, "["));
}

static void
job_settle(struct job *j, size_t rcpt, const struct verdict *v)
{
	struct message *m = work_of(j)->message;
	size_t index = j->rcpts[rcpt].index;
	struct recipient *r = &m->envelope.rcpts[index];
	struct outcome o;

	decide(m, v, &o);
	log_outcome(m, j, r->address, &o);
	envelope_write_remote(&m->lines, r, o.status, o.reason);
	envelope_settle(&m->envelope, index, o.status, o.reason);
	remember_mta(r, j->relay, v);
	m->durable |= o.status == RCPT_DELIVERED || o.status == RCPT_FAILED;
	if (o.status != RCPT_DELIVERED && o.status != RCPT_FAILED) {
		m->deferred = true;
		m->attempted |= !v->no_attempt;
	}
	m->changed = true;
	count(&m->all->counts, o.status);
	touch(m);
}

static const struct job_ops job_ops = {job_begin, job_settle, job_pause, job_done};

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
 * The jobs are done: what the control file says last in this pass. Returns whether the message is
 * finished, so that nothing needs to be appended any more.
 */
static bool
close_message(struct message *m)
{
	struct envelope *e = &m->envelope;

	if (e->waiting == 0 && all_told(e))
		return true;
	if (m->deferred || e->unreported > 0 || e->reported < e->reports)
		set_time(m); /* so that a report that cannot be made is tried again later, too */
	if (e->unreported > 0) {
		envelope_report(e, e->reports + 1);
		envelope_write_number(&m->lines, "report", e->reports);
		m->durable = true;
	}
	if (e->reported < e->reports && !e->hold)
		m->stage = STAGE_REPORT;
	else
		m->stage = warning_owed(m) ? STAGE_WARN : STAGE_LEAVING;
	return false;
}

/* --- the commit --------------------------------------------------------------------------- */

/*
 * A sync failed: the kernel may have thrown away what it could not write, so what is on disk is
 * not known. The control file is written anew from memory, with all that became of the recipients.
 */
static void
write_anew(struct message *m)
{
	struct messages *ms = m->all;
	struct buf whole;
	int fd = -1;

	buf_init(&whole, WHOLE_MAX);
	envelope_write(&whole, &m->envelope);
	envelope_write_progress(&whole, &m->envelope);
	if (spool_rewrite(ms->spool, m->envelope.id, &whole, &fd) == -1)
		log_warn("%s: what became of it cannot be recorded: %s; recipients served may get "
			 "it again",
		    m->envelope.id, strerror(errno));
	if (fd >= 0) { /* it has the name now, even if that is not durable */
		drop_lock(m);
		m->fd = fd;
		m->size = (off_t)buf_len(&whole);
	}
	buf_free(&whole);
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

static void
append_lines(struct message *m)
{
	struct messages *ms = m->all;

	if (buf_len(&m->lines) == 0)
		return;
	if (spool_append(ms->spool, m->fd, &m->size, &m->lines, m->durable) != 0) {
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
		if (ms->broken || !have_lock(m)) {
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
message_free(struct message *m)
{
	let_go(m);
	list_remove(&m->touched);
	list_remove(&m->next_stage);
	map_remove(&m->all->by_id, &m->node);
	m->all->rcpts -= m->rcpts;
	while (!list_empty(&m->works)) {
		struct work *w = list_item(m->works.next, struct work, link);

		list_remove(&w->link);
		free(w->job.rcpts);
		free(w);
	}
	buf_free(&m->lines);
	envelope_free(&m->envelope);
	free(m);
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
			let_go(m);
		break;
	case STAGE_CLOSING:
		break;
	}
}

static void
on_commit(void *ctx)
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

static void
make_report(struct message *m)
{
	struct messages *ms = m->all;
	struct envelope *e = &m->envelope;
	unsigned n = e->reported + 1; /* in order: one may be owed since a crash or a full disk */
	char id[ENVELOPE_ID_MAX + 16];

	snprintf(id, sizeof(id), "%s.r%u", e->id, n);
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
	touch(m);
}

static void
make_warning(struct message *m)
{
	struct messages *ms = m->all;
	struct envelope *e = &m->envelope;
	char id[ENVELOPE_ID_MAX + 16];

	snprintf(id, sizeof(id), "%s.w", e->id);
	if (bounce_make(ms->spool, &ms->options.bounce, e, BOUNCE_DELAYED, 0, id, clock_wall_s()) ==
	    BOUNCE_MADE) {
		e->warned = true;
		envelope_write_number(&m->lines, "warned", 1);
		ms->options.arrived(ms->options.ctx);
	}
	m->stage = STAGE_LEAVING;
	touch(m);
}

static void
on_stages(void *ctx)
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
			touch(m);
		} else if (m->stage == STAGE_REPORT) {
			make_report(m);
		} else {
			make_warning(m);
		}
	}
}

/* --- in and out --------------------------------------------------------------------------- */

struct messages *
messages_new(
    struct reactor *r, struct spool *sp, struct sites *sites, const struct messages_options *o)
{
	struct messages *ms = xcalloc(1, sizeof(*ms));

	ms->reactor = r;
	ms->spool = sp;
	ms->sites = sites;
	ms->options = *o;
	map_init(&ms->by_id);
	list_init(&ms->touched);
	list_init(&ms->staged);
	list_init(&ms->bodies);
	task_init(&ms->commit, on_commit, ms);
	task_init(&ms->stages, on_stages, ms);
	return ms;
}

void
messages_free(struct messages **msp)
{
	struct messages *ms = *msp;

	if (ms == NULL)
		return;
	if (ms->by_id.count > 0)
		bug("messages are still in work");
	on_stages(ms);
	task_cancel(&ms->commit);
	task_cancel(&ms->stages);
	map_free(&ms->by_id);
	free(ms);
	*msp = NULL;
}

static struct work *
work_new(struct message *m)
{
	struct work *w = xcalloc(1, sizeof(*w));

	list_init(&w->link);
	list_init(&w->job.link);
	w->message = m;
	w->job.ops = &job_ops;
	w->job.ctx = m;
	w->job.id = m->envelope.id;
	w->job.sender = m->envelope.sender == NULL ? "" : m->envelope.sender;
	w->job.size = m->envelope.size;
	w->job.eightbit = m->envelope.eightbit;
	w->job.no_dots = !m->envelope.dots && !m->envelope.citadel;
	w->job.body = -1;
	return w;
}

struct bin { /* the job being filled for one site */
	struct map_node node;
	struct site *site;
	struct work *work;
};

static struct site *
site_of(struct messages *ms, const struct envelope *e, const char *address)
{
	return sites_find(ms->sites, e->sender == NULL ? "" : e->sender, address_domain(address));
}

static void
add_rcpt(struct bin *b, struct message *m, size_t index)
{
	struct job *j;

	if (b->work == NULL)
		b->work = work_new(m);
	j = &b->work->job;
	j->rcpts = xgrow(j->rcpts, j->nrcpts, &b->work->cap, sizeof(*j->rcpts));
	j->rcpts[j->nrcpts++] =
	    (struct job_rcpt){.address = m->envelope.rcpts[index].address, .index = index};
	j->unsettled++;
}

static void
hand_out(struct message *m, struct bin *b)
{
	m->jobs++;
	list_add_tail(&m->works, &b->work->link);
	site_add(b->site, &b->work->job);
	b->work = NULL;
}

/* Recipients that wait, by site, at most so many a job. */
static void
make_jobs(struct message *m)
{
	struct messages *ms = m->all;
	struct envelope *e = &m->envelope;
	struct map bins;
	struct map_node *n;

	map_init(&bins);
	for (size_t i = 0; i < e->nrcpts; i++) {
		struct recipient *r = &e->rcpts[i];
		struct site *site;
		struct bin *b;

		if (r->status == RCPT_DELIVERED || r->status == RCPT_FAILED)
			continue;
		site = site_of(ms, e, r->address);
		if ((n = map_get(&bins, site_name(site))) == NULL) {
			b = xcalloc(1, sizeof(*b));
			b->site = site;
			map_put(&bins, &b->node, site_name(site));
		} else {
			b = map_item(n, struct bin, node);
		}
		add_rcpt(b, m, i);
		if (b->work->job.nrcpts == ms->options.recipients)
			hand_out(m, b);
	}
	while ((n = map_any(&bins)) != NULL) {
		struct bin *b = map_item(n, struct bin, node);

		map_remove(&bins, n);
		if (b->work != NULL)
			hand_out(m, b);
		free(b);
	}
	map_free(&bins);
}

/*
 * Citadel's lists may leave the sender out: it is the address in the message's From then, and the
 * null sender where there is none.
 */
static void
find_sender(struct message *m)
{
	char address[ADDRESS_MAX + 1];
	int fd = spool_open_body(m->all->spool, m->envelope.msgid);

	if (fd >= 0 && original_from(fd, address, sizeof(address)) == 0) {
		m->envelope.sender = xstrdup(address);
	} else if (fd >= 0 || errno != ENOENT) { /* a missing body is seen to when it is wanted */
		log_warn("%s: cannot read its body: %s", m->envelope.id, strerror(errno));
		m->skip = true;
	}
	if (fd >= 0)
		sys.close(fd);
}

void
message_admit(struct messages *ms, struct envelope *e, off_t size, bool ignore_due)
{
	struct message *m = xcalloc(1, sizeof(*m));

	list_init(&m->touched);
	list_init(&m->next_stage);
	list_init(&m->works);
	m->all = ms;
	m->envelope = *e;
	envelope_init(e);
	m->size = size;
	m->fd = m->body = -1;
	m->ignore_due = ignore_due;
	m->rcpts = m->envelope.waiting;
	m->admitted_ms = reactor_now(ms->reactor);
	buf_init(&m->lines, LINES_MAX);
	ms->rcpts += m->rcpts;
	map_put(&ms->by_id, &m->node, m->envelope.id);
	if (m->envelope.sender == NULL)
		find_sender(m);
	make_jobs(m);
	if (m->jobs == 0) { /* it owes a report, or was finished and not removed */
		m->stage = STAGE_CLOSING;
		touch(m);
	}
}

struct site *
message_first_site(struct messages *ms, const struct envelope *e)
{
	for (size_t i = 0; i < e->nrcpts; i++)
		if (e->rcpts[i].status != RCPT_DELIVERED && e->rcpts[i].status != RCPT_FAILED)
			return site_of(ms, e, e->rcpts[i].address);
	return NULL;
}

bool
message_due(const struct envelope *e, int64_t now)
{
	return !e->hold && envelope_due_at(e) - e->retry / 8 <= now;
}

bool
messages_has(const struct messages *ms, const char *id)
{
	return map_get(&ms->by_id, id) != NULL;
}

size_t
messages_count(const struct messages *ms)
{
	return ms->by_id.count;
}

size_t
messages_recipients(const struct messages *ms)
{
	return ms->rcpts;
}

const struct messages_counts *
messages_counts(const struct messages *ms)
{
	return &ms->counts;
}

bool
messages_broken(const struct messages *ms)
{
	return ms->broken;
}

bool
messages_full(struct messages *ms)
{
	ms->full = !spool_ballast_ok(ms->spool);
	return ms->full;
}
