/*
 * check_reactor_rounds.c: what the reactor saves when it has hundreds to watch: those that are quiet are not
 * asked about every turn, those that are busy are called several times a turn; and nobody notices.
 */
#include <sys/socket.h>

#include <check.h>
#include <poll.h>
#include <stdint.h>
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

/* --- many, of which few have anything to say --- */

enum { BYSTANDERS = 250, LONG_MS = 1000, LATE_MS = 10 };

static struct watch bystanders[BYSTANDERS];

static void
on_bystander(void *ctx, short events)
{
	(void)ctx;
	(void)events;
	actors_note('!');
}

/* So many that never say anything, and that it is seen. */
static void
bystanders_come(void)
{
	for (int i = 0; i < BYSTANDERS; i++) {
		int fd = dup(actors[ACTORS - 1].fd);

		ck_assert_int_ge(fd, 0);
		watch_init(&bystanders[i], on_bystander, NULL);
		watch_add(r, &bystanders[i], fd, POLLIN);
	}
	vclock_advance(LONG_MS);
	task_queue(r, &B->task);
	reactor_turn(r);
	actors_trail();
}

static void
bystanders_go(void)
{
	for (int i = 0; i < BYSTANDERS; i++) {
		int fd = bystanders[i].fd;

		watch_remove(r, &bystanders[i]);
		close(fd);
	}
}

/* B has been quiet like them, and A has something to say all the time. */
static void
a_speaks_b_begins(void)
{
	watch_add(r, &B->watch, B->fd, POLLIN);
	bystanders_come();
	watch_add(r, &A->watch, A->fd, POLLIN);
	actors_poke(A);
	reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "a");
	actors_poke(B);
}

START_TEST(one_that_was_quiet_is_heard_a_little_later)
{
	a_speaks_b_begins();
	for (int turn = 0; turn < 5; turn++)
		reactor_turn(r);
	ck_assert_str_eq(actors_trail(), "aaaaa");
	vclock_advance(LATE_MS);
	reactor_turn(r);
	ck_assert_ptr_nonnull(strchr(actors_trail(), 'b'));
	reactor_turn(r);
	ck_assert_ptr_nonnull(strchr(actors_trail(), 'b')); /* quiet no more */
	bystanders_go();
}
END_TEST

START_TEST(one_that_was_quiet_is_heard_before_a_timer_fires)
{
	const char *seen, *b, *c;

	a_speaks_b_begins();
	timer_arm(r, &C->timer, reactor_now(r) + 3);
	vclock_advance(3);
	reactor_turn(r);
	seen = actors_trail();
	b = strchr(seen, 'b');
	c = strchr(seen, 'c');
	ck_assert(b != NULL && c != NULL && b < c);
	bystanders_go();
}
END_TEST

START_TEST(a_wait_for_the_active_ends_for_the_quiet)
{
	int64_t start;

	a_speaks_b_begins();
	watch_remove(r, &A->watch);
	watch_add(r, &C->watch, C->fd, POLLIN); /* active, and silent */
	start = reactor_now(r);
	actors_run();
	ck_assert_str_eq(actors_trail(), "b");
	ck_assert_int_le(reactor_now(r) - start, LATE_MS);
	bystanders_go();
}
END_TEST

/* --- rounds --- */

static unsigned polls;
static int (*virtual_poll)(struct pollfd *fds, nfds_t n, int timeout_ms);

static int
counted_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	polls++;
	return virtual_poll(fds, n, timeout_ms);
}

START_TEST(readers_are_called_in_rounds)
{
	watch_add(r, &A->watch, A->fd, POLLIN);
	watch_add(r, &B->watch, B->fd, POLLIN | POLLOUT);
	watch_add(r, &C->watch, C->fd, POLLIN | POLLOUT);
	watch_add(r, &actors[3].watch, actors[3].fd, POLLIN);
	timer_arm(r, &actors[4].timer, reactor_now(r));
	task_queue(r, &actors[5].task);
	actors_poke(A);
	actors_poke(B);
	reactor_rounds(r, 3);
	polls = 0;
	virtual_poll = sys.poll;
	sys.poll = counted_poll;
	ck_assert(reactor_turn(r));
	sys.poll = virtual_poll;
	ck_assert_str_eq(actors_trail(), "cbababaef");
	ck_assert_int_eq(B->events, POLLIN);
	ck_assert_uint_eq(polls, 1);
	reactor_rounds(r, 1);
	ck_assert(reactor_turn(r));
	ck_assert_str_eq(actors_trail(), "cba");
}
END_TEST

static void
remove_all_the_second_time(struct actor *a)
{
	if (a->calls == 2)
		actors_remove_all(a);
}

