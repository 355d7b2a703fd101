/* check_ctl_act.c: what sortiectl does to messages, and what it does while others have them. */
#include <sys/stat.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "logcap.h"
#include "suites.h"
#include "testctl.h"
#include "testspool.h"
#include "vclock.h"

enum { T0 = 1764000000, DAY = 24 * 3600 };

static struct spool *sp;
static struct testctl t;
static struct testctl_queue q;

static void
setup(void)
{
	sp = testctl_begin(&t, T0);
}

static void
teardown(void)
{
	testctl_end(&t, &sp);
}

static bool
is_there(const char *part, const char *id)
{
	char path[1100];

	snprintf(path, sizeof(path), "%s/%s/%s", spool_path(sp), part, id);
	return access(path, F_OK) == 0;
}

static int64_t
hint_of(const char *id)
{
	char path[1100];
	struct stat st;

	snprintf(path, sizeof(path), "%s/ctl/%s", spool_path(sp), id);
	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_mtime;
}

#define RUN(...) testctl_run(&t, __VA_ARGS__, NULL)

/* --- doing something ---------------------------------------------------------------------- */

static void
load(const char *id, struct envelope *e)
{
	envelope_init(e);
	testspool_load(sp, id, e);
}

START_TEST(hold_keeps_and_release_frees_and_makes_due)
{
	struct envelope e;

	testctl_fill(sp, &q);
	ck_assert_int_eq(RUN(ctl_hold, "hold", "--all"), EX_OK);
	ck_assert_str_eq(t.out, "held 2 messages; 1 already held\n");
	load(q.old, &e);
	ck_assert(e.hold);
	envelope_free(&e);
	ck_assert_int_eq(hint_of(q.old), T0 + t.c.program.config.retry_max_s);
	ck_assert(logcap_has(": held by sortiectl (uid "));
	ck_assert_int_eq(RUN(ctl_release, "release", q.old, q.young), EX_OK);
	ck_assert_str_eq(
	    t.out, "released 2 messages; no runner is there, sortie -q delivers now\n");
	load(q.old, &e);
	ck_assert(!e.hold);
	ck_assert_int_le(envelope_due_at(&e), T0);
	envelope_free(&e);
	ck_assert_int_eq(hint_of(q.old), T0);
	ck_assert_int_eq(RUN(ctl_release, "release", q.old), EX_OK);
	ck_assert_str_eq(t.out, "released 0 messages\n");
}
END_TEST

START_TEST(retry_makes_due_and_begins_with_the_first_interval)
{
	struct envelope e;

	testctl_fill(sp, &q);
	testctl_append(
	    sp, q.young, "attempted|1764000500\nretry|900\n"); /* by a clock that was ahead */
	ck_assert_int_eq(RUN(ctl_retry, "retry", "--all"), EX_OK);
	ck_assert_str_eq(t.out,
	    "retrying 2 messages; 1 still held; no runner is there, sortie -q delivers now\n");
	load(q.old, &e);
	ck_assert_int_le(envelope_due_at(&e), T0);
	ck_assert_int_eq(e.retry, 0);
	ck_assert_int_eq(e.attempted, 1763999000);
	envelope_free(&e);
	load(q.young, &e);
	ck_assert_int_le(envelope_due_at(&e), T0);
	envelope_free(&e);
	ck_assert_int_eq(hint_of(q.old), T0);
}
END_TEST

START_TEST(remove_takes_the_control_file_first_and_says_so_in_the_log)
{
	testctl_fill(sp, &q);
	ck_assert_int_eq(RUN(ctl_remove, "remove", "-n", "--older", "1d"), EX_OK);
	testctl_shows(&t, q.old);
	testctl_shows(&t, "would remove 1 message\n");
	ck_assert(is_there("ctl", q.old));
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--older", "1d"), EX_OK);
	ck_assert_str_eq(t.out, "removed 1 message\n");
	ck_assert(!is_there("ctl", q.old));
	ck_assert(!is_there("msg", q.old));
	ck_assert(logcap_has(": to=<dave@mx.two.example>, relay=none, delay=172800, "
			     "delays=172800/0/0/0, dsn=5.0.0, status=removed (by sortiectl, uid "));
	ck_assert(!logcap_has("carol"));
	ck_assert(logcap_has(": removed by sortiectl (uid "));
	ck_assert_int_eq(RUN(ctl_remove, "remove", q.young, q.old), EX_NOINPUT);
	ck_assert_str_eq(t.out, "removed 1 message\n");
	ck_assert_uint_eq(testspool_count(sp), 1);
}
END_TEST

