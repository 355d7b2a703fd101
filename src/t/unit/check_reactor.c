#include <sys/socket.h>

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "net/reactor.h"
#include "suites.h"
#include "vclock.h"

static struct reactor *r;

/* What was called, a letter a call. */
static char trail[256];

static void
note(char c)
{
	size_t n = strlen(trail);

	if (n + 1 < sizeof(trail)) {
		trail[n] = c;
		trail[n + 1] = '\0';
	}
}

/* Turns until something is called: the reactor may wake earlier, for its own book-keeping. */
static void
run(void)
{
	while (trail[0] == '\0')
		ck_assert(reactor_turn(r));
}

/* The trail since the last call of this. */
static const char *
trail_taken(void)
{
	static char taken[sizeof(trail)];

	memcpy(taken, trail, sizeof(taken));
	trail[0] = '\0';
	return taken;
}

/* Something that is called, notes its letter, and then does what the test wants. */
struct actor {
	char letter;
	void (*act)(struct actor *self);
	struct watch watch;
	struct timer timer;
	struct task task;
	short events; /* the last ones reported */
	int fd, peer; /* a socket pair */
	int calls;
};

enum { ACTORS = 8 };

static struct actor actors[ACTORS];
#define A (&actors[0])
#define B (&actors[1])
#define C (&actors[2])

static void
on_call(void *ctx)
{
	struct actor *a = ctx;

	note(a->letter);
	a->calls++;
	if (a->act != NULL)
		a->act(a);
}

static void
on_fd(void *ctx, short events)
{
	struct actor *a = ctx;

	a->events = events;
	on_call(a);
}

static void
pair(struct actor *a)
{
	int fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	a->fd = fds[0];
	a->peer = fds[1];
}

static void
poke(struct actor *a)
{
	if (write(a->peer, "x", 1) != 1)
		ck_abort_msg("write: %s", strerror(errno));
}

static void
setup(void)
{
	vclock_install(1764000000);
	r = reactor_new();
	trail[0] = '\0';
	memset(actors, 0, sizeof(actors));
	for (int i = 0; i < ACTORS; i++) {
		struct actor *a = &actors[i];

		a->letter = (char)('a' + i);
		watch_init(&a->watch, on_fd, a);
		timer_init(&a->timer, on_call, a);
		task_init(&a->task, on_call, a);
		pair(a);
	}
}

static void
teardown(void)
{
	for (int i = 0; i < ACTORS; i++) {
		watch_remove(r, &actors[i].watch);
		timer_disarm(r, &actors[i].timer);
		task_cancel(&actors[i].task);
		close(actors[i].fd);
		close(actors[i].peer);
	}
	reactor_free(&r);
	ck_assert_ptr_null(r);
	reactor_free(&r);
	sys = sys_libc;
}

/* All actors watch for reading and have something to read. */
static void
all_ready(void)
{
	for (int i = 0; i < ACTORS; i++) {
		watch_add(r, &actors[i].watch, actors[i].fd, POLLIN);
		poke(&actors[i]);
	}
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
	poke(A);
	ck_assert(reactor_turn(r));
	ck_assert_str_eq(trail_taken(), "abcdefg");
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
	poke(A);
	reactor_turn(r);
	ck_assert_str_eq(trail_taken(), "a");
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
		note('B');
}

START_TEST(time_stands_still_within_a_turn)
{
	int64_t start = vclock_ms();

	A->act = spend_time;
	ck_assert_int_eq(reactor_now(r), start);
	timer_arm(r, &A->timer, start + 100);
	timer_arm(r, &B->timer, start + 300);
	run();
	ck_assert_int_eq(reactor_now(r), start + 100);
	ck_assert_str_eq(trail_taken(), "aB");
	run();
	ck_assert_int_eq(reactor_now(r), start + 600);
	ck_assert_str_eq(trail_taken(), "b");
}
END_TEST

