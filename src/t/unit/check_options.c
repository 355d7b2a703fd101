/*
 * check_options.c: the sendmail command line.
 */
#include <check.h>
#include <string.h>
#include <sysexits.h>

#include "options.h"
#include "t/unit/suites.h"

static struct options o;
static char why[256];

/* A line of words, the first being argv[0]. "~" stands for an empty argument. */
static int
parse(const char *line)
{
	static char text[1024], *argv[64];
	int argc = 0;

	options_free(&o);
	ck_assert_uint_lt(strlen(line), sizeof(text));
	memcpy(text, line, strlen(line) + 1);
	for (char *p = text; *p != '\0';) {
		size_t n = strcspn(p, " ");

		argv[argc++] = p;
		if (p[0] == '~')
			p[0] = '\0';
		p += n;
		if (*p == ' ')
			*p++ = '\0';
	}
	argv[argc] = NULL;
	why[0] = '\0';
	return options_parse(&o, argc, argv, why, sizeof(why));
}

static void
teardown(void)
{
	options_free(&o);
}

#define ok(line) ck_assert_msg(parse(line) == 0, "%s: %s", line, why)
#define refused(line, reason) \
	do { \
		ck_assert_msg(parse(line) == EX_USAGE, "%s was taken", line); \
		ck_assert_msg(strstr(why, reason) != NULL, "%s: %s", line, why); \
		ck_assert(strchr(why, '\n') == NULL); \
	} while (0)

START_TEST(recipients_alone_are_a_submission_in_the_background)
{
	ok("/usr/sbin/sendmail bob@example.org alice");
	ck_assert_int_eq(o.mode, MODE_SUBMIT);
	ck_assert_int_eq(o.delivery, DELIVER_BACKGROUND);
	ck_assert_int_eq(o.nrecipients, 2);
	ck_assert_str_eq(o.recipients[0], "bob@example.org");
	ck_assert_str_eq(o.recipients[1], "alice");
	ck_assert_ptr_null(o.recipients[2]);
	ck_assert_ptr_null(o.sender);
	ck_assert_ptr_null(o.full_name);
	ck_assert_ptr_null(o.config);
	ck_assert(!o.from_headers && !o.ignore_dots && !o.verbose && !o.daemon);
	ok("sendmail");
	ck_assert_int_eq(o.nrecipients, 0);
	ok("sendmail -bm a");
	ck_assert_int_eq(o.mode, MODE_SUBMIT);
}
END_TEST

START_TEST(the_name_we_are_called_by_chooses_the_mode)
{
	static const struct {
		const char *line;
		enum mode mode;
	} names[] = {{"sendmail", MODE_SUBMIT}, {"send-mail", MODE_SUBMIT}, {"sortie", MODE_SUBMIT},
	    {"./a.out", MODE_SUBMIT}, {"mailq", MODE_MAILQ}, {"/usr/bin/mailq", MODE_MAILQ},
	    {"newaliases", MODE_ALIASES}, {"/x/hoststat", MODE_HOSTSTAT},
	    {"purgestat", MODE_PURGESTAT}, {"sendmail -bp", MODE_MAILQ}, {"mailq -Ac", MODE_MAILQ},
	    {"mailq -v", MODE_MAILQ}, {"mailq -q", MODE_MAILQ}, {"mailq -qRfoo", MODE_MAILQ},
	    {"sendmail -bi", MODE_ALIASES}, {"sendmail -I", MODE_ALIASES},
	    {"sendmail -bs", MODE_SMTP}, {"sendmail -b s", MODE_SMTP},
	    {"sendmail -bv a", MODE_VERIFY}, {"sendmail -bh", MODE_HOSTSTAT},
	    {"sendmail -bH", MODE_PURGESTAT}, {"sendmail --version", MODE_VERSION},
	    {"sendmail -V", MODE_VERSION}, {"newaliases -bm a", MODE_SUBMIT}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		ok(names[i].line);
		ck_assert_msg(o.mode == names[i].mode, "%s", names[i].line);
	}
}
END_TEST

START_TEST(no_name_at_all_is_a_submission)
{
	char *argv[] = {NULL, NULL};

	ck_assert_int_eq(options_parse(&o, 0, argv, why, sizeof(why)), 0);
	ck_assert_int_eq(o.mode, MODE_SUBMIT);
	options_free(&o);
	ck_assert_int_eq(options_parse(&o, 1, argv, why, sizeof(why)), 0);
	ck_assert_int_eq(o.mode, MODE_SUBMIT);
}
END_TEST

