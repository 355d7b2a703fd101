/*
 * route.c: domain -> hops.
 *
 * A route is a list of legs, worked off in order. A leg is a host whose addresses become hops, or a
 * domain whose MX records become legs in its place. Lookups start when the hops of a leg are asked
 * for, and for one leg ahead.
 */
#include "route.h"

#include <sys/types.h>
#include <sys/un.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "hosts.h"

enum { MX_TRIED_MAX = 100 }; /* exchanges of one domain that are looked at at all */

struct router {
	struct reactor *reactor;
	struct dns *dns;
	const struct config *config;
	const char *hostname;
	struct in6_addr *own; /* IPv4 as mapped */
	size_t nown, own_cap;
};

enum leg_kind { LEG_MX, LEG_HOST, LEG_ADDRESS, LEG_PATH };
enum leg_state { LEG_IDLE, LEG_ASKED, LEG_READY };

struct leg {
	struct list link;
	struct route *route;
	enum leg_kind kind;
	enum leg_state state;
	char *host;
	uint16_t port;
	unsigned preference;
	bool lmtp, fallback;
	bool from_mx; /* named by an MX record: the refused addresses apply */
	const struct target *target; /* its line of the configuration; NULL: out of the DNS */
	struct dns_lookup q[2]; /* AAAA and A, or MX and unused */
	int asked; /* lookups not answered yet */
	struct in6_addr *ip[2]; /* AAAA, A (mapped) */
	size_t nip[2];
};

struct route {
	struct router *router;
	route_fn *fn;
	void *ctx;
	bool from_config; /* names come out of the configuration: nothing is permanent */
	char *domain;
	struct list legs;
	struct hop **hops; /* each stays where it is while more are found */
	size_t nhops, hops_cap, nfallback;
	size_t want; /* how many hops have been asked for */
	bool over; /* failed for good: what is left of the legs does not count */
	bool temporary; /* some lookup failed */
	bool asked_no_server; /* ... because no nameserver answered; all that failed did so */
	bool looped, refused;
	struct verdict verdict;
};

/* --- addresses ---------------------------------------------------------------------------- */

static struct in6_addr
mapped(struct in_addr a)
{
	struct in6_addr r = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	memcpy(r.s6_addr + 12, &a, 4);
	return r;
}

/* IPv4 inside IPv6 in the ways that reach an IPv4 host: mapped, and NAT64's 64:ff9b::/96 (RFC 6052). */
static struct in6_addr
canonical(const struct in6_addr *a)
{
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
	struct in_addr v4;

	if (memcmp(a->s6_addr, nat64, sizeof(nat64)) != 0)
		return *a;
	memcpy(&v4, a->s6_addr + 12, 4);
	return mapped(v4);
}

static bool
in_net(const struct in6_addr *a, const struct in6_addr *net, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a->s6_addr, net->s6_addr, whole) != 0)
		return false;
	if (rest == 0)
		return true;
	return ((a->s6_addr[whole] ^ net->s6_addr[whole]) >> (8 - rest)) == 0;
}

static bool
is_special(const struct in6_addr *a)
{
	if (IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_UNSPECIFIED(a) || IN6_IS_ADDR_MULTICAST(a))
		return true;
	if (!IN6_IS_ADDR_V4MAPPED(a))
		return false;
	/* 0.0.0.0/8, 127.0.0.0/8, and 224.0.0.0/3: multicast, reserved, broadcast */
	return a->s6_addr[12] == 0 || a->s6_addr[12] == 127 || a->s6_addr[12] >= 224;
}

static bool
is_own(const struct router *r, const struct in6_addr *a)
{
	for (size_t i = 0; i < r->nown; i++)
		if (memcmp(&r->own[i], a, sizeof(*a)) == 0)
			return true;
	return false;
}

static bool
is_refused(const struct config *c, const struct in6_addr *a)
{
	if (c->refuse_default)
		return is_special(a);
	for (size_t i = 0; i < c->nrefuse; i++)
		if (in_net(a, &c->refuse[i].ip, c->refuse[i].bits))
			return true;
	return false;
}

/* "refuse none" says that mail may go to this very machine, so its addresses are no loop either. */
static bool
own_counts(const struct config *c)
{
	return c->refuse_default || c->nrefuse > 0;
}

