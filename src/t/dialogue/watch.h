/*
 * watch.h: whether a secret gets out. All that people may come to see (trace lines, verdicts) is kept,
 * and all that nobody may see; at the end the one is looked for in the other.
 */
#ifndef T_DIALOGUE_WATCH_H
#define T_DIALOGUE_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct watch {
	struct buf seen; /* lines */
	struct buf hidden; /* lines */
};

void watch_init(struct watch *w);
void watch_free(struct watch *w);

void watch_saw(struct watch *w, const char *line, size_t n);
/* Too short a text is no secret: it would be found by chance. */
void watch_hide(struct watch *w, const char *text, size_t n);
void watch_hide_base64(struct watch *w, const char *text, size_t n);

/* Whether people may see this line, whole and as it is. */
bool watch_has_seen(struct watch *w, const char *line);
/* What got out; NULL: nothing. Valid until the next call. */
const char *watch_leak(struct watch *w);

#endif
