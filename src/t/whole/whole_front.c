/*
 * The front: what it leaves to the whole program, and what becomes of mail when that fails.
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

#define HELLO "Subject: hello\n\nHello.\n"

static const char *const deliveries[] = {"-odb", "-odi", "-v"};

/* A front with another program beside it. */
static void
put_beside(const char *script)
{
	kit_copy_program();
	ck_assert_int_eq(unlink(kit.sortie), 0);
	whole_write_file(kit.sortie, "#!/bin/sh\n%s\n", script);
	ck_assert_int_eq(chmod(kit.sortie, 0755), 0);
}

/* It is queued, and the caller must not send it again, whatever the whole program makes of it. */
START_TEST(whole_program_that_fails)
{
	put_beside("exit 70");
	ck_assert_int_eq(submit(NULL, HELLO, deliveries[_i], "bob@example.net", NULL), 0);
	ck_assert_uint_eq(files_in("ctl"), 1);
	kit_remove_program();
}
END_TEST

START_TEST(whole_program_that_crashes)
{
	put_beside("kill -SEGV $$");
	ck_assert_int_eq(submit(NULL, HELLO, deliveries[_i], "bob@example.net", NULL), 0);
	ck_assert_uint_eq(files_in("ctl"), 1);
	kit_remove_program();
}
END_TEST

START_TEST(whole_program_that_cannot_be_started)
{
	put_beside("");
	whole_write_file(kit.sortie, "#!/nonexistent/interpreter\n");
	ck_assert_int_eq(submit(NULL, HELLO, deliveries[_i], "bob@example.net", NULL), 0);
	ck_assert_uint_eq(files_in("ctl"), 1);
	WAIT_FOR(count_text(kit.log, "the message waits for a queue run") == 1);
	ck_assert_int_eq(submit(NULL, "", "-q", NULL), EX_OSFILE);
	kit_remove_program();
}
END_TEST

/* Its exit status and its words are the front's: a queue run that failed has failed. */
START_TEST(queue_run_is_the_whole_programs)
{
	struct child c;

	put_beside("echo $0 $*; exit 75");
	child_start(&c, NULL, "-qRbob", NULL);
	ck_assert_int_eq(child_end(&c), EX_TEMPFAIL);
	ck_assert_ptr_nonnull(strstr(c.said, " -qRbob\n"));
	kit_remove_program();
}
END_TEST

/* A signal for the front is for the delivery; the message stays. */
START_TEST(stop_in_mid_delivery)
{
	static const int stops[] = {SIGTERM, SIGINT, SIGHUP};
	struct child c;
	int port, listener = server_listen(&port), fd;

	kit_configure("relay smtp://[127.0.0.1]:%d", port);
	child_start(&c, NULL, "-odi", "bob@example.net", NULL);
	child_feed(&c, HELLO);
	child_end_of_input(&c);
	fd = server_accept(listener);
	server_greet(fd);
	server_hear(fd, "MAIL FROM:<");
	kill(c.pid, stops[_i]);
	ck_assert_int_eq(child_end(&c), 0);
	ck_assert_uint_eq(files_in("ctl"), 1);
	close(fd);
}
END_TEST

/* Names in a configuration may be relative to where the caller is. */
static void
in_the_tests_folder(void)
{
	if (chdir(kit.dir) != 0)
		_exit(125);
}

START_TEST(relative_configuration)
{
	int port, listener = server_listen(&port), fd;

	kit_configure("relay smtp://[127.0.0.1]:%d", port);
	snprintf(kit.conf, sizeof(kit.conf), "./conf");
	ck_assert_int_eq(submit(in_the_tests_folder, HELLO, "bob@example.net", NULL), 0);
	fd = server_accept(listener);
	server_greet(fd);
	server_take(fd);
	WAIT_FOR(files_in("msg") == 0);
	close(fd);
}
END_TEST

Suite *
suite_whole_front(void)
{
	const TTest *const tests[] = {queue_run_is_the_whole_programs, relative_configuration};
	Suite *s = whole_suite("whole_front", tests, sizeof(tests) / sizeof(tests[0]));

	whole_loop(s, whole_program_that_fails, 3);
	whole_loop(s, whole_program_that_crashes, 3);
	whole_loop(s, whole_program_that_cannot_be_started, 3);
	whole_loop(s, stop_in_mid_delivery, 3);
	return s;
}
