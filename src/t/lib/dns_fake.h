/*
 * dns_fake.h: a DNS server for tests, as a pure function from query to answer, and the packet
 * builder under it. No socket here: whoever tests brings his own.
 *
 * A zone is lines of text, added in any order:
 *
 *	example.org MX 10 mx1.example.org	A, AAAA, MX, CNAME, NS; TTL 300
 *	example.org 60 A 192.0.2.1		with a TTL
 *	*.bulk.example A 192.0.2.1		every name below bulk.example that has no line
 *	. SOA 300 60				TTL and minimum in negative answers
 *	broken.example SERVFAIL			or REFUSED FORMERR NOTIMP NXDOMAIN, for every type
 *	old.example FORMERR-EDNS		FORMERR, but only to a query with EDNS
 *	quiet.example SILENT			no answer at all
 *	big.example TC				truncated over UDP, whole over TCP
 *	lame.example LAME			a referral to the root
 *	example.org AAAA SERVFAIL		the same for one type only
 *
 * Names without a line are NXDOMAIN; names with lines but none of the type are NODATA. In a name
 * "\." is a dot within a label, "\ddd" any byte in decimal.
 */
#ifndef T_LIB_DNS_FAKE_H
#define T_LIB_DNS_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DNS_FAKE_MAX = 65535 };

/* Builds a packet from front to back; past the end nothing more is added. */
struct dns_packet {
	uint8_t bytes[DNS_FAKE_MAX];
	size_t len;
};

/* Byte 2 and 3 of the header are flags; the counts are kept by what is added. */
void dns_packet_start(struct dns_packet *p, uint16_t id, uint16_t flags);
void dns_packet_byte(struct dns_packet *p, unsigned v);
void dns_packet_u16(struct dns_packet *p, unsigned v);
void dns_packet_u32(struct dns_packet *p, uint32_t v);
void dns_packet_name(struct dns_packet *p, const char *name); /* uncompressed */
void dns_packet_question(struct dns_packet *p, const char *name, unsigned type);
/*
 * A record up to its RDATA, in section 1 (answer), 2 (authority) or 3 (additional); returns where
 * its RDLENGTH is, for dns_packet_rdata_end(). owner NULL: a pointer to the question's name.
 */
size_t dns_packet_rr(
    struct dns_packet *p, int section, const char *owner, unsigned type, uint32_t ttl);
void dns_packet_rdata_end(struct dns_packet *p, size_t at);
/* Whole records: type and RDATA as in a zone's line, "MX", "10 mx1.example.org". */
void dns_packet_record(struct dns_packet *p, int section, const char *owner, uint32_t ttl,
    const char *type, const char *rdata);
void dns_packet_soa(struct dns_packet *p, const char *owner, uint32_t ttl, uint32_t minimum);

unsigned dns_fake_type(const char *word); /* 0: not a type that the builder knows */

struct dns_fake {
	struct dns_fake_line *lines;
	size_t n, cap;
	bool no_chase; /* answer with the CNAME alone, leave the target to the asker */
	size_t queries; /* answered so far, silently or not */
};

void dns_fake_init(struct dns_fake *f);
void dns_fake_free(struct dns_fake *f); /* back to empty */
bool dns_fake_add(struct dns_fake *f, const char *line); /* false: not understood */

/*
 * The answer to a query packet (without TCP's length prefix). Its length; 0: stay silent. dst holds
 * DNS_FAKE_MAX bytes.
 */
size_t dns_fake_answer(struct dns_fake *f, const void *query, size_t n, bool tcp, uint8_t *dst);

#endif
