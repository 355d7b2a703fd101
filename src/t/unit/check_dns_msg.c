/*
 * check_dns_msg.c: packets as servers and forgers make them. Every packet is read twice: with the
 * library's walk through the sections, and with ours, which systems without ns_parserr() use; both
 * must come to the same.
 */
#include <arpa/inet.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "dns/dns_msg.h"
#include "dns_fake.h"
#include "dns_msg_own.h"
#include "t/unit/suites.h"

enum { RESPONSE = 0x8180, TYPE_TXT = 16, TYPE_DNAME = 39 };

static struct dns_packet p;
static struct dns_reply reply;

static void
setup(void)
{
	memset(&reply, 0, sizeof(reply));
}

static void
teardown(void)
{
	dns_reply_free(&reply);
}

static void
start(const char *name, uint16_t type, unsigned flags)
{
	dns_packet_start(&p, 0x1234, (uint16_t)flags);
	dns_packet_question(&p, name, type);
}

static void
add(const char *owner, const char *type, const char *rdata)
{
	dns_packet_record(&p, 1, owner, 300, type, rdata);
}

static void
same_record(const struct dns_record *a, const struct dns_record *b)
{
	ck_assert_uint_eq(a->type, b->type);
	ck_assert_uint_eq(a->ttl, b->ttl);
	ck_assert_uint_eq(a->preference, b->preference);
	ck_assert_str_eq(a->name, b->name);
	ck_assert_mem_eq(&a->ip, &b->ip, sizeof(a->ip));
}

/* A packet of exactly len bytes on the heap, so that the sanitizer sees the first byte too far. */
static void
read_bytes(const uint8_t *bytes, size_t len, const char *name, uint16_t type)
{
	uint8_t *exact = malloc(len);
	struct dns_reply own;

	memcpy(exact, bytes, len);
	dns_reply_free(&reply);
	dns_msg_read(exact, len, name, type, &reply);
	own_read(exact, len, name, type, &own);
	free(exact);
	ck_assert_int_eq(own.kind, reply.kind);
	ck_assert_uint_eq(own.nrecords, reply.nrecords);
	ck_assert_uint_eq(own.ttl, reply.ttl);
	ck_assert_uint_eq(own.rcode, reply.rcode);
	ck_assert_uint_eq(own.aliases, reply.aliases);
	ck_assert_str_eq(own.name, reply.name);
	for (size_t i = 0; i < own.nrecords; i++)
		same_record(&own.records[i], &reply.records[i]);
	own_reply_free(&own);
}

static enum dns_reply_kind
read_as(const char *name, uint16_t type)
{
	read_bytes(p.bytes, p.len, name, type);
	return reply.kind;
}

/* --- the query --- */

START_TEST(query_bytes)
{
	static const uint8_t expected[] = {0xbe, 0xef, 0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, 1, 7, 'e',
	    'x', 'a', 'm', 'p', 'l', 'e', 3, 'o', 'r', 'g', 0, 0, 15, 0, 1, 0, 0, 41, 0x04, 0xd0, 0,
	    0, 0, 0, 0, 0};
	uint8_t q[DNS_MSG_QUERY_MAX];

	ck_assert_int_eq(dns_msg_query(q, "example.org", DNS_MX, 0xbeef, true), sizeof(expected));
	ck_assert_mem_eq(q, expected, sizeof(expected));
	ck_assert_int_eq(
	    dns_msg_query(q, "example.org", DNS_MX, 0xbeef, false), sizeof(expected) - 11);
	ck_assert_uint_eq(q[11], 0);
	ck_assert_mem_eq(q + 12, expected + 12, sizeof(expected) - 23);
}
END_TEST

/* What the environment says to the resolver library does not reach the packet. */
START_TEST(query_and_environment)
{
	uint8_t before[DNS_MSG_QUERY_MAX], after[DNS_MSG_QUERY_MAX];
	int n = dns_msg_query(before, "example.org", DNS_A, 1, true);

	setenv("RES_OPTIONS", "ndots:15 use-vc trust-ad edns0 inet6", 1);
	setenv("LOCALDOMAIN", "evil.example", 1);
	setenv("HOSTALIASES", "/dev/null", 1);
	ck_assert_int_eq(dns_msg_query(after, "example.org", DNS_A, 1, true), n);
	ck_assert_mem_eq(before, after, (size_t)n);
}
END_TEST

