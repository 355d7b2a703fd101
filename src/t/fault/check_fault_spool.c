/*
 * check_fault_spool.c: the spool when a system call goes wrong, for every call.
 *
 * Each scenario is done again and again, each time with the next call failing in one of the ways of
 * fault.h, until none is left. After each time the spool is looked at anew, as the next process
 * would see it, and what the table of states promises must hold; and in the last part so must it on
 * every disk that a power cut at that call may leave.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "fault.h"
#include "logcap.h"
#include "powercut.h"
#include "spooldir.h"
#include "t/unit/suites.h"

static const struct way {
	enum fault_kind kind;
	int err;
} ways[] = {
    {FAULT_ONCE, EIO},
    {FAULT_ONCE, ENOSPC},
    {FAULT_ONCE, EMFILE},
    {FAULT_ONCE, EINTR},
    {FAULT_ONCE, ENOLCK},
    {FAULT_LOST, EIO},
    {FAULT_DEAD, EIO},
    {FAULT_FULL, ENOSPC},
    {FAULT_FULL, EDQUOT},
    {FAULT_SHORT, 0},
};
enum { NWAYS = sizeof(ways) / sizeof(ways[0]) };

static const char body[] = "Subject: x\r\n\r\nHello.\r\n";
static const char queued[] =
    "Content-type: application/x-citadel-delivery-list\n\nformat|1\nmsgid|a1\n"
    "envelope_from|alice@example.org\nuid|1000\nremote|bob@example.net|0|\n"
    "remote|carol@example.net|0|\nremote|dave@example.net|0|\nrecipients|3\n"
    "attempted|1764000000\nremote|dave@example.net|2|250 ok\n";

static struct spool *sp;
static const char *path;
static const struct way *way;
static char id[ENVELOPE_ID_MAX + 1];

/* What reaches the disk is not what these tests look at, and a real sync takes its time. */
static int
no_sync(int fd)
{
	(void)fd;
	return 0;
}

static void
setup(void)
{
	sys.fsync = sys.fdatasync = no_sync;
	path = spooldir_make();
	logcap_start();
}

static void
teardown(void)
{
	fault_disarm();
	logcap_stop();
	spool_close(&sp);
	spooldir_remove();
	sys = sys_libc;
}

static void
reopen(void)
{
	char why[300];

	spool_close(&sp);
	ck_assert_msg(spool_open(&sp, path, why, sizeof(why)) == 0, "%s", why);
}

static void
empty(const char *dir)
{
	const char *name;
	char full[300];

	while ((name = spooldir_first(dir)) != NULL) {
		snprintf(full, sizeof(full), "%s/%s", dir, name);
		ck_assert_int_eq(unlink(spooldir_path(full)), 0);
	}
}

static void
empty_all(void)
{
	empty("tmp");
	empty("msg");
	empty("ctl");
	empty("corrupt");
}

/* The one message of most scenarios, ctl/a1. */
static void
queue_one(void)
{
	empty_all();
	spooldir_write("msg/a1", body);
	spooldir_write("ctl/a1", queued);
}

/*
 * Does it with call n going wrong, n = 1, 2, ... prepare() makes the spool ready, act() does it and
 * returns what it returned, judge() looks at the spool afterwards.
 */
static void
for_every_call(void (*prepare)(void), int (*act)(void), void (*judge)(bool ok))
{
	unsigned n = 0, fds;
	bool fired;

	do {
		int r;

		if (prepare != NULL)
			prepare();
		if (sp == NULL)
			reopen();
		spool_ballast_ok(sp);
		fds = fault_open_fds();
		fault_arm(++n, way->kind, way->err);
		r = act();
		fault_disarm();
		fired = fault_fired();
		ck_assert_msg(
		    fault_open_fds() == fds, "call %u, %s: a descriptor leaked", n, fault_where());
		if (fired && way->kind == FAULT_ONCE && way->err == EINTR &&
		    strstr("write pread fsync fdatasync flock ftruncate linkat renameat unlinkat",
			fault_where()) != NULL)
			ck_assert_msg(r == 0, "call %u, %s was interrupted", n, fault_where());
		spool_close(&sp);
		reopen();
		judge(r == 0);
		ck_assert_msg(n < 1000, "no end");
	} while (fired);
}

