/* dns_query.c: one question to the servers, over UDP and TCP, until there is an answer or no server left. */
#include "dns/dns_query.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "base/sys.h"
#include "dns/dns_msg.h"
#include "net/conn.h"

/* A server may send more over UDP than we asked for; what is longer than UDP_MAX is cut off. */
enum { UDP_MAX = 4096, UDP_BURST = 16, TCP_PREFIX = 2, TCP_MAX = TCP_PREFIX + 65535 };

struct dns_query {
	struct reactor *r;
	struct resolvconf rc;
	dns_query_fn *fn;
	void *ctx;

	uint16_t type;
	char name[DNS_NAME_MAX]; /* asked about now: the end of the aliases so far */
	unsigned aliases;
	uint32_t ttl; /* the least of theirs */

	size_t first; /* the server begun with */
	unsigned step; /* round * nservers + how many after the first */
	unsigned out; /* bit a server: not asked again */
	unsigned plain; /* bit a server: asked without EDNS */
	unsigned silent; /* as in the outcome */
	bool answered; /* some server said something */
	bool in_vain; /* ... or was waited for until its time was over */
	char why[DNS_WHY_MAX]; /* the latest trouble */

	uint16_t id;
	bool edns;
	/* The query, behind its length as TCP has it. */
	uint8_t packet[TCP_PREFIX + DNS_MSG_QUERY_MAX];
	size_t len; /* without the length */
	struct watch udp; /* fd is -1 when there is no socket */
	size_t udp_server; /* whom the socket is connected to */
	struct timer timer; /* of UDP; also what makes the first transmission */
	struct conn *tcp;
	size_t sent;
	struct buf in;
};

static void ask(struct dns_query *q);

static size_t
server(const struct dns_query *q)
{
	return (q->first + q->step) % q->rc.nservers;
}

static unsigned
server_bit(const struct dns_query *q)
{
	return 1u << server(q);
}

static const struct sockaddr *
server_addr(const struct dns_query *q, socklen_t *len)
{
	const struct sockaddr_storage *ss = &q->rc.servers[server(q)];

	*len = resolvconf_server_len(ss);
	return (const struct sockaddr *)ss;
}

static int64_t
deadline_ms(const struct dns_query *q)
{
	return reactor_now(q->r) + (int64_t)q->rc.timeout_s * 1000;
}

/* --- the end --- */

static void
close_udp(struct dns_query *q)
{
	int fd = q->udp.fd;

	if (fd == -1)
		return;
	watch_remove(q->r, &q->udp);
	sys.close(fd);
}

void
dns_query_stop(struct dns_query *q)
{
	close_udp(q);
	timer_disarm(q->r, &q->timer);
	conn_close(&q->tcp);
}

/* Hands the records in reply, if any, to the receiver. */
static void
finish(struct dns_query *q, enum dns_status status, const struct dns_reply *reply)
{
	struct dns_outcome o = {
	    .status = status, .silent = q->silent, .server = server(q), .why = ""};

	dns_query_stop(q);
	if (status == DNS_TEMPORARY) {
		o.no_server = !q->answered;
		o.in_vain = q->in_vain;
		o.why = q->why;
	} else {
		o.ttl = reply->ttl < q->ttl ? reply->ttl : q->ttl;
		o.records = reply->records;
		o.nrecords = reply->nrecords;
	}
	q->fn(q->ctx, &o);
}

/* --- trouble, and on to the next server --- */

/* For people: "SERVFAIL from 192.0.2.53", "no answer from 192.0.2.53: Connection refused". */
static void
note(struct dns_query *q, const char *what, const char *why)
{
	char text[RESOLVCONF_SERVER_TEXT];
	int n;

	resolvconf_server_text(&q->rc.servers[server(q)], text);
	n = snprintf(
	    q->why, sizeof(q->why), "%s from %s%s%s", what, text, why[0] != '\0' ? ": " : "", why);
	if (n < 0)
		q->why[0] = '\0';
}