START_TEST(query_longest_name)
{
	uint8_t q[DNS_MSG_QUERY_MAX];
	char name[300];

	memset(name, 'a', sizeof(name));
	for (size_t i = 63; i < sizeof(name); i += 64)
		name[i] = '.';
	name[253] = '\0';
	ck_assert(dns_msg_name_ok(name));
	ck_assert_int_eq(dns_msg_query(q, name, DNS_A, 1, true), 12 + 255 + 4 + 11);
	name[253] = 'a';
	name[254] = '\0';
	ck_assert(!dns_msg_name_ok(name));
}
END_TEST

/* Bytes that mean something to the library's own parser are good names or are refused before. */
START_TEST(query_odd_names)
{
	uint8_t q[DNS_MSG_QUERY_MAX];
	char name[] = "a?b.example";

	for (int c = 1; c < 256; c++) {
		name[1] = (char)c;
		if (!dns_msg_name_ok(name)) {
			ck_assert(c <= ' ' || c >= 0x7f || c == '\\' || c == '/');
			continue;
		}
		if (c == '.')
			continue;
		ck_assert_int_eq(dns_msg_query(q, name, DNS_A, 1, false), 12 + 13 + 4);
		ck_assert_uint_eq(q[14], (unsigned)c);
	}
}
END_TEST

/* --- whose answer --- */

START_TEST(matches)
{
	uint8_t q[DNS_MSG_QUERY_MAX];
	size_t qlen = (size_t)dns_msg_query(q, "example.org", DNS_MX, 0x1234, true);

	start("EXAMPLE.org", DNS_MX, RESPONSE);
	add(NULL, "MX", "10 mx.example.org");
	ck_assert(dns_msg_matches(q, qlen, p.bytes, p.len));
	for (size_t i = 0; i < p.len; i++) { /* a question cut short is not ours */
		bool whole = i >= 12 + 13 + 4;

		ck_assert(dns_msg_matches(q, qlen, p.bytes, i) == whole);
	}
	for (size_t i = 0; i < 12 + 13 + 4; i++) { /* nor one with a bit changed */
		bool free_bit = i == 2 || i == 3 || (i >= 6 && i < 12);

		p.bytes[i] ^= 1;
		ck_assert_msg(dns_msg_matches(q, qlen, p.bytes, p.len) == free_bit, "%zu", i);
		p.bytes[i] ^= 1;
	}
	p.bytes[2] ^= 0x80; /* a query */
	ck_assert(!dns_msg_matches(q, qlen, p.bytes, p.len));
	p.bytes[2] ^= 0x80 | 0x10; /* another opcode */
	ck_assert(!dns_msg_matches(q, qlen, p.bytes, p.len));
	ck_assert(!dns_msg_matches(q, qlen, p.bytes, 0));
}
END_TEST

START_TEST(errors_without_question)
{
	uint8_t q[DNS_MSG_QUERY_MAX];
	size_t qlen = (size_t)dns_msg_query(q, "example.org", DNS_MX, 0x1234, true);

	for (unsigned rcode = 0; rcode < 16; rcode++) {
		bool error = rcode != RCODE_NOERROR && rcode != RCODE_NXDOMAIN;

		dns_packet_start(&p, 0x1234, (uint16_t)(0x8000 | rcode));
		ck_assert(dns_msg_matches(q, qlen, p.bytes, p.len) == error);
		if (error) {
			ck_assert_int_eq(read_as("example.org", DNS_MX), REPLY_TROUBLE);
			ck_assert_uint_eq(reply.rcode, rcode);
		}
	}
	dns_packet_start(&p, 0x1235, 0x8001);
	ck_assert(!dns_msg_matches(q, qlen, p.bytes, p.len));
}
END_TEST

START_TEST(rcode_texts)
{
	char text[20];

	ck_assert_str_eq(dns_msg_rcode_text(RCODE_SERVFAIL, text, sizeof(text)), "SERVFAIL");
	ck_assert_str_eq(dns_msg_rcode_text(RCODE_REFUSED, text, sizeof(text)), "REFUSED");
	ck_assert_str_eq(dns_msg_rcode_text(RCODE_BADVERS, text, sizeof(text)), "rcode 16");
}
END_TEST

