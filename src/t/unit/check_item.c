/*
 * check_item.c: one queued message in the spool: its lock, and its control file read, continued and written
 * anew. Whatever fails in between, what has been recorded is never lost, nor is a file condemned that could
 * only not be read.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "fault.h"
#include "logcap.h"
#include "spooldir.h"
#include "suites.h"

static struct spool *sp;
static struct envelope e;
static char why[300];

static void
setup(void)
{
	sp = spooldir_open();
	envelope_init(&e);
	logcap_start();
}

static void
teardown(void)
{
	fault_disarm();
	sys = sys_libc;
	logcap_stop();
	envelope_free(&e);
	spooldir_close(&sp);
}

static enum spool_load
load(const char *id, int fd, off_t *size)
{
	envelope_free(&e);
	why[0] = '\0';
	return spool_load(sp, id, fd, &e, size, why, sizeof(why));
}

/* --- locks --- */

START_TEST(a_message_is_locked_by_one)
{
	int fd, other;

	spooldir_queue("a1");
	fd = spooldir_lock(sp, "a1");
	ck_assert_int_eq(spool_lock(sp, "a1", &other), SPOOL_BUSY);
	ck_assert_int_eq(other, -1);
	spool_unlock(&fd);
	ck_assert_int_eq(fd, -1);
	spool_unlock(&fd);
	fd = spooldir_lock(sp, "a1");
	ck_assert_int_eq(fcntl(fd, F_GETFL) & (O_APPEND | O_ACCMODE), O_APPEND | O_RDWR);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	spool_unlock(&fd);
	ck_assert_int_eq(spool_lock(sp, "none", &fd), SPOOL_GONE);
}
END_TEST

static int
flock_after_finish(int fd, int op)
{
	unlink(spooldir_path("ctl/a1"));
	return flock(fd, op);
}

static int
flock_after_rewrite(int fd, int op)
{
	spooldir_write("ctl/new", "another inode");
	spooldir_move("ctl/new", "ctl/a1");
	return flock(fd, op);
}

START_TEST(a_lock_on_what_has_lost_its_name_is_none)
{
	int fd;

	spooldir_queue("a1");
	sys.flock = flock_after_rewrite;
	ck_assert_int_eq(spool_lock(sp, "a1", &fd), SPOOL_GONE);
	ck_assert_int_eq(fd, -1);
	sys.flock = flock_after_finish;
	ck_assert_int_eq(spool_lock(sp, "a1", &fd), SPOOL_GONE);
	ck_assert_int_eq(fd, -1);
}
END_TEST

/* Calls of spool_lock: open, flock, fstat, fstatat. */
START_TEST(a_lock_that_fails_says_so)
{
	static const struct {
		unsigned n;
		int err;
		enum spool_lock answer;
	} faults[] = {{1, ESTALE, SPOOL_GONE}, {1, EMFILE, SPOOL_FAILED}, {1, EIO, SPOOL_FAILED},
	    {2, ENOLCK, SPOOL_FAILED}, {2, EIO, SPOOL_FAILED}, {2, ESTALE, SPOOL_GONE},
	    {2, EWOULDBLOCK, SPOOL_BUSY}, {2, EINTR, SPOOL_LOCKED}, {3, EIO, SPOOL_FAILED},
	    {4, EIO, SPOOL_FAILED}, {4, ENOENT, SPOOL_GONE}, {4, ESTALE, SPOOL_GONE}};
	int fd;

	spooldir_queue("a1");
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		fault_arm(faults[i].n, FAULT_ONCE, faults[i].err);
		ck_assert_int_eq(spool_lock(sp, "a1", &fd), faults[i].answer);
		if (faults[i].answer == SPOOL_FAILED)
			ck_assert_int_eq(errno, faults[i].err);
		fault_disarm();
		ck_assert_int_eq(fd >= 0, faults[i].answer == SPOOL_LOCKED);
		spool_unlock(&fd);
	}
}
END_TEST

