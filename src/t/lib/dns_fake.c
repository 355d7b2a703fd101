#include <sys/socket.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "dns_fake.h"

enum { T_A = 1, T_NS = 2, T_CNAME = 5, T_SOA = 6, T_MX = 15, T_AAAA = 28, T_OPT = 41 };
enum { NOERROR = 0, FORMERR = 1, SERVFAIL = 2, NXDOMAIN = 3, NOTIMP = 4, REFUSED = 5 };
enum { HEADER = 12, QR = 0x8000, TC = 0x0200, RD = 0x0100, RA = 0x0080 };

struct dns_fake_line {
	char owner[256];
	unsigned type; /* 0: any */
	uint32_t ttl;
	char word[16]; /* the type as text, or what goes wrong */
	char rdata[600];
};

/* --- the packet builder --- */

void
dns_packet_start(struct dns_packet *p, uint16_t id, uint16_t flags)
{
	p->len = 0;
	dns_packet_u16(p, id);
	dns_packet_u16(p, flags);
	for (int i = 0; i < 4; i++)
		dns_packet_u16(p, 0);
}

void
dns_packet_byte(struct dns_packet *p, unsigned v)
{
	if (p->len < sizeof(p->bytes))
		p->bytes[p->len++] = (uint8_t)v;
}

void
dns_packet_u16(struct dns_packet *p, unsigned v)
{
	dns_packet_byte(p, v >> 8 & 0xff);
	dns_packet_byte(p, v & 0xff);
}

void
dns_packet_u32(struct dns_packet *p, uint32_t v)
{
	dns_packet_u16(p, v >> 16);
	dns_packet_u16(p, v & 0xffff);
}

static void
count(struct dns_packet *p, int section)
{
	uint8_t *at = p->bytes + 4 + 2 * section;
	unsigned n = (unsigned)(at[0] << 8 | at[1]) + 1;

	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
}

static bool
digit(char c)
{
	return c >= '0' && c <= '9';
}

/* One label, up to a dot or the end; returns where it stopped. */
static const char *
add_label(struct dns_packet *p, const char *s)
{
	size_t at = p->len;

	dns_packet_byte(p, 0);
	while (*s != '\0' && *s != '.') {
		unsigned c = (unsigned char)*s;

		if (c == '\\' && digit(s[1]) && digit(s[2]) && digit(s[3])) {
			c = (unsigned)((s[1] - '0') * 100 + (s[2] - '0') * 10 + s[3] - '0');
			s += 3;
		} else if (c == '\\' && s[1] != '\0') {
			c = (unsigned char)*++s;
		}
		dns_packet_byte(p, c);
		s++;
	}
	if (at < sizeof(p->bytes))
		p->bytes[at] = (uint8_t)(p->len - at - 1);
	return s;
}

void
dns_packet_name(struct dns_packet *p, const char *name)
{
	while (*name != '\0' && strcmp(name, ".") != 0) {
		name = add_label(p, name);
		if (*name == '.')
			name++;
	}
	dns_packet_byte(p, 0);
}

void
dns_packet_question(struct dns_packet *p, const char *name, unsigned type)
{
	dns_packet_name(p, name);
	dns_packet_u16(p, type);
	dns_packet_u16(p, 1);
	count(p, 0);
}

size_t
dns_packet_rr(struct dns_packet *p, int section, const char *owner, unsigned type, uint32_t ttl)
{
	if (owner == NULL)
		dns_packet_u16(p, 0xc000 | HEADER);
	else
		dns_packet_name(p, owner);
	dns_packet_u16(p, type);
	dns_packet_u16(p, 1);
	dns_packet_u32(p, ttl);
	dns_packet_u16(p, 0);
	count(p, section);
	return p->len - 2;
}

void
dns_packet_rdata_end(struct dns_packet *p, size_t at)
{
	size_t n = p->len - at - 2;

	p->bytes[at] = (uint8_t)(n >> 8);
	p->bytes[at + 1] = (uint8_t)n;
}

unsigned
dns_fake_type(const char *word)
{
	static const struct {
		const char *word;
		unsigned type;
	} types[] = {{"A", T_A}, {"NS", T_NS}, {"CNAME", T_CNAME}, {"MX", T_MX}, {"AAAA", T_AAAA},
	    {"SOA", T_SOA}};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].word, word) == 0)
			return types[i].type;
	return 0;
}