/* --- records --- */

START_TEST(records_of_each_type)
{
	char text[INET6_ADDRSTRLEN];

	start("Example.org", DNS_MX, RESPONSE | 0x20);
	add(NULL, "MX", "10 MX1.Example.Org");
	add("EXAMPLE.ORG", "MX", "65535 .");
	ck_assert_int_eq(read_as("example.org", DNS_MX), REPLY_RECORDS);
	ck_assert_uint_eq(reply.nrecords, 2);
	ck_assert_str_eq(reply.records[0].name, "mx1.example.org");
	ck_assert_uint_eq(reply.records[0].preference, 10);
	ck_assert_str_eq(reply.records[1].name, "");
	ck_assert_uint_eq(reply.records[1].preference, 65535);
	ck_assert_uint_eq(reply.ttl, 300);
	ck_assert(reply.authentic);

	start("example.org", DNS_A, RESPONSE);
	add(NULL, "A", "192.0.2.1");
	add(NULL, "AAAA", "2001:db8::1");
	ck_assert_int_eq(read_as("example.org", DNS_A), REPLY_RECORDS);
	ck_assert_uint_eq(reply.nrecords, 1);
	inet_ntop(AF_INET, &reply.records[0].ip.a, text, sizeof(text));
	ck_assert_str_eq(text, "192.0.2.1");
	ck_assert(!reply.authentic);
	ck_assert_int_eq(read_as("example.org", DNS_AAAA), REPLY_RECORDS);
	inet_ntop(AF_INET6, &reply.records[0].ip.aaaa, text, sizeof(text));
	ck_assert_str_eq(text, "2001:db8::1");
}
END_TEST

START_TEST(a_thousand_mx)
{
	char rdata[60];

	start("example.org", DNS_MX, RESPONSE);
	for (int i = 0; i < 1000; i++) {
		snprintf(rdata, sizeof(rdata), "%d mx%d.example.org", i, i);
		add(NULL, "MX", rdata);
	}
	ck_assert_int_eq(read_as("example.org", DNS_MX), REPLY_RECORDS);
	ck_assert_uint_eq(reply.nrecords, 1000);
	ck_assert_str_eq(reply.records[999].name, "mx999.example.org");
}
END_TEST

START_TEST(records_of_others)
{
	start("example.org", DNS_A, RESPONSE);
	add("evil.example", "A", "192.0.2.66");
	add("x.example.org", "A", "192.0.2.66");
	add("org", "A", "192.0.2.66");
	dns_packet_record(&p, 2, NULL, 300, "A", "192.0.2.66");
	dns_packet_record(&p, 3, NULL, 300, "A", "192.0.2.66");
	ck_assert_int_eq(read_as("example.org", DNS_A), REPLY_NODATA);
	add(NULL, "A", "192.0.2.1"); /* out of its section: the counts lie */
	ck_assert_uint_eq(reply.nrecords, 0);
}
END_TEST

START_TEST(another_class)
{
	start("example.org", DNS_A, RESPONSE);
	add(NULL, "A", "192.0.2.66");
	p.bytes[12 + 13 + 4 + 5] = 3; /* CHAOS */
	ck_assert_int_eq(read_as("example.org", DNS_A), REPLY_NODATA);
}
END_TEST

/* DNAME (RFC 6672) comes with the CNAME that it means; records of types we do not know are passed over. */
START_TEST(records_we_do_not_know)
{
	size_t at;

	start("a.old.example", DNS_A, RESPONSE);
	at = dns_packet_rr(&p, 1, "old.example", TYPE_DNAME, 300);
	dns_packet_name(&p, "new.example");
	dns_packet_rdata_end(&p, at);
	add(NULL, "CNAME", "a.new.example");
	at = dns_packet_rr(&p, 1, "a.new.example", TYPE_TXT, 300);
	dns_packet_byte(&p, 200); /* malformed, and none of our business */
	dns_packet_rdata_end(&p, at);
	add("a.new.example", "A", "192.0.2.1");
	ck_assert_int_eq(read_as("a.old.example", DNS_A), REPLY_RECORDS);
}
END_TEST

/* --- aliases --- */

