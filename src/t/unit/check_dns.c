/*
 * check_dns.c: lookups against scripted servers, named after what the servers do. Two tests at the end
 * use real sockets on loopback, for what only the kernel can do.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/sys.h"
#include "dns/dns.h"
#include "dns_fake.h"
#include "net/reactor.h"
#include "net_fake.h"
#include "t/unit/suites.h"
#include "vclock.h"

/* --- nameservers --- */

enum manner {
	PLAIN,
	SILENT,
	WRONG_ID, /* before the right one */
	WRONG_QUESTION,
	FLOOD, /* of wrong ids, then the right one */
	ONLY_FLOOD,
	LOSES_FIRST,
	DIES, /* behind its first answer */
	LATE, /* the answer to the first query comes with the second */
	CUT, /* the last byte is missing */
	BADVERS,
	HATES_EDNS, /* FORMERR, header only */
	TCP_REFUSED,
	TCP_STALLS,
	TCP_HALF,
	TCP_CLOSES,
	TCP_WRONG_ID,
	TCP_TRUNCATED,
	TCP_SLOW, /* a byte every second */
};

struct ns {
	char address[64];
	struct dns_fake zone;
	enum manner manner;
	unsigned udp, tcp; /* queries */
	bool edns; /* in the last one */
	uint16_t id; /* of the last one */
	struct buf held;
};

struct ns_end {
	struct net_end end;
	struct ns *ns;
	bool stream;
	struct buf in, out;
};

static struct reactor *reactor;
static struct dns *dns;
static struct ns ns[3];
static char why[200];

static struct ns_end *
end_of(struct net_end *e)
{
	return (struct ns_end *)(void *)((char *)e - offsetof(struct ns_end, end));
}

static void
end_free(struct ns_end *e)
{
	net_end_close(&e->end);
	buf_free(&e->in);
	buf_free(&e->out);
	free(e);
}

/* Who asked may have gone. */
static void
put(struct ns_end *e, const uint8_t *msg, size_t n)
{
	if (n > 0 && send(e->end.fd, msg, n, MSG_NOSIGNAL) == -1)
		ck_assert_int_eq(errno, EPIPE);
}

/* What arrives before the right answer; msg is the right one again afterwards. */
static void
forge(struct ns_end *e, uint8_t *msg, size_t n)
{
	uint8_t id = msg[0], flags = msg[3];

	switch (e->ns->manner) {
	case WRONG_ID:
		msg[1] ^= 1;
		msg[n - 1] ^= 1; /* another address */
		put(e, msg, n);
		msg[1] ^= 1;
		msg[n - 1] ^= 1;
		break;
	case WRONG_QUESTION:
		msg[13] ^= 1;
		put(e, msg, n);
		msg[13] ^= 1;
		break;
	case FLOOD:
	case ONLY_FLOOD:
		msg[3] = 0x83; /* NXDOMAIN */
		for (int i = 1; i <= 100; i++) {
			msg[0] = (uint8_t)(id + i);
			put(e, msg, n);
		}
		msg[0] = id;
		msg[3] = flags;
		break;
	default:
		break;
	}
}

static void
say_badvers(struct ns_end *e)
{
	static struct dns_packet p;

	dns_packet_start(&p, e->ns->id, 0x8180);
	dns_packet_question(&p, "a.example", DNS_A);
	dns_packet_rr(&p, 3, ".", 41, 1u << 24);
	put(e, p.bytes, p.len);
}

static void
udp_query(struct ns_end *e, const uint8_t *q, size_t qlen)
{
	static uint8_t msg[DNS_FAKE_MAX];
	struct ns *s = e->ns;
	size_t n = dns_fake_answer(&s->zone, q, qlen, false, msg);

	s->udp++;
	s->edns = q[11] == 1;
	s->id = (uint16_t)(q[0] << 8 | q[1]);
	if (s->manner == SILENT || (s->manner == LOSES_FIRST && s->udp == 1) ||
	    (s->manner == DIES && s->udp > 1))
		return;
	if (s->manner == LATE) {
		if (s->udp == 1)
			buf_add(&s->held, msg, n);
		else
			put(e, (const uint8_t *)buf_data(&s->held), buf_len(&s->held));
		return;
	}
	if (s->manner == BADVERS && s->edns) {
		say_badvers(e);
		return;
	}
	if (s->manner == HATES_EDNS && s->edns) {
		memset(msg + 4, 0, 8);
		msg[3] = 0x81;
		n = 12;
	}
	if (s->manner == CUT)
		n--;
	forge(e, msg, n);
	if (s->manner != ONLY_FLOOD)
		put(e, msg, n);
}

static void
tcp_query(struct ns_end *e, const uint8_t *q, size_t qlen)
{
	static uint8_t msg[2 + DNS_FAKE_MAX];
	struct ns *s = e->ns;
	size_t n = dns_fake_answer(&s->zone, q, qlen, true, msg + 2);

	s->tcp++;
	msg[0] = (uint8_t)(n >> 8);
	msg[1] = (uint8_t)n;
	if (s->manner == TCP_STALLS)
		return;
	if (s->manner == TCP_CLOSES) {
		end_free(e);
		return;
	}
	if (s->manner == TCP_WRONG_ID)
		msg[2] ^= 1;
	if (s->manner == TCP_TRUNCATED)
		msg[4] |= 0x02;
	if (s->manner == TCP_SLOW) {
		buf_add(&e->out, msg, n + 2);
		e->end.due_ms = vclock_ms() + 1000;
		return;
	}
	put(e, msg, s->manner == TCP_HALF ? n / 2 : n + 2);
}

static void
end_due(struct net_end *end)
{
	struct ns_end *e = end_of(end);

	put(e, (const uint8_t *)buf_data(&e->out), 1);
	buf_consume(&e->out, 1);
	if (buf_len(&e->out) > 0)
		end->due_ms = vclock_ms() + 1000;
}

