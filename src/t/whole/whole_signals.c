/*
 * Signals to a runner, as runner.c promises; and how queue runs end.
 */
#include <sys/stat.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "kit.h"
#include "suites.h"
#include "whole.h"

/* A runner in mid-work: a message of its own to each of two sites. */
struct scene {
	struct child runner;
	int listener, other_listener;
	int past_dot; /* the whole message is here, and not answered */
	int other; /* greeted, and MAIL is here */
};

/* The first message only. */
static void
set_scene(struct scene *sc, const char *mode)
{
	ck_assert_int_eq(submit(NULL, "Subject: 1\n\n1\n", "-odq", "x@a.example", NULL), 0);
	child_start(&sc->runner, NULL, mode, NULL);
	sc->past_dot = server_accept(sc->listener);
	server_greet(sc->past_dot);
	server_envelope(sc->past_dot);
}

static void
set_stage(struct scene *sc)
{
	int a, b;

	sc->listener = server_listen(&a);
	sc->other_listener = server_listen(&b);
	kit_configure(
	    "route a.example smtp://[127.0.0.1]:%d\nroute b.example smtp://[127.0.0.1]:%d", a, b);
}

static void
set_full_scene(struct scene *sc)
{
	set_stage(sc);
	ck_assert_int_eq(submit(NULL, "Subject: 2\n\n2\n", "-odq", "x@b.example", NULL), 0);
	set_scene(sc, "-q");
	sc->other = server_accept(sc->other_listener);
	server_greet(sc->other);
	server_hear(sc->other, "MAIL FROM:<");
}

static void
must_close(int fd)
{
	char rest[HEARD_MAX];

	while (read(fd, rest, sizeof(rest)) > 0)
		;
	close(fd);
}

/* What is behind its dot is waited for and recorded; the others close and stay queued. */
START_TEST(term_waits_for_answers)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	struct scene sc;

	set_full_scene(&sc);
	kill(sc.runner.pid, signals[_i]);
	must_close(sc.other);
	server_say(sc.past_dot, "250 2.0.0 taken");
	ck_assert_int_eq(child_end(&sc.runner), 0);
	server_hear_end(sc.past_dot);
	ck_assert_uint_eq(files_in("ctl"), 1);
	ck_assert_uint_eq(files_in("msg"), 1);
	ck_assert_uint_eq(count_text(kit.log, "status=sent"), 1);
	ck_assert_uint_eq(count_text(kit.log, "status=bounced"), 0);
}
END_TEST

/* The second signal does not wait: the message may come twice, and the log says so. */
START_TEST(second_term_does_not_wait)
{
	struct scene sc;

	set_full_scene(&sc);
	kill(sc.runner.pid, SIGTERM);
	must_close(sc.other); /* it has heard the first */
	kill(sc.runner.pid, SIGTERM);
	must_close(sc.past_dot);
	ck_assert_int_eq(child_end(&sc.runner), 0);
	ck_assert_uint_eq(files_in("ctl"), 2);
	ck_assert_uint_eq(count_text(kit.log, "status=sent"), 0);
	ck_assert_uint_eq(count_text(kit.log, "duplicate"), 1);
}
END_TEST

START_TEST(term_while_idle)
{
	struct child r;

	child_start(&r, NULL, "-q5m", NULL);
	WAIT_FOR(runner_present("full"));
	kill(r.pid, SIGTERM);
	ck_assert_int_eq(child_end(&r), 0);
}
END_TEST

/* --- SIGHUP to a resident runner ---------------------------------------------------------- */

START_TEST(hup_reads_a_good_configuration)
{
	struct scene sc;
	int port, other, fd;

	set_stage(&sc);
	set_scene(&sc, "-q5m");
	other = server_listen(&port);
	kit_configure("relay smtp://[127.0.0.1]:%d", port);
	kill(sc.runner.pid, SIGHUP);
	server_say(sc.past_dot, "250 2.0.0 taken"); /* the pass is finished first */
	WAIT_FOR(count_text(kit.log, "configuration read again") == 1);
	ck_assert_uint_eq(count_text(kit.log, "status=sent"), 1);
	server_hear_end(sc.past_dot);
	WAIT_FOR(runner_present("full"));
	ck_assert_int_eq(submit(NULL, "Subject: 2\n\n2\n", "x@a.example", NULL), 0);
	fd = server_accept(other);
	server_greet(fd);
	server_take(fd);
	WAIT_FOR(files_in("msg") == 0);
	ck_assert_uint_eq(count_pids("status=sent"), 2); /* each with a runner of its own */
	kill(sc.runner.pid, SIGTERM);
	ck_assert_int_eq(child_end(&sc.runner), 0);
	ck_assert(!server_called(sc.listener));
}
END_TEST