static void
chain(int links, bool backwards)
{
	char owner[40], target[40];

	start("c0.example", DNS_A, RESPONSE);
	for (int i = 0; i < links; i++) {
		int n = backwards ? links - 1 - i : i;

		snprintf(owner, sizeof(owner), "c%d.example", n);
		snprintf(target, sizeof(target), "c%d.example", n + 1);
		dns_packet_record(&p, 1, owner, 100 + (uint32_t)n, "CNAME", target);
	}
}

START_TEST(alias_chains)
{
	for (int backwards = 0; backwards < 2; backwards++) {
		chain(8, backwards);
		add("c8.example", "A", "192.0.2.1");
		ck_assert_int_eq(read_as("c0.example", DNS_A), REPLY_RECORDS);
		ck_assert_uint_eq(reply.aliases, 8);
		ck_assert_str_eq(reply.name, "c8.example");
		ck_assert_uint_eq(reply.ttl, 100);
		chain(9, backwards);
		add("c9.example", "A", "192.0.2.1");
		ck_assert_int_eq(read_as("c0.example", DNS_A), REPLY_TOO_MANY_ALIASES);
	}
}
END_TEST

START_TEST(alias_loops)
{
	start("c0.example", DNS_A, RESPONSE);
	add(NULL, "CNAME", "c0.example");
	ck_assert_int_eq(read_as("c0.example", DNS_A), REPLY_TOO_MANY_ALIASES);
	chain(3, false);
	add("c3.example", "CNAME", "c1.example");
	ck_assert_int_eq(read_as("c0.example", DNS_A), REPLY_TOO_MANY_ALIASES);
}
END_TEST

START_TEST(alias_without_end)
{
	chain(2, false);
	ck_assert_int_eq(read_as("c0.example", DNS_A), REPLY_ALIAS);
	ck_assert_str_eq(reply.name, "c2.example");
	ck_assert_uint_eq(reply.ttl, 100);
	dns_packet_soa(&p, "example", 50, 60);
	ck_assert_int_eq(read_as("c0.example", DNS_A), REPLY_NODATA);
	ck_assert_uint_eq(reply.ttl, 50);
	p.bytes[3] |= RCODE_NXDOMAIN; /* of the alias's target: RFC 6604 */
	ck_assert_int_eq(read_as("c0.example", DNS_A), REPLY_NXDOMAIN);
	chain(2, false);
	dns_packet_soa(&p, "elsewhere", 50, 60); /* says nothing about c2.example */
	ck_assert_int_eq(read_as("c0.example", DNS_A), REPLY_ALIAS);
	ck_assert_uint_eq(reply.ttl, 100);
}
END_TEST

START_TEST(alias_to_a_bad_name)
{
	static const char *const targets[] = {".", "a\\.b.example", "a\\000.example",
	    "a\\010.example", "a\\/b.example", "a\\228b.example"};

	start("c0.example", DNS_A, RESPONSE);
	add(NULL, "CNAME", targets[_i]);
	ck_assert_int_eq(read_as("c0.example", DNS_A), REPLY_MALFORMED);
}
END_TEST

/* --- nothing there --- */

static const struct {
	uint32_t ttl, minimum, kept;
} soas[] = {
    {300, 60, 60},
    {60, 300, 60},
    {0, 300, 0},
    {86400, 86400, 3600}, /* the cap */
    {0x80000000, 60, 0}, /* RFC 2181 8 */
    {300, 0xffffffff, 0},
};

START_TEST(negative_ttl)
{
	start("none.example", DNS_A, RESPONSE | RCODE_NXDOMAIN);
	dns_packet_soa(&p, "example", soas[_i].ttl, soas[_i].minimum);
	ck_assert_int_eq(read_as("none.example", DNS_A), REPLY_NXDOMAIN);
	ck_assert_uint_eq(reply.ttl, soas[_i].kept);
	p.bytes[3] &= 0xf0;
	ck_assert_int_eq(read_as("none.example", DNS_A), REPLY_NODATA);
	ck_assert_uint_eq(reply.ttl, soas[_i].kept);
}
END_TEST