void
router_refresh(struct router *r)
{
	struct ifaddrs *all;

	r->nown = 0;
	if (sys.getifaddrs(&all) != 0) {
		log_warn("cannot list this machine's addresses: mail loops are seen by name only");
		return;
	}
	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		struct in6_addr a;

		if (i->ifa_addr == NULL)
			continue;
		if (i->ifa_addr->sa_family == AF_INET) {
			struct sockaddr_in sin;

			memcpy(&sin, i->ifa_addr, sizeof(sin));
			a = mapped(sin.sin_addr);
		} else if (i->ifa_addr->sa_family == AF_INET6) {
			struct sockaddr_in6 sin6;

			memcpy(&sin6, i->ifa_addr, sizeof(sin6));
			a = sin6.sin6_addr;
		} else {
			continue;
		}
		r->own = xgrow(r->own, r->nown, &r->own_cap, sizeof(*r->own));
		r->own[r->nown++] = a;
	}
	sys.freeifaddrs(all);
}

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

static void
add_target_key(struct buf *key, const char *before, const struct target *t)
{
	buf_addf(key, "%s%s:%u", before, t->host, t->port);
	if (t->kind == TARGET_MX)
		buf_adds(key, " mx");
	else if (t->kind == TARGET_LMTP_HOST || t->kind == TARGET_LMTP_PATH)
		buf_adds(key, " lmtp");
}

void
router_site_key(const struct router *r, const char *sender, const char *domain, struct buf *key)
{
	const struct target *t;
	size_t i = 0;

	if (domain == NULL)
		domain = "";
	buf_clear(key);
	if ((t = find_route(r->config, domain)) != NULL) {
		add_target_key(key, "route ", t);
		return;
	}
	while ((t = next_relay(r->config, sender, &i)) != NULL)
		add_target_key(key, buf_len(key) == 0 ? "relay " : ",", t);
	if (buf_len(key) > 0)
		return;
	for (const char *p = domain; *p != '\0'; p++)
		buf_addc(key, (char)str_lower((unsigned char)*p));
}

/* --- legs --------------------------------------------------------------------------------- */

static struct leg *
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

static void
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
	if (v.fate == FATE_FAIL || rt->verdict.enhanced[0] == '\0')
		rt->verdict = v;
	rt->over = v.fate == FATE_FAIL;
}

static void
note_config(struct route *rt, const struct leg *l, const char *what)
{
	log_warn("%s:%d: %s: %s", rt->router->config->path, l->target->line, l->host, what);
	end_with(rt, verdict_make(FATE_RETRY, SCOPE_ROUTE, "4.4.4", "finding the route", "%s: %s",
			 l->host, what));
}

static void
note_temporary(struct route *rt, const struct dns_answer *a)
{
	rt->asked_no_server = a->no_server && (!rt->temporary || rt->asked_no_server);
	rt->temporary = true;
	rt->verdict = verdict_make(FATE_RETRY, SCOPE_ROUTE, "4.4.3", "looking up the route",
	    "name server trouble with %s: %s", a->name, a->why);
	rt->verdict.no_attempt = rt->asked_no_server;
}

static void
fail(struct route *rt, const char *enhanced, const char *what)
{
	end_with(rt, verdict_make(FATE_FAIL, SCOPE_ROUTE, enhanced, "finding the route", "%s: %s",
			 rt->domain, what));
}

/* The legs of the domain itself are used up, and none gave a hop: what that means (RFC 5321 5.1). */
static void
judge_no_hops(struct route *rt)
{
	if (rt->verdict.enhanced[0] != '\0')
		return;
	if (rt->looped)
		fail(rt, "5.4.6", "mail for this domain loops back to this machine");
	else if (rt->refused)
		fail(rt, "5.4.4", "its mail servers have only addresses that are refused here");
	else
		fail(rt, "5.4.4", "no mail server of it has an address");
}

/* --- MX ----------------------------------------------------------------------------------- */

/*
 * A record that names us drops itself and all of equal or worse preference (RFC 5321 5.1): those of
 * the same MX lookup, which came from the same line of the configuration or from none.
 */