static void
end_input(struct net_end *end)
{
	struct ns_end *e = end_of(end);
	uint8_t bytes[2048];
	ssize_t n = recv(end->fd, bytes, sizeof(bytes), 0);

	if (n <= 0) {
		end_free(e);
		return;
	}
	if (!e->stream) {
		udp_query(e, bytes, (size_t)n);
		return;
	}
	buf_add(&e->in, bytes, (size_t)n);
	if (buf_len(&e->in) > 2) {
		const uint8_t *in = (const uint8_t *)buf_data(&e->in);

		ck_assert_uint_eq(buf_len(&e->in), (size_t)(in[0] << 8 | in[1]) + 2);
		tcp_query(e, in + 2, buf_len(&e->in) - 2);
	}
}

static void
ns_accept(void *ctx, int fd, bool stream)
{
	struct ns_end *e = xcalloc(1, sizeof(*e));

	e->ns = ctx;
	e->stream = stream;
	buf_init(&e->in, 1 << 16);
	buf_init(&e->out, 1 << 17);
	net_end_init(&e->end, fd);
	e->end.input = end_input;
	e->end.due = end_due;
}

static int (*fake_connect)(int fd, const struct sockaddr *to, socklen_t len);

static int
connect_refusing_tcp(int fd, const struct sockaddr *to, socklen_t len)
{
	int type = 0;
	socklen_t size = sizeof(type);
	struct sockaddr_in sin;

	memcpy(&sin, to, sizeof(sin));
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
	if (type == SOCK_STREAM &&
	    ns[ntohl(sin.sin_addr.s_addr) - 0xc0000201].manner == TCP_REFUSED) {
		errno = ECONNREFUSED;
		return -1;
	}
	return fake_connect(fd, to, len);
}

/* How many sockets are open, and how many of the next are not to be had. */
static int (*fake_socket)(int domain, int type, int protocol);
static int sockets, most_sockets, sockets_missing;

static int
counting_socket(int domain, int type, int protocol)
{
	if (sockets_missing > 0) {
		sockets_missing--;
		errno = EMFILE;
		return -1;
	}
	sockets++;
	if (sockets > most_sockets)
		most_sockets = sockets;
	return fake_socket(domain, type, protocol);
}

static int
counting_close(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
		sockets--;
	return close(fd);
}

/* --- the client --- */

static void
setup(void)
{
	vclock_install(1764000000);
	net_fake_install();
	fake_connect = sys.connect;
	sys.connect = connect_refusing_tcp;
	fake_socket = sys.socket;
	sys.socket = counting_socket;
	sys.close = counting_close;
	sockets = most_sockets = sockets_missing = 0;
	memset(ns, 0, sizeof(ns));
	for (int i = 0; i < 3; i++) {
		snprintf(ns[i].address, sizeof(ns[i].address), "192.0.2.%d:53", i + 1);
		dns_fake_init(&ns[i].zone);
		buf_init(&ns[i].held, 4096);
		net_fake_listen(ns[i].address, ns_accept, &ns[i]);
		dns_fake_add(&ns[i].zone, "a.example A 192.0.2.80");
		dns_fake_add(&ns[i].zone, "m.example MX 10 mx1.m.example");
		dns_fake_add(&ns[i].zone, "m.example MX 20 mx2.m.example");
		dns_fake_add(&ns[i].zone, ". SOA 300 60");
	}
	reactor = reactor_new();
}

/* n of the servers, and what else resolv.conf says. */
static void
open_dns(size_t n, size_t max_in_flight)
{
	static const char *const servers[] = {"192.0.2.1", "192.0.2.2", "192.0.2.3"};
	struct dns_options o = {.servers = servers, .nservers = n, .max_in_flight = max_in_flight};

	dns = dns_new(reactor, &o, why, sizeof(why));
	ck_assert_ptr_nonnull(dns);
}

static void
teardown(void)
{
	dns_free(&dns);
	while (reactor_turn(reactor))
		; /* what conn_close() left */
	ck_assert_int_eq(sockets, 0);
	reactor_free(&reactor);
	for (int i = 0; i < 3; i++)
		dns_fake_free(&ns[i].zone);
	sys = sys_libc;
}

struct asker {
	struct dns_lookup q;
	int calls;
	enum dns_status status;
	size_t n;
	struct dns_record first, last;
	char first_name[DNS_NAME_MAX], last_name[DNS_NAME_MAX];
	bool no_server;
	char name[DNS_NAME_MAX], why[256];
	int64_t at_ms;
	struct asker *then; /* asked, or cancelled, from the callback */
	bool cancel;
};

static int waiting;

static void ask(struct asker *a, const char *name, uint16_t type);

static void
on_answer(void *ctx, const struct dns_answer *answer)
{
	struct asker *a = ctx;

	a->calls++;
	waiting--;
	a->status = answer->status;
	a->n = answer->nrecords;
	if (answer->nrecords > 0) {
		a->first = answer->records[0];
		a->last = answer->records[answer->nrecords - 1];
		str_copy(a->first_name, sizeof(a->first_name), a->first.name);
		str_copy(a->last_name, sizeof(a->last_name), a->last.name);
		a->first.name = a->last.name = NULL; /* gone with the answer */
	}
	a->no_server = answer->no_server;
	str_copy(a->name, sizeof(a->name), answer->name);
	str_copy(a->why, sizeof(a->why), answer->why);
	a->at_ms = vclock_ms();
	if (a->then != NULL && a->cancel) {
		if (a->then->calls == 0)
			waiting--;
		dns_cancel(&a->then->q);
	} else if (a->then != NULL) {
		ask(a->then, answer->name, answer->type);
		a->then = NULL;
	}
	/* The answer is valid to the end of its callback, whatever was done in it. */
	ck_assert_uint_eq(answer->nrecords, a->n);
	if (a->n > 0)
		ck_assert_uint_eq(answer->records[0].type, answer->type);
}

static void
ask(struct asker *a, const char *name, uint16_t type)
{
	dns_lookup_init(&a->q);
	a->calls = 0;
	waiting++;
	dns_lookup(dns, &a->q, name, type, on_answer, a);
	ck_assert_int_eq(a->calls, 0);
}

static void
run(void)
{
	while (waiting > 0)
		ck_assert(reactor_turn(reactor));
}

static struct asker
lookup(const char *name, uint16_t type)
{
	struct asker a = {0};

	ask(&a, name, type);
	run();
	ck_assert_int_eq(a.calls, 1);
	return a;
}

