/*
 * check_ctl_runs.c: whether something starts queue runs, of all of the queue and of mail for mailboxes: what cron,
 * systemd, OpenRC and rc.d read, right and with the usual mistakes.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger.h"
#include "suites.h"
#include "testroot.h"

static struct testroot t;
static int held = -1;

static void
setup(void)
{
	testroot_begin(&t);
}

static void
teardown(void)
{
	if (held >= 0)
		close(held);
	held = -1;
	testroot_end(&t);
}

/* As a runner has it. */
static void
begin_run(void)
{
	testroot_file(&t, "/spool/run/full", "%s", "");
	held = open(testroot_path(&t, "/spool/run/full"), O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(flock(held, LOCK_EX), 0);
}

static void
end_run(void)
{
	close(held);
	held = -1;
}

/* Root is told that there is none; others see too little. */
#define NOBODY (geteuid() == 0 ? "nobody starts queue runs" : "nobody is seen to start")

/* --- cron --------------------------------------------------------------------------------- */

START_TEST(nobody_starts_runs)
{
	testroot_program(&t, "/usr/sbin/cron", "exit 0\n");
	testroot_finds(&t, check_runs, NOBODY, "(crontab -l; echo '*/5 * * * * ");
	testroot_folder(&t, "/etc/cron.d");
	testroot_mends(&t, check_runs, NOBODY, "sortie.cron ");
	testroot_says(&t, check_runs, "/etc/cron.d/sortie starts runs as root");
	ck_assert_int_eq(testroot_check(&t, check_runs), CHECK_OK);
}
END_TEST

static const struct {
	const char *file, *text;
	const char *as; /* NULL: that starts none */
} crontabs[] = {
    {"/etc/cron.d/sortie", "*/5 * * * * root /usr/sbin/sortie -q\n", "root"},
    {"/etc/cron.d/mail", "MAILTO=sortie -q\n@hourly\troot\t/usr/lib/sendmail -q\n", "root"},
    {"/etc/crontab", "7,22,37,52 * * * *  nobody  sortie -q\n", "nobody"},
    {"/usr/local/etc/cron.d/x", "0 * * * * root sortie -q\n", "root"},
    {"/var/spool/cron/crontabs/root", "*/5 * * * * /usr/sbin/sortie -q\n", "root"},
    {"/var/spool/cron/nobody", "*/5 * * * * /usr/sbin/sortie -q\n", "nobody"},
    {"/etc/crontabs/root", "*/15 * * * * sortie -q\n", "root"},
    {"/var/cron/tabs/root", "*/15 * * * * sortie -q\n", "root"},
    {"/var/spool/cron/tabs/root", "*/15 * * * * sortie -q\n", "root"},
    {"/etc/cron.d/sortie", "#*/5 * * * * root /usr/sbin/sortie -q\n", NULL},
    {"/etc/cron.d/sortie", "*/5 * * * * root /usr/sbin/sortie -bp\n", NULL},
    {"/etc/cron.d/sortie", "*/5 * * * * root /usr/sbin/exim4 -q\n", NULL},
    {"/etc/cron.d/.sortie", "*/5 * * * * root /usr/sbin/sortie -q\n", NULL},
    {"/etc/crontab", "MAILTO=sortie -q\nSORTIE=sortie -q\n", NULL},
};

START_TEST(crontabs_that_start_runs_and_others)
{
	char line[128];

	testroot_program(&t, "/usr/sbin/cron", "exit 0\n");
	testroot_file(&t, crontabs[_i].file, "%s", crontabs[_i].text);
	if (crontabs[_i].as == NULL) {
		testroot_says(&t, check_runs, NOBODY);
		return;
	}
	snprintf(line, sizeof(line), "%s starts runs as %s\n", crontabs[_i].file, crontabs[_i].as);
	testroot_says(&t, check_runs, line);
	ck_assert_msg(t.k.worst_of_this == CHECK_OK, "%s", t.said);
}
END_TEST

START_TEST(alpines_two_names_of_one_folder_are_one)
{
	testroot_program(&t, "/usr/sbin/crond", "exit 0\n");
	testroot_file(&t, "/etc/crontabs/root", "*/15 * * * * sortie -q\n");
	testroot_link(&t, "/etc/crontabs", "/var/spool/cron/crontabs");
	testroot_says_not(&t, check_runs, "/etc/crontabs/root");
	testroot_says(&t, check_runs, "/var/spool/cron/crontabs/root starts runs as root");
}
END_TEST

START_TEST(scripts_of_run_parts)
{
	testroot_program(&t, "/usr/sbin/cron", "exit 0\n");
	testroot_program(&t, "/etc/cron.hourly/sortie", "# sendmail -q\nexec sortie -q\n");
	testroot_says(&t, check_runs, "/etc/cron.hourly/sortie starts runs as root");
	ck_assert_int_eq(chmod(testroot_path(&t, "/etc/cron.hourly/sortie"), 0644), 0);
	testroot_mends(&t, check_runs, "it may not be executed", "chmod 755 ");
	testroot_remove(&t, "/etc/cron.hourly/sortie");
	testroot_program(&t, "/etc/cron.hourly/sortie", "# sortie -q\n");
	testroot_says(&t, check_runs, NOBODY);
	testroot_remove(&t, "/etc/cron.hourly/sortie");
	testroot_program(&t, "/etc/periodic/15min/sortie.sh", "sortie -q\n");
	testroot_mends(&t, check_runs, "no file with a dot in its name", "mv ");
	testroot_says(&t, check_runs, "/etc/periodic/15min/sortie starts runs as root");
}
END_TEST

START_TEST(a_file_that_cron_ignores_is_named)
{
	testroot_program(&t, "/usr/sbin/cron", "exit 0\n");
	testroot_file(&t, "/etc/debian_version", "13.1\n");
	testroot_file(&t, "/etc/cron.d/sortie.cron", "*/5 * * * * root sortie -q\n");
	testroot_mends(&t, check_runs, "cron reads no file with a dot in its name", "mv ");
	testroot_says(&t, check_runs, "/etc/cron.d/sortie starts runs as root");
	ck_assert_int_eq(testroot_check(&t, check_runs), CHECK_OK);

	ck_assert_int_eq(chmod(testroot_path(&t, "/etc/cron.d/sortie"), 0666), 0);
	testroot_finds(&t, check_runs, "it is not root's alone to write to", "chmod 644 ");
	if (geteuid() == 0)
		testroot_mends(&t, check_runs, "it is not root's alone to write to", "chown root ");

	testroot_file(&t, "/etc/cron.d/sortie", "*/5 * * * * root sortie -q");
	testroot_mends(&t, check_runs, "its last line has no end", "echo >> ");
	ck_assert_int_eq(testroot_check(&t, check_runs), CHECK_OK);
}
END_TEST

START_TEST(a_crontab_without_cron_is_worth_nothing)
{
	testroot_program(&t, "/usr/bin/apt-get", "exit 0\n");
	testroot_file(&t, "/etc/cron.d/sortie", "*/5 * * * * root sortie -q\n");
	testroot_finds(&t, check_runs, "there is no cron on this machine", "apt-get install cron");
	testroot_finds(&t, check_runs, NOBODY, "apt-get install cron");
}
END_TEST

START_TEST(other_users_runs_are_of_their_own_mail)
{
	testroot_program(&t, "/usr/sbin/cron", "exit 0\n");
	testroot_file(&t, "/var/spool/cron/crontabs/daemon", "*/5 * * * * sortie -q\n");
	testroot_says(&t, check_runs, "starts runs as daemon, of whose own mail they are");
	testroot_says(&t, check_runs, NOBODY);
}
END_TEST

/* --- systemd ------------------------------------------------------------------------------ */

static void
make_service(const char *user)
{
	testroot_folder(&t, "/run/systemd/system");
	testroot_file(&t, "/etc/systemd/system/sortie.service",
	    "[Service]\nExecStart=/usr/sbin/sortie -q5m\n%s%s\n",
	    user[0] == '\0' ? "" : "User=", user);
	testroot_link(&t, "/etc/systemd/system/sortie.service",
	    "/etc/systemd/system/multi-user.target.wants/sortie.service");
}

START_TEST(a_service_that_is_enabled_must_be_at_work)
{
	make_service("nobody");
	testroot_finds(&t, check_runs, "warn  x         sortie.service: enabled, but not at work",
	    "systemctl start sortie");
	testroot_finds(&t, check_runs, NOBODY, "systemctl enable --now sortie");
	begin_run();
	ck_assert_int_eq(testroot_check(&t, check_runs), CHECK_OK);
	testroot_says(&t, check_runs, "one is at work");
	testroot_says(&t, check_runs, "sortie.service starts runs as nobody");
	testroot_remove(&t, "/run");
	testroot_says(&t, check_runs, "this machine was not started by systemd");
}
END_TEST

START_TEST(a_unit_that_is_not_there)
{
	make_service("nobody");
	testroot_remove(&t, "/etc/systemd/system/sortie.service");
	testroot_finds(&t, check_runs, "there is no sortie.service",
	    "/sortie.service /etc/systemd/system/ && systemctl daemon-reload");
}
END_TEST

START_TEST(units_of_any_name_and_place)
{
	testroot_folder(&t, "/run/systemd/system");
	testroot_file(&t, "/usr/lib/systemd/system/mail.service",
	    "[Service]\nExecStart=/usr/sbin/sendmail -bd -q15m\n");
	testroot_file(&t, "/usr/lib/systemd/system/other.service",
	    "[Service]\nExecStart=/usr/sbin/cupsd -q\n");
	testroot_link(&t, "/usr/lib/systemd/system/mail.service",
	    "/usr/lib/systemd/system/multi-user.target.wants/mail.service");
	testroot_link(&t, "/usr/lib/systemd/system/other.service",
	    "/usr/lib/systemd/system/multi-user.target.wants/other.service");
	begin_run();
	testroot_says(&t, check_runs, "mail.service starts runs as root");
	testroot_says_not(&t, check_runs, "other.service");
}
END_TEST

START_TEST(a_timer_starts_its_service)
{
	testroot_folder(&t, "/run/systemd/system");
	testroot_file(&t, "/etc/systemd/system/sortie-queue.timer", "[Timer]\nOnBootSec=1min\n");
	testroot_file(&t, "/etc/systemd/system/sortie-queue.service",
	    "[Service]\nExecStart=/usr/sbin/sortie -q\nUser=nobody\n");
	testroot_link(&t, "/etc/systemd/system/sortie-queue.timer",
	    "/etc/systemd/system/timers.target.wants/sortie-queue.timer");
	testroot_says(&t, check_runs, "sortie-queue.timer starts runs as nobody");
	ck_assert_int_eq(testroot_check(&t, check_runs), CHECK_OK);
	testroot_file(&t, "/etc/systemd/system/sortie-queue.timer", "[Timer]\nUnit=x.service\n");
	testroot_says(&t, check_runs, "it is enabled, but there is no x.service");
}
END_TEST

/* --- OpenRC and rc.d ---------------------------------------------------------------------- */

START_TEST(openrc)
{
	testroot_program(&t, "/sbin/openrc-run", "exit 0\n");
	testroot_finds(&t, check_runs, NOBODY, "rc-update add sortie && rc-service sortie start");
	testroot_link(&t, "/etc/init.d/sortie", "/etc/runlevels/default/sortie");
	testroot_finds(&t, check_runs, "there is no /etc/init.d/sortie", "install -m 755 ");
	testroot_program(&t, "/etc/init.d/sortie", "exit 0\n");
	testroot_finds(&t, check_runs, "enabled, but not at work", "rc-service sortie start");
	begin_run();
	ck_assert_int_eq(testroot_check(&t, check_runs), CHECK_OK);
	testroot_says(&t, check_runs, "/etc/runlevels/default/sortie starts runs as root");
}
END_TEST

static const struct {
	const char *file, *text;
	bool yes;
} rc_confs[] = {
    {"/etc/rc.conf", "hostname=x\nsortie_enable=\"YES\"\n", true},
    {"/etc/rc.conf", "sortie_enable=\"NO\"\n", false},
    {"/etc/rc.conf", "sortie_enable=YES\nsortie_enable=\"NO\" # not yet\n", false},
    {"/etc/rc.conf", "#sortie_enable=YES\n", false},
    {"/etc/rc.conf", "# about sortie\n", false},
    {"/etc/rc.conf", "sortie=yes\n", true},
    {"/etc/rc.conf.d/sortie", "sortie_enable='on'\n", true},
    {"/etc/rc.conf.local", "pkg_scripts=\"messagebus sortie\"\n", true},
    {"/etc/rc.conf.local", "pkg_scripts=messagebus\n", false},
};

START_TEST(rc_conf)
{
	testroot_file(&t, rc_confs[_i].file, "%s", rc_confs[_i].text);
	if (!rc_confs[_i].yes) {
		testroot_says(&t, check_runs, NOBODY);
		testroot_says_not(&t, check_runs, rc_confs[_i].file);
		return;
	}
	testroot_says(&t, check_runs, "no script of that name in rc.d");
	testroot_program(&t, "/etc/rc.d/sortie", "exit 0\n");
	testroot_finds(&t, check_runs, "enabled, but not at work", "sortie start");
	begin_run();
	ck_assert_int_eq(testroot_check(&t, check_runs), CHECK_OK);
}
END_TEST

/* --- mail for mailboxes ------------------------------------------------------------------- */

static const char NONE_IS_ROOTS[] = "FAIL  x         no queue run is root's";

START_TEST(mailboxes_need_roots_cron)
{
	testroot_program(&t, "/usr/sbin/cron", "exit 0\n");
	testroot_file(&t, "/etc/cron.d/sortie", "*/5 * * * * nobody sortie -q\n");
	ck_assert_int_eq(testroot_check(&t, check_runs), CHECK_OK);
	testroot_configure(&t, "local lmtp:/run/lmtp\n");
	ck_assert_int_eq(testroot_check(&t, check_runs), CHECK_OK);
	testroot_configure(&t, "local mbox\n");
	testroot_says(&t, check_runs, "(local mbox)");
	testroot_configure(&t, "local maildir\n");
	testroot_says(&t, check_runs, "(local maildir)");
	testroot_mends(&t, check_runs, NONE_IS_ROOTS, "sortie.cron ");
	ck_assert_int_eq(testroot_check(&t, check_runs), CHECK_OK);

	/* a run of the moment says nothing about whose the others are */
	testroot_file(&t, "/etc/cron.d/sortie", "*/5 * * * * nobody sortie -q\n");
	begin_run();
	testroot_says_not(&t, check_runs, NONE_IS_ROOTS);
	end_run();
	testroot_file(&t, "/etc/cron.d/more", "*/5 * * * * root sortie -q\n");
	ck_assert_int_eq(testroot_check(&t, check_runs), CHECK_OK);
}
END_TEST

START_TEST(mailboxes_need_roots_service)
{
	testroot_configure(&t, "local maildir\n");
	make_service("nobody");
	begin_run();
	testroot_finds(&t, check_runs, NONE_IS_ROOTS,
	    "/sortie-local.conf /etc/systemd/system/sortie.service.d/local.conf && systemctl "
	    "daemon-reload && systemctl restart sortie.service");
	testroot_file(&t, "/etc/systemd/system/sortie.service.d/local.conf",
	    "[Service]\nUser=root\nProtectHome=no\n");
	testroot_says(&t, check_runs, "sortie.service starts runs as root");
	ck_assert_int_eq(testroot_check(&t, check_runs), CHECK_OK);
}
END_TEST

/* --- the last run ------------------------------------------------------------------------- */

static void
tell_of_a_run(int64_t at)
{
	const struct ledger_record r = {.ok_at = at, .counts = {[LEDGER_PASSES] = 1}};
	struct ledger *l = ledger_new(t.c.program.spool);

	ledger_tell(l, "", &r);
	ledger_free(&l);
}

START_TEST(the_last_run_is_told)
{
	char why[256];

	ck_assert_int_eq(
	    spool_open(&t.c.program.spool, t.c.program.config.spool, why, sizeof(why)), 0);
	t.c.now = 1800000000;
	testroot_says(&t, check_last_run, "ok    x         the queue has not been run yet");
	tell_of_a_run(t.c.now - 30 * 3600);
	testroot_finds(
	    &t, check_last_run, "warn  x         the queue was last run 1d6h ago", " -q");
	tell_of_a_run(t.c.now - 300);
	testroot_says(&t, check_last_run, "ok    x         the queue was last run 5m ago");
	tell_of_a_run(t.c.now + 300); /* the clock was put back */
	testroot_says(&t, check_last_run, "ok    x         the queue was last run 0s ago");
	spool_close(&t.c.program.spool);
}
END_TEST

Suite *
suite_ctl_runs(void)
{
	const TTest *const tests[] = {nobody_starts_runs, alpines_two_names_of_one_folder_are_one,
	    scripts_of_run_parts, a_file_that_cron_ignores_is_named,
	    a_crontab_without_cron_is_worth_nothing, other_users_runs_are_of_their_own_mail,
	    a_service_that_is_enabled_must_be_at_work, a_unit_that_is_not_there,
	    units_of_any_name_and_place, a_timer_starts_its_service, openrc,
	    mailboxes_need_roots_cron, mailboxes_need_roots_service, the_last_run_is_told};
	Suite *s = suite_create("ctl_runs");
	TCase *tc = tcase_create("runs");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(
	    tc, crontabs_that_start_runs_and_others, 0, sizeof(crontabs) / sizeof(crontabs[0]));
	tcase_add_loop_test(tc, rc_conf, 0, sizeof(rc_confs) / sizeof(rc_confs[0]));
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(s, tc);
	return s;
}
