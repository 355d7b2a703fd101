/*
 * spares.h: the memory of records that come and go all the time, kept for those that come next.
 *
 * They may differ in size: a spare that is too small for the next record is replaced by one that is
 * not. What is given back is zeroed at once, so that whoever still looks at it finds nothing.
 */
#ifndef BASE_SPARES_H
#define BASE_SPARES_H

#include <stddef.h>

struct spare;

struct spares {
	struct spare *first; /* NULL: none */
};

/* Zeroed memory for a record; it goes back with spares_give(). */
void *spares_take(struct spares *s, size_t size);
void spares_give(struct spares *s, void *record);
void spares_free(struct spares *s); /* those that are not in use */

#endif
