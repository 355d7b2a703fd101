/*
 * check_scan.c: going through the spool: a scan sees what is queued and goes on over what it cannot read;
 * cleaning removes what crashes left behind, and never what somebody may still want.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "fault.h"
#include "logcap.h"
#include "spooldir.h"
#include "suites.h"

enum { HOUR = 3600 };

static const int64_t now = 1764000000;
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

/* --- scan --- */

struct seen {
	char ids[200];
	int64_t due_at;
	unsigned n, stop_at;
};

static bool
note(void *ctx, const struct spool_entry *entry)
{
	struct seen *seen = ctx;

	strncat(seen->ids, entry->id, sizeof(seen->ids) - strlen(seen->ids) - 1);
	seen->due_at = entry->due_at;
	ck_assert_uint_gt(entry->size, 0);
	return ++seen->n != seen->stop_at;
}

START_TEST(a_scan_sees_what_is_queued)
{
	struct seen seen = {.n = 0};
	int fd;

	ck_assert_int_eq(spool_scan(sp, note, &seen), 0);
	ck_assert_uint_eq(seen.n, 0);
	spooldir_queue("a1");
	spooldir_write("ctl/.nfs000123", "x");
	ck_assert_int_eq(mkdir(spooldir_path("ctl/dir"), 0700), 0);
	spooldir_write("ctl/no id", "x");
	fd = spooldir_lock(sp, "a1");
	ck_assert_int_eq(spool_set_due(fd, now), 0);
	spool_unlock(&fd);
	for (int i = 0; i < 3; i++) {
		memset(&seen, 0, sizeof(seen));
		ck_assert_int_eq(spool_scan(sp, note, &seen), 0);
		ck_assert_str_eq(seen.ids, "a1");
		ck_assert_int_eq(seen.due_at, now);
	}
	ck_assert_uint_eq(logcap_count("2 entries of ctl/"), 1);
	spooldir_write("ctl/\x1b[31m", "x");
	ck_assert_int_eq(spool_scan(sp, note, &seen), 0);
	ck_assert_uint_eq(logcap_count("3 entries of ctl/"), 1);
	ck_assert(!logcap_has("\x1b"));
}
END_TEST

/* They may stand there by the hand of one who was killed before his sync. */
START_TEST(the_names_a_scan_has_seen_are_synced)
{
	struct seen seen = {.n = 0};

	spooldir_queue("a1");
	ck_assert_uint_eq(spool_batch(sp)->ndirs, 0);
	ck_assert_int_eq(spool_scan(sp, note, &seen), 0);
	ck_assert_uint_eq(spool_batch(sp)->ndirs, 1);
	ck_assert_int_eq(durable_commit(spool_batch(sp)), 0);
}
END_TEST

START_TEST(a_scan_can_be_stopped)
{
	struct seen seen = {.stop_at = 2};

	spooldir_queue("a1");
	spooldir_queue("a2");
	spooldir_queue("a3");
	ck_assert_int_eq(spool_scan(sp, note, &seen), 0);
	ck_assert_uint_eq(seen.n, 2);
}
END_TEST

START_TEST(a_scan_goes_on_over_what_fails)
{
	struct seen seen;
	unsigned calls;

	spooldir_queue("a1");
	spooldir_queue("a2");
	memset(&seen, 0, sizeof(seen));
	fault_arm(0, FAULT_ONCE, 0);
	ck_assert_int_eq(spool_scan(sp, note, &seen), 0);
	calls = fault_calls(NULL);
	for (unsigned n = 1; n <= calls; n++) {
		int r;

		memset(&seen, 0, sizeof(seen));
		fault_arm(n, FAULT_ONCE, EIO);
		r = spool_scan(sp, note, &seen);
		if (strcmp(fault_where(), "closedir") == 0)
			ck_assert_int_eq(r, 0);
		else
			ck_assert_int_eq(r, -1);
		if (strcmp(fault_where(), "fstatat") == 0)
			ck_assert_uint_eq(seen.n, 1);
		fault_disarm();
	}
	memset(&seen, 0, sizeof(seen));
	fault_arm(1, FAULT_ONCE, EMFILE);
	ck_assert_int_eq(spool_scan(sp, note, &seen), -1);
	ck_assert_int_eq(errno, EMFILE);
}
END_TEST

