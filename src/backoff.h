/*
 * backoff.h: when to try again. Pure.
 */
#ifndef BACKOFF_H
#define BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The interval after an attempt, in seconds: min_s at first, then twice the last one (last_s, 0:
 * none yet) up to max_s. The caller stores it; the spread is added only to the due time.
 */
int64_t backoff_next(int64_t last_s, int64_t min_s, int64_t max_s);

/* An interval with up to an eighth taken off or added, so that what failed together does not come
 * back together. random is any number. Never below 1. */
int64_t backoff_spread(int64_t interval_s, uint32_t random);

/* Whether an attempt that ended at now ends the waiting of a message submitted at submitted. */
bool backoff_expired(int64_t submitted, int64_t now, int64_t expire_s);

#endif
