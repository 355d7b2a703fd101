/*
 * check_item_end.c: how a message leaves the queue: done, in two steps that survive a crash, or damaged, to
 * corrupt/, with a body that is nobody else's and that is safe there first.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/sys.h"
#include "fault.h"
#include "logcap.h"
#include "spooldir.h"
#include "suites.h"

static struct spool *sp;

static void
setup(void)
{
	sp = spooldir_open();
	logcap_start();
}

static void
teardown(void)
{
	fault_disarm();
	sys = sys_libc;
	logcap_stop();
	spooldir_close(&sp);
}

START_TEST(finishing_takes_two_steps)
{
	int fd, body;

	spooldir_queue("a1");
	fd = spooldir_lock(sp, "a1");
	body = spool_open_body(sp, "a1", NULL);
	ck_assert_int_ge(body, 0);
	ck_assert_int_eq(fcntl(body, F_GETFL) & O_ACCMODE, O_RDONLY);
	ck_assert_int_eq(spool_finish(sp, "a1"), 0);
	ck_assert_str_eq(spooldir_state("a1"), "S3");
	ck_assert_uint_eq(spool_batch(sp)->ndirs, 1);
	ck_assert_int_eq(durable_commit(spool_batch(sp)), 0);
	ck_assert_int_eq(spool_remove_body(sp, "a1"), 0);
	ck_assert_str_eq(spooldir_state("a1"), "S1");
	ck_assert_int_eq(spool_remove_body(sp, "a1"), 0); /* gone already is fine */
	ck_assert_int_eq(spool_finish(sp, "a1"), 0);
	fault_arm(1, FAULT_ONCE, EIO);
	ck_assert_int_eq(spool_finish(sp, "a1"), -1);
	fault_disarm();
	ck_assert_int_eq(spool_open_body(sp, "a1", NULL), -1);
	ck_assert_int_eq(errno, ENOENT);
	close(body);
	spool_unlock(&fd);
}
END_TEST

START_TEST(quarantine_takes_both)
{
	size_t n;
	int fd;

	spooldir_queue("a1");
	fd = spooldir_lock(sp, "a1");
	ck_assert_int_eq(spool_quarantine(sp, "a1", NULL, "for a test"), 0);
	spool_unlock(&fd);
	ck_assert_str_eq(spooldir_state("a1"), "S1");
	ck_assert(spooldir_has("corrupt/a1.ctl") && spooldir_has("corrupt/a1.msg"));
	ck_assert_uint_eq(logcap_count("a1: moved to corrupt/: for a test"), 1);
	ck_assert_int_eq(spool_count_corrupt(sp, &n), 0);
	ck_assert_uint_eq(n, 1);
	/* S5: there is no body. */
	spooldir_write("ctl/a2", "x");
	ck_assert_int_eq(spool_quarantine(sp, "a2", "a2", "no body"), 0);
	ck_assert(spooldir_has("corrupt/a2.ctl"));
	ck_assert_int_eq(spool_count_corrupt(sp, &n), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(durable_commit(spool_batch(sp)), 0);
}
END_TEST

/* A damaged file may name any body: another message's is not taken from it. */
START_TEST(quarantine_takes_no_body_of_another)
{
	spooldir_queue("a1");
	spooldir_write("ctl/bad", "x");
	ck_assert_int_eq(spool_quarantine(sp, "bad", "a1", "damaged"), 0);
	ck_assert_str_eq(spooldir_state("a1"), "S4");
	spooldir_write("ctl/bad", "x");
	ck_assert_int_eq(spool_quarantine(sp, "bad", "../wake", "damaged"), 0);
	ck_assert(spooldir_has("wake"));
	spooldir_write("ctl/bad", "x");
	spooldir_write("msg/lone", "x");
	ck_assert_int_eq(spool_quarantine(sp, "bad", "lone", "damaged"), 0);
	ck_assert(spooldir_has("corrupt/bad.msg"));
}
END_TEST

static void
name_twice(const char *old, const char *new)
{
	char from[300];

	snprintf(from, sizeof(from), "%s", spooldir_path(old));
	ck_assert_int_eq(link(from, spooldir_path(new)), 0);
}

/* A power cut in mid-rename may have left both names. */
START_TEST(quarantine_that_was_cut_short_is_finished)
{
	spooldir_queue("a1");
	name_twice("ctl/a1", "corrupt/a1.ctl");
	name_twice("msg/a1", "corrupt/a1.msg");
	ck_assert_int_eq(spool_quarantine(sp, "a1", NULL, "for a test"), 0);
	ck_assert_str_eq(spooldir_state("a1"), "S1");
	ck_assert_uint_eq(spooldir_count("corrupt"), 2);
}
END_TEST

/* Else cleaning would take the body, while nothing says any more that it belongs to something. */
START_TEST(quarantine_has_the_body_safe_before_the_control_file)
{
	spooldir_queue("a1");
	fault_arm(0, FAULT_ONCE, 0);
	ck_assert_int_eq(spool_quarantine(sp, "a1", NULL, "for a test"), 0);
	ck_assert_uint_eq(fault_calls("fsync"), 2);
	fault_disarm();
}
END_TEST

START_TEST(quarantine_that_fails_leaves_it_in_the_queue)
{
	spooldir_queue("a1");
	for (unsigned i = 0; i < 6; i++) {
		/* open; rename, fsync of the body; when it is gone already, fsync, rename, fsync */
		static const unsigned calls[] = {1, 4, 5, 4, 7, 8};

		fault_arm(calls[i], FAULT_ONCE, EIO);
		ck_assert_int_eq(spool_quarantine(sp, "a1", NULL, "for a test"), -1);
		fault_disarm();
		ck_assert_int_eq(spooldir_has("ctl/a1"), i < 5);
	}
	ck_assert_uint_eq(logcap_count("a1: for a test; it cannot be moved to corrupt/: "), 6);
	ck_assert_uint_eq(logcap_count("corrupt"), 6);
}
END_TEST

Suite *
suite_item_end(void)
{
	Suite *s = suite_create("item_end");
	TCase *tc = tcase_create("item_end");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, finishing_takes_two_steps);
	tcase_add_test(tc, quarantine_takes_both);
	tcase_add_test(tc, quarantine_takes_no_body_of_another);
	tcase_add_test(tc, quarantine_that_was_cut_short_is_finished);
	tcase_add_test(tc, quarantine_has_the_body_safe_before_the_control_file);
	tcase_add_test(tc, quarantine_that_fails_leaves_it_in_the_queue);
	suite_add_tcase(s, tc);
	return s;
}
