/*
 * check_submit_input.c: large messages, standard input that ends or fails, and a disk that does.
 */
#include <check.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <sys/resource.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/sys.h"
#include "fault.h"
#include "t/unit/suites.h"
#include "testspool.h"
#include "testsubmit.h"

/* Standard input made up as it is read: `at` counts the bytes given. */
static size_t source_at, source_size;
static void (*source_fn)(char *p, size_t n);

static ssize_t
read_source(int fd, void *buf, size_t n)
{
	(void)fd;
	if (n > source_size - source_at)
		n = source_size - source_at;
	if (n > 0)
		source_fn(buf, n);
	source_at += n;
	return (ssize_t)n;
}

static int
run_source(void (*fn)(char *p, size_t n), size_t size)
{
	ssize_t (*saved)(int, void *, size_t) = sys.read;
	int rc;

	source_fn = fn;
	source_at = 0;
	source_size = size;
	sys.read = read_source;
	ts.o.input = open("/dev/null", O_RDONLY);
	ts.why[0] = '\0';
	rc = submit(ts.sp, &ts.o, ts.id, ts.why, sizeof(ts.why));
	close(ts.o.input);
	sys.read = saved;
	return rc;
}

/* --- large --- */

static struct buf big;

START_TEST(a_hundred_thousand_recipients_in_one_header)
{
	ts.o.from_headers = true;
	ts.o.nrecipients = 0;
	buf_init(&big, 32 << 20);
	buf_adds(&big, HEAD "To: nobody@example.net");
	for (int i = 0; i < 100000; i++)
		buf_addf(&big, ",\n \"No. %d\" <user%d@example%d.org>", i, i, i % 1000);
	buf_adds(&big, "\n\nbody\n");
	ck_assert_int_eq(ts_run_bytes(buf_data(&big), buf_len(&big)), 0);
	buf_free(&big);
	ck_assert_uint_eq(ts.e.nrcpts, 100001);
	ck_assert_str_eq(ts.e.rcpts[100000].address, "user99999@example999.org");
}
END_TEST

START_TEST(ten_megabytes_of_header)
{
	buf_init(&big, 32 << 20);
	buf_adds(&big, HEAD);
	for (int i = 0; buf_len(&big) < 10 * 1000 * 1000; i++)
		buf_addf(&big, "X-%d: some text\n\tthat goes on\n", i);
	buf_adds(&big, "\nbody\n");
	ck_assert_int_eq(ts_run_bytes(buf_data(&big), buf_len(&big)), 0);
	ck_assert_str_eq(ts.rest + strlen(ts.rest) - 10, "\r\n\r\nbody\r\n");
	buf_free(&big);
}
END_TEST

static void
make_header(char *p, size_t n)
{
	memset(p, 'a', n);
	if (source_at == 0)
		memcpy(p, "X: ", 3);
}

START_TEST(a_header_beyond_all_measure_is_refused)
{
	ck_assert_int_eq(run_source(make_header, 40 << 20), EX_DATAERR);
	ck_assert_ptr_nonnull(strstr(ts.why, "header is larger"));
	ck_assert_uint_lt(source_at, 20 << 20);
	ck_assert_uint_eq(ts_files_in("tmp"), 0);
}
END_TEST

START_TEST(more_than_a_hundred_received_lines_are_a_loop)
{
	buf_init(&big, 1 << 20);
	buf_adds(&big, HEAD);
	for (int i = 0; i < 100; i++)
		buf_adds(&big, "Received: from a by b\n");
	ck_assert_int_eq(ts_run_bytes(buf_data(&big), buf_len(&big)), 0);
	buf_adds(&big, "RECEIVED: from a\n by b\n\nbody\n");
	ck_assert_int_eq(ts_run_bytes(buf_data(&big), buf_len(&big)), EX_DATAERR);
	ck_assert_ptr_nonnull(strstr(ts.why, "loop"));
	ck_assert_ptr_nonnull(strstr(ts.why, "5.4.6"));
	buf_free(&big);
}
END_TEST

/* --- standard input and the disk --- */