START_TEST(what_is_no_file_neither_blocks_nor_locks)
{
	off_t size;
	int fd;

	spooldir_write("target", "x");
	ck_assert_int_eq(symlink("../target", spooldir_path("ctl/link")), 0);
	ck_assert_int_eq(mkfifo(spooldir_path("ctl/fifo"), 0600), 0);
	ck_assert_int_eq(mkdir(spooldir_path("ctl/dir"), 0700), 0);
	ck_assert_int_eq(mkfifo(spooldir_path("msg/fifo"), 0600), 0);
	ck_assert_int_eq(spool_lock(sp, "link", &fd), SPOOL_FAILED);
	ck_assert_int_eq(spool_lock(sp, "fifo", &fd), SPOOL_FAILED);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(spool_lock(sp, "dir", &fd), SPOOL_FAILED);
	ck_assert_int_eq(load("link", -1, &size), SPOOL_UNREADABLE);
	ck_assert_int_eq(load("fifo", -1, &size), SPOOL_UNREADABLE);
	ck_assert_int_eq(load("dir", -1, &size), SPOOL_UNREADABLE);
	ck_assert_int_eq(spool_open_body(sp, "fifo", NULL), -1);
	ck_assert_int_eq(spool_owner(sp, "fifo"), -1);
}
END_TEST

/* --- loading and appending --- */

START_TEST(loads_with_and_without_a_lock)
{
	off_t size = 0;
	int fd;

	spooldir_queue("a1");
	ck_assert_int_eq(load("a1", -1, &size), SPOOL_LOADED);
	ck_assert_str_eq(e.id, "a1");
	ck_assert_uint_eq(e.nrcpts, 2);
	ck_assert_int_eq(size, (off_t)strlen(spooldir_read("ctl/a1")));
	fd = spooldir_lock(sp, "a1");
	ck_assert_int_eq(load("a1", fd, &size), SPOOL_LOADED);
	ck_assert_int_eq(load("none", -1, &size), SPOOL_MISSING);
	spool_unlock(&fd);
}
END_TEST

START_TEST(a_failing_read_condemns_nothing)
{
	off_t size;

	spooldir_queue("a1");
	for (unsigned n = 1; n <= 3; n++) {
		fault_arm(n, FAULT_ONCE, EIO); /* open, fstat, pread */
		ck_assert_int_eq(load("a1", -1, &size), SPOOL_UNREADABLE);
		ck_assert_int_eq(errno, EIO);
		fault_arm(n, FAULT_SHORT, 0);
		ck_assert_int_eq(load("a1", -1, &size), SPOOL_LOADED);
		fault_disarm();
	}
	fault_arm(3, FAULT_ONCE, EINTR);
	ck_assert_int_eq(load("a1", -1, &size), SPOOL_LOADED);
	fault_arm(1, FAULT_ONCE, ESTALE);
	ck_assert_int_eq(load("a1", -1, &size), SPOOL_MISSING);
}
END_TEST

static ssize_t
pread_after_growth(int fd, void *buf, size_t n, off_t at)
{
	sys.pread = sys_libc.pread;
	spooldir_append("ctl/a1", "attempted|1764000000\nretry|900\n");
	return sys.pread(fd, buf, n, at);
}

START_TEST(a_file_that_grows_while_it_is_read_is_read_whole)
{
	off_t size;

	spooldir_queue("a1");
	sys.pread = pread_after_growth;
	ck_assert_int_eq(load("a1", -1, &size), SPOOL_LOADED);
	ck_assert_int_eq(e.retry, 900);
	ck_assert(!e.torn);
}
END_TEST

START_TEST(a_file_too_large_for_memory_is_not_read)
{
	off_t size;

	spooldir_queue("a1");
	ck_assert_int_eq(truncate(spooldir_path("ctl/a1"), 257 << 20), 0);
	ck_assert_int_eq(load("a1", -1, &size), SPOOL_UNREADABLE);
	ck_assert_int_eq(errno, EFBIG);
}
END_TEST

START_TEST(damage_is_told_apart)
{
	off_t size;

	spooldir_write("ctl/a1", "what is this?\n");
	ck_assert_int_eq(load("a1", -1, &size), SPOOL_CORRUPT);
	ck_assert_str_eq(why, "not a delivery list");
	spooldir_write("ctl/a1", "");
	ck_assert_int_eq(load("a1", -1, &size), SPOOL_CORRUPT);
	spooldir_queue("a2");
	spooldir_move("ctl/a2", "ctl/a3");
	ck_assert_int_eq(load("a3", -1, &size), SPOOL_CORRUPT);
	ck_assert_ptr_nonnull(strstr(why, "msgid"));
}
END_TEST

START_TEST(skipped_lines_are_warned_of_once_a_load)
{
	off_t size;
	int fd;

	spooldir_queue("a1");
	spooldir_append("ctl/a1", "remote|nobody|2|\nremote|\n");
	ck_assert_int_eq(load("a1", -1, &size), SPOOL_LOADED);
	ck_assert_uint_eq(logcap_count("a1"), 0); /* somebody only looks */
	fd = spooldir_lock(sp, "a1");
	ck_assert_int_eq(load("a1", fd, &size), SPOOL_LOADED);
	ck_assert_uint_eq(logcap_count("a1: 2 lines"), 1);
	spool_unlock(&fd);
}
END_TEST

