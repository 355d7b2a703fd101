/*
 * ctl_term.h: text for people: what a terminal can show, tables that fit it.
 */
#ifndef CTL_CTL_TERM_H
#define CTL_CTL_TERM_H

#include <stddef.h>
#include <stdio.h>

#include "base/buf.h"
#include "ctl/ctl.h"

/* Fills in tty, colours, utf8 and width; before the environment is cleaned. */
void term_init(struct ctl *c);

enum term_colour { TERM_PLAIN, TERM_BOLD, TERM_DIM, TERM_RED, TERM_GREEN, TERM_YELLOW };
/* What begins and ends it; "" without colours. */
const char *term_begin(const struct ctl *c, enum term_colour colour);
const char *term_end(const struct ctl *c, enum term_colour colour);

/*
 * Adds text (up to its NUL) without anything that a terminal obeys, newlines included: by str_clean()'s rule,
 * and on a terminal without UTF-8 what is not ASCII becomes '?'. At most `columns` columns (0: any
 * number); what is cut ends in an ellipsis. Returns how many columns it takes.
 */
size_t term_clean(const struct ctl *c, struct buf *out, const char *text, size_t columns);
/* The same to c->out, uncut. */
void term_print(const struct ctl *c, const char *text);

/*
 * Text as lines of that colour that fit the terminal, each so many columns in, broken at blanks; at most so
 * many lines (0: any number), of which the last is cut as term_clean() does. Elsewhere it is one line.
 */
void term_wrap(
    const struct ctl *c, enum term_colour colour, const char *text, unsigned indent, size_t lines);

/* "4711", on a terminal "12k" or "3M". Returns dst. */
const char *term_count(const struct ctl *c, uint64_t n, char dst[24]);
/* "4.6K": at most five columns. Returns dst. */
const char *term_size(uint64_t bytes, char dst[16]);

/* A line of what is known of something: a name, at most 11 characters, and a text, cleaned. */
void term_fact(const struct ctl *c, const char *name, const char *fmt, ...) LOG_PRINTF(3, 4);
/* "Tue Nov 24 06:10:00, 3d4h ago". Returns dst. */
const char *term_when(const struct ctl *c, int64_t at, char dst[80]);
/* The largest unit alone: "3d", where all of it would be "3d4h". Returns dst. */
const char *term_span(int64_t seconds, char dst[24]);

/* --- tables: a header, then rows as they come; nothing is kept --- */

struct table_column {
	const char *head;
	unsigned width; /* of its cells; where it may grow, the least */
	unsigned share; /* of what the terminal has left; 0: it does not grow */
	bool right; /* aligned */
	bool tight; /* one blank stands before it, not two */
	bool whole; /* never cut: an id that is to be copied */
	unsigned wide; /* left out on terminals narrower than this */
};

enum { TABLE_COLUMNS_MAX = 24 };

struct table {
	const struct ctl *c;
	const struct table_column *columns;
	size_t n;
	unsigned width[TABLE_COLUMNS_MAX]; /* 0: left out */
	struct buf line;
	bool begun;
};

/* On a terminal no line is wider than it; elsewhere nothing is cut. */
void table_init(struct table *t, const struct ctl *c, const struct table_column *columns, size_t n);
void table_free(struct table *t);
/* A cell a column; NULL is empty. The header comes before the first row. */
void table_row(struct table *t, enum term_colour colour, const char *const cells[]);

#endif
