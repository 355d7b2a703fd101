/*
 * slow_input.h: standard input understood once more, in the most obvious way: all of it in memory,
 * line by line, by the rules at the head of submit_intake.h. What the program makes of an input is
 * held against this.
 */
#ifndef T_FUZZ_SLOW_INPUT_H
#define T_FUZZ_SLOW_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { SLOW_MAX = 1 << 24 };

struct slow_input {
	struct buf header; /* CRLF lines, without the empty one behind them */
	struct buf body; /* CRLF lines */
};

/* Bytes of a fuzzer as an input: the first few 01 stand for 990 letters each, so that few bytes make
 * long lines. */
void slow_expand(struct buf *out, const uint8_t *data, size_t n);

void slow_input(struct slow_input *in, const struct buf *input, bool ignore_dots);
void slow_input_free(struct slow_input *in);

struct slow_field {
	const char *text; /* with its line ends */
	size_t n;
	char name[300]; /* in small letters */
	const char *value; /* behind the colon */
	bool empty; /* nothing but white space there */
};

/* The next field of a header; start with *at 0. */
bool slow_field(const struct buf *header, size_t *at, struct slow_field *f);

/*
 * Adds "a@b,c@d," for a field of such addresses. Only those of letters and digits, with dots between
 * the parts of the domain, are understood; false: there is something else.
 */
bool slow_addresses(struct buf *out, const struct slow_field *f);

#endif