static void
make_body(char *p, size_t n)
{
	static const char line[] =
	    "This is a line of text, sixty-four bytes long with its newline.\n";
	static const char head[] =
	    "From: a@b\nDate: x\nMessage-ID: <1@example.org>\n0:56789abcdef0123\n";

	for (size_t i = 0; i < n; i++) {
		size_t at = source_at + i;

		p[i] = at < 64 ? head[at] : at == 64 ? '\n' : line[(at - 1) % 64];
	}
}

START_TEST(fifty_megabytes_pass_through_a_fixed_buffer)
{
	struct rusage before, after;

	ck_assert_int_eq(run_source(make_body, 100000), 0);
	ck_assert_int_eq(getrusage(RUSAGE_SELF, &before), 0);
	ck_assert_int_eq(run_source(make_body, 50 * 1000 * 1000), 0);
	ck_assert_int_eq(getrusage(RUSAGE_SELF, &after), 0);
	ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 4 * 1024); /* KiB */
	ts_load();
	ck_assert_uint_gt(ts.nmessage, 50 * 1000 * 1000);
	ck_assert_uint_le(ts_longest_line(ts.rest), 63);
}
END_TEST

START_TEST(a_message_larger_than_max_size_is_refused_before_it_is_read_whole)
{
	ts.o.max_size = 1000 * 1000;
	ck_assert_int_eq(run_source(make_body, 100 * 1000 * 1000), EX_DATAERR);
	ck_assert_ptr_nonnull(strstr(ts.why, "5.3.4"));
	ck_assert_uint_lt(source_at, 2 * 1000 * 1000);
	ck_assert_uint_eq(ts_files_in("tmp"), 0);
	ck_assert_int_eq(run_source(make_body, 900 * 1000), 0);
}
END_TEST

START_TEST(closed_standard_input_and_a_directory_are_no_input)
{
	ts.o.input = open("/", O_RDONLY);
	ck_assert_int_eq(submit(ts.sp, &ts.o, ts.id, ts.why, sizeof(ts.why)), EX_NOINPUT);
	close(ts.o.input);
	ck_assert_int_eq(submit(ts.sp, &ts.o, ts.id, ts.why, sizeof(ts.why)), EX_NOINPUT);
	ck_assert_ptr_nonnull(strstr(ts.why, strerror(EBADF)));
	ck_assert_uint_eq(testspool_count(ts.sp), 0);
	ck_assert_uint_eq(ts_files_in("tmp"), 0);
}
END_TEST

START_TEST(a_pipe_that_ends_early_is_the_message)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], HEAD "\nhalf a li", strlen(HEAD) + 10), strlen(HEAD) + 10);
	close(fds[1]);
	ts.o.input = fds[0];
	ck_assert_int_eq(submit(ts.sp, &ts.o, ts.id, ts.why, sizeof(ts.why)), 0);
	close(fds[0]);
	ts_load();
	ck_assert_str_eq(ts.rest, HEAD_CRLF "\r\nhalf a li\r\n");
}
END_TEST

static size_t reads_left;

static ssize_t
read_then_fail(int fd, void *buf, size_t n)
{
	if (reads_left-- > 0)
		return read(fd, buf, n < 10 ? n : 10);
	errno = EIO;
	return -1;
}

START_TEST(a_read_error_at_any_point_queues_nothing)
{
	sys.read = read_then_fail;
	for (size_t n = 0; n < 10; n++) {
		reads_left = n;
		ts_refuses(HEAD "\nbody\n", EX_IOERR, "reading the message");
	}
	ck_assert_uint_eq(ts_files_in("tmp"), 0);
	sys.read = sys_libc.read;
}
END_TEST

static ssize_t
read_then_stop(int fd, void *buf, size_t n)
{
	if (reads_left-- > 0)
		return read(fd, buf, n < 10 ? n : 10);
	submit_stop = 1; /* as a signal handler would */
	errno = EINTR;
	return -1;
}

START_TEST(a_signal_while_reading_queues_nothing)
{
	sys.read = read_then_stop;
	for (size_t n = 0; n < 10; n++) {
		submit_stop = 0;
		reads_left = n;
		ts_refuses(HEAD "\nbody\n", EX_TEMPFAIL, "interrupted");
	}
	ck_assert_uint_eq(ts_files_in("tmp"), 0);
	sys.read = sys_libc.read;
}
END_TEST

