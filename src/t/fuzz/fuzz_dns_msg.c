/*
 * fuzz_dns_msg.c: packets from anywhere. The first byte chooses the type asked for, the rest is what
 * comes back to a query for example.org. Both walks must agree (but where the library is short of
 * room); what comes out must be bounded and be made of good names.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dns/dns_msg.h"
#include "dns_msg_own.h"
#include "fuzz.h"

static void
require(bool holds, const char *what)
{
	if (!holds)
		bug(what);
}

static void
check_reply(const struct dns_reply *r)
{
	require(r->aliases <= DNS_MSG_ALIASES + 1, "aliases without end");
	require(r->ttl <= DNS_MSG_TTL_MAX, "TTL past its bound");
	require(dns_msg_name_ok(r->name), "a bad name at the end of the aliases");
	require((r->kind == REPLY_RECORDS) == (r->nrecords > 0), "records without an answer");
	for (size_t i = 0; i < r->nrecords; i++) {
		const char *name = r->records[i].name;

		require(name[0] == '\0' || dns_msg_name_ok(name), "a bad name");
		require(r->records[i].ttl <= DNS_MSG_TTL_MAX, "TTL past its bound");
	}
}

/*
 * glibc's ns_parserr() has no room for a name that is longer than 255 bytes with all its escapes
 * ("\\013", "\\@"), though in the packet it is none too long; so the record and the packet are bad.
 */
static bool
library_may_refuse(const uint8_t *msg, size_t len)
{
	struct packet p = {.msg = msg, .len = len};
	bool may = false;

	(void)read_sections(&p);
	for (size_t i = 0; i < p.n; i++) {
		struct cursor c = cursor_at(&p, p.rrs[i].owner);
		char name[DNS_NAME_MAX];
		size_t escapes = 0;

		if (!get_name(&c, name)) {
			may = true;
			continue;
		}
		for (const char *s = name; *s != '\0'; s++)
			escapes += strchr("\";@$()", *s) != NULL;
		may = may || strlen(name) + escapes > 250;
	}
	free(p.rrs);
	return may;
}

static void
check_same(const struct dns_reply *a, const struct dns_reply *b)
{
	if (a->kind == REPLY_MALFORMED && b->kind == REPLY_MALFORMED)
		return; /* of which nothing else is believed */
	require(a->kind == b->kind && a->rcode == b->rcode && a->ttl == b->ttl &&
		    a->aliases == b->aliases && a->nrecords == b->nrecords &&
		    strcmp(a->name, b->name) == 0,
	    "the two walks disagree");
	for (size_t i = 0; i < a->nrecords; i++) {
		const struct dns_record *x = &a->records[i], *y = &b->records[i];

		require(x->type == y->type && x->ttl == y->ttl && x->preference == y->preference &&
			    strcmp(x->name, y->name) == 0 &&
			    memcmp(&x->ip, &y->ip, sizeof(x->ip)) == 0,
		    "the two walks disagree about records");
	}
}

void
fuzz_dns_msg(const uint8_t *data, size_t size)
{
	static const uint16_t types[] = {DNS_A, DNS_AAAA, DNS_MX};
	uint8_t query[DNS_MSG_QUERY_MAX];
	struct dns_reply reply, own;
	uint16_t type;
	int qlen;

	if (size < 1 + 2)
		return;
	type = types[data[0] % 3];
	data++;
	size--;
	qlen = dns_msg_query(query, "example.org", type, (uint16_t)(data[0] << 8 | data[1]), true);
	if (qlen < 0 || !dns_msg_matches(query, (size_t)qlen, data, size))
		return;
	dns_msg_read(data, size, "example.org", type, &reply);
	own_read(data, size, "example.org", type, &own);
	check_reply(&reply);
	if (reply.kind != REPLY_MALFORMED || !library_may_refuse(data, size))
		check_same(&reply, &own);
	dns_reply_free(&reply);
	own_reply_free(&own);
}
