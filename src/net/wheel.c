/*
 * wheel.c: a hierarchical timer wheel.
 *
 * A node's level is the highest group of six bits in which its time differs from now, its slot the
 * value of that group. So on every level only slots ahead of now are in use (on the lowest also
 * now's own), lower levels are always earlier than higher ones, and nothing ever wraps around. When
 * now enters a slot its nodes cascade: from then on they differ from now on a lower level, or are
 * due. Where a node is follows from its time and now alone.
 */
#include "net/wheel.h"

struct place {
	int level, slot;
};

static int
group(int64_t at_ms, int level)
{
	return (int)((uint64_t)at_ms >> (level * WHEEL_BITS) & (WHEEL_SLOTS - 1));
}

static struct place
place_of(const struct wheel *w, int64_t at_ms)
{
	uint64_t diff = (uint64_t)at_ms ^ (uint64_t)w->now_ms;
	int level = 0;

	/* Overdue (waiting in a list of due nodes): now's own slot will do. */
	if (at_ms < w->now_ms)
		return (struct place){0, group(w->now_ms, 0)};
	while ((diff >>= WHEEL_BITS) != 0)
		level++;
	return (struct place){level, group(at_ms, level)};
}

static void
put(struct wheel *w, struct wheel_node *n)
{
	struct place p = place_of(w, n->at_ms);

	list_add_tail(&w->slots[p.level][p.slot], &n->link);
	w->used[p.level] |= UINT64_C(1) << p.slot;
}

static int
lowest_bit(uint64_t x)
{
	int bit = 0;

	for (int half = 32; half > 0; half /= 2) {
		if ((x & ((UINT64_C(1) << half) - 1)) == 0) {
			x >>= half;
			bit += half;
		}
	}
	return bit;
}

/* The first slot in use and when it begins; false: nothing is armed. */
static bool
first_slot(const struct wheel *w, struct place *p, int64_t *at_ms)
{
	int level = 0, shift;
	uint64_t above;

	while (level < WHEEL_LEVELS && w->used[level] == 0)
		level++;
	if (level == WHEEL_LEVELS)
		return false;
	*p = (struct place){level, lowest_bit(w->used[level])};
	/* What now has above this level's group, the slot, and zeros below it. */
	shift = level * WHEEL_BITS;
	above = (uint64_t)w->now_ms >> shift >> WHEEL_BITS << WHEEL_BITS;
	*at_ms = (int64_t)((above | (uint64_t)p->slot) << shift);
	return true;
}

/* Empties a slot that now has entered: onto `due`, or down to where its nodes belong from now on. */
static void
cascade(struct wheel *w, struct place p, struct list *due)
{
	struct list moving;

	list_init(&moving);
	list_splice_tail(&moving, &w->slots[p.level][p.slot]);
	w->used[p.level] &= ~(UINT64_C(1) << p.slot);
	while (!list_empty(&moving)) {
		struct wheel_node *n = list_item(moving.next, struct wheel_node, link);

		list_remove(&n->link);
		if (n->at_ms <= w->now_ms)
			list_add_tail(due, &n->link);
		else
			put(w, n);
	}
}

void
wheel_init(struct wheel *w, int64_t now_ms)
{
	w->now_ms = now_ms;
	for (int level = 0; level < WHEEL_LEVELS; level++) {
		w->used[level] = 0;
		for (int slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&w->slots[level][slot]);
	}
}

void
wheel_node_init(struct wheel_node *n)
{
	list_init(&n->link);
	n->at_ms = 0;
}

bool
wheel_armed(const struct wheel_node *n)
{
	return list_linked(&n->link);
}

void
wheel_arm(struct wheel *w, struct wheel_node *n, int64_t at_ms)
{
	wheel_disarm(w, n);
	if (at_ms == INT64_MAX)
		at_ms--; /* that one is wheel_next's "nothing" */
	n->at_ms = at_ms > w->now_ms ? at_ms : w->now_ms;
	put(w, n);
}

void
wheel_disarm(struct wheel *w, struct wheel_node *n)
{
	struct place p;

	if (!wheel_armed(n))
		return;
	list_remove(&n->link);
	p = place_of(w, n->at_ms);
	if (list_empty(&w->slots[p.level][p.slot]))
		w->used[p.level] &= ~(UINT64_C(1) << p.slot);
}

int64_t
wheel_next(const struct wheel *w)
{
	struct place p;
	int64_t at_ms;

	return first_slot(w, &p, &at_ms) ? at_ms : INT64_MAX;
}

void
wheel_advance(struct wheel *w, int64_t now_ms, struct list *due)
{
	struct place p;
	int64_t at_ms;

	if (now_ms < w->now_ms)
		now_ms = w->now_ms;
	/* Slot by slot, never past one in use; the levels below the first one are empty. */
	while (first_slot(w, &p, &at_ms) && at_ms <= now_ms) {
		w->now_ms = at_ms;
		cascade(w, p, due);
	}
	w->now_ms = now_ms;
}

static bool
slot_ok(const struct wheel *w, int level, int slot)
{
	const struct list *head = &w->slots[level][slot];

	if (list_empty(head) != ((w->used[level] >> slot & 1) == 0))
		return false;
	for (const struct list *l = head->next; l != head; l = l->next) {
		const struct wheel_node *n = list_item(l, struct wheel_node, link);
		struct place p = place_of(w, n->at_ms);

		if (l->next->prev != l || l->prev->next != l)
			return false;
		if (n->at_ms < w->now_ms || p.level != level || p.slot != slot)
			return false;
	}
	return true;
}

bool
wheel_ok(const struct wheel *w)
{
	for (int level = 0; level < WHEEL_LEVELS; level++)
		for (int slot = 0; slot < WHEEL_SLOTS; slot++)
			if (!slot_ok(w, level, slot))
				return false;
	return true;
}