/* What some server did say tells people more than that another one was silent. */
static void
note_silence(struct dns_query *q, const char *why)
{
	if (!q->answered || q->why[0] == '\0') /* an alias says nothing */
		note(q, "no answer", why);
}

/* To the next server that is worth asking; false: there is none. */
static bool
advance(struct dns_query *q)
{
	unsigned end = q->rc.attempts * (unsigned)q->rc.nservers;

	do
		q->step++;
	while (q->step < end && (q->out & server_bit(q)));
	return q->step < end;
}

static void
next_server(struct dns_query *q)
{
	if (advance(q))
		ask(q);
	else
		finish(q, DNS_TEMPORARY, NULL);
}

/* The server answered, and it is of no use. */
static void
reject(struct dns_query *q, const char *what, const char *why)
{
	q->answered = true;
	q->out |= server_bit(q);
	note(q, what, why);
	next_server(q);
}

/* --- what an answer leads to --- */

static void start_tcp(struct dns_query *q);

/* RFC 6891 7: a server that does not know EDNS says FORMERR or NOTIMP. */
static bool
blames_edns(const struct dns_query *q, unsigned rcode)
{
	return q->edns &&
	       (rcode == RCODE_FORMERR || rcode == RCODE_NOTIMP || rcode == RCODE_BADVERS);
}

static void
on_trouble(struct dns_query *q, unsigned rcode)
{
	char text[32];

	if (!blames_edns(q, rcode)) {
		reject(q, dns_msg_rcode_text(rcode, text, sizeof(text)), "");
		return;
	}
	q->plain |= server_bit(q);
	close_udp(q);
	ask(q);
}

/* The server that knew the alias is asked for what it stands for, as a question of its own. */
static void
chase(struct dns_query *q, const struct dns_reply *reply)
{
	str_copy(q->name, sizeof(q->name), reply->name);
	if (reply->ttl < q->ttl)
		q->ttl = reply->ttl;
	q->first = server(q);
	q->step = 0;
	q->out = 0;
	close_udp(q);
	ask(q);
}

static void
on_aliases_end(struct dns_query *q, struct dns_reply *reply)
{
	q->aliases += reply->aliases;
	if (q->aliases > DNS_MSG_ALIASES || reply->kind == REPLY_TOO_MANY_ALIASES) {
		dns_reply_free(reply);
		note(q, "too many aliases", "");
		finish(q, DNS_TEMPORARY, NULL);
	} else if (reply->kind == REPLY_ALIAS) {
		chase(q, reply);
	} else {
		finish(q,
		    reply->kind == REPLY_RECORDS  ? DNS_OK
		    : reply->kind == REPLY_NODATA ? DNS_NODATA
						  : DNS_NXDOMAIN,
		    reply);
	}
}

/* msg matches the query. */
static void
on_answer(struct dns_query *q, const uint8_t *msg, size_t len, bool tcp)
{
	struct dns_reply reply;

	dns_msg_read(msg, len, q->name, q->type, &reply);
	q->answered = true;
	timer_disarm(q->r, &q->timer);
	switch (reply.kind) {
	case REPLY_RECORDS:
	case REPLY_NODATA:
	case REPLY_NXDOMAIN:
	case REPLY_ALIAS:
	case REPLY_TOO_MANY_ALIASES:
		on_aliases_end(q, &reply);
		break;
	case REPLY_TRUNCATED:
		if (tcp)
			reject(q, "truncated answer over TCP", "");
		else
			start_tcp(q);
		break;
	case REPLY_TROUBLE:
		on_trouble(q, reply.rcode);
		break;
	case REPLY_LAME:
		reject(q, "referral", "");
		break;
	case REPLY_MALFORMED:
		reject(q, "malformed answer", "");
		break;
	}
}

/* --- UDP --- */

