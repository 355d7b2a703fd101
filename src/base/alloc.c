/* alloc.c: allocation that succeeds or ends the program. */
#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"

enum { GROW_FIRST = 8 };

static unsigned long allocs;

/* n * size; a product that does not fit is memory nobody has. */
static size_t
product(size_t n, size_t size)
{
	if (size != 0 && n > SIZE_MAX / size)
		die(EX_TEMPFAIL, "out of memory (%zu times %zu bytes)", n, size);
	return n * size;
}

static void *
check(void *p, size_t n)
{
	allocs++;
	if (p == NULL)
		die(EX_TEMPFAIL, "out of memory (%zu bytes)", n);
	return p;
}

/* Zero bytes are asked for as one, so that NULL always means failure. */
void *
xmalloc(size_t n)
{
	return check(malloc(n > 0 ? n : 1), n);
}

void *
xcalloc(size_t n, size_t size)
{
	size_t bytes = product(n, size);

	return check(calloc(1, bytes > 0 ? bytes : 1), bytes);
}

void *
xreallocarray(void *p, size_t n, size_t size)
{
	size_t bytes = product(n, size);

	return check(realloc(p, bytes > 0 ? bytes : 1), bytes);
}

char *
xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

char *
xstrndup(const char *s, size_t n)
{
	const char *end = memchr(s, '\0', n);
	size_t len = end != NULL ? (size_t)(end - s) : n;
	char *copy = xmalloc(len + 1);

	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

void *
xgrow(void *array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return array;
	*cap = *cap > 0 ? product(*cap, 2) : GROW_FIRST;
	return xreallocarray(array, *cap, size);
}

unsigned long
xallocs(void)
{
	return allocs;
}

void
xwipe(void *p, size_t n)
{
	/* volatile: a compiler may leave out stores to what nobody reads again */
	volatile unsigned char *byte = p;

	for (size_t i = 0; i < n; i++)
		byte[i] = 0;
}
