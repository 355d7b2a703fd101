/*
 * site_open.c: a new connection for a site: a dial, the hops it is given one after the other, and
 * what becomes of it.
 */
#include "site_impl.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "dial.h"

static void
opening_room(struct opening *o, size_t hop)
{
	if (hop < o->n)
		return;
	o->tried = xreallocarray(o->tried, hop + 1, sizeof(*o->tried));
	o->held = xreallocarray(o->held, hop + 1, sizeof(*o->held));
	for (; o->n <= hop; o->n++)
		o->tried[o->n] = o->held[o->n] = false;
}

static void
release(struct opening *o, size_t hop)
{
	if (hop >= o->n || !o->held[hop])
		return;
	o->held[hop] = false;
	site_leave_peer(site_peer(o->site, hop));
}

void
site_opening_free(struct opening *o)
{
	for (size_t i = 0; i < o->n; i++)
		release(o, i);
	dial_cancel(&o->dial);
	list_remove(&o->link);
	o->site->nopenings--;
	sites_leave(o->site->sites);
	free(o->tried);
	free(o->held);
	free(o);
}

struct bar { /* a hop at its limit: those of worse preference are not tried instead */
	unsigned preference;
	struct peer *peer; /* NULL: none */
};

static bool
hop_usable(
    struct opening *o, size_t i, const struct hop *h, enum hop_health wanted, struct bar *bar)
{
	struct site *s = o->site;
	struct peer *p;

	opening_room(o, i);
	if (o->tried[i] || *site_health(s, i) != wanted || h->preference > bar->preference)
		return false;
	p = peers_get(&s->sites->peers, h->peer);
	if (p->dead && site_sessions_on(s, i) == 0) {
		site_note_why(s, p->why, NULL);
		*site_health(s, i) = HOP_FAILED;
		return false;
	}
	if (p->open >= s->sites->options.sessions_per_site) {
		*bar = (struct bar){h->preference, p};
		return false;
	}
	return true;
}

static enum route_state
pick(struct opening *o, size_t i, const struct hop *h, const struct hop **hop, size_t *index)
{
	o->tried[i] = o->held[i] = true;
	peers_get(&o->site->sites->peers, h->peer)->open++;
	*hop = h;
	*index = i;
	return ROUTE_HOP;
}

/* The next hop: the winner of the first race, then the good ones in order, then those lost before. */
static enum route_state
on_next(void *ctx, const struct hop **hop, size_t *index)
{
	static const enum hop_health turns[] = {HOP_GOOD, HOP_LATE};
	struct opening *o = ctx;
	struct site *s = o->site;
	struct bar bar = {UINT32_MAX, NULL};
	const struct hop *h;

	if (s->has_winner && route_hop(s->route, s->winner, &h) == ROUTE_HOP &&
	    hop_usable(o, s->winner, h, HOP_GOOD, &bar))
		return pick(o, s->winner, h, hop, index);
	for (size_t t = 0; t < 2; t++) {
		enum route_state state;

		for (size_t i = 0; (state = route_hop(s->route, i, &h)) == ROUTE_HOP; i++)
			if (hop_usable(o, i, h, turns[t], &bar))
				return pick(o, i, h, hop, index);
		if (state == ROUTE_WAIT)
			return ROUTE_WAIT;
	}
	if (bar.peer != NULL && !list_linked(&s->at_peer))
		site_wait_for_peer(s, bar.peer);
	return ROUTE_END;
}

static void
on_failed(void *ctx, size_t index, const struct verdict *v)
{
	struct opening *o = ctx;
	struct peer *p = site_peer(o->site, index);
	const struct hop *h;

	release(o, index);
	if (p->open == 0) {
		p->dead = true;
		verdict_keep(&p->why, v);
	}
	if (route_hop(o->site->route, index, &h) == ROUTE_HOP)
		site_trace_failed(o->site, h, v);
	if (!v->no_attempt) /* IPv6 addresses on a machine without IPv6 are no news */
		log_info("%s: %s", o->site->key, v->text);
	site_hop_trouble(o->site, index, v, NULL, false);
}

static void
on_spare(void *ctx, struct conn *conn, size_t index)
{
	struct opening *o = ctx;

	o->held[index] = false; /* the session's now */
	site_start_session(o->site, conn, index, 0, false);
}

static void
on_opened(void *ctx, struct conn *conn, size_t index, int64_t connect_ms)
{
	struct opening *o = ctx;
	struct site *s = o->site;

	if (conn != NULL) {
		o->held[index] = false;
		if (!s->has_winner) {
			s->has_winner = true;
			s->winner = index;
		}
		site_start_session(s, conn, index, connect_ms, o->traced);
	} else if (s->nsessions == 0 && !site_hop_left(s, SIZE_MAX)) {
		if (route_nhops(s->route) == 0)
			site_set_why(s, route_verdict(s->route), NULL);
		site_park(s);
	}
	site_opening_free(o);
	site_wake(s);
}

static const struct dial_ops dial_ops = {on_next, on_failed, on_opened, on_spare};

void
site_open_session(struct site *s)
{
	struct dial_options d = {
	    .connect_s = s->sites->options.connect_s,
	    .bind4 = s->sites->options.bind4,
	    .bind6 = s->sites->options.bind6,
	    .race = !s->has_winner,
	};
	struct opening *o = xcalloc(1, sizeof(*o));

	list_init(&o->link);
	o->site = s;
	o->traced = site_trace_opening(s);
	d.trace = o->traced ? &s->trace : NULL;
	list_add_tail(&s->openings, &o->link);
	s->nopenings++;
	s->sites->open++;
	site_not_ahead(s);
	o->dial = dial_start(s->sites->reactor, &d, &dial_ops, o);
}
