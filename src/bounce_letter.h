/*
 * bounce_letter.h: a message of our own, written into a draft. What is added is collected into blocks and
 * counted, so that at the end the envelope can say what the body is like.
 */
#ifndef BOUNCE_LETTER_H
#define BOUNCE_LETTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h" /* LOG_PRINTF */

enum { LETTER_LINE_MAX = 998 }; /* octets, RFC 5322 2.1.1; the caller's templates keep to it */

struct letter {
	int fd; /* the caller's */
	struct buf out; /* not written yet */
	int error; /* errno of the first failure, sticks: add freely, check once */
	uint64_t size;
	unsigned column, longest; /* octets */
	bool eightbit, dots; /* has bytes above 127; a line that starts with a dot */
};

void letter_init(struct letter *l, int fd);
void letter_free(struct letter *l);
int letter_finish(struct letter *l); /* writes what is left; -1 and errno of the first failure */

void letter_add(struct letter *l, const char *data, size_t n);
void letter_adds(struct letter *l, const char *text);
void letter_addf(struct letter *l, const char *fmt, ...) LOG_PRINTF(2, 3); /* up to 2 KiB */

/*
 * Adds text that may be long, and CRLF: folded at white space (RFC 5322 2.2.3), with `indent` before each
 * line but the first; a word that alone is longer than a line may be is cut, at a character's border.
 */
void letter_fold(struct letter *l, const char *text, const char *indent);

/* Whether data has bytes above 127. */
bool letter_has_eightbit(const char *data, size_t n);

#endif