START_TEST(soa_of_another_zone)
{
	static const struct {
		const char *owner;
		uint32_t ttl;
	} zones[] = {{".", 60}, {"example", 60}, {"NONE.example", 60}, {"x.none.example", 0},
	    {"one.example", 0}, {"org", 0}, {"a\\.b", 0}};

	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		start("none.example", DNS_A, RESPONSE | RCODE_NXDOMAIN);
		dns_packet_soa(&p, zones[i].owner, 60, 60);
		ck_assert_int_eq(read_as("none.example", DNS_A), REPLY_NXDOMAIN);
		ck_assert_uint_eq(reply.ttl, zones[i].ttl);
	}
}
END_TEST

START_TEST(no_soa)
{
	start("none.example", DNS_A, RESPONSE);
	ck_assert_int_eq(read_as("none.example", DNS_A), REPLY_NODATA);
	ck_assert_uint_eq(reply.ttl, 0);
	start("none.example", DNS_A, RESPONSE | RCODE_NXDOMAIN);
	ck_assert_int_eq(read_as("none.example", DNS_A), REPLY_NXDOMAIN);
	ck_assert_uint_eq(reply.ttl, 0);
}
END_TEST

START_TEST(referrals)
{
	start("none.example", DNS_A, 0x8100); /* neither AA nor RA */
	dns_packet_record(&p, 2, "example", 300, "NS", "ns.example");
	ck_assert_int_eq(read_as("none.example", DNS_A), REPLY_LAME);
	p.bytes[2] |= 0x04;
	ck_assert_int_eq(read_as("none.example", DNS_A), REPLY_NODATA);
	start("none.example", DNS_A, 0x8100);
	dns_packet_soa(&p, "example", 60, 60);
	ck_assert_int_eq(read_as("none.example", DNS_A), REPLY_NODATA);
}
END_TEST

START_TEST(there_and_not_there)
{
	start("example.org", DNS_A, RESPONSE | RCODE_NXDOMAIN);
	add(NULL, "A", "192.0.2.1");
	ck_assert_int_eq(read_as("example.org", DNS_A), REPLY_MALFORMED);
}
END_TEST

START_TEST(positive_ttl)
{
	start("example.org", DNS_A, RESPONSE);
	dns_packet_record(&p, 1, NULL, 864000, "A", "192.0.2.1");
	ck_assert_int_eq(read_as("example.org", DNS_A), REPLY_RECORDS);
	ck_assert_uint_eq(reply.ttl, 86400);
	dns_packet_record(&p, 1, NULL, 0xfffffff0, "A", "192.0.2.2");
	ck_assert_int_eq(read_as("example.org", DNS_A), REPLY_RECORDS);
	ck_assert_uint_eq(reply.ttl, 0);
	ck_assert_uint_eq(reply.records[0].ttl, 86400);
	ck_assert_uint_eq(reply.records[1].ttl, 0);
}
END_TEST

START_TEST(rcode_from_edns)
{
	start("example.org", DNS_A, RESPONSE);
	dns_packet_rr(&p, 3, ".", TYPE_OPT, 1u << 24);
	ck_assert_int_eq(read_as("example.org", DNS_A), REPLY_TROUBLE);
	ck_assert_uint_eq(reply.rcode, RCODE_BADVERS);
	start("example.org", DNS_A, RESPONSE);
	add(NULL, "A", "192.0.2.1");
	dns_packet_rr(&p, 3, ".", TYPE_OPT, 0);
	ck_assert_int_eq(read_as("example.org", DNS_A), REPLY_RECORDS);
}
END_TEST

START_TEST(truncated_flag)
{
	start("example.org", DNS_A, RESPONSE | 0x0200);
	add(NULL, "A", "192.0.2.1");
	p.len -= 2; /* a record may be cut in half */
	ck_assert_int_eq(read_as("example.org", DNS_A), REPLY_TRUNCATED);
	ck_assert_uint_eq(reply.nrecords, 0);
	p.bytes[3] |= RCODE_SERVFAIL;
	ck_assert_int_eq(read_as("example.org", DNS_A), REPLY_TROUBLE);
}
END_TEST

/* --- malformed --- */

