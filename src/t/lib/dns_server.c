/* dns_server.c: moves packets between net_fake and dns_fake. */
#include "dns_server.h"

#include <sys/socket.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "net_fake.h"
#include "vclock.h"

struct nameserver {
	struct dns_fake *zone;
	int64_t latency_ms;
};

struct asker { /* one socket of the program's */
	struct net_end end;
	const struct nameserver *server;
	bool stream;
	struct buf in; /* TCP: what is not a whole query yet */
	struct buf out; /* answers that are not due yet, each behind its length (RFC 1035 4.2.2) */
};

static struct asker *
asker_of(struct net_end *e)
{
	return (struct asker *)(void *)((char *)e - offsetof(struct asker, end));
}

static void
asker_free(struct asker *a)
{
	net_end_close(&a->end);
	buf_free(&a->in);
	buf_free(&a->out);
	free(a);
}

static size_t
u16_at(const char *p)
{
	return (size_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

static void
answer(struct asker *a, const char *query, size_t n)
{
	static uint8_t packet[DNS_FAKE_MAX];
	size_t len = dns_fake_answer(a->server->zone, query, n, a->stream, packet);

	if (len == 0)
		return;
	buf_addc(&a->out, (char)(len >> 8));
	buf_addc(&a->out, (char)(len & 0xff));
	buf_add(&a->out, packet, len);
	if (a->end.due_ms == INT64_MAX)
		a->end.due_ms = vclock_ms() + a->server->latency_ms;
}

static void
asker_due(struct net_end *e)
{
	struct asker *a = asker_of(e);

	while (buf_len(&a->out) > 0) {
		size_t len = u16_at(buf_data(&a->out));

		if (a->stream)
			send(e->fd, buf_data(&a->out), len + 2, MSG_NOSIGNAL);
		else
			send(e->fd, buf_data(&a->out) + 2, len, MSG_NOSIGNAL);
		buf_consume(&a->out, len + 2);
	}
}

static void
asker_input(struct net_end *e)
{
	static char bytes[DNS_FAKE_MAX];
	struct asker *a = asker_of(e);
	ssize_t n = recv(e->fd, bytes, sizeof(bytes), 0);

	if (n <= 0) {
		asker_free(a);
		return;
	}
	if (!a->stream) {
		answer(a, bytes, (size_t)n);
		return;
	}
	buf_add(&a->in, bytes, (size_t)n);
	while (buf_len(&a->in) >= 2 && buf_len(&a->in) >= 2 + u16_at(buf_data(&a->in))) {
		size_t len = u16_at(buf_data(&a->in));

		answer(a, buf_data(&a->in) + 2, len);
		buf_consume(&a->in, len + 2);
	}
}

static void
asker_accept(void *ctx, int fd, bool stream)
{
	struct asker *a = xcalloc(1, sizeof(*a));

	a->server = ctx;
	a->stream = stream;
	buf_init(&a->in, 1 << 20);
	buf_init(&a->out, 1 << 20);
	net_end_init(&a->end, fd);
	a->end.input = asker_input;
	a->end.due = asker_due;
}

/* Lives as long as the test, which is a process. */
void
dns_server(const char *address, struct dns_fake *zone, int64_t latency_ms)
{
	static struct nameserver servers[16];
	static size_t n;
	struct nameserver *s = &servers[n++ % 16];

	s->zone = zone;
	s->latency_ms = latency_ms;
	net_fake_listen(address, asker_accept, s);
}
