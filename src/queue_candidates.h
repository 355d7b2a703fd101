/*
 * queue_candidates.h: what a scan has found due, the earliest of it, in bounded memory.
 *
 * While a scan offers them they are a heap; candidates_sort() ends that, and then they come out one
 * by one. A candidate may keep what has been read of it, so that it is not read again when its turn
 * comes; whoever takes the lock then finds out whether that is still true.
 */
#ifndef QUEUE_CANDIDATES_H
#define QUEUE_CANDIDATES_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/envelope.h"

enum { CANDIDATES_MAX = 30000 }; /* that a scan keeps: 20 MiB when all of them keep what was read */

struct kept;

struct candidate {
	int64_t due_at;
	struct kept *kept; /* NULL: it is to be read */
	char id[ENVELOPE_ID_MAX + 1];
};

struct candidates { /* all zero: none */
	struct candidate *v;
	size_t n, cap;
};

void candidates_add(struct candidates *c, const struct candidate *one);
/* One more, or one that came before is dropped for it, or it is not kept: false. */
bool candidates_offer(struct candidates *c, const struct candidate *one);
void candidates_sort(struct candidates *c);
/* Which is taken out; there must be one. */
struct candidate candidates_earliest(struct candidates *c);
void candidates_clear(struct candidates *c);
void candidates_free(struct candidates *c);

/* Keeps what is in e, which is empty afterwards; with very many recipients it does not. */
void candidate_keep(struct candidate *c, struct envelope *e, off_t size);
/* Gives it back; false: nothing was kept, and e is as envelope_init() makes it. */
bool candidate_take(struct candidate *c, struct envelope *e, off_t *size);

#endif
