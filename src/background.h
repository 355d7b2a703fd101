/*
 * background.h: delivery of what has just been submitted, without keeping the submitter.
 */
#ifndef BACKGROUND_H
#define BACKGROUND_H

#include "spool/spool.h"

/*
 * Delivers that user's mail until none is left; lock is run/UID, held. In a child that has left the
 * caller's session, terminal, folder and descriptors, and whose exit status nobody sees.
 */
typedef void background_fn(void *ctx, long long uid, int lock);

/*
 * Wakes whoever works the spool already, or leaves a child behind that calls deliver. A child that has read
 * the file config before it was changed ends then, and another begins. Whatever goes wrong: the message
 * is queued, and the next run takes it.
 */
void background_deliver(
    struct spool *sp, long long uid, const char *config, background_fn *deliver, void *ctx);

#endif
