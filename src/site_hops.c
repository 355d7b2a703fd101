/*
 * site_hops.c: how the hops of a site are doing, and what the site learns from it: which of them
 * still are tried, how many connections it may have, when it is parked.
 */
#include "site_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "session.h"

enum {
	MORE_A_WELCOME = 5, /* connections, for each that was greeted */
	ROUNDS_TO_OPEN =
	    3, /* round trips before a connection carries anything: connect, greeting, EHLO */
};

enum hop_health *
site_health(struct site *s, size_t hop)
{
	if (hop >= s->nhops) {
		s->hops = xreallocarray(s->hops, hop + 1, sizeof(*s->hops));
		while (s->nhops <= hop)
			s->hops[s->nhops++] = HOP_GOOD;
	}
	return &s->hops[hop];
}

struct peer *
site_peer(struct site *s, size_t hop)
{
	const struct hop *h;

	if (route_hop(s->route, hop, &h) != ROUTE_HOP)
		bug("a hop that the route does not have");
	return peers_get(&s->sites->peers, h->peer);
}

unsigned
site_sessions_on(const struct site *s, size_t hop)
{
	unsigned n = 0;

	list_each (pos, &s->sessions)
		n += session_hop(session_of_link(pos)) == hop;
	return n;
}

/* Whether the site has a hop to try other than this one; SIZE_MAX: any. */
bool
site_hop_left(struct site *s, size_t except)
{
	const struct hop *h;
	enum route_state state;

	for (size_t i = 0; (state = route_hop(s->route, i, &h)) == ROUTE_HOP; i++)
		if (i != except && *site_health(s, i) != HOP_FAILED)
			return true;
	return state == ROUTE_WAIT;
}

/*
 * No route to an IPv6 address means that there is no network now, or, where there is IPv4, that there
 * is no IPv6. Then it was no less an attempt than a host that is down: otherwise mail for a site that
 * has nothing but IPv6 would be tried for ever, and never returned.
 */
static bool
only_v6_is_missing(struct site *s)
{
	const struct hop *h;

	for (size_t i = 0; route_hop(s->route, i, &h) == ROUTE_HOP; i++)
		if (h->addr.ss_family != AF_INET6)
			return false;
	return router_has_ipv4(s->sites->router);
}

void
site_park(struct site *s)
{
	if (s->why->no_attempt && s->route != NULL && route_nhops(s->route) > 0 &&
	    only_v6_is_missing(s))
		s->why->no_attempt = false;
	if (s->traced == NULL)
		site_trace_end(s, s->why);
	if (!s->parked)
		log_info("%s: nothing more is tried there in this pass: %s", s->key, s->why->text);
	s->parked = true;
	s->has_winner = false;
	site_wake(s);
}

void
site_set_why(struct site *s, const struct verdict *v, const char *relay)
{
	verdict_keep(&s->why, v);
	free(s->why_relay);
	s->why_relay = relay != NULL ? xstrdup(relay) : NULL;
}

/* What was really tried says more than what could not be (an IPv6 address without a route to it). */
void
site_note_why(struct site *s, const struct verdict *v, const char *relay)
{
	if (!v->no_attempt || s->why == NULL || s->why->no_attempt)
		site_set_why(s, v, relay);
}

/*
 * A refused password is refused at every address of that server, and each try may count towards the
 * account's being locked: all of them are out.
 */
static void
login_refused(struct site *s, size_t hop)
{
	const struct hop *refused, *h;

	if (route_hop(s->route, hop, &refused) != ROUTE_HOP)
		return;
	for (size_t i = 0; route_hop(s->route, i, &h) == ROUTE_HOP; i++)
		if (h->port == refused->port && strcmp(h->host, refused->host) == 0)
			*site_health(s, i) = HOP_FAILED;
}

/*
 * A connection to the hop could not be had, or broke. served: it had served messages before. While
 * others to the same hop are alive the host is not down, it wants no more than those.
 */
void
site_hop_trouble(
    struct site *s, size_t hop, const struct verdict *v, const char *relay, bool served)
{
	unsigned alive = site_sessions_on(s, hop);

	site_tally_trouble(s, v);
	site_note_why(s, v, relay);
	s->learned = true;
	if (served || alive > 0) {
		s->troubled = true;
		s->successes = 0;
		s->limit = s->limit > 1 ? s->limit / 2 : 1;
	}
	if (served) {
		*site_health(s, hop) = HOP_LATE;
	} else if (alive > 0) {
		if (s->ceiling > alive)
			s->ceiling = alive;
	} else {
		*site_health(s, hop) = HOP_FAILED;
		if (v->code == 535) /* RFC 4954 6 */
			login_refused(s, hop);
	}
	if (s->has_winner && s->winner == hop && *site_health(s, hop) != HOP_GOOD)
		s->has_winner = false;
	if (!site_hop_left(s, SIZE_MAX))
		site_park(s);
}

/*
 * It takes connections: so more of them are worth trying, now and not only when messages have been
 * answered, for with a distant host those round trips are most of the time a thousand messages need. But
 * not for what those that may be open will have sent before another one could.
 */
void
site_welcomed(struct site *s)
{
	unsigned limit = s->limit + MORE_A_WELCOME;

	if (s->troubled || s->limit >= s->ceiling ||
	    s->nwaiting <= (size_t)ROUNDS_TO_OPEN * s->limit)
		return;
	s->limit = limit < s->ceiling ? limit : s->ceiling;
	site_wake(s);
}

void
site_went_well(struct site *s)
{
	s->successes++;
	if (s->limit >= s->ceiling || (s->troubled && s->successes < s->limit))
		return;
	s->limit++;
	s->successes = 0;
	if (s->nwaiting > 0)
		site_wake(s);
}
