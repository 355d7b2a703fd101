/*
 * dns_query.h: one question on the wire, until it is answered or every server has failed.
 *
 * Servers are asked one after the other, in as many rounds as resolv.conf says. Each is asked from a
 * socket of its own with an id of its own, connected, so that the kernel drops what others send and
 * tells us at once when nobody listens. What does not match the query is no answer: we go on waiting.
 * Trouble (SERVFAIL, a referral, a malformed answer, TCP that fails) passes the question on to the next
 * server, and the one that gave it is not asked again. fn is called once, never from within
 * dns_query_start(), and not after dns_query_stop(); the query is freed from a task.
 */
#ifndef DNS_DNS_QUERY_H
#define DNS_DNS_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/dns.h"
#include "dns/resolvconf.h"
#include "net/reactor.h"

enum { DNS_WHY_MAX = 256 };

struct dns_outcome {
	enum dns_status status;
	uint32_t ttl; /* seconds; 0: do not keep */
	bool no_server; /* none answered anything */
	bool in_vain; /* one was asked, without an error, and silent */
	struct dns_record *records; /* the receiver frees them */
	size_t nrecords;
	const char *why; /* for people; "" unless TEMPORARY; valid while fn is called */
	size_t server; /* index of the one that answered, when status is not TEMPORARY */
	unsigned silent; /* bit 1 << index: did not answer, or could not be reached */
};

struct dns_query;

typedef void dns_query_fn(void *ctx, const struct dns_outcome *outcome);

/* first: index of the server to begin with. name is good (dns_msg_name_ok) and in lower case. */
struct dns_query *dns_query_start(struct reactor *r, const struct resolvconf *rc, size_t first,
    const char *name, uint16_t type, dns_query_fn *fn, void *ctx);
void dns_query_stop(struct dns_query *q); /* closes everything; from anywhere */
void dns_query_free(struct dns_query **q); /* NULL is fine */

#endif
