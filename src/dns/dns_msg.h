/*
 * dns_msg.h: packets <-> records. Pure: no socket, no clock, nothing kept between calls.
 *
 * A packet off the wire is first held against the query (dns_msg_matches: else it is somebody
 * else's, and no answer), then read. What a reader may believe: only records of class IN whose
 * owner is the name asked for, or what it is an alias of; the rest of a packet is never looked at.
 * Names come out in lower case without a trailing dot. A label with a dot, slash, backslash, space
 * or anything unprintable or non-ASCII in it is refused: as text it would be another name.
 */
#ifndef DNS_DNS_MSG_H
#define DNS_DNS_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/dns.h"

enum {
	DNS_MSG_QUERY_MAX = 512, /* a query fits */
	DNS_MSG_EDNS_SIZE = 1232, /* what we take over UDP: no fragments on any path worth naming */
	DNS_MSG_ALIASES = 8, /* CNAMEs in a row, from the name asked for to the records */
	DNS_MSG_TTL_MAX = 86400, /* seconds; records are not believed for longer */
	DNS_MSG_NEGATIVE_MAX = 3600 /* nor is their absence */
};

enum dns_rcode { /* RFC 1035 4.1.1, RFC 6891 9 */
	RCODE_NOERROR,
	RCODE_FORMERR,
	RCODE_SERVFAIL,
	RCODE_NXDOMAIN,
	RCODE_NOTIMP,
	RCODE_REFUSED,
	RCODE_BADVERS = 16
};

enum dns_reply_kind {
	REPLY_RECORDS,
	REPLY_NODATA,
	REPLY_NXDOMAIN,
	REPLY_ALIAS, /* an alias of `name`, of which the packet says nothing: ask again for it */
	REPLY_TOO_MANY_ALIASES, /* or a loop of them */
	REPLY_TRUNCATED,
	REPLY_TROUBLE, /* see rcode */
	REPLY_LAME, /* a referral: this server does not resolve for us */
	REPLY_MALFORMED,
};

struct dns_reply {
	enum dns_reply_kind kind;
	unsigned rcode; /* with the upper bits from EDNS (RFC 6891 6.1.3) */
	bool authentic; /* the AD bit: the server says that it validated (RFC 6840 5.8) */
	unsigned aliases; /* followed in this packet */
	char name[DNS_NAME_MAX]; /* where they led */
	uint32_t ttl; /* seconds, of the records and aliases, or of their absence; 0: do not keep */
	struct dns_record *records; /* of the asked type; one block, their names in it */
	size_t nrecords;
};

/* Whether a name can be asked for: labels of 1 to 63 good bytes, at most 253 in all, no final dot. */
bool dns_msg_name_ok(const char *name);

/*
 * Writes the query for a good name into dst[DNS_MSG_QUERY_MAX] and returns its length; -1 when the
 * resolver library fails (it may want to read files of its own, and have no descriptor for it).
 */
int dns_msg_query(uint8_t *dst, const char *name, uint16_t type, uint16_t id, bool edns);

/*
 * msg answers the query: id, opcode, and the question byte for byte but for case. A server that could
 * not read the query may leave the question out, so an error without one is an answer too.
 */
bool dns_msg_matches(const uint8_t *query, size_t qlen, const uint8_t *msg, size_t len);

/* Reads an answer that matches. name is in lower case; type is A, AAAA or MX. */
void dns_msg_read(
    const uint8_t *msg, size_t len, const char *name, uint16_t type, struct dns_reply *reply);
void dns_reply_free(struct dns_reply *reply); /* its records */

/* "SERVFAIL"; numbers without a name become "rcode 23", in dst. */
const char *dns_msg_rcode_text(unsigned rcode, char *dst, size_t size);

#endif
