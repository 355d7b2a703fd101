/*
 * check_ctl_names.c: which program answers to sendmail, mailq and newaliases: links, alternatives, mailwrapper,
 * diversions, the order of PATH. Each command that is to be typed is, and helps.
 */
#include <sys/stat.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suites.h"
#include "testroot.h"

static struct testroot t;

static void
setup(void)
{
	testroot_begin(&t);
}

static void
teardown(void)
{
	testroot_end(&t);
}

START_TEST(links_as_make_install_leaves_them_are_in_order)
{
	ck_assert_int_eq(testroot_check(&t, check_names), CHECK_OK);
	testroot_link(&t, "/usr/sbin/sendmail", "/usr/lib/sendmail"); /* a link to a link */
	testroot_link(&t, "/usr/sbin/sortie", "/usr/bin/mailq"); /* does the same */
	ck_assert_int_eq(testroot_check(&t, check_names), CHECK_OK);
	testroot_says(&t, check_names, "/usr/lib/sendmail leads to ");
}
END_TEST

START_TEST(a_name_that_is_missing_leads_nowhere_or_elsewhere)
{
	testroot_remove(&t, "/usr/sbin/sendmail");
	testroot_mends(&t, check_names, "/usr/sbin/sendmail is not there", "ln -sf ");

	testroot_link(&t, "/usr/sbin/exim4", "/usr/sbin/sendmail");
	testroot_mends(&t, check_names, "/usr/sbin/exim4, which is not there", "ln -sf ");

	testroot_program(&t, "/usr/sbin/exim4", "exit 0\n");
	testroot_link(&t, "/usr/sbin/exim4", "/usr/lib/sendmail");
	testroot_mends(&t, check_names, "/usr/lib/sendmail is /", "ln -sf ");

	testroot_remove(&t, "/usr/bin/mailq");
	testroot_program(&t, "/usr/bin/mailq", "exit 0\n");
	testroot_mends(&t, check_names, "/usr/bin/mailq is another program", "ln -sf ");

	testroot_remove(&t, "/usr/bin/newaliases");
	testroot_mends(&t, check_names, "bin/newaliases is not there", "ln -sf ");
	ck_assert_int_eq(testroot_check(&t, check_names), CHECK_OK);
}
END_TEST

/* Scripts call the first; what has /usr/sbin/sendmail compiled in does not. */
START_TEST(another_sendmail_that_comes_first_in_path)
{
	testroot_program(&t, "/usr/local/bin/sendmail", "exit 0\n");
	ck_assert_int_eq(testroot_check(&t, check_names), CHECK_WARN);
	testroot_mends(&t, check_names,
	    "/usr/local/bin/sendmail is another program, and comes first in PATH", "ln -sf ");
	testroot_program(&t, "/bin/sendmail", "exit 0\n"); /* behind ours */
	ck_assert_int_eq(testroot_check(&t, check_names), CHECK_OK);
	testroot_program(&t, "/usr/local/bin/mailq", "exit 0\n");
	testroot_mends(&t, check_names, "/usr/local/bin/mailq is another program", "ln -sf ");
}
END_TEST

START_TEST(what_a_package_has_put_there_is_diverted)
{
	testroot_file(&t, "/var/lib/dpkg/info/libc6:amd64.list", "/.\n/usr\n");
	testroot_file(&t, "/var/lib/dpkg/info/postfix.list", "/.\n/usr/sbin/sendmail\n");
	testroot_file(&t, "/var/lib/dpkg/info/postfix.md5sums", "/usr/bin/mailq\n");
	testroot_file(&t, "/var/lib/dpkg/diversions", "%s", "");
	testroot_file(&t, "/var/lib/dpkg/status", "%s", "");
	testroot_remove(&t, "/usr/sbin/sendmail");
	testroot_program(&t, "/usr/sbin/sendmail", "exit 0\n");
	testroot_finds(&t, check_names, "is another program, of the package postfix",
	    "dpkg-divert --local --rename --add ");
	if (access("/usr/bin/dpkg-divert", X_OK) == -1) {
		printf("check_ctl_names: no dpkg-divert, which is not tried\n");
		return;
	}
	testroot_program(&t, "/fake/dpkg-divert",
	    "exec /usr/bin/dpkg-divert --admindir=${0%/fake/*}/var/lib/dpkg \"$@\" > "
	    "/dev/null\n");
	testroot_mends(&t, check_names, "of the package postfix", NULL);
	ck_assert_int_eq(access(testroot_path(&t, "/usr/sbin/sendmail.distrib"), X_OK), 0);
}
END_TEST

