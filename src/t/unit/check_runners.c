/*
 * check_runners.c: who runs, and how others learn of it: the FIFO that wakes runners blocks nobody, and a
 * runner's lock is one process's, told from the locks of those who only ask.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
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

/* --- waking them --- */

START_TEST(waking_reaches_a_reader)
{
	char byte[10];
	int fd;

	spool_wake(sp); /* nobody there */
	fd = spool_wake_open(sp);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(read(fd, byte, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	spool_wake(sp);
	spool_wake(sp);
	ck_assert_int_eq(read(fd, byte, sizeof(byte)), 2);
	close(fd);
	ck_assert_uint_eq(logcap_count("wake"), 0);
}
END_TEST

START_TEST(a_full_pipe_does_not_block)
{
	static char page[4096];
	int fd = spool_wake_open(sp);

	while (write(fd, page, sizeof(page)) > 0)
		continue;
	spool_wake(sp);
	spool_wake_drain(fd);
	ck_assert_int_eq(read(fd, page, 1), -1);
	close(fd);
	ck_assert_uint_eq(logcap_count("wake"), 0);
}
END_TEST

START_TEST(a_call_to_look_anew_is_told_from_one_for_new_mail)
{
	int fd = spool_wake_open(sp);

	for (int i = 0; i < 1500; i++)
		spool_wake(sp);
	ck_assert(!spool_wake_drain(fd));
	spool_wake_anew(sp);
	for (int i = 0; i < 1500; i++)
		spool_wake(sp);
	ck_assert(spool_wake_drain(fd));
	ck_assert(!spool_wake_drain(fd));
	close(fd);
}
END_TEST

START_TEST(a_file_in_place_of_the_fifo_is_left_alone)
{
	ck_assert_int_eq(unlink(spooldir_path("wake")), 0);
	spooldir_write("wake", "");
	spool_wake(sp);
	ck_assert_str_eq(spooldir_read("wake"), "");
	ck_assert_int_eq(spool_wake_open(sp), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(a_wake_that_fails_is_logged)
{
	int fd = spool_wake_open(sp);

	fault_arm(3, FAULT_ONCE, EIO); /* open, fstat, write */
	spool_wake(sp);
	fault_disarm();
	ck_assert(logcap_has("wake"));
	close(fd);
}
END_TEST

/* He who would have read it has just left, after a last look: no news for anybody. */
START_TEST(a_wake_that_comes_too_late_is_not)
{
	int fd = spool_wake_open(sp);

	fault_arm(3, FAULT_ONCE, EPIPE);
	spool_wake(sp);
	fault_disarm();
	ck_assert(!logcap_has("wake"));
	close(fd);
}
END_TEST

/* A descriptor that has come through an exec is not closed by the next. */
START_TEST(a_lock_comes_through_an_exec)
{
	int fd = spool_runner_lock(sp, "1000"), other = spool_runner_lock(sp, "1001"), own;

	ck_assert_int_ge(fd, 0);
	spool_unlock(&other);
	ck_assert_int_eq(spool_runner_adopt(sp, "1000", fd), -1); /* one of our own */
	ck_assert_int_eq(fcntl(fd, F_SETFD, 0), 0);
	other = spool_runner_adopt(sp, "1001", fd); /* another's name: a lock of its own */
	ck_assert_int_ge(other, 0);
	ck_assert_int_ne(other, fd);
	ck_assert_int_eq(spool_runner_adopt(sp, "1000", -1), -1);
	ck_assert_int_eq(spool_runner_adopt(sp, "1000", fd), fd);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert(spool_runner_present(sp, "1000"));
	own = open("/dev/null", O_RDONLY);
	ck_assert_int_eq(spool_runner_adopt(sp, "1000", own), -1);
	close(own);
	spool_unlock(&other);
	spool_unlock(&fd);
}
END_TEST

/* The same file, but nobody's lock came with it. */
START_TEST(a_lock_that_another_has_is_not_adopted)
{
	int fd = spool_runner_lock(sp, "1000");
	int copy = open(spooldir_path("run/1000"), O_RDWR);

	ck_assert_int_ge(copy, 0);
	ck_assert_int_eq(spool_runner_adopt(sp, "1000", copy), -1);
	close(copy);
	spool_unlock(&fd);
}
END_TEST

START_TEST(one_runner_has_the_lock)
{
	int fd, other;

	ck_assert(!spool_runner_present(sp, "full"));
	fd = spool_runner_lock(sp, "full");
	ck_assert_int_ge(fd, 0);
	ck_assert(spool_runner_present(sp, "full"));
	ck_assert(!spool_runner_present(sp, "1000"));
	other = spool_runner_lock(sp, "full");
	ck_assert_int_eq(other, -1);
	ck_assert_int_eq(errno, EWOULDBLOCK);
	close(fd);
	ck_assert(!spool_runner_present(sp, "full"));
	ck_assert_uint_eq(spooldir_mode("run/full"), S_IFREG | 0600);
	/* Somebody else who asks at the same moment is no runner. */
	fd = open(spooldir_path("run/full"), O_RDWR);
	ck_assert_int_eq(flock(fd, LOCK_SH), 0);
	ck_assert(!spool_runner_present(sp, "full"));
	close(fd);
	fd = spool_runner_lock(sp, "full");
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(mkfifo(spooldir_path("run/odd"), 0600), 0);
	ck_assert_int_eq(spool_runner_lock(sp, "odd"), -1);
	ck_assert(!spool_runner_present(sp, "odd"));
	fault_arm(5, FAULT_ONCE, ENOLCK); /* open, open, fstat, close, flock: that says nothing */
	ck_assert(!spool_runner_present(sp, "full"));
	ck_assert_str_eq(fault_where(), "flock");
	fault_disarm();
	spooldir_move("run", "gone");
	ck_assert_int_eq(spool_runner_lock(sp, "full"), -1);
}
END_TEST

static int asker, naps, naps_of_the_asker;

static int
nap_until_the_asker_is_gone(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	(void)fds;
	ck_assert_uint_eq(n, 0);
	ck_assert_int_gt(timeout_ms, 0);
	if (++naps == naps_of_the_asker)
		close(asker);
	return 0;
}

/* -1: he is stopped while he asks. */
static void
ask_for_naps(int n)
{
	asker = open(spooldir_path("run/full"), O_RDWR | O_CREAT, 0600);
	ck_assert_int_eq(flock(asker, LOCK_SH), 0);
	sys.poll = nap_until_the_asker_is_gone;
	naps = 0;
	naps_of_the_asker = n;
}

START_TEST(who_only_asks_keeps_no_runner_away)
{
	int fd;

	ask_for_naps(3);
	fd = spool_runner_lock(sp, "full");
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(naps, 3);
	ck_assert(spool_runner_present(sp, "full"));
	ck_assert_int_eq(spool_runner_lock(sp, "full"), -1); /* a runner is not waited for */
	ck_assert_int_eq(naps, 3);
	spool_unlock(&fd);
}
END_TEST

START_TEST(who_is_stopped_while_he_asks_holds_up_nobody_for_long)
{
	ask_for_naps(-1);
	ck_assert_int_eq(spool_runner_lock(sp, "full"), -1);
	ck_assert_int_eq(errno, EWOULDBLOCK);
	ck_assert_int_le(naps, 1000);
	close(asker);
}
END_TEST

/* Two who look at the queue at once do not show each other a delivery. */
START_TEST(who_asks_for_a_message_is_no_runner)
{
	int fd, lock;

	spooldir_queue("a1");
	fd = open(spooldir_path("ctl/a1"), O_RDWR);
	ck_assert_int_eq(flock(fd, LOCK_SH), 0);
	ck_assert(!spool_is_locked(sp, "a1"));
	close(fd);
	ck_assert_int_eq(spool_lock(sp, "a1", &lock), SPOOL_LOCKED);
	ck_assert(spool_is_locked(sp, "a1"));
	spool_unlock(&lock);
	ck_assert(!spool_is_locked(sp, "a1"));
	ck_assert(!spool_is_locked(sp, "a2"));
}
END_TEST

START_TEST(a_runners_file_is_private_whatever_the_umask)
{
	int fd;

	umask(0777);
	spooldir_reopen(&sp);
	fd = spool_runner_lock(sp, "full");
	umask(022);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_uint_eq(spooldir_mode("run/full"), S_IFREG | 0600);
}
END_TEST

Suite *
suite_runners(void)
{
	Suite *s = suite_create("runners");
	TCase *tc = tcase_create("runners");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, waking_reaches_a_reader);
	tcase_add_test(tc, a_full_pipe_does_not_block);
	tcase_add_test(tc, a_call_to_look_anew_is_told_from_one_for_new_mail);
	tcase_add_test(tc, a_file_in_place_of_the_fifo_is_left_alone);
	tcase_add_test(tc, a_wake_that_fails_is_logged);
	tcase_add_test(tc, a_wake_that_comes_too_late_is_not);
	tcase_add_test(tc, a_lock_comes_through_an_exec);
	tcase_add_test(tc, a_lock_that_another_has_is_not_adopted);
	tcase_add_test(tc, one_runner_has_the_lock);
	tcase_add_test(tc, who_only_asks_keeps_no_runner_away);
	tcase_add_test(tc, who_is_stopped_while_he_asks_holds_up_nobody_for_long);
	tcase_add_test(tc, who_asks_for_a_message_is_no_runner);
	tcase_add_test(tc, a_runners_file_is_private_whatever_the_umask);
	suite_add_tcase(s, tc);
	return s;
}
