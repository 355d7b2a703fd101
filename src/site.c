/*
 * site.c: one destination: jobs, sessions, next hop after a failure, back-off.
 *
 * A site opens sessions while jobs wait and its limit allows: two at first, one more with each
 * message that was answered, half as many after trouble. What goes wrong with a connection is put
 * down to its hop: one that failed without having served anything is out for the rest of the pass,
 * one that was lost later is tried last. When every hop is out the site is parked: all its jobs are
 * deferred at once, and so is what comes later in the pass.
 */
#include "site.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/map.h"
#include "dial.h"
#include "peer.h"
#include "session.h"

enum {
	LIMIT_START = 2,
	TURN_MESSAGES = 100, /* a connection that others wait for is given up after so many */
};

enum hop_health { HOP_GOOD, HOP_LATE, HOP_FAILED };

struct opening { /* a dial, and the hops it has tried */
	struct list link;
	struct site *site;
	struct dial *dial;
	bool *tried, *held; /* by hop; held: counted in its peer */
	size_t n;
};

struct site {
	struct map_node node;
	struct list link; /* all of sites */
	struct sites *sites;
	char *key, *sender, *domain;
	struct list waiting;
	size_t nwaiting;
	struct list sessions, openings;
	unsigned nsessions, nopenings, njobs; /* njobs: added and not done */
	struct route *route;
	enum hop_health *hops;
	size_t nhops;
	bool has_winner;
	size_t winner; /* the hop that the first race chose */
	unsigned limit, ceiling, successes;
	bool troubled; /* it hung up on us: grows more slowly since */
	bool learned; /* something worth keeping for the pass */
	bool parked, no_dot_ahead;
	struct verdict why; /* the last trouble; parked: the reason */
	struct task task;
	struct timer idle;
	struct list at_peer; /* on a peer's: wants a connection to it, and there are too many */
	struct list in_line; /* on *line: wants a connection, and there are too many in all */
	struct list *line;
	struct list idling; /* on sites->idling: may have sessions without work */
};

struct sites {
	struct reactor *reactor;
	struct router *router;
	struct sites_options options;
	struct map by_key;
	struct list all, idling;
	struct list starving,
	    hungry; /* sites that have to wait: without any connection; for more */
	struct task feed; /* connections for those */
	struct peers peers;
	unsigned open; /* sessions and openings */
	size_t njobs;
	unsigned long numbers;
	bool stopping;
};

static const struct session_ops session_ops;
static const struct dial_ops dial_ops;

static void
site_wake(struct site *s)
{
	task_queue(s->sites->reactor, &s->task);
}

/* --- jobs --------------------------------------------------------------------------------- */

static void
job_done(struct site *s, struct job *j)
{
	list_remove(&j->link);
	s->njobs--;
	s->sites->njobs--;
	j->ops->done(j);
}

static void
settle_rest(struct job *j, const struct verdict *v)
{
	for (size_t i = 0; i < j->nrcpts; i++) {
		if (j->rcpts[i].settled)
			continue;
		j->rcpts[i].settled = true;
		j->unsettled--;
		j->ops->settle(j, i, v);
	}
}

static struct job *
take_waiting(struct site *s)
{
	struct job *j;

	if (list_empty(&s->waiting))
		return NULL;
	j = list_item(s->waiting.next, struct job, link);
	list_remove(&j->link);
	s->nwaiting--;
	return j;
}

static void
put_back(struct site *s, struct job *j)
{
	j->ops->pause(j);
	list_add_head(&s->waiting, &j->link);
	s->nwaiting++;
	site_wake(s);
}

/* One verdict for all that waits: deferred or failed without having been tried any further. */
static void
settle_waiting(struct site *s, const struct verdict *v)
{
	struct job *j;

	while ((j = take_waiting(s)) != NULL) {
		j->body_wanted = false;
		j->relay = NULL;
		j->begun_ms = j->setup_ms = 0;
		if (j->ops->begin(j) == JOB_GO)
			settle_rest(j, v);
		job_done(s, j);
	}
}

/* --- hops --------------------------------------------------------------------------------- */