static void
drop_from_preference(struct route *rt, const struct target *target, unsigned preference)
{
	struct list *pos = rt->legs.next;

	rt->looped = true;
	while (pos != &rt->legs) {
		struct leg *l = list_item(pos, struct leg, link);

		pos = pos->next;
		if (l->from_mx && l->target == target && l->preference >= preference)
			leg_free(l);
	}
}

/* Sorted by preference, equal ones in random order. */
struct ranked {
	uint32_t random;
	const struct dns_record *r;
};

static int
by_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->r->preference != y->r->preference)
		return x->r->preference < y->r->preference ? -1 : 1;
	return x->random < y->random ? -1 : x->random > y->random;
}

/* A host that the MX lookup of leg mx led to goes before it. */
static void
add_exchange(struct leg *mx, const char *host, unsigned preference)
{
	struct leg *l = leg_new(mx->route, LEG_HOST, host, mx->port);

	l->preference = preference;
	l->from_mx = true;
	l->fallback = mx->fallback;
	l->target = mx->target;
	list_insert_before(&mx->link, &l->link);
}

static void
add_exchanges(struct leg *mx, const struct dns_answer *a)
{
	struct route *rt = mx->route;
	struct ranked *v = xcalloc(a->nrecords, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < a->nrecords; i++)
		if (a->records[i].name[0] != '\0') /* "." beside others is nonsense: skipped */
			v[n++] = (struct ranked){str_random(UINT32_MAX), &a->records[i]};
	qsort(v, n, sizeof(*v), by_rank);
	for (size_t i = 0; i < n && i < MX_TRIED_MAX; i++) {
		if (rt->router->hostname != NULL && str_eqi(v[i].r->name, rt->router->hostname)) {
			drop_from_preference(rt, mx->target, v[i].r->preference);
			break;
		}
		add_exchange(mx, v[i].r->name, v[i].r->preference);
	}
	free(v);
}

static void
take_mx(struct leg *mx, const struct dns_answer *a)
{
	struct route *rt = mx->route;
	const char *bad = NULL, *enhanced = "5.1.2";

	if (a->status == DNS_TEMPORARY) {
		note_temporary(rt, a);
	} else if (a->status == DNS_NXDOMAIN) {
		bad = "there is no such domain";
	} else if (a->status == DNS_NODATA) {
		add_exchange(mx, mx->host, 0); /* the implicit MX, RFC 5321 5.1 */
	} else if (a->nrecords == 1 && a->records[0].name[0] == '\0') {
		bad = "this domain does not accept mail (null MX)"; /* RFC 7505 */
		enhanced = "5.1.10";
	} else {
		add_exchanges(mx, a);
	}
	if (bad != NULL && mx->target != NULL)
		note_config(rt, mx, bad);
	else if (bad != NULL)
		fail(rt, enhanced, bad);
}

static void advance(struct route *rt);

static void
on_mx(void *ctx, const struct dns_answer *a)
{
	struct leg *mx = ctx;
	struct route *rt = mx->route;

	log_trace("-- MX of %s: %s", a->name,
	    a->status == DNS_OK         ? "found"
	    : a->status == DNS_NODATA   ? "none, the domain is its own host"
	    : a->status == DNS_NXDOMAIN ? "no such domain"
					: a->why);
	take_mx(mx, a);
	leg_free(mx);
	advance(rt);
	rt->fn(rt->ctx);
}

/* --- hosts -------------------------------------------------------------------------------- */

static void
set_ip(struct sockaddr_storage *ss, socklen_t *len, const struct in6_addr *a, uint16_t port)
{
	memset(ss, 0, sizeof(*ss));
	if (IN6_IS_ADDR_V4MAPPED(a)) {
		struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};

		memcpy(&sin.sin_addr, a->s6_addr + 12, 4);
		memcpy(ss, &sin, sizeof(sin));
		*len = sizeof(sin);
	} else {
		struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

		sin6.sin6_addr = *a;
		memcpy(ss, &sin6, sizeof(sin6));
		*len = sizeof(sin6);
	}
}

static char *
peer_text(const struct in6_addr *a, uint16_t port)
{
	char ip[INET6_ADDRSTRLEN] = "", text[INET6_ADDRSTRLEN + 10];

	if (IN6_IS_ADDR_V4MAPPED(a))
		inet_ntop(AF_INET, a->s6_addr + 12, ip, sizeof(ip));
	else
		inet_ntop(AF_INET6, a, ip, sizeof(ip));
	snprintf(text, sizeof(text), "[%s]:%u", ip, port);
	return xstrdup(text);
}