static int
fstatat_vanished(int dir, const char *name, struct stat *st, int flags)
{
	if (strcmp(name, "a1") == 0) {
		errno = ENOENT;
		return -1;
	}
	return fstatat(dir, name, st, flags);
}

START_TEST(what_vanishes_during_a_scan_is_no_error)
{
	struct seen seen = {.n = 0};

	spooldir_queue("a1");
	spooldir_queue("a2");
	sys.fstatat = fstatat_vanished;
	ck_assert_int_eq(spool_scan(sp, note, &seen), 0);
	ck_assert_str_eq(seen.ids, "a2");
}
END_TEST

START_TEST(the_owner_is_in_the_first_part)
{
	spooldir_queue("a1");
	ck_assert_int_eq(spool_owner(sp, "a1"), 1000);
	ck_assert_int_eq(spool_owner(sp, "none"), -1);
	spooldir_write("ctl/a2", "");
	ck_assert_int_eq(spool_owner(sp, "a2"), -1);
	spooldir_write("ctl/a2", "no such line\nx\n");
	ck_assert_int_eq(spool_owner(sp, "a2"), -1);
	spooldir_write("ctl/a2", "a\nuid|12x\n");
	ck_assert_int_eq(spool_owner(sp, "a2"), -1);
	spooldir_write("ctl/a2", "a\nuid|12");
	ck_assert_int_eq(spool_owner(sp, "a2"), -1);
	spooldir_write("ctl/a2", "xuid|3\nuid|12\n");
	ck_assert_int_eq(spool_owner(sp, "a2"), 12);
}
END_TEST

START_TEST(due_times_fit_into_every_file_system)
{
	struct stat st;
	int fd;

	spooldir_queue("a1");
	fd = spooldir_lock(sp, "a1");
	ck_assert_int_eq(spool_set_due(fd, INT64_MAX), 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_mtime, INT32_MAX);
	spool_unlock(&fd);
}
END_TEST

/* --- cleaning --- */

START_TEST(cleaning_removes_what_nobody_wants)
{
	const int64_t old = now - 36 * HOUR - 1, young = now - 36 * HOUR + 1;
	int fd;

	spooldir_write("tmp/oldbody", "x");
	spooldir_age("tmp/oldbody", old);
	spooldir_write("tmp/a1.c", "x");
	spooldir_age("tmp/a1.c", old);
	spooldir_write("tmp/odd name", "x");
	spooldir_age("tmp/odd name", old);
	spooldir_write("tmp/young", "x");
	spooldir_age("tmp/young", young);
	spooldir_write("tmp/future", "x");
	spooldir_age("tmp/future", now + HOUR);
	spooldir_write("tmp/.nfs1", "x");
	spooldir_age("tmp/.nfs1", old);
	spooldir_write("tmp/locked", "x");
	spooldir_age("tmp/locked", old);
	fd = open(spooldir_path("tmp/locked"), O_RDWR);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(mkfifo(spooldir_path("tmp/fifo"), 0600), 0);
	spooldir_age("tmp/fifo", old);
	spooldir_write("msg/lone", "x");
	spooldir_age("msg/lone", old);
	spooldir_write("msg/lone2", "x");
	spooldir_age("msg/lone2", young);
	spooldir_queue("queued");
	spooldir_age("msg/queued", old);
	spooldir_age("ctl/queued", old);
	spooldir_queue("queued.r1");
	spooldir_age("msg/queued.r1", old);
	spooldir_write("corrupt/x.ctl", "x");
	spooldir_age("corrupt/x.ctl", old);

	spool_clean(sp, now);
	ck_assert(!spooldir_has("tmp/oldbody") && !spooldir_has("tmp/a1.c"));
	ck_assert(!spooldir_has("tmp/odd name"));
	ck_assert(spooldir_has("tmp/young") && spooldir_has("tmp/future"));
	ck_assert(spooldir_has("tmp/.nfs1") && spooldir_has("tmp/locked"));
	ck_assert(spooldir_has("tmp/fifo"));
	ck_assert(!spooldir_has("msg/lone") && spooldir_has("msg/lone2"));
	ck_assert_str_eq(spooldir_state("queued"), "S4");
	ck_assert_str_eq(spooldir_state("queued.r1"), "S4");
	ck_assert(spooldir_has("corrupt/x.ctl"));
	close(fd);
}
END_TEST

