#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "fault.h"
#include "logcap.h"
#include "spooldir.h"
#include "suites.h"

enum { HOUR = 3600 };

static const int64_t now = 1764000000;
static struct spool *sp;
static struct envelope e;
static char why[300];
static const char *path;

static void
setup_closed(void)
{
	path = spooldir_make();
	envelope_init(&e);
	logcap_start();
}

static void
setup(void)
{
	setup_closed();
	ck_assert_int_eq(spool_open(&sp, path, why, sizeof(why)), 0);
}

static void
teardown(void)
{
	fault_disarm();
	sys = sys_libc;
	logcap_stop();
	envelope_free(&e);
	spool_close(&sp);
	spooldir_remove();
}

static int
open_it(void)
{
	spool_close(&sp);
	why[0] = '\0';
	return spool_open(&sp, path, why, sizeof(why));
}

/* Queues a message as if by hand; the id is its name. */
static void
queue(const char *id)
{
	char name[100], text[400];

	snprintf(name, sizeof(name), "msg/%s", id);
	spooldir_write(name, "Subject: x\r\n\r\n");
	snprintf(name, sizeof(name), "ctl/%s", id);
	snprintf(text, sizeof(text),
	    "Content-type: application/x-citadel-delivery-list\n\nformat|1\nmsgid|%s\n"
	    "envelope_from|alice@example.org\nuid|1000\nremote|bob@example.net|0|\n"
	    "remote|carol@example.net|0|\nrecipients|2\n",
	    id);
	spooldir_write(name, text);
}

