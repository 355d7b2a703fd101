/*
 * Aliases, masquerading and mail that may not leave the machine, by the real program: what is in the spool
 * afterwards, and what whoever runs newaliases or -bv gets to see.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "kit.h"
#include "suites.h"
#include "whole.h"

#define CRON \
	"From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@here> date\n" \
	"Date: Tue, 24 Nov 2026 06:10:00 +0000\nMessage-ID: <1@here.example>\n\nhello\n"

/* The configuration with these lines and this file of aliases. */
static void
use(const char *lines, const char *aliases)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/aliases", kit.dir);
	whole_write_file(path, "%s", aliases);
	kit_configure("aliases %s\n%s", path, lines);
}

/* The only file there; freed by the caller. */
static char *
text_of(const char *part)
{
	char dir[100], path[300] = "";
	struct dirent *e;
	DIR *d;

	ck_assert_uint_eq(files_in(part), 1);
	snprintf(dir, sizeof(dir), "%s/%s", kit.spool, part);
	ck_assert_ptr_nonnull(d = opendir(dir));
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			snprintf(path, sizeof(path), "%s/%.100s", dir, e->d_name);
	closedir(d);
	return file_text(path);
}

static void
has(const char *part, const char *text)
{
	char *all = text_of(part);

	ck_assert_msg(strstr(all, text) != NULL, "%s: %s", text, all);
	free(all);
}

static void
has_not(const char *part, const char *text)
{
	char *all = text_of(part);

	ck_assert_msg(strstr(all, text) == NULL, "%s: %s", text, all);
	free(all);
}

static void
nothing_is_queued(void)
{
	ck_assert_uint_eq(files_in("ctl"), 0);
	ck_assert_uint_eq(files_in("msg"), 0);
	ck_assert_uint_eq(files_in("tmp"), 0);
}

/* As this name, with -C, one argument or none. What it said is in c. */
static int
run_as(struct child *c, const char *name, const char *arg, const char *more)
{
	const char *argv[] = {name, "-C", kit.conf, arg, more, NULL};

	child_start_argv(c, NULL, argv);
	return child_end(c);
}

START_TEST(cron_writes_to_root)
{
	use("masquerade-domain example.org", "root: admin@example.net, bob\nbob: b@example.com\n");
	ck_assert_int_eq(
	    submit(NULL, CRON, "-odq", "-FCronDaemon", "-i", "-oem", "-t", "-f", "root", NULL), 0);
	has("ctl", "envelope_from|root@example.org\n");
	has("ctl", "remote|admin@example.net|0|\nremote|b@example.com|0|\nrecipients|2\n");
	has("msg", "\r\nFrom: root@example.org (Cron Daemon)\r\nTo: root@here.example\r\nSubject: "
		   "Cron <root@here> date\r\nDate: ");
}
END_TEST

START_TEST(dash_f_is_masqueraded)
{
	kit_configure("masquerade * cron@example.org");
	ck_assert_int_eq(submit(NULL, "From: x@y.example\n\n", "-odq", "-f", "bob@there.example",
			     "c@d.example", NULL),
	    0);
	has("ctl", "envelope_from|cron@example.org\n");
	has("msg", "\r\nFrom: cron@example.org\r\n");
}
END_TEST

/* Whoever reads his mail as root gets a report there, and not a name that nobody else knows. */
START_TEST(reports_go_where_the_senders_mail_goes)
{
	use("", "root: bob\nbob: b@example.com\n");
	ck_assert_int_eq(submit(NULL, CRON, "-odq", "-f", "root", "c@d.example", NULL), 0);
	has("ctl", "envelope_from|root@here.example\n");
	has("ctl", "bounceto|b@example.com\n");
}
END_TEST

START_TEST(a_sender_without_an_alias)
{
	use("", "bob: bob\nroot: admin@example.net\n");
	ck_assert_int_eq(submit(NULL, CRON, "-odq", "-f", "bob", "c@d.example", NULL), 0);
	has_not("ctl", "bounceto");
}
END_TEST