START_TEST(what_has_been_removed_is_not_called_in_later_rounds)
{
	for (int i = 0; i < ACTORS; i++)
		actors[i].act = remove_all_the_second_time;
	actors_ready();
	reactor_rounds(r, 3);
	reactor_turn(r);
	ck_assert_uint_eq(strlen(actors_trail()), ACTORS + 1);
	ck_assert(!reactor_turn(r));
}
END_TEST

START_TEST(a_new_watch_has_no_part_in_the_rounds_of_the_old_one)
{
	for (int i = 0; i < ACTORS; i++)
		actors[i].act = actors_add_again;
	actors_ready();
	reactor_rounds(r, 3);
	reactor_turn(r);
	ck_assert_uint_eq(strlen(actors_trail()), ACTORS);
}
END_TEST

static void
read_no_more(struct actor *a)
{
	watch_change(r, &a->watch, POLLOUT);
}

START_TEST(who_no_longer_wants_to_read_is_not_called_again)
{
	for (int i = 0; i < ACTORS; i++)
		actors[i].act = read_no_more;
	actors_ready();
	reactor_rounds(r, 3);
	reactor_turn(r);
	ck_assert_uint_eq(strlen(actors_trail()), ACTORS);
}
END_TEST

/* --- any mixture of it, many times --- */

enum { CROWD = 64 };

static struct member {
	struct watch watch;
	int fd, peer;
	unsigned owed; /* calls: ready and watched when poll returned, and not removed since */
	bool watched;
} crowd[CROWD];
static uint64_t seed;
static int wrong;

static uint32_t
rnd(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % n;
}

static void
crowd_toggle(struct member *m)
{
	if (m->watched)
		watch_remove(r, &m->watch);
	else
		watch_add(r, &m->watch, m->fd, POLLIN);
	m->watched = !m->watched;
	m->owed = 0;
}

static void
on_member(void *ctx, short events)
{
	struct member *m = ctx;

	(void)events;
	if (m->owed == 0)
		wrong++;
	else
		m->owed--;
	for (uint32_t n = rnd(6); n > 0; n--)
		crowd_toggle(&crowd[rnd(CROWD)]);
	if (rnd(3) == 0)
		crowd_toggle(m);
}

START_TEST(everyone_ready_is_called_exactly_once_a_round_whatever_the_others_do)
{
	unsigned rounds = _i < 2 ? 1 : 3;

	reactor_rounds(r, rounds);
	seed = 88172645463325252u;
	wrong = 0;
	for (int i = 0; i < CROWD; i++) {
		int fds[2];

		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		crowd[i] = (struct member){.fd = fds[0], .peer = fds[1]};
		watch_init(&crowd[i].watch, on_member, &crowd[i]);
		if (write(fds[1], "x", 1) != 1) /* for ever ready */
			ck_abort_msg("write");
	}
	timer_arm(r, &A->timer, INT64_MAX);
	if (_i % 2 == 1)
		bystanders_come();
	for (int turn = 0; turn < 3000; turn++) {
		if (rnd(20) == 0)
			vclock_advance(LONG_MS);
		for (int i = 0; i < CROWD; i++) {
			if (!crowd[i].watched && rnd(2) == 0)
				crowd_toggle(&crowd[i]);
			crowd[i].owed = crowd[i].watched ? rounds : 0;
		}
		task_queue(r, &B->task);
		reactor_turn(r);
		for (int i = 0; i < CROWD; i++)
			wrong += crowd[i].owed > 0; /* missed */
	}
	ck_assert_int_eq(wrong, 0);
	for (int i = 0; i < CROWD; i++) {
		watch_remove(r, &crowd[i].watch);
		close(crowd[i].fd);
		close(crowd[i].peer);
	}
	if (_i % 2 == 1)
		bystanders_go();
}
END_TEST

static TCase *
quiet_cases(void)
{
	TCase *tc = tcase_create("quiet");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, one_that_was_quiet_is_heard_a_little_later);
	tcase_add_test(tc, one_that_was_quiet_is_heard_before_a_timer_fires);
	tcase_add_test(tc, a_wait_for_the_active_ends_for_the_quiet);
	return tc;
}

static TCase *
round_cases(void)
{
	TCase *tc = tcase_create("rounds");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, readers_are_called_in_rounds);
	tcase_add_test(tc, what_has_been_removed_is_not_called_in_later_rounds);
	tcase_add_test(tc, a_new_watch_has_no_part_in_the_rounds_of_the_old_one);
	tcase_add_test(tc, who_no_longer_wants_to_read_is_not_called_again);
	tcase_add_loop_test(
	    tc, everyone_ready_is_called_exactly_once_a_round_whatever_the_others_do, 0, 4);
	return tc;
}

Suite *
suite_reactor_rounds(void)
{
	Suite *s = suite_create("reactor_rounds");

	suite_add_tcase(s, quiet_cases());
	suite_add_tcase(s, round_cases());
	return s;
}
