/* sortiectl import --queue: what other programs have queued becomes mail of ours, once and whole. */
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "kit.h"
#include "suites.h"
#include "whole.h"

enum { AGE_S = 2 * 24 * 60 * 60 };

static char theirs[100]; /* the other program's folder */

static struct child c;

static const char *
at(const char *name)
{
	static char paths[4][200];
	static int next;

	next = (next + 1) % 4;
	snprintf(paths[next], sizeof(paths[next]), "%s/%s", theirs, name);
	return paths[next];
}

static void
make_theirs(void)
{
	snprintf(theirs, sizeof(theirs), "%s/theirs", kit.dir);
	ck_assert_int_eq(mkdir(theirs, 0700), 0);
}

/* As old as that. */
static void
file(const char *name, const char *text)
{
	const int64_t then = clock_wall_s() - AGE_S;
	const struct timespec ts[2] = {{(time_t)then, 0}, {(time_t)then, 0}};

	whole_write_file(at(name), "%s", text);
	ck_assert_int_eq(utimensat(AT_FDCWD, at(name), ts, 0), 0);
}

/* Runs it, with one more option or none; its exit status must be that. */
static void
import(const char *peer, const char *option, int status)
{
	const char *const argv[] = {
	    "sortiectl", "-C", kit.conf, "import", peer, "--queue", theirs, option, NULL};
	int rc;

	child_start_file(&c, NULL, kit.ctl, argv);
	rc = child_end(&c);
	ck_assert_msg(rc == status, "exit %d: %s", rc, c.said);
}

static void
said(const char *text)
{
	ck_assert_msg(strstr(c.said, text) != NULL, "not \"%s\" but: %s", text, c.said);
}

/* The file below the spool's `part` whose name begins so; there must be one. The caller's. */
static char *
queued(const char *part, const char *start)
{
	char path[200], found[600] = "";
	struct dirent *de;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", kit.spool, part);
	d = opendir(path);
	ck_assert_ptr_nonnull(d);
	while ((de = readdir(d)) != NULL)
		if (strncmp(de->d_name, start, strlen(start)) == 0)
			snprintf(found, sizeof(found), "%s/%s", path, de->d_name);
	closedir(d);
	ck_assert_msg(found[0] != '\0', "no %s/%s*", part, start);
	return file_text(found);
}

static void
queued_has(const char *part, const char *start, const char *text)
{
	char *all = queued(part, start);

	ck_assert_msg(strstr(all, text) != NULL, "no \"%s\" in:\n%s", text, all);
	free(all);
}

static void
queued_is(const char *start, const char *text)
{
	char *all = queued("msg", start);

	ck_assert_str_eq(all, text);
	free(all);
}

/* A control file says when it was submitted, give or take a second. */
static void
is_old(const char *start)
{
	char *all = queued("ctl", start), *p = strstr(all, "\nsubmitted|");
	long long then = p == NULL ? 0 : strtoll(p + strlen("\nsubmitted|"), NULL, 10);
	long long age = (long long)clock_wall_s() - then;

	ck_assert_msg(age >= AGE_S && age < AGE_S + 60, "%lld s old:\n%s", age, all);
	free(all);
}

/* Delivers all that is queued, to a server that takes it: n recipients of it. */
static void
deliver(size_t n)
{
	static struct sink sink;

	sink_start(&sink, "0");
	kit_configure("relay smtp://[127.0.0.1]:%d\n", sink.port);
	child_start(&c, NULL, "-q", NULL);
	ck_assert_int_eq(child_end(&c), 0);
	ck_assert_uint_eq(sink_messages(&sink), n);
	sink_stop(&sink);
	ck_assert_uint_eq(files_in("ctl"), 0);
}

/* --- dma ---------------------------------------------------------------------------------- */

#define HEADER \
	"Received: from joe (uid 7)\n\tid 1;\n\tTue, 24 Nov 2026 15:33:59 +0000\n" \
	"Date: Tue, 24 Nov 2026 15:33:59 +0000\nMessage-Id: <1@h.example>\nFrom: <a@h.example>\n"
#define HEADER_CRLF \
	"Received: from joe (uid 7)\r\n\tid 1;\r\n\tTue, 24 Nov 2026 15:33:59 +0000\r\n" \
	"Date: Tue, 24 Nov 2026 15:33:59 +0000\r\nMessage-Id: <1@h.example>\r\nFrom: " \
	"<a@h.example>\r\n"