START_TEST(an_alias_that_comes_to_nothing)
{
	struct child c;

	use("", "bob: |/bin/x\n");
	child_start(&c, NULL, "-odq", "bob", "c@d.example", NULL);
	child_feed(&c, CRON);
	ck_assert_int_eq(child_end(&c), EX_CONFIG);
	ck_assert_msg(
	    strstr(c.said, "aliases:1: |/bin/x: commands are not run") != NULL, "%s", c.said);
	nothing_is_queued();
	use("", "bob: alice\nalice: bob\n");
	ck_assert_int_eq(submit(NULL, CRON, "-odq", "bob", NULL), EX_CONFIG);
	kit_configure("aliases %s/no-such-file", kit.dir);
	ck_assert_int_eq(submit(NULL, CRON, "-odq", "bob", NULL), EX_CONFIG);
	nothing_is_queued();
	ck_assert_int_eq(submit(NULL, CRON, "-odq", "bob@example.net", NULL), 0);
}
END_TEST

START_TEST(nobody_gets_it)
{
	use("", "trash: /dev/null\n");
	ck_assert_int_eq(submit(NULL, CRON, "trash", NULL), 0);
	ck_assert_int_eq(submit(NULL, CRON, "-odi", "trash", NULL), 0);
	nothing_is_queued();
	ck_assert_uint_eq(count_text(kit.log, "discarded"), 2);
	ck_assert_int_eq(submit(NULL, CRON, "-odq", "trash", "bob@example.net", NULL), 0);
	has("ctl", "remote|bob@example.net|0|\nrecipients|1\n");
}
END_TEST

START_TEST(newaliases_looks_at_the_file)
{
	static const char *const names[] = {"newaliases", "sendmail", "sendmail"};
	static const char *const args[] = {NULL, "-bi", "-I"};
	struct child c;

	for (size_t i = 0; i < 3; i++) {
		use("", "root: bob\nbob: b@example.com\n");
		ck_assert_int_eq(run_as(&c, names[i], args[i], NULL), 0);
		ck_assert_msg(
		    strstr(c.said, "/aliases: 2 aliases, longest 13 bytes, 16 bytes total\n") !=
			NULL,
		    "%s", c.said);
		use("", "root\nbob: /var/mail/bob\n");
		ck_assert_int_eq(run_as(&c, names[i], args[i], NULL), EX_DATAERR);
		ck_assert(strstr(c.said, "/aliases:1: root: there is no colon") != NULL);
		ck_assert(strstr(c.said, "/aliases:2: /var/mail/bob: files are not") != NULL);
	}
	kit_configure("aliases none");
	ck_assert_int_eq(run_as(&c, "newaliases", NULL, NULL), 0);
}
END_TEST

/* Where there is such a device: Linux, FreeBSD, NetBSD. */
static void
to_full_disk(void)
{
	int fd = open("/dev/full", O_WRONLY);

	if (fd == -1 || dup2(fd, STDOUT_FILENO) == -1)
		_exit(125);
}

START_TEST(an_answer_that_is_lost_is_no_success)
{
	static const char *const args[][2] = {{"-bi"}, {"-bv", "bob"}, {"-bp"}, {"--version"}};
	struct child c;

	if (access("/dev/full", W_OK) != 0)
		return;
	use("", "bob: b@[192.0.2.1]\n");
	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++) {
		const char *argv[] = {"sendmail", "-C", kit.conf, args[i][0], args[i][1], NULL};

		child_start_argv(&c, to_full_disk, argv);
		ck_assert_int_eq(child_end(&c), EX_IOERR);
	}
}
END_TEST