/* --- watches --- */

static void
remove_all(struct actor *a)
{
	(void)a;
	for (int i = 0; i < ACTORS; i++)
		watch_remove(r, &actors[i].watch);
}

START_TEST(what_has_been_removed_is_not_called)
{
	for (int i = 0; i < ACTORS; i++)
		actors[i].act = remove_all;
	all_ready();
	reactor_turn(r);
	ck_assert_uint_eq(strlen(trail_taken()), 1);
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
	all_ready();
	reactor_turn(r);
	ck_assert_uint_eq(strlen(trail_taken()), ACTORS);
	ck_assert(!reactor_turn(r));
}
END_TEST

static void
remove_and_add_again(struct actor *a)
{
	watch_remove(r, &a->watch);
	watch_add(r, &a->watch, a->fd, POLLIN);
}

START_TEST(adding_oneself_again_is_no_second_call_in_this_turn)
{
	for (int i = 0; i < ACTORS; i++)
		actors[i].act = remove_and_add_again;
	all_ready();
	for (int turn = 0; turn < 3; turn++) {
		reactor_turn(r);
		ck_assert_uint_eq(strlen(trail_taken()), ACTORS);
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
	all_ready();
	reactor_turn(r);
	ck_assert_uint_eq(strlen(trail_taken()), 1);
	for (int i = 0; i < ACTORS; i++)
		actors[i].act = NULL;
	poke(C);
	reactor_turn(r);
	ck_assert_str_eq(trail_taken(), "c");
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
	all_ready();
	reactor_turn(r);
	ck_assert_uint_eq(strlen(trail_taken()), 1);
}
END_TEST

START_TEST(changing_what_is_wanted)
{
	timer_arm(r, &C->timer, reactor_now(r) + 1);
	watch_add(r, &A->watch, A->fd, POLLIN);
	reactor_turn(r);
	ck_assert_str_eq(trail_taken(), "c");
	watch_change(r, &A->watch, POLLIN | POLLOUT);
	reactor_turn(r);
	ck_assert_str_eq(trail_taken(), "a");
	ck_assert_int_eq(A->events, POLLOUT);
	poke(A);
	reactor_turn(r);
	ck_assert_int_eq(A->events, POLLIN | POLLOUT);
	watch_change(r, &A->watch, 0);
	timer_arm(r, &C->timer, reactor_now(r) + 1);
	trail_taken();
	reactor_turn(r);
	ck_assert_str_eq(trail_taken(), "c");
}
END_TEST

START_TEST(a_hang_up_is_reported_to_those_who_want_nothing)
{
	watch_add(r, &A->watch, A->fd, 0);
	close(A->peer);
	A->peer = dup(A->fd);
	reactor_turn(r);
	ck_assert_str_eq(trail_taken(), "a");
	ck_assert(A->events & POLLHUP);
}
END_TEST

/* --- many, of which few have anything to say --- */

enum { BYSTANDERS = 250, LONG_MS = 1000, LATE_MS = 10 };

static struct watch bystanders[BYSTANDERS];

static void
on_bystander(void *ctx, short events)
{
	(void)ctx;
	(void)events;
	note('!');
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
	trail_taken();
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
	poke(A);
	reactor_turn(r);
	ck_assert_str_eq(trail_taken(), "a");
	poke(B);
}

START_TEST(one_that_was_quiet_is_heard_a_little_later)
{
	a_speaks_b_begins();
	for (int turn = 0; turn < 5; turn++)
		reactor_turn(r);
	ck_assert_str_eq(trail_taken(), "aaaaa");
	vclock_advance(LATE_MS);
	reactor_turn(r);
	ck_assert_ptr_nonnull(strchr(trail_taken(), 'b'));
	reactor_turn(r);
	ck_assert_ptr_nonnull(strchr(trail_taken(), 'b')); /* quiet no more */
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
	seen = trail_taken();
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
	run();
	ck_assert_str_eq(trail_taken(), "b");
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
	poke(A);
	poke(B);
	reactor_rounds(r, 3);
	polls = 0;
	virtual_poll = sys.poll;
	sys.poll = counted_poll;
	ck_assert(reactor_turn(r));
	sys.poll = virtual_poll;
	ck_assert_str_eq(trail_taken(), "cbababaef");
	ck_assert_int_eq(B->events, POLLIN);
	ck_assert_uint_eq(polls, 1);
	reactor_rounds(r, 1);
	ck_assert(reactor_turn(r));
	ck_assert_str_eq(trail_taken(), "cba");
}
END_TEST

static void
remove_all_the_second_time(struct actor *a)
{
	if (a->calls == 2)
		remove_all(a);
}

START_TEST(what_has_been_removed_is_not_called_in_later_rounds)
{
	for (int i = 0; i < ACTORS; i++)
		actors[i].act = remove_all_the_second_time;
	all_ready();
	reactor_rounds(r, 3);
	reactor_turn(r);
	ck_assert_uint_eq(strlen(trail_taken()), ACTORS + 1);
	ck_assert(!reactor_turn(r));
}
END_TEST

START_TEST(a_new_watch_has_no_part_in_the_rounds_of_the_old_one)
{
	for (int i = 0; i < ACTORS; i++)
		actors[i].act = remove_and_add_again;
	all_ready();
	reactor_rounds(r, 3);
	reactor_turn(r);
	ck_assert_uint_eq(strlen(trail_taken()), ACTORS);
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
	all_ready();
	reactor_rounds(r, 3);
	reactor_turn(r);
	ck_assert_uint_eq(strlen(trail_taken()), ACTORS);
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
		ck_assert_str_eq(trail_taken(), "a");
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
	ck_assert_str_eq(trail_taken(), "a");
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
	ck_assert_str_eq(trail_taken(), "a");
	run();
	ck_assert_str_eq(trail_taken(), "b");
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
	ck_assert_str_eq(trail_taken(), "abc");
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
		ck_assert_str_eq(trail_taken(), "ab");
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
	ck_assert_str_eq(trail_taken(), "ab");
	reactor_turn(r);
	ck_assert_str_eq(trail_taken(), "c");
}
END_TEST

START_TEST(a_task_queued_again_stays_where_it_is)
{
	task_queue(r, &A->task);
	task_queue(r, &B->task);
	task_queue(r, &A->task);
	task_queue_last(r, &A->task);
	reactor_turn(r);
	ck_assert_str_eq(trail_taken(), "ab");
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
	ck_assert_str_eq(trail_taken(), "a");
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
	note('f');
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
	poke(A);
	task_queue_idle(r, &C->task);
	for (int turn = 0; turn < 3; turn++)
		reactor_turn(r);
	ck_assert_str_eq(trail_taken(), "aaa");
	watch_remove(r, &A->watch);
	task_queue(r, &B->task);
	reactor_turn(r);
	ck_assert_str_eq(trail_taken(), "b");
	timer_arm(r, &B->timer, reactor_now(r) + 1000); /* nobody waits for that meanwhile */
	ck_assert(reactor_turn(r));
	ck_assert_str_eq(trail_taken(), "c");
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
	ck_assert_str_eq(trail_taken(), "a");
	ck_assert(reactor_turn(r));
	ck_assert_str_eq(trail_taken(), "c");
	ck_assert(!reactor_turn(r));
}
END_TEST

START_TEST(an_owner_is_freed_from_a_task_it_embeds)
{
	struct owned *o = calloc(1, sizeof(*o));

	watch_init(&o->watch, on_owned, o);
	task_init(&o->task, on_owned_task, o);
	watch_add(r, &o->watch, A->fd, POLLIN);
	poke(A);
	reactor_turn(r);
	ck_assert_str_eq(trail_taken(), "f");
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
	ck_assert_str_eq(trail_taken(), "a");
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
	poke(A);
	task_queue(r, &C->task);
	ck_assert(reactor_turn(r));
	ck_assert_str_eq(trail_taken(), "c");
	sys.poll = sys_libc.poll;
	reactor_turn(r);
	ck_assert_str_eq(trail_taken(), "a");
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
tcase_new(const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup, teardown);
	return tc;
}

static TCase *
tcase_watches(void)
{
	TCase *tc = tcase_new("watches");

	tcase_add_test(tc, what_has_been_removed_is_not_called);
	tcase_add_test(tc, one_may_remove_oneself);
	tcase_add_test(tc, adding_oneself_again_is_no_second_call_in_this_turn);
	tcase_add_test(tc, a_new_watch_does_not_get_an_old_ones_events);
	tcase_add_test(tc, what_is_no_longer_wanted_is_not_reported);
	tcase_add_test(tc, changing_what_is_wanted);
	tcase_add_test(tc, a_hang_up_is_reported_to_those_who_want_nothing);
	tcase_add_test(tc, one_that_was_quiet_is_heard_a_little_later);
	tcase_add_test(tc, one_that_was_quiet_is_heard_before_a_timer_fires);
	tcase_add_test(tc, a_wait_for_the_active_ends_for_the_quiet);
	return tc;
}

static TCase *
tcase_rounds(void)
{
	TCase *tc = tcase_new("rounds");

	tcase_add_test(tc, readers_are_called_in_rounds);
	tcase_add_test(tc, what_has_been_removed_is_not_called_in_later_rounds);
	tcase_add_test(tc, a_new_watch_has_no_part_in_the_rounds_of_the_old_one);
	tcase_add_test(tc, who_no_longer_wants_to_read_is_not_called_again);
	tcase_add_loop_test(
	    tc, everyone_ready_is_called_exactly_once_a_round_whatever_the_others_do, 0, 4);
	return tc;
}

static TCase *
tcase_timers_and_tasks(void)
{
	TCase *tc = tcase_new("timers and tasks");

	tcase_add_test(tc, a_timer_armed_while_timers_run_fires_on_a_later_turn);
	tcase_add_test(tc, a_due_timer_that_is_disarmed_does_not_fire);
	tcase_add_test(tc, a_due_timer_that_is_moved_fires_at_its_new_time);
	tcase_add_test(tc, timers_fire_in_order_of_time);
	tcase_add_test(tc, a_task_queued_by_a_task_runs_next_turn);
	tcase_add_test(tc, a_last_task_queued_by_a_task_runs_this_turn);
	tcase_add_test(tc, a_task_queued_again_stays_where_it_is);
	tcase_add_test(tc, a_cancelled_task_does_not_run);
	tcase_add_test(tc, an_idle_task_waits_until_there_is_nothing_else);
	tcase_add_test(tc, one_idle_task_a_turn);
	tcase_add_test(tc, an_owner_is_freed_from_a_task_it_embeds);
	return tc;
}

static TCase *
tcase_contracts(void)
{
	TCase *tc = tcase_new("contracts");

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
	TCase *tc = tcase_new("turn");

	tcase_add_test(tc, nothing_to_do_is_told_without_waiting);
	tcase_add_test(tc, descriptors_then_timers_then_tasks_then_last_ones);
	tcase_add_test(tc, a_reply_in_time_is_never_a_timeout);
	tcase_add_test(tc, time_stands_still_within_a_turn);
	tcase_add_test(tc, waits_until_the_next_thing_there_is_to_do);
	tcase_add_test(tc, an_interrupted_wait_ends_the_wait_and_not_the_turn);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, tcase_watches());
	suite_add_tcase(s, tcase_rounds());
	suite_add_tcase(s, tcase_timers_and_tasks());
	suite_add_tcase(s, tcase_contracts());
	return s;
}
