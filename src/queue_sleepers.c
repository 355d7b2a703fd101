/* queue_sleepers.c: a set of hashes, open addressing. */
#include "queue_sleepers.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/map.h"

enum { FIRST_SLOTS = 1024, SLOTS_MAX = 1 << 22 }; /* 32 MiB, never more than half full */

static uint64_t *
slot_of(const struct sleepers *s, uint64_t hash)
{
	size_t i = (size_t)hash & (s->nslots - 1);

	while (s->slots[i] != 0 && s->slots[i] != hash)
		i = (i + 1) & (s->nslots - 1);
	return &s->slots[i];
}

static void
grow(struct sleepers *s)
{
	struct sleepers old = *s;

	s->nslots = old.nslots > 0 ? old.nslots * 2 : FIRST_SLOTS;
	s->slots = xcalloc(s->nslots, sizeof(*s->slots));
	for (size_t i = 0; i < old.nslots; i++)
		if (old.slots[i] != 0)
			*slot_of(s, old.slots[i]) = old.slots[i];
	free(old.slots);
}

static uint64_t
hash(const char *id)
{
	uint64_t h = map_hash(id);

	return h != 0 ? h : 1;
}

void
sleepers_add(struct sleepers *s, const char *id)
{
	uint64_t h = hash(id), *slot;

	if (s->n == s->nslots / 2) {
		if (s->nslots == SLOTS_MAX)
			return;
		grow(s);
	}
	slot = slot_of(s, h);
	s->n += *slot == 0;
	*slot = h;
}

bool
sleepers_has(const struct sleepers *s, const char *id)
{
	return s->n > 0 && *slot_of(s, hash(id)) != 0;
}

void
sleepers_clear(struct sleepers *s)
{
	free(s->slots);
	*s = (struct sleepers){.slots = NULL};
}
