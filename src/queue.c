/*
 * queue.c: what is due; messages to sites.
 */
#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "queue_candidates.h"
#include "queue_sleepers.h"

enum {
	RECIPIENTS_MAX = 200000, /* in work at once, or QUEUE_MESSAGES_MAX messages */
	ADMIT_A_TURN = 100,
	CONGESTED = 200, /* waiting jobs of a site that yields to others */
	SCAN_SHARE = 10, /* of the time, scanning gets one part in so many */
	CLOCK_SLACK_S = 3600,
	/* A scan believes what one so long ago has seen asleep in the same pass. */
	SLEEP_MS = 60000,
	BUSY_MS = 250, /* until a message that another has locked is looked at again; doubles, */
	BUSY_LOOKS = 5, /* so often in all */
};

/*
 * Not to be looked at again in this pass, or not yet: what was opened and is locked, damaged or none
 * of ours. For a filter, or the runner of one user, that may be all of the queue: 120 bytes each.
 */
struct skipped {
	struct map_node node;
	unsigned busy; /* how often another had the lock */
	int64_t again_ms; /* when to look again, 0: never */
	char id[ENVELOPE_ID_MAX + 1];
};

struct queue {
	struct reactor *reactor;
	struct spool *spool;
	struct sites *sites;
	struct queue_options options;
	struct messages *messages;
	struct candidates due, later;
	struct map skipped;
	struct sleepers sleepers;
	int64_t slept_ms; /* the first of them was seen */
	struct task admit;
	struct timer rescan, busy;
	int64_t scan_again_ms; /* not before */
	bool truncated; /* the scan found more than it kept */
	bool yielding; /* congested sites let others go first */
	bool stopped, failed;
};

/* --- passed over -------------------------------------------------------------------------- */

static struct skipped *
skipped(const struct queue *q, const char *id)
{
	struct map_node *n = map_get(&q->skipped, id);

	return n == NULL ? NULL : map_item(n, struct skipped, node);
}

static struct skipped *
skip(struct queue *q, const char *id)
{
	struct skipped *s = skipped(q, id);

	if (s == NULL) {
		s = xcalloc(1, sizeof(*s));
		str_copy(s->id, sizeof(s->id), id);
		map_put(&q->skipped, &s->node, s->id);
	}
	s->again_ms = 0;
	return s;
}

/*
 * A submitter holds the lock until his message is durable, and it can be seen before that; so what
 * is locked may be free in a moment, and must not wait for the next pass.
 */
static void
skip_busy(struct queue *q, const char *id)
{
	struct skipped *s = skip(q, id);

	if (++s->busy >= BUSY_LOOKS || q->stopped)
		return;
	s->again_ms = reactor_now(q->reactor) + ((int64_t)BUSY_MS << (s->busy - 1));
	if (!timer_armed(&q->busy))
		timer_arm(q->reactor, &q->busy, s->again_ms);
}

static bool
passed_over(struct queue *q, const char *id)
{
	const struct skipped *s = skipped(q, id);

	if (s == NULL || (s->again_ms != 0 && s->again_ms <= reactor_now(q->reactor)))
		return false;
	if (s->again_ms != 0 && !timer_armed(&q->busy))
		timer_arm(q->reactor, &q->busy, s->again_ms);
	return true;
}

static void
on_busy(void *ctx)
{
	queue_rescan(ctx);
}

static void
forget_skipped(struct queue *q)
{
	struct map_node *n;

	while ((n = map_any(&q->skipped)) != NULL) {
		map_remove(&q->skipped, n);
		free(map_item(n, struct skipped, node));
	}
}

/* --- scan --------------------------------------------------------------------------------- */

static bool
asked_for(const struct queue *q)
{
	return q->options.nfilters > 0 || q->options.only != NULL;
}

/* A time further ahead than any interval we set comes from a clock that jumped. */
static bool
sleeping(const struct queue *q, int64_t due_at, int64_t now)
{
	int64_t longest = q->options.messages.retry_max_s / 8 * 9 + CLOCK_SLACK_S;

	return due_at > now && due_at <= now + longest;
}

static bool
is_worth_a_look(void *ctx, const char *id)
{
	const struct queue *q = ctx;

	return !sleepers_has(&q->sleepers, id);
}

static bool
on_entry(void *ctx, const struct spool_entry *e)
{
	struct queue *q = ctx;
	struct candidate c = {.due_at = e->due_at};

	if (!asked_for(q) && sleeping(q, e->due_at, clock_wall_s())) {
		sleepers_add(&q->sleepers, e->id);
		return true;
	}
	if (messages_has(q->messages, e->id) || passed_over(q, e->id))
		return true;
	if (q->options.uid >= 0 && spool_owner(q->spool, e->id) != q->options.uid)
		return true;
	str_copy(c.id, sizeof(c.id), e->id);
	if (!candidates_offer(&q->due, &c))
		q->truncated = true;
	return true;
}

