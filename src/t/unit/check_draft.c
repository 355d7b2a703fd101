#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "fault.h"
#include "spooldir.h"
#include "suites.h"

static struct spool *sp;
static struct draft d;
static struct envelope e;
static char why[300];

static void
setup(void)
{
	sp = spooldir_open();
	envelope_init(&e);
	e.sender = xstrdup("alice@example.org");
	envelope_add(&e, "bob@example.net");
}

static void
teardown(void)
{
	fault_disarm();
	sys = sys_libc;
	envelope_free(&e);
	spooldir_close(&sp);
}

static char *
name(const char *dir, const char *id)
{
	static char s[120];

	snprintf(s, sizeof(s), "%s/%s", dir, id);
	return s;
}

/* Whether somebody else could lock the file now. */
static bool
is_free(const char *file)
{
	int fd = open(spooldir_path(file), O_RDWR);
	bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;

	close(fd);
	return locked;
}

START_TEST(goes_through_the_states)
{
	char id[ENVELOPE_ID_MAX + 1];

	ck_assert_int_eq(draft_open(sp, &d), 0);
	ck_assert_str_eq(spooldir_state(d.id), "S2");
	ck_assert(!is_free(name("tmp", d.id)));
	ck_assert_int_eq(durable_write(d.fd, "Subject: x\r\n\r\n", 14), 0);
	ck_assert_int_eq(draft_commit(sp, &d, &e, NULL), 0);
	ck_assert_str_eq(spooldir_state(d.id), "S4");
	memcpy(id, d.id, sizeof(id));
	ck_assert(!is_free(name("msg", id)));
	draft_abort(sp, &d);
	draft_abort(sp, &d);
	ck_assert_str_eq(spooldir_state(id), "S4");
	ck_assert(is_free(name("msg", id)));
	ck_assert(is_free(name("ctl", id)));
	ck_assert_uint_eq(spooldir_count("tmp"), 0);
	ck_assert_str_eq(spooldir_read(name("msg", id)), "Subject: x\r\n\r\n");
	ck_assert_ptr_nonnull(strstr(spooldir_read(name("ctl", id)), "\nrecipients|1\n"));
	ck_assert_ptr_nonnull(strstr(spooldir_read(name("ctl", id)), id));
	ck_assert_uint_eq(spooldir_mode(name("msg", id)), S_IFREG | 0600);
	ck_assert_uint_eq(spooldir_mode(name("ctl", id)), S_IFREG | 0600);
}
END_TEST

/* The figure at the top of draft.c. */
START_TEST(costs_eleven_calls_and_four_syncs)
{
	unsigned before;

	fault_arm(0, FAULT_ONCE, 0);
	ck_assert_int_eq(draft_open(sp, &d), 0);
	ck_assert_int_eq(durable_write(d.fd, "x", 1), 0);
	before = fault_calls("write") + fault_calls("close");
	ck_assert_int_eq(draft_commit(sp, &d, &e, NULL), 0);
	ck_assert_uint_eq(fault_calls(NULL) - before - fault_calls("close"), 11);
	ck_assert_uint_eq(fault_calls("fsync"), 4);
	draft_abort(sp, &d);
}
END_TEST

START_TEST(an_id_tells_the_time_and_is_new)
{
	struct draft other;

	ck_assert_int_eq(draft_open(sp, &d), 0);
	ck_assert_int_eq(draft_open(sp, &other), 0);
	ck_assert_uint_eq(strlen(d.id), 20);
	ck_assert(envelope_id_ok(d.id));
	ck_assert_str_ne(d.id, other.id);
	ck_assert_int_lt(
	    llabs((long long)time(NULL) - strtoll((char[9]){d.id[0], d.id[1], d.id[2], d.id[3],
						      d.id[4], d.id[5], d.id[6], d.id[7], 0},
					      NULL, 16)),
	    60);
	draft_abort(sp, &d);
	draft_abort(sp, &other);
	ck_assert_uint_eq(spooldir_count("tmp"), 0);
}
END_TEST

static int entropy_calls;

static int
stubborn_entropy(void *buf, size_t n)
{
	memset(buf, entropy_calls++ < 3 ? 7 : 9, n);
	return 0;
}

static long long
stopped_clock(void)
{
	return 1764000000000000000;
}

START_TEST(an_id_that_is_taken_is_not_used)
{
	struct draft other;

	sys.getentropy = stubborn_entropy;
	sys.wall_ns = stopped_clock;
	ck_assert_int_eq(draft_open(sp, &d), 0);
	ck_assert_int_eq(draft_open(sp, &other), 0);
	ck_assert_str_ne(d.id, other.id);
	ck_assert_uint_eq(spooldir_count("tmp"), 2);
	draft_abort(sp, &other);
	ck_assert_int_eq(draft_open(sp, &other), 0);
	draft_abort(sp, &d);
	draft_abort(sp, &other);
}
END_TEST

