/*
 * check_reactor.c: one turn of the reactor: in what order it calls whom, who is not called any more, how long
 * it waits, and that callers who break the contract are told.
 */
#include <sys/socket.h>

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "actors.h"
#include "base/sys.h"
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

/* --- the order of a turn --- */

START_TEST(nothing_to_do_is_told_without_waiting)
{
	ck_assert(!reactor_turn(r));
	task_queue(r, &A->task);
	ck_assert(reactor_turn(r));
	ck_assert(!reactor_turn(r));
	timer_arm(r, &A->timer, INT64_MAX);
	timer_disarm(r, &A->timer);
	watch_add(r, &A->watch, A->fd, 0);
	watch_remove(r, &A->watch);
	ck_assert(!reactor_turn(r));
}
END_TEST

START_TEST(descriptors_then_timers_then_tasks_then_last_ones)
{
	task_queue_last(r, &actors[5].task);
	task_queue_last(r, &actors[6].task);
	task_queue(r, &actors[3].task);
	task_queue(r, &actors[4].task);
	timer_arm(r, &B->timer, reactor_now(r));
	timer_arm(r, &C->timer, reactor_now(r));
	watch_add(r, &A->watch, A->fd, POLLIN);
	actors_poke(A);
	ck_assert(reactor_turn(r));
	ck_assert_str_eq(actors_trail(), "abcdefg");
}
END_TEST

static void
disarm_b(struct actor *a)
{
	(void)a;
	timer_disarm(r, &B->timer);
}

START_TEST(a_reply_in_time_is_never_a_timeout)
{
	A->act = disarm_b;
	watch_add(r, &A->watch, A->fd, POLLIN);
	timer_arm(r, &B->timer, reactor_now(r) + 10);
	vclock_advance(1000);
	actors_poke(A);
	reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "a");
}
END_TEST

static void
spend_time(struct actor *a)
{
	int64_t now = reactor_now(r);

	(void)a;
	vclock_advance(500);
	ck_assert_int_eq(reactor_now(r), now);
	if (timer_armed(&B->timer))
		actors_note('B');
}

START_TEST(time_stands_still_within_a_turn)
{
	int64_t start = vclock_ms();

	A->act = spend_time;
	ck_assert_int_eq(reactor_now(r), start);
	timer_arm(r, &A->timer, start + 100);
	timer_arm(r, &B->timer, start + 300);
	actors_run();
	ck_assert_int_eq(reactor_now(r), start + 100);
	ck_assert_str_eq(actors_trail(), "aB");
	actors_run();
	ck_assert_int_eq(reactor_now(r), start + 600);
	ck_assert_str_eq(actors_trail(), "b");
}
END_TEST

/* --- watches --- */

START_TEST(what_has_been_removed_is_not_called)
{
	for (int i = 0; i < ACTORS; i++)
		actors[i].act = actors_remove_all;
	actors_ready();
	reactor_turn(r);
	ck_assert_uint_eq(strlen(actors_trail()), 1);
	ck_assert(!reactor_turn(r));
}
END_TEST

static void
remove_self(struct actor *a)
{
	watch_remove(r, &a->watch);
	watch_remove(r, &a->watch);
}

START_TEST(one_may_remove_oneself)
{
	for (int i = 0; i < ACTORS; i++)
		actors[i].act = remove_self;
	actors_ready();
	reactor_turn(r);
	ck_assert_uint_eq(strlen(actors_trail()), ACTORS);
	ck_assert(!reactor_turn(r));
}
END_TEST

START_TEST(adding_oneself_again_is_no_second_call_in_this_turn)
{
	for (int i = 0; i < ACTORS; i++)
		actors[i].act = actors_add_again;
	actors_ready();
	for (int turn = 0; turn < 3; turn++) {
		reactor_turn(r);
		ck_assert_uint_eq(strlen(actors_trail()), ACTORS);
	}
}
END_TEST

/* Whoever is called first closes everybody's descriptor and gives the same numbers to new sockets
 * with nothing to read. */
static void
reuse_numbers(struct actor *self)
{
	for (int i = 0; i < ACTORS; i++) {
		struct actor *a = &actors[i];
		int fds[2];

		watch_remove(r, &a->watch);
		close(a->peer);
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		ck_assert_int_eq(dup2(fds[0], a->fd), a->fd);
		close(fds[0]);
		a->peer = fds[1];
		watch_add(r, &a->watch, a->fd, POLLIN);
	}
	self->act = NULL;
}

START_TEST(a_new_watch_does_not_get_an_old_ones_events)
{
	for (int i = 0; i < ACTORS; i++)
		actors[i].act = reuse_numbers;
	actors_ready();
	reactor_turn(r);
	ck_assert_uint_eq(strlen(actors_trail()), 1);
	for (int i = 0; i < ACTORS; i++)
		actors[i].act = NULL;
	actors_poke(C);
	reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "c");
}
END_TEST

static void
want_nothing(struct actor *self)
{
	for (int i = 0; i < ACTORS; i++)
		if (&actors[i] != self)
			watch_change(r, &actors[i].watch, 0);
}

START_TEST(what_is_no_longer_wanted_is_not_reported)
{
	for (int i = 0; i < ACTORS; i++)
		actors[i].act = want_nothing;
	actors_ready();
	reactor_turn(r);
	ck_assert_uint_eq(strlen(actors_trail()), 1);
}
END_TEST

START_TEST(changing_what_is_wanted)
{
	timer_arm(r, &C->timer, reactor_now(r) + 1);
	watch_add(r, &A->watch, A->fd, POLLIN);
	reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "c");
	watch_change(r, &A->watch, POLLIN | POLLOUT);
	reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "a");
	ck_assert_int_eq(A->events, POLLOUT);
	actors_poke(A);
	reactor_turn(r);
	ck_assert_int_eq(A->events, POLLIN | POLLOUT);
	watch_change(r, &A->watch, 0);
	timer_arm(r, &C->timer, reactor_now(r) + 1);
	actors_trail();
	reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "c");
}
END_TEST