static enum hop_health *
health_of(struct site *s, size_t hop)
{
	if (hop >= s->nhops) {
		s->hops = xreallocarray(s->hops, hop + 1, sizeof(*s->hops));
		while (s->nhops <= hop)
			s->hops[s->nhops++] = HOP_GOOD;
	}
	return &s->hops[hop];
}

/*
 * A connection to the address ended: the first that waits for that may go on. It may have no use for
 * the place any more, so when nobody is left whose end would wake the others, all of them go on.
 */
static void
peer_release(struct peer *p)
{
	bool all = --p->open == 0;

	while (!list_empty(&p->waiting)) {
		struct site *s = list_item(p->waiting.next, struct site, at_peer);

		list_remove(&s->at_peer);
		site_wake(s);
		if (!all)
			break;
	}
}

static struct peer *
peer_of(struct site *s, size_t hop)
{
	const struct hop *h;

	if (route_hop(s->route, hop, &h) != ROUTE_HOP)
		bug("a hop that the route does not have");
	return peers_get(&s->sites->peers, h->peer);
}

static unsigned
sessions_on(const struct site *s, size_t hop)
{
	unsigned n = 0;

	list_each (pos, &s->sessions)
		n += session_hop(session_of_link(pos)) == hop;
	return n;
}

/* Whether the site has a hop to try other than this one; SIZE_MAX: any. */
static bool
hop_left(struct site *s, size_t except)
{
	const struct hop *h;
	enum route_state state;

	for (size_t i = 0; (state = route_hop(s->route, i, &h)) == ROUTE_HOP; i++)
		if (i != except && *health_of(s, i) != HOP_FAILED)
			return true;
	return state == ROUTE_WAIT;
}

static void
park(struct site *s)
{
	if (!s->parked)
		log_info("%s: nothing more is tried there in this pass: %s", s->key, s->why.text);
	s->parked = true;
	s->has_winner = false;
	site_wake(s);
}

/* What was really tried says more than what could not be (an IPv6 address without a route to it). */
static void
note_why(struct site *s, const struct verdict *v)
{
	if (!v->no_attempt || s->why.enhanced[0] == '\0' || s->why.no_attempt)
		s->why = *v;
}

/*
 * A connection to the hop could not be had, or broke. served: it had served messages before. While
 * others to the same hop are alive the host is not down, it wants no more than those.
 */
static void
hop_trouble(struct site *s, size_t hop, const struct verdict *v, bool served)
{
	unsigned alive = sessions_on(s, hop);

	note_why(s, v);
	s->learned = true;
	if (served || alive > 0) {
		s->troubled = true;
		s->successes = 0;
		s->limit = s->limit > 1 ? s->limit / 2 : 1;
	}
	if (served) {
		*health_of(s, hop) = HOP_LATE;
	} else if (alive > 0) {
		if (s->ceiling > alive)
			s->ceiling = alive;
	} else {
		*health_of(s, hop) = HOP_FAILED;
	}
	if (s->has_winner && s->winner == hop && *health_of(s, hop) != HOP_GOOD)
		s->has_winner = false;
	if (!hop_left(s, SIZE_MAX))
		park(s);
}

static void
went_well(struct site *s)
{
	s->successes++;
	if (s->limit >= s->ceiling || (s->troubled && s->successes < s->limit))
		return;
	s->limit++;
	s->successes = 0;
	if (s->nwaiting > 0)
		site_wake(s);
}

/* --- opening a session -------------------------------------------------------------------- */

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
	peer_release(peer_of(o->site, hop));
}

static void
slot_release(struct sites *ss)
{
	ss->open--;
	if (!list_empty(&ss->starving) || !list_empty(&ss->hungry))
		task_queue(ss->reactor, &ss->feed);
}

