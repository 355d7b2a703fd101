/*
 * route.c: domain -> hops: which way, and the legs of it, one after the other.
 */
#include "route_impl.h"

#include <arpa/inet.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"

/* --- which way ---------------------------------------------------------------------------- */

static bool
route_matches(const char *pattern, const char *domain)
{
	if (strcmp(pattern, "*") == 0)
		return true;
	if (pattern[0] == '.') /* as in sendmail's mailertable: the domains below it */
		return strlen(domain) > strlen(pattern) && str_ends_i(domain, pattern);
	return str_eqi(pattern, domain);
}

static const struct target *
find_route(const struct config *c, const char *domain)
{
	for (size_t i = 0; i < c->routes.n; i++)
		if (route_matches(c->routes.v[i].pattern, domain))
			return &c->routes.v[i];
	return NULL;
}

/* Whether some relay names this sender; then the unconditional ones are not for him. */
static bool
sender_has_relay(const struct config *c, const char *sender)
{
	for (size_t i = 0; i < c->relays.n; i++)
		if (c->relays.v[i].pattern != NULL &&
		    config_sender_matches(c->relays.v[i].pattern, sender))
			return true;
	return false;
}

static const struct target *
next_relay(const struct config *c, const char *sender, size_t *i)
{
	bool named = sender_has_relay(c, sender);

	for (; *i < c->relays.n; ++*i) {
		const struct target *t = &c->relays.v[*i];

		if (named ? t->pattern != NULL && config_sender_matches(t->pattern, sender)
			  : t->pattern == NULL)
			return &c->relays.v[(*i)++];
	}
	return NULL;
}

/* All that makes a difference to what is said there: two users of one server are two destinations. */
static void
add_target_key(const struct config *c, struct buf *key, const char *before, const struct target *t)
{
	buf_adds(key, before);
	if (t->user != NULL) {
		buf_adds(key, t->user);
		buf_addc(key, '@');
	}
	buf_adds(key, t->host);
	if (t->kind != TARGET_LMTP_PATH)
		buf_addf(key, ":%u", t->port != 0 ? t->port : c->port);
	if (t->tls_first)
		buf_adds(key, " smtps");
	else if (t->submission)
		buf_adds(key, " submission");
	if (t->kind == TARGET_MX)
		buf_adds(key, " mx");
	else if (t->kind == TARGET_LMTP_HOST || t->kind == TARGET_LMTP_PATH)
		buf_adds(key, " lmtp");
}

static void
add_lowercase(struct buf *key, const char *domain)
{
	for (const char *p = domain; *p != '\0'; p++)
		buf_addc(key, (char)str_lower((unsigned char)*p));
}

/* Before all other ways: a route for * is not for what is here. */
static const struct target *
find_local(const struct router *r, const char *domain)
{
	const struct config *c = r->config;

	return c->local == CONFIG_LOCAL_LMTP && config_is_local(c, r->hostname, domain)
		   ? &c->local_lmtp.v[0]
		   : NULL;
}

bool
router_keeps(const struct router *r, const char *domain)
{
	return r->config->local != CONFIG_LOCAL_LMTP &&
	       config_is_local(r->config, r->hostname, domain);
}

void
router_site_key(const struct router *r, const char *sender, const char *domain, struct buf *key)
{
	const struct target *t;
	size_t i = 0;

	if (domain == NULL)
		domain = "";
	buf_clear(key);
	if (router_keeps(r, domain) || find_local(r, domain) != NULL) {
		buf_adds(key, "local");
		return;
	}
	if ((t = find_route(r->config, domain)) != NULL) {
		add_target_key(r->config, key, "route ", t);
		if (config_tls_names(r->config, domain)) { /* its mail goes in its own way */
			buf_adds(key, " for ");
			add_lowercase(key, domain);
		}
		return;
	}
	while ((t = next_relay(r->config, sender, &i)) != NULL)
		add_target_key(r->config, key, buf_len(key) == 0 ? "relay " : ",", t);
	if (buf_len(key) > 0)
		return;
	add_lowercase(key, domain);
}

/* --- legs --------------------------------------------------------------------------------- */

struct leg *
leg_new(struct route *rt, enum leg_kind kind, const char *host, uint16_t port)
{
	struct leg *l = xcalloc(1, sizeof(*l));

	list_init(&l->link);
	l->route = rt;
	l->kind = kind;
	l->host = xstrdup(host);
	l->port = port != 0 ? port : rt->router->config->port;
	dns_lookup_init(&l->q[0]);
	dns_lookup_init(&l->q[1]);
	return l;
}

void
leg_free(struct leg *l)
{
	dns_cancel(&l->q[0]);
	dns_cancel(&l->q[1]);
	list_remove(&l->link);
	free(l->ip[0]);
	free(l->ip[1]);
	free(l->host);
	free(l);
}