static int
flock_after_commit(int fd, int op)
{
	spooldir_write("ctl/lone", "x"); /* its submitter was slow, not dead */
	return flock(fd, op);
}

START_TEST(a_body_queued_in_the_last_moment_stays)
{
	spooldir_write("msg/lone", "x");
	spooldir_age("msg/lone", now - 40 * HOUR);
	sys.flock = flock_after_commit;
	spool_clean(sp, now);
	ck_assert_str_eq(spooldir_state("lone"), "S4");
}
END_TEST

START_TEST(cleaning_that_fails_removes_nothing_wanted)
{
	unsigned n = 0;

	do {
		spooldir_queue("queued");
		spooldir_age("msg/queued", now - 40 * HOUR);
		spooldir_write("msg/lone", "x");
		spooldir_age("msg/lone", now - 40 * HOUR);
		fault_arm(++n, FAULT_ONCE, EIO);
		spool_clean(sp, now);
		ck_assert_str_eq(spooldir_state("queued"), "S4");
		fault_disarm();
	} while (fault_fired());
	ck_assert_uint_gt(n, 10);
	ck_assert(!spooldir_has("msg/lone"));
	ck_assert(logcap_has("cannot be cleaned"));
}
END_TEST

START_TEST(a_clock_in_1970_cleans_nothing)
{
	spooldir_write("tmp/a1", "x");
	spool_clean(sp, 100);
	ck_assert(spooldir_has("tmp/a1"));
}
END_TEST

START_TEST(cleaning_is_due_every_six_hours)
{
	ck_assert(spool_clean_due(sp, now));
	ck_assert(!spool_clean_due(sp, now));
	spooldir_reopen(&sp);
	ck_assert(!spool_clean_due(sp, now + 6 * HOUR - 1));
	ck_assert(spool_clean_due(sp, now + 6 * HOUR));
	ck_assert(spool_clean_due(sp, 100)); /* the clock was wrong, then or now */
	ck_assert(spool_clean_due(sp, now));
	for (unsigned n = 1; n <= 5; n++) { /* open, open, fstat, close, write */
		ck_assert_int_eq(unlink(spooldir_path("run/clean")), 0);
		fault_arm(n, FAULT_ONCE, EIO);
		ck_assert_int_eq(spool_clean_due(sp, now), n == 4);
		fault_disarm();
		spooldir_write("run/clean", "");
	}
}
END_TEST

START_TEST(counting_the_corrupt_may_fail)
{
	size_t n = 5;

	fault_arm(1, FAULT_ONCE, EIO);
	ck_assert_int_eq(spool_count_corrupt(sp, &n), -1);
	ck_assert_uint_eq(n, 0);
	fault_arm(3, FAULT_ONCE, EIO);
	ck_assert_int_eq(spool_count_corrupt(sp, &n), -1);
	ck_assert_int_eq(errno, EIO);
}
END_TEST

static void
add_cleaning(TCase *tc)
{
	tcase_add_test(tc, cleaning_removes_what_nobody_wants);
	tcase_add_test(tc, a_body_queued_in_the_last_moment_stays);
	tcase_add_test(tc, cleaning_that_fails_removes_nothing_wanted);
	tcase_add_test(tc, a_clock_in_1970_cleans_nothing);
	tcase_add_test(tc, cleaning_is_due_every_six_hours);
	tcase_add_test(tc, counting_the_corrupt_may_fail);
}

Suite *
suite_scan(void)
{
	Suite *s = suite_create("scan");
	TCase *tc = tcase_create("scan");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_scan_sees_what_is_queued);
	tcase_add_test(tc, the_names_a_scan_has_seen_are_synced);
	tcase_add_test(tc, a_scan_can_be_stopped);
	tcase_add_test(tc, a_scan_goes_on_over_what_fails);
	tcase_add_test(tc, what_vanishes_during_a_scan_is_no_error);
	tcase_add_test(tc, the_owner_is_in_the_first_part);
	tcase_add_test(tc, due_times_fit_into_every_file_system);
	add_cleaning(tc);
	suite_add_tcase(s, tc);
	return s;
}
