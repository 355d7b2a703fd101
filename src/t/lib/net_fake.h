/*
 * net_fake.h: a network in this process. sys.socket, connect and bind are replaced, so that an
 * address leads to a scripted server, or is refused, silent or unreachable, and no packet leaves.
 *
 * Behind every connection is a pair of local sockets (stream or datagram), whose delivery is immediate: the
 * virtual clock, which this module drives, cannot jump while bytes are under way. The servers run
 * from within the program's own poll(2) and know nothing of its reactor.
 * An address is text: "192.0.2.1:25", "[2001:db8::1]:25", or the path of a local socket.
 */
#ifndef T_LIB_NET_FAKE_H
#define T_LIB_NET_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

enum { NET_FAKE_ADDRESS_MAX = 128 };

/* A server's end of one connection. Embedded in its owner. */
struct net_end {
	struct list link;
	int fd; /* nonblocking; -1: closed */
	bool reading; /* false: what arrives is left lying, the peer's window fills */
	int64_t due_ms; /* when due() is called; INT64_MAX: never */
	uint64_t peer; /* which socket of the program's */
	void (*input)(struct net_end *e); /* readable, or the peer is gone */
	void (*due)(struct net_end *e);
};

/* Takes a new connection: embeds the end it makes in something of its own, with net_end_init(). */
typedef void net_accept_fn(void *ctx, int fd, bool stream);

/* After vclock_install(). Everything unknown is refused, and counted. */
void net_fake_install(void);
void net_fake_listen(const char *address, net_accept_fn *fn, void *ctx); /* replaces */
/* What connecting meets instead: an errno, at once; or 0, an address that never answers. */
void net_fake_down(const char *address, int err);
/* One of this machine's addresses, without port; it has 127.0.0.1 and no other unless told. */
void net_fake_own(const char *ip);
/* The connection opens (or fails) only after so long. */
void net_fake_latency(const char *address, int64_t ms);

size_t net_fake_connects(const char *address); /* attempts, so far */
const char *net_fake_unknown(void); /* the first address nobody had scripted; NULL: none */

void net_end_init(struct net_end *e, int fd);
void net_end_close(struct net_end *e); /* the peer reads end of file */
void net_end_reset(struct net_end *e); /* the peer reads ECONNRESET */

#endif
