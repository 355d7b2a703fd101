/*
 * dns_msg.c: packets <-> records.
 *
 * The only file that knows the resolver library: res_mkquery() builds the question, ns_parserr()
 * walks the sections where it exists (HAVE_NS_PARSE), and our own walk does elsewhere. Names are
 * always read here: the libraries differ in what they let through (musl's prints a dot within a
 * label as if it were two labels), and none of them refuses pointers that point forward.
 *
 * res_mkquery() of glibc and the BSDs reads resolv.conf for itself when first called. Nothing it
 * finds there reaches the packet but the id and the flags, which are overwritten.
 */
#include <sys/types.h>
#include <netinet/in.h>
#include <arpa/nameser.h>
#include <resolv.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "dns/dns_msg.h"

enum { HEADER_SIZE = 12, QUESTION_TAIL = 4, RR_TAIL = 10, OPT_SIZE = 11 };
/* By number: OpenBSD's <arpa/nameser.h> has other names for them. */
enum { OPCODE_QUERY = 0, CLASS_IN = 1, TYPE_OPT = 41 };
enum { LABEL_MAX = 63, TEXT_MAX = DNS_NAME_MAX - 1 };

/* Byte 2 and 3 of the header (RFC 1035 4.1.1, RFC 2535 6.1). */
enum { QR = 0x80, OPCODE = 0x78, AA = 0x04, TC = 0x02, RD = 0x01 };
enum { RA = 0x80, AD = 0x20, RCODE_MASK = 0x0f };

/* --- the question --- */

static bool
good_byte(unsigned c)
{
	return c > ' ' && c < 0x7f && c != '.' && c != '/' && c != '\\';
}

bool
dns_msg_name_ok(const char *name)
{
	size_t label = 0, n;

	for (n = 0; name[n] != '\0'; n++) {
		unsigned c = (unsigned char)name[n];

		if (n == TEXT_MAX)
			return false;
		if (c == '.' && label > 0)
			label = 0;
		else if (!good_byte(c) || ++label > LABEL_MAX)
			return false;
	}
	return label > 0;
}

int
dns_msg_query(uint8_t *dst, const char *name, uint16_t type, uint16_t id, bool edns)
{
	/* Root, type, the size we take, no extended flags, no options (RFC 6891 6.1.2). */
	static const uint8_t opt[OPT_SIZE] = {
	    0, 0, TYPE_OPT, DNS_MSG_EDNS_SIZE >> 8, DNS_MSG_EDNS_SIZE & 0xff};
	size_t len = HEADER_SIZE + strlen(name) + 2 + QUESTION_TAIL;

	if (res_mkquery(OPCODE_QUERY, name, CLASS_IN, type, NULL, 0, NULL, dst,
		DNS_MSG_QUERY_MAX) != (int)len)
		return -1;
	dst[0] = (uint8_t)(id >> 8);
	dst[1] = (uint8_t)id;
	dst[2] = RD;
	dst[3] = AD; /* in a query: tell us whether you validated (RFC 6840 5.7) */
	if (edns) {
		dst[11] = 1;
		memcpy(dst + len, opt, sizeof(opt));
		len += sizeof(opt);
	}
	return (int)len;
}

/* --- a cursor whose error sticks --- */

struct cursor {
	const uint8_t *msg;
	size_t len, at;
	bool bad;
};

static unsigned
get_byte(struct cursor *c)
{
	if (c->at >= c->len) {
		c->bad = true;
		return 0;
	}
	return c->msg[c->at++];
}

static uint16_t
get_u16(struct cursor *c)
{
	unsigned high = get_byte(c);

	return (uint16_t)(high << 8 | get_byte(c));
}

static uint32_t
get_u32(struct cursor *c)
{
	uint32_t high = get_u16(c);

	return high << 16 | get_u16(c);
}

static void
skip(struct cursor *c, size_t n)
{
	if (n > c->len - c->at)
		c->bad = true;
	else
		c->at += n;
}

/* One label of a name, its length byte already taken. Returns whether all its bytes are good. */
static bool
get_label(struct cursor *c, unsigned label, char *dst, size_t *n)
{
	bool good = true;

	if (*n + label + (*n > 0) > TEXT_MAX) {
		c->bad = true;
		return false;
	}
	if (*n > 0)
		dst[(*n)++] = '.';
	while (label-- > 0) {
		unsigned byte = get_byte(c);

		good = good && good_byte(byte);
		dst[(*n)++] = (char)str_lower((int)byte);
	}
	return good;
}

/*
 * A name, compressed or not (RFC 1035 4.1.4), as text into dst[DNS_NAME_MAX]. A pointer must lead to a
 * prior name: before where the labels just read began, so that it ends. Returns false for a name
 * that we refuse, or when the cursor went bad.
 */
