/*
 * conn.c: one nonblocking stream connection.
 *
 * An outcome that connect(2) knows at once (a socket in the file system, no route, loopback on some
 * systems) is reported from a task, so that the owner is never called from within conn_connect().
 *
 * With TLS the directions no longer belong to the socket's: a read may wait until something can be
 * written; what has been taken may have to go out when nobody wants to write; and bytes may wait
 * inside where poll(2) does not see them, which a task reports.
 */
#include "net/conn.h"

#include <sys/un.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/sys.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* SO_NOSIGPIPE does it there */
#endif

enum conn_state { CONNECTING, OPEN, SECURING, FAILED };

struct conn {
	struct reactor *r;
	struct watch watch;
	struct timer timer;
	struct task report; /* CONN_OPEN or CONN_FAILED, when known at once; begins the handshake */
	struct task pending; /* CONN_READY for bytes that wait inside TLS */
	struct task reap; /* frees it, when closed */
	int fd; /* -1: a path that could not be connected to */
	enum conn_state state;
	int err;
	bool reading, writing; /* wanted */
	bool read_over, write_over; /* the end or an error was seen: nothing to wait for any more */
	struct tls_conn *tls; /* NULL: none */
	/* Of the socket: POLLIN and POLLOUT, unless TLS says otherwise. */
	short read_needs, write_needs;
	short handshake_needs;
	unsigned port; /* the peer's; 0: it has none */
	conn_fn *fn;
	void *ctx;
};

static bool
wants_reading(const struct conn *c)
{
	return c->reading && !c->read_over;
}

static short
interest(const struct conn *c)
{
	int events = 0;

	if (c->state == SECURING)
		events |= c->handshake_needs;
	if (c->state == OPEN && wants_reading(c))
		events |= c->read_needs;
	if (c->state == OPEN && c->writing && !c->write_over)
		events |= c->write_needs;
	if (c->tls != NULL && tls_unsent(c->tls))
		events |= POLLOUT;
	return (short)events;
}

/*
 * Tells the reactor what is wanted now. With nothing wanted a watch stays, for errors only; one that
 * was dropped because of an error comes back only when something is wanted.
 */
static void
update_watch(struct conn *c)
{
	short events = interest(c);

	if (c->state != OPEN && c->state != SECURING)
		return;
	if (c->state == OPEN && c->tls != NULL && wants_reading(c) && tls_pending(c->tls))
		task_queue(c->r, &c->pending);
	if (c->watch.slot != SIZE_MAX)
		watch_change(c->r, &c->watch, events);
	else if (events != 0)
		watch_add(c->r, &c->watch, c->fd, events);
}

/* The fn may close the connection: nothing is touched after it. */
static void
become(struct conn *c, int err)
{
	c->err = err;
	if (err != 0) {
		c->state = FAILED;
		watch_remove(c->r, &c->watch);
		c->fn(c->ctx, CONN_FAILED);
		return;
	}
	c->state = OPEN;
	if (c->watch.slot == SIZE_MAX)
		watch_add(c->r, &c->watch, c->fd, interest(c));
	update_watch(c);
	c->fn(c->ctx, CONN_OPEN);
}

static bool
has_peer(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	return getpeername(fd, (struct sockaddr *)&ss, &len) == 0;
}

static short
needs(enum tls_want want)
{
	return want == TLS_WANT_WRITE ? POLLOUT : POLLIN;
}

/* One step of the handshake, or its end. The fn may close the connection. */
static void
shake_hands(struct conn *c)
{
	enum tls_want want;
	int rc = tls_handshake(c->tls, &want);

	task_cancel(&c->report); /* a socket that breaks may be faster than the task that begins */
	if (rc == 0) {
		c->handshake_needs = needs(want);
		update_watch(c);
	} else if (rc == 1) {
		c->state = OPEN;
		update_watch(c);
		c->fn(c->ctx, CONN_SECURE);
	} else {
		c->err = errno;
		c->state = FAILED;
		watch_remove(c->r, &c->watch);
		c->fn(c->ctx, CONN_INSECURE);
	}
}

/* What TLS still had to send goes out. Whether that is all that the socket was ready for. */
static bool
flush(struct conn *c, short events)
{
	bool unsent = c->tls != NULL && tls_unsent(c->tls);

	if (!unsent)
		return false;
	tls_flush(c->tls);
	update_watch(c);
	return events == POLLOUT && (!c->writing || tls_unsent(c->tls));
}