/*
 * What is not past its dot is not waited for: with a slow site the pass could take hours, and no
 * other mail would go meanwhile. It goes with the next pass, which begins at once.
 */
START_TEST(hup_ends_a_long_pass)
{
	struct scene sc;

	set_stage(&sc);
	ck_assert_int_eq(submit(NULL, "Subject: 2\n\n2\n", "-odq", "x@b.example", NULL), 0);
	set_scene(&sc, "-q5m");
	sc.other = server_accept(sc.other_listener);
	server_greet(sc.other);
	server_hear(sc.other, "MAIL FROM:<");
	kill(sc.runner.pid, SIGHUP);
	must_close(sc.other);
	server_say(sc.past_dot, "250 2.0.0 taken");
	sc.other = server_accept(sc.other_listener);
	ck_assert_uint_eq(count_text(kit.log, "configuration read again"), 1);
	server_greet(sc.other);
	server_take(sc.other);
	WAIT_FOR(files_in("msg") == 0);
	ck_assert_uint_eq(count_text(kit.log, "status=sent"), 2);
	server_hear_end(sc.past_dot);
	kill(sc.runner.pid, SIGTERM);
	ck_assert_int_eq(child_end(&sc.runner), 0);
}
END_TEST

START_TEST(hup_keeps_the_old_for_a_bad_one)
{
	struct scene sc;
	char good[80];
	int fd;

	set_stage(&sc);
	set_scene(&sc, "-q5m");
	server_say(sc.past_dot, "250 2.0.0 taken");
	WAIT_FOR(files_in("msg") == 0);
	snprintf(good, sizeof(good), "%s.good", kit.dir);
	ck_assert_int_eq(rename(kit.conf, good), 0);
	kit_configure("frobnicate yes");
	kill(sc.runner.pid, SIGHUP);
	WAIT_FOR(count_text(kit.log, "the old configuration is kept") == 1);
	ck_assert_int_eq(rename(good, kit.conf), 0); /* for the submitter */
	server_hear_end(sc.past_dot);
	WAIT_FOR(runner_present("full"));
	ck_assert_int_eq(submit(NULL, "Subject: 2\n\n2\n", "x@a.example", NULL), 0);
	fd = server_accept(sc.listener);
	server_greet(fd);
	server_take(fd);
	WAIT_FOR(files_in("msg") == 0);
	ck_assert_uint_eq(count_pids("status=sent"), 2); /* each with a runner of its own */
	kill(sc.runner.pid, SIGTERM);
	ck_assert_int_eq(child_end(&sc.runner), 0);
}
END_TEST

/* One server that lets a resident runner wait does not keep the others' mail from its next try. */
START_TEST(long_first_pass_holds_nothing_up)
{
	struct scene sc;

	set_stage(&sc);
	ck_assert_int_eq(submit(NULL, "Subject: 2\n\n2\n", "-odq", "x@b.example", NULL), 0);
	set_scene(&sc, "-q1s");
	close(server_accept(sc.other_listener));
	WAIT_FOR(count_text(kit.log, "status=deferred") == 1);
	sc.other = server_accept(sc.other_listener);
	server_greet(sc.other);
	server_take(sc.other);
	WAIT_FOR(files_in("msg") == 1);
	server_say(sc.past_dot, "250 2.0.0 taken");
	WAIT_FOR(files_in("msg") == 0);
	kill(sc.runner.pid, SIGTERM);
	ck_assert_int_eq(child_end(&sc.runner), 0);
}
END_TEST