/*
 * After a first round of silence the question goes without EDNS: there are firewalls that drop what
 * they do not know. EAGAIN when the library cannot build it now.
 */
static int
build(struct dns_query *q, bool tcp)
{
	int len;

	q->edns = !(q->plain & server_bit(q)) && (tcp || q->step < q->rc.nservers);
	len = dns_msg_query(q->packet + TCP_PREFIX, q->name, q->type, q->id, q->edns);
	if (len < 0)
		return EAGAIN;
	q->len = (size_t)len;
	q->packet[0] = (uint8_t)(q->len >> 8);
	q->packet[1] = (uint8_t)q->len;
	return 0;
}

static uint16_t
new_id(void)
{
	return (uint16_t)str_random(UINT16_MAX + 1);
}

/* A new socket, so a new port: the kernel chooses it at random. */
static int
open_udp(struct dns_query *q)
{
	socklen_t len;
	const struct sockaddr *to = server_addr(q, &len);
	int fd = sys_socket(to->sa_family, SOCK_DGRAM);

	if (fd == -1)
		return errno;
	if (sys.connect(fd, to, len) == -1) {
		int err = errno;

		sys.close(fd);
		return err;
	}
	watch_add(q->r, &q->udp, fd, POLLIN);
	q->udp_server = server(q);
	q->id = new_id();
	return 0;
}

static int
send_udp(struct dns_query *q)
{
	int err = build(q, false);

	if (err != 0)
		return err;
	if (sys.send(q->udp.fd, q->packet + TCP_PREFIX, q->len, 0) == -1)
		return errno;
	return 0;
}

/* Our own trouble, which passes: wait for it as if the packet had been lost. */
static bool
passes(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM || err == EAGAIN ||
	       err == EWOULDBLOCK || err == EINTR;
}

static void
unreachable(struct dns_query *q, int err)
{
	note_silence(q, strerror(err));
	q->silent |= server_bit(q);
	q->out |= server_bit(q);
	close_udp(q);
}

/* One packet to the current server; again from the same socket if it was he who was asked last. */
static bool
transmit(struct dns_query *q)
{
	int err = 0;

	if (q->udp.fd != -1 && q->udp_server != server(q))
		close_udp(q);
	if (q->udp.fd == -1)
		err = open_udp(q);
	if (err == 0)
		err = send_udp(q);
	if (err == 0)
		return true;
	if (!passes(err)) {
		unreachable(q, err);
		return false;
	}
	note_silence(q, strerror(err));
	close_udp(q); /* so that its absence tells on_timer() that nothing was sent */
	return true;
}

static void
ask(struct dns_query *q)
{
	while (!transmit(q)) {
		if (!advance(q)) {
			finish(q, DNS_TEMPORARY, NULL);
			return;
		}
	}
	timer_arm(q->r, &q->timer, deadline_ms(q));
}

/* Whatever does not match is read and forgotten; a flood of it gets no more than its turn. */
static void
on_udp(void *ctx, short events)
{
	struct dns_query *q = ctx;
	uint8_t msg[UDP_MAX];

	(void)events;
	for (int i = 0; i < UDP_BURST; i++) {
		ssize_t n = sys.recv(q->udp.fd, msg, sizeof(msg), 0);

		if (n < 0 && passes(errno))
			return;
		if (n < 0) { /* ICMP: nobody listens there */
			unreachable(q, errno);
			next_server(q);
			return;
		}
		if (dns_msg_matches(q->packet + TCP_PREFIX, q->len, msg, (size_t)n)) {
			on_answer(q, msg, (size_t)n, false);
			return;
		}
	}
}

static void
on_timer(void *ctx)
{
	struct dns_query *q = ctx;

	if (q->udp.fd != -1) {
		note_silence(q, "");
		q->silent |= server_bit(q);
		q->in_vain = true;
	}
	next_server(q);
}