START_TEST(the_lines_that_cron_mail_and_scripts_use)
{
	ok("sendmail -FCronDaemon -i -odi -oem -oi -t -f root");
	ck_assert_str_eq(o.full_name, "CronDaemon");
	ck_assert_str_eq(o.sender, "root");
	ck_assert(o.from_headers && o.ignore_dots);
	ck_assert_int_eq(o.delivery, DELIVER_NOW);
	ck_assert_int_eq(o.nrecipients, 0);
	ok("sendmail -i -FCronDaemon -B8BITMIME -oem root"); /* Debian's cron */
	ck_assert_str_eq(o.recipients[0], "root");
	ok("sendmail -t -i -f bounce@example.org"); /* PHP */
	ok("sendmail -oi -f me@example.org -- -odd@example.org"); /* mutt */
	ck_assert_str_eq(o.recipients[0], "-odd@example.org");
	ok("sendmail -itfbob"); /* letters together, the last takes the rest */
	ck_assert(o.ignore_dots && o.from_headers);
	ck_assert_str_eq(o.sender, "bob");
	ok("sendmail -itf bob alice");
	ck_assert_str_eq(o.sender, "bob");
	ck_assert_str_eq(o.recipients[0], "alice");
	ok("sendmail -C ./my.conf -v bob"); /* options behind and between recipients */
	ok("sendmail alice -v -C./my.conf bob");
	ck_assert(o.verbose);
	ck_assert_str_eq(o.config, "./my.conf");
	ck_assert_int_eq(o.nrecipients, 2);
	ok("sendmail -- -f --");
	ck_assert_int_eq(o.nrecipients, 2);
}
END_TEST

START_TEST(the_null_sender_is_empty)
{
	ok("sendmail -f <> a");
	ck_assert_str_eq(o.sender, "");
	ok("sendmail -f<> a");
	ck_assert_str_eq(o.sender, "");
	ok("sendmail -f ~ a");
	ck_assert_str_eq(o.sender, "");
	ck_assert_int_eq(o.nrecipients, 1);
	ok("sendmail -r bob -f alice a");
	ck_assert_str_eq(o.sender, "alice");
}
END_TEST

START_TEST(delivery_modes)
{
	ok("sendmail -odb a");
	ck_assert_int_eq(o.delivery, DELIVER_BACKGROUND);
	ok("sendmail -odi a");
	ck_assert_int_eq(o.delivery, DELIVER_NOW);
	ok("sendmail -odq a");
	ck_assert_int_eq(o.delivery, DELIVER_QUEUE);
	ok("sendmail -odd a");
	ck_assert_int_eq(o.delivery, DELIVER_QUEUE);
	ok("sendmail -od a");
	ck_assert_int_eq(o.delivery, DELIVER_BACKGROUND);
	ok("sendmail -O DeliveryMode=q a");
	ck_assert_int_eq(o.delivery, DELIVER_QUEUE);
	ok("sendmail -Odeliverymode=interactive a");
	ck_assert_int_eq(o.delivery, DELIVER_NOW);
	refused("sendmail -odx a", "unknown delivery mode");
	refused("sendmail -O DeliveryMode=never a", "unknown delivery mode");
}
END_TEST

START_TEST(settings_by_letter_and_by_name)
{
	ok("sendmail -oi a");
	ck_assert(o.ignore_dots);
	ok("sendmail -o i a");
	ck_assert(o.ignore_dots);
	ck_assert_int_eq(o.nrecipients, 1);
	ok("sendmail -oi -oif a");
	ck_assert(!o.ignore_dots);
	ok("sendmail -ov a");
	ck_assert(o.verbose);
	ok("sendmail -O IgnoreDots a");
	ck_assert(o.ignore_dots);
	ok("sendmail -i -O IgnoreDots=false a");
	ck_assert(!o.ignore_dots);
	ok("sendmail -OVerbose=True a");
	ck_assert(o.verbose);
	ok("sendmail -oem -oeq -oo -om -oA/etc/aliases -oT5d -OErrorMode=m -O Unknown=x a");
	ck_assert_int_eq(o.nrecipients, 1);
	ck_assert(!o.ignore_dots && !o.verbose);
	refused("sendmail -oQ/tmp/q a", "queue directory");
	refused("sendmail -O QueueDirectory=/tmp/q a", "queue directory");
}
END_TEST