/* As alternatives(8) of Fedora has them, and whoever wants to on Debian. */
static void
make_alternative(const char *to)
{
	testroot_link(&t, "/etc/alternatives/mta", "/usr/sbin/sendmail");
	testroot_link(&t, to, "/etc/alternatives/mta");
}

START_TEST(alternatives_may_lead_here)
{
	make_alternative("/usr/sbin/sortie-sendmail");
	ck_assert_int_eq(testroot_check(&t, check_names), CHECK_OK);
	testroot_says(&t, check_names, "sortie-sendmail by update-alternatives");
}
END_TEST

/* The program, at work there. */
static void
make_updater(void)
{
	testroot_program(&t, "/fake/update-alternatives",
	    "d=${0%/fake/*}\nexec /usr/bin/update-alternatives --quiet --log $d/log --altdir "
	    "$d/etc/alternatives --admindir $d/var/lib/alternatives \"$@\"\n");
}

/* --install alone would change nothing where another has a higher number. */
START_TEST(alternatives_that_lead_elsewhere_are_set)
{
	testroot_program(&t, "/usr/sbin/msmtp", "exit 0\n");
	make_alternative("/usr/sbin/gone");
	testroot_finds(&t, check_names, "which is not there", "update-alternatives --install ");
	make_alternative("/usr/sbin/msmtp");
	testroot_finds(&t, check_names, "/usr/sbin/sendmail is ", "update-alternatives --install ");
	if (access("/usr/bin/update-alternatives", X_OK) == -1) {
		printf("check_ctl_names: no update-alternatives, which is not tried\n");
		return;
	}
	testroot_file(&t, "/var/lib/alternatives/mta",
	    "auto\n%s/usr/sbin/sendmail\n\n%s/usr/sbin/msmtp\n200\n\n", t.dir, t.dir);
	make_updater();
	testroot_mends(&t, check_names, "/usr/sbin/sendmail is ", NULL);
	testroot_says(&t, check_names, "sortie-sendmail by update-alternatives");
}
END_TEST

/* As Fedora has it: mailq comes and goes with sendmail, and a manual that is not there. */
START_TEST(alternatives_of_a_group_are_set_together)
{
	char command[1024];

	testroot_program(&t, "/usr/sbin/msmtp", "exit 0\n");
	make_alternative("/usr/sbin/msmtp");
	testroot_link(&t, "/etc/alternatives/mta-mailq", "/usr/bin/mailq");
	testroot_link(&t, "/usr/sbin/msmtp", "/etc/alternatives/mta-mailq");
	testroot_file(&t, "/var/lib/alternatives/mta",
	    "manual\n%s/usr/sbin/sendmail\nmta-man\n%s/man/mailq.1\nmta-mailq\n%s/usr/bin/mailq\n"
	    "\n%s/usr/sbin/msmtp\n200\n\n%s/usr/sbin/msmtp\n\n",
	    t.dir, t.dir, t.dir, t.dir, t.dir);
	snprintf(command, sizeof(command),
	    "--install %s/usr/sbin/sendmail mta %s/usr/sbin/sortie-sendmail 100 "
	    "--slave %s/usr/bin/mailq mta-mailq %s/usr/sbin/sortie-sendmail && ",
	    t.dir, t.dir, t.dir, t.dir);
	testroot_finds(&t, check_names, "/usr/sbin/sendmail is ", command);
	testroot_finds(&t, check_names, "/usr/bin/mailq is ", command);
	if (access("/usr/bin/update-alternatives", X_OK) == -1)
		return;
	make_updater();
	testroot_mends(&t, check_names, "/usr/bin/mailq is ", command);
	ck_assert_int_eq(testroot_check(&t, check_names), CHECK_OK);
	testroot_says(&t, check_names, "usr/bin/mailq leads to ");
}
END_TEST