static void
append_delivered(int fd, off_t *size, size_t rcpt)
{
	struct buf line;

	buf_init(&line, 1000);
	envelope_write_remote(&line, &e.rcpts[rcpt], RCPT_DELIVERED, "250 ok");
	ck_assert_int_eq(spool_append(sp, fd, size, &line, true), 0);
	buf_free(&line);
	ck_assert_int_eq(durable_commit(spool_batch(sp)), 0);
}

START_TEST(an_unfinished_line_is_cut_before_the_first_append)
{
	off_t size;
	int fd;

	spooldir_queue("a1");
	spooldir_append("ctl/a1", "attempted|5\nremote|carol@exam");
	fd = spooldir_lock(sp, "a1");
	ck_assert_int_eq(load("a1", fd, &size), SPOOL_LOADED);
	ck_assert(e.torn);
	append_delivered(fd, &size, 0);
	ck_assert_int_eq(load("a1", fd, &size), SPOOL_LOADED);
	ck_assert(!e.torn);
	ck_assert_uint_eq(e.bad_lines, 0);
	ck_assert_int_eq(e.rcpts[0].status, RCPT_DELIVERED);
	ck_assert_int_eq(e.rcpts[1].status, RCPT_NEW);
	ck_assert_int_eq(e.attempted, 5);
	spool_unlock(&fd);
}
END_TEST

/* A recorded success is never cut off, not even by a caller who has not read it. */
START_TEST(whole_lines_stay_even_if_unseen)
{
	off_t size;
	int fd;

	spooldir_queue("a1");
	fd = spooldir_lock(sp, "a1");
	ck_assert_int_eq(load("a1", fd, &size), SPOOL_LOADED);
	spooldir_append("ctl/a1", "remote|carol@example.net|2|250 ok\nremote|bo");
	append_delivered(fd, &size, 0);
	ck_assert_int_eq(load("a1", fd, &size), SPOOL_LOADED);
	ck_assert_uint_eq(e.waiting, 0);
	ck_assert_uint_eq(e.bad_lines, 0);
	spool_unlock(&fd);
}
END_TEST

static int
ftruncate_fails(int fd, off_t size)
{
	(void)fd;
	(void)size;
	errno = EIO;
	return -1;
}

START_TEST(a_failed_append_does_not_spoil_the_next)
{
	struct buf line;
	off_t size;
	int fd;

	spooldir_queue("a1");
	fd = spooldir_lock(sp, "a1");
	ck_assert_int_eq(load("a1", fd, &size), SPOOL_LOADED);
	buf_init(&line, 1000);
	envelope_write_remote(&line, &e.rcpts[1], RCPT_DELIVERED, "250 ok");
	/* The disk takes half a line, and not even that can be taken back. */
	sys.ftruncate = ftruncate_fails;
	fault_arm(2, FAULT_FULL, EIO);
	ck_assert_int_eq(spool_append(sp, fd, &size, &line, true), -1);
	fault_disarm();
	sys = sys_libc;
	ck_assert_int_gt(lseek(fd, 0, SEEK_END), size);
	append_delivered(fd, &size, 0);
	ck_assert_int_eq(load("a1", fd, &size), SPOOL_LOADED);
	ck_assert_uint_eq(e.bad_lines, 0);
	ck_assert_int_eq(e.rcpts[0].status, RCPT_DELIVERED);
	ck_assert_int_eq(e.rcpts[1].status, RCPT_NEW);
	spool_unlock(&fd);
	buf_free(&line);
}
END_TEST

START_TEST(an_append_that_cannot_be_is_refused)
{
	struct buf line;
	off_t size;
	int fd;

	spooldir_queue("a1");
	fd = spooldir_lock(sp, "a1");
	ck_assert_int_eq(load("a1", fd, &size), SPOOL_LOADED);
	buf_init(&line, 10);
	buf_adds(&line, "far too long for it");
	ck_assert_int_eq(spool_append(sp, fd, &size, &line, true), -1);
	ck_assert_int_eq(errno, EFBIG);
	buf_clear(&line);
	ck_assert_int_eq(truncate(spooldir_path("ctl/a1"), 20), 0);
	ck_assert_int_eq(spool_append(sp, fd, &size, &line, true), -1);
	ck_assert_int_eq(errno, EIO);
	fault_arm(1, FAULT_ONCE, EIO);
	ck_assert_int_eq(spool_append(sp, fd, &size, &line, true), -1);
	fault_disarm();
	spool_unlock(&fd);
	buf_free(&line);
}
END_TEST

