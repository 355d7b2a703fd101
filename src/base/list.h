/*
 * list.h: an intrusive doubly linked list, circular, with the head as one more link.
 *
 * Links are embedded in their owners. A link that is on no list points to itself, so removing it
 * twice is harmless. musl has no <sys/queue.h>, so this is ours.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

/* The structure of the given type whose member the link is. */
#define list_item(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* Walks a list; the body must not remove pos. To drain a list use while (!list_empty()). */
#define list_each(pos, head) for (struct list *pos = (head)->next; pos != (head); pos = pos->next)

static inline void
list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool
list_empty(const struct list *l)
{
	return l->next == l;
}

/* Whether a link (not a head) is on some list; it must have been list_init()ed. */
static inline bool
list_linked(const struct list *l)
{
	return l->next != l;
}

static inline void
list_insert_before(struct list *at, struct list *l)
{
	l->prev = at->prev;
	l->next = at;
	at->prev->next = l;
	at->prev = l;
}

static inline void
list_add_tail(struct list *head, struct list *l)
{
	list_insert_before(head, l);
}

static inline void
list_add_head(struct list *head, struct list *l)
{
	list_insert_before(head->next, l);
}

static inline void
list_remove(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

/* Moves all of `from` to the end of `to`; `from` is empty afterwards. */
static inline void
list_splice_tail(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#endif