static struct hop *
add_hop(struct leg *l)
{
	struct route *rt = l->route;
	struct hop *h;

	rt->hops = xgrow(rt->hops, rt->nhops, &rt->hops_cap, sizeof(*rt->hops));
	h = xcalloc(1, sizeof(*h));
	rt->hops[rt->nhops++] = h;
	h->host = xstrdup(l->host);
	h->preference = l->fallback ? UINT16_MAX + 1U : l->preference;
	h->lmtp = l->lmtp;
	h->configured = l->target != NULL;
	h->own_name = l->target != NULL && !l->from_mx;
	if (h->own_name) {
		h->tls_first = l->target->tls_first;
		h->submission = l->target->submission;
		h->user = l->target->user;
	}
	h->port = l->port;
	rt->nfallback += l->fallback;
	return h;
}

static bool
hops_full(const struct route *rt, const struct leg *l)
{
	size_t own = rt->nhops - rt->nfallback;

	return (l->fallback ? rt->nfallback : own) >= rt->router->config->addresses;
}

static void
add_ip_hop(struct leg *l, const struct in6_addr *a)
{
	struct route *rt = l->route;
	struct hop *h;

	if (hops_full(rt, l))
		return;
	h = add_hop(l);
	set_ip(&h->addr, &h->addrlen, a, l->port);
	h->peer = peer_text(a, l->port);
	log_trace("-- host %s%s, preference %u%s", h->host, h->peer, l->preference,
	    l->fallback ? ", fallback" : "");
}

/* Whether one of the leg's addresses is ours; one that is refused anyway does not count. */
static bool
leads_home(const struct leg *l)
{
	const struct router *r = l->route->router;

	if (!l->from_mx || !own_counts(r->config))
		return false;
	for (size_t f = 0; f < 2; f++) {
		for (size_t i = 0; i < l->nip[f]; i++) {
			struct in6_addr a = canonical(&l->ip[f][i]);

			if (!is_refused(r->config, &a) && is_own(r, &a))
				return true;
		}
	}
	return false;
}

static void
take_address(struct leg *l, const struct in6_addr *raw)
{
	struct in6_addr a = canonical(raw);

	if (l->from_mx && is_refused(l->route->router->config, &a)) {
		log_trace("-- host %s: an address that is refused", l->host);
		l->route->refused = true;
		return;
	}
	add_ip_hop(l, raw);
}

/* The leg's addresses become hops, families alternating, IPv6 first (RFC 8305 4). Frees the leg. */
static void
take_addresses(struct leg *l)
{
	struct route *rt = l->route;

	list_remove(&l->link); /* so that dropping legs does not free it */
	if (leads_home(l) && l->target != NULL)
		note_config(rt, l, "leads back to this machine");
	if (leads_home(l))
		drop_from_preference(rt, l->target, l->preference);
	else
		for (size_t i = 0; i < l->nip[0] || i < l->nip[1]; i++)
			for (size_t f = 0; f < 2; f++)
				if (i < l->nip[f])
					take_address(l, &l->ip[f][i]);
	if (l->nip[0] + l->nip[1] == 0 && l->target != NULL && !rt->temporary)
		note_config(rt, l, "has no address");
	leg_free(l);
}

static void
on_address(void *ctx, const struct dns_answer *a)
{
	struct leg *l = ctx;
	struct route *rt = l->route;
	size_t f = a->type == DNS_AAAA ? 0 : 1;

	if (a->status == DNS_TEMPORARY)
		note_temporary(rt, a);
	if (a->status != DNS_OK)
		log_trace("-- %s of %s: %s", f == 0 ? "AAAA" : "A", a->name,
		    a->status == DNS_TEMPORARY ? a->why : "none");
	if (a->nrecords > 0)
		l->ip[f] = xcalloc(a->nrecords, sizeof(*l->ip[f]));
	for (size_t i = 0; i < a->nrecords; i++)
		l->ip[f][l->nip[f]++] = f == 0 ? a->records[i].ip.aaaa : mapped(a->records[i].ip.a);
	if (--l->asked > 0)
		return;
	l->state = LEG_READY;
	advance(rt);
	rt->fn(rt->ctx);
}

