/*
 * Background delivery: the submitter returns at once; his child, or a runner that is there already,
 * delivers.
 */
#include <sys/socket.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kit.h"
#include "suites.h"

enum { STAYS_MS = 2000 }; /* a user's runner, and a connection without work */

static const char *
own_lock(void)
{
	static char name[32];

	snprintf(name, sizeof(name), "%lld", (long long)getuid());
	return name;
}

/* With one session a site, so that what comes second has to wait for it. */
static int
listen_alone(void)
{
	int port, listener = server_listen(&port);

	kit_configure("relay smtp://[127.0.0.1]:%d\nsessions-per-site 1", port);
	return listener;
}

/*
 * The server takes one more message, over the connection on which it took the last; or a new one, if that
 * was so long ago, on a busy machine, that nobody has to be there any more.
 */
static bool
take_one_more(int *fd, int listener, int64_t last_ms)
{
	bool same = kit_now_ms() - last_ms < STAYS_MS;
	char c = 'M';

	if (!same) {
		WAIT_FOR(server_called(*fd));
		same = recv(*fd, &c, 1, MSG_PEEK) == 1 && c == 'M'; /* MAIL, not QUIT */
	}
	if (!same) {
		server_hear_end(*fd);
		server_greet(*fd = server_accept(listener));
	}
	server_take(*fd);
	return same;
}

/*
 * The server has not even greeted when the submitter has returned and its output has ended; what
 * comes meanwhile goes over the same connection; then the child ends and leaves nothing.
 */
START_TEST(submitter_does_not_wait)
{
	int listener = listen_alone(), fd;
	int64_t last_ms;
	bool same;

	ck_assert_int_eq(submit(NULL, "Subject: 1\n\n1\n", "bob@example.net", NULL), 0);
	fd = server_accept(listener);
	ck_assert_uint_eq(files_in("ctl"), 1);
	ck_assert(runner_present(own_lock()));
	ck_assert_int_eq(submit(NULL, "Subject: 2\n\n2\n", "bob@example.net", NULL), 0);
	server_greet(fd);
	server_envelope(fd);
	ck_assert_int_eq(submit(NULL, "Subject: 3\n\n3\n", "bob@example.net", NULL), 0);
	server_say(fd, "250 2.0.0 taken");
	server_take(fd);
	last_ms = kit_now_ms();
	server_take(fd);
	WAIT_FOR(files_in("ctl") == 0);
	ck_assert(!server_called(listener));
	ck_assert_int_eq(submit(NULL, "Subject: 4\n\n4\n", "bob@example.net", NULL), 0);
	same = take_one_more(&fd, listener, last_ms); /* it stays a while for more */
	server_hear_end(fd);
	WAIT_FOR(!runner_present(own_lock()));
	ck_assert_uint_eq(files_in("ctl") + files_in("msg") + files_in("tmp"), 0);
	ck_assert_uint_eq(count_text(kit.log, "status=sent"), 4);
	if (same)
		ck_assert_uint_eq(count_pids("status=sent"), 1);
}
END_TEST

/* What may be signalled to a submitter's group or terminal does not reach the child. */
static void
own_group(void)
{
	setpgid(0, 0);
}

START_TEST(child_is_detached)
{
	int listener = listen_alone(), fd;
	struct child c;

	child_start(&c, own_group, "bob@example.net", NULL);
	child_feed(&c, "Subject: 1\n\n1\n");
	ck_assert_int_eq(child_end(&c), 0);
	fd = server_accept(listener);
	ck_assert_int_eq(kill(-c.pid, SIGKILL), -1); /* nobody is left in it */
	server_greet(fd);
	server_take(fd);
	WAIT_FOR(files_in("msg") == 0);
	close(fd);
}
END_TEST

static int others[2]; /* ends of a pipe; an exec leaves them open */

static void
hold_others(void)
{
	close(others[0]);
	ck_assert_int_eq(dup2(others[1], 300), 300);
}

/* A caller who has a pipe of his own open, and reads it, does not wait for the delivery. */
START_TEST(child_keeps_nothing_of_the_callers)
{
	int listener = listen_alone(), fd;
	char c;

	ck_assert_int_eq(pipe(others), 0);
	ck_assert_int_eq(submit(hold_others, "Subject: 1\n\n1\n", "bob@example.net", NULL), 0);
	close(others[1]);
	ck_assert_int_eq(fcntl(others[0], F_SETFL, O_NONBLOCK), 0);
	WAIT_FOR(read(others[0], &c, 1) == 0);
	fd = server_accept(listener);
	server_greet(fd);
	server_take(fd);
	WAIT_FOR(files_in("msg") == 0);
	close(fd);
}
END_TEST

/*
 * The first server does not even greet; the configuration names another one; what comes then goes there, and so
 * does what has waited for the first.
 */
START_TEST(new_configuration_counts_for_the_next_message)
{
	int old = listen_alone(), new, fd, stuck;

	ck_assert_int_eq(submit(NULL, "Subject: 1\n\n1\n", "bob@example.net", NULL), 0);
	stuck = server_accept(old);
	new = listen_alone();
	ck_assert_int_eq(submit(NULL, "Subject: 2\n\n2\n", "bob@example.net", NULL), 0);
	fd = server_accept(new);
	server_greet(fd);
	server_take(fd);
	server_take(fd);
	WAIT_FOR(files_in("ctl") == 0);
	ck_assert(!server_called(old));
	server_greet(stuck);
	server_hear_end(stuck);
	close(fd);
}
END_TEST

