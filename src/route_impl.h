/*
 * route_impl.h: what the files of the route share; nobody else includes it.
 *
 *	route.c		which way; the legs, one after the other; the outside
 *	route_mx.c	a domain's MX records become legs
 *	route_host.c	a host's addresses become hops
 *	route_address.c	what addresses are: our own, refused, IPv4 in disguise
 *
 * A route is a list of legs, worked off in order. A leg is a host whose addresses become hops, or a
 * domain whose MX records become legs in its place. Lookups start when the hops of a leg are asked
 * for, and for one leg ahead.
 */
#ifndef ROUTE_IMPL_H
#define ROUTE_IMPL_H

#include "route.h"

#include <netinet/in.h>

#include "base/list.h"

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
	struct trace *const *trace;
	bool from_config; /* names come out of the configuration: nothing is permanent */
	bool by_relay; /* ... out of relay lines: any domain's mail goes there */
	char *domain;
	struct list legs;
	struct hop **hops; /* each stays where it is while more are found */
	size_t nhops, hops_cap, nfallback;
	size_t want; /* how many hops have been asked for */
	bool over; /* failed for good: what is left of the legs does not count */
	bool temporary; /* some lookup failed */
	bool asked_no_server; /* ... because no nameserver answered; all that failed did so */
	bool looped, refused;
	struct verdict *verdict; /* why there is no hop, or no further one; NULL: not known */
};

/* route.c */
struct leg *leg_new(struct route *rt, enum leg_kind kind, const char *host, uint16_t port);
void leg_free(struct leg *l);
void route_advance(struct route *rt); /* a leg has become ready */
/* Why it leads nowhere: a line of the configuration; trouble with the DNS; for good. */
void route_note_config(struct route *rt, const struct leg *l, const char *what);
void route_note_temporary(struct route *rt, const struct dns_answer *a);
void route_fail(struct route *rt, const char *enhanced, const char *what);

/* route_mx.c */
void leg_start_mx(struct leg *l);
void route_drop_from(struct route *rt, const struct target *target, unsigned preference);

/* route_host.c: "start" makes it ready, at once or later; "take" makes its hops and frees it */
void leg_start_host(struct leg *l);
void leg_start_address(struct leg *l);
void leg_take_addresses(struct leg *l);
void leg_take_path(struct leg *l);
bool leg_hops_full(const struct route *rt, const struct leg *l); /* as many as are tried */

/* route_address.c: IPv4 addresses as mapped ones */
struct in6_addr route_mapped(struct in_addr a);
struct in6_addr route_canonical(const struct in6_addr *a);
bool router_owns(const struct router *r, const struct in6_addr *a);
bool route_refuses(const struct config *c, const struct in6_addr *a);
bool route_own_counts(const struct config *c);

#endif