static void
opening_free(struct opening *o)
{
	for (size_t i = 0; i < o->n; i++)
		release(o, i);
	dial_cancel(&o->dial);
	list_remove(&o->link);
	o->site->nopenings--;
	slot_release(o->site->sites);
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
	if (o->tried[i] || *health_of(s, i) != wanted || h->preference > bar->preference)
		return false;
	p = peers_get(&s->sites->peers, h->peer);
	if (p->dead && sessions_on(s, i) == 0) {
		note_why(s, &p->why);
		*health_of(s, i) = HOP_FAILED;
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
	if (bar.peer != NULL && !list_linked(&s->at_peer)) { /* until a connection to it ends */
		list_add_tail(&bar.peer->waiting, &s->at_peer);
		sites_quit_idle(s->sites);
	}
	return ROUTE_END;
}

static void
on_failed(void *ctx, size_t index, const struct verdict *v)
{
	struct opening *o = ctx;
	struct peer *p = peer_of(o->site, index);

	release(o, index);
	if (p->open == 0) {
		p->dead = true;
		p->why = *v;
	}
	if (!v->no_attempt) /* IPv6 addresses on a machine without IPv6 are no news */
		log_info("%s: %s", o->site->key, v->text);
	hop_trouble(o->site, index, v, false);
}

static void
start_session(struct site *s, struct conn *conn, size_t index, int64_t connect_ms)
{
	const struct hop *h = NULL;
	struct session_options so = {
	    .helo = s->sites->options.helo,
	    .one_behind_dot = !s->no_dot_ahead,
	    .hop_index = index,
	    .connect_ms = connect_ms,
	    .number = ++s->sites->numbers,
	};
	struct session *session;

	route_hop(s->route, index, &h);
	so.hop = h;
	so.network = s->sites->options.network;
	so.domain = h->own_name ? NULL : s->domain;
	so.in_clear = peers_get(&s->sites->peers, h->peer)->in_clear;
	memcpy(so.patience_s, s->sites->options.patience_s, sizeof(so.patience_s));
	session = session_new(s->sites->reactor, conn, &so, &session_ops, s);
	list_add_tail(&s->sessions, session_link(session));
	s->nsessions++;
	s->sites->open++;
}

static void
on_spare(void *ctx, struct conn *conn, size_t index)
{
	struct opening *o = ctx;

	o->held[index] = false; /* the session's now */
	start_session(o->site, conn, index, 0);
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
		start_session(s, conn, index, connect_ms);
	} else if (s->nsessions == 0 && !hop_left(s, SIZE_MAX)) {
		if (route_nhops(s->route) == 0)
			s->why = *route_verdict(s->route);
		park(s);
	}
	opening_free(o);
	site_wake(s);
}

static const struct dial_ops dial_ops = {on_next, on_failed, on_opened, on_spare};

static void
open_session(struct site *s)
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
	list_add_tail(&s->openings, &o->link);
	s->nopenings++;
	s->sites->open++;
	o->dial = dial_start(s->sites->reactor, &d, &dial_ops, o);
}

/* --- sessions ----------------------------------------------------------------------------- */

/* Others wait for a connection, and this one has had its share. */
static bool
should_yield(struct site *s, const struct session *session)
{
	unsigned delivered = session_delivered(session);

	if (!list_empty(&s->sites->starving))
		return delivered >= (s->nsessions > 1 ? 1 : TURN_MESSAGES);
	return delivered >= TURN_MESSAGES &&
	       !list_empty(&peer_of(s, session_hop(session))->waiting);
}

static struct job *
on_next_job(void *ctx, struct session *session, bool *last_hop)
{
	struct site *s = ctx;
	struct job *j;

	if (s->sites->stopping || s->parked || should_yield(s, session))
		return NULL;
	while ((j = take_waiting(s)) != NULL) {
		j->body_wanted = true;
		if (j->ops->begin(j) == JOB_GO) {
			*last_hop =
			    j->returned > 0 || !j->eightbit || !hop_left(s, session_hop(session));
			return j;
		}
		job_done(s, j);
	}
	return NULL;
}

static void
on_settled(void *ctx, struct session *session, struct job *j, size_t rcpt, const struct verdict *v)
{
	(void)ctx;
	(void)session;
	if (j->rcpts[rcpt].settled)
		bug("a recipient settled twice");
	j->rcpts[rcpt].settled = true;
	j->unsettled--;
	j->ops->settle(j, rcpt, v);
}

/*
 * A job that hosts keep giving back is deferred on its own: it may be what makes them hang up, and
 * must not take the others with it.
 */
static bool
given_back_too_often(const struct site *s, const struct job *j)
{
	size_t hops = route_nhops(s->route);

	return j->returned >= (hops > 2 ? hops : 2);
}

