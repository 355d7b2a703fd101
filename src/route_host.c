/*
 * route_host.c: a host's addresses become hops of the route.
 */
#include "route_impl.h"

#include <sys/un.h>
#include <arpa/inet.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "hosts.h"

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

/*
 * Mail for a domain that has a tls line keeps to it wherever it goes, the fallback too; but a relay
 * takes everybody's. mx:NAME is as if the mail were for NAME.
 */
static const char *
tls_domain(const struct leg *l)
{
	const struct route *rt = l->route;

	if (!rt->by_relay &&
	    (l->target == NULL || config_tls_names(rt->router->config, rt->domain)))
		return rt->domain;
	return l->from_mx && l->target != NULL ? l->target->host : NULL;
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
	h->tls_domain = tls_domain(l);
	h->port = l->port;
	rt->nfallback += l->fallback;
	return h;
}

bool
leg_hops_full(const struct route *rt, const struct leg *l)
{
	size_t own = rt->nhops - rt->nfallback;

	return (l->fallback ? rt->nfallback : own) >= rt->router->config->addresses;
}

static void
add_ip_hop(struct leg *l, const struct in6_addr *a)
{
	struct route *rt = l->route;
	struct hop *h;

	if (leg_hops_full(rt, l))
		return;
	h = add_hop(l);
	set_ip(&h->addr, &h->addrlen, a, l->port);
	h->peer = peer_text(a, l->port);
	trace_line(rt->trace, "-- host %s%s, preference %u%s", h->host, h->peer, l->preference,
	    l->fallback ? ", fallback" : "");
}

/* Whether one of the leg's addresses is ours; one that is refused anyway does not count. */
static bool
leads_home(const struct leg *l)
{
	const struct router *r = l->route->router;

	if (!l->from_mx || !route_own_counts(r->config))
		return false;
	for (size_t f = 0; f < 2; f++) {
		for (size_t i = 0; i < l->nip[f]; i++) {
			struct in6_addr a = route_canonical(&l->ip[f][i]);

			if (!route_refuses(r->config, &a) && router_owns(r, &a))
				return true;
		}
	}
	return false;
}

static void
take_address(struct leg *l, const struct in6_addr *raw)
{
	struct in6_addr a = route_canonical(raw);

	if (l->from_mx && route_refuses(l->route->router->config, &a)) {
		trace_line(l->route->trace, "-- host %s: an address that is refused", l->host);
		l->route->refused = true;
		return;
	}
	add_ip_hop(l, raw);
}

/* The leg's addresses become hops, families alternating, IPv6 first (RFC 8305 4). Frees the leg. */
void
leg_take_addresses(struct leg *l)
{
	struct route *rt = l->route;

	list_remove(&l->link); /* so that dropping legs does not free it */
	if (leads_home(l) && l->target != NULL)
		route_note_config(rt, l, "leads back to this machine");
	if (leads_home(l))
		route_drop_from(rt, l->target, l->preference);
	else
		for (size_t i = 0; i < l->nip[0] || i < l->nip[1]; i++)
			for (size_t f = 0; f < 2; f++)
				if (i < l->nip[f])
					take_address(l, &l->ip[f][i]);
	if (l->nip[0] + l->nip[1] == 0 && l->target != NULL && !rt->temporary)
		route_note_config(rt, l, "has no address");
	leg_free(l);
}

static void
on_address(void *ctx, const struct dns_answer *a)
{
	struct leg *l = ctx;
	struct route *rt = l->route;
	size_t f = a->type == DNS_AAAA ? 0 : 1;

	if (a->status == DNS_TEMPORARY)
		route_note_temporary(rt, a);
	if (a->status != DNS_OK)
		trace_line(rt->trace, "-- %s of %s: %s", f == 0 ? "AAAA" : "A", a->name,
		    a->status == DNS_TEMPORARY ? a->why : "none");
	if (a->nrecords > 0)
		l->ip[f] = xcalloc(a->nrecords, sizeof(*l->ip[f]));
	for (size_t i = 0; i < a->nrecords; i++)
		l->ip[f][l->nip[f]++] =
		    f == 0 ? a->records[i].ip.aaaa : route_mapped(a->records[i].ip.a);
	if (--l->asked > 0)
		return;
	l->state = LEG_READY;
	route_advance(rt);
	rt->fn(rt->ctx);
}

void
leg_start_host(struct leg *l)
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

void
leg_start_address(struct leg *l)
{
	struct in_addr v4;
	struct in6_addr v6;

	l->ip[0] = xcalloc(1, sizeof(*l->ip[0]));
	l->state = LEG_READY;
	if (inet_pton(AF_INET, l->host, &v4) == 1)
		l->ip[0][l->nip[0]++] = route_mapped(v4);
	else if (inet_pton(AF_INET6, l->host, &v6) == 1)
		l->ip[0][l->nip[0]++] = v6;
}

void
leg_take_path(struct leg *l)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct hop *h;

	if (!str_copy(un.sun_path, sizeof(un.sun_path), l->host)) {
		route_note_config(l->route, l, "path too long for a socket");
	} else {
		h = add_hop(l);
		memcpy(&h->addr, &un, sizeof(un));
		h->addrlen = sizeof(un);
		h->peer = xstrdup(l->host);
	}
	leg_free(l);
}