/* --- TCP (RFC 7766): the same question to the server whose answer did not fit --- */

static void
tcp_failed(struct dns_query *q, const char *why)
{
	conn_close(&q->tcp);
	reject(q, "truncated answer, and none over TCP,", why);
}

/* The answer, once it is there whole. */
static bool
tcp_answer(struct dns_query *q)
{
	const uint8_t *in = (const uint8_t *)buf_data(&q->in);
	size_t have = buf_len(&q->in), len;

	if (have < TCP_PREFIX)
		return false;
	len = (size_t)(in[0] << 8 | in[1]);
	if (have < TCP_PREFIX + len)
		return false;
	if (!dns_msg_matches(q->packet + TCP_PREFIX, q->len, in + TCP_PREFIX, len)) {
		tcp_failed(q, "not the answer to our question");
		return true;
	}
	conn_close(&q->tcp);
	on_answer(q, in + TCP_PREFIX, len, true);
	return true;
}

static void
read_tcp(struct dns_query *q)
{
	for (;;) {
		char chunk[4096];
		ssize_t n = conn_read(q->tcp, chunk, sizeof(chunk));

		if (n > 0) {
			buf_add(&q->in, chunk, (size_t)n);
			if (tcp_answer(q))
				return;
		} else {
			if (n == 0)
				tcp_failed(q, "connection closed");
			else if (errno != EAGAIN)
				tcp_failed(q, strerror(errno));
			return;
		}
	}
}

static void
on_tcp(void *ctx, enum conn_event event)
{
	struct dns_query *q = ctx;
	size_t total = TCP_PREFIX + q->len;

	if (event == CONN_FAILED) {
		tcp_failed(q, strerror(conn_errno(q->tcp)));
		return;
	}
	if (event == CONN_DEADLINE) {
		tcp_failed(q, "timed out");
		return;
	}
	if (q->sent < total) {
		ssize_t n = conn_write(q->tcp, q->packet + q->sent, total - q->sent);

		if (n > 0)
			q->sent += (size_t)n;
	}
	conn_want(q->tcp, true, q->sent < total);
	read_tcp(q); /* also where a failed write shows */
}

/* One deadline for connecting, asking and the whole answer. */
static void
start_tcp(struct dns_query *q)
{
	socklen_t len;
	const struct sockaddr *to = server_addr(q, &len);
	int err;

	close_udp(q);
	q->id = new_id();
	q->sent = 0;
	buf_clear(&q->in);
	err = build(q, true);
	if (err == 0 && (q->tcp = conn_connect(q->r, to, len, NULL, 0, on_tcp, q)) == NULL)
		err = errno;
	if (err != 0)
		tcp_failed(q, strerror(err));
	else
		conn_deadline(q->tcp, deadline_ms(q));
}

/* --- from outside --- */

static void
on_start(void *ctx)
{
	struct dns_query *q = ctx;

	q->timer.fn = on_timer;
	ask(q);
}

struct dns_query *
dns_query_start(struct reactor *r, const struct resolvconf *rc, size_t first, const char *name,
    uint16_t type, dns_query_fn *fn, void *ctx)
{
	struct dns_query *q = xcalloc(1, sizeof(*q));

	q->r = r;
	q->rc = *rc;
	q->fn = fn;
	q->ctx = ctx;
	q->first = first;
	q->type = type;
	q->ttl = DNS_MSG_TTL_MAX;
	str_copy(q->name, sizeof(q->name), name);
	watch_init(&q->udp, on_udp, q);
	buf_init(&q->in, TCP_MAX);
	timer_init(&q->timer, on_start, q);
	timer_arm(r, &q->timer, reactor_now(r));
	return q;
}

void
dns_query_free(struct dns_query **qp)
{
	struct dns_query *q = *qp;

	if (q == NULL)
		return;
	dns_query_stop(q);
	buf_free(&q->in);
	free(q);
	*qp = NULL;
}
