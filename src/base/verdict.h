/*
 * verdict.h: what became of a recipient, a message, a host or a route, and why.
 *
 * Every layer reports with this one value: DNS, connect, TLS, the server, ourselves. It holds no
 * pointer into anything that ends (`doing` is a string constant) and its text is already clean.
 * One pure function turns it into an action.
 */
#ifndef BASE_VERDICT_H
#define BASE_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"

enum fate { FATE_SENT, FATE_RETRY, FATE_FAIL };

/* How far it reaches: one recipient; the message's accepted recipients (before any was: all of the
 * transaction's); this host; the whole site. */
enum scope { SCOPE_RCPT, SCOPE_MSG, SCOPE_HOST, SCOPE_ROUTE };

enum { VERDICT_TEXT_MAX = 512, VERDICT_ENHANCED_MAX = 12 };

struct verdict {
	enum fate fate;
	enum scope scope;
	int code; /* the reply's code; 0: not a server's reply */
	/* Nothing was tried (no nameserver, spool full): the retry interval stays. */
	bool no_attempt;
	bool not_ours; /* ... for another kind of run can do it, at any time: even its time stays */
	bool duplicate; /* it may have been taken, and will be sent again */
	char enhanced[VERDICT_ENHANCED_MAX]; /* RFC 3463, "4.4.1"; never empty */
	const char *doing; /* a phrase for people, "sending RCPT TO"; NULL: none */
	char text[VERDICT_TEXT_MAX]; /* the reply's text or our reason; clean, one line */
};

enum action {
	ACTION_DONE, /* this recipient: delivered */
	ACTION_BOUNCE, /* this recipient: failed for good */
	ACTION_DEFER, /* this recipient: later */
	ACTION_DONE_ALL,
	ACTION_BOUNCE_ALL,
	ACTION_DEFER_ALL,
	ACTION_NEXT_HOP, /* the unsettled recipients go to the next hop, in this pass */
};

/*
 * The table is in verdict.c. hops_left: the site has another hop to try. SENT with HOST or ROUTE scope
 * is a bug in the caller.
 */
enum action verdict_action(const struct verdict *v, bool hops_left);

/* Builds one of our own (code 0). enhanced is "4.4.1"-like; the text is cleaned and cut. */
struct verdict verdict_make(enum fate fate, enum scope scope, const char *enhanced,
    const char *doing, const char *fmt, ...) LOG_PRINTF(5, 6);

/* A copy in *to, which is NULL or has an earlier one: the places where there may be trouble are many,
 * and those where there is some few. Freed with free(3). */
void verdict_keep(struct verdict **to, const struct verdict *v);

/* "451 4.7.1 greylisted" / "4.4.1 connection refused": as spool, log and mailq show it. */
const char *verdict_line(const struct verdict *v, char *dst, size_t size);

#endif