static bool
get_name(struct cursor *c, char *dst)
{
	size_t n = 0, began = c->at, after = 0;
	bool good = true;
	unsigned label;

	while ((label = get_byte(c)) != 0 && !c->bad) {
		if (label <= LABEL_MAX) {
			good = get_label(c, label, dst, &n) && good;
			continue;
		}
		label = (label & 0x3f) << 8 | get_byte(c) | (label & 0xc0) << 8;
		if (after == 0)
			after = c->at;
		c->at = label & 0x3fff;
		if (label < 0xc000 || c->at < HEADER_SIZE || c->at >= began)
			c->bad = true;
		began = c->at;
	}
	if (after != 0)
		c->at = after;
	dst[c->bad ? 0 : n] = '\0';
	return good && !c->bad;
}

/* --- the sections --- */

enum section { ANSWER, AUTHORITY, ADDITIONAL };

struct rr { /* offsets into the packet */
	enum section section;
	uint16_t type, class;
	uint32_t ttl;
	size_t owner, rdata, rdlen;
};

struct packet {
	const uint8_t *msg;
	size_t len;
	struct rr *rrs;
	size_t n, cap;
	bool bad; /* sticks, as the cursor's does */
};

static struct cursor
cursor_at(const struct packet *p, size_t at)
{
	return (struct cursor){.msg = p->msg, .len = p->len, .at = at};
}

static size_t
question_end(const struct packet *p)
{
	struct cursor c = cursor_at(p, HEADER_SIZE);
	char name[DNS_NAME_MAX];

	get_name(&c, name);
	skip(&c, QUESTION_TAIL);
	return c.at;
}

static void
add_rr(struct packet *p, const struct rr *rr)
{
	p->rrs = xgrow(p->rrs, p->n, &p->cap, sizeof(*p->rrs));
	p->rrs[p->n++] = *rr;
}

#ifdef HAVE_NS_PARSE

/*
 * ns_rr holds the owner's name as the library expanded it and not where it was; but one record begins
 * where the one before ends, and the first where the question does.
 */
static bool
read_sections(struct packet *p)
{
	static const ns_sect order[] = {ns_s_an, ns_s_ns, ns_s_ar};
	size_t at = question_end(p);
	char name[DNS_NAME_MAX];
	ns_msg handle;
	ns_rr r;

	if (ns_initparse(p->msg, (int)p->len, &handle) != 0)
		return false;
	for (enum section s = ANSWER; s <= ADDITIONAL; s++) {
		for (int i = 0; i < ns_msg_count(handle, order[s]); i++) {
			struct cursor c = cursor_at(p, at);
			struct rr rr = {.section = s, .owner = at};

			if (ns_parserr(&handle, order[s], i, &r) != 0)
				return false;
			get_name(&c, name);
			rr.type = (uint16_t)ns_rr_type(r);
			rr.class = (uint16_t)ns_rr_class(r);
			rr.ttl = (uint32_t)ns_rr_ttl(r);
			rr.rdata = (size_t)(ns_rr_rdata(r) - p->msg);
			rr.rdlen = ns_rr_rdlen(r);
			if (c.bad || c.at + RR_TAIL != rr.rdata)
				return false;
			add_rr(p, &rr);
			at = rr.rdata + rr.rdlen;
		}
	}
	return true;
}

#else

static bool
read_sections(struct packet *p)
{
	struct cursor counts = cursor_at(p, 6), c = cursor_at(p, question_end(p));
	char name[DNS_NAME_MAX];

	for (enum section s = ANSWER; s <= ADDITIONAL; s++) {
		for (unsigned i = get_u16(&counts); i > 0 && !c.bad; i--) {
			struct rr rr = {.section = s, .owner = c.at};

			get_name(&c, name);
			rr.type = get_u16(&c);
			rr.class = get_u16(&c);
			rr.ttl = get_u32(&c);
			rr.rdlen = get_u16(&c);
			rr.rdata = c.at;
			skip(&c, rr.rdlen);
			add_rr(p, &rr);
		}
	}
	return !c.bad && c.at == p->len;
}

#endif

/* --- the answer --- */

/* RFC 2181 8: a TTL with its top bit set is zero. */
static uint32_t
bounded_ttl(uint32_t ttl, uint32_t max)
{
	if (ttl > INT32_MAX)
		return 0;
	return ttl < max ? ttl : max;
}

static uint32_t
least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static bool
is_of(const struct rr *rr, enum section section, uint16_t type)
{
	return rr->section == section && rr->type == type && rr->class == CLASS_IN;
}

static bool
owner_is(const struct packet *p, const struct rr *rr, const char *name)
{
	struct cursor c = cursor_at(p, rr->owner);
	char owner[DNS_NAME_MAX];

	return get_name(&c, owner) && strcmp(owner, name) == 0;
}