static void
start_host(struct leg *l)
{
	const struct router *r = l->route->router;

	/* names of the configuration may stand in /etc/hosts; foreign ones never do */
	if (l->target != NULL && !l->from_mx && r->config->hosts[0] != '\0')
		l->nip[1] = hosts_lookup(r->config->hosts, l->host, &l->ip[1]);
	if (l->nip[1] > 0) {
		l->state = LEG_READY;
		return;
	}
	l->state = LEG_ASKED;
	l->asked = 2;
	dns_lookup(r->dns, &l->q[0], l->host, DNS_AAAA, on_address, l);
	dns_lookup(r->dns, &l->q[1], l->host, DNS_A, on_address, l);
}

static void
start_address(struct leg *l)
{
	struct in_addr v4;
	struct in6_addr v6;

	l->ip[0] = xcalloc(1, sizeof(*l->ip[0]));
	l->state = LEG_READY;
	if (inet_pton(AF_INET, l->host, &v4) == 1)
		l->ip[0][l->nip[0]++] = mapped(v4);
	else if (inet_pton(AF_INET6, l->host, &v6) == 1)
		l->ip[0][l->nip[0]++] = v6;
}

static void
start_leg(struct leg *l)
{
	if (l->kind == LEG_HOST) {
		start_host(l);
	} else if (l->kind == LEG_MX) {
		l->state = LEG_ASKED;
		dns_lookup(l->route->router->dns, &l->q[0], l->host, DNS_MX, on_mx, l);
	} else if (l->kind == LEG_ADDRESS) {
		start_address(l);
	} else {
		l->state = LEG_READY;
	}
}

static void
take_path(struct leg *l)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct hop *h;

	if (!str_copy(un.sun_path, sizeof(un.sun_path), l->host)) {
		note_config(l->route, l, "path too long for a socket");
	} else {
		h = add_hop(l);
		memcpy(&h->addr, &un, sizeof(un));
		h->addrlen = sizeof(un);
		h->peer = xstrdup(l->host);
	}
	leg_free(l);
}

/*
 * Works the legs off until the hops asked for are there or a lookup is awaited; then makes the
 * first leg that is left start, so that its addresses are known when they are needed.
 */
static void
advance(struct route *rt)
{
	while (!rt->over && !list_empty(&rt->legs)) {
		struct leg *l = list_item(rt->legs.next, struct leg, link);

		if (l->fallback && rt->nhops == 0 && !rt->from_config) {
			judge_no_hops(rt);
			if (rt->over)
				break;
		}
		if (l->state == LEG_IDLE)
			start_leg(l);
		if (l->state != LEG_READY || rt->nhops >= rt->want)
			return;
		if (hops_full(rt, l))
			leg_free(l);
		else if (l->kind == LEG_PATH)
			take_path(l);
		else
			take_addresses(l);
	}
	drop_legs(rt);
	if (rt->nhops == 0)
		judge_no_hops(rt);
}

/* --- the outside -------------------------------------------------------------------------- */

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
		rt->verdict = verdict_make(FATE_RETRY, SCOPE_ROUTE, "4.3.5", "finding the route",
		    "no local delivery configured");
		return;
	}
	if ((l = literal_leg(rt, domain)) == NULL)
		l = leg_new(rt, LEG_MX, domain, 0);
	list_add_tail(&rt->legs, &l->link);
	for (size_t i = 0; i < c->fallbacks.n; i++)
		add_target(rt, &c->fallbacks.v[i], 0, true);
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
	if ((t = find_route(r->config, rt->domain)) != NULL)
		add_target(rt, t, 0, false);
	else
		while ((t = next_relay(r->config, sender, &i)) != NULL)
			add_target(rt, t, preference++, false);
	rt->from_config = !list_empty(&rt->legs);
	if (rt->from_config)
		for (i = 0; i < r->config->fallbacks.n; i++)
			add_target(rt, &r->config->fallbacks.v[i], 0, true);
	else
		add_domain(rt, rt->domain);
	return rt;
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
		advance(rt);
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
	return &rt->verdict;
}