/* Two recipients of one message, which is one file with two names; and a report. */
static void
fill_dma(void)
{
	make_theirs();
	file("Q1.a", "ID: 1.a\nSender: a@h.example\nRecipient: x@a.example\n");
	file("Q1.b", "ID: 1.b\nSender: a@h.example\nRecipient: y@b.example\n");
	file("M1.a", HEADER "Subject: two\n\n.dot\nh\xc3\xa4llo\n");
	ck_assert_int_eq(link(at("M1.a"), at("M1.b")), 0);
	file("Q2.a", "ID: 2.a\nSender: \nRecipient: z@b.example\n");
	file("M2.a", HEADER "Subject: bounce\n\nlast");
	file("tmp_abc", "half");
}

START_TEST(dma_is_taken_over_once)
{
	char record[200];

	fill_dma();
	import("dma", NULL, EX_OK);
	said("took over 3 messages");
	said("Q1.b: from <a@h.example>, to <y@b.example>: dma-Q1.b-");
	ck_assert_uint_eq(files_in("ctl"), 3);
	ck_assert_uint_eq(files_in("msg"), 3);
	queued_is("dma-Q1.a-", HEADER_CRLF "Subject: two\r\n\r\n.dot\r\nh\xc3\xa4llo\r\n");
	queued_is("dma-Q2.a-", HEADER_CRLF "Subject: bounce\r\n\r\nlast\r\n");
	queued_has("ctl", "dma-Q1.b-", "\nenvelope_from|a@h.example\n");
	queued_has("ctl", "dma-Q1.b-", "\nremote|y@b.example|0|");
	queued_has("ctl", "dma-Q1.b-", "body|8bit,dots");
	queued_has("ctl", "dma-Q2.a-", "\nenvelope_from|\n");
	is_old("dma-Q1.a-");
	import("dma", NULL, EX_OK);
	said("took over 0 messages; 3 were taken over before");
	ck_assert_uint_eq(files_in("ctl"), 3);
	ck_assert_int_eq(access(at("Q1.a"), F_OK), 0);
	snprintf(record, sizeof(record), "%s/imported", kit.spool);
	ck_assert_int_eq(
	    unlink(record), 0); /* it may be lost: what is queued is known all the same */
	import("dma", NULL, EX_OK);
	said("took over 0 messages; 3 were taken over before");
}
END_TEST

START_TEST(not_again_when_it_has_been_delivered)
{
	fill_dma();
	import("dma", NULL, EX_OK);
	deliver(3);
	import("dma", NULL, EX_OK);
	said("took over 0 messages; 3 were taken over before");
	import("dma", "--remove", EX_OK);
	said("took over 0 messages; 3 were taken over before");
	ck_assert_int_eq(access(at("Q1.a"), F_OK), -1);
	ck_assert_int_eq(access(at("M1.b"), F_OK), -1);
	ck_assert_int_eq(access(at("tmp_abc"), F_OK), 0);
	ck_assert_uint_eq(files_in("ctl"), 0);
}
END_TEST

START_TEST(removed_when_it_is_here)
{
	fill_dma();
	import("dma", "-n", EX_OK);
	said("would take over 3 messages");
	ck_assert_uint_eq(files_in("ctl"), 0);
	import("dma", "--remove", EX_OK);
	said("took over 3 messages");
	ck_assert_int_eq(access(at("M1.a"), F_OK), -1);
	ck_assert_int_eq(access(at("Q2.a"), F_OK), -1);
	deliver(3);
}
END_TEST

/* Something has its name in the spool, and cannot be read: perhaps it is not the mail. */
START_TEST(not_removed_when_it_cannot_be_known)
{
	char *id, path[400];

	fill_dma();
	import("dma", "-n", EX_OK);
	id = strstr(c.said, "dma-Q1.a-");
	ck_assert_ptr_nonnull(id);
	snprintf(path, sizeof(path), "%s/ctl/%.*s", kit.spool, (int)strcspn(id, "\r\n"), id);
	ck_assert_int_eq(symlink("nowhere", path), 0);
	import("dma", "--remove", EX_TEMPFAIL);
	said("Q1.a: left where it is: ");
	said("took over 2 messages; 1 are left");
	ck_assert_int_eq(access(at("Q1.a"), F_OK), 0);
	ck_assert_int_eq(access(at("M1.a"), F_OK), 0);
	ck_assert_int_eq(access(at("Q1.b"), F_OK), -1);
}
END_TEST