/*
 * The host cannot take this mail as it is (no 8BITMIME), but is well otherwise: another one is tried
 * first, from now on for all of the site's mail. RFC 3463 3.7: X.6.3, conversion not supported.
 */
static void
prefer_others(struct site *s, size_t hop)
{
	*health_of(s, hop) = HOP_LATE;
	s->learned = true;
	if (s->has_winner && s->winner == hop)
		s->has_winner = false;
	list_each (pos, &s->sessions)
		if (session_hop(session_of_link(pos)) == hop)
			session_quit(session_of_link(pos));
}

static void
came_back(struct site *s, struct session *session, struct job *j, const struct verdict *host)
{
	j->returned++;
	if (given_back_too_often(s, j)) {
		settle_rest(j, host);
		job_done(s, j);
		return;
	}
	if (strcmp(host->enhanced, "4.6.3") == 0)
		prefer_others(s, session_hop(session));
	put_back(s, j);
}

static void
on_finished(
    void *ctx, struct session *session, struct job *j, const struct verdict *host, bool again)
{
	struct site *s = ctx;

	if (host == NULL && j->unsettled > 0 && !again)
		bug("a job was served and has recipients left");
	if (host == NULL)
		went_well(s);
	if (j->unsettled == 0 || s->sites->stopping)
		job_done(s, j);
	else if (host != NULL)
		came_back(s, session, j, host);
	else
		put_back(s, j);
}

static void
on_idle_timer(void *ctx)
{
	struct site *s = ctx;

	list_remove(&s->idling);
	timer_disarm(s->sites->reactor, &s->idle);
	list_each (pos, &s->sessions) {
		if (session_is_idle(session_of_link(pos)))
			session_quit(session_of_link(pos));
	}
}

static void
on_idle(void *ctx, struct session *session)
{
	struct site *s = ctx;
	struct sites *ss = s->sites;

	if (ss->options.idle_ms == 0 || !list_empty(&ss->starving) || !list_empty(&ss->hungry) ||
	    !list_empty(&peer_of(s, session_hop(session))->waiting)) {
		session_quit(session);
	} else if (!list_linked(&s->idling)) {
		list_add_tail(&ss->idling, &s->idling);
		timer_arm(ss->reactor, &s->idle, reactor_now(ss->reactor) + ss->options.idle_ms);
	}
}

static void
on_closed(void *ctx, struct session *session, const struct session_end *end)
{
	struct site *s = ctx;
	const struct verdict *v = end->verdict;
	size_t hop = session_hop(session);
	struct peer *p = peer_of(s, hop);
	bool served = session_delivered(session) > 0;

	list_remove(session_link(session));
	s->nsessions--;
	slot_release(s->sites);
	peer_release(p);
	s->no_dot_ahead |= end->behind_dot;
	if (end->tls_failed && !p->in_clear) {
		log_info("%s: without TLS there for the rest of this pass: %s",
		    session_relay(session), v->text);
		p->in_clear = true;
	} else if (v->fate != FATE_SENT && !(end->benign && served) && !s->sites->stopping) {
		/* who hangs up politely before he has served anything does not do so again and again */
		hop_trouble(s, hop, v, served);
	}
	site_wake(s);
}

static const struct session_ops session_ops = {
    on_next_job, on_settled, on_finished, on_idle, on_closed};

/* --- the site at work --------------------------------------------------------------------- */

/* Jobs that need no further session: one each for those that are idle or not yet greeted. */
static size_t
spoken_for(struct site *s)
{
	size_t n = s->nopenings;

	list_each (pos, &s->sessions) {
		struct session *session = session_of_link(pos);

		if (session_is_idle(session) && n < s->nwaiting)
			session_kick(session);
		n += session_is_idle(session) || !session_is_ready(session);
	}
	return n;
}

/* Connections are short: those that nobody uses are given up. */
static void
stand_in_line(struct site *s)
{
	struct sites *ss = s->sites;
	struct list *line = s->nsessions + s->nopenings > 0 ? &ss->hungry : &ss->starving;

	if (s->line != line)
		list_remove(&s->in_line);
	s->line = line;
	if (!list_linked(&s->in_line))
		list_add_tail(line, &s->in_line);
	sites_quit_idle(ss);
}