static void
rich_packet(void)
{
	start("example.org", DNS_MX, RESPONSE);
	add(NULL, "CNAME", "real.example.org");
	add("real.example.org", "MX", "10 mx1.example.org");
	add("real.example.org", "MX", "20 mx2.example.org");
	dns_packet_record(&p, 2, "example.org", 300, "NS", "ns.example.org");
	dns_packet_soa(&p, "example.org", 300, 300);
	dns_packet_record(&p, 3, "mx1.example.org", 300, "A", "192.0.2.1");
	dns_packet_rr(&p, 3, ".", TYPE_OPT, 0);
}

START_TEST(cut_at_every_length)
{
	rich_packet();
	ck_assert_int_eq(read_as("example.org", DNS_MX), REPLY_RECORDS);
	for (size_t len = 12 + 13 + 4; len < p.len; len++) {
		read_bytes(p.bytes, len, "example.org", DNS_MX);
		ck_assert_int_eq(reply.kind, REPLY_MALFORMED);
		ck_assert_ptr_null(reply.records);
	}
}
END_TEST

START_TEST(bytes_behind_the_end)
{
	rich_packet();
	dns_packet_byte(&p, 0);
	ck_assert_int_eq(read_as("example.org", DNS_MX), REPLY_MALFORMED);
}
END_TEST

/* No byte, whatever its value, makes the two walks differ or read too far. */
START_TEST(every_byte_changed)
{
	static const uint8_t values[] = {0, 1, 2, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff};

	rich_packet();
	for (size_t i = 12; i < p.len; i++) {
		uint8_t was = p.bytes[i];

		for (size_t v = 0; v < sizeof(values); v++) {
			p.bytes[i] = values[v];
			read_as("example.org", DNS_MX);
		}
		p.bytes[i] = was;
	}
}
END_TEST

START_TEST(counts_that_lie)
{
	for (size_t at = 6; at < 12; at += 2) {
		rich_packet();
		p.bytes[at + 1]++;
		ck_assert_int_eq(read_as("example.org", DNS_MX), REPLY_MALFORMED);
		p.bytes[at] = p.bytes[at + 1] = 0xff;
		ck_assert_int_eq(read_as("example.org", DNS_MX), REPLY_MALFORMED);
		p.bytes[at] = p.bytes[at + 1] = 0;
		ck_assert_int_eq(read_as("example.org", DNS_MX), REPLY_MALFORMED);
	}
}
END_TEST

static const struct {
	unsigned type;
	size_t len;
	bool good;
} rdata_lengths[] = {
    {DNS_A, 0, false},
    {DNS_A, 3, false},
    {DNS_A, 4, true},
    {DNS_A, 5, false},
    {DNS_AAAA, 4, false},
    {DNS_AAAA, 15, false},
    {DNS_AAAA, 16, true},
    {DNS_AAAA, 17, false},
    {DNS_MX, 0, false},
    {DNS_MX, 1, false},
    {DNS_MX, 2, false},
    {DNS_MX, 3, true}, /* the root */
    {DNS_MX, 4, false},
};

START_TEST(rdata_length)
{
	uint16_t type = (uint16_t)rdata_lengths[_i].type;
	size_t at;

	/* Last in its packet, and with another record behind it. */
	for (int behind = 0; behind < 2; behind++) {
		start("example.org", type, RESPONSE);
		at = dns_packet_rr(&p, 1, NULL, type, 300);
		for (size_t i = 0; i < rdata_lengths[_i].len; i++)
			dns_packet_byte(&p, 0);
		dns_packet_rdata_end(&p, at);
		if (behind)
			dns_packet_record(&p, 2, "example.org", 300, "NS", "ns.example.org");
		ck_assert_int_eq(read_as("example.org", type),
		    rdata_lengths[_i].good ? REPLY_RECORDS : REPLY_MALFORMED);
	}
}
END_TEST

START_TEST(soa_cut_short)
{
	size_t at;

	for (unsigned n = 0; n <= 24; n++) {
		start("example.org", DNS_A, RESPONSE);
		at = dns_packet_rr(&p, 2, NULL, DNS_SOA, 300);
		for (unsigned i = 0; i < n; i++)
			dns_packet_byte(&p, 0);
		dns_packet_rdata_end(&p, at);
		ck_assert_int_eq(
		    read_as("example.org", DNS_A), n == 22 ? REPLY_NODATA : REPLY_MALFORMED);
	}
}
END_TEST