static int no_sync_of_directories;

static int
failing_sync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && no_sync_of_directories) {
		errno = EIO;
		return -1;
	}
	return 0;
}

/* A power cut may bring the control file back; its body must be there then. */
START_TEST(no_body_goes_before_the_sync)
{
	testctl_fill(sp, &q);
	sys.fsync = failing_sync;
	no_sync_of_directories = 1;
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--all"), EX_IOERR);
	ck_assert(!is_there("ctl", q.old));
	ck_assert(is_there("msg", q.old));
	ck_assert(is_there("msg", q.young));
}
END_TEST

START_TEST(remove_for_one_site_leaves_the_other_recipients)
{
	char id[ENVELOPE_ID_MAX + 1];
	struct envelope e;

	testctl_fill(sp, &q);
	testctl_add(sp, id, NULL, 60, "a@one.example", "b@four.example");
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--site", "one.example"), EX_OK);
	ck_assert_str_eq(t.out, "removed 1 message and 1 recipient of others\n");
	ck_assert(!is_there("ctl", q.young));
	load(id, &e);
	ck_assert_uint_eq(e.waiting, 1);
	ck_assert_int_eq(e.rcpts[0].status, RCPT_DELIVERED);
	ck_assert_int_eq(e.rcpts[1].status, RCPT_NEW);
	envelope_free(&e);
	ck_assert_int_eq(RUN(ctl_list, "list", "--site", "one.example"), EX_OK);
	ck_assert_str_eq(t.out, "");
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--recipient", "b@*"), EX_OK);
	ck_assert_str_eq(t.out, "removed 1 message\n");
}
END_TEST

/* The name is in the file, too. */
static void
rename_to(const char *id, const char *name)
{
	char from[1100], to[1100], line[1100];
	FILE *in, *out;

	snprintf(from, sizeof(from), "%s/ctl/%s", spool_path(sp), id);
	snprintf(to, sizeof(to), "%s/ctl/%s", spool_path(sp), name);
	ck_assert_ptr_nonnull(in = fopen(from, "r"));
	ck_assert_ptr_nonnull(out = fopen(to, "w"));
	while (fgets(line, sizeof(line), in) != NULL)
		if (strncmp(line, "msgid|", 6) == 0)
			fprintf(out, "msgid|%s\n", name);
		else
			fputs(line, out);
	fclose(in);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_int_eq(unlink(from), 0);
}

/* Its name is what says after a crash that it was made: without it the original would make another. */
START_TEST(remove_of_a_report_leaves_its_name_until_the_original_has_noted_it)
{
	char original[ENVELOPE_ID_MAX + 1], id[ENVELOPE_ID_MAX + 1], report[ENVELOPE_ID_MAX + 8];
	struct envelope e;

	testctl_add(sp, original, NULL, 60, "gone@one.example", NULL);
	testctl_append(sp, original, "remote|gone@one.example|5|550 no\nreport|1\n");
	testctl_add(sp, id, "", 60, "alice@example.org", NULL);
	testctl_append(sp, id, "hold|1\n");
	snprintf(report, sizeof(report), "%s.r1", original);
	rename_to(id, report);
	ck_assert_int_eq(RUN(ctl_remove, "remove", report), EX_OK);
	ck_assert_str_eq(t.out, "removed 1 message\n");
	load(report, &e);
	ck_assert_uint_eq(e.waiting, 0);
	ck_assert(!e.hold);
	envelope_free(&e);
	ck_assert_int_eq(hint_of(report), T0);
	testctl_append(sp, original, "reported|1\n");
	ck_assert_int_eq(RUN(ctl_remove, "remove", report), EX_OK);
	ck_assert(!is_there("ctl", report));
}
END_TEST

