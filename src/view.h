/*
 * view.h: what people are shown of a queue and of a message in it; mailq and sortiectl show it alike.
 */
#ifndef VIEW_H
#define VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/spool.h"

/*
 * Every queued message's id, oldest first (ids begin with the time) as far as bounded memory allows: they
 * are collected, sorted and handed out so many at a time, and only of a larger queue there is more than
 * one run of them. The directory is not being read while fn works, which may remove what it is given.
 * fn returns false to end it. 0, or -1 and errno when not all of the queue could be read; fn has had
 * what could be.
 */
typedef bool view_fn(void *ctx, const char *id);
int view_walk(struct spool *sp, view_fn *fn, void *ctx);

enum view_state {
	VIEW_QUEUED, /* not tried yet */
	VIEW_DEFERRED, /* tried, and waits for its next time */
	VIEW_HELD,
	VIEW_ACTIVE, /* somebody works on it now */
};
enum view_state view_state(const struct envelope *e, bool active);
const char *view_state_word(enum view_state state);

/* A recipient that waits, or that failed without anybody having been told. */
bool view_is_open(const struct envelope *e, const struct recipient *rc);

/* "Tue Nov 24 06:10:00", or "-". Returns dst. */
const char *view_date(int64_t at, char dst[32]);

#endif