static void
drop_legs(struct route *rt)
{
	while (!list_empty(&rt->legs))
		leg_free(list_item(rt->legs.next, struct leg, link));
}

static bool
is_literal(const char *host)
{
	struct in6_addr ip;

	return inet_pton(AF_INET, host, &ip) == 1 || inet_pton(AF_INET6, host, &ip) == 1;
}

static void
add_target(struct route *rt, const struct target *t, unsigned preference, bool fallback)
{
	static const enum leg_kind kinds[] = {
	    [TARGET_HOST] = LEG_HOST,
	    [TARGET_ADDRESS] = LEG_ADDRESS,
	    [TARGET_MX] = LEG_MX,
	    [TARGET_LMTP_HOST] = LEG_HOST,
	    [TARGET_LMTP_PATH] = LEG_PATH,
	};
	struct leg *l = leg_new(rt, kinds[t->kind], t->host, t->port);

	if (l->kind == LEG_HOST && is_literal(t->host))
		l->kind = LEG_ADDRESS;
	l->target = t;
	l->preference = preference;
	l->fallback = fallback;
	l->lmtp = t->kind == TARGET_LMTP_HOST || t->kind == TARGET_LMTP_PATH;
	list_add_tail(&rt->legs, &l->link);
}

/* --- ends --------------------------------------------------------------------------------- */

/* Nothing more comes. The verdict stands only when no hop was found. */
static void
end_with(struct route *rt, struct verdict v)
{
	if (rt->from_config)
		v.fate = FATE_RETRY;
	if (v.fate == FATE_FAIL || rt->verdict == NULL)
		verdict_keep(&rt->verdict, &v);
	rt->over = v.fate == FATE_FAIL;
}

void
route_note_config(struct route *rt, const struct leg *l, const char *what)
{
	log_warn("%s:%d: %s: %s", rt->router->config->path, l->target->line, l->host, what);
	end_with(rt, verdict_make(FATE_RETRY, SCOPE_ROUTE, "4.4.4", "finding the route", "%s: %s",
			 l->host, what));
}

void
route_note_temporary(struct route *rt, const struct dns_answer *a)
{
	struct verdict v = verdict_make(FATE_RETRY, SCOPE_ROUTE, "4.4.3", "looking up the route",
	    "name server trouble with %s: %s", a->name, a->why);

	rt->asked_no_server = a->no_server && (!rt->temporary || rt->asked_no_server);
	rt->temporary = true;
	v.no_attempt = rt->asked_no_server;
	verdict_keep(&rt->verdict, &v);
}

void
route_fail(struct route *rt, const char *enhanced, const char *what)
{
	end_with(rt, verdict_make(FATE_FAIL, SCOPE_ROUTE, enhanced, "finding the route", "%s: %s",
			 rt->domain, what));
}

/* The legs of the domain itself are used up, and none gave a hop: what that means (RFC 5321 5.1). */
static void
judge_no_hops(struct route *rt)
{
	if (rt->verdict != NULL)
		return;
	if (rt->looped)
		route_fail(rt, "5.4.6", "mail for this domain loops back to this machine");
	else if (rt->refused)
		route_fail(
		    rt, "5.4.4", "its mail servers have only addresses that are refused here");
	else
		route_fail(rt, "5.4.4", "no mail server of it has an address");
}

/* --- from leg to leg ---------------------------------------------------------------------- */

static void
start_leg(struct leg *l)
{
	if (l->kind == LEG_HOST) {
		leg_start_host(l);
	} else if (l->kind == LEG_MX) {
		leg_start_mx(l);
	} else if (l->kind == LEG_ADDRESS) {
		leg_start_address(l);
	} else {
		l->state = LEG_READY;
	}
}

/*
 * Works the legs off until the hops asked for are there or a lookup is awaited; then makes the
 * first leg that is left start, so that its addresses are known when they are needed.
 */
void
route_advance(struct route *rt)
{
	while (!rt->over && !list_empty(&rt->legs)) {
		struct leg *l = list_item(rt->legs.next, struct leg, link);

		if (l->fallback && rt->nhops == 0 && !rt->from_config) {
			judge_no_hops(rt);
			if (rt->over)
				break;
		}
		if (leg_hops_full(rt, l)) { /* what it would lead to is not even looked up */
			leg_free(l);
			continue;
		}
		if (l->state == LEG_IDLE)
			start_leg(l);
		if (l->state != LEG_READY || rt->nhops >= rt->want)
			return;
		if (l->kind == LEG_PATH)
			leg_take_path(l);
		else
			leg_take_addresses(l);
	}
	drop_legs(rt);
	if (rt->nhops == 0)
		judge_no_hops(rt);
}

/* --- the outside -------------------------------------------------------------------------- */

