/*
 * dns.h: lookups without waiting: servers, retransmission, TCP, cache, coalescing, cancel.
 *
 * A question is asked with dns_lookup(); its callback comes exactly once, from a later turn of the
 * reactor, unless dns_cancel() was called. The answer is valid during the callback only. Identical questions in
 * flight share one query; answers, negative ones too (RFC 2308), are kept for their TTL.
 * Names are absolute ("example.org", no search list), compared without case.
 */
#ifndef DNS_DNS_H
#define DNS_DNS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "net/reactor.h"

enum { DNS_A = 1, DNS_CNAME = 5, DNS_SOA = 6, DNS_MX = 15, DNS_AAAA = 28, DNS_TLSA = 52 };
enum { DNS_NAME_MAX = 254 }; /* longest name as text, with its NUL */

enum dns_status {
	DNS_OK,
	DNS_NODATA, /* the name exists, no record of the type */
	DNS_NXDOMAIN,
	DNS_TEMPORARY, /* SERVFAIL, no answer, malformed answers, a CNAME loop: nothing is known */
};

struct dns_record {
	uint16_t type;
	uint32_t ttl; /* seconds, already bounded */
	uint16_t preference; /* MX */
	const char *name; /* MX exchange, lower case, no trailing dot; "" is the root (null MX) */
	union {
		struct in_addr a;
		struct in6_addr aaaa;
	} ip;
};

struct dns_answer {
	enum dns_status status;
	const char *name; /* as asked, in lower case, without a final dot */
	uint16_t type;
	const struct dns_record *records; /* of the asked type only, aliases followed */
	size_t nrecords;
	bool no_server; /* TEMPORARY because no nameserver answers at all: not an attempt */
	const char *why; /* for people, "SERVFAIL from 192.0.2.53"; "" when OK */
};

typedef void dns_fn(void *ctx, const struct dns_answer *answer);

struct dns_lookup { /* embedded in its owner */
	struct list link;
	dns_fn *fn;
	void *ctx;
	struct dns_question *question; /* dns.c's own */
};

struct dns;

struct dns_options {
	const char *resolv_conf; /* "/etc/resolv.conf"; read again when it changes; NULL: none */
	const char *const
	    *servers; /* "127.0.0.1:5353", "[::1]:53", "192.0.2.1"; replaces resolv.conf's */
	size_t nservers;
	size_t max_in_flight; /* queries on the wire at once, 0: 200; further ones wait */
};

/* NULL and a line in why (of whysize) when a server's address does not parse. */
struct dns *dns_new(struct reactor *r, const struct dns_options *o, char *why, size_t whysize);
/* Not from a lookup's callback. None comes any more; lookups may still be cancelled. */
void dns_free(struct dns **d);

void dns_lookup_init(struct dns_lookup *q);
/*
 * type is A, AAAA or MX. A name that cannot be in the DNS is NXDOMAIN. fn may look up, cancel, and free
 * what embeds q.
 */
void dns_lookup(
    struct dns *d, struct dns_lookup *q, const char *name, uint16_t type, dns_fn *fn, void *ctx);
void dns_cancel(struct dns_lookup *q); /* harmless when not under way */

#endif