struct found { /* a record as it is read; its name has room for the longest */
	struct dns_record r;
	char name[DNS_NAME_MAX];
};

/*
 * RDATA of one record, which must be exactly as long as its type says. false: a name in it is one that
 * we refuse.
 */
static bool
read_rdata(struct packet *p, const struct rr *rr, struct found *f)
{
	struct cursor c = cursor_at(p, rr->rdata);
	struct dns_record *r = &f->r;
	bool good = true;

	memset(f, 0, sizeof(*f));
	r->type = rr->type;
	r->ttl = bounded_ttl(rr->ttl, DNS_MSG_TTL_MAX);
	if (rr->type == DNS_A || rr->type == DNS_AAAA) {
		size_t size = rr->type == DNS_A ? sizeof(r->ip.a) : sizeof(r->ip.aaaa);

		if (rr->rdlen == size)
			memcpy(&r->ip, p->msg + rr->rdata, size);
		skip(&c, size);
	} else {
		if (rr->type == DNS_MX)
			r->preference = get_u16(&c);
		good = get_name(&c, f->name);
	}
	if (c.bad || c.at != rr->rdata + rr->rdlen)
		p->bad = true;
	return good && !p->bad;
}

/* The alias record of the name in reply, if there is one; it becomes the name in reply. */
static bool
follow_alias(struct packet *p, struct dns_reply *reply)
{
	for (size_t i = 0; i < p->n; i++) {
		struct found f;

		if (!is_of(&p->rrs[i], ANSWER, DNS_CNAME) || !owner_is(p, &p->rrs[i], reply->name))
			continue;
		if (!read_rdata(p, &p->rrs[i], &f) || f.name[0] == '\0') {
			p->bad = true;
			return false;
		}
		reply->aliases++;
		reply->ttl = least(reply->ttl, f.r.ttl);
		str_copy(reply->name, sizeof(reply->name), f.name);
		return true;
	}
	return false;
}

/* Thousands of answers are kept: records and names in one block, no larger than they are. */
static struct dns_record *
pack(const struct found *v, size_t n)
{
	size_t size = n * sizeof(struct dns_record);
	struct dns_record *records;
	char *names;

	for (size_t i = 0; i < n; i++)
		size += strlen(v[i].name) + 1;
	records = xmalloc(size);
	names = (char *)(records + n);
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(v[i].name) + 1;

		records[i] = v[i].r;
		records[i].name = memcpy(names, v[i].name, len);
		names += len;
	}
	return records;
}

/*
 * The records of the name in reply. One MX with a name that we refuse does not spoil the others; if
 * there is no other, nothing is known: it must not look like a domain without MX.
 */
static void
collect(struct packet *p, uint16_t type, struct dns_reply *reply)
{
	struct found *v = NULL;
	size_t n = 0, cap = 0, refused = 0;

	for (size_t i = 0; i < p->n; i++) {
		struct found f;

		if (!is_of(&p->rrs[i], ANSWER, type) || !owner_is(p, &p->rrs[i], reply->name))
			continue;
		if (!read_rdata(p, &p->rrs[i], &f)) {
			refused++;
			continue;
		}
		reply->ttl = least(reply->ttl, f.r.ttl);
		v = xgrow(v, n, &cap, sizeof(*v));
		v[n++] = f;
	}
	if (n > 0)
		reply->records = pack(v, n);
	reply->nrecords = n;
	free(v);
	if (refused > 0 && n == 0)
		p->bad = true;
}

/* a is name, or above it; both in lower case. */
static bool
is_above(const char *a, const char *name)
{
	size_t na = strlen(a), nn = strlen(name);

	return na == 0 || (na <= nn && strcmp(name + nn - na, a) == 0 &&
			      (na == nn || name[nn - na - 1] == '.'));
}

/*
 * The SOA that goes with a negative answer, of a zone that the name can be in: RFC 2308 3 and 5, the
 * TTL of absence is the lesser of the record's and its MINIMUM field. Without one it is not kept.
 */
static bool
find_soa(struct packet *p, struct dns_reply *reply)
{
	char name[DNS_NAME_MAX];

	for (size_t i = 0; i < p->n; i++) {
		const struct rr *rr = &p->rrs[i];
		struct cursor c = cursor_at(p, rr->owner);
		uint32_t ttl;

		if (!is_of(rr, AUTHORITY, DNS_SOA) || !get_name(&c, name) ||
		    !is_above(name, reply->name))
			continue;
		c.at = rr->rdata;
		get_name(&c, name);
		get_name(&c, name);
		skip(&c, 16);
		ttl = least(bounded_ttl(rr->ttl, DNS_MSG_NEGATIVE_MAX),
		    bounded_ttl(get_u32(&c), DNS_MSG_NEGATIVE_MAX));
		if (c.bad || c.at != rr->rdata + rr->rdlen)
			p->bad = true;
		reply->ttl = least(reply->ttl, ttl);
		return true;
	}
	reply->ttl = 0;
	return false;
}