/* Neither what is queued in its place nor the record of what was taken over makes up for it. */
START_TEST(not_removed_when_what_is_queued_is_damaged)
{
	char *id, ctl[400], msg[400];

	fill_dma();
	import("dma", NULL, EX_OK);
	id = strstr(c.said, "dma-Q1.a-");
	ck_assert_ptr_nonnull(id);
	snprintf(ctl, sizeof(ctl), "%s/ctl/%.*s", kit.spool, (int)strcspn(id, "\r\n"), id);
	whole_write_file(
	    ctl, "%s", "Content-type: application/x-citadel-delivery-list\n\nformat|1\n");
	id = strstr(c.said, "dma-Q1.b-");
	ck_assert_ptr_nonnull(id);
	snprintf(msg, sizeof(msg), "%s/msg/%.*s", kit.spool, (int)strcspn(id, "\r\n"), id);
	ck_assert_int_eq(unlink(msg), 0);
	import("dma", "--remove", EX_TEMPFAIL);
	said("Q1.a: left where it is: it is queued as dma-Q1.a-");
	said(", and that is damaged\n");
	said(": No such file or directory\n");
	said("took over 0 messages; 1 were taken over before; 2 are left");
	ck_assert_int_eq(access(at("Q1.a"), F_OK), 0);
	ck_assert_int_eq(access(at("M1.a"), F_OK), 0);
	ck_assert_int_eq(access(at("Q1.b"), F_OK), 0);
	ck_assert_int_eq(access(at("Q2.a"), F_OK), -1);
}
END_TEST

/* Names are used again: an inode's number, an address. */
START_TEST(another_mail_under_an_old_name_is_new)
{
	fill_dma();
	import("dma", NULL, EX_OK);
	unlink(at("M2.a"));
	file("M2.a", HEADER "Subject: another\n\nlast");
	import("dma", "--remove", EX_OK);
	said("took over 1 message; 2 were taken over before");
	ck_assert_uint_eq(files_in("ctl"), 4);
}
END_TEST

START_TEST(what_dma_works_on_is_left)
{
	int fd;

	fill_dma();
	fd = open(at("Q1.b"), O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	import("dma", "--remove", EX_TEMPFAIL);
	said("Q1.b: left where it is: dma is working on it");
	said("took over 2 messages; 1 are left");
	ck_assert_int_eq(access(at("M1.b"), F_OK), 0);
	ck_assert_uint_eq(files_in("ctl"), 2);
	close(fd);
	import("dma", "--remove", EX_OK);
	said("took over 1 message");
}
END_TEST

START_TEST(what_is_damaged_is_left)
{
	static const char *const bad[] = {"", "ID: 1\nSender: a@h.example\nRecipient: x@a.exam",
	    "ID: 1\nRecipient: x@a.example\n", "ID: 1\nSender: a@h.example\n", "\n",
	    "Sender: a@h.example\nRecipient: not an address\n"};
	char name[8];

	fill_dma();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(name, sizeof(name), "Q9.%zu", i);
		file(name, bad[i]);
		name[0] = 'M';
		file(name, HEADER "\nx\n");
	}
	file("Q8.a", "ID: 8.a\nSender: a@h.example\nRecipient: x@a.example\n");
	ck_assert_int_eq(mkdir(at("Q7.a"), 0700), 0);
	ck_assert_int_eq(symlink(kit.conf, at("Q6.a")), 0);
	import(
	    "dma", "--remove", EX_TEMPFAIL); /* a folder and a link there are no business of its */
	said("Q8.a: left where it is: its message M8.a: No such file");
	said("took over 3 messages; 9 are left");
	ck_assert_int_eq(access(at("M9.0"), F_OK), 0);
	rmdir(at("Q7.a"));
	unlink(at("Q6.a"));
	import("dma", NULL, EX_DATAERR);
	ck_assert_uint_eq(files_in("ctl"), 3);
}
END_TEST

START_TEST(a_line_that_smtp_cannot_carry_is_encoded)
{
	static char text[4000];

	fill_dma();
	snprintf(text, sizeof(text), "%s\n%03000d\n", HEADER, 7);
	file("M2.a", text);
	import("dma", NULL, EX_OK);
	queued_has("msg", "dma-Q2.a-", "Content-Transfer-Encoding: quoted-printable\r\n");
	deliver(3);
}
END_TEST

static void
limit_files(void)
{
	const struct rlimit small = {100, 100};

	setrlimit(RLIMIT_FSIZE, &small);
}

START_TEST(no_room_in_the_spool_leaves_all)
{
	const char *const argv[] = {
	    "sortiectl", "-C", kit.conf, "import", "dma", "--queue", "--remove", theirs, NULL};

	fill_dma();
	import("dma", "-n", EX_OK); /* makes the spool */
	child_start_file(&c, limit_files, kit.ctl, argv);
	ck_assert_int_eq(child_end(&c), EX_TEMPFAIL);
	said("Q1.a: left where it is: writing the message: File too large");
	said("took over 0 messages; 1 are left");
	ck_assert_uint_eq(files_in("ctl") + files_in("msg") + files_in("tmp"), 0);
	import("dma", "--remove", EX_OK);
	said("took over 3 messages");
}
END_TEST