static enum spool_load
load(const char *name, struct envelope *e)
{
	char why[200] = "";
	off_t size;

	envelope_init(e);
	return spool_load(sp, name, -1, e, &size, why, sizeof(why));
}

/* --- submission --- */

static void
assert_whole(const char *name)
{
	char file[100];
	struct envelope e;

	ck_assert_str_eq(spooldir_state(name), "S4");
	ck_assert_int_eq(load(name, &e), SPOOL_LOADED);
	ck_assert_uint_eq(e.nrcpts, 1);
	envelope_free(&e);
	snprintf(file, sizeof(file), "msg/%s", name);
	ck_assert_str_eq(spooldir_read(file), body);
}

static int
submit_as(const char *name)
{
	struct envelope e;
	struct draft d;
	int r;

	envelope_init(&e);
	e.sender = xstrdup("alice@example.org");
	envelope_add(&e, "bob@example.net");
	r = draft_open(sp, &d);
	if (r == 0)
		r = durable_write(d.fd, body, sizeof(body) - 1);
	if (r == 0)
		r = draft_commit(sp, &d, &e, name);
	str_copy(id, sizeof(id), d.id);
	draft_abort(sp, &d);
	envelope_free(&e);
	return r;
}

static int
submit(void)
{
	return submit_as(NULL);
}

static int
submit_report(void)
{
	return submit_as("a1.r1");
}

/* Accepted means present; not accepted means nothing queued, but for a process that died behind
 * the last rename: what it left is whole. Whatever else is left over, cleaning removes. */
static void
judge_submission(bool ok)
{
	if (ok) {
		assert_whole(id);
	} else if (spooldir_count("ctl") > 0) {
		ck_assert_int_eq(way->kind, FAULT_DEAD);
		assert_whole(spooldir_first("ctl"));
	}
	ck_assert_uint_le(spooldir_count("ctl"), 1);
	spool_clean(sp, (int64_t)time(NULL) + 37 * 3600);
	ck_assert_uint_eq(spooldir_count("tmp"), 0);
	ck_assert_uint_eq(spooldir_count("msg"), spooldir_count("ctl"));
}

START_TEST(submission)
{
	way = &ways[_i];
	reopen();
	for_every_call(empty_all, submit, judge_submission);
}
END_TEST

START_TEST(report)
{
	way = &ways[_i];
	reopen();
	for_every_call(empty_all, submit_report, judge_submission);
}
END_TEST

static int
submit_rewritten(void)
{
	struct envelope e;
	struct draft d;
	int r, fd;

	envelope_init(&e);
	envelope_add(&e, "bob@example.net");
	r = draft_open(sp, &d);
	if (r == 0)
		r = durable_write(d.fd, "the first", 9);
	if (r == 0)
		r = draft_replace_begin(sp, &d, &fd);
	if (r == 0)
		r = durable_write(fd, body, sizeof(body) - 1);
	if (r == 0)
		r = draft_replace_end(sp, &d, fd);
	if (r == 0)
		r = draft_commit(sp, &d, &e, NULL);
	str_copy(id, sizeof(id), d.id);
	draft_abort(sp, &d);
	envelope_free(&e);
	return r;
}

START_TEST(submission_in_two_passes)
{
	way = &ways[_i];
	reopen();
	for_every_call(empty_all, submit_rewritten, judge_submission);
}
END_TEST

/* --- work on a message --- */

static int
deliver(void)
{
	struct envelope e;
	struct buf line;
	char why[200];
	off_t size;
	int fd, r;

	if (spool_lock(sp, "a1", &fd) != SPOOL_LOCKED)
		return -1;
	envelope_init(&e);
	buf_init(&line, 1000);
	r = spool_load(sp, "a1", fd, &e, &size, why, sizeof(why)) == SPOOL_LOADED ? 0 : -1;
	if (r == 0) {
		envelope_write_number(&line, "attempted", 1764009000);
		envelope_write_remote(&line, &e.rcpts[0], RCPT_DELIVERED, "250 2.0.0 ok");
		r = spool_append(sp, fd, &size, &line, true);
	}
	if (r == 0)
		r = durable_commit(spool_batch(sp));
	spool_unlock(&fd);
	buf_free(&line);
	envelope_free(&e);
	return r;
}