/* One message that is asked for by name needs no walk over all of them. */
static int
scan_only(struct queue *q)
{
	struct candidate c = {.due_at = 0};

	str_copy(c.id, sizeof(c.id), q->options.only);
	if (!messages_has(q->messages, c.id) && !passed_over(q, c.id))
		candidates_add(&q->due, &c);
	return 0;
}

static int
scan_all(struct queue *q)
{
	int64_t now = clock_mono_ms();

	if (now - q->slept_ms > SLEEP_MS)
		sleepers_clear(&q->sleepers);
	if (q->sleepers.n > 0)
		return spool_scan_some(q->spool, is_worth_a_look, on_entry, q);
	q->slept_ms = now;
	return spool_scan(q->spool, on_entry, q);
}

/* What could be read is delivered even if something could not: -1 and errno then. */
static int
scan(struct queue *q)
{
	int64_t started = clock_mono_ms(), took;
	int r, error;

	candidates_clear(&q->due);
	candidates_clear(&q->later);
	q->truncated = false;
	q->yielding = true;
	timer_disarm(q->reactor, &q->rescan);
	r = q->options.only != NULL ? scan_only(q) : scan_all(q);
	error = errno;
	candidates_sort(&q->due);
	took = clock_mono_ms() - started;
	q->scan_again_ms = clock_mono_ms() + took * SCAN_SHARE;
	task_queue(q->reactor, &q->admit);
	if (r != 0) {
		log_warn(
		    "cannot read all of the spool %s: %s", spool_path(q->spool), strerror(error));
		q->failed = true;
	}
	errno = error;
	return r;
}

static void
on_rescan(void *ctx)
{
	struct queue *q = ctx;

	if (!q->stopped)
		scan(q);
}

/* --- admission ---------------------------------------------------------------------------- */

static bool
filter_matches(const struct queue_filter *f, const struct envelope *e)
{
	bool hit = false;

	if (f->which == 'I') {
		hit = str_has_i(e->id, f->text);
	} else if (f->which == 'S') {
		hit = str_has_i(e->sender == NULL ? "" : e->sender, f->text);
	} else {
		for (size_t i = 0; i < e->nrcpts && !hit; i++)
			hit = str_has_i(e->rcpts[i].address, f->text);
	}
	return hit != f->inverted;
}

static bool
wanted(const struct queue *q, const struct envelope *e)
{
	if (q->options.uid >= 0 && e->uid != q->options.uid)
		return false;
	for (size_t i = 0; i < q->options.nfilters; i++)
		if (!filter_matches(&q->options.filters[i], e))
			return false;
	if (e->hold)
		return false;
	return asked_for(q) || message_due(e, clock_wall_s());
}

/* Only what was read whole, under the lock, and does not parse goes to corrupt/. */
static void
quarantine(struct queue *q, const char *id)
{
	struct envelope e;
	char why[256];
	off_t size;
	int fd = -1;

	if (spool_lock(q->spool, id, &fd) != SPOOL_LOCKED)
		return;
	envelope_init(&e);
	if (spool_load(q->spool, id, fd, &e, &size, why, sizeof(why)) == SPOOL_CORRUPT)
		spool_quarantine(q->spool, id, NULL, why);
	envelope_free(&e);
	durable_forget_file(spool_batch(q->spool), fd); /* nothing of ours is in it */
	spool_unlock(&fd);
}

static bool
load(struct queue *q, const char *id, struct envelope *e, off_t *size)
{
	char why[256];

	switch (spool_load(q->spool, id, -1, e, size, why, sizeof(why))) {
	case SPOOL_LOADED:
		return true;
	case SPOOL_MISSING:
		return false;
	case SPOOL_UNREADABLE:
		log_warn("%s: cannot read its control file: %s", id, strerror(errno));
		break;
	case SPOOL_CORRUPT:
		quarantine(q, id);
		break;
	}
	skip(q, id);
	return false;
}

static bool
congested(struct queue *q, const struct envelope *e)
{
	struct site *s = q->yielding ? message_first_site(q->messages, e) : NULL;

	return s != NULL && site_waiting(s) > CONGESTED;
}

/* What was kept may be old by now: who takes the lock compares the size. */
static void
admit_one(struct queue *q, struct candidate *c)
{
	struct envelope e;
	off_t size;
	bool known = candidate_take(c, &e, &size);

	if (messages_has(q->messages, c->id) || (!known && !load(q, c->id, &e, &size))) {
		envelope_free(&e);
		return;
	}
	if (!wanted(q, &e)) {
		skip(q, c->id);
	} else if (congested(q, &e)) {
		candidate_keep(c, &e, size);
		candidates_add(&q->later, c);
	} else {
		message_admit(q->messages, &e, size, asked_for(q));
	}
	envelope_free(&e);
}

