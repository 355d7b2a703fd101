/*
 * dial.c: hops -> one open connection.
 */
#include "dial.h"

#include <netinet/in.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/list.h"

enum { STAGGER_SAME_MS = 250, STAGGER_NEXT_MS = 2000 };

struct attempt { /* one half-open connection */
	struct list link;
	struct dial *dial;
	struct conn *conn;
	size_t index;
	const struct hop *hop;
	int64_t started_ms;
};

struct dial {
	struct reactor *reactor;
	struct dial_options options;
	const struct dial_ops *ops;
	void *ctx;
	struct list attempts;
	struct timer stagger;
	struct task task; /* start, and report the end from a later turn */
	bool have_next, over, dead;
	const struct hop *next;
	size_t next_index;
	bool last_seen; /* there is no further hop */
	unsigned preference; /* of the hop tried last */
};

static void on_conn(void *ctx, enum conn_event event);
static void dial_step(struct dial *d);

static void
attempt_free(struct attempt *a)
{
	list_remove(&a->link);
	conn_close(&a->conn);
	free(a);
}

/* Without a route, a socket or a port of our own nobody was tried: that is no attempt. */
static bool
is_local(int error)
{
	static const int errors[] = {
	    ENETUNREACH, ENETDOWN, EAFNOSUPPORT, EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM};

	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (error == errors[i])
			return true;
	return false;
}

static struct verdict
connect_verdict(const struct hop *h, int error)
{
	struct verdict v = verdict_make(FATE_RETRY, SCOPE_HOST, "4.4.1", "connecting", "%s%s: %s",
	    h->host, h->peer, strerror(error));

	v.no_attempt = is_local(error);
	return v;
}

/* Looks for the next hop unless it is known already. */
static bool
find_next(struct dial *d)
{
	enum route_state state;

	if (d->have_next || d->last_seen)
		return d->have_next;
	state = d->ops->next(d->ctx, &d->next, &d->next_index);
	d->have_next = state == ROUTE_HOP;
	d->last_seen = state == ROUTE_END;
	return d->have_next;
}

static void
attempt_start(struct dial *d)
{
	const struct hop *h = d->next;
	const struct sockaddr_storage *from = NULL;
	struct attempt *a = xcalloc(1, sizeof(*a));
	socklen_t fromlen = 0;

	d->have_next = false;
	d->preference = h->preference;
	if (h->addr.ss_family == AF_INET && d->options.bind4 != NULL &&
	    d->options.bind4->ss_family != 0) {
		from = d->options.bind4;
		fromlen = sizeof(struct sockaddr_in);
	} else if (h->addr.ss_family == AF_INET6 && d->options.bind6 != NULL &&
		   d->options.bind6->ss_family != 0) {
		from = d->options.bind6;
		fromlen = sizeof(struct sockaddr_in6);
	}
	list_init(&a->link);
	a->dial = d;
	a->index = d->next_index;
	a->hop = h;
	a->started_ms = reactor_now(d->reactor);
	trace_line(d->options.trace, "-- connecting to %s%s", h->host, h->peer);
	a->conn = conn_connect(d->reactor, (const struct sockaddr *)&h->addr, h->addrlen,
	    (const struct sockaddr *)from, fromlen, on_conn, a);
	if (a->conn == NULL) {
		struct verdict v = connect_verdict(h, errno);

		free(a);
		d->ops->failed(d->ctx, d->next_index, &v);
		task_queue(d->reactor, &d->task);
		return;
	}
	conn_deadline(a->conn, a->started_ms + (int64_t)d->options.connect_s * 1000);
	list_add_tail(&d->attempts, &a->link);
}

/* Tells the owner that no hop connected. */
static void
give_up(struct dial *d)
{
	d->over = true;
	timer_disarm(d->reactor, &d->stagger);
	d->ops->opened(d->ctx, NULL, 0, 0);
}