/* Whether a site has to leave the next connection to others. */
static bool
must_wait(const struct site *s)
{
	const struct sites *ss = s->sites;

	return ss->open >= ss->options.sessions ||
	       (s->nsessions + s->nopenings > 0 && !list_empty(&ss->starving));
}

static void
open_more(struct site *s)
{
	unsigned limit = s->limit < s->ceiling ? s->limit : s->ceiling;
	size_t taken = spoken_for(s);

	while (s->nwaiting > taken && s->nsessions + s->nopenings < limit) {
		if (list_linked(&s->at_peer) || (s->nopenings > 0 && !s->has_winner))
			return; /* not now, or one race at a time */
		if (must_wait(s)) {
			stand_in_line(s);
			return;
		}
		open_session(s);
		taken++;
	}
}

static void
site_free(struct site *s)
{
	struct sites *ss = s->sites;

	timer_disarm(ss->reactor, &s->idle);
	task_cancel(&s->task);
	list_remove(&s->in_line);
	list_remove(&s->at_peer);
	list_remove(&s->idling);
	list_remove(&s->link);
	map_remove(&ss->by_key, &s->node);
	route_close(&s->route);
	free(s->hops);
	free(s->key);
	free(s->sender);
	free(s->domain);
	free(s);
}

static bool
site_busy(const struct site *s)
{
	return s->njobs > 0 || s->nsessions > 0 || s->nopenings > 0;
}

static void on_route(void *ctx);

/* Opens the route when there is work; false: it is not known yet, or leads nowhere. */
static bool
have_route(struct site *s)
{
	const struct hop *h;
	enum route_state state;

	if (s->route == NULL)
		s->route = route_open(s->sites->router, s->sender, s->domain, on_route, s);
	state = route_hop(s->route, 0, &h);
	if (state == ROUTE_END) {
		s->why = *route_verdict(s->route);
		/* the DNS will say so again, from memory: sites that are none need none */
		s->parked = s->why.fate != FATE_FAIL;
		settle_waiting(s, &s->why);
		route_close(&s->route);
	}
	return state == ROUTE_HOP;
}

static void
site_run(void *ctx)
{
	struct site *s = ctx;

	if (s->sites->stopping)
		return;
	if (s->parked)
		settle_waiting(s, &s->why);
	else if (s->nwaiting > 0 && have_route(s))
		open_more(s);
	/* what was learned about a site in trouble is kept for the pass; the others need no memory */
	if (!site_busy(s) && !s->parked && !s->learned)
		site_free(s);
}

static void
on_route(void *ctx)
{
	struct site *s = ctx;

	list_each (pos, &s->openings)
		dial_more(list_item(pos, struct opening, link)->dial);
	site_wake(s);
}

/* Connections have ended: those sites that had to wait for one go on, in order. */
static void
feed(void *ctx)
{
	struct sites *ss = ctx;

	while (ss->open < ss->options.sessions) {
		struct list *line = list_empty(&ss->starving) ? &ss->hungry : &ss->starving;
		struct site *s;

		if (list_empty(line))
			break;
		s = list_item(line->next, struct site, in_line);
		list_remove(&s->in_line);
		task_cancel(&s->task);
		site_run(s);
	}
}

/* --- the outside -------------------------------------------------------------------------- */

struct sites *
sites_new(struct reactor *r, struct router *router, const struct sites_options *o)
{
	struct sites *ss = xcalloc(1, sizeof(*ss));

	ss->reactor = r;
	ss->router = router;
	ss->options = *o;
	map_init(&ss->by_key);
	list_init(&ss->all);
	list_init(&ss->starving);
	list_init(&ss->hungry);
	list_init(&ss->idling);
	task_init(&ss->feed, feed, ss);
	peers_init(&ss->peers);
	return ss;
}

void
sites_free(struct sites **ssp)
{
	struct sites *ss = *ssp;

	if (ss == NULL)
		return;
	while (!list_empty(&ss->all))
		site_free(list_item(ss->all.next, struct site, link));
	task_cancel(&ss->feed);
	map_free(&ss->by_key);
	peers_free(&ss->peers);
	free(ss);
	*ssp = NULL;
}

