/* check_ctl_queue.c: what sortiectl shows of a queue, and which messages it means. */
#include <sys/stat.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "jtree.h"
#include "suites.h"
#include "testctl.h"
#include "testspool.h"

enum { T0 = 1764000000, DAY = 24 * 3600 };

#define LIST_SCHEMA "src/t/system/list.schema.json"

static struct spool *sp;
static struct testctl t;
static struct testctl_queue q;

static void
setup(void)
{
	sp = testctl_begin(&t, T0);
}

static void
teardown(void)
{
	testctl_end(&t, &sp);
}

#define RUN(...) testctl_run(&t, __VA_ARGS__, NULL)

static size_t
count_lines(const char *text)
{
	size_t n = 0;

	for (; (text = strchr(text, '\n')) != NULL; text++)
		n++;
	return n;
}

/* --- showing it --------------------------------------------------------------------------- */

START_TEST(a_table_tells_who_waits_why_and_for_how_long)
{
	char expected[1024];

	testctl_fill(sp, &q);
	ck_assert_int_eq(RUN(ctl_list, "list"), EX_OK);
	ck_assert_msg(count_lines(t.out) == 4, "%s", t.out);
	snprintf(expected, sizeof(expected), "\n%s    27B   60s  now      ", q.young);
	testctl_shows(&t, expected);
	snprintf(
	    expected, sizeof(expected), "\n%s    27B    2d  103m     alice@example.org", q.old);
	testctl_shows(&t, expected);
	testctl_shows(&t, "dave@mx.two.example  451 4.7.1 later\n");
	ck_assert_ptr_null(strstr(t.out, "carol"));
	snprintf(expected, sizeof(expected), "\n%s    27B   60m  held     <>  ", q.held);
	testctl_shows(&t, expected);
}
END_TEST

START_TEST(a_terminal_shows_all_of_the_reason_below_the_message)
{
	static const char why[] =
	    "4.4.1 mx.two.example[192.0.2.25]:25: connect: Connection refused";
	static const unsigned widths[] = {60, 80, 132};
	char line[256];

	testctl_fill(sp, &q);
	snprintf(line, sizeof(line), "remote|dave@mx.two.example|4|%s\n", why);
	testctl_append(sp, q.old, line);
	t.c.tty = true;
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		t.c.width = widths[i];
		ck_assert_int_eq(RUN(ctl_list, "list"), EX_OK);
		testctl_shows(
		    &t, "dave@mx.two.example\n    4.4.1 mx.two.example[192.0.2.25]:25: connect:");
		testctl_shows(&t, "refused\n");
		/* the others have none, and no line for it */
		ck_assert_uint_eq(count_lines(t.out), widths[i] == 60 ? 6 : 5);
		ck_assert_ptr_null(strstr(t.out, "REASON"));
	}
	t.c.width = 160;
	ck_assert_int_eq(RUN(ctl_list, "list"), EX_OK);
	ck_assert_uint_eq(count_lines(t.out), 4);
	testctl_shows(&t, "REASON\n");
}
END_TEST

static struct jtree *
json_line(const char *id)
{
	char start[100];

	snprintf(start, sizeof(start), "{\"id\":\"%s\",", id);
	return testctl_json(&t, start, LIST_SCHEMA);
}

static const char *
text_of(const struct jtree *object, const char *key)
{
	const struct jtree *v = jtree_get(object, key);

	ck_assert_msg(v != NULL && v->kind == J_STRING, "%s is no string", key);
	return v->string;
}