static void
on_socket(void *ctx, short events)
{
	struct conn *c = ctx;

	if (c->state == SECURING) {
		shake_hands(c);
		return;
	}
	if (c->state == CONNECTING) {
		int err = sys_socket_error(c->fd);

		/* Writable without an error and yet not connected is what a socket is that never was. */
		if (err == 0 && !has_peer(c->fd))
			err = ENOTCONN;
		become(c, err);
		return;
	}
	if (flush(c, events))
		return;
	/* With nothing wanted this is a hang-up or an error, which poll(2) would repeat for ever. */
	if (interest(c) == 0)
		watch_remove(c->r, &c->watch);
	c->fn(c->ctx, CONN_READY);
}

static void
on_report(void *ctx)
{
	struct conn *c = ctx;

	if (c->state == SECURING)
		shake_hands(c);
	else
		become(c, c->err);
}

static void
on_pending(void *ctx)
{
	struct conn *c = ctx;

	if (c->state == OPEN && wants_reading(c) && tls_pending(c->tls))
		c->fn(c->ctx, CONN_READY);
}

static void
on_timer(void *ctx)
{
	struct conn *c = ctx;

	c->fn(c->ctx, CONN_DEADLINE);
}

static void
on_reap(void *ctx)
{
	free(ctx);
}

static void
set_options(int fd, int family)
{
	int on = 1;

	/* Commands are small and wait for nobody. A stand-in socket of another family may refuse. */
	if (family == AF_INET || family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
#if defined(SO_NOSIGPIPE)
	(void)setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
#endif
}

static unsigned
port_of(const struct sockaddr *to)
{
	if (to->sa_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)(const void *)to)->sin_port);
	if (to->sa_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)(const void *)to)->sin6_port);
	return 0;
}

/* *fd: the socket, -1: none. 0 connected, EINPROGRESS, or why not. */
static int
start(int *fd, const struct sockaddr *to, socklen_t tolen, const struct sockaddr *from,
    socklen_t fromlen)
{
	if (to->sa_family == AF_UNIX)
		*fd = sys.connect_path(((const struct sockaddr_un *)(const void *)to)->sun_path);
	else
		*fd = sys_socket(to->sa_family, SOCK_STREAM);
	if (*fd == -1)
		return errno;
	set_options(*fd, to->sa_family);
	if (to->sa_family == AF_UNIX)
		return has_peer(*fd) ? 0 : EINPROGRESS;
	if (from != NULL && sys.bind(*fd, from, fromlen) == -1)
		return errno;
	if (sys.connect(*fd, to, tolen) == 0)
		return 0;
	/* POSIX: a connect that was interrupted goes on by itself. */
	return errno == EINTR ? EINPROGRESS : errno;
}

struct conn *
conn_connect(struct reactor *r, const struct sockaddr *to, socklen_t tolen,
    const struct sockaddr *from, socklen_t fromlen, conn_fn *fn, void *ctx)
{
	struct conn *c;
	int fd, err = start(&fd, to, tolen, from, fromlen);

	if (fd == -1 && to->sa_family != AF_UNIX) {
		errno = err;
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->r = r;
	c->fd = fd;
	c->fn = fn;
	c->ctx = ctx;
	c->port = port_of(to);
	c->read_needs = POLLIN;
	c->write_needs = POLLOUT;
	watch_init(&c->watch, on_socket, c);
	timer_init(&c->timer, on_timer, c);
	task_init(&c->report, on_report, c);
	task_init(&c->pending, on_pending, c);
	task_init(&c->reap, on_reap, c);
	if (err == EINPROGRESS) {
		watch_add(r, &c->watch, fd, POLLOUT);
	} else {
		c->err = err;
		task_queue(r, &c->report);
	}
	return c;
}

void
conn_handler(struct conn *c, conn_fn *fn, void *ctx)
{
	c->fn = fn;
	c->ctx = ctx;
	c->read_over = c->write_over = false;
	update_watch(c);
}

int
conn_errno(const struct conn *c)
{
	return c->err;
}

/* poll(2) itself, not the table's: the world must not move while somebody only looks. */
bool
conn_is_open(struct conn *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLOUT};

	if (c->state != CONNECTING)
		return c->state == OPEN;
	return poll(&p, 1, 0) == 1 && p.revents == POLLOUT && has_peer(c->fd);
}