START_TEST(bv_shows_what_a_name_stands_for)
{
	struct child c;

	use("relay smtp://[127.0.0.1]:9", "root: bob, c@d.example\nbob: b@example.com\n");
	ck_assert_int_eq(run_as(&c, "sendmail", "-bv", "root"), 0);
	ck_assert_msg(strstr(c.said, "root... aliased to b@example.com\n"
				     "root... aliased to c@d.example\n"
				     "b@example.com... deliverable: ") != NULL,
	    "%s", c.said);
	use("", "root: root\nbob: /x\n");
	ck_assert_int_eq(run_as(&c, "sendmail", "-bv", "bob"), EX_CONFIG);
	ck_assert(strstr(c.said, "bob... not deliverable: ") != NULL);
}
END_TEST

START_TEST(mail_may_not_leave)
{
	struct child c;

	kit_configure("local discard\ndeliver local-only");
	child_start(&c, NULL, "-odq", "bob", "c@d.example", NULL);
	child_feed(&c, CRON);
	ck_assert_int_eq(child_end(&c), EX_NOPERM);
	ck_assert_msg(
	    strstr(c.said, "c@d.example: mail to remote recipients is turned off by ") != NULL &&
		strstr(c.said, "/conf:") != NULL && strstr(c.said, "(5.7.1)") != NULL,
	    "%s", c.said);
	nothing_is_queued();
	use("local discard\ndeliver local-only", "bob: b@example.com\n");
	ck_assert_int_eq(submit(NULL, CRON, "-odq", "bob", NULL), EX_NOPERM);
	nothing_is_queued();
	ck_assert_int_eq(submit(NULL, CRON, "-odq", "alice@localhost", NULL), 0);
	has("ctl", "remote|alice@localhost|0|\n");
}
END_TEST

/* Over SMTP the same: one reply each, when the recipients are known. */
START_TEST(over_smtp)
{
	static const struct {
		const char *rcpt, *data;
	} said[] = {{"root", "354 "}, {"trash@here.example", "354 "}, {"loop", "554 5.4.6 "},
	    {"pipe", "451 4.3.5 "}};
	char command[100];
	struct child c;

	use("domain example.org",
	    "root: b@example.com\ntrash: /dev/null\nloop: l\nl: loop\npipe: |/x\n");
	child_start(&c, NULL, "-bs", "-odq", NULL);
	server_hear(c.out, "220 ");
	child_feed(&c, "HELO client.example\r\n");
	server_hear(c.out, "250");
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		child_feed(&c, "MAIL FROM:<alice>\r\n");
		server_hear(c.out, "250");
		snprintf(command, sizeof(command), "RCPT TO:<%s>\r\n", said[i].rcpt);
		child_feed(&c, command);
		server_hear(c.out, "250");
		child_feed(&c, "DATA\r\n");
		server_hear(c.out, said[i].data);
		if (said[i].data[0] == '3') {
			child_feed(&c, "To: bob\r\n\r\nx\r\n.\r\n");
			server_hear(c.out, "250");
		} else {
			child_feed(&c, "RSET\r\n");
			server_hear(c.out, "250");
		}
	}
	child_feed(&c, "QUIT\r\n");
	(void)child_end(&c);
	has("ctl", "envelope_from|alice@example.org\n");
	has("ctl", "remote|b@example.com|0|\nrecipients|1\n");
	has("msg", "\r\nTo: bob@example.org\r\n");
}
END_TEST

Suite *
suite_whole_aliases(void)
{
	const TTest *const tests[] = {cron_writes_to_root, dash_f_is_masqueraded,
	    reports_go_where_the_senders_mail_goes, a_sender_without_an_alias,
	    an_alias_that_comes_to_nothing, nobody_gets_it, newaliases_looks_at_the_file,
	    an_answer_that_is_lost_is_no_success, bv_shows_what_a_name_stands_for,
	    mail_may_not_leave, over_smtp};

	return whole_suite("whole_aliases", tests, sizeof(tests) / sizeof(tests[0]));
}