static void
append_text(const char *name, const char *text)
{
	int fd = open(spooldir_path(name), O_WRONLY | O_APPEND);

	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void
move(const char *from, const char *to)
{
	char old[200];

	snprintf(old, sizeof(old), "%s", spooldir_path(from));
	ck_assert_int_eq(rename(old, spooldir_path(to)), 0);
}

static int
lock_it(const char *id)
{
	int fd;

	ck_assert_int_eq(spool_lock(sp, id, &fd), SPOOL_LOCKED);
	return fd;
}

static enum spool_load
load(const char *id, int fd, off_t *size)
{
	envelope_free(&e);
	why[0] = '\0';
	return spool_load(sp, id, fd, &e, size, why, sizeof(why));
}

/* --- opening --- */

START_TEST(opening_makes_what_is_missing)
{
	static const struct {
		const char *name;
		mode_t mode;
	} all[] = {{"", S_IFDIR | 0700}, {"tmp", S_IFDIR | 0700}, {"msg", S_IFDIR | 0700},
	    {"ctl", S_IFDIR | 0700}, {"corrupt", S_IFDIR | 0700}, {"run", S_IFDIR | 0700},
	    {"wake", S_IFIFO | 0600}, {"ballast", S_IFREG | 0600}};
	static const mode_t umasks[] = {0, 022, 0777};
	mode_t mask = umasks[_i];

	umask(mask);
	ck_assert_int_eq(open_it(), 0);
	ck_assert_uint_eq(umask(022), mask);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		ck_assert_msg(spooldir_mode(all[i].name) == all[i].mode, "%s: %o", all[i].name,
		    spooldir_mode(all[i].name));
	ck_assert_str_eq(spool_path(sp), path);
}
END_TEST

START_TEST(what_is_there_is_not_made_again)
{
	ck_assert_int_eq(open_it(), 0);
	fault_arm(0, FAULT_ONCE, 0);
	ck_assert_int_eq(open_it(), 0);
	ck_assert_uint_eq(fault_calls("mkdirat") + fault_calls("mkfifoat") + fault_calls("write") +
			      fault_calls("fsync"),
	    0);
}
END_TEST

START_TEST(the_parent_is_synced_and_must_exist)
{
	fault_arm(0, FAULT_ONCE, 0);
	ck_assert_int_eq(open_it(), 0);
	/* the parent, once more with all that is in the spool, that itself, and the ballast */
	ck_assert_uint_eq(fault_calls("fsync"), 4);
	fault_disarm();
	spool_close(&sp);
	ck_assert_int_eq(spool_open(&sp, spooldir_path("no/such"), why, sizeof(why)), EX_CANTCREAT);
	ck_assert_ptr_null(sp);
	ck_assert_ptr_nonnull(strstr(why, "No such file"));
}
END_TEST

static struct {
	unsigned syncs; /* while it was not there */
} ballast;

static int
fsync_before_ballast(int fd)
{
	ballast.syncs += !spooldir_has("ballast");
	return sys_libc.fsync(fd);
}

/* It was killed before it had synced them, and the power may still fail. */
START_TEST(what_another_made_and_died_is_synced_before_the_ballast)
{
	ck_assert_int_eq(open_it(), 0);
	spool_close(&sp);
	ck_assert_int_eq(unlink(spooldir_path("ballast")), 0);
	ballast.syncs = 0;
	sys.fsync = fsync_before_ballast;
	ck_assert_int_eq(open_it(), 0);
	ck_assert_uint_eq(ballast.syncs, 2); /* the parent, the spool */
	ck_assert(spooldir_has("ballast"));
}
END_TEST

START_TEST(a_spool_whose_name_cannot_be_synced_is_not_made)
{
	fault_arm(4, FAULT_ONCE, EIO); /* open, mkdir, open the parent, fsync */
	ck_assert_int_eq(open_it(), EX_IOERR);
	ck_assert_str_eq(fault_where(), "fsync");
	fault_disarm();
	ck_assert(!spooldir_has(""));
}
END_TEST

START_TEST(relative_names_work_and_chdir_does_not_matter)
{
	char parent[100];
	int fd;

	snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
	ck_assert_int_eq(chdir(parent), 0);
	ck_assert_int_eq(spool_open(&sp, "spool", why, sizeof(why)), 0);
	ck_assert_int_eq(chdir("/"), 0);
	queue("a1");
	fd = lock_it("a1");
	ck_assert_int_eq(spool_finish(sp, "a1"), 0);
	spool_unlock(&fd);
	spool_close(&sp);
	ck_assert_int_eq(chdir(parent), 0);
	ck_assert_int_eq(spool_open(&sp, "spool///", why, sizeof(why)), 0);
	spool_close(&sp);
	ck_assert_int_eq(spool_open(&sp, "other//", why, sizeof(why)), 0);
	ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(a_symlink_to_the_spool_is_the_administrators)
{
	char real[100];

	snprintf(real, sizeof(real), "%s.real", path);
	ck_assert_int_eq(mkdir(real, 0700), 0);
	ck_assert_int_eq(symlink(real, path), 0);
	ck_assert_int_eq(open_it(), 0);
}
END_TEST

static int
fstat_of_another(int fd, struct stat *st)
{
	int r = fstat(fd, st);

	st->st_uid = geteuid() + 1;
	return r;
}

START_TEST(anothers_spool_is_refused)
{
	ck_assert_int_eq(open_it(), 0);
	sys.fstat = fstat_of_another;
	ck_assert_int_eq(open_it(), EX_TEMPFAIL);
	ck_assert_ptr_nonnull(strstr(why, "no_new_privs"));
	ck_assert_ptr_nonnull(strstr(why, "nosuid"));
	ck_assert_ptr_null(sp);
	sys = sys_libc;
	fault_arm(1, FAULT_ONCE, EACCES);
	ck_assert_int_eq(open_it(), EX_TEMPFAIL);
	ck_assert_ptr_nonnull(strstr(why, "no_new_privs"));
	ck_assert_ptr_nonnull(strstr(why, "nosuid"));
}
END_TEST

START_TEST(a_directory_that_others_may_write_to_is_no_spool)
{
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(chmod(path, 01777), 0);
	ck_assert_int_eq(open_it(), EX_CONFIG);
	ck_assert_ptr_nonnull(strstr(why, "others"));
	ck_assert_uint_eq(spooldir_count(""), 0);
	ck_assert_int_eq(chmod(path, 0755), 0);
	ck_assert_int_eq(open_it(), 0);
}
END_TEST

START_TEST(wrong_types_are_refused)
{
	static const char *const names[] = {
	    "tmp", "msg", "ctl", "corrupt", "run", "wake", "ballast"};
	const char *name = names[_i];

	ck_assert_int_eq(open_it(), 0);
	move(name, "../gone");
	ck_assert_int_eq(symlink("/tmp", spooldir_path(name)), 0);
	ck_assert_int_eq(open_it(), EX_CONFIG);
	ck_assert_ptr_nonnull(strstr(why, name));
	ck_assert_int_eq(unlink(spooldir_path(name)), 0);
	if (strcmp(name, "ballast") == 0)
		ck_assert_int_eq(mkdir(spooldir_path(name), 0700), 0);
	else
		spooldir_write(name, "");
	ck_assert_int_eq(open_it(), EX_CONFIG);
	ck_assert_ptr_nonnull(strstr(why, name));
	if (strcmp(name, "wake") != 0) {
		remove(spooldir_path(name));
		ck_assert_int_eq(mkfifo(spooldir_path(name), 0600), 0);
		ck_assert_int_eq(open_it(), EX_CONFIG);
	}
}
END_TEST

START_TEST(a_file_in_its_place_is_refused)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	close(fd);
	ck_assert_int_eq(open_it(), EX_CONFIG);
}
END_TEST

START_TEST(each_error_has_its_exit_code)
{
	static const struct {
		int err, code;
	} codes[] = {{ENOSPC, EX_TEMPFAIL}, {EMFILE, EX_TEMPFAIL}, {EIO, EX_IOERR},
	    {EROFS, EX_CANTCREAT}, {ELOOP, EX_CONFIG}, {EPERM, EX_TEMPFAIL}};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		fault_arm(1, FAULT_ONCE, codes[i].err);
		ck_assert_int_eq(open_it(), codes[i].code);
		ck_assert_ptr_nonnull(strstr(why, path));
	}
}
END_TEST