static void
assert_address(const struct asker *a, const char *expected)
{
	char text[INET6_ADDRSTRLEN];

	ck_assert_int_eq(a->status, DNS_OK);
	inet_ntop(a->first.type == DNS_A ? AF_INET : AF_INET6, &a->first.ip, text, sizeof(text));
	ck_assert_str_eq(text, expected);
}

static void
assert_temporary(const struct asker *a, const char *reason)
{
	ck_assert_int_eq(a->status, DNS_TEMPORARY);
	ck_assert_uint_eq(a->n, 0);
	ck_assert_str_eq(a->why, reason);
	ck_assert(!a->no_server);
}

static void
nothing(void *ctx)
{
	(void)ctx;
}

/* Time passes, and the reactor sees it: its clock stands still between turns. */
static void
pass(int64_t ms)
{
	struct task t;

	vclock_advance(ms);
	task_init(&t, nothing, NULL);
	task_queue(reactor, &t);
	reactor_turn(reactor);
}

static void
zone(int i, const char *line)
{
	ck_assert(dns_fake_add(&ns[i].zone, line));
}

/* --- answers --- */

START_TEST(records)
{
	struct asker a;

	open_dns(1, 0);
	zone(0, "six.example 90000 AAAA 2001:db8::7");
	a = lookup("M.example.", DNS_MX);
	ck_assert_int_eq(a.status, DNS_OK);
	ck_assert_uint_eq(a.n, 2);
	ck_assert_str_eq(a.first_name, "mx1.m.example");
	ck_assert_uint_eq(a.first.preference, 10);
	ck_assert_uint_eq(a.last.preference, 20);
	ck_assert_str_eq(a.name, "m.example");
	ck_assert_str_eq(a.why, "");
	a = lookup("a.example", DNS_A);
	assert_address(&a, "192.0.2.80");
	a = lookup("six.example", DNS_AAAA);
	assert_address(&a, "2001:db8::7");
	ck_assert_uint_eq(a.first.ttl, 86400);
	a = lookup("a.example", DNS_AAAA);
	ck_assert_int_eq(a.status, DNS_NODATA);
	a = lookup("none.example", DNS_A);
	ck_assert_int_eq(a.status, DNS_NXDOMAIN);
	ck_assert(ns[0].edns);
	ck_assert_uint_eq(ns[0].udp, 5);
}
END_TEST

START_TEST(impossible_names)
{
	static const char *const names[] = {"", ".", "a..b", "-", "a b.example", "x/y.example",
	    "b\303\274cher.example", "a\\.b", "a\n.example",
	    "1234567890123456789012345678901234567890123456789012345678901234.example"};
	char longname[400];

	open_dns(1, 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct asker a = lookup(names[i], DNS_A);

		ck_assert_int_eq(a.status, DNS_NXDOMAIN);
	}
	memset(longname, 'a', sizeof(longname));
	for (size_t i = 9; i < sizeof(longname); i += 10)
		longname[i] = '.';
	longname[254] = '\0';
	ck_assert_int_eq(lookup(longname, DNS_A).status, DNS_NXDOMAIN);
	ck_assert_uint_eq(ns[0].udp, 1); /* "-" is odd, but can be asked */
	longname[253] = '\0';
	ck_assert_int_eq(lookup(longname, DNS_A).status, DNS_NXDOMAIN);
	ck_assert_uint_eq(ns[0].udp, 2);
	longname[399] = '\0';
	longname[253] = 'a';
	longname[254] = 'a';
	ck_assert_int_eq(lookup(longname, DNS_A).status, DNS_NXDOMAIN);
	ck_assert_uint_eq(ns[0].udp, 2);
}
END_TEST

START_TEST(bad_options)
{
	static const char *const bad[] = {"192.0.2.1", "ns.example"};
	static const char *const many[9] = {0};
	struct dns_options o = {.servers = bad, .nservers = 2};

	ck_assert_ptr_null(dns_new(reactor, &o, why, sizeof(why)));
	ck_assert_ptr_nonnull(strstr(why, "ns.example"));
	o.servers = many;
	o.nservers = 9;
	ck_assert_ptr_null(dns_new(reactor, &o, why, sizeof(why)));
	ck_assert_ptr_nonnull(strstr(why, "more than 8"));
}
END_TEST

/* --- aliases --- */

static void
chain(int links)
{
	char line[200];

	for (int i = 0; i < links; i++) {
		snprintf(line, sizeof(line), "c%d.example %d CNAME C%d.example", i, 100 + i, i + 1);
		zone(0, line);
	}
	snprintf(line, sizeof(line), "c%d.example A 192.0.2.81", links);
	zone(0, line);
}

START_TEST(aliases_in_one_answer)
{
	struct asker a;

	open_dns(1, 0);
	chain(8);
	a = lookup("c0.example", DNS_A);
	assert_address(&a, "192.0.2.81");
	ck_assert_uint_eq(ns[0].udp, 1);
	ck_assert_int_eq(lookup("c0.example", DNS_MX).status, DNS_NODATA);
}
END_TEST

START_TEST(aliases_left_to_us)
{
	struct asker a;

	open_dns(1, 0);
	ns[0].zone.no_chase = true;
	chain(8);
	a = lookup("c0.example", DNS_A);
	assert_address(&a, "192.0.2.81");
	ck_assert_uint_eq(ns[0].udp, 9);
	/* kept for the least TTL of all: 100 s */
	pass(99000);
	lookup("c0.example", DNS_A);
	ck_assert_uint_eq(ns[0].udp, 9);
	pass(1000);
	lookup("c0.example", DNS_A);
	ck_assert_uint_eq(ns[0].udp, 18);
}
END_TEST

START_TEST(too_many_aliases)
{
	struct asker a;

	open_dns(1, 0);
	ns[0].zone.no_chase = _i == 1;
	chain(9);
	a = lookup("c0.example", DNS_A);
	assert_temporary(&a, "too many aliases from 192.0.2.1");
}
END_TEST

START_TEST(alias_loop)
{
	struct asker a;

	open_dns(1, 0);
	ns[0].zone.no_chase = _i == 1;
	zone(0, "x.example CNAME y.example");
	zone(0, "y.example CNAME x.example");
	a = lookup("x.example", DNS_MX);
	assert_temporary(&a, "too many aliases from 192.0.2.1");
	ck_assert_uint_le(ns[0].udp, 9);
}
END_TEST