/* A site that is still busy goes on as it is, but may try again what did not work. */
static void
forget(struct site *s)
{
	s->parked = false;
	for (size_t i = 0; i < s->nhops; i++)
		s->hops[i] = HOP_GOOD;
	s->ceiling = s->sites->options.sessions_per_site;
}

void
sites_new_pass(struct sites *ss)
{
	struct list *pos = ss->all.next;

	router_refresh(ss->router);
	peers_forget(&ss->peers);
	while (pos != &ss->all) {
		struct site *s = list_item(pos, struct site, link);

		pos = pos->next;
		if (!site_busy(s))
			site_free(s);
		else
			forget(s);
	}
}

static struct site *
site_new(struct sites *ss, const char *key, const char *sender, const char *domain)
{
	struct site *s = xcalloc(1, sizeof(*s));

	s->sites = ss;
	s->key = xstrdup(key);
	s->sender = xstrdup(sender);
	s->domain = xstrdup(domain);
	s->limit = LIMIT_START;
	s->ceiling = ss->options.sessions_per_site;
	list_init(&s->waiting);
	list_init(&s->sessions);
	list_init(&s->openings);
	list_init(&s->in_line);
	list_init(&s->at_peer);
	list_init(&s->idling);
	list_init(&s->link);
	list_add_tail(&ss->all, &s->link);
	map_put(&ss->by_key, &s->node, s->key);
	task_init(&s->task, site_run, s);
	timer_init(&s->idle, on_idle_timer, s);
	return s;
}

struct site *
sites_find(struct sites *ss, const char *sender, const char *domain)
{
	struct buf key;
	struct map_node *n;
	struct site *s;

	buf_init(&key, 65536);
	router_site_key(ss->router, sender, domain, &key);
	n = map_get(&ss->by_key, buf_str(&key));
	s = n != NULL ? map_item(n, struct site, node)
		      : site_new(ss, buf_str(&key), sender, domain == NULL ? "" : domain);
	buf_free(&key);
	site_wake(s); /* frees it again when no job comes */
	return s;
}

void
site_add(struct site *s, struct job *j)
{
	j->queued_ms = reactor_now(s->sites->reactor);
	j->returned = 0;
	list_add_tail(&s->waiting, &j->link);
	s->nwaiting++;
	s->njobs++;
	s->sites->njobs++;
	site_wake(s);
}

size_t
site_waiting(const struct site *s)
{
	return s->nwaiting;
}

const char *
site_name(const struct site *s)
{
	return s->key;
}

bool
sites_busy(const struct sites *ss)
{
	return ss->njobs > 0 || ss->open > 0;
}

size_t
sites_in_flight(const struct sites *ss)
{
	size_t n = 0;

	list_each (pos, &ss->all) {
		struct site *s = list_item(pos, struct site, link);

		list_each (at, &s->sessions)
			n += session_in_flight(session_of_link(at));
	}
	return n;
}

size_t
sites_sessions(const struct sites *ss)
{
	return ss->open;
}

void
sites_quit_idle(struct sites *ss)
{
	while (!list_empty(&ss->idling))
		on_idle_timer(list_item(ss->idling.next, struct site, idling));
}

void
sites_wind_down(struct sites *ss)
{
	list_each (pos, &ss->all) {
		struct site *s = list_item(pos, struct site, link);

		if (s->njobs > 0)
			continue;
		while (!list_empty(&s->openings))
			opening_free(list_item(s->openings.next, struct opening, link));
		list_each (at, &s->sessions) {
			struct session *session = session_of_link(at);

			if (session_is_ready(session))
				session_quit(session);
			else /* nobody waits five minutes for a greeting to say QUIT to */
				session_stop(session, true);
		}
	}
}

void
sites_stop(struct sites *ss, bool hard)
{
	struct job *j;

	ss->stopping = true;
	list_each (pos, &ss->all) {
		struct site *s = list_item(pos, struct site, link);

		while ((j = take_waiting(s)) != NULL)
			job_done(s, j);
		while (!list_empty(&s->openings))
			opening_free(list_item(s->openings.next, struct opening, link));
		list_each (at, &s->sessions)
			session_stop(session_of_link(at), hard);
	}
}