START_TEST(gives_up_when_every_id_is_taken)
{
	struct draft other;

	entropy_calls = 1000;
	sys.getentropy = stubborn_entropy;
	sys.wall_ns = stopped_clock;
	ck_assert_int_eq(draft_open(sp, &d), 0);
	ck_assert_int_eq(draft_open(sp, &other), -1);
	ck_assert_int_eq(errno, EEXIST);
	draft_abort(sp, &other);
	ck_assert_str_eq(spooldir_state(d.id), "S2");
	draft_abort(sp, &d);
}
END_TEST

START_TEST(an_aborted_one_leaves_nothing)
{
	int fd;

	ck_assert_int_eq(draft_open(sp, &d), 0);
	ck_assert_int_eq(draft_replace_begin(sp, &d, &fd), 0);
	ck_assert_uint_eq(spooldir_count("tmp"), 2);
	draft_abort(sp, &d);
	ck_assert_uint_eq(spooldir_count("tmp"), 0);
	ck_assert_int_eq(d.fd, -1);
}
END_TEST

START_TEST(a_second_body_replaces_the_first)
{
	int fd;

	ck_assert_int_eq(draft_open(sp, &d), 0);
	ck_assert_int_eq(durable_write(d.fd, "first", 5), 0);
	ck_assert_int_eq(draft_replace_begin(sp, &d, &fd), 0);
	ck_assert_int_eq(durable_write(fd, "second", 6), 0);
	ck_assert_int_eq(draft_replace_end(sp, &d, fd), 0);
	ck_assert_int_eq(d.fd, fd);
	ck_assert(!is_free(name("tmp", d.id)));
	ck_assert_uint_eq(spooldir_count("tmp"), 1);
	ck_assert_int_eq(draft_commit(sp, &d, &e, NULL), 0);
	ck_assert_str_eq(spooldir_read(name("msg", d.id)), "second");
	draft_abort(sp, &d);
	ck_assert_uint_eq(spooldir_count("tmp"), 0);
}
END_TEST

START_TEST(a_failed_replacement_keeps_the_first)
{
	int fd;

	ck_assert_int_eq(draft_open(sp, &d), 0);
	ck_assert_int_eq(durable_write(d.fd, "first", 5), 0);
	ck_assert_int_eq(draft_replace_begin(sp, &d, &fd), 0);
	fault_arm(1, FAULT_ONCE, EIO);
	ck_assert_int_eq(draft_replace_end(sp, &d, fd), -1);
	fault_disarm();
	ck_assert_int_eq(draft_commit(sp, &d, &e, NULL), 0);
	ck_assert_str_eq(spooldir_read(name("msg", d.id)), "first");
	draft_abort(sp, &d);
	ck_assert_uint_eq(spooldir_count("tmp"), 0);
}
END_TEST

START_TEST(replacing_by_another_descriptor_is_a_bug)
{
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	draft_open(sp, &d);
	spooldir_remove(); /* there is no teardown behind an abort */
	draft_replace_end(sp, &d, d.fd);
}
END_TEST

START_TEST(a_left_over_second_body_is_in_nobodys_way)
{
	char left[100];
	int fd;

	ck_assert_int_eq(draft_open(sp, &d), 0);
	snprintf(left, sizeof(left), "tmp/%s.b", d.id);
	spooldir_write(left, "old");
	ck_assert_int_eq(draft_replace_begin(sp, &d, &fd), 0);
	ck_assert_str_eq(spooldir_read(left), "");
	draft_abort(sp, &d);
}
END_TEST

START_TEST(a_report_is_made_once)
{
	ck_assert_int_eq(draft_open(sp, &d), 0);
	ck_assert_int_eq(durable_write(d.fd, "report", 6), 0);
	ck_assert_int_eq(draft_commit(sp, &d, &e, "abc.r1"), 0);
	ck_assert_str_eq(d.id, "abc.r1");
	draft_abort(sp, &d);
	ck_assert_str_eq(spooldir_state("abc.r1"), "S4");
	ck_assert_ptr_nonnull(strstr(spooldir_read("ctl/abc.r1"), "\nmsgid|abc.r1\n"));
	ck_assert_uint_eq(spooldir_count("tmp"), 0);

	ck_assert_int_eq(draft_open(sp, &d), 0);
	ck_assert_int_eq(durable_write(d.fd, "again", 5), 0);
	ck_assert_int_eq(draft_commit(sp, &d, &e, "abc.r1"), -1);
	ck_assert_int_eq(errno, EEXIST);
	draft_abort(sp, &d);
	ck_assert_str_eq(spooldir_read("msg/abc.r1"), "report");
	ck_assert_uint_eq(spooldir_count("tmp"), 0);
	ck_assert_uint_eq(spooldir_count("msg"), 1);
}
END_TEST

static int
link_loses(int olddir, const char *old, int newdir, const char *new, int flags)
{
	(void)olddir;
	(void)old;
	(void)newdir;
	(void)flags;
	spooldir_write("ctl/abc.r1", "the other one's");
	ck_assert_str_eq(new, "abc.r1");
	errno = EEXIST;
	return -1;
}