/* No records at the end of the aliases: what does that mean? */
static enum dns_reply_kind
absence(struct packet *p, struct dns_reply *reply)
{
	bool soa;

	if (reply->rcode == RCODE_NOERROR && reply->aliases > 0) {
		uint32_t ttl = reply->ttl;

		if (find_soa(p, reply))
			return REPLY_NODATA;
		reply->ttl = ttl; /* of the aliases, for what the next answer adds */
		return REPLY_ALIAS;
	}
	soa = find_soa(p, reply);
	if (reply->rcode == RCODE_NXDOMAIN) /* about the last name: RFC 6604 3 */
		return REPLY_NXDOMAIN;
	if (!soa && !(p->msg[2] & AA) && !(p->msg[3] & RA))
		return REPLY_LAME;
	return REPLY_NODATA;
}

/* RFC 6891 6.1.3: the upper eight bits of the rcode are the first byte of OPT's TTL. */
static unsigned
full_rcode(const struct packet *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->rrs[i].section == ADDITIONAL && p->rrs[i].type == TYPE_OPT)
			return p->rrs[i].ttl >> 24 << 4 | (p->msg[3] & RCODE_MASK);
	return p->msg[3] & RCODE_MASK;
}

static enum dns_reply_kind
read_packet(struct packet *p, uint16_t type, struct dns_reply *reply)
{
	enum dns_reply_kind kind;

	if (!read_sections(p))
		return REPLY_MALFORMED;
	reply->rcode = full_rcode(p);
	if (reply->rcode != RCODE_NOERROR && reply->rcode != RCODE_NXDOMAIN)
		return REPLY_TROUBLE;
	reply->ttl = DNS_MSG_TTL_MAX;
	for (;;) {
		collect(p, type, reply);
		if (p->bad || reply->nrecords > 0 || !follow_alias(p, reply))
			break;
		if (reply->aliases > DNS_MSG_ALIASES)
			return REPLY_TOO_MANY_ALIASES;
	}
	kind = REPLY_RECORDS;
	if (!p->bad && reply->nrecords == 0)
		kind = absence(p, reply);
	else if (reply->rcode != RCODE_NOERROR) /* nothing may both exist and not exist */
		p->bad = true;
	return p->bad ? REPLY_MALFORMED : kind;
}

void
dns_msg_read(
    const uint8_t *msg, size_t len, const char *name, uint16_t type, struct dns_reply *reply)
{
	struct packet p = {.msg = msg, .len = len};

	memset(reply, 0, sizeof(*reply));
	str_copy(reply->name, sizeof(reply->name), name);
	reply->rcode = msg[3] & RCODE_MASK;
	reply->authentic = (msg[3] & AD) != 0;
	if (reply->rcode != RCODE_NOERROR && reply->rcode != RCODE_NXDOMAIN)
		reply->kind = REPLY_TROUBLE;
	else if (msg[2] & TC) /* its sections may end anywhere */
		reply->kind = REPLY_TRUNCATED;
	else
		reply->kind = read_packet(&p, type, reply);
	free(p.rrs);
	if (reply->kind != REPLY_RECORDS)
		dns_reply_free(reply);
}

void
dns_reply_free(struct dns_reply *reply)
{
	free(reply->records);
	reply->records = NULL;
	reply->nrecords = 0;
}

/* --- whose answer is it --- */

bool
dns_msg_matches(const uint8_t *query, size_t qlen, const uint8_t *msg, size_t len)
{
	size_t end = qlen - (query[11] == 1 ? OPT_SIZE : 0);
	unsigned rcode;

	if (len < HEADER_SIZE || memcmp(msg, query, 2) != 0 || (msg[2] & (QR | OPCODE)) != QR)
		return false;
	rcode = msg[3] & RCODE_MASK;
	if (msg[4] == 0 && msg[5] == 0)
		return rcode != RCODE_NOERROR && rcode != RCODE_NXDOMAIN;
	if (len < end || msg[4] != 0 || msg[5] != 1)
		return false;
	for (size_t i = HEADER_SIZE; i < end; i++)
		if (str_lower(msg[i]) != str_lower(query[i]))
			return false;
	return true;
}

const char *
dns_msg_rcode_text(unsigned rcode, char *dst, size_t size)
{
	static const char *const names[] = {
	    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"};

	if (rcode < sizeof(names) / sizeof(names[0]))
		return names[rcode];
	snprintf(dst, size, "rcode %u", rcode);
	return dst;
}
