/*
 * check_spool.c: a spool that is opened: made where it is missing, synced, refused where it is not the
 * user's own or not what it should be; and its ballast, which is there when the disk is full.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/sys.h"
#include "fault.h"
#include "logcap.h"
#include "spooldir.h"
#include "suites.h"

static struct spool *sp;
static char why[300];
static const char *path;

static void
setup_closed(void)
{
	path = spooldir_make();
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
	spooldir_close(&sp);
}

static int
open_it(void)
{
	spool_close(&sp);
	why[0] = '\0';
	return spool_open(&sp, path, why, sizeof(why));
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
	spooldir_queue("a1");
	fd = spooldir_lock(sp, "a1");
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
	spooldir_move(name, "../gone");
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

Suite *
suite_spool(void)
{
	Suite *s = suite_create("spool");
	TCase *tc = tcase_create("ballast");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, ballast_is_really_written);
	tcase_add_test(tc, ballast_is_made_whole_again);
	tcase_add_test(tc, a_full_disk_does_not_keep_a_spool_from_opening);
	suite_add_tcase(s, opening_cases());
	suite_add_tcase(s, tc);
	return s;
}