/* Each runner stays a while for more, so that there are not more of them than such whiles. */
START_TEST(many_submissions_few_runners)
{
	enum { N = 100 };
	int64_t start_ms = kit_now_ms();
	struct sink s;

	sink_start(&s, "5");
	kit_configure("relay smtp://[127.0.0.1]:%d", s.port);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(submit(NULL, "Subject: x\n\nx\n", "bob@example.net", NULL), 0);
	WAIT_FOR(sink_messages(&s) == N);
	WAIT_FOR(files_in("msg") == 0);
	ck_assert_uint_eq(count_text(kit.log, "status=sent"), N);
	ck_assert_uint_le(
	    count_pids("status=sent"), 2 + (size_t)(kit_now_ms() - start_ms) / STAYS_MS);
	sink_stop(&s);
}
END_TEST

START_TEST(resident_runner_is_woken)
{
	int listener = listen_alone(), fd;
	int64_t last_ms;
	struct child r;

	child_start(&r, NULL, "-q5m", NULL);
	WAIT_FOR(runner_present("full"));
	ck_assert_int_eq(submit(NULL, "Subject: 1\n\n1\n", "bob@example.net", NULL), 0);
	server_greet(fd = server_accept(listener));
	last_ms = kit_now_ms();
	server_take(fd);
	WAIT_FOR(files_in("msg") == 0);
	ck_assert_int_eq(submit(NULL, "Subject: 2\n\n2\n", "bob@example.net", NULL), 0);
	take_one_more(&fd, listener, last_ms);
	WAIT_FOR(files_in("msg") == 0);
	ck_assert(!runner_present(own_lock()));
	ck_assert_uint_eq(count_pids("status=sent"), 1);
	kill(r.pid, SIGTERM);
	ck_assert_int_eq(child_end(&r), 0);
	server_hear_end(fd);
}
END_TEST

/* Mail submitted during a queue run goes with it, and over its connection. */
START_TEST(queue_run_takes_what_comes)
{
	int listener = listen_alone(), fd;
	struct child r;

	ck_assert_int_eq(submit(NULL, "Subject: 1\n\n1\n", "-odq", "bob@example.net", NULL), 0);
	child_start(&r, NULL, "-q", NULL);
	server_greet(fd = server_accept(listener));
	server_envelope(fd);
	ck_assert_int_eq(submit(NULL, "Subject: 2\n\n2\n", "bob@example.net", NULL), 0);
	ck_assert(!runner_present(own_lock()));
	server_say(fd, "250 2.0.0 taken");
	server_take(fd);
	ck_assert_int_eq(child_end(&r), 0);
	ck_assert_uint_eq(files_in("ctl") + files_in("msg"), 0);
	server_hear_end(fd);
}
END_TEST

/*
 * A message can be seen before its submitter has made it durable and let go of its lock. Here the
 * test is the submitter, and lets go when the runner has come to the message behind it.
 */
START_TEST(lock_that_is_let_go)
{
	static const char *const modes[] = {"-q", "-q5m"};
	int listener = listen_alone(), fd, lock;
	struct child r;

	fill_spool(2);
	lock = lock_oldest();
	child_start(&r, NULL, modes[_i], NULL);
	server_greet(fd = server_accept(listener));
	server_envelope(fd);
	close(lock);
	server_say(fd, "250 2.0.0 taken");
	server_take(fd);
	WAIT_FOR(files_in("msg") == 0);
	if (_i == 1)
		kill(r.pid, SIGTERM); /* the other ends by itself */
	ck_assert_int_eq(child_end(&r), 0);
	close(fd);
}
END_TEST

START_TEST(foreground_waits)
{
	int listener = listen_alone(), fd;
	struct child c;

	child_start(&c, NULL, "-odi", "bob@example.net", NULL);
	child_feed(&c, "Subject: 1\n\n1\n");
	child_end_of_input(&c);
	fd = server_accept(listener);
	server_greet(fd);
	server_take(fd);
	ck_assert_int_eq(child_end(&c), 0);
	ck_assert_uint_eq(files_in("ctl") + files_in("msg"), 0);
	server_hear_end(fd);
}
END_TEST

START_TEST(queued_only)
{
	int listener = listen_alone();

	ck_assert_int_eq(submit(NULL, "Subject: 1\n\n1\n", "-odq", "bob@example.net", NULL), 0);
	ck_assert(!runner_present(own_lock()));
	ck_assert(!server_called(listener));
	ck_assert_uint_eq(files_in("ctl"), 1);
}
END_TEST

Suite *
suite_whole_background(void)
{
	const TTest *const tests[] = {submitter_does_not_wait,
	    new_configuration_counts_for_the_next_message, child_is_detached,
	    child_keeps_nothing_of_the_callers, many_submissions_few_runners,
	    resident_runner_is_woken, queue_run_takes_what_comes, foreground_waits, queued_only};
	Suite *s = whole_suite("whole_background", tests, sizeof(tests) / sizeof(tests[0]));

	whole_loop(s, lock_that_is_let_go, 2);
	return s;
}
