/*
 * bounce_original.h: the message that a report is about, read from its body in blocks: no more of it than
 * the beginning of its header is ever kept.
 */
#ifndef BOUNCE_ORIGINAL_H
#define BOUNCE_ORIGINAL_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { ORIGINAL_BLOCK = 32 * 1024 };

struct original {
	int fd; /* the caller's; -1: the body is gone, and the report goes without it */
	struct buf head; /* its beginning; of that, header_len bytes are header, in whole lines */
	size_t header_len;
	bool header_eightbit;
	bool whole; /* small enough to be returned whole, and no line of it is too long for that */
	bool eightbit; /* whole: has bytes above 127 */
};

void original_init(struct original *m, int fd);
void original_free(struct original *m);

/*
 * Looks at the body: all of it if it may be returned whole (at most whole_max bytes), else its
 * beginning. Returns 0, or -1 and errno.
 */
int original_read(struct original *m, uint64_t whole_max);

/* Up to a block of the body at `at`; 0 at its end, or -1 and errno. */
ssize_t original_block(const struct original *m, char block[ORIGINAL_BLOCK], uint64_t at);

/* What stands behind "name:" in the first field of that name, folded as it is; NULL: none. */
const char *original_field(const struct original *m, const char *name, size_t *n);

/*
 * The first address with a domain in the From of the message on fd, "" if there is none, into
 * dst[size]: who sent it, where its control file does not say. Returns 0, or -1 and errno.
 */
int original_from(int fd, char *dst, size_t size);
void original_from_field(const struct original *m, char *dst, size_t size);

#endif