START_TEST(alias_to_nowhere)
{
	open_dns(1, 0);
	ns[0].zone.no_chase = _i == 1;
	zone(0, "x.example CNAME nowhere.example");
	ck_assert_int_eq(lookup("x.example", DNS_A).status, DNS_NXDOMAIN);
}
END_TEST

START_TEST(silence_behind_an_alias)
{
	struct asker a;

	open_dns(1, 0);
	ns[0].zone.no_chase = true;
	ns[0].manner = DIES;
	zone(0, "x.example CNAME a.example");
	a = lookup("x.example", DNS_A);
	assert_temporary(&a, "no answer from 192.0.2.1");
}
END_TEST

/* --- somebody else's packets --- */

START_TEST(packets_that_do_not_match)
{
	static const enum manner manners[] = {WRONG_ID, WRONG_QUESTION, FLOOD};
	struct asker a;

	open_dns(1, 0);
	ns[0].manner = manners[_i];
	a = lookup("a.example", DNS_A);
	assert_address(&a, "192.0.2.80");
	ck_assert_uint_eq(ns[0].udp, 1);
}
END_TEST

START_TEST(nothing_but_a_flood)
{
	struct asker a;

	open_dns(1, 0);
	ns[0].manner = ONLY_FLOOD;
	a = lookup("a.example", DNS_A);
	ck_assert_int_eq(a.status, DNS_TEMPORARY);
	ck_assert(a.no_server); /* forged packets are nobody's answer */
}
END_TEST

START_TEST(ids_differ)
{
	uint16_t ids[8];
	int same = 0;
	char name[40];

	open_dns(1, 0);
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		lookup(name, DNS_A);
		ids[i] = ns[0].id;
		if (i > 0 && (ids[i] == ids[i - 1] || ids[i] == (uint16_t)(ids[i - 1] + 1)))
			same++;
	}
	ck_assert_int_le(same, 1);
}
END_TEST

/* --- servers that are of no use --- */

START_TEST(trouble_from_the_first)
{
	static const char *const words[] = {"SERVFAIL", "REFUSED", "NOTIMP", "FORMERR", "LAME"};
	char line[64];
	struct asker a;

	open_dns(2, 0);
	snprintf(line, sizeof(line), "t.example %s", words[_i]);
	zone(0, line);
	zone(1, "t.example A 192.0.2.81");
	a = lookup("t.example", DNS_A);
	assert_address(&a, "192.0.2.81");
	ck_assert_int_eq(a.at_ms, 1000000); /* nobody waited */
	ck_assert_uint_eq(ns[1].udp, 1);
}
END_TEST

START_TEST(trouble_from_all)
{
	struct asker a;

	open_dns(2, 0);
	zone(0, "t.example REFUSED");
	zone(1, "t.example SERVFAIL");
	a = lookup("t.example", DNS_A);
	assert_temporary(&a, "SERVFAIL from 192.0.2.2");
	ck_assert_uint_eq(ns[0].udp, 1); /* not asked again in the second round */
	ck_assert_uint_eq(ns[1].udp, 1);
	/* failures are kept for a while, too: RFC 9520 */
	pass(29000);
	a = lookup("t.example", DNS_A);
	assert_temporary(&a, "SERVFAIL from 192.0.2.2");
	ck_assert_uint_eq(ns[0].udp, 1);
	pass(1000);
	lookup("t.example", DNS_A);
	ck_assert_uint_eq(ns[0].udp, 2);
}
END_TEST

START_TEST(no_edns)
{
	struct asker a;

	open_dns(1, 0);
	if (_i == 0)
		zone(0, "a.example FORMERR-EDNS");
	else
		ns[0].manner = _i == 1 ? BADVERS : HATES_EDNS;
	a = lookup("a.example", DNS_A);
	assert_address(&a, "192.0.2.80");
	ck_assert_uint_eq(ns[0].udp, 2);
	ck_assert(!ns[0].edns);
	ck_assert_uint_eq(net_fake_connects(ns[0].address), 2); /* another socket, another id */
	ck_assert_int_eq(a.at_ms, 1000000);
}
END_TEST

START_TEST(malformed_answers)
{
	struct asker a;

	open_dns(2, 0);
	ns[0].manner = CUT;
	a = lookup("a.example", DNS_A);
	assert_address(&a, "192.0.2.80");
	ns[1].manner = CUT;
	a = lookup("m.example", DNS_MX);
	assert_temporary(&a, "malformed answer from 192.0.2.2");
}
END_TEST

START_TEST(silence_from_the_first)
{
	struct asker a;

	open_dns(2, 0);
	ns[0].manner = SILENT;
	a = lookup("a.example", DNS_A);
	assert_address(&a, "192.0.2.80");
	ck_assert_int_eq(a.at_ms, 1005000);
	/* so the second is asked first, for a while */
	a = lookup("m.example", DNS_MX);
	ck_assert_int_eq(a.at_ms, 1005000);
	ck_assert_uint_eq(ns[0].udp, 1);
	pass(30000);
	ns[0].manner = PLAIN;
	lookup("b.example", DNS_A);
	ck_assert_uint_eq(ns[0].udp, 2);
}
END_TEST

START_TEST(unreachable_servers)
{
	static const int errors[] = {ECONNREFUSED, ENETUNREACH, EHOSTUNREACH};
	struct asker a;

	open_dns(2, 0);
	net_fake_down(ns[0].address, errors[_i]);
	a = lookup("a.example", DNS_A);
	assert_address(&a, "192.0.2.80");
	ck_assert_int_eq(a.at_ms, 1000000);
	net_fake_down(ns[1].address, errors[_i]);
	a = lookup("b.example", DNS_A);
	ck_assert_int_eq(a.status, DNS_TEMPORARY);
	ck_assert(a.no_server);
	ck_assert_int_eq(a.at_ms, 1000000);
	snprintf(why, sizeof(why), "no answer from 192.0.2.1: %s", strerror(errors[_i]));
	ck_assert_str_eq(a.why, why);
}
END_TEST

