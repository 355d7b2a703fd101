/*
 * alloc.h: memory that is there or the program is not. Out of memory dies (exit 75, EX_TEMPFAIL): the spool
 * makes a crash at any instruction safe, and ceilings elsewhere keep memory bounded.
 * What these return is freed with free(3).
 */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>

void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size); /* zeroed; overflow of n * size dies */
void *xreallocarray(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n); /* at most n bytes, NUL added */

/* How often memory was asked for so far; for tests of what must not ask for any. */
unsigned long xallocs(void);

/* Overwrites a secret; no compiler leaves it out. p may be NULL when n is 0. */
void xwipe(void *p, size_t n);

/* Makes room for one more element: doubles *cap (in elements) when n == *cap. Returns the array. */
void *xgrow(void *array, size_t n, size_t *cap, size_t size);

#endif
