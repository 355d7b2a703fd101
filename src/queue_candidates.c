/*
 * queue_candidates.c: what a scan has found due, the earliest of it.
 */
#include "queue_candidates.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* So CANDIDATES_MAX of them hold 150,000 recipients at most; as many and more may be in work. */
enum { KEPT_RCPTS_MAX = 5 };

struct kept {
	struct envelope envelope;
	off_t size;
};

static int
compare(const struct candidate *a, const struct candidate *b)
{
	if (a->due_at != b->due_at)
		return a->due_at < b->due_at ? -1 : 1;
	return strcmp(a->id, b->id); /* ids begin with the time */
}

static int
latest_first(const void *a, const void *b)
{
	return -compare(a, b);
}

void
candidates_add(struct candidates *c, const struct candidate *one)
{
	c->v = xgrow(c->v, c->n, &c->cap, sizeof(*c->v));
	c->v[c->n++] = *one;
}

static void
swap(struct candidate *a, struct candidate *b)
{
	struct candidate t = *a;

	*a = *b;
	*b = t;
}

static void
sift_down(struct candidates *c, size_t i)
{
	for (;;) {
		size_t top = i, left = 2 * i + 1, right = left + 1;

		if (left < c->n && compare(&c->v[left], &c->v[top]) > 0)
			top = left;
		if (right < c->n && compare(&c->v[right], &c->v[top]) > 0)
			top = right;
		if (top == i)
			return;
		swap(&c->v[i], &c->v[top]);
		i = top;
	}
}

/* A heap with the latest at its top, once there are as many as are kept. */
bool
candidates_offer(struct candidates *c, const struct candidate *one)
{
	if (c->n < CANDIDATES_MAX) {
		candidates_add(c, one);
		if (c->n == CANDIDATES_MAX)
			for (size_t i = c->n / 2; i-- > 0;)
				sift_down(c, i);
		return true;
	}
	if (compare(one, &c->v[0]) < 0) {
		c->v[0] = *one;
		sift_down(c, 0);
	}
	return false;
}

void
candidates_sort(struct candidates *c)
{
	if (c->n > 0)
		qsort(c->v, c->n, sizeof(*c->v), latest_first);
}

struct candidate
candidates_earliest(struct candidates *c)
{
	return c->v[--c->n];
}

void
candidates_clear(struct candidates *c)
{
	struct envelope e;
	off_t size;

	while (c->n > 0) {
		candidate_take(&c->v[--c->n], &e, &size);
		envelope_free(&e);
	}
}

void
candidates_free(struct candidates *c)
{
	candidates_clear(c);
	free(c->v);
	*c = (struct candidates){.v = NULL};
}

void
candidate_keep(struct candidate *c, struct envelope *e, off_t size)
{
	if (e->nrcpts > KEPT_RCPTS_MAX)
		return;
	c->kept = xmalloc(sizeof(*c->kept));
	c->kept->envelope = *e;
	c->kept->size = size;
	envelope_init(e);
}

bool
candidate_take(struct candidate *c, struct envelope *e, off_t *size)
{
	if (c->kept == NULL) {
		envelope_init(e);
		return false;
	}
	*e = c->kept->envelope;
	*size = c->kept->size;
	free(c->kept);
	c->kept = NULL;
	return true;
}