/* An MX record whose exchange is the given bytes. */
static enum dns_reply_kind
exchange(const uint8_t *bytes, size_t n)
{
	size_t at;

	start("example.org", DNS_MX, RESPONSE);
	at = dns_packet_rr(&p, 1, NULL, DNS_MX, 300);
	dns_packet_u16(&p, 10);
	for (size_t i = 0; i < n; i++)
		dns_packet_byte(&p, bytes[i]);
	dns_packet_rdata_end(&p, at);
	return read_as("example.org", DNS_MX);
}

enum { EXCHANGE_AT = 12 + 13 + 4 + 2 + 10 + 2 }; /* where exchange() puts its bytes */

START_TEST(pointers)
{
	static const uint8_t back[] = {2, 'm', 'x', 0xc0, 12}, to_header[] = {0xc0, 11},
			     self[] = {0xc0, EXCHANGE_AT}, forward[] = {0xc0, EXCHANGE_AT + 2, 0},
			     loop[] = {1, 'a', 0xc0, EXCHANGE_AT}, beyond[] = {0xff, 0xff},
			     half[] = {0xc0}, kind_01[] = {0x41, 'a', 0},
			     kind_10[] = {0x81, 'a', 0},
			     /* a label, and then back into the middle of it */
	    inside[] = {2, 1, 'a', 0xc0, EXCHANGE_AT + 1};

	ck_assert_int_eq(exchange(back, sizeof(back)), REPLY_RECORDS);
	ck_assert_str_eq(reply.records[0].name, "mx.example.org");
	ck_assert_int_eq(exchange(to_header, sizeof(to_header)), REPLY_MALFORMED);
	ck_assert_int_eq(exchange(self, sizeof(self)), REPLY_MALFORMED);
	ck_assert_int_eq(exchange(forward, sizeof(forward)), REPLY_MALFORMED);
	ck_assert_int_eq(exchange(loop, sizeof(loop)), REPLY_MALFORMED);
	ck_assert_int_eq(exchange(beyond, sizeof(beyond)), REPLY_MALFORMED);
	ck_assert_int_eq(exchange(half, sizeof(half)), REPLY_MALFORMED);
	ck_assert_int_eq(exchange(kind_01, sizeof(kind_01)), REPLY_MALFORMED);
	ck_assert_int_eq(exchange(kind_10, sizeof(kind_10)), REPLY_MALFORMED);
	ck_assert_int_eq(exchange(inside, sizeof(inside)), REPLY_MALFORMED);
}
END_TEST

/* A chain of pointers, each to the one before: legal, if odd, and it ends. */
START_TEST(pointers_to_pointers)
{
	size_t at, before = 12;

	start("example.org", DNS_MX, RESPONSE);
	for (int i = 0; i < 100; i++) {
		at = dns_packet_rr(&p, 1, NULL, DNS_MX, 300);
		dns_packet_u16(&p, 10);
		dns_packet_u16(&p, 0xc000 | (unsigned)before);
		before = p.len - 2;
		dns_packet_rdata_end(&p, at);
	}
	ck_assert_int_eq(read_as("example.org", DNS_MX), REPLY_RECORDS);
	ck_assert_uint_eq(reply.nrecords, 100);
	ck_assert_str_eq(reply.records[99].name, "example.org");
}
END_TEST

START_TEST(name_lengths)
{
	uint8_t name[300];
	size_t n = 0;

	/* 127 labels of one byte: 255 bytes with the root, the most there can be */
	for (int i = 0; i < 127; i++) {
		name[n++] = 1;
		name[n++] = 'a';
	}
	name[n++] = 0;
	ck_assert_int_eq(exchange(name, n), REPLY_RECORDS);
	ck_assert_uint_eq(strlen(reply.records[0].name), 253);
	name[n - 1] = 1;
	name[n++] = 'a';
	name[n++] = 0;
	ck_assert_int_eq(exchange(name, n), REPLY_MALFORMED);
	/* 255 labels; and long ones */
	n = 0;
	while (n < 256) {
		name[n++] = 63;
		memset(name + n, 'x', 63);
		n += 63;
	}
	name[n++] = 0;
	ck_assert_int_eq(exchange(name, n), REPLY_MALFORMED);
}
END_TEST

