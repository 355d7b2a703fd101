/*
 * A resident runner's two processes, as keeper.h promises, and what confinement means for them.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "kit.h"
#include "suites.h"
#include "whole.h"

static void
stop(struct child *r)
{
	kill(r->pid, SIGTERM);
	ck_assert_int_eq(child_end(r), 0);
}

/* Nobody can tell the runner anything any more, and the next one that is started must find the lock free. */
START_TEST(killed_keeper_takes_its_runner_along)
{
	static struct child r;

	child_start(&r, NULL, "-q5m", NULL);
	WAIT_FOR(runner_present("full"));
	kill(r.pid, SIGKILL);
	WAIT_FOR(!runner_present("full"));
	ck_assert_int_eq(child_end(&r), 128 + SIGKILL);
}
END_TEST

/* A confined run may not open the new file: another takes its place, and finds the hub where it is now. */
START_TEST(replaced_file_is_read_by_a_new_runner)
{
	static struct child r;
	char hosts[96], fresh[104];
	int port, listener = server_listen(&port), fd;

	snprintf(hosts, sizeof(hosts), "%s/hosts", kit.dir);
	snprintf(fresh, sizeof(fresh), "%s.new", hosts);
	whole_write_file(hosts, "127.0.0.1 other.lan\n");
	whole_write_file(fresh, "127.0.0.1 hub.lan\n");
	kit_configure("hosts %s\nrelay smtp://hub.lan:%d\nnameserver 127.0.0.1:1", hosts, port);
	child_start(&r, NULL, "-q1s", NULL);
	WAIT_FOR(runner_present("full"));
	ck_assert_int_eq(rename(fresh, hosts), 0);
	ck_assert_int_eq(submit(NULL, "Subject: 1\n\n1\n", "x@a.example", NULL), 0);
	fd = server_accept(listener);
	server_greet(fd);
	server_take(fd);
	WAIT_FOR(files_in("msg") == 0);
	stop(&r);
	server_hear_end(fd);
}
END_TEST

/* As logrotate(8) does it. */
START_TEST(rotated_log_is_opened_again)
{
	static struct child r;
	char old[96];

	snprintf(old, sizeof(old), "%s.1", kit.log);
	child_start(&r, NULL, "-q5m", NULL);
	WAIT_FOR(runner_present("full"));
	whole_write_file(kit.log, "%s", "the first\n");
	ck_assert_int_eq(rename(kit.log, old), 0);
	kill(r.pid, SIGHUP);
	WAIT_FOR(count_text(kit.log, "configuration read again") == 1);
	WAIT_FOR(runner_present("full"));
	stop(&r);
	ck_assert_uint_eq(count_text(old, "configuration read again"), 0);
}
END_TEST

/* Asks without a pause whether a runner is there, as each submission does once. Ends with the test. */
static pid_t
ask_without_end(void)
{
	pid_t test = getpid(), pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		signal(SIGTERM, SIG_DFL); /* Check's own handler is for a test as a whole */
	while (pid == 0) {
		(void)runner_present("full");
		if (getppid() != test)
			_exit(0);
	}
	return pid;
}

/* Who came first to a lock for a moment was taken for a runner, and the real one was not seen. */
START_TEST(runner_that_starts_while_others_ask_is_seen)
{
	enum { STARTS = 30 };
	static struct child r;
	pid_t askers[2];

	WAIT_FOR(!runner_present("full")); /* makes the spool */
	for (int i = 0; i < 2; i++)
		askers[i] = ask_without_end();
	for (int i = 0; i < STARTS; i++) {
		child_start(&r, NULL, "-q5m", NULL);
		WAIT_FOR(runner_present("full"));
		stop(&r);
	}
	for (int i = 0; i < 2; i++)
		whole_stop(askers[i]);
}
END_TEST

Suite *
suite_whole_keeper(void)
{
	const TTest *const tests[] = {killed_keeper_takes_its_runner_along,
	    replaced_file_is_read_by_a_new_runner, rotated_log_is_opened_again,
	    runner_that_starts_while_others_ask_is_seen};

	return whole_suite("whole_keeper", tests, sizeof(tests) / sizeof(tests[0]));
}
