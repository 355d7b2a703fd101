/*
 * reactor.c: poll(2), timers, deferred tasks.
 *
 * Three things make it safe to change anything from within any callback. The pollfd array is walked
 * from its end: removing an entry moves only entries from behind it to where they have yet to be passed,
 * so none is missed. An entry's revents are taken away before its callback runs, and a new entry starts
 * with none, so none is called twice and no new one gets an old one's events. Timers and tasks of a turn
 * are moved to a list of their own first, from which they can be removed like from any other; what is
 * added goes elsewhere.
 *
 * poll(2) costs as much as there are descriptors, not as many as are ready. So the array has two parts:
 * the first are those with something going on, and when there are many others they are left out, but
 * every WHOLE_MS and whenever a timer is due. What is found ready moves to the first part before any
 * callback runs, so the others never have revents.
 */
#include "net/reactor.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sys.h"

enum {
	FDS_FIRST = 16,
	QUIET_MANY = 200, /* fewer quiet ones are asked every time */
	QUIET_MS = 300, /* after so long without anything a descriptor is quiet */
	WHOLE_MS = 10,
};

struct reactor {
	int64_t now_ms;
	struct wheel wheel;
	struct pollfd *fds; /* dense */
	struct watch **watches; /* whose entry it is; same index */
	size_t nfds, cap;
	size_t nactive; /* the first so many of them */
	int64_t whole_ms; /* when all were asked last */
	uint64_t round; /* counted through all turns */
	unsigned rounds; /* of a turn */
	struct list tasks, last, idle;
	bool in_turn;
};

struct reactor *
reactor_new(void)
{
	struct reactor *r = xcalloc(1, sizeof(*r));

	r->now_ms = clock_mono_ms();
	r->rounds = 1;
	wheel_init(&r->wheel, r->now_ms);
	list_init(&r->tasks);
	list_init(&r->last);
	list_init(&r->idle);
	return r;
}

static bool
anything_queued(const struct reactor *r)
{
	return !list_empty(&r->tasks) || !list_empty(&r->last);
}

static bool
idle(const struct reactor *r)
{
	return r->nfds == 0 && wheel_next(&r->wheel) == INT64_MAX && !anything_queued(r) &&
	       list_empty(&r->idle);
}

void
reactor_free(struct reactor **rp)
{
	struct reactor *r = *rp;

	if (r == NULL)
		return;
	if (!idle(r))
		bug("reactor_free while something is watched, armed or queued");
	free(r->fds);
	free(r->watches);
	free(r);
	*rp = NULL;
}

/* --- watches --- */

void
watch_init(struct watch *w, watch_fn *fn, void *ctx)
{
	*w = (struct watch){.fd = -1, .slot = SIZE_MAX, .fn = fn, .ctx = ctx};
}

/* What was at `to` is gone, or will be put elsewhere. */
static void
move(struct reactor *r, size_t from, size_t to)
{
	if (from == to)
		return;
	r->fds[to] = r->fds[from];
	r->watches[to] = r->watches[from];
	r->watches[to]->slot = to;
}

static void
swap(struct reactor *r, size_t a, size_t b)
{
	struct pollfd p = r->fds[a];
	struct watch *w = r->watches[a];

	move(r, b, a);
	r->fds[b] = p;
	r->watches[b] = w;
	w->slot = b;
}

static void
activate(struct reactor *r, struct watch *w)
{
	w->active_ms = r->now_ms;
	if (w->slot >= r->nactive)
		swap(r, w->slot, r->nactive++);
}

void
watch_add(struct reactor *r, struct watch *w, int fd, short events)
{
	if (w->slot != SIZE_MAX)
		bug("watch_add of a watch that is watched");
	if (fd < 0)
		bug("watch_add without a descriptor");
	if (r->nfds == r->cap) {
		r->cap = r->cap > 0 ? r->cap * 2 : FDS_FIRST;
		r->fds = xreallocarray(r->fds, r->cap, sizeof(*r->fds));
		r->watches = xreallocarray(r->watches, r->cap, sizeof(*r->watches));
	}
	w->fd = fd;
	w->round = 0;
	w->slot = r->nfds++;
	r->fds[w->slot] = (struct pollfd){.fd = fd, .events = events};
	r->watches[w->slot] = w;
	activate(r, w);
}

