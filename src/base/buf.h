/*
 * buf.h: a growing byte buffer, filled at the end and drained from the front.
 *
 * The ceiling is given at birth. What would go past it is not added, not even in part, and the
 * buffer's `overflow` stays set until buf_clear(); until then nothing more is added, so that what is
 * there has no hole in it: add freely, check once.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/log.h" /* LOG_PRINTF */

struct buf {
	char *mem;
	size_t start, len, cap, max;
	bool overflow;
};

void buf_init(struct buf *b, size_t max);
void buf_free(struct buf *b); /* back to empty, same ceiling */
void buf_clear(struct buf *b); /* forget the content and the overflow, keep the memory */
/*
 * As buf_clear(), and overwrites the memory: for secrets. Growing leaves copies behind that nobody
 * overwrites, so whoever keeps secrets reserves their room first.
 */
void buf_wipe(struct buf *b);

void buf_add(struct buf *b, const void *data, size_t n);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...) LOG_PRINTF(2, 3);
void buf_vaddf(struct buf *b, const char *fmt, va_list ap) LOG_PRINTF(2, 0);

/* b and spare exchange their memory. b keeps its content, which the spare's must have room for. */
void buf_exchange(struct buf *b, struct buf *spare);

/* Room for n bytes at the end, to be filled by the caller; NULL (and overflow) past the ceiling. */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n); /* n bytes of what was reserved are now content */

/* The content; valid until the next call that adds. Not terminated; never NULL. */
const char *buf_data(const struct buf *b);
size_t buf_len(const struct buf *b);
size_t buf_room(const struct buf *b); /* bytes that still fit below the ceiling */
/* The content with a NUL behind it (not part of it). */
const char *buf_str(struct buf *b);
void buf_consume(struct buf *b, size_t n); /* n <= buf_len */

#endif
