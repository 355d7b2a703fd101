#include "ns_fake.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "dns/dns.h"
#include "net_fake.h"
#include "vclock.h"

struct ns_end {
	struct net_end end;
	struct ns *ns;
	bool stream;
	struct buf in, out;
};

struct ns ns[3];
struct ns_sockets sockets;

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
	case NS_WRONG_ID:
		msg[1] ^= 1;
		msg[n - 1] ^= 1; /* another address */
		put(e, msg, n);
		msg[1] ^= 1;
		msg[n - 1] ^= 1;
		break;
	case NS_WRONG_QUESTION:
		msg[13] ^= 1;
		put(e, msg, n);
		msg[13] ^= 1;
		break;
	case NS_FLOOD:
	case NS_ONLY_FLOOD:
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
	if (s->manner == NS_SILENT || (s->manner == NS_LOSES_FIRST && s->udp == 1) ||
	    (s->manner == NS_DIES && s->udp > 1))
		return;
	if (s->manner == NS_LATE) {
		if (s->udp == 1)
			buf_add(&s->held, msg, n);
		else
			put(e, (const uint8_t *)buf_data(&s->held), buf_len(&s->held));
		return;
	}
	if (s->manner == NS_BADVERS && s->edns) {
		say_badvers(e);
		return;
	}
	if (s->manner == NS_HATES_EDNS && s->edns) {
		memset(msg + 4, 0, 8);
		msg[3] = 0x81;
		n = 12;
	}
	if (s->manner == NS_CUT)
		n--;
	forge(e, msg, n);
	if (s->manner != NS_ONLY_FLOOD)
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
	if (s->manner == NS_TCP_STALLS)
		return;
	if (s->manner == NS_TCP_CLOSES) {
		end_free(e);
		return;
	}
	if (s->manner == NS_TCP_WRONG_ID)
		msg[2] ^= 1;
	if (s->manner == NS_TCP_TRUNCATED)
		msg[4] |= 0x02;
	if (s->manner == NS_TCP_SLOW) {
		buf_add(&e->out, msg, n + 2);
		e->end.due_ms = vclock_ms() + 1000;
		return;
	}
	put(e, msg, s->manner == NS_TCP_HALF ? n / 2 : n + 2);
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
	    ns[ntohl(sin.sin_addr.s_addr) - 0xc0000201].manner == NS_TCP_REFUSED) {
		errno = ECONNREFUSED;
		return -1;
	}
	return fake_connect(fd, to, len);
}

static int (*fake_socket)(int domain, int type, int protocol);

static int
counting_socket(int domain, int type, int protocol)
{
	if (sockets.missing > 0) {
		sockets.missing--;
		errno = EMFILE;
		return -1;
	}
	sockets.open++;
	if (sockets.open > sockets.most)
		sockets.most = sockets.open;
	return fake_socket(domain, type, protocol);
}

static int
counting_close(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
		sockets.open--;
	return close(fd);
}

void
ns_install(void)
{
	net_fake_install();
	fake_connect = sys.connect;
	sys.connect = connect_refusing_tcp;
	fake_socket = sys.socket;
	sys.socket = counting_socket;
	sys.close = counting_close;
	memset(&sockets, 0, sizeof(sockets));
	memset(ns, 0, sizeof(ns));
	for (int i = 0; i < 3; i++) {
		snprintf(ns[i].address, sizeof(ns[i].address), "192.0.2.%d:53", i + 1);
		dns_fake_init(&ns[i].zone);
		buf_init(&ns[i].held, 4096);
		net_fake_listen(ns[i].address, ns_accept, &ns[i]);
		ns_zone(i, "a.example A 192.0.2.80");
		ns_zone(i, "m.example MX 10 mx1.m.example");
		ns_zone(i, "m.example MX 20 mx2.m.example");
		ns_zone(i, ". SOA 300 60");
	}
}

void
ns_free(void)
{
	for (int i = 0; i < 3; i++) {
		dns_fake_free(&ns[i].zone);
		buf_free(&ns[i].held);
	}
}

void
ns_zone(int i, const char *line)
{
	ck_assert(dns_fake_add(&ns[i].zone, line));
}