START_TEST(bad_bytes_in_a_label)
{
	uint8_t name[] = {3, 'a', '?', 'b', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0};

	for (int c = 0; c < 256; c++) {
		bool good = c > ' ' && c < 0x7f && c != '.' && c != '/' && c != '\\';

		name[2] = (uint8_t)c;
		ck_assert_int_eq(
		    exchange(name, sizeof(name)), good ? REPLY_RECORDS : REPLY_MALFORMED);
	}
}
END_TEST

/* One exchange that we refuse does not make the others useless. */
START_TEST(one_bad_name_among_others)
{
	start("example.org", DNS_MX, RESPONSE);
	add(NULL, "MX", "10 a\\.b.example.org");
	add(NULL, "MX", "20 mx.example.org");
	ck_assert_int_eq(read_as("example.org", DNS_MX), REPLY_RECORDS);
	ck_assert_uint_eq(reply.nrecords, 1);
	ck_assert_str_eq(reply.records[0].name, "mx.example.org");
}
END_TEST

/* example\.org as one label is not example.org. */
START_TEST(owner_with_a_dot_in_a_label)
{
	start("example.org", DNS_A, RESPONSE);
	add("example\\.org", "A", "192.0.2.66");
	ck_assert_int_eq(read_as("example.org", DNS_A), REPLY_NODATA);
}
END_TEST

START_TEST(owner_pointing_forward)
{
	start("example.org", DNS_A, RESPONSE);
	dns_packet_u16(&p, 0xc000 | (unsigned)(p.len + 12));
	dns_packet_u16(&p, DNS_A);
	dns_packet_u16(&p, 1);
	dns_packet_u32(&p, 300);
	dns_packet_u16(&p, 4);
	dns_packet_u32(&p, 0);
	p.bytes[7] = 1;
	ck_assert_int_eq(read_as("example.org", DNS_A), REPLY_MALFORMED);
}
END_TEST

static TCase *
add_case(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup, teardown);
	suite_add_tcase(s, tc);
	return tc;
}

Suite *
suite_dns_msg(void)
{
	Suite *s = suite_create("dns_msg");
	TCase *tc = add_case(s, "query");

	tcase_add_test(tc, query_bytes);
	tcase_add_test(tc, query_and_environment);
	tcase_add_test(tc, query_longest_name);
	tcase_add_test(tc, query_odd_names);
	tcase_add_test(tc, matches);
	tcase_add_test(tc, errors_without_question);
	tcase_add_test(tc, rcode_texts);
	tc = add_case(s, "answers");
	tcase_add_test(tc, records_of_each_type);
	tcase_add_test(tc, a_thousand_mx);
	tcase_add_test(tc, records_of_others);
	tcase_add_test(tc, another_class);
	tcase_add_test(tc, records_we_do_not_know);
	tcase_add_test(tc, alias_chains);
	tcase_add_test(tc, alias_loops);
	tcase_add_test(tc, alias_without_end);
	tcase_add_loop_test(tc, alias_to_a_bad_name, 0, 6);
	tcase_add_loop_test(tc, negative_ttl, 0, sizeof(soas) / sizeof(soas[0]));
	tcase_add_test(tc, soa_of_another_zone);
	tcase_add_test(tc, no_soa);
	tcase_add_test(tc, referrals);
	tcase_add_test(tc, there_and_not_there);
	tcase_add_test(tc, positive_ttl);
	tcase_add_test(tc, rcode_from_edns);
	tcase_add_test(tc, truncated_flag);
	tc = add_case(s, "malformed");
	tcase_add_test(tc, cut_at_every_length);
	tcase_add_test(tc, bytes_behind_the_end);
	tcase_add_test(tc, every_byte_changed);
	tcase_add_test(tc, counts_that_lie);
	tcase_add_loop_test(tc, rdata_length, 0, sizeof(rdata_lengths) / sizeof(rdata_lengths[0]));
	tcase_add_test(tc, soa_cut_short);
	tcase_add_test(tc, pointers);
	tcase_add_test(tc, pointers_to_pointers);
	tcase_add_test(tc, name_lengths);
	tcase_add_test(tc, bad_bytes_in_a_label);
	tcase_add_test(tc, one_bad_name_among_others);
	tcase_add_test(tc, owner_with_a_dot_in_a_label);
	tcase_add_test(tc, owner_pointing_forward);
	return s;
}
