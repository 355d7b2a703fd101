/*
 * check_reactor_tasks.c: timers and tasks: when they are called, also when they are armed, queued, moved or
 * taken back by others that are called in the same turn.
 */
#include <check.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>

#include "actors.h"
#include "suites.h"
#include "vclock.h"

static struct reactor *r;

static void
setup(void)
{
	r = actors_begin();
}

static void
teardown(void)
{
	actors_end(&r);
}

/* --- timers --- */

static void
arm_self_now(struct actor *a)
{
	if (a->calls < 3)
		timer_arm(r, &a->timer, a->calls == 1 ? reactor_now(r) : 0);
}

START_TEST(a_timer_armed_while_timers_run_fires_on_a_later_turn)
{
	int64_t start = reactor_now(r);

	A->act = arm_self_now;
	timer_arm(r, &A->timer, start + 5);
	for (int turn = 1; turn <= 3; turn++) {
		ck_assert(reactor_turn(r));
		ck_assert_str_eq(actors_trail(), "a");
		ck_assert_int_eq(reactor_now(r), start + 5); /* nor did it wait */
	}
	ck_assert(!reactor_turn(r));
}
END_TEST

static void
disarm_others(struct actor *self)
{
	for (int i = 0; i < ACTORS; i++)
		if (&actors[i] != self)
			timer_disarm(r, &actors[i].timer);
}

START_TEST(a_due_timer_that_is_disarmed_does_not_fire)
{
	A->act = disarm_others;
	for (int i = 0; i < ACTORS; i++)
		timer_arm(r, &actors[i].timer, reactor_now(r));
	ck_assert(timer_armed(&C->timer));
	reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "a");
	ck_assert(!timer_armed(&C->timer));
	ck_assert(!reactor_turn(r));
}
END_TEST

static void
postpone_b(struct actor *a)
{
	(void)a;
	timer_arm(r, &B->timer, reactor_now(r) + 1000);
}

START_TEST(a_due_timer_that_is_moved_fires_at_its_new_time)
{
	int64_t start = reactor_now(r);

	A->act = postpone_b;
	timer_arm(r, &A->timer, start);
	timer_arm(r, &B->timer, start);
	reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "a");
	actors_run();
	ck_assert_str_eq(actors_trail(), "b");
	ck_assert_int_eq(reactor_now(r), start + 1000);
}
END_TEST

START_TEST(timers_fire_in_order_of_time)
{
	int64_t start = reactor_now(r);

	timer_arm(r, &C->timer, start + 7200000);
	timer_arm(r, &A->timer, start + 1);
	timer_arm(r, &B->timer, start + 300000);
	vclock_advance(86400000);
	reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "abc");
}
END_TEST

/* --- tasks --- */

static void
queue_self(struct actor *a)
{
	if (a->calls < 3)
		task_queue(r, &a->task);
}

static void
queue_self_last(struct actor *a)
{
	if (a->calls < 3)
		task_queue_last(r, &a->task);
}

START_TEST(a_task_queued_by_a_task_runs_next_turn)
{
	A->act = queue_self;
	B->act = queue_self_last;
	task_queue_last(r, &B->task);
	task_queue(r, &A->task);
	for (int turn = 0; turn < 3; turn++) {
		ck_assert(reactor_turn(r));
		ck_assert_str_eq(actors_trail(), "ab");
	}
	ck_assert(!reactor_turn(r));
}
END_TEST

static void
queue_others(struct actor *a)
{
	(void)a;
	task_queue_last(r, &B->task);
	task_queue(r, &C->task);
}

START_TEST(a_last_task_queued_by_a_task_runs_this_turn)
{
	A->act = queue_others;
	task_queue(r, &A->task);
	reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "ab");
	reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "c");
}
END_TEST

START_TEST(a_task_queued_again_stays_where_it_is)
{
	task_queue(r, &A->task);
	task_queue(r, &B->task);
	task_queue(r, &A->task);
	task_queue_last(r, &A->task);
	reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "ab");
}
END_TEST

static void
cancel_b(struct actor *a)
{
	(void)a;
	task_cancel(&B->task);
}

START_TEST(a_cancelled_task_does_not_run)
{
	A->act = cancel_b;
	task_queue(r, &A->task);
	task_queue(r, &B->task);
	task_queue_last(r, &C->task);
	task_cancel(&C->task);
	task_cancel(&C->task);
	reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "a");
	ck_assert(!reactor_turn(r));
}
END_TEST

struct owned {
	struct watch watch;
	struct task task;
	int fd;
};

static void
on_owned_task(void *ctx)
{
	free(ctx);
	actors_note('f');
}

static void
on_owned(void *ctx, short events)
{
	struct owned *o = ctx;

	(void)events;
	watch_remove(r, &o->watch);
	task_queue(r, &o->task);
}

START_TEST(an_idle_task_waits_until_there_is_nothing_else)
{
	watch_add(r, &A->watch, A->fd, POLLIN);
	actors_poke(A);
	task_queue_idle(r, &C->task);
	for (int turn = 0; turn < 3; turn++)
		reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "aaa");
	watch_remove(r, &A->watch);
	task_queue(r, &B->task);
	reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "b");
	timer_arm(r, &B->timer, reactor_now(r) + 1000); /* nobody waits for that meanwhile */
	ck_assert(reactor_turn(r));
	ck_assert_str_eq(actors_trail(), "c");
	timer_disarm(r, &B->timer);
	ck_assert(!reactor_turn(r));
}
END_TEST

START_TEST(one_idle_task_a_turn)
{
	task_queue_idle(r, &A->task);
	task_queue_idle(r, &B->task);
	task_queue_idle(r, &C->task);
	task_cancel(&B->task);
	ck_assert(reactor_turn(r));
	ck_assert_str_eq(actors_trail(), "a");
	ck_assert(reactor_turn(r));
	ck_assert_str_eq(actors_trail(), "c");
	ck_assert(!reactor_turn(r));
}
END_TEST

START_TEST(an_owner_is_freed_from_a_task_it_embeds)
{
	struct owned *o = calloc(1, sizeof(*o));

	watch_init(&o->watch, on_owned, o);
	task_init(&o->task, on_owned_task, o);
	watch_add(r, &o->watch, A->fd, POLLIN);
	actors_poke(A);
	reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "f");
}
END_TEST

static TCase *
timer_cases(void)
{
	TCase *tc = tcase_create("timers");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_timer_armed_while_timers_run_fires_on_a_later_turn);
	tcase_add_test(tc, a_due_timer_that_is_disarmed_does_not_fire);
	tcase_add_test(tc, a_due_timer_that_is_moved_fires_at_its_new_time);
	tcase_add_test(tc, timers_fire_in_order_of_time);
	return tc;
}

static TCase *
task_cases(void)
{
	TCase *tc = tcase_create("tasks");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_task_queued_by_a_task_runs_next_turn);
	tcase_add_test(tc, a_last_task_queued_by_a_task_runs_this_turn);
	tcase_add_test(tc, a_task_queued_again_stays_where_it_is);
	tcase_add_test(tc, a_cancelled_task_does_not_run);
	tcase_add_test(tc, an_idle_task_waits_until_there_is_nothing_else);
	tcase_add_test(tc, one_idle_task_a_turn);
	tcase_add_test(tc, an_owner_is_freed_from_a_task_it_embeds);
	return tc;
}

Suite *
suite_reactor_tasks(void)
{
	Suite *s = suite_create("reactor_tasks");

	suite_add_tcase(s, timer_cases());
	suite_add_tcase(s, task_cases());
	return s;
}