/* --- mailwrapper(8) ----------------------------------------------------------------------- */

static const char *const conf_places[] = {
    "/usr/local/etc/mail/mailer.conf", "/etc/mail/mailer.conf", "/etc/mailer.conf"};

static void
make_wrapper(void)
{
	static const char *const names[] = {
	    "/usr/sbin/sendmail", "/usr/bin/mailq", "/usr/bin/newaliases"};

	testroot_program(&t, "/usr/sbin/mailwrapper", "exit 0\n");
	for (size_t i = 0; i < 3; i++)
		testroot_link(&t, "/usr/sbin/mailwrapper", names[i]);
}

START_TEST(mailwrapper_may_lead_here)
{
	make_wrapper();
	testroot_file(&t, conf_places[_i],
	    "# comment\nsend-mail /bin/sh\nsendmail\t%s/usr/sbin/sortie-sendmail\n"
	    "  mailq %s/usr/sbin/sortie-sendmail -x\nnewaliases %s/usr/sbin/sortie\n"
	    "mailq /bin/sh\n",
	    t.dir, t.dir, t.dir);
	ck_assert_int_eq(testroot_check(&t, check_names), CHECK_OK);
	testroot_says(&t, check_names, conf_places[_i]);
}
END_TEST

START_TEST(mailwrapper_that_leads_elsewhere_is_led_here)
{
	make_wrapper();
	testroot_file(&t, conf_places[_i],
	    "sendmail\t/bin/sh\n mailq\t/usr/libexec/nobody/home\nsendmail-x /bin/sh\n");
	testroot_mends(&t, check_names, "/usr/sbin/sendmail is mailwrapper(8), which calls /bin/sh",
	    "sed -i.old ");
	testroot_mends(&t, check_names, "which is not there", "sed -i.old ");
	testroot_mends(&t, check_names, "is for newaliases", "echo 'newaliases ");
	ck_assert_int_eq(testroot_check(&t, check_names), CHECK_OK);
}
END_TEST

START_TEST(mailwrapper_without_its_file_gets_one)
{
	make_wrapper();
	testroot_folder(&t, "/etc");
	testroot_mends(&t, check_names, "/etc/mailer.conf is for sendmail", "echo ");
	testroot_folder(&t, "/etc/mail");
	testroot_remove(&t, "/etc/mailer.conf");
	testroot_mends(&t, check_names, "is for sendmail", "/etc/mail/mailer.conf");
}
END_TEST

Suite *
suite_ctl_names(void)
{
	Suite *s = suite_create("ctl_names");
	TCase *tc = tcase_create("names");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, links_as_make_install_leaves_them_are_in_order);
	tcase_add_test(tc, a_name_that_is_missing_leads_nowhere_or_elsewhere);
	tcase_add_test(tc, another_sendmail_that_comes_first_in_path);
	tcase_add_test(tc, what_a_package_has_put_there_is_diverted);
	tcase_add_test(tc, alternatives_may_lead_here);
	tcase_add_test(tc, alternatives_that_lead_elsewhere_are_set);
	tcase_add_test(tc, alternatives_of_a_group_are_set_together);
	tcase_add_loop_test(tc, mailwrapper_may_lead_here, 0, 3);
	tcase_add_loop_test(tc, mailwrapper_that_leads_elsewhere_is_led_here, 0, 3);
	tcase_add_test(tc, mailwrapper_without_its_file_gets_one);
	suite_add_tcase(s, tc);
	return s;
}