START_TEST(deferrals_are_not_synced)
{
	struct buf line;
	off_t size;
	int fd;

	spooldir_queue("a1");
	fd = spooldir_lock(sp, "a1");
	ck_assert_int_eq(load("a1", fd, &size), SPOOL_LOADED);
	buf_init(&line, 100);
	envelope_write_number(&line, "retry", 900);
	ck_assert_int_eq(spool_append(sp, fd, &size, &line, false), 0);
	ck_assert_uint_eq(spool_batch(sp)->nfiles, 0);
	ck_assert_int_eq(spool_append(sp, fd, &size, &line, true), 0);
	ck_assert_uint_eq(spool_batch(sp)->nfiles, 1);
	ck_assert_int_eq(durable_commit(spool_batch(sp)), 0);
	spool_unlock(&fd);
	buf_free(&line);
}
END_TEST

static const char citadel[] = "Content-type: application/x-citadel-delivery-list\n\nmsgid|4711\n"
			      "submitted|1764000000\nremote|bob@example.net|0|\n"
			      "remote|carol@example.net|4|a\\b|";

START_TEST(a_citadel_list_gets_its_end_mark)
{
	off_t size;
	int fd;

	spooldir_write("ctl/4711", citadel);
	ck_assert_int_eq(load("4711", -1, &size), SPOOL_LOADED);
	ck_assert_str_eq(spooldir_read("ctl/4711"), citadel);
	fd = spooldir_lock(sp, "4711");
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(load("4711", fd, &size), SPOOL_LOADED);
		ck_assert_ptr_nonnull(strstr(spooldir_read("ctl/4711"), "a\\b|\nrecipients|2\n"));
	}
	append_delivered(fd, &size, 0);
	ck_assert_int_eq(load("4711", fd, &size), SPOOL_LOADED);
	ck_assert_uint_eq(e.waiting, 1);
	ck_assert_uint_eq(e.bad_lines, 0);
	ck_assert_str_eq(e.rcpts[1].reason, "a\\b");
	spool_unlock(&fd);
}
END_TEST

START_TEST(a_citadel_list_that_cannot_be_written_is_not_worked_on)
{
	off_t size;
	int fd;

	spooldir_write("ctl/4711", citadel);
	fd = spooldir_lock(sp, "4711");
	fault_arm(4, FAULT_ONCE, EIO); /* fstat, pread, fstat, write */
	ck_assert_int_eq(load("4711", fd, &size), SPOOL_UNREADABLE);
	ck_assert_str_eq(fault_where(), "write");
	fault_disarm();
	ck_assert_int_eq(load("4711", fd, &size), SPOOL_LOADED);
	spool_unlock(&fd);
}
END_TEST

START_TEST(a_control_file_is_written_anew)
{
	struct buf whole;
	off_t size;
	int fd, newfd, other;

	spooldir_queue("a1");
	spooldir_write("tmp/a1.w", "left over");
	fd = spooldir_lock(sp, "a1");
	ck_assert_int_eq(load("a1", fd, &size), SPOOL_LOADED);
	envelope_settle(&e, 0, RCPT_DELIVERED, "250 ok");
	buf_init(&whole, 10000);
	envelope_write(&whole, &e);
	envelope_write_progress(&whole, &e);
	ck_assert_int_eq(spool_rewrite(sp, "a1", &whole, &newfd), 0);
	ck_assert_int_eq(spool_lock(sp, "a1", &other), SPOOL_BUSY);
	spool_unlock(&fd);
	ck_assert_int_eq(spool_lock(sp, "a1", &other), SPOOL_BUSY);
	ck_assert_int_eq(load("a1", newfd, &size), SPOOL_LOADED);
	ck_assert_uint_eq(e.waiting, 1);
	append_delivered(newfd, &size, 1);
	spool_unlock(&newfd);
	ck_assert_int_eq(load("a1", -1, &size), SPOOL_LOADED);
	ck_assert_uint_eq(e.waiting, 0);
	ck_assert_uint_eq(spooldir_count("tmp"), 0);
	buf_free(&whole);
}
END_TEST

