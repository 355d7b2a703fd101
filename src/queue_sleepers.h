/*
 * queue_sleepers.h: what was found asleep a moment ago, so that the next scan need not ask again.
 *
 * Of each id nothing but a hash is kept, eight bytes: one that is new has the hash of a sleeper once in
 * many million millions, and waits for the next pass then.
 */
#ifndef QUEUE_SLEEPERS_H
#define QUEUE_SLEEPERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sleepers { /* all zero: none */
	uint64_t *slots; /* 0: free */
	size_t nslots, n;
};

void sleepers_add(struct sleepers *s, const char *id); /* with too many it forgets instead */
bool sleepers_has(const struct sleepers *s, const char *id);
void sleepers_clear(struct sleepers *s);

#endif
