/*
 * message.h: the messages in work: their locks, their jobs, and making what became of them durable.
 *
 * A message comes in with message_admit() and leaves, through a task, when its jobs of this pass
 * are done, the outcome is durable and a report that it owes has been made; `left` is called then.
 * During a turn outcomes are only noted. The commit at its end appends them, removes what is
 * finished and makes it all durable with one sync for each file and directory touched.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounce.h"
#include "net/reactor.h"
#include "site.h"
#include "spool/spool.h"

struct config;
struct messages;

enum message_left {
	MESSAGE_FINISHED, /* gone from the spool */
	MESSAGE_LATER, /* its time has been set */
	MESSAGE_BUSY, /* another has the lock: a runner, or its submitter, who is about to let go */
	MESSAGE_SKIPPED, /* not ours now: changed by another, unreadable: leave it for this pass */
};

struct messages_options {
	unsigned recipients; /* of one transaction */
	size_t
	    bodies_max; /* of delivered messages that wait for an idle moment to go; 0: the default */
	int64_t retry_min_s, retry_max_s, expire_s, warn_s;
	bool
	    full; /* a run for all mail, at its own times: what another kind must deliver expires in it */
	struct bounce_options bounce;
	const struct config *config; /* whose aliases a .forward may name; NULL: there are none */
	void (*left)(void *ctx, const char *id, enum message_left how);
	void (*arrived)(void *ctx); /* a report was made: one more message in the spool */
	void *ctx;
};

struct messages_counts { /* recipients, since the start */
	unsigned long sent, deferred, failed, held;
	unsigned long expired; /* of those that failed */
	unsigned long finished; /* messages that are gone from the spool */
};

struct messages *messages_new(
    struct reactor *r, struct spool *sp, struct sites *sites, const struct messages_options *o);
void messages_free(struct messages **ms); /* none may be in work */

/*
 * Takes e (its content; e is empty afterwards), as loaded from ctl/ID with the given size, and hands
 * its waiting recipients to their sites. ignore_due: whoever asked for it by name or filter.
 */
void message_admit(struct messages *ms, struct envelope *e, off_t size, bool ignore_due);
/* Whether it may be tried: the spread of its time (backoff.h) may have made it come early. */
bool message_due(const struct envelope *e, int64_t now);
/* The site of its first waiting recipient, NULL when none waits. */
struct site *message_first_site(struct messages *ms, const struct envelope *e);

bool messages_has(const struct messages *ms, const char *id);
size_t messages_count(const struct messages *ms);
size_t messages_recipients(const struct messages *ms); /* waiting ones, of those in work */
const struct messages_counts *messages_counts(const struct messages *ms);

/* A record could not be made durable: nothing new may start (exit 75). */
bool messages_broken(const struct messages *ms);
/* The disk is full: nothing new starts until there is room again. Asks. */
bool messages_full(struct messages *ms);

#endif
