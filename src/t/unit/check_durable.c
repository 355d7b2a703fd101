#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "fault.h"
#include "spool/durable.h"
#include "suites.h"

static struct durable_batch batch;
static FILE *file;
static int fd;

static void
setup(void)
{
	durable_batch_init(&batch);
	file = tmpfile();
	ck_assert_ptr_nonnull(file);
	fd = fileno(file);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_APPEND), 0);
}

static void
teardown(void)
{
	fault_disarm();
	sys = sys_libc;
	durable_batch_free(&batch);
	fclose(file);
}

static void
assert_content(const char *want)
{
	char text[256];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, want);
}

START_TEST(short_and_interrupted_writes_are_finished)
{
	fault_arm(1, FAULT_SHORT, 0);
	ck_assert_int_eq(durable_write(fd, "hello ", 6), 0);
	ck_assert_uint_eq(fault_calls("write"), 2);
	fault_arm(1, FAULT_ONCE, EINTR);
	ck_assert_int_eq(durable_write(fd, "world", 5), 0);
	fault_disarm();
	assert_content("hello world");
}
END_TEST

static ssize_t
write_nothing(int to, const void *data, size_t n)
{
	(void)to;
	(void)data;
	(void)n;
	return 0;
}

START_TEST(a_write_of_nothing_is_an_error)
{
	sys.write = write_nothing;
	ck_assert_int_eq(durable_write(fd, "x", 1), -1);
	ck_assert_int_eq(errno, EIO);
	ck_assert_int_eq(durable_write(fd, "", 0), 0);
}
END_TEST

START_TEST(an_append_is_all_or_nothing)
{
	ck_assert_int_eq(durable_append(fd, 0, "one\n", 4), 0);
	fault_arm(1, FAULT_FULL, ENOSPC); /* takes half of it, then no more */
	ck_assert_int_eq(durable_append(fd, 4, "second\n", 7), -1);
	ck_assert_int_eq(errno, ENOSPC);
	fault_disarm();
	assert_content("one\n");
	ck_assert_int_eq(durable_append(fd, 4, "two\n", 4), 0);
	assert_content("one\ntwo\n");
}
END_TEST

START_TEST(everything_interrupted_is_repeated)
{
	int (*const calls[])(int) = {durable_sync, durable_datasync};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		fault_arm(1, FAULT_ONCE, EINTR);
		ck_assert_int_eq(calls[i](fd), 0);
		ck_assert_uint_eq(fault_calls(NULL), 2);
		fault_arm(1, FAULT_ONCE, EIO);
		ck_assert_int_eq(calls[i](fd), -1);
		ck_assert_int_eq(errno, EIO);
		ck_assert_uint_eq(fault_calls(NULL), 1);
	}
	fault_arm(1, FAULT_ONCE, EINTR);
	ck_assert_int_eq(durable_unlink(AT_FDCWD, "/nonexistent/x"), 0);
	ck_assert_uint_eq(fault_calls("unlinkat"), 2);
	fault_arm(1, FAULT_ONCE, EINTR);
	ck_assert_int_eq(durable_link(AT_FDCWD, "/nonexistent/x", AT_FDCWD, "/nonexistent/y"), -1);
	ck_assert_int_eq(errno, ENOENT);
	fault_arm(1, FAULT_ONCE, EINTR);
	ck_assert_int_eq(
	    durable_rename(AT_FDCWD, "/nonexistent/x", AT_FDCWD, "/nonexistent/y"), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(a_batch_syncs_each_once)
{
	int dir = open("/tmp", O_RDONLY | O_DIRECTORY), other = dup(fd);

	for (int i = 0; i < 5; i++) {
		durable_touch_file(&batch, fd);
		durable_touch_file(&batch, other);
		durable_touch_dir(&batch, dir);
	}
	fault_arm(0, FAULT_ONCE, 0);
	ck_assert_int_eq(durable_commit(&batch), 0);
	ck_assert_uint_eq(fault_calls("fdatasync"), 2);
	ck_assert_uint_eq(fault_calls("fsync"), 1);
	ck_assert_uint_eq(batch.syncs, 3);
	ck_assert_int_eq(durable_commit(&batch), 0); /* it is empty now */
	ck_assert_uint_eq(batch.syncs, 3);
	close(dir);
	close(other);
}
END_TEST

START_TEST(what_need_not_be_durable_any_more_is_forgotten)
{
	int other = dup(fd);

	durable_touch_file(&batch, fd);
	durable_touch_file(&batch, other);
	durable_forget_file(&batch, fd);
	durable_forget_file(&batch, fd);
	close(other);
	ck_assert_int_eq(durable_commit(&batch), -1); /* other was left, and is closed */
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

/* The first failure is told, the others are synced all the same, and nothing is tried twice. */
START_TEST(a_failed_sync_fails_the_batch)
{
	int other = dup(fd), dir = open("/tmp", O_RDONLY | O_DIRECTORY);

	for (unsigned n = 1; n <= 3; n++) {
		durable_touch_file(&batch, fd);
		durable_touch_file(&batch, other);
		durable_touch_dir(&batch, dir);
		fault_arm(n, FAULT_ONCE, EIO);
		ck_assert_int_eq(durable_commit(&batch), -1);
		ck_assert_int_eq(errno, EIO);
		ck_assert_uint_eq(fault_calls(NULL), 3);
		fault_disarm();
		ck_assert_int_eq(durable_commit(&batch), 0);
	}
	close(other);
	close(dir);
}
END_TEST

START_TEST(a_fifth_directory_is_a_bug)
{
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
	for (int i = 0; i < 5; i++)
		durable_touch_dir(&batch, i);
}
END_TEST

Suite *
suite_durable(void)
{
	Suite *s = suite_create("durable");
	TCase *tc = tcase_create("durable");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, short_and_interrupted_writes_are_finished);
	tcase_add_test(tc, a_write_of_nothing_is_an_error);
	tcase_add_test(tc, an_append_is_all_or_nothing);
	tcase_add_test(tc, everything_interrupted_is_repeated);
	tcase_add_test(tc, a_batch_syncs_each_once);
	tcase_add_test(tc, what_need_not_be_durable_any_more_is_forgotten);
	tcase_add_test(tc, a_failed_sync_fails_the_batch);
	tcase_add_test_raise_signal(tc, a_fifth_directory_is_a_bug, SIGABRT);
	suite_add_tcase(s, tc);
	return s;
}