/* Somebody else queues the same report in the last moment: it has a body then as before. */
START_TEST(a_report_made_by_two_is_queued_once)
{
	sys.linkat = link_loses;
	ck_assert_int_eq(draft_open(sp, &d), 0);
	ck_assert_int_eq(draft_commit(sp, &d, &e, "abc.r1"), -1);
	ck_assert_int_eq(errno, EEXIST);
	draft_abort(sp, &d);
	ck_assert_str_eq(spooldir_state("abc.r1"), "S4");
	ck_assert_str_eq(spooldir_read("ctl/abc.r1"), "the other one's");
	ck_assert_uint_eq(spooldir_count("tmp"), 0);
}
END_TEST

START_TEST(a_body_left_by_a_crash_is_replaced)
{
	spooldir_write("msg/abc.r1", "left over");
	ck_assert_int_eq(draft_open(sp, &d), 0);
	ck_assert_int_eq(durable_write(d.fd, "report", 6), 0);
	ck_assert_int_eq(draft_commit(sp, &d, &e, "abc.r1"), 0);
	draft_abort(sp, &d);
	ck_assert_str_eq(spooldir_read("msg/abc.r1"), "report");
}
END_TEST

START_TEST(a_name_that_is_no_id_is_a_bug)
{
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	draft_open(sp, &d);
	spooldir_remove(); /* there is no teardown behind an abort */
	draft_commit(sp, &d, &e, "../x");
}
END_TEST

/* Nobody delivers what may yet be taken back. */
static enum spool_lock seen_at_sync;

static int
sync_that_looks(int fd)
{
	int lock;

	if (spooldir_has(name("ctl", d.id)) && seen_at_sync == SPOOL_FAILED) {
		seen_at_sync = spool_lock(sp, d.id, &lock);
		spool_unlock(&lock);
	}
	return fsync(fd);
}

START_TEST(nobody_gets_it_before_it_is_durable)
{
	int lock;

	seen_at_sync = SPOOL_FAILED;
	sys.fsync = sync_that_looks;
	ck_assert_int_eq(draft_open(sp, &d), 0);
	ck_assert_int_eq(draft_commit(sp, &d, &e, NULL), 0);
	ck_assert_int_eq(seen_at_sync, SPOOL_BUSY);
	ck_assert_int_eq(spool_lock(sp, d.id, &lock), SPOOL_LOCKED);
	spool_unlock(&lock);
	draft_abort(sp, &d);
}
END_TEST

START_TEST(due_later_is_written_into_the_mtime)
{
	struct stat st;

	envelope_attempted(&e, 4000000000 - 900, 900);
	ck_assert_int_eq(draft_open(sp, &d), 0);
	ck_assert_int_eq(draft_commit(sp, &d, &e, NULL), 0);
	ck_assert_int_eq(stat(spooldir_path(name("ctl", d.id)), &st), 0);
	ck_assert_int_eq(st.st_mtime, INT32_MAX);
	draft_abort(sp, &d);
}
END_TEST

START_TEST(modes_whatever_the_umask)
{
	const mode_t umasks[] = {0, 0777};

	spool_close(&sp);
	for (size_t i = 0; i < 2; i++) {
		umask(umasks[i]);
		ck_assert_int_eq(spool_open(&sp, spooldir_path(""), why, sizeof(why)), 0);
		ck_assert_int_eq(draft_open(sp, &d), 0);
		ck_assert_int_eq(draft_commit(sp, &d, &e, NULL), 0);
		draft_abort(sp, &d);
		umask(022);
		ck_assert_uint_eq(spooldir_mode(name("msg", d.id)), S_IFREG | 0600);
		ck_assert_uint_eq(spooldir_mode(name("ctl", d.id)), S_IFREG | 0600);
		spool_close(&sp);
	}
	ck_assert_int_eq(spool_open(&sp, spooldir_path(""), why, sizeof(why)), 0);
}
END_TEST

Suite *
suite_draft(void)
{
	Suite *s = suite_create("draft");
	TCase *tc = tcase_create("draft");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, goes_through_the_states);
	tcase_add_test(tc, costs_eleven_calls_and_four_syncs);
	tcase_add_test(tc, an_id_tells_the_time_and_is_new);
	tcase_add_test(tc, an_id_that_is_taken_is_not_used);
	tcase_add_test(tc, gives_up_when_every_id_is_taken);
	tcase_add_test(tc, an_aborted_one_leaves_nothing);
	tcase_add_test(tc, a_second_body_replaces_the_first);
	tcase_add_test(tc, a_failed_replacement_keeps_the_first);
	tcase_add_test_raise_signal(tc, replacing_by_another_descriptor_is_a_bug, SIGABRT);
	tcase_add_test(tc, a_left_over_second_body_is_in_nobodys_way);
	tcase_add_test(tc, a_report_is_made_once);
	tcase_add_test(tc, a_report_made_by_two_is_queued_once);
	tcase_add_test(tc, a_body_left_by_a_crash_is_replaced);
	tcase_add_test_raise_signal(tc, a_name_that_is_no_id_is_a_bug, SIGABRT);
	tcase_add_test(tc, nobody_gets_it_before_it_is_durable);
	tcase_add_test(tc, due_later_is_written_into_the_mtime);
	tcase_add_test(tc, modes_whatever_the_umask);
	suite_add_tcase(s, tc);
	return s;
}