START_TEST(json_says_the_same_and_more_as_its_schema_has_it)
{
	struct jtree *old, *held, *young;
	const struct jtree *rcpt;
	int fd;

	testctl_fill(sp, &q);
	ck_assert_int_eq(spool_lock(sp, q.young, &fd), SPOOL_LOCKED);
	ck_assert_int_eq(RUN(ctl_list, "list", "--json"), EX_OK);
	spool_unlock(&fd);
	ck_assert_uint_eq(count_lines(t.out), 3);
	young = json_line(q.young);
	old = json_line(q.old);
	held = json_line(q.held);
	ck_assert_str_eq(text_of(young, "state"), "active");
	ck_assert_str_eq(text_of(young, "id"), q.young);
	ck_assert_str_eq(text_of(held, "state"), "held");
	ck_assert_str_eq(text_of(held, "sender"), "");
	ck_assert_int_eq(jtree_get(held, "next")->kind, J_NULL);
	ck_assert_str_eq(text_of(old, "state"), "deferred");
	ck_assert_str_eq(text_of(old, "source"), "cron");
	ck_assert_double_eq(jtree_get(old, "uid")->number, 1000);
	ck_assert_double_eq(jtree_get(old, "submitted")->number, T0 - 2 * DAY);
	ck_assert_double_eq(jtree_get(old, "attempted")->number, 1763999000);
	ck_assert_double_eq(jtree_get(old, "next")->number, 1763999000 + 7200);
	rcpt = jtree_get(old, "recipients")->first;
	ck_assert_str_eq(text_of(rcpt, "status"), "delivered");
	ck_assert_int_eq(jtree_get(rcpt, "next")->kind, J_NULL);
	ck_assert_str_eq(text_of(rcpt->next, "address"), "dave@mx.two.example");
	ck_assert_str_eq(text_of(rcpt->next, "status"), "deferred");
	ck_assert_str_eq(text_of(rcpt->next, "reason"), "451 4.7.1 later");
	jtree_free(&old);
	jtree_free(&held);
	jtree_free(&young);
}
END_TEST

/* Whoever writes into the spool, or what a server says: neither a terminal nor a JSON reader obeys it. */
START_TEST(hostile_words_reach_neither_terminal_nor_json)
{
	char id[ENVELOPE_ID_MAX + 1], path[1100];
	struct jtree *v;

	testctl_add(sp, id, "\"a \\\"b\\\\c\"@x.example", 60, "\"q|\\\"\"@x.example", NULL);
	testctl_append(sp, id,
	    "remote|\"q\\|\\\\\"\"@x.example|4|\033]0;owned\007 \"quoted\" \xff\xc2\x9b\\\\\n");
	for (int width = 0; width <= 80; width += 80) {
		t.c.width = (unsigned)width;
		ck_assert_int_eq(RUN(ctl_list, "list"), EX_OK);
		ck_assert_msg(strstr(t.out, width == 0 ? "?]0;owned? \"quoted\" " : "?]0;") != NULL,
		    "%s", t.out);
		ck_assert_int_eq(RUN(ctl_show, "show", id), EX_OK);
		testctl_shows(&t, "?]0;owned? \"quoted\" ");
		for (const char *p = t.out; *p != '\0'; p++)
			ck_assert(*p == '\n' || (unsigned char)*p >= ' ');
		ck_assert_ptr_null(strstr(t.out, "\xc2\x9b"));
	}
	ck_assert_int_eq(RUN(ctl_list, "list", "--json"), EX_OK);
	v = json_line(id);
	ck_assert_str_eq(text_of(v, "sender"), "\"a \\\"b\\\\c\"@x.example");
	ck_assert_str_eq(
	    text_of(jtree_get(v, "recipients")->first, "address"), "\"q|\\\"\"@x.example");
	ck_assert_ptr_nonnull(
	    strstr(text_of(jtree_get(v, "recipients")->first, "reason"), "?]0;owned? \"quoted\" "));
	jtree_free(&v);
	/* one that nobody can read is said to be there */
	snprintf(path, sizeof(path), "%s/ctl/%s", spool_path(sp), id);
	ck_assert_int_eq(truncate(path, 10), 0);
	ck_assert_int_eq(RUN(ctl_list, "list", "--json"), EX_OK);
	v = json_line(id);
	ck_assert_str_eq(text_of(v, "state"), "damaged");
	jtree_free(&v);
	ck_assert_int_eq(RUN(ctl_list, "list"), EX_OK);
	testctl_shows(&t, "damaged");
}
END_TEST

