/*
 * What runs have seen of sites, by the names that sendmail has for it and by sortiectl: real runs, at once and
 * one after the other.
 */
#include <sys/stat.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "kit.h"
#include "suites.h"
#include "whole.h"

#define HELLO "Subject: hello\n\nHello.\n"

/* The program by that name; it must end with that. */
static const char *
called(const char *name, const char *option, int status)
{
	static struct child c;
	const char *const argv[] = {name, "-C", kit.conf, option, NULL};

	child_start_argv(&c, NULL, argv);
	ck_assert_msg(
	    child_end(&c) == status, "%s %s: %s", name, option != NULL ? option : "", c.said);
	return c.said;
}

static const char *
ctl(const char *a, const char *b, const char *d, const char *e)
{
	static struct child c;
	const char *const argv[] = {"sortiectl", "-C", kit.conf, a, b, d, e, NULL};

	child_start_file(&c, NULL, kit.ctl, argv);
	ck_assert_msg(child_end(&c) == EX_OK, "%s: %s", a, c.said);
	return c.said;
}

static void
has(const char *all, const char *part)
{
	ck_assert_msg(strstr(all, part) != NULL, "no \"%s\" in:\n%s", part, all);
}

/* A message for a relay that nobody listens at, and a run. */
static void
try_in_vain(void)
{
	static struct child c;

	kit_configure("relay smtp://[127.0.0.1]:1");
	ck_assert_int_eq(submit(NULL, HELLO, "-odq", "bob@example.net", NULL), 0);
	child_start(&c, NULL, "-q", NULL);
	ck_assert_int_eq(child_end(&c), 0);
}

/* --- hoststat ----------------------------------------------------------------------------- */

START_TEST(hoststat_and_purgestat_by_name)
{
	const char *said = called("hoststat", NULL, EX_OK);

	ck_assert_str_eq(said, "");
	try_in_vain();
	said = called("hoststat", NULL, EX_OK);
	has(said,
	    " -------------- Hostname --------------- How long ago ---------Results---------\n");
	has(said, "\n relay 127.0.0.1:1   ");
	has(said, " 4.4.1 127.0.0.1[127.0.0.1]:1: Connection refused\n");
	said = called("sendmail", "-bh", EX_OK);
	has(said, "\n relay 127.0.0.1:1   ");
	said = called("purgestat", NULL, EX_OK);
	has(said, "forgot 1 site\n");
	said = called("sendmail", "-bh", EX_OK);
	ck_assert_str_eq(said, "");
	try_in_vain();
	(void)called("sendmail", "-bH", EX_OK);
	ck_assert_str_eq(called("hoststat", NULL, EX_OK), "");
	ck_assert_uint_eq(files_in("ctl"), 2);
}
END_TEST

START_TEST(hoststat_without_sortiectl_says_so)
{
	const char *said;

	if (access("/usr/local/sbin/sortiectl", F_OK) == 0)
		return;
	kit_copy_program();
	said = called("hoststat", NULL, EX_OSFILE);
	has(said,
	    "sortiectl, which looks after what is known of hosts: No such file or directory\n");
	ck_assert_ptr_eq(strchr(said, '\n'), said + strlen(said) - 1);
	kit_remove_program();
}
END_TEST

/* --- counting ----------------------------------------------------------------------------- */

static uint64_t
number_in(const char *json, const char *key)
{
	const char *p;
	char quoted[64];

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	p = strstr(json, quoted);
	ck_assert_msg(p != NULL, "no %s in %s", key, json);
	return strtoull(p + strlen(quoted), NULL, 10);
}

/* Each has counted what it delivered, and the file has all of it. */
START_TEST(runs_at_once_add_up)
{
	enum { N = 300, RUNS = 3 };
	static struct child c[RUNS];
	const char *said;
	struct sink s;

	sink_start(&s, "1");
	kit_configure("relay smtp://[127.0.0.1]:%d", s.port);
	fill_spool(N);
	for (int i = 0; i < RUNS; i++)
		child_start(&c[i], NULL, "-q", NULL);
	for (int i = 0; i < RUNS; i++)
		ck_assert_int_eq(child_end(&c[i]), 0);
	sink_has_each_once(&s, N);
	sink_stop(&s);
	said = ctl("sites", "--json", NULL, NULL);
	ck_assert_uint_eq(number_in(said, "sent"), N);
	ck_assert_uint_eq(number_in(said, "messages"), N);
	ck_assert_uint_eq(number_in(said, "deferred"), 0);
	said = ctl("stats", "--json", NULL, NULL);
	ck_assert_uint_eq(number_in(said, "sent"), N);
	ck_assert_uint_eq(number_in(said, "passes"), RUNS);
	ck_assert_uint_ge(number_in(said, "connections"), 1);
	ck_assert_uint_eq(number_in(said, "due"), 0);
}
END_TEST

/* What a run that stays has seen it writes when it is stopped; a reader before has what was written. */
START_TEST(a_run_that_is_stopped_has_written_it_down)
{
	static struct child runner;
	int port, listener = server_listen(&port), fd;

	kit_configure("relay smtp://[127.0.0.1]:%d", port);
	ck_assert_int_eq(submit(NULL, HELLO, "-odq", "bob@example.net", NULL), 0);
	child_start(&runner, NULL, "-q1h", NULL);
	server_greet(fd = server_accept(listener));
	server_take(fd);
	WAIT_FOR(files_in("msg") == 0);
	kill(runner.pid, SIGTERM);
	server_hear_end(fd);
	ck_assert_int_eq(child_end(&runner), 0);
	has(ctl("sites", "127.0.0.1", NULL, NULL),
	    "  recipients  1 sent, 0 bounced; deferred 0 times\n");
	has(ctl("stats", NULL, NULL, NULL), "\n  messages    1 finished; ");
}
END_TEST

/* --- whose it is -------------------------------------------------------------------------- */

enum { NOBODY = 65534 };

/*
 * The folder of the node exporter is root's, the spool is not: who looks at the queue has its owner's rights,
 * the file is made with root's.
 */
START_TEST(root_writes_where_the_owner_may_not)
{
	char folder[96], file[128];
	struct stat st;

	if (geteuid() != 0) {
		printf("whole_sites: root_writes_where_the_owner_may_not: not root, not run\n");
		return;
	}
	snprintf(folder, sizeof(folder), "%s/roots", kit.dir);
	snprintf(file, sizeof(file), "%s/sortie.prom", folder);
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	ck_assert_int_eq(mkdir(kit.spool, 0700), 0);
	ck_assert_int_eq(chown(kit.spool, NOBODY, NOBODY), 0);
	ck_assert_int_eq(chmod(kit.dir, 0755), 0);
	ck_assert_str_eq(ctl("stats", "--prometheus", "--output", file), "");
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_int_eq(st.st_uid, 0);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
	ck_assert_uint_eq(count_text(file, "\nsortie_queue_messages{state=\"due\"} 0\n"), 1);
	snprintf(file, sizeof(file), "%s/ctl", kit.spool);
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_int_eq(st.st_uid, NOBODY);
}
END_TEST

Suite *
suite_whole_sites(void)
{
	const TTest *const tests[] = {hoststat_and_purgestat_by_name,
	    hoststat_without_sortiectl_says_so, runs_at_once_add_up,
	    a_run_that_is_stopped_has_written_it_down, root_writes_where_the_owner_may_not};

	return whole_suite("whole_sites", tests, sizeof(tests) / sizeof(tests[0]));
}