/* Starts what may start now, and arms the timer for what may start later. */
static void
dial_step(struct dial *d)
{
	if (d->over)
		return;
	if (list_empty(&d->attempts) && find_next(d))
		attempt_start(d);
	if (d->over || d->dead)
		return;
	if (list_empty(&d->attempts) && !d->have_next && d->last_seen) {
		give_up(d);
		return;
	}
	if (!d->options.race || timer_armed(&d->stagger) || list_empty(&d->attempts) ||
	    !find_next(d))
		return;
	timer_arm(d->reactor, &d->stagger,
	    reactor_now(d->reactor) +
		(d->next->preference == d->preference ? STAGGER_SAME_MS : STAGGER_NEXT_MS));
}

static void
on_task(void *ctx)
{
	struct dial *d = ctx;

	if (d->dead) {
		free(d);
		return;
	}
	dial_step(d);
}

static void
on_stagger(void *ctx)
{
	struct dial *d = ctx;

	if (find_next(d))
		attempt_start(d);
	dial_step(d);
}

/* The first that opened wins: the others are closed, except those that have opened too. */
static void
win(struct dial *d, struct attempt *a)
{
	struct conn *conn = a->conn;
	size_t index = a->index;
	int64_t took_ms = reactor_now(d->reactor) - a->started_ms;

	d->over = true;
	timer_disarm(d->reactor, &d->stagger);
	a->conn = NULL;
	attempt_free(a);
	while (!list_empty(&d->attempts)) {
		struct attempt *loser = list_item(d->attempts.next, struct attempt, link);

		if (conn_is_open(loser->conn)) {
			struct conn *spare = loser->conn;

			loser->conn = NULL;
			conn_deadline(spare, 0);
			d->ops->spare(d->ctx, spare, loser->index);
		}
		attempt_free(loser);
	}
	conn_deadline(conn, 0);
	d->ops->opened(d->ctx, conn, index, took_ms);
}

static void
lose(struct dial *d, struct attempt *a, int error)
{
	struct verdict v = connect_verdict(a->hop, error);
	size_t index = a->index;

	trace_line(d->options.trace, "-- %s", v.text);
	attempt_free(a);
	timer_disarm(d->reactor, &d->stagger);
	d->ops->failed(d->ctx, index, &v);
	if (d->over || d->dead)
		return;
	if (find_next(d)) /* the next at once, whoever else is still trying */
		attempt_start(d);
	dial_step(d);
}

static void
on_conn(void *ctx, enum conn_event event)
{
	struct attempt *a = ctx;
	struct dial *d = a->dial;

	switch (event) {
	case CONN_OPEN:
		win(d, a);
		break;
	case CONN_FAILED:
		lose(d, a, conn_errno(a->conn));
		break;
	case CONN_DEADLINE:
		lose(d, a, ETIMEDOUT);
		break;
	case CONN_READY:
	case CONN_SECURE: /* TLS is for whom the connection was opened for */
	case CONN_INSECURE:
		break;
	}
}

struct dial *
dial_start(struct reactor *r, const struct dial_options *o, const struct dial_ops *ops, void *ctx)
{
	struct dial *d = xcalloc(1, sizeof(*d));

	d->reactor = r;
	d->options = *o;
	d->ops = ops;
	d->ctx = ctx;
	list_init(&d->attempts);
	timer_init(&d->stagger, on_stagger, d);
	task_init(&d->task, on_task, d);
	task_queue(r, &d->task);
	return d;
}

void
dial_more(struct dial *d)
{
	task_queue(d->reactor, &d->task);
}

void
dial_cancel(struct dial **dp)
{
	struct dial *d = *dp;

	if (d == NULL)
		return;
	d->over = d->dead = true;
	timer_disarm(d->reactor, &d->stagger);
	while (!list_empty(&d->attempts))
		attempt_free(list_item(d->attempts.next, struct attempt, link));
	task_cancel(&d->task);
	task_queue(d->reactor, &d->task); /* frees it */
	*dp = NULL;
}
