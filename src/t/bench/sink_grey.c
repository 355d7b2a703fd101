/* sink_grey.c: recipients that have been put off once: hashes in a table of open addresses. */
#include <stdlib.h>

#include "base/alloc.h"
#include "sink.h"
#include "whole.h"

static uint64_t *seen;
static size_t nseen, seen_cap;

static void
put(uint64_t h)
{
	size_t i = (size_t)h & (seen_cap - 1);

	while (seen[i] != 0)
		i = (i + 1) & (seen_cap - 1);
	seen[i] = h;
	nseen++;
}

static void
grow(void)
{
	uint64_t *old = seen;
	size_t cap = seen_cap;

	seen_cap = cap != 0 ? 2 * cap : 1024;
	seen = xcalloc(seen_cap, sizeof(*seen));
	nseen = 0;
	for (size_t i = 0; i < cap; i++)
		if (old[i] != 0)
			put(old[i]);
	free(old);
}

bool
grey_seen(const char *recipient, size_t n)
{
	uint64_t h = whole_digest(WHOLE_DIGEST, recipient, n);

	if (h == 0) /* an empty place */
		h = 1;
	if (2 * (nseen + 1) > seen_cap)
		grow();
	for (size_t i = (size_t)h & (seen_cap - 1); seen[i] != 0; i = (i + 1) & (seen_cap - 1))
		if (seen[i] == h)
			return true;
	put(h);
	return false;
}