static void
assert_recorded(bool delivered)
{
	struct envelope e;

	ck_assert_str_eq(spooldir_state("a1"), "S4");
	ck_assert_int_eq(load("a1", &e), SPOOL_LOADED);
	ck_assert_uint_eq(e.bad_lines, 0);
	ck_assert_uint_eq(e.nrcpts, 3);
	if (delivered)
		ck_assert_int_eq(e.rcpts[0].status, RCPT_DELIVERED);
	ck_assert_int_eq(e.rcpts[1].status, RCPT_NEW);
	ck_assert_int_eq(e.rcpts[2].status, RCPT_DELIVERED);
	envelope_free(&e);
}

/* Recorded means recorded, what was recorded before stays, and nobody is in the next one's way. */
static void
judge_delivery(bool ok)
{
	assert_recorded(ok);
	ck_assert_int_eq(deliver(), 0);
	assert_recorded(true);
}

START_TEST(delivery)
{
	way = &ways[_i];
	reopen();
	for_every_call(queue_one, deliver, judge_delivery);
}
END_TEST

static void
queue_torn(void)
{
	char text[2000];

	queue_one();
	snprintf(text, sizeof(text), "%sremote|carol@example.net|2|25", queued);
	spooldir_write("ctl/a1", text);
}

START_TEST(delivery_behind_a_torn_line)
{
	way = &ways[_i];
	reopen();
	for_every_call(queue_torn, deliver, judge_delivery);
}
END_TEST

static void
queue_citadel(void)
{
	empty_all();
	spooldir_write("msg/a1", body);
	spooldir_write("ctl/a1", "Content-type: application/x-citadel-delivery-list\n\nmsgid|a1\n"
				 "remote|bob@example.net|0|\nremote|carol@example.net|0|\n"
				 "remote|dave@example.net|2|250 ok");
}

START_TEST(delivery_of_a_citadel_list)
{
	way = &ways[_i];
	reopen();
	for_every_call(queue_citadel, deliver, judge_delivery);
}
END_TEST

static int
rewrite(void)
{
	struct envelope e;
	struct buf whole;
	char why[200];
	off_t size;
	int fd, newfd = -1, r;

	if (spool_lock(sp, "a1", &fd) != SPOOL_LOCKED)
		return -1;
	envelope_init(&e);
	buf_init(&whole, 10000);
	r = spool_load(sp, "a1", fd, &e, &size, why, sizeof(why)) == SPOOL_LOADED ? 0 : -1;
	if (r == 0) {
		envelope_settle(&e, 0, RCPT_DELIVERED, "250 2.0.0 ok");
		envelope_write(&whole, &e);
		envelope_write_progress(&whole, &e);
		r = spool_rewrite(sp, "a1", &whole, &newfd);
	}
	spool_unlock(&newfd);
	spool_unlock(&fd);
	buf_free(&whole);
	envelope_free(&e);
	return r;
}

START_TEST(rewriting)
{
	way = &ways[_i];
	reopen();
	for_every_call(queue_one, rewrite, judge_delivery);
}
END_TEST

/* --- the end of a message --- */

static int
finish(void)
{
	int fd, r;

	if (spool_lock(sp, "a1", &fd) != SPOOL_LOCKED)
		return -1;
	r = spool_finish(sp, "a1");
	if (r == 0)
		r = durable_commit(spool_batch(sp));
	if (r == 0)
		r = spool_remove_body(sp, "a1");
	spool_unlock(&fd);
	return r;
}

/* Never a control file without a body, and what is left over goes in the end. */
static void
judge_end(bool ok)
{
	const char *state = spooldir_state("a1");

	ck_assert_str_ne(state, "S5");
	if (ok)
		ck_assert_str_eq(state, "S1");
	if (strcmp(state, "S4") == 0)
		ck_assert_int_eq(finish(), 0);
	spool_clean(sp, (int64_t)time(NULL) + 37 * 3600);
	ck_assert_str_eq(spooldir_state("a1"), "S1");
}

