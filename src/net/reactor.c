/*
 * reactor.c: poll(2), timers, deferred tasks.
 *
 * Three things make it safe to change anything from within any callback. The pollfd array is walked
 * from its end: removing an entry moves the last one into the hole, and on a backward walk the last
 * one has been dealt with (or is the one being dealt with), so none is missed. An entry's revents are
 * taken away before its callback runs, and a new entry starts with none, so none is called twice and
 * no new one gets an old one's events. Timers and tasks of a turn are moved to a list of their own
 * first, from which they can be removed like from any other; what is added goes elsewhere.
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

enum { FDS_FIRST = 16 };

struct reactor {
	int64_t now_ms;
	struct wheel wheel;
	struct pollfd *fds; /* dense */
	struct watch **watches; /* whose entry it is; same index */
	size_t nfds, cap;
	struct list tasks, last;
	bool in_turn;
};

struct reactor *
reactor_new(void)
{
	struct reactor *r = xcalloc(1, sizeof(*r));

	r->now_ms = clock_mono_ms();
	wheel_init(&r->wheel, r->now_ms);
	list_init(&r->tasks);
	list_init(&r->last);
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
	return r->nfds == 0 && wheel_next(&r->wheel) == INT64_MAX && !anything_queued(r);
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
	w->slot = r->nfds++;
	r->fds[w->slot] = (struct pollfd){.fd = fd, .events = events};
	r->watches[w->slot] = w;
}

void
watch_change(struct reactor *r, struct watch *w, short events)
{
	if (w->slot == SIZE_MAX)
		bug("watch_change of a watch that is not watched");
	r->fds[w->slot].events = events;
}

void
watch_remove(struct reactor *r, struct watch *w)
{
	size_t last;

	if (w->slot == SIZE_MAX)
		return;
	last = --r->nfds;
	r->fds[w->slot] = r->fds[last];
	r->watches[w->slot] = r->watches[last];
	r->watches[w->slot]->slot = w->slot;
	w->slot = SIZE_MAX;
	w->fd = -1;
}

/* ready: how many entries poll(2) has marked; those removed meanwhile only make the walk longer. */
static void
run_watches(struct reactor *r, int ready)
{
	for (size_t i = r->nfds; i-- > 0 && ready > 0;) {
		struct pollfd *p = &r->fds[i];
		struct watch *w;
		short events;

		/* A callback may have removed so many that the array ends before i. */
		if (i >= r->nfds || p->revents == 0)
			continue;
		ready--;
		if (p->revents & POLLNVAL)
			bug("a watched descriptor was closed");
		/* What was asked for may have changed since poll(2). */
		events = (short)(p->revents & (p->events | POLLERR | POLLHUP));
		p->revents = 0;
		w = r->watches[i];
		if (events != 0)
			w->fn(w->ctx, events);
	}
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

	if (anything_queued(r))
		return 0;
	if (next == INT64_MAX)
		return -1;
	now = clock_mono_ms();
	if (next <= now)
		return 0;
	return next - now < INT_MAX ? (int)(next - now) : INT_MAX;
}

/* Returns how many entries are marked. A wait that was interrupted found nothing. */
static int
wait_ready(struct reactor *r)
{
	int ready = sys.poll(r->fds, (nfds_t)r->nfds, patience_ms(r));

	if (ready >= 0)
		return ready;
	if (errno != EINTR && errno != EAGAIN)
		die(EX_TEMPFAIL, "poll of %zu descriptors: %s", r->nfds, strerror(errno));
	return 0;
}

bool
reactor_turn(struct reactor *r)
{
	int ready;

	if (r->in_turn)
		bug("reactor_turn from within a callback");
	if (idle(r))
		return false;
	r->in_turn = true;
	ready = wait_ready(r);
	r->now_ms = clock_mono_ms();
	run_watches(r, ready);
	run_timers(r);
	run_tasks(&r->tasks);
	run_tasks(&r->last);
	r->in_turn = false;
	return true;
}
