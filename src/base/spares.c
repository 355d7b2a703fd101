/* spares.c: memory of records, kept for the next. */
#include "base/spares.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/list.h"

struct spare {
	struct spare *next;
	size_t size; /* of the record */
	_Alignas(max_align_t) unsigned char record[];
};

void *
spares_take(struct spares *s, size_t size)
{
	struct spare *p = s->first;

	if (p != NULL)
		s->first = p->next;
	if (p == NULL || p->size < size) {
		free(p);
		p = xcalloc(1, sizeof(*p) + size);
		p->size = size;
	}
	return p->record;
}

void
spares_give(struct spares *s, void *record)
{
	struct spare *p = list_item(record, struct spare, record);

	memset(p->record, 0, p->size);
	p->next = s->first;
	s->first = p;
}

void
spares_free(struct spares *s)
{
	while (s->first != NULL) {
		struct spare *p = s->first;

		s->first = p->next;
		free(p);
	}
}