/* --- nullmailer --------------------------------------------------------------------------- */

static void
fill_nullmailer(void)
{
	char name[64];

	make_theirs();
	ck_assert_int_eq(mkdir(at("queue"), 0700), 0);
	snprintf(name, sizeof(name), "queue/%lld.17", (long long)clock_wall_s() - AGE_S);
	whole_write_file(at(name), "%s",
	    "a@h.example\nx@a.example\ny@b.example\n\n" HEADER
	    "\nh\xc3\xa4llo\n.\nafter a dot\nlast");
	file("queue/1.2", "\nz@b.example\n\n" HEADER "\nx\n");
	ck_assert_int_eq(mkfifo(at("trigger"), 0600), 0);
}

START_TEST(nullmailer_is_taken_over)
{
	char start[64];

	fill_nullmailer();
	file("queue/9.9", "a@h.example\n\n" HEADER "\nnobody\n");
	import("nullmailer", "--remove", EX_DATAERR);
	said("9.9: left where it is: it does not begin with a sender and recipients");
	said("took over 2 messages; 1 are left");
	snprintf(start, sizeof(start), "nullmailer-%lld.17-", (long long)clock_wall_s() - AGE_S);
	start[strlen("nullmailer-") + 8] = '\0'; /* the second may have turned */
	is_old(start);
	queued_is(start, HEADER_CRLF "\r\nh\xc3\xa4llo\r\n.\r\nafter a dot\r\nlast\r\n");
	queued_has("ctl", start, "\nrecipients|2\n");
	queued_has("ctl", "nullmailer-1.2-", "\nenvelope_from|\n");
	deliver(3);
}
END_TEST