START_TEST(show_tells_what_happened_and_cat_gives_the_message)
{
	testctl_fill(sp, &q);
	ck_assert_int_eq(RUN(ctl_show, "show", q.old), EX_OK);
	testctl_shows(&t, "carol@one.example: delivered: 250 ok\n");
	testctl_shows(&t, "next try Mon Nov 24 17:43:20, in 1h43m");
	testctl_shows(&t, "2d ago by uid 1000 from cron\n");
	testctl_shows(&t, "  history\n    carol@one.example: delivered: 250 ok\n"
			  "    dave@mx.two.example: deferred: 451 4.7.1 later\n"
			  "    attempted Mon Nov 24 15:43:20\n    retry 2h\n");
	ck_assert_int_eq(RUN(ctl_show, "show", q.held, "nobody"), EX_NOINPUT);
	testctl_shows(&t, "held");
	testctl_tells(&t, "nobody is not in the queue");
	ck_assert_int_eq(RUN(ctl_show, "show", "../../etc/passwd"), EX_NOINPUT);

	ck_assert_int_eq(RUN(ctl_cat, "cat", q.old), EX_OK);
	ck_assert_str_eq(t.out, "Subject: x\n\nhello\rthere\n");
	ck_assert_int_eq(RUN(ctl_cat, "cat", "--raw", q.old), EX_OK);
	ck_assert_str_eq(t.out, "Subject: x\r\n\r\nhello\rthere\r\n");
	t.c.tty = true;
	ck_assert_int_eq(RUN(ctl_cat, "cat", q.old), EX_OK);
	ck_assert_str_eq(t.out, "Subject: x\n\nhello?there\n");
	ck_assert_int_eq(RUN(ctl_cat, "cat", "../ctl/x"), EX_NOINPUT);
}
END_TEST

START_TEST(shape_counts_recipients_by_site_and_age)
{
	char id[ENVELOPE_ID_MAX + 1];

	testctl_fill(sp, &q);
	testctl_add(sp, id, NULL, 5 * 60, "x@One.Example", "y@two.example");
	testctl_add(sp, id, NULL, 5 * 60 + 1, "x@one.example", NULL);
	ck_assert_int_eq(RUN(ctl_shape, "shape", "--json"), EX_OK);
	ck_assert_str_eq(t.out,
	    "{\"site\":null,\"total\":6,\"minutes\":{\"5\":3,\"10\":1,\"20\":0,\"40\":0,\"80\":1,"
	    "\"160\":0,\"320\":0,\"640\":0,\"1280\":0,\"more\":1}}\n"
	    "{\"site\":\"one.example\",\"total\":3,\"minutes\":{\"5\":2,\"10\":1,\"20\":0,\"40\":0,"
	    "\"80\":0,\"160\":0,\"320\":0,\"640\":0,\"1280\":0,\"more\":0}}\n"
	    "{\"site\":\"mx.two.example\",\"total\":1,\"minutes\":{\"5\":0,\"10\":0,\"20\":0,"
	    "\"40\":0,"
	    "\"80\":0,\"160\":0,\"320\":0,\"640\":0,\"1280\":0,\"more\":1}}\n"
	    "{\"site\":\"three.example\",\"total\":1,\"minutes\":{\"5\":0,\"10\":0,\"20\":0,\"40\":"
	    "0,"
	    "\"80\":1,\"160\":0,\"320\":0,\"640\":0,\"1280\":0,\"more\":0}}\n"
	    "{\"site\":\"two.example\",\"total\":1,\"minutes\":{\"5\":1,\"10\":0,\"20\":0,\"40\":0,"
	    "\"80\":0,\"160\":0,\"320\":0,\"640\":0,\"1280\":0,\"more\":0}}\n");
	t.c.width = 80;
	t.c.tty = true;
	ck_assert_int_eq(RUN(ctl_shape, "shape", "--sender"), EX_OK);
	testctl_shows(&t,
	    "SITE                        T    5   10   20   40   80  160  320  640 1280 1280+\n"
	    "TOTAL                       5    2    1    0    0    1    0    0    0    0     1\n"
	    "example.org                 3    1    1    0    0    0    0    0    0    0     "
	    "1\n");
}
END_TEST

/* --- which messages ----------------------------------------------------------------------- */

