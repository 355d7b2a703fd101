/*
 * testspool.h: a spool of its own for a test, in a new directory below /tmp. Nothing is synced: there
 * is no power cut to be safe from, and the disk is slow. (sys is changed; teardown restores it.)
 */
#ifndef T_LIB_TESTSPOOL_H
#define T_LIB_TESTSPOOL_H

#include <stddef.h>

#include "spool/spool.h"

struct spool *testspool_open(void);
void testspool_close(struct spool **sp); /* and removes all of it */

struct testspool_message {
	const char *sender; /* NULL: alice@example.org */
	const char *bounceto, *source_room; /* NULL: none */
	const char *const *recipients; /* ends with NULL */
	const char *body; /* CRLF lines */
	size_t size; /* of body; 0: strlen(body) */
	long long uid;
	int64_t submitted;
};

/* Queues it; its id goes into id. Fails the test if it cannot. */
void testspool_add(
    struct spool *sp, const struct testspool_message *m, char id[ENVELOPE_ID_MAX + 1]);

/* Reads ctl/ID into an envelope that envelope_init() made. Fails the test if it cannot. */
void testspool_load(struct spool *sp, const char *id, struct envelope *e);

/* The body of an item as a string, NUL behind it; free(3). Fails the test if there is none. */
char *testspool_body(struct spool *sp, const char *id, size_t *n);

size_t testspool_count(struct spool *sp); /* items in ctl/ */

#endif