START_TEST(silence_from_all)
{
	struct asker a;

	open_dns(3, 0);
	for (int i = 0; i < 3; i++)
		ns[i].manner = SILENT;
	a = lookup("a.example", DNS_A);
	ck_assert_int_eq(a.status, DNS_TEMPORARY);
	ck_assert(a.no_server);
	ck_assert_str_eq(a.why, "no answer from 192.0.2.3");
	ck_assert_int_eq(a.at_ms, 1030000);
	ck_assert_uint_eq(ns[0].udp, 2);
	ck_assert_uint_eq(ns[2].udp, 2);
	ck_assert(!ns[0].edns); /* dropped by a firewall, for all we know */
	ns[0].manner = PLAIN;
	a = lookup("m.example", DNS_MX); /* all the same: from the first again */
	ck_assert_int_eq(a.at_ms, 1030000);
}
END_TEST

START_TEST(trouble_tells_more_than_silence)
{
	struct asker a;

	open_dns(2, 0);
	zone(0, "a.example SERVFAIL");
	ns[1].manner = SILENT;
	a = lookup("a.example", DNS_A);
	assert_temporary(&a, "SERVFAIL from 192.0.2.1");
}
END_TEST

START_TEST(a_packet_is_lost)
{
	struct asker a;

	open_dns(1, 0);
	ns[0].manner = _i == 0 ? LOSES_FIRST : LATE;
	a = lookup("a.example", DNS_A);
	assert_address(&a, "192.0.2.80");
	ck_assert_uint_eq(ns[0].udp, 2);
	ck_assert_int_eq(a.at_ms, 1005000);
}
END_TEST

START_TEST(no_descriptors_for_a_while)
{
	struct asker a;

	open_dns(1, 0);
	sockets_missing = 1;
	a = lookup("a.example", DNS_A);
	assert_address(&a, "192.0.2.80");
	ck_assert_int_eq(a.at_ms, 1005000);
	sockets_missing = 2;
	a = lookup("m.example", DNS_MX);
	ck_assert_int_eq(a.status, DNS_TEMPORARY);
	ck_assert(a.no_server);
	snprintf(why, sizeof(why), "no answer from 192.0.2.1: %s", strerror(EMFILE));
	ck_assert_str_eq(a.why, why);
}
END_TEST

static ssize_t
send_fails(int fd, const void *buf, size_t n, int flags)
{
	(void)fd, (void)buf, (void)n, (void)flags;
	errno = EPERM;
	return -1;
}

START_TEST(a_firewall_of_our_own)
{
	struct asker a;

	open_dns(1, 0);
	sys.send = send_fails;
	a = lookup("a.example", DNS_A);
	ck_assert(a.no_server);
	snprintf(why, sizeof(why), "no answer from 192.0.2.1: %s", strerror(EPERM));
	ck_assert_str_eq(a.why, why);
}
END_TEST

/* --- TCP --- */

START_TEST(truncated_then_tcp)
{
	struct asker a;
	char line[100];

	open_dns(1, 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "big.example MX %d mx%d.big.example", i, i);
		zone(0, line);
	}
	a = lookup("big.example", DNS_MX);
	ck_assert_int_eq(a.status, DNS_OK);
	ck_assert_uint_eq(a.n, 1000);
	ck_assert_str_eq(a.last_name, "mx999.big.example");
	ck_assert_uint_eq(ns[0].udp, 1);
	ck_assert_uint_eq(ns[0].tcp, 1);
}
END_TEST

static const struct {
	enum manner manner;
	const char *why;
	int64_t waited_ms;
} tcp_troubles[] = {
    {TCP_REFUSED, "Connection refused", 0},
    {TCP_STALLS, "timed out", 5000},
    {TCP_HALF, "timed out", 5000},
    {TCP_SLOW, "timed out", 5000},
    {TCP_CLOSES, "connection closed", 0},
    {TCP_WRONG_ID, "not the answer to our question", 0},
};

START_TEST(tcp_trouble)
{
	struct asker a;

	open_dns(2, 0);
	ns[0].manner = ns[1].manner = tcp_troubles[_i].manner;
	zone(0, "t.example TC");
	zone(0, "t.example A 192.0.2.82");
	zone(1, "t.example A 192.0.2.81");
	a = lookup("t.example", DNS_A);
	assert_address(&a, "192.0.2.81"); /* the next server's, over UDP */
	ck_assert_int_eq(a.at_ms, 1000000 + tcp_troubles[_i].waited_ms);

	zone(0, "u.example TC");
	zone(0, "u.example A 192.0.2.82");
	zone(1, "u.example TC");
	zone(1, "u.example A 192.0.2.82");
	a = lookup("u.example", DNS_A);
	snprintf(why, sizeof(why), "truncated answer, and none over TCP, from 192.0.2.2: %s",
	    tcp_troubles[_i].why);
	assert_temporary(&a, why);
}
END_TEST

START_TEST(truncated_over_tcp_too)
{
	struct asker a;

	open_dns(1, 0);
	ns[0].manner = TCP_TRUNCATED;
	zone(0, "t.example TC");
	zone(0, "t.example A 192.0.2.82");
	a = lookup("t.example", DNS_A);
	assert_temporary(&a, "truncated answer over TCP from 192.0.2.1");
}
END_TEST

START_TEST(no_descriptor_for_tcp)
{
	struct asker a = {0};

	open_dns(1, 0);
	zone(0, "t.example TC");
	ask(&a, "t.example", DNS_A);
	reactor_turn(reactor);
	sockets_missing = 1;
	run();
	snprintf(why, sizeof(why), "truncated answer, and none over TCP, from 192.0.2.1: %s",
	    strerror(EMFILE));
	assert_temporary(&a, why);
}
END_TEST

/* --- sharing, keeping, cancelling --- */

START_TEST(a_hundred_ask_the_same)
{
	static struct asker a[100];

	open_dns(1, 0);
	for (int i = 0; i < 100; i++)
		ask(&a[i], i % 2 == 0 ? "m.example" : "M.EXAMPLE.", DNS_MX);
	run();
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(a[i].calls, 1);
		ck_assert_uint_eq(a[i].n, 2);
	}
	ck_assert_uint_eq(ns[0].udp, 1);
}
END_TEST