START_TEST(a_file_that_cannot_be_written_anew_stays)
{
	struct buf whole;
	int newfd;

	spooldir_queue("a1");
	buf_init(&whole, 100);
	buf_adds(&whole, "new");
	for (unsigned n = 1; n <= 5; n++) { /* open, flock, write, fsync, rename */
		fault_arm(n, FAULT_ONCE, EIO);
		ck_assert_int_eq(spool_rewrite(sp, "a1", &whole, &newfd), -1);
		ck_assert_int_eq(errno, EIO);
		fault_disarm();
		ck_assert_int_eq(newfd, -1);
		ck_assert_uint_eq(spooldir_count("tmp"), 0);
		ck_assert_str_ne(spooldir_read("ctl/a1"), "new");
	}
	fault_arm(6, FAULT_ONCE, EIO); /* fsync of ctl/: it is there, perhaps not durable */
	ck_assert_int_eq(spool_rewrite(sp, "a1", &whole, &newfd), -1);
	fault_disarm();
	ck_assert_int_ge(newfd, 0);
	ck_assert_str_eq(spooldir_read("ctl/a1"), "new");
	spool_unlock(&newfd);
	buf_free(&whole);
}
END_TEST

/* --- no room --- */

START_TEST(ballast_is_given_up_for_a_record)
{
	struct buf line;
	off_t size;
	int fd;

	spooldir_queue("a1");
	fd = spooldir_lock(sp, "a1");
	ck_assert_int_eq(load("a1", fd, &size), SPOOL_LOADED);
	buf_init(&line, 1000);
	envelope_write_remote(&line, &e.rcpts[0], RCPT_DELIVERED, "250 ok");
	fault_arm(2, FAULT_ONCE, _i == 0 ? ENOSPC : EDQUOT); /* fstat, write */
	ck_assert_int_eq(spool_append(sp, fd, &size, &line, true), 0);
	ck_assert_str_eq(fault_where(), "write");
	fault_disarm();
	ck_assert(!spooldir_has("ballast"));
	ck_assert_int_eq(load("a1", fd, &size), SPOOL_LOADED);
	ck_assert_int_eq(e.rcpts[0].status, RCPT_DELIVERED);
	ck_assert_int_eq(durable_commit(spool_batch(sp)), 0);

	/* Nothing left to give up: it fails, and the file is as it was. */
	fault_arm(2, FAULT_FULL, ENOSPC);
	ck_assert_int_eq(spool_append(sp, fd, &size, &line, true), -1);
	ck_assert_int_eq(errno, ENOSPC);
	fault_disarm();
	ck_assert_int_eq(lseek(fd, 0, SEEK_END), size);
	spool_unlock(&fd);
	buf_free(&line);
}
END_TEST

static void
add_loads(TCase *tc)
{
	tcase_add_test(tc, loads_with_and_without_a_lock);
	tcase_add_test(tc, a_failing_read_condemns_nothing);
	tcase_add_test(tc, a_file_that_grows_while_it_is_read_is_read_whole);
	tcase_add_test(tc, a_file_too_large_for_memory_is_not_read);
	tcase_add_test(tc, damage_is_told_apart);
	tcase_add_test(tc, skipped_lines_are_warned_of_once_a_load);
	tcase_add_test(tc, an_unfinished_line_is_cut_before_the_first_append);
	tcase_add_test(tc, whole_lines_stay_even_if_unseen);
	tcase_add_test(tc, a_failed_append_does_not_spoil_the_next);
	tcase_add_test(tc, an_append_that_cannot_be_is_refused);
	tcase_add_test(tc, deferrals_are_not_synced);
}

Suite *
suite_item(void)
{
	Suite *s = suite_create("item");
	TCase *tc = tcase_create("item");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_message_is_locked_by_one);
	tcase_add_test(tc, a_lock_on_what_has_lost_its_name_is_none);
	tcase_add_test(tc, a_lock_that_fails_says_so);
	tcase_add_test(tc, what_is_no_file_neither_blocks_nor_locks);
	add_loads(tc);
	tcase_add_test(tc, a_citadel_list_gets_its_end_mark);
	tcase_add_test(tc, a_citadel_list_that_cannot_be_written_is_not_worked_on);
	tcase_add_test(tc, a_control_file_is_written_anew);
	tcase_add_test(tc, a_file_that_cannot_be_written_anew_stays);
	tcase_add_loop_test(tc, ballast_is_given_up_for_a_record, 0, 2);
	suite_add_tcase(s, tc);
	return s;
}
