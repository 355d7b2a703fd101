/*
 * site.c: one destination: its jobs come in, its route is asked, it opens what it needs; all of
 * them: passes, stopping, counts.
 */
#include "site_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "dial.h"
#include "session.h"

enum { LIMIT_START = 2, LIMIT_START_LOGIN = 1, KEY_MAX = 65536 };

void
site_wake(struct site *s)
{
	task_queue(s->sites->reactor, &s->task);
}

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

static void
open_more(struct site *s)
{
	unsigned limit = s->limit < s->ceiling ? s->limit : s->ceiling;
	size_t taken = spoken_for(s);

	while (s->nwaiting > taken && s->nsessions + s->nopenings < limit) {
		if (list_linked(&s->at_peer) || (s->nopenings > 0 && !s->has_winner))
			return; /* not now, or one race at a time */
		if (site_must_wait(s)) {
			site_stand_in_line(s);
			return;
		}
		site_open_session(s);
		taken++;
	}
}

static void
site_free(struct site *s)
{
	struct sites *ss = s->sites;

	site_tally_tell(s);
	site_trace_end(s, NULL);
	site_not_ahead(s);
	timer_disarm(ss->reactor, &s->idle);
	task_cancel(&s->task);
	list_remove(&s->in_line);
	list_remove(&s->at_peer);
	list_remove(&s->idling);
	list_remove(&s->link);
	site_local_end(s);
	map_remove(&ss->by_key, &s->node);
	route_close(&s->route);
	free(s->hops);
	free(s->why);
	free(s->why_relay);
	free(s);
}

static bool
site_busy(const struct site *s)
{
	return s->njobs > 0 || s->nsessions > 0 || s->nopenings > 0;
}

static void on_route(void *ctx);

/*
 * How many sessions a site may have at first. A password that is wrong is shown to a server once, not
 * twice: some lock the account. And the second session can resume what TLS agreed on in the first.
 */
static unsigned
first_limit(const struct hop *h)
{
	return h->submission || h->user != NULL ? LIMIT_START_LOGIN : LIMIT_START;
}

/* Opens the route when there is work; false: it is not known yet, or leads nowhere. */
static bool
have_route(struct site *s)
{
	const struct hop *h;
	enum route_state state;

	if (s->route == NULL && !site_may_look(s))
		return false;
	if (s->route == NULL) {
		site_trace_begin(s);
		s->route = route_open(s->sites->router, s->sender, s->domain, on_route, s);
		route_trace(s->route, &s->trace);
	}
	state = route_hop(s->route, 0, &h);
	if (state == ROUTE_HOP && s->limit == 0)
		s->limit = first_limit(h);
	if (state == ROUTE_END) {
		site_set_why(s, route_verdict(s->route), NULL);
		site_trace_end(s, s->why);
		/* the DNS will say so again, from memory: sites that are none need none */
		s->parked = s->why->fate != FATE_FAIL;
		site_settle_waiting(s);
		route_close(&s->route);
		site_not_ahead(s);
	}
	return state == ROUTE_HOP;
}

void
site_run(void *ctx)
{
	struct site *s = ctx;

	if (s->sites->stopping)
		return;
	if (s->local != NULL) {
		site_local_run(s);
	} else if (s->parked) {
		site_settle_waiting(s);
		if (s->nsessions + s->nopenings == 0)
			route_close(&s->route); /* nobody asks it any more in this pass */
	} else if (s->nwaiting > 0 && have_route(s))
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

/* --- the outside -------------------------------------------------------------------------- */

struct sites *
sites_new(struct reactor *r, struct router *router, const struct sites_options *o)
{
	struct sites *ss = xcalloc(1, sizeof(*ss));

	ss->reactor = r;
	ss->router = router;
	ss->options = *o;
	map_init(&ss->by_key);
	buf_init(&ss->key, KEY_MAX);
	list_init(&ss->all);
	list_init(&ss->starving);
	list_init(&ss->hungry);
	list_init(&ss->unrouted);
	list_init(&ss->idling);
	task_init(&ss->feed, sites_feed, ss);
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
	buf_free(&ss->key);
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
	s->rcpts_max = 0;
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
	size_t nkey = strlen(key) + 1, nsender = strlen(sender) + 1, ndomain = strlen(domain) + 1;
	struct site *s = xcalloc(1, sizeof(*s) + nkey + nsender + ndomain);

	s->sites = ss;
	s->key = memcpy(s->names, key, nkey);
	s->sender = memcpy(s->names + nkey, sender, nsender);
	s->domain = memcpy(s->names + nkey + nsender, domain, ndomain);
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
	if (router_keeps(ss->router, domain))
		site_local_begin(s);
	task_init(&s->task, site_run, s);
	timer_init(&s->idle, site_quit_idle, s);
	return s;
}

struct site *
sites_find(struct sites *ss, const char *sender, const char *domain)
{
	const char *key;
	struct map_node *n;
	struct site *s;

	router_site_key(ss->router, sender, domain, &ss->key);
	key = buf_str(&ss->key);
	n = map_get(&ss->by_key, key);
	s = n != NULL ? map_item(n, struct site, node)
		      : site_new(ss, key, sender, domain == NULL ? "" : domain);
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
		n += site_local_in_flight(s);
	}
	return n;
}

size_t
sites_sessions(const struct sites *ss)
{
	return ss->open;
}

void
sites_wind_down(struct sites *ss)
{
	list_each (pos, &ss->all) {
		struct site *s = list_item(pos, struct site, link);

		if (s->njobs > 0)
			continue;
		while (!list_empty(&s->openings))
			site_opening_free(list_item(s->openings.next, struct opening, link));
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

		while ((j = site_take_job(s)) != NULL)
			site_job_done(s, j);
		while (!list_empty(&s->openings))
			site_opening_free(list_item(s->openings.next, struct opening, link));
		list_each (at, &s->sessions)
			session_stop(session_of_link(at), hard);
		site_local_stop(s, hard);
	}
}
