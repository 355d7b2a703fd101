#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/sys.h"
#include "mailq.h"
#include "suites.h"
#include "testspool.h"
#include "vclock.h"

enum { T0 = 1764000000 }; /* Mon, 24 Nov 2025 16:00:00 +0000 */

static struct spool *sp;
static char shown[65536];

static const char *const two[] = {"bob@example.net", "carol@example.com", NULL};

static void
setup(void)
{
	setenv("TZ", "UTC0", 1);
	vclock_install(T0);
	sp = testspool_open();
}

static void
teardown(void)
{
	testspool_close(&sp);
	sys = sys_libc;
}

static int
mailq(long long uid)
{
	FILE *out = fmemopen(shown, sizeof(shown), "w");
	int status;

	ck_assert_ptr_nonnull(out);
	status = mailq_print(sp, out, uid, T0 + 7200);
	fclose(out);
	return status;
}

static void
add(char id[ENVELOPE_ID_MAX + 1], const char *sender, long long uid)
{
	testspool_add(sp,
	    &(struct testspool_message){.sender = sender,
		.recipients = two,
		.body = "Subject: x\r\n\r\nhello\r\n",
		.uid = uid,
		.submitted = T0},
	    id);
}

/* Appends what a runner would have. */
static void
append(const char *id, const char *lines)
{
	struct envelope e;
	struct buf text;
	off_t size;
	char why[256];
	int fd = -1;

	envelope_init(&e);
	buf_init(&text, 4096);
	buf_adds(&text, lines);
	ck_assert_int_eq(spool_lock(sp, id, &fd), SPOOL_LOCKED);
	ck_assert_int_eq(spool_load(sp, id, fd, &e, &size, why, sizeof(why)), SPOOL_LOADED);
	ck_assert_int_eq(spool_append(sp, fd, &size, &text, false), 0);
	spool_unlock(&fd);
	buf_free(&text);
	envelope_free(&e);
}

static void
assert_shown(const char *part)
{
	ck_assert_msg(strstr(shown, part) != NULL, "no \"%s\" in:\n%s", part, shown);
}

static void
assert_hidden(const char *part)
{
	ck_assert_msg(strstr(shown, part) == NULL, "\"%s\" in:\n%s", part, shown);
}

/* What monitoring scripts look at. */
static const char *
last_line(void)
{
	size_t n = strlen(shown);

	while (n > 0 && (n == strlen(shown) || shown[n - 1] != '\n'))
		n--;
	return shown + n;
}

START_TEST(empty_queue_says_so)
{
	ck_assert_int_eq(mailq(-1), EX_OK);
	ck_assert_str_eq(shown, "Mail queue is empty\n");
}
END_TEST

START_TEST(entry_reads_as_it_should)
{
	char id[ENVELOPE_ID_MAX + 1], want[2000];

	add(id, NULL, 0);
	append(id, "attempted|1764007000\nretry|1800\n"
		   "remote|bob@example.net|4|451 4.7.1 greylisted, try later\n"
		   "remote|carol@example.com|2|250 2.0.0 ok\n");
	ck_assert_int_eq(mailq(-1), EX_OK);
	snprintf(want, sizeof(want),
	    "-Queue ID-            --Size-- ----Arrival Time---- -Sender/Recipient-------\n"
	    "%s        21 Mon Nov 24 16:00:00  alice@example.org\n"
	    "                      2h old, next try in 26m40s (Mon Nov 24 "
	    "18:26:40)\n"
	    "        (451 4.7.1 greylisted, try later)\n"
	    "                                         bob@example.net\n"
	    "\n"
	    "-- 1 Kbytes in 1 Request.\n",
	    id);
	ck_assert_str_eq(shown, want);
}
END_TEST

START_TEST(new_entry_is_due_and_the_null_sender_has_a_name)
{
	char id[ENVELOPE_ID_MAX + 1];

	add(id, "", 0);
	ck_assert_int_eq(mailq(-1), EX_OK);
	assert_shown("  MAILER-DAEMON\n");
	assert_shown("due now\n");
	assert_shown(" carol@example.com\n");
}
END_TEST

START_TEST(line_breaks_in_a_list_stay_in_their_line)
{
	static const char *const odd[] = {"bob\n-- 0 Kbytes in 0 Requests.", NULL};
	char id[ENVELOPE_ID_MAX + 1];

	testspool_add(sp,
	    &(struct testspool_message){.recipients = odd, .body = "x\r\n", .submitted = T0}, id);
	append(id, "remote|bob\\n-- 0 Kbytes in 0 Requests.|4|451 4.0.0 a\\nb\n");
	ck_assert_int_eq(mailq(-1), EX_OK);
	assert_shown(" bob?-- 0 Kbytes in 0 Requests.\n");
	assert_shown("(451 4.0.0 a b)\n");
}
END_TEST

START_TEST(active_and_held_are_marked)
{
	char first[ENVELOPE_ID_MAX + 1], second[ENVELOPE_ID_MAX + 1], mark[ENVELOPE_ID_MAX + 3];
	int fd = -1;

	add(first, NULL, 0);
	add(second, NULL, 0);
	append(second, "hold|1\n");
	ck_assert_int_eq(spool_lock(sp, first, &fd), SPOOL_LOCKED);
	ck_assert_int_eq(mailq(-1), EX_OK);
	snprintf(mark, sizeof(mark), "%s*", first);
	assert_shown(mark);
	assert_shown("old, being delivered now\n");
	snprintf(mark, sizeof(mark), "%s!", second);
	assert_shown(mark);
	assert_shown("old, held\n");
	ck_assert_str_eq(last_line(), "-- 1 Kbytes in 2 Requests.\n");
	spool_unlock(&fd);
}
END_TEST

