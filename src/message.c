/*
 * message.c: the messages in work: how they come in and are handed to their sites as jobs, and how
 * they leave.
 */
#include "message_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sys.h"
#include "bounce_original.h"
#include "proto/address.h"

enum { LINES_MAX = 64 * 1024 * 1024 };

enum { CLOCK_SLACK_S = 3600 }; /* a clock that is set back by less delays mail by no more */

struct work { /* a job and whose it is */
	struct list link;
	struct message *message;
	bool holds; /* between GO and pause or done */
	struct job job;
	size_t cap; /* of job.rcpts */
};

void
message_touch(struct message *m)
{
	if (!list_linked(&m->touched))
		list_add_tail(&m->all->touched, &m->touched);
	task_queue_last(m->all->reactor, &m->all->commit);
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
	if (!message_lock(m))
		return JOB_BUSY;
	drop_settled(m, j);
	if (j->unsettled == 0)
		return JOB_GONE;
	if (j->body_wanted && !message_open_body(m)) {
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
		message_touch(w->message); /* the commit lets go of the lock */
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
	message_touch(m);
}

static const struct job_ops job_ops = {
    job_begin, message_settle, job_pause, job_done, message_may_forward, message_forward};

/* --- in and out --------------------------------------------------------------------------- */

void
message_free(struct message *m)
{
	message_let_go(m);
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

struct messages *
messages_new(
    struct reactor *r, struct spool *sp, struct sites *sites, const struct messages_options *o)
{
	struct messages *ms = xcalloc(1, sizeof(*ms));

	ms->reactor = r;
	ms->spool = sp;
	ms->sites = sites;
	ms->options = *o;
	if (ms->options.bodies_max == 0)
		ms->options.bodies_max = BODIES_MAX;
	map_init(&ms->by_id);
	list_init(&ms->touched);
	list_init(&ms->staged);
	list_init(&ms->bodies);
	task_init(&ms->commit, messages_commit, ms);
	task_init(&ms->stages, messages_next_stages, ms);
	task_init(&ms->sweep, messages_sweep, ms);
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
	messages_next_stages(ms);
	messages_remove_bodies(ms, 0, 0);
	task_cancel(&ms->commit);
	task_cancel(&ms->stages);
	task_cancel(&ms->sweep);
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
	w->job.verbatim = !m->envelope.citadel;
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
	/* a host that hung up on a BDAT may do so each time */
	if (m->envelope.rcpts[index].status == RCPT_DEFERRED)
		j->verbatim = false;
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

static bool
is_waiting(const struct recipient *r)
{
	return r->status != RCPT_DELIVERED && r->status != RCPT_FAILED;
}

/* Most messages have one recipient, and nothing to sort by site. */
static void
make_job(struct message *m)
{
	struct envelope *e = &m->envelope;
	struct bin b = {.work = NULL};
	size_t i = 0;

	while (!is_waiting(&e->rcpts[i]))
		i++;
	b.site = site_of(m->all, e, e->rcpts[i].address);
	add_rcpt(&b, m, i);
	hand_out(m, &b);
}

static struct bin *
bin_of(struct map *bins, struct site *site)
{
	struct map_node *n = map_get(bins, site_name(site));
	struct bin *b;

	if (n != NULL)
		return map_item(n, struct bin, node);
	b = xcalloc(1, sizeof(*b));
	b->site = site;
	map_put(bins, &b->node, site_name(site));
	return b;
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
		struct bin *b;

		if (!is_waiting(&e->rcpts[i]))
			continue;
		b = bin_of(&bins, site_of(ms, e, e->rcpts[i].address));
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
	int fd = spool_open_body(m->all->spool, m->envelope.msgid, NULL);

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
	if (m->envelope.waiting == 1)
		make_job(m);
	else
		make_jobs(m);
	if (m->jobs == 0) { /* it owes a report, or was finished and not removed */
		m->stage = STAGE_CLOSING;
		message_touch(m);
	}
}

struct site *
message_first_site(struct messages *ms, const struct envelope *e)
{
	for (size_t i = 0; i < e->nrcpts; i++)
		if (is_waiting(&e->rcpts[i]))
			return site_of(ms, e, e->rcpts[i].address);
	return NULL;
}

bool
message_due(const struct envelope *e, int64_t now)
{
	if (e->hold)
		return false;
	/* tried in the future: by a clock that was ahead then */
	return e->attempted > now + CLOCK_SLACK_S || envelope_due_at(e) - e->retry / 8 <= now;
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
	if (ms->full && ms->nbodies > 0) {
		messages_remove_bodies(ms, 0, 0);
		ms->full = !spool_ballast_ok(ms->spool);
	}
	return ms->full;
}