START_TEST(finishing)
{
	way = &ways[_i];
	reopen();
	for_every_call(queue_one, finish, judge_end);
}
END_TEST

static int
quarantine(void)
{
	int fd, r;

	if (spool_lock(sp, "a1", &fd) != SPOOL_LOCKED)
		return -1;
	r = spool_quarantine(sp, "a1", "a1", "for a test");
	if (r == 0)
		r = durable_commit(spool_batch(sp));
	spool_unlock(&fd);
	return r;
}

/* Both are somewhere, and a second attempt gets there. */
static void
judge_quarantine(bool ok)
{
	ck_assert_uint_eq(
	    spooldir_count("ctl") + spooldir_count("msg") + spooldir_count("corrupt"), 2);
	if (spooldir_has("ctl/a1")) {
		ck_assert(!ok);
		ck_assert_int_eq(quarantine(), 0);
	}
	ck_assert(spooldir_has("corrupt/a1.ctl") && spooldir_has("corrupt/a1.msg"));
}

START_TEST(quarantining)
{
	way = &ways[_i];
	reopen();
	for_every_call(queue_one, quarantine, judge_quarantine);
}
END_TEST

/* --- the spool itself --- */

static void
remove_spool(void)
{
	spool_close(&sp);
	spooldir_remove();
	path = spooldir_make();
}

static int
make_spool(void)
{
	struct spool *other;
	char why[300] = "";
	int code = spool_open(&other, path, why, sizeof(why));

	ck_assert_int_eq(code == 0, other != NULL);
	ck_assert_int_eq(code == 0, why[0] == '\0');
	spool_close(&other);
	return code;
}

/* reopen() has been here already: whatever state it was left in, it can be used. */
static void
judge_spool(bool ok)
{
	(void)ok;
	ck_assert(spool_ballast_ok(sp));
	ck_assert_uint_eq(spooldir_mode("ctl"), S_IFDIR | 0700);
	ck_assert_uint_eq(spooldir_mode("wake"), S_IFIFO | 0600);
	ck_assert_int_eq(submit(), 0);
	assert_whole(id);
}

START_TEST(making_the_spool)
{
	unsigned n = 0;

	way = &ways[_i];
	do {
		unsigned fds;

		remove_spool();
		fds = fault_open_fds();
		fault_arm(++n, way->kind, way->err);
		make_spool();
		fault_disarm();
		ck_assert_uint_eq(fault_open_fds(), fds);
		reopen();
		judge_spool(true);
	} while (fault_fired());
	ck_assert_uint_gt(n, 1);
}
END_TEST

/* --- power cuts --- */

/*
 * Does it with the power failing at call n, n = 1, 2, ..., and looks at each disk that there may be
 * afterwards. ok: it had said before that it was done.
 */
static void
for_every_cut(void (*prepare)(void), int (*act)(void), void (*judge)(struct spool *disk, bool ok))
{
	unsigned n = 0;
	bool fired;

	reopen();
	do {
		struct spool *disk;
		char why[300];
		bool ok;

		prepare();
		powercut_start();
		fault_arm(++n, FAULT_DEAD, EIO);
		ok = act() == 0;
		fault_disarm();
		fired = fault_fired();
		powercut_stop();
		for (unsigned i = 0; i < POWERCUT_DISKS; i++) {
			ck_assert_msg(
			    spool_open(&disk, powercut_disk(i), why, sizeof(why)) == 0, "%s", why);
			judge(disk, ok);
			spool_close(&disk);
		}
		reopen();
	} while (fired);
	ck_assert_uint_gt(n, 4);
}

/* The message with the given id, whole, on a disk; its envelope. */
static void
load_whole(struct spool *disk, const char *name, struct envelope *e)
{
	char why[300] = "", text[sizeof(body) + 10];
	int fd = spool_open_body(disk, name, NULL);
	ssize_t n;
	off_t size;

	envelope_init(e);
	ck_assert_msg(
	    spool_load(disk, name, -1, e, &size, why, sizeof(why)) == SPOOL_LOADED, "%s", why);
	ck_assert_msg(fd >= 0, "a control file without a body");
	n = pread(fd, text, sizeof(text) - 1, 0);
	close(fd);
	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	ck_assert_str_eq(text, body);
}

