/*
 * conn.h: one nonblocking stream connection: connect, TLS, read, write, one deadline.
 *
 * The owner's callback is told what happened and then reads and writes as it likes; it is never
 * called from within a conn_ function, and not after conn_close(), which may be called in it.
 * A connection may change hands: conn_handler() names the new owner. After conn_start_tls() the
 * same calls go through TLS and mean the same.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <sys/socket.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "net/reactor.h"
#include "net/tls.h"

struct conn;

enum conn_event {
	CONN_OPEN, /* connected, once, unless CONN_FAILED */
	CONN_FAILED, /* could not connect; conn_errno() says why */
	CONN_READY, /* read and write until EAGAIN: one of the wanted directions is ready */
	CONN_DEADLINE, /* the deadline passed; it is disarmed */
	CONN_SECURE, /* conn_start_tls() is done: from now on it is TLS; conn_tls() has the facts */
	CONN_INSECURE, /* it failed: nothing goes over this connection any more; why: conn_tls()->why */
};

typedef void conn_fn(void *ctx, enum conn_event event);

/*
 * Starts to connect; the outcome always comes through fn, later. Stream sockets to AF_INET, AF_INET6 or
 * AF_UNIX addresses; TCP_NODELAY is set. from (may be NULL) is the address to bind; if that fails it
 * is CONN_FAILED. NULL and errno when no IP socket could be had (EMFILE, ...).
 */
struct conn *conn_connect(struct reactor *r, const struct sockaddr *to, socklen_t tolen,
    const struct sockaddr *from, socklen_t fromlen, conn_fn *fn, void *ctx);

/* The new owner says what it wants; an end of file that the old one has seen it will see too. */
void conn_handler(struct conn *c, conn_fn *fn, void *ctx);
int conn_errno(const struct conn *c); /* of CONN_FAILED, or of the last read or write error */
bool conn_is_open(struct conn *c); /* connected, even if CONN_OPEN has not been reported yet */

/* Bytes read; 0: end of file; -1 and errno (EAGAIN: later). */
ssize_t conn_read(struct conn *c, void *buf, size_t n);
/* Bytes taken; -1 and errno (EAGAIN: later). Never raises SIGPIPE. */
ssize_t conn_write(struct conn *c, const void *buf, size_t n);

/*
 * What CONN_READY is wanted for. Nothing at first. A connection that breaks is reported as CONN_READY
 * always, once: a direction whose end or error has been read is not waited for again.
 */
void conn_want(struct conn *c, bool reading, bool writing);

/* Absolute reactor time, ms; 0 disarms. Also while connecting. */
void conn_deadline(struct conn *c, int64_t at_ms);

/*
 * TLS on a connection that is open. CONN_SECURE or CONN_INSECURE always comes through fn, later;
 * until then reading and writing are EAGAIN, what is wanted is remembered, and the deadline counts.
 * What has been read before is the caller's to judge: nothing may be left over of it (RFC 3207 4.2).
 * name is the server's (copied); t stays for the connection's life, the policy until the outcome.
 */
void conn_start_tls(
    struct conn *c, struct tls *t, const struct tls_policy *policy, const char *name);
/* NULL: no TLS was started. Goes with the connection. After EPROTO its `why` says what broke. */
const struct tls_facts *conn_tls(const struct conn *c);
size_t conn_tls_binding(const struct conn *c, const char *type, unsigned char *buf, size_t size);

/* Our own address on this connection; 0, or -1 and errno when not connected. */
int conn_local(const struct conn *c, struct sockaddr_storage *ss, socklen_t *len);

/* Closes at once and frees after the turn; the end of TLS is said if the socket takes it at once. *c
 * is NULL afterwards; NULL is fine. */
void conn_close(struct conn **c);

#endif
