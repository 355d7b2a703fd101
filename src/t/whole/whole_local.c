/*
 * Mailboxes of this machine's users. Who tests as root delivers to nobody, any other to himself: a helper
 * that is not root's serves its own user alone.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "kit.h"
#include "suites.h"
#include "whole.h"

static char user[80]; /* "": this user has no name */
static char address[120], folder[80], box[200], lock[220];

/* A folder of mboxes; false: nobody is known to deliver to. */
static bool
set_stage(const char *more)
{
	const struct passwd *pw = getuid() == 0 ? getpwnam("nobody") : getpwuid(getuid());

	if (pw == NULL || strlen(pw->pw_name) >= sizeof(user))
		return false;
	snprintf(user, sizeof(user), "%s", pw->pw_name);
	snprintf(address, sizeof(address), "%s@here.example", user);
	snprintf(folder, sizeof(folder), "%s/mail", kit.dir);
	snprintf(box, sizeof(box), "%s/%s", folder, user);
	snprintf(lock, sizeof(lock), "%s.lock", box);
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	ck_assert_int_eq(chmod(folder, 01777), 0);
	ck_assert_int_eq(chmod(kit.dir, 0711), 0); /* mkdtemp(3): nobody would not come to it */
	kit_configure("local mbox:%s\n%s", folder, more);
	ck_assert_int_eq(chmod(kit.conf, 0644), 0); /* whatever the umask */
	return true;
}

static void
post(const char *text)
{
	ck_assert_int_eq(submit(NULL, text, "-odq", "-f", "<>", address, NULL), 0);
}

static int
queue_run(void)
{
	static struct child r;

	child_start(&r, NULL, "-q", NULL);
	return child_end(&r);
}

START_TEST(bv_knows_the_users)
{
	static struct child c;

	if (!set_stage(""))
		return;
	child_start(&c, NULL, "-bv", address, NULL);
	ck_assert_int_eq(child_end(&c), EX_OK);
	child_start(&c, NULL, "-bv", "nobody-has-this-name@here.example", NULL);
	ck_assert_int_eq(child_end(&c), EX_NOHOST);
	ck_assert_msg(strstr(c.said, "undeliverable: 5.1.1 no such user\n") != NULL, "%s", c.said);
}
END_TEST