START_TEST(a_short_buffer_for_why_is_not_overrun)
{
	char small[4] = "abc";

	fault_arm(1, FAULT_ONCE, EIO);
	ck_assert_int_eq(spool_open(&sp, path, small, sizeof(small)), EX_IOERR);
	ck_assert_str_eq(small, "spo");
}
END_TEST

/* --- ballast --- */

static void
assert_ballast(void)
{
	struct stat st;

	ck_assert_int_eq(stat(spooldir_path("ballast"), &st), 0);
	ck_assert_int_eq(st.st_size, 1 << 20);
	ck_assert_int_ge(st.st_blocks, (1 << 20) / 512);
}

START_TEST(ballast_is_really_written)
{
	assert_ballast();
	ck_assert(spool_ballast_ok(sp));
}
END_TEST

START_TEST(ballast_is_made_whole_again)
{
	ck_assert_int_eq(truncate(spooldir_path("ballast"), 1000), 0);
	ck_assert(spool_ballast_ok(sp));
	assert_ballast();
	ck_assert_int_eq(unlink(spooldir_path("ballast")), 0);
	fault_arm(1, FAULT_FULL, ENOSPC);
	ck_assert(!spool_ballast_ok(sp));
	fault_arm(3, FAULT_FULL, ENOSPC); /* it can be created, not written */
	ck_assert(!spool_ballast_ok(sp));
	fault_disarm();
	ck_assert(!spooldir_has("ballast"));
	ck_assert(spool_ballast_ok(sp));
}
END_TEST

START_TEST(a_full_disk_does_not_keep_a_spool_from_opening)
{
	unlink(spooldir_path("ballast"));
	fault_arm(1, FAULT_FULL, ENOSPC);
	ck_assert_int_eq(open_it(), 0);
}
END_TEST

