/*
 * route.h: where a recipient's mail goes: domain -> hops.
 *
 * The order: the route table (by recipient domain), the relays (by sender if one matches), DNS. A
 * route is asked for its hops one by one and looks names up as they are needed, one host ahead, so
 * that the next is known while the current one is tried. The notification comes from a later turn
 * of the reactor, and not after route_close().
 */
#ifndef ROUTE_H
#define ROUTE_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/verdict.h"
#include "config.h"
#include "dns/dns.h"
#include "net/reactor.h"
#include "trace.h"

struct router;
struct route;

struct hop { /* one address to try */
	char *host; /* for people and for TLS: name, or the address in text form */
	char *
	    peer; /* "192.0.2.1:25", "[2001:db8::1]:25" or a path: names the address, for limits and logs */
	struct sockaddr_storage addr;
	socklen_t addrlen;
	unsigned preference;
	bool lmtp;
	bool
	    configured; /* named by the configuration: may bear our own name (this machine's server) */
	bool own_name; /* ... itself, not by way of an MX record: credentials may go there */
	bool tls_first, submission; /* as in struct target */
	const char *user; /* of the URL, NULL: none */
	const char *tls_domain; /* whose tls line holds here; NULL: the host's own alone */
	uint16_t port;
};

/* config and hostname (ours, NULL: none) stay valid while the router lives. */
struct router *router_new(
    struct reactor *r, struct dns *d, const struct config *c, const char *hostname);
void router_free(struct router **r); /* its routes are closed before */
/* Learns our own addresses anew; at the start of each pass. */
void router_refresh(struct router *r);
bool router_has_ipv4(const struct router *r); /* an address that others can know */

/*
 * The key of the site that mail from sender to domain goes to: same key, same route. Also what
 * people see: the domain, or "relay HOST", "route HOST". domain NULL or "": no domain.
 */
void router_site_key(
    const struct router *r, const char *sender, const char *domain, struct buf *key);

/* Whether mail to that domain has no route, for it stays on this machine: in mailboxes, or nowhere. */
bool router_keeps(const struct router *r, const char *domain);

typedef void route_fn(void *ctx);
struct route *route_open(
    struct router *r, const char *sender, const char *domain, route_fn *fn, void *ctx);
void route_close(struct route **rt);

/* What it finds is kept there, too, as by trace_line(), as long as it lives. */
void route_trace(struct route *rt, struct trace *const *trace);

enum route_state { ROUTE_HOP, ROUTE_WAIT, ROUTE_END };
/* Hop n (0, 1, ...). WAIT: not known yet, fn will be called. *hop is valid while the route is. */
enum route_state route_hop(struct route *rt, size_t n, const struct hop **hop);
size_t route_nhops(const struct route *rt); /* known so far */
/* After ROUTE_END with no hop at all: why (ROUTE scope, RETRY or FAIL). */
const struct verdict *route_verdict(const struct route *rt);

#endif