START_TEST(not_while_nullmailer_runs)
{
	int fd;

	fill_nullmailer();
	fd = open(at("trigger"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	import("nullmailer", "--remove", EX_TEMPFAIL);
	said("nullmailer-send is running");
	ck_assert_int_eq(access(at("queue/1.2"), F_OK), 0);
	close(fd);
	import("nullmailer", NULL, EX_OK);
	said("took over 2 messages");
}
END_TEST

/* --- msmtpq ------------------------------------------------------------------------------- */

START_TEST(msmtpq_is_taken_over_as_it_was_submitted)
{
	char *text;

	make_theirs();
	file("2026-11-24-10.00.00.mail", "To: x@a.example\nBcc: y@b.example\nSubject: s\n\nx\n");
	file("2026-11-24-10.00.00.msmtp", "-f a@h.example -t\n");
	file("2026-11-24-10.00.00-1.mail", "Subject: s\n\nx");
	file("2026-11-24-10.00.00-1.msmtp",
	    "-oi --account=work -fb@h.example -- x@a.example y@a.example\n");
	file("2026-11-24-10.00.00-2.mail", "Subject: nobody knows to whom\n\nx");
	import("msmtpq", "--remove", EX_DATAERR);
	said("took over 2 messages; 1 are left");
	said("account of its command line does not count here");
	queued_has("ctl", "msmtpq-2026-11-24-10.00.00.mail-", "\nremote|y@b.example|0|");
	queued_has("ctl", "msmtpq-2026-11-24-10.00.00.mail-", "\nenvelope_from|a@h.example\n");
	queued_has("ctl", "msmtpq-2026-11-24-10.00.00-1", "\nenvelope_from|b@h.example\n");
	queued_has("ctl", "msmtpq-2026-11-24-10.00.00-1", "\nrecipients|2\n");
	queued_has("msg", "msmtpq-2026-11-24-10.00.00.mail-", "Message-ID: <");
	queued_has("msg", "msmtpq-2026-11-24-10.00.00.mail-", "Subject: s\r\n");
	text = queued("msg", "msmtpq-2026-11-24-10.00.00.mail-");
	ck_assert_ptr_null(strstr(text, "Bcc"));
	free(text);
	is_old("msmtpq-2026-11-24-10.00.00-1");
	ck_assert_int_eq(access(at("2026-11-24-10.00.00-1.msmtp"), F_OK), -1);
	ck_assert_int_eq(access(at("2026-11-24-10.00.00-2.mail"), F_OK), 0);
	ck_assert_int_eq(access(at(".lock"), F_OK), -1);
	deliver(4);
}
END_TEST

START_TEST(not_while_msmtpq_works)
{
	make_theirs();
	file("1.mail", "Subject: s\n\nx\n");
	file("1.msmtp", "x@a.example\n");
	ck_assert_int_eq(mkdir(at(".lock"), 0700), 0);
	import("msmtpq", "--remove", EX_TEMPFAIL);
	said(".lock is there");
	ck_assert_int_eq(access(at("1.mail"), F_OK), 0);
	rmdir(at(".lock"));
	import("msmtpq", "--remove", EX_OK);
	ck_assert_int_eq(access(at("1.mail"), F_OK), -1);
}
END_TEST

/* --- Citadel ------------------------------------------------------------------------------ */

START_TEST(citadel_is_taken_over)
{
	char list[512];

	make_theirs();
	snprintf(list, sizeof(list),
	    "Content-type: application/x-citadel-delivery-list\n\nmsgid|17\nsubmitted|%lld\n"
	    "bounceto|joe\nremote|x@a.example|2|250 ok\nremote|y@b.example|4|451 later\n"
	    "remote|z@b.example|5|550 no\n",
	    (long long)clock_wall_s() - AGE_S);
	file("18", list);
	file("17", HEADER "Subject: s\n\nx\n");
	file("20.txt", "Content-type: application/x-citadel-delivery-list\n\nmsgid|21\n"
		       "envelope_from|b@h.example\nremote|x@a.example|0|\n");
	file("21.eml", HEADER "\r\n\r\nx\r\n");
	file("30", "Content-type: application/x-citadel-delivery-list\n\nmsgid|31\n"
		   "remote|x@a.example|0|\n");
	file("notes", "something else\n");
	import("citadel", "--remove", EX_DATAERR);
	said("30: left where it is: its message, 31: No such file");
	said("18: 2 recipients of it are settled already");
	said("took over 2 messages; 1 are left");
	is_old("citadel-18-");
	queued_has("ctl", "citadel-18-", "\nremote|y@b.example|0|");
	queued_has("ctl", "citadel-18-", "\nrecipients|1\n");
	queued_has("ctl", "citadel-18-", "\nenvelope_from|a@h.example\n"); /* its From */
	queued_has("ctl", "citadel-20.txt-", "\nenvelope_from|b@h.example\n");
	ck_assert_int_eq(access(at("17"), F_OK), -1);
	ck_assert_int_eq(access(at("21.eml"), F_OK), -1);
	ck_assert_int_eq(access(at("notes"), F_OK), 0);
	deliver(2);
}
END_TEST

/* --- whose it is -------------------------------------------------------------------------- */

/* A user's queue is read with his rights: a link in it shows root nothing that is not his. */
START_TEST(root_looks_with_the_folders_owners_eyes)
{
	char secret[200];

	if (geteuid() != 0)
		return;
	make_theirs();
	snprintf(secret, sizeof(secret), "%s/secret", kit.dir);
	whole_write_file(secret, "%s", "Subject: root's\n\nsecret\n");
	ck_assert_int_eq(chmod(secret, 0600), 0);
	ck_assert_int_eq(chmod(kit.dir, 0755), 0);
	file("1.mail", "Subject: s\n\nx\n");
	file("1.msmtp", "-f a@h.example x@a.example\n");
	ck_assert_int_eq(link(secret, at("2.mail")), 0);
	file("2.msmtp", "-f a@h.example thief@a.example\n");
	for (const char *const *f = (const char *const[]){"1.mail", "1.msmtp", "2.msmtp", "", NULL};
	     *f != NULL; f++)
		ck_assert_int_eq(chown(at(*f), 64007, 64007), 0);
	import("msmtpq", "--remove", EX_TEMPFAIL);
	said("2.mail: left where it is: Permission denied");
	said("took over 1 message; 1 are left");
	queued_has("ctl", "msmtpq-1.mail-", "\nuid|64007\n");
	ck_assert_int_eq(access(at("2.mail"), F_OK), 0);
}
END_TEST

Suite *
suite_whole_import(void)
{
	const TTest *const tests[] = {dma_is_taken_over_once, not_again_when_it_has_been_delivered,
	    removed_when_it_is_here, not_removed_when_it_cannot_be_known,
	    not_removed_when_what_is_queued_is_damaged, another_mail_under_an_old_name_is_new,
	    what_dma_works_on_is_left, what_is_damaged_is_left,
	    a_line_that_smtp_cannot_carry_is_encoded, no_room_in_the_spool_leaves_all,
	    nullmailer_is_taken_over, not_while_nullmailer_runs,
	    msmtpq_is_taken_over_as_it_was_submitted, not_while_msmtpq_works, citadel_is_taken_over,
	    root_looks_with_the_folders_owners_eyes};

	return whole_suite("import", tests, sizeof(tests) / sizeof(tests[0]));
}