START_TEST(failure_is_listed_until_somebody_has_been_told)
{
	char id[ENVELOPE_ID_MAX + 1];

	add(id, NULL, 0);
	append(id, "remote|bob@example.net|5|550 5.1.1 no such user\nreport|1\n");
	ck_assert_int_eq(mailq(-1), EX_OK);
	assert_shown("(failed: 550 5.1.1 no such user)\n");
	append(id, "reported|1\n");
	ck_assert_int_eq(mailq(-1), EX_OK);
	assert_hidden("bob@example.net");
	assert_shown("carol@example.com");
}
END_TEST

START_TEST(others_mail_is_not_shown)
{
	char mine[ENVELOPE_ID_MAX + 1], other[ENVELOPE_ID_MAX + 1];

	add(mine, "me@example.org", 1000);
	add(other, "other@example.org", 1001);
	ck_assert_int_eq(mailq(1000), EX_OK);
	assert_shown("me@example.org");
	assert_hidden("other@example.org");
	ck_assert_str_eq(last_line(), "-- 1 Kbytes in 1 Request.\n");
	ck_assert_int_eq(mailq(1002), EX_OK);
	ck_assert_str_eq(shown, "Mail queue is empty\n");
}
END_TEST

/* A file in a folder of the spool. */
static void
plant(const char *name, const char *text)
{
	char path[1024];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", spool_path(sp), name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

START_TEST(damage_is_counted_and_never_hides_the_totals)
{
	plant("corrupt/a.ctl", "x");
	ck_assert_int_eq(mailq(-1), EX_OK);
	assert_shown("1 damaged, kept in ");
	ck_assert_str_eq(last_line(), "Mail queue is empty\n");

	plant("ctl/abc", "nonsense\n");
	ck_assert_int_eq(mailq(-1), EX_OK);
	assert_shown("abc                   cannot be read: ");
	ck_assert_str_eq(last_line(), "-- 0 Kbytes in 1 Request.\n");
	ck_assert_int_eq(mailq(0), EX_OK); /* not root's own: nobody's */
	ck_assert_str_eq(shown, "Mail queue is empty\n");
}
END_TEST

static DIR *
no_directory(int fd)
{
	(void)fd;
	errno = EIO;
	return NULL;
}

START_TEST(unreadable_queue_is_not_called_empty)
{
	sys.fdopendir = no_directory;
	ck_assert_int_eq(mailq(-1), EX_TEMPFAIL);
	assert_hidden("empty");
	assert_shown("cannot be read");
}
END_TEST

static ssize_t
bad_disk(int fd, void *buf, size_t n)
{
	(void)fd;
	(void)buf;
	(void)n;
	errno = EIO;
	return -1;
}

static ssize_t
bad_disk_at(int fd, void *buf, size_t n, off_t at)
{
	(void)at;
	return bad_disk(fd, buf, n);
}

START_TEST(unreadable_entry_is_counted_and_said)
{
	char id[ENVELOPE_ID_MAX + 1];

	add(id, NULL, 0);
	sys.read = bad_disk;
	sys.pread = bad_disk_at;
	ck_assert_int_eq(mailq(-1), EX_TEMPFAIL);
	assert_shown(" cannot be read: ");
	ck_assert_str_eq(last_line(), "-- 0 Kbytes in 1 Request.\n");
}
END_TEST

START_TEST(entries_come_oldest_first)
{
	char ids[50][ENVELOPE_ID_MAX + 1];
	const char *at, *last = shown;
	int i;

	for (i = 0; i < 50; i++) {
		add(ids[i], NULL, 0);
		vclock_step_wall(1);
	}
	ck_assert_int_eq(mailq(-1), EX_OK);
	for (i = 0; i < 50; i++) {
		ck_assert_ptr_nonnull(at = strstr(shown, ids[i]));
		ck_assert(at > last);
		last = at;
	}
}
END_TEST

START_TEST(reader_that_went_away_is_an_error)
{
	char id[ENVELOPE_ID_MAX + 1];
	FILE *out = fopen("/dev/full", "w");

	if (out == NULL) /* not on every system */
		return;
	add(id, NULL, 0);
	ck_assert_int_eq(mailq_print(sp, out, -1, T0), EX_IOERR);
	fclose(out);
}
END_TEST

Suite *
suite_mailq(void)
{
	Suite *s = suite_create("mailq");
	TCase *tc = tcase_create("mailq");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, empty_queue_says_so);
	tcase_add_test(tc, entry_reads_as_it_should);
	tcase_add_test(tc, new_entry_is_due_and_the_null_sender_has_a_name);
	tcase_add_test(tc, line_breaks_in_a_list_stay_in_their_line);
	tcase_add_test(tc, active_and_held_are_marked);
	tcase_add_test(tc, failure_is_listed_until_somebody_has_been_told);
	tcase_add_test(tc, others_mail_is_not_shown);
	tcase_add_test(tc, damage_is_counted_and_never_hides_the_totals);
	tcase_add_test(tc, unreadable_queue_is_not_called_empty);
	tcase_add_test(tc, unreadable_entry_is_counted_and_said);
	tcase_add_test(tc, entries_come_oldest_first);
	tcase_add_test(tc, reader_that_went_away_is_an_error);
	suite_add_tcase(s, tc);
	return s;
}
