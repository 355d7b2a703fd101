/*
 * check_fault_program.c: the whole program when a system call goes wrong, for every call and every
 * error that it can end with (sweep.h). `make check` tries every 13th point; FAULT_STEP=1 all of
 * them, with a row of the table for each scenario. FAULT_JOBS: workers at a time. FAULT_ONLY=N: that
 * point alone (of one test case), and what was logged at it.
 */
#include <check.h>
#include <stdlib.h>

#include "t/fault/sweep.h"
#include "t/unit/suites.h"

/* Three messages to five recipients at three sites: one is deferred, one refused, and reported. */
#define THREE_SITES \
	"config\n" \
	"\twarn 10d\n" \
	"zone\n" \
	"\ta.example MX 10 mx.a.example\n" \
	"\tmx.a.example A 192.0.2.1\n" \
	"\tb.example MX 10 mx1.b.example\n" \
	"\tb.example MX 20 mx2.b.example\n" \
	"\tmx1.b.example A 192.0.2.2\n" \
	"\tmx2.b.example A 192.0.2.3\n" \
	"\thome.example A 192.0.2.4\n" \
	"server mx.a.example 192.0.2.1:25\n" \
	"\ton RCPT nobody@a.example reply 550 5.1.1 no such user\n" \
	"server mx1.b.example 192.0.2.2:25\n" \
	"\ton RCPT later@b.example times 1 reply 451 4.7.1 greylisted\n" \
	"server mx2.b.example 192.0.2.3:25\n" \
	"\ton RCPT later@b.example times 1 reply 451 4.7.1 greylisted\n" \
	"server home.example 192.0.2.4:25\n"

/* What most people have: a provider with TLS and a login; the second run takes the TLS session up. */
#define PROVIDER \
	"config\n" \
	"\tca $CA\n" \
	"\tauth $DIR/auth\n" \
	"\trelay submission://me@mx.example.org\n" \
	"hosts\n" \
	"\t192.0.2.1 mx.example.org\n" \
	"file auth\n" \
	"\tmachine mx.example.org login me password correct-horse\n" \
	"server mx.example.org 192.0.2.1:587\n" \
	"\ttls good\n" \
	"\tauth me correct-horse PLAIN\n"

#define SUBMIT(args, subject) \
	{ \
		"sendmail", "-odq -f alice@home.example " args, subject, NULL \
	}

static const struct scenario scenarios[] = {
    {.name = "submission",
	.world = THREE_SITES,
	.before = {SUBMIT("bob@a.example", "m0")},
	.commands = {SUBMIT("bob@a.example carol@b.example", "m1")},
	.letters =
	    {
		{LETTER_ARRIVES, "m0", "bob@a.example", 1, -1},
		{LETTER_ARRIVES, "m1", "bob@a.example", 300, 0},
		{LETTER_ARRIVES, "m1", "carol@b.example", 300, 0},
	    }},
    {.name = "submission into no spool",
	.world = THREE_SITES,
	.commands = {SUBMIT("bob@a.example", "m1")},
	.letters = {{LETTER_ARRIVES, "m1", "bob@a.example", 1, 0}}},
    {.name = "submission and delivery at once",
	.world = THREE_SITES,
	.commands = {{"sendmail", "-odi -f alice@home.example bob@a.example carol@b.example", "m1",
	    NULL}},
	.letters =
	    {
		{LETTER_ARRIVES, "m1", "bob@a.example", 20, 0},
		{LETTER_ARRIVES, "m1", "carol@b.example", 20, 0},
	    }},
    {.name = "queue runs over TLS with a login",
	.world = PROVIDER,
	/* OpenSSL takes its time the first time: not in each child */
	.before = {{"sortie", "-q", NULL, NULL}, SUBMIT("bob@a.example", "m1")},
	.commands = {{"sortie", "-q", NULL, NULL}, SUBMIT("carol@b.example", "m2"),
	    {"sortie", "-q", NULL, NULL}},
	.letters =
	    {
		{LETTER_ARRIVES, "m1", "bob@a.example", 100, -1},
		{LETTER_ARRIVES, "m2", "carol@b.example", 3, 1},
	    }},
    {.name = "queue run, report, mailq, queue run",
	.world = THREE_SITES,
	.before = {SUBMIT("bob@a.example", "m1"), SUBMIT("nobody@a.example carol@b.example", "m2"),
	    SUBMIT("later@b.example dave@home.example", "m3")},
	.commands = {{"sortie", "-q", NULL, NULL}, {"mailq", "", NULL, NULL},
	    {NULL, NULL, NULL, "20m"}, {"sortie", "-q", NULL, NULL}},
	.letters =
	    {
		{LETTER_ARRIVES, "m1", "bob@a.example", 1000, -1},
		{LETTER_REFUSED, "m2", "nobody@a.example", 3, -1},
		{LETTER_REPORT, "m2", "alice@home.example", 3, -1},
		{LETTER_ARRIVES, "m2", "carol@b.example", 3, -1},
		{LETTER_ARRIVES, "m3", "later@b.example", 3, -1},
		{LETTER_ARRIVES, "m3", "dave@home.example", 3, -1},
	    }},
};
enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]), SHORT_STEP = 13 };

static unsigned
number(const char *name, unsigned otherwise)
{
	const char *s = getenv(name);
	unsigned long n = s != NULL ? strtoul(s, NULL, 10) : 0;

	return n > 0 && n < 100000 ? (unsigned)n : otherwise;
}

START_TEST(every_call)
{
	struct sweep_options o = {
	    .step = number("FAULT_STEP", SHORT_STEP),
	    .jobs = number("FAULT_JOBS", 1),
	    .row = getenv("FAULT_STEP") != NULL,
	    .only = number("FAULT_ONLY", 0),
	};

	ck_assert_uint_eq(sweep(&scenarios[_i], &o), 0);
}
END_TEST

Suite *
suite_fault_program(void)
{
	Suite *s = suite_create("fault_program");

	for (int i = 0; i < SCENARIOS; i++) {
		TCase *tc = tcase_create(scenarios[i].name);

		tcase_set_timeout(tc, 0);
		tcase_add_loop_test(tc, every_call, i, i + 1);
		suite_add_tcase(s, tc);
	}
	return s;
}
