/* net_fake.c: addresses, connections, and the service loop behind the virtual poll(2). */
#include "net_fake.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "vclock.h"

enum { RESETS_MAX = 64 };

struct place { /* an address and what is there */
	struct list link;
	char address[NET_FAKE_ADDRESS_MAX];
	net_accept_fn *accept; /* NULL: down */
	void *ctx;
	int err; /* when down: errno, 0: silent */
	int64_t latency_ms;
	size_t connects;
};

/* A connection that has not opened yet: its peer's socket is kept full, so it is not writable. */
struct opening {
	struct net_end end;
	struct place *place;
	bool datagrams;
};

static struct {
	struct list places, ends;
	char unknown[NET_FAKE_ADDRESS_MAX];
	uint64_t accepting; /* the socket whose connection is being accepted */
	uint64_t resets[RESETS_MAX];
	size_t nresets;
	size_t ninterfaces;
} net;

static char lo[] = "lo";

static struct place *
place_find(const char *address)
{
	list_each (l, &net.places) {
		struct place *p = list_item(l, struct place, link);

		if (strcmp(p->address, address) == 0)
			return p;
	}
	return NULL;
}

static struct place *
place_make(const char *address)
{
	struct place *p = place_find(address);

	if (p == NULL) {
		p = xcalloc(1, sizeof(*p));
		str_copy(p->address, sizeof(p->address), address);
		list_add_tail(&net.places, &p->link);
	}
	return p;
}

void
net_fake_listen(const char *address, net_accept_fn *fn, void *ctx)
{
	struct place *p = place_make(address);

	p->accept = fn;
	p->ctx = ctx;
}

void
net_fake_down(const char *address, int err)
{
	struct place *p = place_make(address);

	p->accept = NULL;
	p->err = err;
}

void
net_fake_latency(const char *address, int64_t ms)
{
	place_make(address)->latency_ms = ms;
}

size_t
net_fake_connects(const char *address)
{
	struct place *p = place_find(address);

	return p != NULL ? p->connects : 0;
}

const char *
net_fake_unknown(void)
{
	return net.unknown[0] != '\0' ? net.unknown : NULL;
}

static void
address_text(const struct sockaddr *sa, char *dst, size_t size)
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		inet_ntop(AF_INET, &in.sin_addr, ip, sizeof(ip));
		snprintf(dst, size, "%s:%u", ip, (unsigned)ntohs(in.sin_port));
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		inet_ntop(AF_INET6, &in6.sin6_addr, ip, sizeof(ip));
		snprintf(dst, size, "[%s]:%u", ip, (unsigned)ntohs(in6.sin6_port));
	} else if (sa->sa_family == AF_UNIX) {
		/* not aligned for a copy of the whole: the caller's may be shorter */
		str_copy(dst, size, ((const struct sockaddr_un *)(const void *)sa)->sun_path);
	} else
		snprintf(dst, size, "family %d", sa->sa_family);
}

void
net_end_init(struct net_end *e, int fd)
{
	e->fd = fd;
	e->reading = true;
	e->due_ms = INT64_MAX;
	e->peer = net.accepting;
	list_add_tail(&net.ends, &e->link);
}

void
net_end_close(struct net_end *e)
{
	if (e->fd == -1)
		return;
	close(e->fd);
	e->fd = -1;
	e->due_ms = INT64_MAX;
	list_remove(&e->link);
}

/* Local sockets cannot be reset at will, so the peer's next end of file is turned into one. */
void
net_end_reset(struct net_end *e)
{
	if (e->fd != -1)
		net.resets[net.nresets++ % RESETS_MAX] = e->peer;
	net_end_close(e);
}

static uint64_t
socket_id(int fd)
{
	struct stat st = {0};

	fstat(fd, &st);
	return (uint64_t)st.st_ino;
}

static ssize_t
fake_recv(int fd, void *buf, size_t n, int flags)
{
	ssize_t got = recv(fd, buf, n, flags);
	uint64_t id = got == 0 ? socket_id(fd) : 0;

	for (size_t i = 0; got == 0 && i < net.nresets && i < RESETS_MAX; i++)
		if (net.resets[i] == id) {
			errno = ECONNRESET;
			return -1;
		}
	return got;
}

static void
nonblocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Writes into one's end until the peer's is full: whoever polls it for POLLOUT waits. */
static void
fill(int fd)
{
	static const char junk[4096];

	while (send(fd, junk, sizeof(junk), MSG_NOSIGNAL) > 0)
		;
	while (send(fd, junk, 1, MSG_NOSIGNAL) > 0)
		;
}

static void
drain(int fd)
{
	char junk[4096];

	while (recv(fd, junk, sizeof(junk), 0) > 0)
		;
}

/* The latency is over. */
static void
opening_due(struct net_end *e)
{
	struct opening *o = (struct opening *)(void *)((char *)e - offsetof(struct opening, end));
	struct place *p = o->place;
	int fd = dup(e->fd);

	if (p->accept != NULL)
		drain(e->fd);
	net.accepting = e->peer;
	net_end_close(e);
	free(o);
	if (p->accept != NULL)
		p->accept(p->ctx, fd, true);
	else
		close(fd); /* with unread bytes: a reset */
}

