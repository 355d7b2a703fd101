/*
 * queue.h: what is due, oldest first, in bounded memory.
 *
 * A pass is one walk over the spool and the delivery of what it found due, plus what arrives
 * meanwhile. A scan keeps the 30,000 earliest; when most of them are done it scans again.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"
#include "net/reactor.h"
#include "options.h"
#include "site.h"
#include "spool/spool.h"

enum { QUEUE_MESSAGES_MAX = 2000 }; /* in work at once, each with its control file and body open */

struct queue;

struct queue_options {
	long long uid; /* mail of this user only; -1: everybody's */
	const char *only; /* this id only, due or not; NULL: all */
	const struct queue_filter *filters; /* all of them must match; they ignore the due time */
	size_t nfilters;
	struct messages_options messages; /* `left`, `arrived` and `ctx` are the queue's */
};

struct queue *queue_new(
    struct reactor *r, struct spool *sp, struct sites *sites, const struct queue_options *o);
/* After queue_pass_done() or queue_stop(), with nothing in work. */
void queue_free(struct queue **q);

/* Returns 0, or -1 and errno when not all of the spool can be read (a warning says so); what can be is
 * delivered. Also while a pass is under way: what is in work stays so. */
int queue_start_pass(struct queue *q);
/* Before the end: whether something has arrived; what this pass has passed over does not count. */
bool queue_look_again(struct queue *q);
bool queue_failed(const struct queue *q); /* some scan of this pass could not read all */
void queue_rescan(struct queue *q); /* something arrived: look soon */
void queue_stop(struct queue *q); /* admit nothing more */

/* Nothing of the pass is left to do; what sleeps or is held does not count. */
bool queue_pass_done(const struct queue *q);
size_t queue_waiting(const struct queue *q); /* found due and not in work yet */
struct messages *queue_messages(struct queue *q);

#endif
