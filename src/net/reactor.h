/*
 * reactor.h: one poll(2) a turn, then ready descriptors, then expired timers, then deferred tasks
 * in the order they were queued (a task queued by a task runs next turn), then the last tasks. A turn
 * that finds none of these ready runs one idle task.
 *
 * Descriptors come before timers, so a reply that arrived in time is never a timeout. Inside any
 * callback any watch, timer or task may be added, changed or removed, one's own included. What has
 * been removed is not called again. A timer armed while timers run fires on a later turn. Whoever
 * embeds a watch, timer or task is freed from a task, never from under its own callback.
 * Watches, timers and tasks are embedded in their owners. Time is absolute milliseconds on the
 * monotonic clock, sampled once a turn. The pollfd array lives between turns: adding, changing and
 * removing a watch are O(1).
 *
 * Where many descriptors are watched and few have anything to say, most turns ask for these alone: one
 * that was quiet for a while may be heard up to 10 ms late, and no timer fires before all were asked.
 */
#ifndef NET_REACTOR_H
#define NET_REACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "net/wheel.h"

struct reactor;
struct watch;
struct timer;
struct task;

/* events: POLLIN | POLLOUT | POLLERR | POLLHUP as poll reported them; POLLNVAL is a bug(). */
typedef void watch_fn(void *ctx, short events);
typedef void timer_fn(void *ctx);
typedef void task_fn(void *ctx);

struct watch {
	int fd;
	size_t slot; /* index into the pollfd array, SIZE_MAX: not watched */
	int64_t active_ms; /* when it was last added, changed or ready */
	uint64_t round; /* the last one in which it was told to read, since it was added */
	watch_fn *fn;
	void *ctx;
};

struct timer {
	struct wheel_node node;
	timer_fn *fn;
	void *ctx;
};

struct task {
	struct list link;
	task_fn *fn;
	void *ctx;
};

struct reactor *reactor_new(void);
void reactor_free(struct reactor **r); /* nothing may be watched, armed or queued any more */

void watch_init(struct watch *w, watch_fn *fn, void *ctx);
void watch_add(struct reactor *r, struct watch *w, int fd, short events);
void watch_change(struct reactor *r, struct watch *w, short events); /* 0: errors only */
void watch_remove(struct reactor *r, struct watch *w); /* harmless when not watched */

void timer_init(struct timer *t, timer_fn *fn, void *ctx);
void timer_arm(struct reactor *r, struct timer *t, int64_t at_ms); /* moves it when armed */
void timer_disarm(struct reactor *r, struct timer *t);
bool timer_armed(const struct timer *t);

void task_init(struct task *t, task_fn *fn, void *ctx);
void task_queue(struct reactor *r, struct task *t); /* queued already: stays where it is */
/* At the end of this turn, after all tasks. */
void task_queue_last(struct reactor *r, struct task *t);
void task_queue_idle(struct reactor *r, struct task *t); /* when there is nothing else to do */
void task_cancel(struct task *t);

int64_t reactor_now(const struct reactor *r); /* this turn's time, ms */

/*
 * From the next turn on those that have something to read are called n times in each, in rounds and
 * before the timers: for when the end of a turn is dear. There may be nothing more to read by then.
 */
void reactor_rounds(struct reactor *r, unsigned n);

/*
 * One turn; waits in poll(2) until something is ready, a timer is due, or a task is queued. Returns
 * false without waiting when nothing is watched, armed or queued. EINTR ends the wait of a turn.
 */
bool reactor_turn(struct reactor *r);

#endif