START_TEST(bounce_fails_those_who_wait_and_leaves_the_report_to_the_runner)
{
	struct envelope e;

	testctl_fill(sp, &q);
	ck_assert_int_eq(RUN(ctl_bounce, "bounce", q.old, q.held), EX_OK);
	ck_assert_str_eq(
	    t.out, "returned 2 messages; no runner is there, sortie -q delivers now\n");
	load(q.old, &e);
	ck_assert_uint_eq(e.waiting, 0);
	ck_assert_uint_eq(e.unreported, 1);
	ck_assert_int_eq(e.rcpts[0].status, RCPT_DELIVERED);
	ck_assert_str_eq(
	    e.rcpts[1].reason, "5.0.0 returned by the administrator; last: 451 4.7.1 later");
	ck_assert_int_le(envelope_due_at(&e), T0);
	envelope_free(&e);
	load(q.held, &e);
	ck_assert(!e.hold); /* or no runner would look at it */
	ck_assert_str_eq(e.rcpts[0].reason, "5.0.0 returned by the administrator");
	envelope_free(&e);
	ck_assert(logcap_has("dsn=5.0.0, status=bounced (by sortiectl, uid "));
	ck_assert_int_eq(RUN(ctl_bounce, "bounce", q.old), EX_OK);
	ck_assert_str_eq(t.out, "returned 0 messages\n");
}
END_TEST

/* --- while somebody else works on it ------------------------------------------------------ */

static struct {
	int fd;
	int64_t until_ms;
	const char *id, *lines;
} other; /* has a message's lock until then, and appends these lines before it lets go */

static bool
other_acts(void)
{
	if (other.fd < 0 || vclock_ms() < other.until_ms)
		return false;
	if (other.lines != NULL)
		testctl_append(sp, other.id, other.lines);
	else
		ck_assert_int_eq(spool_finish(sp, other.id), 0);
	spool_unlock(&other.fd);
	return true;
}

static int64_t
other_next(void)
{
	return other.fd < 0 ? INT64_MAX : other.until_ms;
}

static bool
other_knows(int fd)
{
	(void)fd;
	return true;
}

static void
other_has(const char *id, int64_t for_ms, const char *lines)
{
	static const struct vclock_world world = {other_acts, other_next, other_knows};

	ck_assert_int_eq(spool_lock(sp, id, &other.fd), SPOOL_LOCKED);
	other.until_ms = vclock_ms() + for_ms;
	other.id = id;
	other.lines = lines;
	vclock_world(&world);
}

START_TEST(what_is_being_delivered_is_waited_for)
{
	int64_t start = vclock_ms();

	testctl_fill(sp, &q);
	other_has(q.young, 3000, "remote|bob@one.example|4|451 no\n");
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--all"), EX_OK);
	ck_assert_str_eq(t.out, "removed 3 messages\n");
	ck_assert_int_ge(vclock_ms() - start, 3000);
	ck_assert_int_lt(vclock_ms() - start, 4000);
	ck_assert_uint_eq(testspool_count(sp), 0);
}
END_TEST

START_TEST(what_was_delivered_meanwhile_is_not_removed)
{
	testctl_fill(sp, &q);
	other_has(q.young, 3000, NULL);
	ck_assert_int_eq(RUN(ctl_remove, "remove", q.young, q.old), EX_OK);
	ck_assert_str_eq(t.out, "removed 1 message\n");
	ck_assert_str_eq(t.err, "");
}
END_TEST

/* Read before the lock, changed before it: what is there under the lock counts. */
START_TEST(what_does_not_match_any_more_is_left)
{
	testctl_fill(sp, &q);
	other_has(q.young, 1000, "remote|bob@one.example|2|250 ok\n");
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--site", "one.example"), EX_OK);
	ck_assert_str_eq(t.out, "removed 0 messages\n");
	ck_assert(is_there("ctl", q.young));
}
END_TEST

static int
slow_lock(int fd, int op)
{
	vclock_advance(300);
	return sys_libc.flock(fd, op);
}

START_TEST(who_looks_on_sees_how_far_it_is)
{
	testctl_fill(sp, &q);
	t.c.progress = true;
	ck_assert_int_eq(RUN(ctl_retry, "retry", "--all"), EX_OK);
	ck_assert_str_eq(t.err, ""); /* it takes no time */
	sys.flock = slow_lock;
	ck_assert_int_eq(RUN(ctl_remove, "remove", q.young, q.old, "nonsense", q.held), EX_NOINPUT);
	ck_assert_str_eq(t.err,
	    "\r2 looked at, removed 2\033[K\r\033[Ksortiectl: nonsense is not in the queue\n"
	    "\r4 looked at, removed 3\033[K\r\033[K");
}
END_TEST