static void
make_body_until_stopped(char *p, size_t n)
{
	make_body(p, n);
	if (source_at > 1000 * 1000)
		submit_stop = 1;
}

START_TEST(an_input_that_never_ends_is_left_when_a_signal_comes)
{
	ck_assert_int_eq(run_source(make_body_until_stopped, 100 * 1000 * 1000), EX_TEMPFAIL);
	ck_assert_ptr_nonnull(strstr(ts.why, "interrupted"));
	ck_assert_uint_lt(source_at, 2 * 1000 * 1000);
	ck_assert_uint_eq(ts_files_in("tmp"), 0);
}
END_TEST

static int
run_with_fault(unsigned call, enum fault_kind kind, int err, const char *text)
{
	FILE *f = tmpfile();
	int rc;

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, strlen(text), f), strlen(text));
	rewind(f);
	ts.o.input = fileno(f);
	fault_arm(call, kind, err);
	rc = submit(ts.sp, &ts.o, ts.id, ts.why, sizeof(ts.why));
	fault_disarm();
	fclose(f);
	return rc;
}

/* Whatever goes wrong, and where: not 0 and nothing queued, or 0 and all of it. */
static void
every_fault(enum fault_kind kind, int err, const char *text)
{
	char *whole;
	bool fired = true;

	ck_assert_int_eq(ts_run(text), 0);
	whole = xstrdup(ts.rest);
	for (unsigned call = 1; fired; call++) {
		size_t before = testspool_count(ts.sp);
		int rc = run_with_fault(call, kind, err, text);

		fired = fault_fired();
		if (rc == 0) {
			ts_load();
			ck_assert_str_eq(ts.rest, whole);
			ck_assert_uint_eq(testspool_count(ts.sp), before + 1);
		} else {
			ck_assert_msg(fired, "%s", ts.why);
			ck_assert_msg(testspool_count(ts.sp) == before,
			    "%s fails: queued all the same", fault_where());
			ck_assert(rc == EX_TEMPFAIL || rc == EX_IOERR || rc == EX_CANTCREAT);
		}
		ck_assert_uint_lt(call, 200);
	}
	free(whole);
}

START_TEST(a_full_disk_queues_nothing)
{
	every_fault(FAULT_FULL, ENOSPC, HEAD "\nbody\n");
	ck_assert_uint_eq(ts_files_in("tmp"), 0);
}
END_TEST

START_TEST(any_call_that_fails_queues_nothing_or_all)
{
	char text[3000] = HEAD "\n";

	memset(text + strlen(HEAD) + 1, 'x', 1500); /* with the second pass */
	every_fault(FAULT_ONCE, EIO, text);
}
END_TEST

START_TEST(short_reads_and_writes_lose_nothing)
{
	char text[3000] = HEAD "\n";

	memset(text + strlen(HEAD) + 1, 'x', 1500);
	every_fault(FAULT_SHORT, 0, text);
}
END_TEST

Suite *
suite_submit_input(void)
{
	Suite *s = suite_create("submit_input");
	TCase *t = tcase_create("submit_input");

	tcase_add_checked_fixture(t, ts_setup, ts_teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_hundred_thousand_recipients_in_one_header);
	tcase_add_test(t, ten_megabytes_of_header);
	tcase_add_test(t, a_header_beyond_all_measure_is_refused);
	tcase_add_test(t, more_than_a_hundred_received_lines_are_a_loop);
	tcase_add_test(t, fifty_megabytes_pass_through_a_fixed_buffer);
	tcase_add_test(t, a_message_larger_than_max_size_is_refused_before_it_is_read_whole);
	tcase_add_test(t, closed_standard_input_and_a_directory_are_no_input);
	tcase_add_test(t, a_pipe_that_ends_early_is_the_message);
	tcase_add_test(t, a_read_error_at_any_point_queues_nothing);
	tcase_add_test(t, a_signal_while_reading_queues_nothing);
	tcase_add_test(t, an_input_that_never_ends_is_left_when_a_signal_comes);
	tcase_add_test(t, a_full_disk_queues_nothing);
	tcase_add_test(t, any_call_that_fails_queues_nothing_or_all);
	tcase_add_test(t, short_reads_and_writes_lose_nothing);
	suite_add_tcase(s, t);
	return s;
}
