/*
 * sink_client.c: connections: bytes in, replies out, each at its time.
 *
 * Latency is a long line, not a slow server: the replies to what one read(2) brought are a group,
 * which goes out, in one write(2), so long after it came; groups behind it do not wait for it, they
 * wait their own time. So a client that pipelines gets more through, as over a real line. (The
 * connection itself opens at once, and so do TLS's handshakes: the kernel and OpenSSL answer these.)
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "sink.h"

enum { OUTPUT_MAX = 1024 * 1024, RECIPIENTS_MAX = 64 * 1024 * 1024 };

struct group {
	int64_t due_ns;
	struct client *client;
	unsigned serial;
	size_t n;
};

struct client **clients;
struct pollfd *polled;
size_t nclients, nlisteners;

/* Those that have no connection, for the next; so a pointer in a lane is always to a client. */
static struct client **unused;
static size_t nunused, unused_cap, clients_cap, polled_cap;

static bool released; /* nothing is held any more */

void
client_close(struct client *c)
{
	struct client *last = clients[nclients - 1];

	if (c->peer != NULL)
		tls_peer_close_notify(c->peer);
	tls_peer_free(&c->peer);
	close(c->fd);
	c->fd = -1;
	c->serial++;
	buf_clear(&c->in);
	buf_clear(&c->out);
	count->open--;
	count->held -= c->held;

	clients[c->at] = last;
	polled[nlisteners + c->at] = polled[nlisteners + last->at];
	last->at = c->at;
	nclients--;
	unused = xgrow(unused, nunused, &unused_cap, sizeof(struct client *));
	unused[nunused++] = c;
}

static void
client_write(struct client *c)
{
	bool shaking = c->state == SHAKING; /* the reply to STARTTLS is still in clear */

	while (c->ready > 0) {
		ssize_t n = c->peer != NULL && !shaking
				? tls_peer_send(c->peer, buf_data(&c->out), c->ready)
				: send(c->fd, buf_data(&c->out), c->ready, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			client_close(c);
			return;
		}
		buf_consume(&c->out, (size_t)n);
		c->ready -= (size_t)n;
	}
	polled[nlisteners + c->at].events = (short)(POLLIN | (c->ready > 0 ? POLLOUT : 0));
	if (c->quit && buf_len(&c->out) == 0)
		client_close(c);
}

/* --- lanes --- */

static void
lane_put(struct lane *lane, struct client *c)
{
	if (lane->start > lane->cap / 2 && lane->end == lane->cap) {
		lane->end -= lane->start;
		memmove(
		    lane->groups, lane->groups + lane->start, lane->end * sizeof(*lane->groups));
		lane->start = 0;
	}
	lane->groups = xgrow(lane->groups, lane->end, &lane->cap, sizeof(*lane->groups));
	lane->groups[lane->end++] =
	    (struct group){now_ns() + lane->delay_ns, c, c->serial, c->fresh};
	c->fresh = 0;
}

int
lane_send_due(struct lane *lane, int64_t now)
{
	while (lane->start < lane->end) {
		struct group *g = &lane->groups[lane->start];

		if (g->due_ns > now)
			return (int)((g->due_ns - now + 999999) / 1000000);
		lane->start++;
		if (g->client->serial != g->serial)
			continue;
		g->client->ready += g->n;
		client_write(g->client);
	}
	lane->start = lane->end = 0;
	return -1;
}

/* Sends on their way the replies that have been made since. */
static void
answer(struct client *c)
{
	if (c->fresh > 0 && !c->held) {
		count->groups++;
		if (c->from->lane->delay_ns > 0)
			lane_put(c->from->lane, c);
		else {
			c->ready += c->fresh;
			c->fresh = 0;
		}
	}
	client_write(c);
}

void
client_reply(struct client *c, const char *text)
{
	size_t n = strlen(text);

	buf_add(&c->out, text, n);
	c->fresh += n;
}

void
client_hold(struct client *c)
{
	if (opt.hold == 0 || released || c->mailed)
		return;
	c->mailed = c->held = true;
	count->held++;
}

void
clients_release(void)
{
	released = true;
	for (size_t i = nclients; i-- > 0;)
		if (clients[i]->held) {
			clients[i]->held = false;
			count->held--;
			answer(clients[i]);
		}
}

/* --- input --- */

static ssize_t
receive(struct client *c, char *data, size_t n)
{
	return c->peer != NULL ? tls_peer_recv(c->peer, data, n) : recv(c->fd, data, n, 0);
}

/* What is left of the last read goes before this one in a room that all share: ten thousand
 * connections with nothing to say cost no buffers. */
static void
client_read(struct client *c)
{
	static char room[LINE_MAX_SINK + READ_MAX];
	ssize_t n;

	do {
		size_t kept = buf_len(&c->in), taken;

		n = receive(c, room + kept, READ_MAX);
		if (n <= 0)
			break;
		memcpy(room, buf_data(&c->in), kept);
		buf_clear(&c->in);
		taken = smtp_input(c, room, kept + (size_t)n);
		if (c->state != SHAKING) /* what came too early is none of TLS's */
			buf_add(&c->in, room + taken, kept + (size_t)n - taken);
		if (c->in.overflow) {
			client_close(c);
			return;
		}
	} while (c->peer != NULL && c->state != SHAKING && !c->quit); /* OpenSSL may have more */
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		client_close(c);
	else
		answer(c);
	if (!released && opt.hold > 0 && count->held >= opt.hold)
		clients_release();
}

void
client_ready(struct client *c, short revents)
{
	unsigned serial = c->serial;

	if ((revents & POLLOUT) != 0)
		client_write(c);
	if (c->serial != serial || (revents & (POLLIN | POLLHUP | POLLERR)) == 0)
		return;
	if (c->state != SHAKING) {
		client_read(c);
		return;
	}
	tls_shake(c);
	if (c->serial == serial)
		answer(c);
}

/* --- connections --- */

void
clients_start(const struct listener *listeners)
{
	for (size_t i = 0; i < nlisteners; i++) {
		polled = xgrow(polled, i, &polled_cap, sizeof(*polled));
		polled[i] = (struct pollfd){.fd = listeners[i].fd, .events = POLLIN};
	}
}

static struct client *
new_client(void)
{
	struct client *c;

	if (nunused > 0)
		c = unused[--nunused];
	else {
		c = xcalloc(1, sizeof(*c));
		buf_init(&c->in, LINE_MAX_SINK);
		buf_init(&c->out, OUTPUT_MAX);
		buf_init(&c->recipients, RECIPIENTS_MAX);
	}
	clients = xgrow(clients, nclients, &clients_cap, sizeof(struct client *));
	polled = xgrow(polled, nlisteners + nclients, &polled_cap, sizeof(*polled));
	c->at = nclients;
	clients[nclients++] = c;
	return c;
}

void
client_accept(const struct listener *from)
{
	int fd, on = 1;

	while ((fd = accept(from->fd, NULL, NULL)) >= 0) {
		struct client *c = new_client();

		fcntl(fd, F_SETFL, O_NONBLOCK);
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		c->fd = fd;
		c->from = from;
		c->ready = c->fresh = 0;
		c->quit = c->auth = c->held = c->mailed = false;
		polled[nlisteners + c->at] = (struct pollfd){.fd = fd, .events = POLLIN};
		if (count->connections++ == 0)
			count->first_ns = now_ns();
		if (++count->open > count->peak)
			count->peak = count->open;
		smtp_start(c);
		answer(c);
	}
}