START_TEST(kept_for_its_ttl)
{
	struct asker a;

	open_dns(1, 0);
	zone(0, "t.example 100 A 192.0.2.82");
	lookup("t.example", DNS_A);
	pass(99999);
	a = lookup("t.example", DNS_A);
	assert_address(&a, "192.0.2.82");
	ck_assert_uint_eq(ns[0].udp, 1);
	pass(1);
	dns_fake_free(&ns[0].zone);
	zone(0, "t.example A 192.0.2.83");
	a = lookup("t.example", DNS_A);
	assert_address(&a, "192.0.2.83");
}
END_TEST

START_TEST(absence_is_kept_too)
{
	open_dns(1, 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(lookup("none.example", DNS_A).status, DNS_NXDOMAIN);
		ck_assert_int_eq(lookup("a.example", DNS_MX).status, DNS_NODATA);
	}
	ck_assert_uint_eq(ns[0].udp, 2);
	pass(60000); /* the SOA's minimum */
	lookup("none.example", DNS_A);
	ck_assert_uint_eq(ns[0].udp, 3);
}
END_TEST

START_TEST(ttl_zero_is_not_kept)
{
	static struct asker a, b;

	open_dns(1, 0);
	zone(0, "t.example 0 A 192.0.2.82");
	ask(&a, "t.example", DNS_A);
	a.then = &b; /* asks again from the callback */
	run();
	assert_address(&a, "192.0.2.82");
	assert_address(&b, "192.0.2.82");
	ck_assert_uint_eq(ns[0].udp, 2);
}
END_TEST

START_TEST(asked_again_from_the_callback)
{
	static struct asker a, b, c;

	open_dns(1, 0);
	ask(&a, "a.example", DNS_A);
	a.then = &b;
	b.then = &c;
	run();
	assert_address(&c, "192.0.2.80");
	ck_assert_uint_eq(ns[0].udp, 1);
	lookup("a.example", DNS_A);
	ck_assert_uint_eq(ns[0].udp, 1);
}
END_TEST

START_TEST(cancelled_from_the_callback)
{
	static struct asker a, b, c;

	open_dns(1, 0);
	ask(&a, "a.example", DNS_A);
	ask(&b, "a.example", DNS_A);
	a.then = &b; /* waits for the same answer */
	a.cancel = true;
	run();
	ck_assert_int_eq(a.calls, 1);
	ck_assert_int_eq(b.calls, 0);
	dns_cancel(&a.q);
	dns_cancel(&b.q); /* harmless */

	ns[0].manner = LOSES_FIRST;
	ns[0].udp = 0;
	ask(&c, "none.example", DNS_A); /* lost: is under way when a is told */
	ask(&a, "a.example", DNS_A);
	a.then = &c;
	run();
	ck_assert_int_eq(c.calls, 0);
	while (reactor_turn(reactor))
		;
	ck_assert_int_eq(sockets, 0);
	ck_assert_int_eq(vclock_ms(), 1000000); /* nothing went on waiting for it */
}
END_TEST

START_TEST(cancelled_while_waiting)
{
	static struct asker a, b, c;

	open_dns(1, 1);
	ns[0].manner = LOSES_FIRST;
	ask(&a, "a.example", DNS_A);
	ask(&b, "b.example", DNS_A); /* waits for the wire */
	ask(&c, "m.example", DNS_MX);
	reactor_turn(reactor);
	dns_cancel(&b.q);
	dns_cancel(&a.q); /* m.example may go */
	waiting -= 2;
	run();
	ck_assert_int_eq(c.calls, 1);
	ck_assert_int_eq(a.calls + b.calls, 0);
	ck_assert_uint_eq(ns[0].udp, 2);
	ck_assert_int_eq(vclock_ms(), 1000000);
}
END_TEST

START_TEST(cancelled_and_asked_again)
{
	static struct asker a, b;

	open_dns(1, 0);
	ask(&a, "a.example", DNS_A);
	reactor_turn(reactor);
	dns_cancel(&a.q);
	waiting--;
	ask(&b, "a.example", DNS_A);
	run();
	assert_address(&b, "192.0.2.80");
	/* a cached one is not told after cancel either */
	ask(&a, "a.example", DNS_A);
	dns_cancel(&a.q);
	waiting--;
	while (reactor_turn(reactor))
		;
	ck_assert_int_eq(a.calls, 0);
	ask(&a, "a.example", DNS_A);
	run();
	ck_assert_uint_eq(ns[0].udp, 2);
}
END_TEST

START_TEST(five_hundred_at_once)
{
	static struct asker a[500];
	char name[40];

	open_dns(1, 50);
	zone(0, "*.bulk.example A 192.0.2.90");
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "n%d.bulk.example", i);
		ask(&a[i], name, DNS_A);
	}
	run();
	for (int i = 0; i < 500; i++)
		assert_address(&a[i], "192.0.2.90");
	ck_assert_uint_eq(ns[0].udp, 500);
	ck_assert_int_eq(most_sockets, 50);
	ck_assert_int_eq(vclock_ms(), 1000000);
}
END_TEST

START_TEST(the_cache_is_bounded)
{
	char line[80];
	struct asker a;

	open_dns(1, 0);
	for (int i = 0; i < 2500; i++) {
		snprintf(line, sizeof(line), "*.bulk.example A 10.0.%d.%d", i / 250, i % 250);
		zone(0, line);
	}
	for (int i = 0; i < 21; i++) { /* 52,500 records: the first has to go */
		snprintf(line, sizeof(line), "n%d.bulk.example", i);
		a = lookup(line, DNS_A);
		ck_assert_uint_eq(a.n, 2500);
	}
	lookup("n1.bulk.example", DNS_A);
	ck_assert_uint_eq(ns[0].tcp, 21);
	lookup("n0.bulk.example", DNS_A);
	ck_assert_uint_eq(ns[0].tcp, 22);
}
END_TEST