/* What a read or write returned; notes an error, and that this direction is over. */
static ssize_t
outcome(struct conn *c, ssize_t n, bool *over)
{
	if (n >= 0)
		return n;
	if (errno == EWOULDBLOCK)
		errno = EAGAIN; /* the same on most systems */
	if (errno != EAGAIN) {
		int err = c->err = errno;

		*over = true;
		update_watch(c);
		errno = err;
	}
	return -1;
}

static int
not_open(const struct conn *c)
{
	errno = c->state == FAILED ? c->err : EAGAIN;
	return -1;
}

/* errno stays: what is waited for may have changed, and bytes may have come to wait inside. */
static ssize_t
read_tls(struct conn *c, void *buf, size_t n)
{
	enum tls_want want;
	ssize_t got = tls_read(c->tls, buf, n, &want);
	int err = errno;

	c->read_needs = needs(want);
	update_watch(c);
	errno = err;
	return got;
}

static ssize_t
write_tls(struct conn *c, const void *buf, size_t n)
{
	enum tls_want want;
	ssize_t put = tls_write(c->tls, buf, n, &want);
	int err = errno;

	c->write_needs = want == TLS_WANT_READ ? POLLIN : POLLOUT;
	update_watch(c);
	errno = err;
	return put;
}

static ssize_t
read_plain(struct conn *c, void *buf, size_t n)
{
	ssize_t got;

	do
		got = sys.recv(c->fd, buf, n, 0);
	while (got == -1 && errno == EINTR);
	return got;
}

static ssize_t
write_plain(struct conn *c, const void *buf, size_t n)
{
	ssize_t put;

	do
		put = sys.send(c->fd, buf, n, MSG_NOSIGNAL);
	while (put == -1 && errno == EINTR);
	return put;
}

ssize_t
conn_read(struct conn *c, void *buf, size_t n)
{
	ssize_t got;

	if (c->state != OPEN)
		return not_open(c);
	got = c->tls != NULL ? read_tls(c, buf, n) : read_plain(c, buf, n);
	if (got == 0 && n > 0) {
		c->read_over = true;
		update_watch(c);
	}
	return outcome(c, got, &c->read_over);
}

ssize_t
conn_write(struct conn *c, const void *buf, size_t n)
{
	ssize_t put;

	if (c->state != OPEN)
		return not_open(c);
	if (n == 0)
		return 0;
	put = c->tls != NULL ? write_tls(c, buf, n) : write_plain(c, buf, n);
	return outcome(c, put, &c->write_over);
}

void
conn_want(struct conn *c, bool reading, bool writing)
{
	c->reading = reading;
	c->writing = writing;
	update_watch(c);
}

void
conn_deadline(struct conn *c, int64_t at_ms)
{
	if (at_ms == 0)
		timer_disarm(c->r, &c->timer);
	else
		timer_arm(c->r, &c->timer, at_ms);
}

void
conn_start_tls(struct conn *c, struct tls *t, const struct tls_policy *policy, const char *name)
{
	if (c->state != OPEN || c->tls != NULL)
		bug("conn_start_tls on what is not an open connection without TLS");
	c->tls = tls_begin(t, c->fd, policy, name, c->port);
	c->state = SECURING;
	c->handshake_needs = 0; /* it begins from the task */
	c->read_over = c->write_over = false;
	update_watch(c);
	task_queue(c->r, &c->report);
}

const struct tls_facts *
conn_tls(const struct conn *c)
{
	return c->tls != NULL ? tls_facts(c->tls) : NULL;
}

size_t
conn_tls_binding(const struct conn *c, const char *type, unsigned char *buf, size_t size)
{
	return c->tls != NULL ? tls_binding(c->tls, type, buf, size) : 0;
}

int
conn_local(const struct conn *c, struct sockaddr_storage *ss, socklen_t *len)
{
	if (c->state != OPEN) {
		errno = ENOTCONN;
		return -1;
	}
	*len = sizeof(*ss);
	return getsockname(c->fd, (struct sockaddr *)ss, len);
}

void
conn_close(struct conn **cp)
{
	struct conn *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	watch_remove(c->r, &c->watch);
	timer_disarm(c->r, &c->timer);
	task_cancel(&c->report);
	task_cancel(&c->pending);
	tls_end(&c->tls, c->state == OPEN);
	if (c->fd != -1)
		sys.close(c->fd);
	task_queue(c->r, &c->reap);
}
