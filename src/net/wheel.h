/*
 * wheel.h: a hierarchical timer wheel (Varghese and Lauck, 1987; intrusive as h2o's). Pure.
 *
 * Times are absolute milliseconds, not negative, of whatever clock the caller uses. Arming and
 * disarming are O(1); a node is embedded in its owner. A node armed for a time already past is due
 * at the next advance. Nodes armed for the same time fall due in the order they were armed.
 */
#ifndef NET_WHEEL_H
#define NET_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

/* Eleven levels of six bits hold every time there is: nothing is ever too far away. */
enum { WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_LEVELS = 11 };

struct wheel_node {
	struct list link; /* list_init()ed by wheel_node_init */
	int64_t at_ms; /* never before the time it was armed */
};

struct wheel {
	int64_t now_ms;
	uint64_t used[WHEEL_LEVELS]; /* bit set: the slot holds nodes */
	struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, int64_t now_ms);
void wheel_node_init(struct wheel_node *n);
bool wheel_armed(const struct wheel_node *n);
void wheel_arm(struct wheel *w, struct wheel_node *n, int64_t at_ms); /* moves it when armed */
void wheel_disarm(struct wheel *w, struct wheel_node *n); /* harmless when not armed */

/*
 * A time at which to call wheel_advance next: never later than the earliest node, perhaps earlier
 * (when nodes have to cascade). INT64_MAX: nothing is armed.
 */
int64_t wheel_next(const struct wheel *w);

/* Moves time to now_ms (never back) and every node due by then, in order of time, to `due`. */
void wheel_advance(struct wheel *w, int64_t now_ms, struct list *due);

bool wheel_ok(const struct wheel *w); /* the invariants, for tests */

#endif