START_TEST(ballast_is_given_up_for_a_record)
{
	struct buf line;
	off_t size;
	int fd;

	queue("a1");
	fd = lock_it("a1");
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

/* --- who runs --- */

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
	move("run", "gone");
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

	queue("a1");
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
	ck_assert_int_eq(open_it(), 0);
	fd = spool_runner_lock(sp, "full");
	umask(022);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_uint_eq(spooldir_mode("run/full"), S_IFREG | 0600);
}
END_TEST

/* --- locks --- */

START_TEST(a_message_is_locked_by_one)
{
	int fd, other;

	queue("a1");
	fd = lock_it("a1");
	ck_assert_int_eq(spool_lock(sp, "a1", &other), SPOOL_BUSY);
	ck_assert_int_eq(other, -1);
	spool_unlock(&fd);
	ck_assert_int_eq(fd, -1);
	spool_unlock(&fd);
	fd = lock_it("a1");
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
	move("ctl/new", "ctl/a1");
	return flock(fd, op);
}

START_TEST(a_lock_on_what_has_lost_its_name_is_none)
{
	int fd;

	queue("a1");
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

	queue("a1");
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

	queue("a1");
	ck_assert_int_eq(load("a1", -1, &size), SPOOL_LOADED);
	ck_assert_str_eq(e.id, "a1");
	ck_assert_uint_eq(e.nrcpts, 2);
	ck_assert_int_eq(size, (off_t)strlen(spooldir_read("ctl/a1")));
	fd = lock_it("a1");
	ck_assert_int_eq(load("a1", fd, &size), SPOOL_LOADED);
	ck_assert_int_eq(load("none", -1, &size), SPOOL_MISSING);
	spool_unlock(&fd);
}
END_TEST

START_TEST(a_failing_read_condemns_nothing)
{
	off_t size;

	queue("a1");
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
	FILE *f;

	sys.pread = sys_libc.pread;
	f = fopen(spooldir_path("ctl/a1"), "a");
	ck_assert_ptr_nonnull(f);
	fputs("attempted|1764000000\nretry|900\n", f);
	fclose(f);
	return sys.pread(fd, buf, n, at);
}

START_TEST(a_file_that_grows_while_it_is_read_is_read_whole)
{
	off_t size;

	queue("a1");
	sys.pread = pread_after_growth;
	ck_assert_int_eq(load("a1", -1, &size), SPOOL_LOADED);
	ck_assert_int_eq(e.retry, 900);
	ck_assert(!e.torn);
}
END_TEST

START_TEST(a_file_too_large_for_memory_is_not_read)
{
	off_t size;

	queue("a1");
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
	queue("a2");
	move("ctl/a2", "ctl/a3");
	ck_assert_int_eq(load("a3", -1, &size), SPOOL_CORRUPT);
	ck_assert_ptr_nonnull(strstr(why, "msgid"));
}
END_TEST