/* The program gave up, or sends datagrams to where nobody is. */
static void
opening_input(struct net_end *e)
{
	struct opening *o = (struct opening *)(void *)((char *)e - offsetof(struct opening, end));

	char junk[4096];

	if (o->datagrams && recv(e->fd, junk, sizeof(junk), 0) > 0)
		return;
	net_end_close(e);
	free(o);
}

static void
open_later(int fd, struct place *p, bool stream)
{
	struct opening *o = xcalloc(1, sizeof(*o));

	net_end_init(&o->end, fd);
	o->end.due_ms = p->latency_ms > 0 ? vclock_ms() + p->latency_ms : INT64_MAX;
	o->end.reading = !stream;
	o->datagrams = !stream;
	o->end.input = opening_input;
	o->end.due = opening_due;
	o->place = p;
}

static int
fake_socket(int domain, int type, int protocol)
{
	(void)domain, (void)protocol;
	return socket(AF_UNIX, type, 0);
}

static int
fake_bind(int fd, const struct sockaddr *at, socklen_t len)
{
	(void)fd, (void)at, (void)len;
	return 0;
}

static bool
is_stream(int fd)
{
	int type = SOCK_STREAM;
	socklen_t len = sizeof(type);

	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	return type == SOCK_STREAM;
}

static int
fake_connect(int fd, const struct sockaddr *to, socklen_t len)
{
	bool stream = is_stream(fd);
	char address[NET_FAKE_ADDRESS_MAX];
	struct place *p;
	int pair[2];

	(void)len;
	address_text(to, address, sizeof(address));
	p = place_find(address);
	if (p == NULL) {
		str_copy(net.unknown, sizeof(net.unknown), address);
		errno = ECONNREFUSED;
		return -1;
	}
	p->connects++;
	if (p->accept == NULL && p->err != 0 && p->latency_ms == 0) {
		errno = p->err;
		return -1;
	}
	if (socketpair(AF_UNIX, stream ? SOCK_STREAM : SOCK_SEQPACKET, 0, pair) == -1 ||
	    dup2(pair[0], fd) == -1)
		abort();
	close(pair[0]);
	nonblocking(fd);
	nonblocking(pair[1]);
	net.accepting = socket_id(fd);
	if (stream && (p->accept == NULL || p->latency_ms > 0)) {
		fill(fd);
		open_later(pair[1], p, true);
		errno = EINPROGRESS;
		return -1;
	}
	if (p->accept != NULL)
		p->accept(p->ctx, pair[1], stream);
	else
		open_later(pair[1], p, false);
	if (!stream)
		return 0;
	errno = EINPROGRESS;
	return -1;
}

/* --- what this machine is --- */

static struct interface {
	struct ifaddrs ifa;
	struct sockaddr_storage addr;
} interfaces[8];

void
net_fake_own(const char *ip)
{
	struct interface *i = &interfaces[net.ninterfaces];
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&i->addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&i->addr;

	memset(i, 0, sizeof(*i));
	i->ifa.ifa_addr = (struct sockaddr *)(void *)&i->addr;
	i->ifa.ifa_name = lo;
	if (inet_pton(AF_INET, ip, &in->sin_addr) == 1)
		in->sin_family = AF_INET;
	else if (inet_pton(AF_INET6, ip, &in6->sin6_addr) == 1)
		in6->sin6_family = AF_INET6;
	else
		abort();
	if (net.ninterfaces > 0)
		interfaces[net.ninterfaces - 1].ifa.ifa_next = &i->ifa;
	net.ninterfaces++;
}

static int
fake_getifaddrs(struct ifaddrs **all)
{
	*all = &interfaces[0].ifa;
	return 0;
}

static void
fake_freeifaddrs(struct ifaddrs *all)
{
	(void)all;
}

/* One readable or due end; callbacks change the list, so whoever was served starts over. */
static bool
net_service(void)
{
	list_each (l, &net.ends) {
		struct net_end *e = list_item(l, struct net_end, link);
		struct pollfd p = {.fd = e->fd, .events = POLLIN};

		if (e->due_ms <= vclock_ms()) {
			e->due_ms = INT64_MAX;
			e->due(e);
			return true;
		}
		if (sys_libc.poll(&p, 1, 0) > 0 && (e->reading || (p.revents & POLLHUP) != 0)) {
			e->input(e);
			return true;
		}
	}
	return false;
}

static int64_t
net_next_ms(void)
{
	int64_t next = INT64_MAX;

	list_each (l, &net.ends) {
		struct net_end *e = list_item(l, struct net_end, link);

		if (e->due_ms < next)
			next = e->due_ms;
	}
	return next;
}

static bool
net_knows(int fd)
{
	uint64_t id = socket_id(fd);

	list_each (l, &net.ends) {
		if (list_item(l, struct net_end, link)->peer == id)
			return true;
	}
	return false;
}

void
net_fake_install(void)
{
	static const struct vclock_world world = {net_service, net_next_ms, net_knows};

	list_init(&net.places);
	list_init(&net.ends);
	net.unknown[0] = '\0';
	net.nresets = 0;
	sys.socket = fake_socket;
	sys.bind = fake_bind;
	sys.connect = fake_connect;
	sys.recv = fake_recv;
	sys.getifaddrs = fake_getifaddrs;
	sys.freeifaddrs = fake_freeifaddrs;
	net.ninterfaces = 0;
	net_fake_own("127.0.0.1");
	vclock_world(&world);
}