/* Nothing is wrong with its lines, but nobody can run with it: no reason to stop, either. */
START_TEST(hup_keeps_the_old_for_one_that_cannot_start)
{
	struct scene sc;

	set_stage(&sc);
	set_scene(&sc, "-q5m");
	kit_configure("relay submission://me@mail.example\nauth %s/none", kit.dir);
	for (int i = 0; i < 3; i++)
		kill(sc.runner.pid, SIGHUP);
	server_say(sc.past_dot, "250 2.0.0 taken");
	/* once, but for a signal that the keeper got when the first runner had gone already */
	WAIT_FOR(count_text(kit.log, "the old configuration is kept") >= 1);
	ck_assert_uint_ge(count_text(kit.log, "none: No such file"), 1);
	ck_assert_uint_le(count_text(kit.log, "none: No such file"), 3);
	WAIT_FOR(runner_present("full"));
	server_hear_end(sc.past_dot);
	kill(sc.runner.pid, SIGTERM);
	ck_assert_int_eq(child_end(&sc.runner), 0);
}
END_TEST

/* --- how queue runs end ------------------------------------------------------------------- */

/* The pass was made: whatever became of the mail. */
START_TEST(run_with_trouble_is_0)
{
	int port;

	close(server_listen(&port));
	kit_configure("relay smtp://[127.0.0.1]:%d", port);
	ck_assert_int_eq(submit(NULL, "Subject: 1\n\n1\n", "-odq", "x@a.example", NULL), 0);
	ck_assert_int_eq(submit(NULL, "", "-q", NULL), 0);
	ck_assert_uint_ge(count_text(kit.log, "status=deferred"), 1); /* due again in a second */
	ck_assert_uint_eq(files_in("ctl"), 1);
}
END_TEST

/* Whoever starts it by hand, or cron, must see why nothing goes. */
START_TEST(run_that_cannot_start_says_why)
{
	static struct child c;

	kit_configure("relay submission://me@mail.example\nauth %s/none", kit.dir);
	ck_assert_int_eq(submit(NULL, "Subject: 1\n\n1\n", "-odq", "x@a.example", NULL), 0);
	child_start(&c, NULL, "-q", NULL);
	ck_assert_int_eq(child_end(&c), EX_CONFIG);
	ck_assert_ptr_nonnull(strstr(c.said, "sortie: "));
	ck_assert_ptr_nonnull(strstr(c.said, "/none: No such file"));
	ck_assert_uint_eq(count_text(kit.log, "/none: No such file"), 1);
	ck_assert_uint_eq(files_in("ctl"), 1);
}
END_TEST

START_TEST(spool_without_parent)
{
	whole_write_file(kit.conf, "spool %s/none/spool\nlog %s\n", kit.dir, kit.log);
	ck_assert_int_eq(submit(NULL, "", "-q", NULL), EX_CANTCREAT);
	ck_assert_int_eq(submit(NULL, "x\n", "x@a.example", NULL), EX_CANTCREAT);
}
END_TEST

static void
as_nobody(void)
{
	if (setgid(65534) != 0 || setuid(65534) != 0)
		_exit(125);
}

/* Somebody else's spool: refused, because rights are missing that a setuid program would have. */
START_TEST(spool_of_somebody_else)
{
	struct child c;

	if (getuid() != 0)
		return;
	fill_spool(1);
	kit_copy_program();
	ck_assert_int_eq(chmod(kit.dir, 0711), 0);
	ck_assert_int_eq(chmod(kit.conf, 0644), 0);
	whole_write_file(kit.log, "%s", "");
	ck_assert_int_eq(chmod(kit.log, 0666), 0);
	child_start(&c, as_nobody, "-q", NULL);
	ck_assert_int_eq(child_end(&c), EX_TEMPFAIL);
	ck_assert_ptr_nonnull(strstr(c.said, "nosuid"));
	ck_assert_int_eq(submit(as_nobody, "x\n", "-odq", "x@a.example", NULL), EX_TEMPFAIL);
	ck_assert_uint_eq(files_in("ctl"), 1);
}
END_TEST

Suite *
suite_whole_signals(void)
{
	const TTest *const tests[] = {second_term_does_not_wait, term_while_idle,
	    hup_reads_a_good_configuration, hup_ends_a_long_pass, hup_keeps_the_old_for_a_bad_one,
	    hup_keeps_the_old_for_one_that_cannot_start, long_first_pass_holds_nothing_up,
	    run_with_trouble_is_0, run_that_cannot_start_says_why, spool_without_parent,
	    spool_of_somebody_else};
	Suite *s = whole_suite("whole_signals", tests, sizeof(tests) / sizeof(tests[0]));

	whole_loop(s, term_waits_for_answers, 3);
	return s;
}