void
watch_change(struct reactor *r, struct watch *w, short events)
{
	if (w->slot == SIZE_MAX)
		bug("watch_change of a watch that is not watched");
	r->fds[w->slot].events = events;
	activate(r, w);
}

void
watch_remove(struct reactor *r, struct watch *w)
{
	size_t hole = w->slot;

	if (hole == SIZE_MAX)
		return;
	if (hole < r->nactive) {
		move(r, --r->nactive, hole);
		hole = r->nactive;
	}
	move(r, --r->nfds, hole);
	w->slot = SIZE_MAX;
	w->fd = -1;
}

/* Moves the quiet ones that poll(2) has marked to the others; left: how many are marked at most. */
static void
activate_ready(struct reactor *r, int left)
{
	for (size_t i = 0; i < r->nactive && left > 0; i++)
		left -= r->fds[i].revents != 0;
	for (size_t i = r->nactive; i < r->nfds && left > 0; i++) {
		if (r->fds[i].revents == 0)
			continue;
		left--;
		activate(r, r->watches[i]);
	}
}

/* ready: how many entries poll(2) has marked; those removed meanwhile only make the walk longer. */
static void
run_watches(struct reactor *r, int ready)
{
	r->round++;
	for (size_t i = r->nactive; i-- > 0 && ready > 0;) {
		struct pollfd *p = &r->fds[i];
		struct watch *w;
		short events;

		/* A callback may have removed so many that they end before i. */
		if (i >= r->nactive || p->revents == 0)
			continue;
		ready--;
		if (p->revents & POLLNVAL)
			bug("a watched descriptor was closed");
		/* What was asked for may have changed since poll(2). */
		events = (short)(p->revents & (p->events | POLLERR | POLLHUP));
		p->revents = 0;
		w = r->watches[i];
		w->active_ms = r->now_ms;
		if (events & POLLIN)
			w->round = r->round;
		if (events != 0)
			w->fn(w->ctx, events);
	}
}

/* Those that had something to read in the last round, unless they no longer want to. */
static void
run_readers(struct reactor *r)
{
	uint64_t last = r->round++;

	for (size_t i = r->nactive; i-- > 0;) {
		struct watch *w;

		if (i >= r->nactive)
			continue;
		w = r->watches[i];
		if (w->round != last || !(r->fds[i].events & POLLIN))
			continue;
		w->round = r->round;
		w->fn(w->ctx, POLLIN);
	}
}

void
reactor_rounds(struct reactor *r, unsigned n)
{
	r->rounds = n;
}

/* --- timers --- */

void
timer_init(struct timer *t, timer_fn *fn, void *ctx)
{
	wheel_node_init(&t->node);
	t->fn = fn;
	t->ctx = ctx;
}

void
timer_arm(struct reactor *r, struct timer *t, int64_t at_ms)
{
	wheel_arm(&r->wheel, &t->node, at_ms);
}

void
timer_disarm(struct reactor *r, struct timer *t)
{
	wheel_disarm(&r->wheel, &t->node);
}

bool
timer_armed(const struct timer *t)
{
	return wheel_armed(&t->node);
}

static void
run_timers(struct reactor *r)
{
	struct list due;

	list_init(&due);
	wheel_advance(&r->wheel, r->now_ms, &due);
	while (!list_empty(&due)) {
		struct timer *t = list_item(due.next, struct timer, node.link);

		list_remove(&t->node.link);
		t->fn(t->ctx);
	}
}

/* --- tasks --- */

void
task_init(struct task *t, task_fn *fn, void *ctx)
{
	list_init(&t->link);
	t->fn = fn;
	t->ctx = ctx;
}