/* What sendmail gives its rights up for, and what it takes from everybody. */
START_TEST(rights_are_for_harmless_options)
{
	static const char *const own[] = {"sendmail -C /x a", "sendmail -C/x -q", "sendmail -d a",
	    "sendmail -d0.1 a", "sendmail -oA/etc/aliases a", "sendmail -O AliasFile=/x a",
	    "sendmail -OUnknown a", "sendmail -O DeliveryModes=q a"};
	static const char *const usual[] = {"sendmail a", "sendmail -t -i -oi -oem -oee -odb -om",
	    "sendmail -O DeliveryMode=b a", "sendmail -OTimeout.queuereturn=5d a",
	    "sendmail -oerrormode a", "sendmail -oeq -o7 a", "sendmail -v -q"};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		ok(own[i]);
		ck_assert_msg(o.as_caller, "%s", own[i]);
	}
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		ok(usual[i]);
		ck_assert_msg(!o.as_caller, "%s", usual[i]);
	}
}
END_TEST

START_TEST(options_that_mean_nothing_here_are_taken_with_their_arguments)
{
	ok("sendmail -Ac -A m -B 7BIT -B8BITMIME -c -d -d0.1 -em -e q -G -h 3 -h3 -L tag -M x -m "
	   "-N never -Nfailure,delay -n -p SMTP:host -R hdrs -Rfull -s -U -V id -Vid bob");
	ck_assert_int_eq(o.nrecipients, 1);
	ck_assert_str_eq(o.recipients[0], "bob");
	ck_assert_int_eq(o.mode, MODE_SUBMIT);
}
END_TEST

START_TEST(queue_runs)
{
	ok("sendmail -q");
	ck_assert_int_eq(o.mode, MODE_QUEUE);
	ck_assert_int_eq(o.interval_s, 0);
	ck_assert(!o.daemon);
	ok("sendmail -q5m");
	ck_assert_int_eq(o.interval_s, 300);
	ok("sendmail -q30");
	ck_assert_int_eq(o.interval_s, 1800);
	ok("sendmail -q1h30m");
	ck_assert_int_eq(o.interval_s, 5400);
	ok("sendmail -q90s -v");
	ck_assert_int_eq(o.interval_s, 90);
	ck_assert(o.verbose);
	ok("sendmail -q0");
	ck_assert_int_eq(o.interval_s, 0);
	ok("sendmail -qf");
	ck_assert_int_eq(o.interval_s, 0);
	ok("sendmail -qp5m");
	ck_assert_int_eq(o.interval_s, 300);
	ok("sendmail -qp");
	ck_assert_int_eq(o.interval_s, 300);
	ok("sendmail -bd");
	ck_assert_int_eq(o.mode, MODE_QUEUE);
	ck_assert(o.daemon);
	ck_assert_int_eq(o.interval_s, 300);
	ok("sendmail -bd -q10m");
	ck_assert_int_eq(o.interval_s, 600);
	ck_assert(o.daemon);
	ok("sendmail -q10m -bD");
	ck_assert_int_eq(o.mode, MODE_QUEUE);
	ck_assert_int_eq(o.interval_s, 600);
}
END_TEST

START_TEST(queue_filters)
{
	ok("sendmail -qRexample.org -q!Sroot -qIabc -v");
	ck_assert_int_eq(o.mode, MODE_QUEUE);
	ck_assert_uint_eq(o.nfilters, 3);
	ck_assert_int_eq(o.filters[0].which, 'R');
	ck_assert_str_eq(o.filters[0].text, "example.org");
	ck_assert(!o.filters[0].inverted);
	ck_assert_int_eq(o.filters[1].which, 'S');
	ck_assert_str_eq(o.filters[1].text, "root");
	ck_assert(o.filters[1].inverted);
	ck_assert_int_eq(o.filters[2].which, 'I');
	refused("sendmail -qR", "needs a text");
	refused("sendmail -q!I", "needs a text");
	refused("sendmail -q5m -qRx", "single run");
	refused("sendmail -bd -qRx", "single run");
}
END_TEST

START_TEST(a_wrong_queue_run_is_refused)
{
	refused("sendmail -qx", "neither a time");
	refused("sendmail -q5x", "neither a time");
	refused("sendmail -qQ", "neither a time");
	refused("sendmail -q!", "neither a time");
	refused("sendmail -q!5m", "neither a time");
	refused("sendmail -q99999999999999999999d", "neither a time");
	refused("sendmail -q 5m", "-q5m");
	refused("sendmail -q bob@example.org", "no recipients");
	refused("sendmail -bs -q", "-bs");
	refused("sendmail -q -bv", "-bv");
	refused("newaliases -q", "does not go together");
}
END_TEST

