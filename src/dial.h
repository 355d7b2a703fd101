/*
 * dial.h: hops -> one open connection; owns the half-open ones.
 *
 * TCP connects overlap (after RFC 8305), so a silent host holds nothing up: when racing, the next
 * hop of the same preference is tried 250 ms after the last, one of the next preference after 2 s; a
 * failure starts the next at once. The first connection that opens is used. A loser still
 * connecting is closed; one that opened in the same moment is handed over as a spare.
 */
#ifndef DIAL_H
#define DIAL_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>

#include "base/verdict.h"
#include "net/conn.h"
#include "net/reactor.h"
#include "route.h"
#include "trace.h"

struct dial;

struct dial_options {
	int connect_s; /* patience for one connect */
	const struct sockaddr_storage *bind4, *bind6; /* ss_family 0: none */
	bool race; /* false: the next hop only after a failure */
	struct trace *const *trace; /* as for trace_line() */
};

/* What the owner answers and hears. Calls come from later turns, except `next`. */
struct dial_ops {
	/* The next hop to try (each once); WAIT: dial_more() will be called; END: there is none. */
	enum route_state (*next)(void *ctx, const struct hop **hop, size_t *index);
	/* A hop did not connect. */
	void (*failed)(void *ctx, size_t index, const struct verdict *v);
	/* The end: an open connection to hop `index`; conn NULL: no hop connected. The dial is over;
	 * dial_cancel() it in or after this call. */
	void (*opened)(void *ctx, struct conn *conn, size_t index, int64_t connect_ms);
	/* Another that opened at the same moment; before `opened`. The owner names its handler at once. */
	void (*spare)(void *ctx, struct conn *conn, size_t index);
};

struct dial *dial_start(
    struct reactor *r, const struct dial_options *o, const struct dial_ops *ops, void *ctx);
void dial_more(struct dial *d); /* the route knows more */
void dial_cancel(struct dial **d); /* closes what is half open; frees after the turn */

#endif
