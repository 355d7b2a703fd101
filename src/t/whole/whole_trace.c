/*
 * sortiectl trace beside runners that work: who keeps the conversation, and what a killed one leaves. The
 * server is the test; runs have confined themselves.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "kit.h"
#include "suites.h"
#include "whole.h"

static int port;
static char file[160]; /* of the conversation with the relay */

static int
listen_as_relay(void)
{
	int listener = server_listen(&port);

	whole_write_file(kit.conf,
	    "hostname here.example\nspool %s\nlog %s\nrefuse none\nretry 1h 1h\n"
	    "relay smtp://[127.0.0.1]:%d\n",
	    kit.spool, kit.log, port);
	snprintf(file, sizeof(file), "%s/trace/relay 127.0.0.1:%d", kit.spool, port);
	return listener;
}

/* Runs it; it must end with that, and say that. */
static void
ctl(const char *a, const char *b, const char *c, int status, const char *says)
{
	static struct child child;
	const char *const argv[] = {"sortiectl", "-C", kit.conf, a, b, c, NULL};

	child_start_file(&child, NULL, kit.ctl, argv);
	ck_assert_int_eq(child_end(&child), status);
	ck_assert_msg(strstr(child.said, says) != NULL, "not \"%s\" but: %s", says, child.said);
}

static void
submit_one(const char *to)
{
	ck_assert_int_eq(
	    submit(NULL, "Subject: x\n\nx\n", "-odq", "-f", "root@here.example", to, NULL), 0);
}

/* A runner looks once an hour, and is waiting: it is told, and keeps what comes next. */
START_TEST(a_runner_that_stays_keeps_the_next_conversation)
{
	static struct child runner;
	int listener = listen_as_relay(), fd;

	submit_one("x@a.example");
	child_start(&runner, NULL, "-q1h", NULL);
	fd = server_accept(listener);
	server_say(fd, "421 4.3.2 not now");
	WAIT_FOR(count_text(kit.log, "status=deferred") == 1);
	close(fd);
	ctl("trace", "a.example", NULL, EX_OK,
	    "now:   sortiectl retry --site a.example\nthen:  sortiectl trace --show a.example\n");
	ctl("retry", "--site", "a.example", EX_OK, "retrying 1 message\n");
	server_greet(fd = server_accept(listener));
	server_envelope(fd);
	WAIT_FOR(count_text(file, "octets of message") == 1);
	ctl("trace", NULL, NULL, EX_OK, "under way");
	ctl("trace", "--show", "a.example", EX_OK, "it goes on");
	server_say(fd, "250 2.0.0 taken");
	server_hear_end(fd);
	WAIT_FOR(count_text(file, "Z -- end\n") == 1);
	ctl("trace", "--show", "a.example", EX_OK, "250 2.0.0 taken\n");
	ctl("trace", NULL, NULL, EX_OK, "  kept ");
	kill(runner.pid, SIGTERM);
	ck_assert_int_eq(child_end(&runner), 0);
	ck_assert_uint_eq(count_text(file, "421"), 0);
}
END_TEST

/* What was said up to then is there, and it is not taken for the whole; mail goes on as if nobody had asked. */
START_TEST(a_killed_runner_leaves_what_it_had)
{
	static struct child runner, next;
	int listener = listen_as_relay(), fd;

	submit_one("x@a.example");
	ctl("trace", "a.example", NULL, EX_OK, "; sortie -q\n");
	child_start(&runner, NULL, "-q", NULL);
	server_greet(fd = server_accept(listener));
	server_hear(fd, "MAIL FROM:<");
	WAIT_FOR(count_text(file, ">>> 127.0.0.1[127.0.0.1]") >= 2);
	kill(runner.pid, SIGKILL);
	ck_assert_int_eq(child_end(&runner), 128 + SIGKILL);
	close(fd);
	ctl("trace", NULL, NULL, EX_OK, "unfinished");
	ctl("trace", "--show", "a.example", EX_OK, "its end is missing");
	child_start(&next, NULL, "-q", NULL);
	server_greet(fd = server_accept(listener));
	server_take(fd);
	server_hear_end(fd);
	ck_assert_int_eq(child_end(&next), 0);
	ck_assert_uint_eq(count_text(file, "250 2.0.0 taken"), 0);
	ctl("trace", "--off", NULL, EX_OK, "removed 1\n");
	ck_assert_uint_eq(files_in("ctl") + files_in("msg"), 0);
}
END_TEST

/* Two connections at once, of two runs: one is kept, whole, and not a line of the other. */
START_TEST(of_two_runners_one_keeps_it)
{
	static struct child one, two;
	int listener = listen_as_relay(), first, second;

	submit_one("x@a.example");
	submit_one("y@b.example");
	ctl("trace", "a.example", NULL, EX_OK, "will be kept");
	child_start(&one, NULL, "-qRa.example", NULL);
	first = server_accept(listener);
	child_start(&two, NULL, "-qRb.example", NULL);
	server_greet(second = server_accept(listener));
	server_take(second);
	server_greet(first);
	server_take(first);
	server_hear_end(second);
	server_hear_end(first);
	ck_assert_int_eq(child_end(&one), 0);
	ck_assert_int_eq(child_end(&two), 0);
	ck_assert_uint_eq(count_text(file, "RCPT TO:<x@a.example>"), 1);
	ck_assert_uint_eq(count_text(file, "RCPT TO:<y@b.example>"), 0);
	ck_assert_uint_eq(count_text(file, "Z -- end\n"), 1);
}
END_TEST

Suite *
suite_whole_trace(void)
{
	const TTest *const tests[] = {
	    a_runner_that_stays_keeps_the_next_conversation,
	    a_killed_runner_leaves_what_it_had,
	    of_two_runners_one_keeps_it,
	};

	return whole_suite("whole_trace", tests, sizeof(tests) / sizeof(tests[0]));
}