static bool
find_one(void *ctx, const struct spool_entry *entry)
{
	char *found = ctx;

	ck_assert_msg(found[0] == '\0', "two messages of one");
	str_copy(found, ENVELOPE_ID_MAX + 1, entry->id);
	return true;
}

/* The one message on a disk, NULL: none. */
static const char *
only_message(struct spool *disk)
{
	static char found[ENVELOPE_ID_MAX + 1];

	found[0] = '\0';
	ck_assert_int_eq(spool_scan(disk, find_one, found), 0);
	return found[0] != '\0' ? found : NULL;
}

/* Accepted means present, and what is present is whole. */
static void
judge_cut_submission(struct spool *disk, bool ok)
{
	const char *name = only_message(disk);
	struct envelope e;

	if (ok)
		ck_assert_ptr_nonnull(name);
	if (name == NULL)
		return;
	load_whole(disk, name, &e);
	envelope_free(&e);
}

/* Recorded means recorded; whatever happened, the message is there. */
static void
judge_cut_delivery(struct spool *disk, bool ok)
{
	struct envelope e;

	load_whole(disk, "a1", &e);
	ck_assert_uint_eq(e.nrcpts, 3);
	if (ok)
		ck_assert_int_eq(e.rcpts[0].status, RCPT_DELIVERED);
	ck_assert_int_eq(e.rcpts[1].status, RCPT_NEW);
	ck_assert_int_eq(e.rcpts[2].status, RCPT_DELIVERED);
	envelope_free(&e);
}

/* Done means that it does not come back; until then it is whole. */
static void
judge_cut_end(struct spool *disk, bool ok)
{
	struct envelope e;

	if (only_message(disk) == NULL)
		return;
	ck_assert_msg(!ok, "a finished message has come back");
	load_whole(disk, "a1", &e);
	envelope_free(&e);
}

START_TEST(power_cuts_in_submission)
{
	for_every_cut(empty_all, submit, judge_cut_submission);
	for_every_cut(empty_all, submit_rewritten, judge_cut_submission);
	for_every_cut(empty_all, submit_report, judge_cut_submission);
}
END_TEST

START_TEST(power_cuts_in_delivery)
{
	for_every_cut(queue_one, deliver, judge_cut_delivery);
	for_every_cut(queue_torn, deliver, judge_cut_delivery);
	for_every_cut(queue_citadel, deliver, judge_cut_delivery);
	for_every_cut(queue_one, rewrite, judge_cut_delivery);
}
END_TEST

START_TEST(power_cuts_in_finishing)
{
	for_every_cut(queue_one, finish, judge_cut_end);
}
END_TEST

Suite *
suite_fault_spool(void)
{
	Suite *s = suite_create("fault_spool");
	TCase *tc = tcase_create("every call"), *cuts = tcase_create("power cuts");

	tcase_add_checked_fixture(cuts, setup, teardown);
	tcase_set_timeout(cuts, 120);
	tcase_add_test(cuts, power_cuts_in_submission);
	tcase_add_test(cuts, power_cuts_in_delivery);
	tcase_add_test(cuts, power_cuts_in_finishing);
	suite_add_tcase(s, cuts);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, submission, 0, NWAYS);
	tcase_add_loop_test(tc, report, 0, NWAYS);
	tcase_add_loop_test(tc, submission_in_two_passes, 0, NWAYS);
	tcase_add_loop_test(tc, delivery, 0, NWAYS);
	tcase_add_loop_test(tc, delivery_behind_a_torn_line, 0, NWAYS);
	tcase_add_loop_test(tc, delivery_of_a_citadel_list, 0, NWAYS);
	tcase_add_loop_test(tc, rewriting, 0, NWAYS);
	tcase_add_loop_test(tc, finishing, 0, NWAYS);
	tcase_add_loop_test(tc, quarantining, 0, NWAYS);
	tcase_add_loop_test(tc, making_the_spool, 0, NWAYS);
	suite_add_tcase(s, tc);
	return s;
}