START_TEST(freed_in_flight)
{
	static struct asker a, b, c, d;

	open_dns(1, 2);
	ns[0].manner = SILENT;
	ask(&a, "a.example", DNS_A);
	reactor_turn(reactor);
	reactor_turn(reactor);
	ns[0].manner = TCP_STALLS;
	zone(0, "t.example TC");
	ask(&b, "t.example", DNS_A);
	ask(&c, "c.example", DNS_A); /* queued */
	ask(&d, "", DNS_A); /* settled */
	for (int i = 0; i < 3; i++)
		reactor_turn(reactor);
	ask(&d, "", DNS_A);
	ck_assert_int_eq(sockets, 2);
	dns_free(&dns);
	ck_assert_ptr_null(dns);
	dns_cancel(&a.q);
	dns_cancel(&d.q);
	while (reactor_turn(reactor))
		;
	ck_assert_int_eq(a.calls + b.calls + c.calls + d.calls, 0);
	dns_free(&dns);
}
END_TEST

static void
free_it(void *ctx, const struct dns_answer *answer)
{
	(void)ctx, (void)answer;
	dns_free(&dns);
}

START_TEST(freed_from_a_callback)
{
	struct dns_lookup q;

	open_dns(1, 0);
	dns_lookup_init(&q);
	dns_lookup(dns, &q, "", DNS_A, free_it, NULL);
	while (reactor_turn(reactor))
		;
}
END_TEST

START_TEST(asked_twice)
{
	struct asker a = {0};

	open_dns(1, 0);
	ask(&a, "a.example", DNS_A);
	dns_lookup(dns, &a.q, "b.example", DNS_A, on_answer, &a);
}
END_TEST

START_TEST(asked_for_what_we_cannot_read)
{
	struct asker a = {0};

	open_dns(1, 0);
	ask(&a, "a.example", DNS_TLSA);
}
END_TEST

/* --- resolv.conf --- */

static char conf[] = "/tmp/check_dns.XXXXXX";