void
dns_packet_record(struct dns_packet *p, int section, const char *owner, uint32_t ttl,
    const char *type, const char *rdata)
{
	unsigned t = dns_fake_type(type);
	size_t at = dns_packet_rr(p, section, owner, t, ttl);
	unsigned char ip[16];
	char *end;

	if (t == T_A || t == T_AAAA) {
		if (inet_pton(t == T_A ? AF_INET : AF_INET6, rdata, ip) == 1)
			for (int i = 0; i < (t == T_A ? 4 : 16); i++)
				dns_packet_byte(p, ip[i]);
	} else if (t == T_MX) {
		dns_packet_u16(p, (unsigned)strtoul(rdata, &end, 10));
		dns_packet_name(p, end + strspn(end, " "));
	} else {
		dns_packet_name(p, rdata);
	}
	dns_packet_rdata_end(p, at);
}

void
dns_packet_soa(struct dns_packet *p, const char *owner, uint32_t ttl, uint32_t minimum)
{
	size_t at = dns_packet_rr(p, 2, owner, T_SOA, ttl);

	dns_packet_name(p, "ns.invalid");
	dns_packet_name(p, "hostmaster.invalid");
	for (int i = 0; i < 4; i++)
		dns_packet_u32(p, 1);
	dns_packet_u32(p, minimum);
	dns_packet_rdata_end(p, at);
}

/* --- the zone --- */

void
dns_fake_init(struct dns_fake *f)
{
	memset(f, 0, sizeof(*f));
}

void
dns_fake_free(struct dns_fake *f)
{
	free(f->lines);
	dns_fake_init(f);
}

static bool
is_trouble(const char *word)
{
	static const char *const words[] = {"SERVFAIL", "REFUSED", "FORMERR", "NOTIMP", "NXDOMAIN",
	    "FORMERR-EDNS", "SILENT", "TC", "LAME"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

bool
dns_fake_add(struct dns_fake *f, const char *line)
{
	struct dns_fake_line l = {.ttl = 300};
	int n = 0;

	if (sscanf(line, " %255s %n", l.owner, &n) != 1)
		return false;
	line += n;
	if (digit(*line)) {
		char *end;

		l.ttl = (uint32_t)strtoul(line, &end, 10);
		line = end;
	}
	if (sscanf(line, " %15s %n", l.word, &n) != 1)
		return false;
	l.type = dns_fake_type(l.word);
	if (!str_copy(l.rdata, sizeof(l.rdata), line + n))
		return false;
	l.rdata[strcspn(l.rdata, "\r\n")] = '\0';
	if (l.rdata[0] == '\0' ? !is_trouble(l.word) : l.type == 0)
		return false;
	if (is_trouble(l.rdata)) /* "example.org AAAA SERVFAIL" */
		str_copy(l.word, sizeof(l.word), l.rdata);
	str_lowercase(l.owner);
	if (strlen(l.owner) > 1 && str_ends_i(l.owner, "."))
		l.owner[strlen(l.owner) - 1] = '\0';
	f->lines = xgrow(f->lines, f->n, &f->cap, sizeof(*f->lines));
	f->lines[f->n++] = l;
	return true;
}

/* The owner whose lines speak for the name: itself, else the wildcard above it; NULL: none. */
static const char *
find_owner(const struct dns_fake *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->lines[i].owner, name) == 0)
			return f->lines[i].owner;
	for (size_t i = 0; i < f->n; i++)
		if (str_starts(f->lines[i].owner, "*.") && str_ends_i(name, f->lines[i].owner + 1))
			return f->lines[i].owner;
	return NULL;
}

static const struct dns_fake_line *
find_trouble(const struct dns_fake *f, const char *owner, unsigned type)
{
	for (size_t i = 0; owner != NULL && i < f->n; i++)
		if (strcmp(f->lines[i].owner, owner) == 0 && is_trouble(f->lines[i].word) &&
		    (f->lines[i].type == 0 || f->lines[i].type == type))
			return &f->lines[i];
	return NULL;
}

static const struct dns_fake_line *
find_cname(const struct dns_fake *f, const char *owner)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->lines[i].owner, owner) == 0 && f->lines[i].type == T_CNAME &&
		    !is_trouble(f->lines[i].word))
			return &f->lines[i];
	return NULL;
}

/* All records of one owner and type; how many. */
static size_t
add_records(const struct dns_fake *f, struct dns_packet *p, const char *owner, const char *name,
    unsigned type)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++) {
		const struct dns_fake_line *l = &f->lines[i];

		if (strcmp(l->owner, owner) != 0 || l->type != type || is_trouble(l->word))
			continue;
		dns_packet_record(p, 1, name, l->ttl, l->word, l->rdata);
		n++;
	}
	return n;
}

/* SOA of the root: above every name. */
static void
add_negative(const struct dns_fake *f, struct dns_packet *p)
{
	uint32_t ttl = 60, minimum = 60;

	for (size_t i = 0; i < f->n; i++)
		if (f->lines[i].type == T_SOA)
			(void)sscanf(f->lines[i].rdata, "%u %u", &ttl, &minimum);
	dns_packet_soa(p, ".", ttl, minimum);
}