START_TEST(what_is_unknown_is_refused_in_one_line)
{
	refused("sendmail -z a", "unknown option -z;");
	ck_assert_ptr_null(strstr(strstr(why, "-z") + 1, "-z"));
	refused("sendmail -iz a", "unknown option -z in -iz;");
	refused("sendmail -\x01 a", "unknown option -?");
	refused("sendmail -E a", "unknown option -E");
	refused("sendmail --help", "unknown option");
	refused("sendmail - a", "unknown option");
	refused("sendmail -bx", "-bx: unknown mode");
	refused("sendmail -bmx a", "unknown mode");
	refused("sendmail -b ~", "unknown mode");
	refused("sendmail -bt", "-bt");
	refused("sendmail -ba", "unknown mode");
	refused("sendmail -bP", "-bP");
	refused("sendmail -f", "-f needs an argument");
	refused("sendmail -itF", "-F needs an argument");
	refused("sendmail -C", "-C needs an argument");
	refused("sendmail -X /etc/passwd a", "transcript");
	refused("sendmail -X/etc/passwd a", "transcript");
	refused("sendmail -D /etc/passwd a", "transcript");
	refused("sendmail -Qreason", "not supported");
}
END_TEST

START_TEST(a_refusal_shows_nothing_unprintable_and_fits)
{
	char longer[900];
	char *argv[] = {(char *)(uintptr_t) "sendmail", longer, NULL};

	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "-b\x1b[31m\r\n", 9);
	longer[sizeof(longer) - 1] = '\0';
	options_free(&o);
	ck_assert_int_eq(options_parse(&o, 2, argv, why, sizeof(why)), EX_USAGE);
	ck_assert_uint_lt(strlen(why), sizeof(why));
	for (const char *p = why; *p != '\0'; p++)
		ck_assert(*p >= 0x20 && *p < 0x7f);
}
END_TEST

/* What our front says to us; no option of sendmail's. */
START_TEST(deliveries_for_another_process)
{
	static const char *const wrong[] = {"sortie --deliver",
	    "sortie --deliver=", "sortie --deliver=6b0587e140179q8p584h",
	    "sortie --deliver=1000:6b0587e140179q8p584h",
	    "sortie --deliver=-1:7:6b0587e140179q8p584h",
	    "sortie --deliver=1000::6b0587e140179q8p584h",
	    "sortie --deliver-for=", "sortie --deliver-for=1000",
	    "sortie --deliver-for=1000:", "sortie --deliver-for=:7", "sortie --deliver-for=-1:7",
	    "sortie --deliver-for=1000:7x", "sortie --deliver-for=4294967296:7",
	    "sortie --deliver-for=1000:2147483648", "sortie --deliver-form=1:2"};

	ok("sortie --deliver=1000:7:6b0587e140179q8p584h -v -d -C conf");
	ck_assert_int_eq(o.mode, MODE_DELIVER);
	ck_assert_int_eq(o.uid, 1000);
	ck_assert_int_eq(o.fd, 7);
	ck_assert_str_eq(o.id, "6b0587e140179q8p584h");
	ck_assert(o.verbose && o.as_caller);
	ok("sortie --deliver-for=1000:7");
	ck_assert_int_eq(o.mode, MODE_DELIVER);
	ck_assert_ptr_null(o.id);
	ck_assert_int_eq(o.uid, 1000);
	ck_assert_int_eq(o.fd, 7);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		refused(wrong[i], "what is to be delivered?");
	refused("sortie -q --deliver=1000:7:6b0587e140179q8p584h", "-q does not go together");
}
END_TEST

Suite *
suite_options(void)
{
	Suite *s = suite_create("options");
	TCase *t = tcase_create("options");

	tcase_add_checked_fixture(t, NULL, teardown);
	tcase_add_test(t, recipients_alone_are_a_submission_in_the_background);
	tcase_add_test(t, the_name_we_are_called_by_chooses_the_mode);
	tcase_add_test(t, no_name_at_all_is_a_submission);
	tcase_add_test(t, the_lines_that_cron_mail_and_scripts_use);
	tcase_add_test(t, the_null_sender_is_empty);
	tcase_add_test(t, delivery_modes);
	tcase_add_test(t, settings_by_letter_and_by_name);
	tcase_add_test(t, rights_are_for_harmless_options);
	tcase_add_test(t, options_that_mean_nothing_here_are_taken_with_their_arguments);
	tcase_add_test(t, queue_runs);
	tcase_add_test(t, queue_filters);
	tcase_add_test(t, a_wrong_queue_run_is_refused);
	tcase_add_test(t, deliveries_for_another_process);
	tcase_add_test(t, what_is_unknown_is_refused_in_one_line);
	tcase_add_test(t, a_refusal_shows_nothing_unprintable_and_fits);
	suite_add_tcase(s, t);
	return s;
}