START_TEST(who_waits_for_others_sees_that)
{
	testctl_fill(sp, &q);
	t.c.progress = true;
	other_has(q.young, 600, NULL);
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--all"), EX_OK);
	testctl_tells(&t, "\rwaiting for what is being delivered: 1\033[K");
	ck_assert(str_ends_i(t.err, "\r\033[K"));
	t.c.progress = false;
	testctl_fill(sp, &q);
	other_has(q.old, 600, NULL);
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--all"), EX_OK);
	ck_assert_str_eq(t.err, "");
}
END_TEST

static int
lock_too_late(int fd, int op)
{
	sys.flock = sys_libc.flock;
	testctl_append(sp, q.young, "remote|bob@one.example|2|250 ok\n");
	return sys_libc.flock(fd, op);
}

START_TEST(what_changed_just_before_the_lock_counts)
{
	testctl_fill(sp, &q);
	sys.flock = lock_too_late;
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--recipient", "bob@*"), EX_OK);
	ck_assert_str_eq(t.out, "removed 0 messages\n");
	ck_assert(is_there("ctl", q.young));
}
END_TEST

START_TEST(nobody_is_waited_for_longer_than_ten_seconds)
{
	int64_t start = vclock_ms();

	testctl_fill(sp, &q);
	other_has(q.young, 3600000, "");
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--all"), EX_TEMPFAIL);
	ck_assert_str_eq(t.out, "removed 2 messages\n");
	testctl_tells(&t, q.young);
	testctl_tells(&t, " is being delivered right now\n");
	ck_assert_int_le(vclock_ms() - start, 10200);
	ck_assert(is_there("ctl", q.young));
	/* to try it again is what is being done */
	ck_assert_int_eq(RUN(ctl_retry, "retry", "--all"), EX_OK);
	ck_assert_str_eq(t.out, "retrying 0 messages; 1 being delivered right now\n");
	spool_unlock(&other.fd);
}
END_TEST

/* --- the disk ----------------------------------------------------------------------------- */

static int
full_disk(int fd, const void *data, size_t n)
{
	(void)fd, (void)data, (void)n;
	errno = ENOSPC;
	return -1;
}

static ssize_t
no_room(int fd, const void *data, size_t n)
{
	return full_disk(fd, data, n);
}

START_TEST(what_cannot_be_written_is_not_counted)
{
	testctl_fill(sp, &q);
	sys.write = no_room;
	ck_assert_int_eq(RUN(ctl_hold, "hold", q.old), EX_TEMPFAIL);
	ck_assert_str_eq(t.out, "held 0 messages\n");
	testctl_tells(&t, "cannot hold it: No space left");
	ck_assert(!logcap_has("held by sortiectl"));
	/* and a full disk is made room on */
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--all"), EX_OK);
	ck_assert_uint_eq(testspool_count(sp), 0);
}
END_TEST

Suite *
suite_ctl_act(void)
{
	Suite *s = suite_create("ctl_act");
	TCase *tc = tcase_create("act");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, hold_keeps_and_release_frees_and_makes_due);
	tcase_add_test(tc, retry_makes_due_and_begins_with_the_first_interval);
	tcase_add_test(tc, remove_takes_the_control_file_first_and_says_so_in_the_log);
	tcase_add_test(tc, no_body_goes_before_the_sync);
	tcase_add_test(tc, remove_for_one_site_leaves_the_other_recipients);
	tcase_add_test(tc, remove_of_a_report_leaves_its_name_until_the_original_has_noted_it);
	tcase_add_test(tc, bounce_fails_those_who_wait_and_leaves_the_report_to_the_runner);
	tcase_add_test(tc, what_cannot_be_written_is_not_counted);
	suite_add_tcase(s, tc);
	tc = tcase_create("busy");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_being_delivered_is_waited_for);
	tcase_add_test(tc, what_was_delivered_meanwhile_is_not_removed);
	tcase_add_test(tc, what_does_not_match_any_more_is_left);
	tcase_add_test(tc, what_changed_just_before_the_lock_counts);
	tcase_add_test(tc, who_looks_on_sees_how_far_it_is);
	tcase_add_test(tc, who_waits_for_others_sees_that);
	tcase_add_test(tc, nobody_is_waited_for_longer_than_ten_seconds);
	suite_add_tcase(s, tc);
	return s;
}
