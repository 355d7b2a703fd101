/*
 * leakwatch.h: whether a secret gets out. All that people may come to see (trace lines, verdicts) is kept,
 * and all that nobody may see; at the end the one is looked for in the other.
 */
#ifndef T_DIALOGUE_LEAKWATCH_H
#define T_DIALOGUE_LEAKWATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct leakwatch {
	struct buf seen; /* lines */
	struct buf hidden; /* lines */
};

void leakwatch_init(struct leakwatch *w);
void leakwatch_free(struct leakwatch *w);

void leakwatch_saw(struct leakwatch *w, const char *line, size_t n);
/* Too short a text is no secret: it would be found by chance. */
void leakwatch_hide(struct leakwatch *w, const char *text, size_t n);
void leakwatch_hide_base64(struct leakwatch *w, const char *text, size_t n);

/* Whether people may see this line, whole and as it is. */
bool leakwatch_has_seen(struct leakwatch *w, const char *line);
/* What got out; NULL: nothing. Valid until the next call. */
const char *leakwatch_leak(struct leakwatch *w);

#endif