START_TEST(mail_for_a_user)
{
	struct stat st;

	if (!set_stage(""))
		return;
	post("Subject: 1\n\nFrom one\n");
	post("Subject: 2\n\ntwo\n");
	ck_assert_int_eq(queue_run(), 0);
	ck_assert_uint_eq(files_in("ctl"), 0);
	ck_assert_uint_eq(count_text(box, "From MAILER-DAEMON "), 2);
	ck_assert_uint_eq(count_text(box, "Return-Path: <>\nDelivered-To: "), 2);
	ck_assert_uint_eq(count_text(box, "\n\n>From one\n\nFrom "), 1);
	ck_assert_uint_eq(count_text(box, "\r"), 0);
	ck_assert_int_eq(access(lock, F_OK), -1);
	ck_assert_int_eq(stat(box, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert(getuid() != 0 || st.st_uid != 0);
	ck_assert_uint_eq(count_text(kit.log, ", relay=local, delay="), 2);
	ck_assert_uint_eq(count_text(kit.log, "status=sent (2.0.0 delivered to mbox)"), 2);
}
END_TEST

/* The report about one who is not there is for one who is. An ordinary user's run leaves him alone. */
START_TEST(mail_for_nobody_at_all)
{
	if (!set_stage(""))
		return;
	ck_assert_int_eq(submit(NULL, "Subject: 1\n\n1\n", "-odq", "-f", address,
			     "no-such-user-here@localhost", NULL),
	    0);
	ck_assert_int_eq(queue_run(), 0);
	ck_assert_uint_eq(files_in("ctl"), getuid() != 0);
	if (getuid() != 0)
		return;
	ck_assert_uint_eq(count_text(kit.log, "dsn=5.1.1, status=bounced (5.1.1 no such user)"), 1);
	ck_assert_uint_eq(
	    count_text(box, "Final-Recipient: rfc822; no-such-user-here@localhost"), 1);
}
END_TEST

/* A resident runner, and the one that takes its place, have the same helper. */
START_TEST(mail_that_wakes_a_resident_runner)
{
	static struct child r;

	if (!set_stage("recipients 5"))
		return;
	child_start(&r, NULL, "-q5m", NULL);
	WAIT_FOR(runner_present("full"));
	ck_assert_int_eq(submit(NULL, "Subject: 1\n\n1\n", address, NULL), 0);
	WAIT_FOR(count_text(box, "Subject: 1\n") == 1);
	kit_configure("local mbox:%s\nrecipients 6", folder);
	kill(r.pid, SIGHUP);
	WAIT_FOR(count_text(kit.log, "configuration read again") == 1);
	WAIT_FOR(runner_present("full"));
	ck_assert_int_eq(submit(NULL, "Subject: 2\n\n2\n", address, NULL), 0);
	WAIT_FOR(count_text(box, "Subject: 2\n") == 1);
	kit_configure("local mbox:%s/elsewhere", folder);
	kill(r.pid, SIGHUP);
	WAIT_FOR(count_text(kit.log, "mailboxes cannot be changed while running") == 1);
	WAIT_FOR(runner_present("full"));
	ck_assert_int_eq(submit(NULL, "Subject: 3\n\n3\n", address, NULL), 0);
	WAIT_FOR(count_text(box, "Subject: 3\n") == 1);
	WAIT_FOR(files_in("msg") == 0);
	kill(r.pid, SIGTERM);
	ck_assert_int_eq(child_end(&r), 0);
}
END_TEST

/* Somebody reads his mail: the mbox is open, its lock taken. */
static void
start_in_vain(struct child *r)
{
	whole_write_file(lock, "%s", "1\n");
	post("Subject: 1\n\n1\n");
	post("Subject: 2\n\n2\n");
	child_start(r, NULL, "-q", NULL);
	WAIT_FOR(access(box, F_OK) == 0);
}

START_TEST(term_waits_for_a_mailbox)
{
	static struct child r;

	if (!set_stage(""))
		return;
	start_in_vain(&r);
	kill(r.pid, SIGTERM);
	ck_assert_int_eq(unlink(lock), 0);
	ck_assert_int_eq(child_end(&r), 0);
	ck_assert_uint_eq(count_text(box, "Subject: "), 1);
	ck_assert_uint_eq(files_in("ctl"), 1);
	ck_assert_uint_eq(count_text(kit.log, "status=sent"), 1);
	ck_assert_uint_eq(count_text(kit.log, "status=deferred"), 0);
}
END_TEST

/* It may have been written, or be yet. */
START_TEST(second_term_does_not_wait_for_a_mailbox)
{
	static struct child r;

	if (!set_stage(""))
		return;
	start_in_vain(&r);
	kill(r.pid, SIGTERM);
	kill(r.pid, SIGINT); /* another: two of one kind might count as one */
	WAIT_FOR(count_text(kit.log, "a duplicate is possible") == 1);
	unlink(lock);
	ck_assert_int_eq(child_end(&r), 0);
	ck_assert_uint_eq(files_in("ctl"), 2);
	ck_assert_uint_eq(count_text(kit.log, "status=sent"), 0);
}
END_TEST

/* The run dies; what its helper was writing is finished, and written once more. */
START_TEST(run_that_is_killed)
{
	static struct child r;

	if (!set_stage(""))
		return;
	start_in_vain(&r);
	kill(r.pid, SIGKILL);
	ck_assert_int_eq(child_end(&r), 128 + SIGKILL);
	ck_assert_int_eq(unlink(lock), 0);
	WAIT_FOR(count_text(box, "Subject: ") == 1 && access(lock, F_OK) != 0);
	ck_assert_int_eq(queue_run(), 0);
	ck_assert_uint_eq(count_text(box, "Subject: "), 3);
	ck_assert_uint_eq(files_in("ctl"), 0);
}
END_TEST

/* Two runs side by side, each with a helper, and one mbox. */
START_TEST(two_runs_at_once)
{
	enum { MESSAGES = 60 };
	static struct child a, b;
	char text[64];

	if (!set_stage("local-domains whole.example"))
		return;
	for (int i = 0; i < MESSAGES; i++) {
		snprintf(text, sizeof(text), "Subject: number %d.\n\n%d\n", i, i);
		post(text);
	}
	child_start(&a, NULL, "-q", NULL);
	child_start(&b, NULL, "-q", NULL);
	ck_assert_int_eq(child_end(&a), 0);
	ck_assert_int_eq(child_end(&b), 0);
	ck_assert_int_eq(queue_run(), 0); /* what each of them found locked by the other */
	for (int i = 0; i < MESSAGES; i++) {
		snprintf(text, sizeof(text), "Subject: number %d.\n", i);
		ck_assert_uint_eq(count_text(box, text), 1);
	}
	ck_assert_uint_eq(files_in("ctl"), 0);
}
END_TEST

/* Whoever can write the file would have root look where he likes. */
START_TEST(configuration_that_others_can_write_to)
{
	if (getuid() != 0 || !set_stage(""))
		return;
	ck_assert_int_eq(chmod(kit.conf, 0664), 0);
	post("Subject: 1\n\n1\n");
	ck_assert_int_eq(queue_run(), 0);
	ck_assert_int_eq(access(box, F_OK), -1);
	ck_assert_uint_eq(
	    count_text(kit.log, "status=deferred (4.3.5 local delivery needs a configuration file"),
	    1);
	ck_assert_uint_eq(files_in("ctl"), 1);
	ck_assert_int_eq(chmod(kit.conf, 0644), 0);
	ck_assert_int_eq(queue_run(), 0);
	ck_assert_uint_eq(count_text(box, "Subject: "), 1);
}
END_TEST

/* The mailboxes are another server's: a confined run comes to its socket. */
START_TEST(mailboxes_of_another_server)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;
	static struct child r;

	if (!set_stage(""))
		return;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/lmtp", kit.dir);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&un, sizeof(un)), 0);
	ck_assert_int_eq(listen(listener, 5), 0);
	kit_configure("local lmtp:%s", un.sun_path);
	post("Subject: 1\n\n1\n");
	child_start(&r, NULL, "-q", NULL);
	fd = server_accept(listener);
	server_say(fd, "220 whole LMTP");
	server_hear(fd, "LHLO here.example");
	server_say(fd, "250-whole\r\n250 PIPELINING");
	server_take(fd);
	server_hear_end(fd);
	ck_assert_int_eq(child_end(&r), 0);
	ck_assert_uint_eq(files_in("ctl"), 0);
	close(listener);
}
END_TEST

Suite *
suite_whole_local(void)
{
	const TTest *const tests[] = {bv_knows_the_users, mail_for_a_user, mail_for_nobody_at_all,
	    mail_that_wakes_a_resident_runner, term_waits_for_a_mailbox,
	    second_term_does_not_wait_for_a_mailbox, run_that_is_killed, two_runs_at_once,
	    configuration_that_others_can_write_to, mailboxes_of_another_server};

	return whole_suite("whole_local", tests, sizeof(tests) / sizeof(tests[0]));
}