START_TEST(skipped_lines_are_warned_of_once_a_load)
{
	off_t size;
	int fd;

	queue("a1");
	append_text("ctl/a1", "remote|nobody|2|\nremote|\n");
	ck_assert_int_eq(load("a1", -1, &size), SPOOL_LOADED);
	ck_assert_uint_eq(logcap_count("a1"), 0); /* somebody only looks */
	fd = lock_it("a1");
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

	queue("a1");
	append_text("ctl/a1", "attempted|5\nremote|carol@exam");
	fd = lock_it("a1");
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

	queue("a1");
	fd = lock_it("a1");
	ck_assert_int_eq(load("a1", fd, &size), SPOOL_LOADED);
	append_text("ctl/a1", "remote|carol@example.net|2|250 ok\nremote|bo");
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

	queue("a1");
	fd = lock_it("a1");
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

	queue("a1");
	fd = lock_it("a1");
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

	queue("a1");
	fd = lock_it("a1");
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
	fd = lock_it("4711");
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
	fd = lock_it("4711");
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

	queue("a1");
	spooldir_write("tmp/a1.w", "left over");
	fd = lock_it("a1");
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

	queue("a1");
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

/* --- the end --- */

START_TEST(finishing_takes_two_steps)
{
	int fd, body;

	queue("a1");
	fd = lock_it("a1");
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

	queue("a1");
	fd = lock_it("a1");
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
	queue("a1");
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
	queue("a1");
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
	queue("a1");
	fault_arm(0, FAULT_ONCE, 0);
	ck_assert_int_eq(spool_quarantine(sp, "a1", NULL, "for a test"), 0);
	ck_assert_uint_eq(fault_calls("fsync"), 2);
	fault_disarm();
}
END_TEST

START_TEST(quarantine_that_fails_leaves_it_in_the_queue)
{
	queue("a1");
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
	queue("a1");
	spooldir_write("ctl/.nfs000123", "x");
	ck_assert_int_eq(mkdir(spooldir_path("ctl/dir"), 0700), 0);
	spooldir_write("ctl/no id", "x");
	fd = lock_it("a1");
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

	queue("a1");
	ck_assert_uint_eq(spool_batch(sp)->ndirs, 0);
	ck_assert_int_eq(spool_scan(sp, note, &seen), 0);
	ck_assert_uint_eq(spool_batch(sp)->ndirs, 1);
	ck_assert_int_eq(durable_commit(spool_batch(sp)), 0);
}
END_TEST

START_TEST(a_scan_can_be_stopped)
{
	struct seen seen = {.stop_at = 2};

	queue("a1");
	queue("a2");
	queue("a3");
	ck_assert_int_eq(spool_scan(sp, note, &seen), 0);
	ck_assert_uint_eq(seen.n, 2);
}
END_TEST

START_TEST(a_scan_goes_on_over_what_fails)
{
	struct seen seen;
	unsigned calls;

	queue("a1");
	queue("a2");
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

	queue("a1");
	queue("a2");
	sys.fstatat = fstatat_vanished;
	ck_assert_int_eq(spool_scan(sp, note, &seen), 0);
	ck_assert_str_eq(seen.ids, "a2");
}
END_TEST

START_TEST(the_owner_is_in_the_first_part)
{
	queue("a1");
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

	queue("a1");
	fd = lock_it("a1");
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
	queue("queued");
	spooldir_age("msg/queued", old);
	spooldir_age("ctl/queued", old);
	queue("queued.r1");
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
		queue("queued");
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
	ck_assert_int_eq(open_it(), 0);
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

static TCase *
opening_cases(void)
{
	TCase *tc = tcase_create("opening");

	tcase_add_checked_fixture(tc, setup_closed, teardown);
	tcase_add_loop_test(tc, opening_makes_what_is_missing, 0, 3);
	tcase_add_test(tc, what_is_there_is_not_made_again);
	tcase_add_test(tc, the_parent_is_synced_and_must_exist);
	tcase_add_test(tc, what_another_made_and_died_is_synced_before_the_ballast);
	tcase_add_test(tc, a_spool_whose_name_cannot_be_synced_is_not_made);
	tcase_add_test(tc, relative_names_work_and_chdir_does_not_matter);
	tcase_add_test(tc, a_symlink_to_the_spool_is_the_administrators);
	tcase_add_test(tc, anothers_spool_is_refused);
	tcase_add_test(tc, a_directory_that_others_may_write_to_is_no_spool);
	tcase_add_loop_test(tc, wrong_types_are_refused, 0, 7);
	tcase_add_test(tc, a_file_in_its_place_is_refused);
	tcase_add_test(tc, each_error_has_its_exit_code);
	tcase_add_test(tc, a_short_buffer_for_why_is_not_overrun);
	return tc;
}

static void
add_small_files(TCase *tc)
{
	tcase_add_test(tc, ballast_is_really_written);
	tcase_add_test(tc, ballast_is_made_whole_again);
	tcase_add_test(tc, a_full_disk_does_not_keep_a_spool_from_opening);
	tcase_add_loop_test(tc, ballast_is_given_up_for_a_record, 0, 2);
	tcase_add_test(tc, waking_reaches_a_reader);
	tcase_add_test(tc, a_full_pipe_does_not_block);
	tcase_add_test(tc, a_call_to_look_anew_is_told_from_one_for_new_mail);
	tcase_add_test(tc, a_file_in_place_of_the_fifo_is_left_alone);
	tcase_add_test(tc, a_wake_that_fails_is_logged);
	tcase_add_test(tc, a_wake_that_comes_too_late_is_not);
	tcase_add_test(tc, one_runner_has_the_lock);
	tcase_add_test(tc, who_only_asks_keeps_no_runner_away);
	tcase_add_test(tc, who_is_stopped_while_he_asks_holds_up_nobody_for_long);
	tcase_add_test(tc, who_asks_for_a_message_is_no_runner);
	tcase_add_test(tc, a_lock_comes_through_an_exec);
	tcase_add_test(tc, a_lock_that_another_has_is_not_adopted);
	tcase_add_test(tc, a_runners_file_is_private_whatever_the_umask);
}

static void
add_items(TCase *tc)
{
	tcase_add_test(tc, a_message_is_locked_by_one);
	tcase_add_test(tc, a_lock_on_what_has_lost_its_name_is_none);
	tcase_add_test(tc, a_lock_that_fails_says_so);
	tcase_add_test(tc, what_is_no_file_neither_blocks_nor_locks);
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
	tcase_add_test(tc, a_citadel_list_gets_its_end_mark);
	tcase_add_test(tc, a_citadel_list_that_cannot_be_written_is_not_worked_on);
	tcase_add_test(tc, a_control_file_is_written_anew);
	tcase_add_test(tc, a_file_that_cannot_be_written_anew_stays);
	tcase_add_test(tc, finishing_takes_two_steps);
	tcase_add_test(tc, quarantine_takes_both);
	tcase_add_test(tc, quarantine_takes_no_body_of_another);
	tcase_add_test(tc, quarantine_that_was_cut_short_is_finished);
	tcase_add_test(tc, quarantine_has_the_body_safe_before_the_control_file);
	tcase_add_test(tc, quarantine_that_fails_leaves_it_in_the_queue);
}

static void
add_scans(TCase *tc)
{
	tcase_add_test(tc, a_scan_sees_what_is_queued);
	tcase_add_test(tc, the_names_a_scan_has_seen_are_synced);
	tcase_add_test(tc, a_scan_can_be_stopped);
	tcase_add_test(tc, a_scan_goes_on_over_what_fails);
	tcase_add_test(tc, what_vanishes_during_a_scan_is_no_error);
	tcase_add_test(tc, the_owner_is_in_the_first_part);
	tcase_add_test(tc, due_times_fit_into_every_file_system);
	tcase_add_test(tc, cleaning_removes_what_nobody_wants);
	tcase_add_test(tc, a_body_queued_in_the_last_moment_stays);
	tcase_add_test(tc, cleaning_that_fails_removes_nothing_wanted);
	tcase_add_test(tc, a_clock_in_1970_cleans_nothing);
	tcase_add_test(tc, cleaning_is_due_every_six_hours);
	tcase_add_test(tc, counting_the_corrupt_may_fail);
}

Suite *
suite_spool(void)
{
	Suite *s = suite_create("spool");
	TCase *tc = tcase_create("spool");

	tcase_add_checked_fixture(tc, setup, teardown);
	add_small_files(tc);
	add_items(tc);
	add_scans(tc);
	suite_add_tcase(s, opening_cases());
	suite_add_tcase(s, tc);
	return s;
}