START_TEST(a_hang_up_is_reported_to_those_who_want_nothing)
{
	watch_add(r, &A->watch, A->fd, 0);
	close(A->peer);
	A->peer = dup(A->fd);
	reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "a");
	ck_assert(A->events & POLLHUP);
}
END_TEST

/* --- waiting --- */

static int asked_ms, poll_errno;

static int
asking_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	(void)fds, (void)n;
	asked_ms = timeout_ms;
	errno = poll_errno;
	return poll_errno != 0 ? -1 : 0;
}

static int
wait_of_a_turn(void)
{
	asked_ms = -2;
	reactor_turn(r);
	return asked_ms;
}

START_TEST(waits_until_the_next_thing_there_is_to_do)
{
	int64_t now = reactor_now(r);

	sys.poll = asking_poll;
	poll_errno = 0;
	watch_add(r, &A->watch, A->fd, POLLIN);
	ck_assert_int_eq(wait_of_a_turn(), -1);
	timer_arm(r, &A->timer, now + 40);
	ck_assert_int_eq(wait_of_a_turn(), 40);
	vclock_advance(15); /* callbacks take time, too */
	ck_assert_int_eq(wait_of_a_turn(), 25);
	vclock_advance(30);
	ck_assert_int_eq(wait_of_a_turn(), 0);
	ck_assert_str_eq(actors_trail(), "a");
	timer_arm(r, &A->timer, now + 86400000);
	task_queue(r, &B->task);
	ck_assert_int_eq(wait_of_a_turn(), 0);
	task_queue_last(r, &B->task);
	ck_assert_int_eq(wait_of_a_turn(), 0);
	timer_arm(r, &A->timer, INT64_MAX);
	ck_assert_int_eq(wait_of_a_turn(), INT_MAX);
}
END_TEST

START_TEST(an_interrupted_wait_ends_the_wait_and_not_the_turn)
{
	sys.poll = asking_poll;
	poll_errno = EINTR;
	watch_add(r, &A->watch, A->fd, POLLIN);
	actors_poke(A);
	task_queue(r, &C->task);
	ck_assert(reactor_turn(r));
	ck_assert_str_eq(actors_trail(), "c");
	sys.poll = sys_libc.poll;
	reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "a");
}
END_TEST

/* --- contracts --- */

static void
quiet(void)
{
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
}

START_TEST(watching_twice_is_a_bug)
{
	quiet();
	watch_add(r, &A->watch, A->fd, POLLIN);
	watch_add(r, &A->watch, A->fd, POLLIN);
}
END_TEST

START_TEST(changing_what_is_not_watched_is_a_bug)
{
	quiet();
	watch_change(r, &A->watch, POLLIN);
}
END_TEST

START_TEST(closing_what_is_watched_is_a_bug)
{
	quiet();
	watch_add(r, &A->watch, A->fd, POLLIN);
	close(A->fd);
	reactor_turn(r);
}
END_TEST

START_TEST(freeing_a_busy_reactor_is_a_bug)
{
	quiet();
	task_queue(r, &A->task);
	reactor_free(&r);
}
END_TEST

static void
turn_inside(struct actor *a)
{
	(void)a;
	reactor_turn(r);
}

START_TEST(a_turn_within_a_turn_is_a_bug)
{
	quiet();
	A->act = turn_inside;
	task_queue(r, &A->task);
	reactor_turn(r);
}
END_TEST

static TCase *
turn_cases(void)
{
	TCase *tc = tcase_create("turn");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, nothing_to_do_is_told_without_waiting);
	tcase_add_test(tc, descriptors_then_timers_then_tasks_then_last_ones);
	tcase_add_test(tc, a_reply_in_time_is_never_a_timeout);
	tcase_add_test(tc, time_stands_still_within_a_turn);
	tcase_add_test(tc, waits_until_the_next_thing_there_is_to_do);
	tcase_add_test(tc, an_interrupted_wait_ends_the_wait_and_not_the_turn);
	return tc;
}

static TCase *
watch_cases(void)
{
	TCase *tc = tcase_create("watches");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_has_been_removed_is_not_called);
	tcase_add_test(tc, one_may_remove_oneself);
	tcase_add_test(tc, adding_oneself_again_is_no_second_call_in_this_turn);
	tcase_add_test(tc, a_new_watch_does_not_get_an_old_ones_events);
	tcase_add_test(tc, what_is_no_longer_wanted_is_not_reported);
	tcase_add_test(tc, changing_what_is_wanted);
	tcase_add_test(tc, a_hang_up_is_reported_to_those_who_want_nothing);
	return tc;
}

static TCase *
contract_cases(void)
{
	TCase *tc = tcase_create("contracts");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test_raise_signal(tc, watching_twice_is_a_bug, SIGABRT);
	tcase_add_test_raise_signal(tc, changing_what_is_not_watched_is_a_bug, SIGABRT);
	tcase_add_test_raise_signal(tc, closing_what_is_watched_is_a_bug, SIGABRT);
	tcase_add_test_raise_signal(tc, freeing_a_busy_reactor_is_a_bug, SIGABRT);
	tcase_add_test_raise_signal(tc, a_turn_within_a_turn_is_a_bug, SIGABRT);
	return tc;
}

Suite *
suite_reactor(void)
{
	Suite *s = suite_create("reactor");

	suite_add_tcase(s, turn_cases());
	suite_add_tcase(s, watch_cases());
	suite_add_tcase(s, contract_cases());
	return s;
}