struct router *
router_new(struct reactor *reactor, struct dns *d, const struct config *c, const char *hostname)
{
	struct router *r = xcalloc(1, sizeof(*r));

	r->reactor = reactor;
	r->dns = d;
	r->config = c;
	r->hostname = hostname;
	router_refresh(r);
	return r;
}

void
router_free(struct router **r)
{
	if (*r == NULL)
		return;
	free((*r)->own);
	free(*r);
	*r = NULL;
}

/* user@[192.0.2.1]: the address is the route (RFC 5321 4.1.3); NULL: not a literal. */
static struct leg *
literal_leg(struct route *rt, const char *domain)
{
	size_t n = strlen(domain);
	const char *from = domain + 1;
	struct leg *l;
	char *ip;

	if (n < 3 || domain[0] != '[' || domain[n - 1] != ']')
		return NULL;
	if (n > 6 && str_neqi(from, "IPv6:", 5))
		from += 5;
	ip = xstrndup(from, (size_t)(domain + n - 1 - from));
	l = leg_new(rt, LEG_ADDRESS, ip, 0);
	l->from_mx = true;
	free(ip);
	return l;
}

static bool
is_ours(const struct router *r, const char *domain)
{
	return domain[0] == '\0' || (r->hostname != NULL && str_eqi(domain, r->hostname));
}

static void
add_domain(struct route *rt, const char *domain)
{
	const struct config *c = rt->router->config;
	struct leg *l;

	if (is_ours(rt->router, domain)) {
		struct verdict v = verdict_make(FATE_RETRY, SCOPE_ROUTE, "4.3.5",
		    "finding the route", "no local delivery configured");

		verdict_keep(&rt->verdict, &v);
		return;
	}
	if ((l = literal_leg(rt, domain)) == NULL)
		l = leg_new(rt, LEG_MX, domain, 0);
	list_add_tail(&rt->legs, &l->link);
	for (size_t i = 0; i < c->fallbacks.n; i++)
		add_target(rt, &c->fallbacks.v[i], 0, true);
}

/* RFC 3463 3.8: not authorised, by a line of whoever looks after this machine. */
static void
forbid(struct route *rt)
{
	const struct config *c = rt->router->config;
	char what[VERDICT_TEXT_MAX];

	snprintf(what, sizeof(what), "mail to remote recipients is turned off by %s:%d",
	    c->path != NULL ? c->path : "the configuration", c->local_only);
	route_fail(rt, "5.7.1", what);
}

struct route *
route_open(struct router *r, const char *sender, const char *domain, route_fn *fn, void *ctx)
{
	struct route *rt = xcalloc(1, sizeof(*rt));
	const struct target *t;
	unsigned preference = 0;
	size_t i = 0;

	rt->router = r;
	rt->fn = fn;
	rt->ctx = ctx;
	rt->domain = xstrdup(domain == NULL ? "" : domain);
	list_init(&rt->legs);
	if ((t = find_local(r, rt->domain)) != NULL) { /* nobody else has the mailboxes */
		add_target(rt, t, 0, false);
		rt->from_config = true;
		return rt;
	}
	if (r->config->local_only > 0) {
		forbid(rt);
		return rt;
	}
	if ((t = find_route(r->config, rt->domain)) != NULL)
		add_target(rt, t, 0, false);
	else
		while ((t = next_relay(r->config, sender, &i)) != NULL)
			add_target(rt, t, preference++, false);
	rt->by_relay = preference > 0;
	rt->from_config = !list_empty(&rt->legs);
	if (rt->from_config)
		for (i = 0; i < r->config->fallbacks.n; i++)
			add_target(rt, &r->config->fallbacks.v[i], 0, true);
	else
		add_domain(rt, rt->domain);
	return rt;
}

void
route_trace(struct route *rt, struct trace *const *trace)
{
	rt->trace = trace;
}

void
route_close(struct route **rt)
{
	struct route *r = *rt;

	if (r == NULL)
		return;
	drop_legs(r);
	for (size_t i = 0; i < r->nhops; i++) {
		free(r->hops[i]->host);
		free(r->hops[i]->peer);
		free(r->hops[i]);
	}
	free(r->hops);
	free(r->verdict);
	free(r->domain);
	free(r);
	*rt = NULL;
}

enum route_state
route_hop(struct route *rt, size_t n, const struct hop **hop)
{
	if (rt->want < n + 1)
		rt->want = n + 1;
	if (n >= rt->nhops)
		route_advance(rt);
	if (n < rt->nhops) {
		*hop = rt->hops[n];
		return ROUTE_HOP;
	}
	return list_empty(&rt->legs) ? ROUTE_END : ROUTE_WAIT;
}

size_t
route_nhops(const struct route *rt)
{
	return rt->nhops;
}

const struct verdict *
route_verdict(const struct route *rt)
{
	return rt->verdict;
}