static bool
have_room(const struct queue *q)
{
	/* half of them for sites that have enough to do */
	size_t max = q->yielding ? QUEUE_MESSAGES_MAX : QUEUE_MESSAGES_MAX / 2;

	return messages_count(q->messages) < max &&
	       messages_recipients(q->messages) < RECIPIENTS_MAX;
}

/* Those that let others go first have their turn when no other is left. */
static void
take_later(struct queue *q)
{
	struct candidates empty = q->due;

	q->due = q->later;
	q->later = empty;
	q->yielding = false;
	candidates_sort(&q->due);
}

static void
on_admit(void *ctx)
{
	struct queue *q = ctx;

	if (q->stopped || messages_broken(q->messages))
		return;
	if (q->due.n == 0 && q->later.n > 0)
		take_later(q);
	if (q->due.n > 0 && messages_full(q->messages)) {
		log_warn("the disk is full: nothing new is started until there is room");
		queue_stop(q);
		return;
	}
	for (int i = 0; i < ADMIT_A_TURN && q->due.n > 0 && have_room(q); i++) {
		struct candidate c = candidates_earliest(&q->due);

		admit_one(q, &c);
	}
	if (q->truncated && q->due.n + q->later.n < CANDIDATES_MAX / 10)
		queue_rescan(q);
	if (q->due.n + q->later.n > 0 && have_room(q))
		task_queue(q->reactor, &q->admit);
}

static void
on_left(void *ctx, const char *id, enum message_left how)
{
	struct queue *q = ctx;

	if (how == MESSAGE_BUSY)
		skip_busy(q, id);
	else if (how == MESSAGE_SKIPPED || (how == MESSAGE_LATER && asked_for(q)))
		skip(q, id);
	if (q->due.n + q->later.n > 0)
		task_queue(q->reactor, &q->admit);
}

static void
on_arrived(void *ctx)
{
	queue_rescan(ctx); /* the pass takes its own reports along */
}

/* --- the outside -------------------------------------------------------------------------- */

struct queue *
queue_new(struct reactor *r, struct spool *sp, struct sites *sites, const struct queue_options *o)
{
	struct queue *q = xcalloc(1, sizeof(*q));

	q->reactor = r;
	q->spool = sp;
	q->sites = sites;
	q->options = *o;
	q->options.messages.left = on_left;
	q->options.messages.arrived = on_arrived;
	q->options.messages.ctx = q;
	q->messages = messages_new(r, sp, sites, &q->options.messages);
	map_init(&q->skipped);
	task_init(&q->admit, on_admit, q);
	timer_init(&q->rescan, on_rescan, q);
	timer_init(&q->busy, on_busy, q);
	return q;
}

void
queue_free(struct queue **qp)
{
	struct queue *q = *qp;

	if (q == NULL)
		return;
	task_cancel(&q->admit);
	timer_disarm(q->reactor, &q->rescan);
	timer_disarm(q->reactor, &q->busy);
	messages_free(&q->messages);
	forget_skipped(q);
	map_free(&q->skipped);
	candidates_free(&q->due);
	candidates_free(&q->later);
	sleepers_clear(&q->sleepers);
	free(q);
	*qp = NULL;
}

int
queue_start_pass(struct queue *q)
{
	q->stopped = q->failed = false;
	forget_skipped(q);
	sleepers_clear(&q->sleepers);
	sites_new_pass(q->sites);
	if (q->options.uid < 0 && !asked_for(q) && /* a full run's chore: it looks at every body */
	    spool_clean_due(q->spool, clock_wall_s()))
		spool_clean(q->spool, clock_wall_s());
	return scan(q);
}

bool
queue_look_again(struct queue *q)
{
	if (!q->stopped)
		scan(q);
	return q->due.n > 0;
}

bool
queue_failed(const struct queue *q)
{
	return q->failed;
}

void
queue_rescan(struct queue *q)
{
	int64_t now = reactor_now(q->reactor);

	if (q->stopped || timer_armed(&q->rescan))
		return;
	timer_arm(q->reactor, &q->rescan, q->scan_again_ms > now ? q->scan_again_ms : now);
}

void
queue_stop(struct queue *q)
{
	q->stopped = true;
	candidates_clear(&q->due);
	candidates_clear(&q->later);
	q->truncated = false;
	timer_disarm(q->reactor, &q->rescan);
	timer_disarm(q->reactor, &q->busy);
	task_cancel(&q->admit);
}

bool
queue_pass_done(const struct queue *q)
{
	return q->due.n + q->later.n == 0 && messages_count(q->messages) == 0 && !q->truncated &&
	       !timer_armed(&q->rescan) && !timer_armed(&q->busy);
}

size_t
queue_waiting(const struct queue *q)
{
	return q->due.n + q->later.n;
}

struct messages *
queue_messages(struct queue *q)
{
	return q->messages;
}