void
task_queue(struct reactor *r, struct task *t)
{
	if (!list_linked(&t->link))
		list_add_tail(&r->tasks, &t->link);
}

void
task_queue_last(struct reactor *r, struct task *t)
{
	if (!list_linked(&t->link))
		list_add_tail(&r->last, &t->link);
}

void
task_queue_idle(struct reactor *r, struct task *t)
{
	if (!list_linked(&t->link))
		list_add_tail(&r->idle, &t->link);
}

void
task_cancel(struct task *t)
{
	list_remove(&t->link);
}

static void
run_tasks(struct list *queue)
{
	struct list now;

	list_init(&now);
	list_splice_tail(&now, queue);
	while (!list_empty(&now)) {
		struct task *t = list_item(now.next, struct task, link);

		list_remove(&t->link);
		t->fn(t->ctx);
	}
}

static void
run_idle(struct reactor *r)
{
	struct task *t;

	if (list_empty(&r->idle))
		return;
	t = list_item(r->idle.next, struct task, link);
	list_remove(&t->link);
	t->fn(t->ctx);
}

/* --- the turn --- */

int64_t
reactor_now(const struct reactor *r)
{
	return r->now_ms;
}

/*
 * How long poll(2) may wait, ms; -1: until a descriptor is ready. The callbacks of the last turn have
 * taken time of their own, so the clock is read afresh for this.
 */
static int
patience_ms(const struct reactor *r)
{
	int64_t next = wheel_next(&r->wheel), now;

	if (anything_queued(r) || !list_empty(&r->idle))
		return 0;
	if (next == INT64_MAX)
		return -1;
	now = clock_mono_ms();
	if (next <= now)
		return 0;
	return next - now < INT_MAX ? (int)(next - now) : INT_MAX;
}

static void
retire_quiet(struct reactor *r)
{
	for (size_t i = r->nactive; i-- > 0;)
		if (r->now_ms - r->watches[i]->active_ms >= QUIET_MS)
			swap(r, i, --r->nactive);
}

/* How long the active ones may be waited for alone, ms; 0: not at all. */
static int
alone_ms(const struct reactor *r)
{
	int64_t now, next = wheel_next(&r->wheel), end = r->whole_ms + WHOLE_MS;

	if (r->nactive == 0 || r->nfds - r->nactive < QUIET_MANY)
		return 0;
	now = clock_mono_ms();
	if (next < end)
		end = next;
	return end > now ? (int)(end - now) : 0;
}

/* Asks some or all. Returns how many entries are marked. A wait that was interrupted found nothing. */
static int
wait_ready(struct reactor *r, bool *whole)
{
	int alone = alone_ms(r), ready;
	size_t n = r->nfds;

	*whole = alone == 0;
	if (*whole) {
		retire_quiet(r);
		ready = sys.poll(r->fds, (nfds_t)n, patience_ms(r));
	} else {
		n = r->nactive;
		ready = sys.poll(r->fds, (nfds_t)n, patience_ms(r) == 0 ? 0 : alone);
	}
	if (ready >= 0)
		return ready;
	if (errno != EINTR && errno != EAGAIN)
		die(EX_TEMPFAIL, "poll of %zu descriptors: %s", n, strerror(errno));
	return 0;
}

bool
reactor_turn(struct reactor *r)
{
	bool whole;
	int ready;

	if (r->in_turn)
		bug("reactor_turn from within a callback");
	if (idle(r))
		return false;
	r->in_turn = true;
	ready = wait_ready(r, &whole);
	r->now_ms = clock_mono_ms();
	if (whole) {
		r->whole_ms = r->now_ms;
		activate_ready(r, ready);
	}
	run_watches(r, ready);
	for (unsigned i = 1; i < r->rounds && ready > 0; i++)
		run_readers(r);
	if (whole)
		run_timers(r);
	if (ready == 0 && !anything_queued(r))
		run_idle(r);
	run_tasks(&r->tasks);
	run_tasks(&r->last);
	r->in_turn = false;
	return true;
}