/* Answer section by the aliases; the rcode. */
static unsigned
add_answer(const struct dns_fake *f, struct dns_packet *p, const char *qname, unsigned type)
{
	char name[256];
	const char *owner = NULL;

	str_copy(name, sizeof(name), qname);
	for (int links = 0; links < 20; links++) {
		const struct dns_fake_line *cname;

		owner = find_owner(f, name);
		if (owner == NULL || add_records(f, p, owner, links > 0 ? name : NULL, type) > 0)
			break;
		cname = find_cname(f, owner);
		if (cname == NULL) {
			add_negative(f, p);
			break;
		}
		dns_packet_record(p, 1, links > 0 ? name : NULL, cname->ttl, "CNAME", cname->rdata);
		if (f->no_chase)
			return NOERROR;
		str_copy(name, sizeof(name), cname->rdata);
		str_lowercase(name);
	}
	if (owner == NULL) {
		add_negative(f, p);
		return NXDOMAIN;
	}
	return NOERROR;
}

/* --- from query to answer --- */

struct asked {
	char name[256];
	unsigned type, udp_size;
	bool edns;
	size_t question_end;
};

static bool
read_query(const uint8_t *q, size_t n, struct asked *a)
{
	size_t at = HEADER, len = 0;

	memset(a, 0, sizeof(*a));
	if (n < HEADER || q[5] != 1)
		return false;
	while (at < n && q[at] != 0) {
		size_t label = q[at++];

		if (label > 63 || at + label >= n || len + label + 2 > sizeof(a->name))
			return false;
		if (len > 0)
			a->name[len++] = '.';
		memcpy(a->name + len, q + at, label);
		len += label;
		at += label;
	}
	if (at + 5 > n)
		return false;
	str_lowercase(a->name);
	a->type = (unsigned)(q[at + 1] << 8 | q[at + 2]);
	a->question_end = at + 5;
	a->edns = q[11] == 1 && n >= at + 16 && q[at + 7] == T_OPT;
	a->udp_size = a->edns ? (unsigned)(q[at + 8] << 8 | q[at + 9]) : 512;
	return true;
}

static unsigned
rcode_of(const char *word)
{
	static const char *const words[] = {
	    "", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"};

	for (unsigned i = 1; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return NOERROR;
}

/* What a name's line says should go wrong; the rcode. */
static unsigned
add_trouble(const struct dns_fake *f, struct dns_packet *p, const char *word)
{
	unsigned rcode = rcode_of(word);

	if (rcode == NXDOMAIN)
		add_negative(f, p);
	if (strcmp(word, "LAME") == 0) {
		dns_packet_record(p, 2, ".", 300, "NS", "ns.invalid");
		p->bytes[3] = 0;
	}
	return rcode;
}

static void
set_flags(struct dns_packet *p, unsigned flags)
{
	p->bytes[2] |= (uint8_t)(flags >> 8);
	p->bytes[3] |= (uint8_t)flags;
}

/* Back to header and question. */
static void
cut(struct dns_packet *p, const struct asked *a)
{
	p->len = a->question_end;
	memset(p->bytes + 6, 0, 6);
}

size_t
dns_fake_answer(struct dns_fake *f, const void *query, size_t n, bool tcp, uint8_t *dst)
{
	static struct dns_packet p;
	const uint8_t *q = query;
	struct asked a;
	const struct dns_fake_line *bad;
	unsigned rcode;

	if (!read_query(q, n, &a))
		return 0;
	f->queries++;
	dns_packet_start(&p, (uint16_t)(q[0] << 8 | q[1]), QR | RD | RA);
	memcpy(p.bytes + HEADER, q + HEADER, a.question_end - HEADER);
	p.len = a.question_end;
	p.bytes[5] = 1;

	bad = find_trouble(f, find_owner(f, a.name), a.type);
	if (bad != NULL && strcmp(bad->word, "SILENT") == 0)
		return 0;
	if (bad != NULL && strcmp(bad->word, "FORMERR-EDNS") == 0)
		rcode = a.edns ? FORMERR : add_answer(f, &p, a.name, a.type);
	else if (bad != NULL && strcmp(bad->word, "TC") != 0)
		rcode = add_trouble(f, &p, bad->word);
	else
		rcode = add_answer(f, &p, a.name, a.type);
	if (!tcp && (p.len > a.udp_size || (bad != NULL && strcmp(bad->word, "TC") == 0))) {
		cut(&p, &a);
		set_flags(&p, TC);
	}
	set_flags(&p, rcode);
	memcpy(dst, p.bytes, p.len);
	return p.len;
}