START_TEST(a_selection_means_all_that_it_says)
{
	static const struct {
		const char *words[4];
		bool young, old, held;
	} cases[] = {
	    {{NULL}, true, true, true},
	    {{"--all"}, true, true, true},
	    {{"--held"}, false, false, true},
	    {{"--sender", "alice@example.org"}, false, true, false},
	    {{"--sender", "*@EXAMPLE.org"}, false, true, false},
	    {{"--sender", "example.org"}, false, true, false},
	    {{"--sender", ".example.org"}, true, false, false},
	    {{"--sender=<>"}, false, false, true},
	    {{"--sender", "*@*"}, true, true, false},
	    {{"--recipient", "*@one.example"}, true, false, false}, /* carol has got it */
	    {{"--recipient", "dave@mx.two.example"}, false, true, false},
	    {{"--site", "one.example"}, true, false, false},
	    {{"--site", "two.example"}, false, false, false},
	    {{"--site", ".two.example"}, false, true, false},
	    {{"--site", "MX.Two.example"}, false, true, false},
	    {{"--older", "2h"}, false, true, false},
	    {{"--older", "3660d"}, false, false, false},
	    {{"--older", "60"}, true, true, true}, /* that very second counts */
	    {{"--newer", "60"}, false, false, false},
	    {{"--newer", "61s"}, true, false, false},
	    {{"--older", "2m", "--newer", "1d"}, false, false, true},
	    {{"--held", "--sender", "*@*"}, false, false, false},
	};

	testctl_fill(sp, &q);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const *w = cases[i].words;

		ck_assert_int_eq(RUN(ctl_list, "list", w[0], w[1], w[2], w[3]), EX_OK);
		ck_assert_msg((strstr(t.out, q.young) != NULL) == cases[i].young &&
				  (strstr(t.out, q.old) != NULL) == cases[i].old &&
				  (strstr(t.out, q.held) != NULL) == cases[i].held,
		    "%s %s:\n%s", w[0], w[1], t.out);
	}
	ck_assert_int_eq(RUN(ctl_list, "list", q.young, q.held), EX_OK);
	ck_assert_uint_eq(count_lines(t.out), 3);
	ck_assert_int_eq(RUN(ctl_list, "list", q.young, q.held, "--held"), EX_OK);
	ck_assert_uint_eq(count_lines(t.out), 2);
	ck_assert_int_eq(RUN(ctl_list, "list", "unknown"), EX_NOINPUT);
}
END_TEST

START_TEST(a_selection_that_is_none_is_refused)
{
	static const char *const bad[][3] = {{"--older", "soon"}, {"--newer", ""},
	    {"--site", "a@b.example"}, {"--site", ""}, {"--sender", ""}, {"--all", "someid"},
	    {"--recipient"}};

	testctl_fill(sp, &q);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(
		    RUN(ctl_remove, "remove", bad[i][0], bad[i][1], bad[i][2]), EX_USAGE);
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--older", "99999d"), EX_USAGE);
	testctl_tells(&t, "at most 3660d");
	/* and none at all is not all */
	ck_assert_int_eq(RUN(ctl_remove, "remove"), EX_USAGE);
	testctl_tells(&t, "--all");
	ck_assert_int_eq(RUN(ctl_remove, "remove", "-n"), EX_USAGE);
	ck_assert_int_eq(RUN(ctl_remove, "remove", "../ctl"), EX_DATAERR);
	ck_assert_uint_eq(testspool_count(sp), 3);
}
END_TEST

Suite *
suite_ctl_queue(void)
{
	Suite *s = suite_create("ctl_queue");
	TCase *tc = tcase_create("show");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_table_tells_who_waits_why_and_for_how_long);
	tcase_add_test(tc, a_terminal_shows_all_of_the_reason_below_the_message);
	tcase_add_test(tc, json_says_the_same_and_more_as_its_schema_has_it);
	tcase_add_test(tc, hostile_words_reach_neither_terminal_nor_json);
	tcase_add_test(tc, show_tells_what_happened_and_cat_gives_the_message);
	tcase_add_test(tc, shape_counts_recipients_by_site_and_age);
	suite_add_tcase(s, tc);
	tc = tcase_create("select");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_selection_means_all_that_it_says);
	tcase_add_test(tc, a_selection_that_is_none_is_refused);
	suite_add_tcase(s, tc);
	return s;
}