static void
write_conf(const char *text)
{
	FILE *f = fopen(conf, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static void
open_with_conf(const char *text)
{
	struct dns_options o = {.resolv_conf = conf};
	int fd = mkstemp(conf);

	ck_assert_int_ne(fd, -1);
	close(fd);
	write_conf(text);
	dns = dns_new(reactor, &o, why, sizeof(why));
	ck_assert_ptr_nonnull(dns);
}

static int
open_fails(int dir, const char *path, int flags, mode_t mode)
{
	(void)dir, (void)path, (void)flags, (void)mode;
	errno = EMFILE;
	return -1;
}

static ssize_t
read_fails(int fd, void *buf, size_t n)
{
	(void)fd, (void)buf, (void)n;
	errno = EIO;
	return -1;
}

static int
stat_fails(int dir, const char *path, struct stat *st, int flags)
{
	(void)dir, (void)path, (void)st, (void)flags;
	errno = EACCES;
	return -1;
}

START_TEST(resolv_conf_changes)
{
	open_with_conf("nameserver 192.0.2.1\n");
	lookup("a.example", DNS_A);
	lookup("a.example", DNS_A);
	ck_assert_uint_eq(ns[0].udp, 1);

	write_conf("nameserver 192.0.2.2 \noptions timeout:1\n");
	lookup("m.example", DNS_MX); /* within the same second: not looked at again */
	ck_assert_uint_eq(ns[0].udp, 2);
	pass(1000);
	lookup("a.example", DNS_A); /* what the old servers said is forgotten */
	ck_assert_uint_eq(ns[1].udp, 1);

	/* As long as it cannot be read the old one stays. */
	write_conf("nameserver 192.0.2.3\n");
	pass(1000);
	sys.openat = open_fails;
	lookup("m.example", DNS_MX);
	ck_assert_uint_eq(ns[1].udp, 2);
	sys.openat = sys_libc.openat;
	sys.read = read_fails;
	pass(1000);
	lookup("b.example", DNS_MX);
	ck_assert_uint_eq(ns[1].udp, 3);
	sys.read = sys_libc.read;
	sys.fstatat = stat_fails;
	pass(1000);
	lookup("c.example", DNS_MX);
	ck_assert_uint_eq(ns[1].udp, 4);
	sys.fstatat = sys_libc.fstatat;
	pass(1000);
	lookup("d.example", DNS_MX);
	ck_assert_uint_eq(ns[2].udp, 1);
	unlink(conf);
}
END_TEST

START_TEST(resolv_conf_changes_in_flight)
{
	struct asker a = {0}, b = {0};

	open_with_conf("nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions timeout:3\n");
	ns[0].manner = SILENT;
	ask(&a, "a.example", DNS_A);
	reactor_turn(reactor);
	write_conf("nameserver 192.0.2.3\nnameserver 192.0.2.1\n");
	pass(1000);
	ask(&b, "b.example", DNS_A);
	run();
	assert_address(&a, "192.0.2.80");
	ck_assert_uint_eq(ns[1].udp, 1);
	ck_assert_uint_eq(ns[2].udp, 1);
	ck_assert_int_eq(a.at_ms, 1003000);
	ns[0].manner = PLAIN;
	lookup("c.example", DNS_A); /* that one was silent says nothing about the new first */
	ck_assert_uint_eq(ns[2].udp, 2);
	unlink(conf);
}
END_TEST

START_TEST(no_resolv_conf)
{
	struct dns_options o = {.resolv_conf = "/nonexistent/resolv.conf"};
	struct asker a;

	dns = dns_new(reactor, &o, why, sizeof(why));
	a = lookup("a.example", DNS_A);
	ck_assert(a.no_server);
	ck_assert_str_eq(net_fake_unknown(), "127.0.0.1:53");
}
END_TEST

START_TEST(rotate)
{
	char name[40];

	open_with_conf("nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions rotate\n");
	for (int i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "n%d.example", i);
		lookup(name, DNS_A);
	}
	ck_assert_uint_gt(ns[0].udp, 8);
	ck_assert_uint_gt(ns[1].udp, 8);
	unlink(conf);
}
END_TEST

START_TEST(timeout_and_attempts)
{
	struct asker a;

	open_with_conf("nameserver 192.0.2.1\noptions timeout:2 attempts:3\n");
	ns[0].manner = SILENT;
	a = lookup("a.example", DNS_A);
	ck_assert_int_eq(a.status, DNS_TEMPORARY);
	ck_assert_int_eq(a.at_ms, 1006000);
	ck_assert_uint_eq(ns[0].udp, 3);
	unlink(conf);
}
END_TEST

/* --- real sockets --- */

static struct {
	int fd, forger;
	struct watch watch;
	struct dns_fake zone;
	char address[32];
} real;

static void
forge_then_answer(void *ctx, short events)
{
	static uint8_t msg[DNS_FAKE_MAX];
	uint8_t q[512];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t qlen = recvfrom(real.fd, q, sizeof(q), 0, (struct sockaddr *)&from, &len);
	size_t n;

	(void)ctx, (void)events;
	ck_assert_int_gt(qlen, 12);
	n = dns_fake_answer(&real.zone, q, (size_t)qlen, false, msg);
	msg[n - 1] = 66; /* all is right about it but where it comes from and what it says */
	ck_assert_int_eq(sendto(real.forger, msg, n, 0, (struct sockaddr *)&from, len), (ssize_t)n);
	msg[n - 1] = 80;
	ck_assert_int_eq(sendto(real.fd, msg, n, 0, (struct sockaddr *)&from, len), (ssize_t)n);
}

static int
loopback_socket(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	return fd;
}

static void
setup_real(void)
{
	const char *server = real.address;
	struct dns_options o = {.servers = &server, .nservers = 1};
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	sys = sys_libc;
	reactor = reactor_new();
	real.fd = loopback_socket();
	real.forger = loopback_socket();
	getsockname(real.fd, (struct sockaddr *)&sin, &len);
	snprintf(real.address, sizeof(real.address), "127.0.0.1:%u", (unsigned)ntohs(sin.sin_port));
	dns_fake_init(&real.zone);
	dns_fake_add(&real.zone, "a.example A 192.0.2.80");
	dns = dns_new(reactor, &o, why, sizeof(why));
}

static void
teardown_real(void)
{
	dns_free(&dns);
	reactor_free(&reactor);
	close(real.forger);
	dns_fake_free(&real.zone);
}

START_TEST(wrong_source)
{
	struct asker a = {0};

	watch_init(&real.watch, forge_then_answer, NULL);
	watch_add(reactor, &real.watch, real.fd, POLLIN);
	ask(&a, "a.example", DNS_A);
	run();
	assert_address(&a, "192.0.2.80");
	watch_remove(reactor, &real.watch);
	close(real.fd);
}
END_TEST

START_TEST(nobody_listens)
{
	struct asker a = {0};

	close(real.fd);
	ask(&a, "a.example", DNS_A);
	run(); /* the kernel says so; five seconds would be a failure by timeout */
	ck_assert_int_eq(a.status, DNS_TEMPORARY);
	ck_assert(a.no_server);
	ck_assert_ptr_nonnull(strstr(a.why, strerror(ECONNREFUSED)));
}
END_TEST

static TCase *
add_case(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	return tc;
}

Suite *
suite_dns(void)
{
	Suite *s = suite_create("dns");
	TCase *tc = add_case(s, "answers");

	tcase_add_test(tc, records);
	tcase_add_test(tc, impossible_names);
	tcase_add_test(tc, bad_options);
	tcase_add_test(tc, aliases_in_one_answer);
	tcase_add_test(tc, aliases_left_to_us);
	tcase_add_loop_test(tc, too_many_aliases, 0, 2);
	tcase_add_loop_test(tc, alias_loop, 0, 2);
	tcase_add_loop_test(tc, alias_to_nowhere, 0, 2);
	tcase_add_test(tc, silence_behind_an_alias);
	tc = add_case(s, "servers");
	tcase_add_loop_test(tc, packets_that_do_not_match, 0, 3);
	tcase_add_test(tc, nothing_but_a_flood);
	tcase_add_test(tc, ids_differ);
	tcase_add_loop_test(tc, trouble_from_the_first, 0, 5);
	tcase_add_test(tc, trouble_from_all);
	tcase_add_loop_test(tc, no_edns, 0, 3);
	tcase_add_test(tc, malformed_answers);
	tcase_add_test(tc, silence_from_the_first);
	tcase_add_loop_test(tc, unreachable_servers, 0, 3);
	tcase_add_test(tc, silence_from_all);
	tcase_add_test(tc, trouble_tells_more_than_silence);
	tcase_add_loop_test(tc, a_packet_is_lost, 0, 2);
	tcase_add_test(tc, no_descriptors_for_a_while);
	tcase_add_test(tc, a_firewall_of_our_own);
	tc = add_case(s, "tcp");
	tcase_add_test(tc, truncated_then_tcp);
	tcase_add_loop_test(tc, tcp_trouble, 0, sizeof(tcp_troubles) / sizeof(tcp_troubles[0]));
	tcase_add_test(tc, truncated_over_tcp_too);
	tcase_add_test(tc, no_descriptor_for_tcp);
	tc = add_case(s, "sharing");
	tcase_add_test(tc, a_hundred_ask_the_same);
	tcase_add_test(tc, kept_for_its_ttl);
	tcase_add_test(tc, absence_is_kept_too);
	tcase_add_test(tc, ttl_zero_is_not_kept);
	tcase_add_test(tc, asked_again_from_the_callback);
	tcase_add_test(tc, cancelled_from_the_callback);
	tcase_add_test(tc, cancelled_while_waiting);
	tcase_add_test(tc, cancelled_and_asked_again);
	tcase_add_test(tc, five_hundred_at_once);
	tcase_add_test(tc, the_cache_is_bounded);
	tcase_add_test(tc, freed_in_flight);
	tcase_add_test_raise_signal(tc, freed_from_a_callback, SIGABRT);
	tcase_add_test_raise_signal(tc, asked_twice, SIGABRT);
	tcase_add_test_raise_signal(tc, asked_for_what_we_cannot_read, SIGABRT);
	tc = add_case(s, "resolv.conf");
	tcase_add_test(tc, resolv_conf_changes);
	tcase_add_test(tc, resolv_conf_changes_in_flight);
	tcase_add_test(tc, no_resolv_conf);
	tcase_add_test(tc, rotate);
	tcase_add_test(tc, timeout_and_attempts);
	tc = tcase_create("loopback");
	tcase_add_checked_fixture(tc, setup_real, teardown_real);
	tcase_add_test(tc, wrong_source);
	tcase_add_test(tc, nobody_listens);
	suite_add_tcase(s, tc);
	return s;
}
