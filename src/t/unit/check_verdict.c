#include <sys/wait.h>

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/verdict.h"
#include "suites.h"

/* The table as people know it, written down a second time; BUG: the caller lost count. */
enum { BUG = -1 };

static const struct {
	enum scope scope;
	enum fate fate;
	bool hops_left;
	int action;
} table[] = {
    {SCOPE_RCPT, FATE_SENT, true, ACTION_DONE},
    {SCOPE_RCPT, FATE_SENT, false, ACTION_DONE},
    {SCOPE_RCPT, FATE_FAIL, true, ACTION_BOUNCE},
    {SCOPE_RCPT, FATE_FAIL, false, ACTION_BOUNCE},
    {SCOPE_RCPT, FATE_RETRY, true, ACTION_DEFER},
    {SCOPE_RCPT, FATE_RETRY, false, ACTION_DEFER},
    {SCOPE_MSG, FATE_SENT, true, ACTION_DONE_ALL},
    {SCOPE_MSG, FATE_SENT, false, ACTION_DONE_ALL},
    {SCOPE_MSG, FATE_FAIL, true, ACTION_BOUNCE_ALL},
    {SCOPE_MSG, FATE_FAIL, false, ACTION_BOUNCE_ALL},
    {SCOPE_MSG, FATE_RETRY, true, ACTION_DEFER_ALL},
    {SCOPE_MSG, FATE_RETRY, false, ACTION_DEFER_ALL},
    {SCOPE_HOST, FATE_SENT, true, BUG},
    {SCOPE_HOST, FATE_SENT, false, BUG},
    {SCOPE_HOST, FATE_FAIL, true, ACTION_NEXT_HOP},
    {SCOPE_HOST, FATE_FAIL, false, ACTION_DEFER_ALL},
    {SCOPE_HOST, FATE_RETRY, true, ACTION_NEXT_HOP},
    {SCOPE_HOST, FATE_RETRY, false, ACTION_DEFER_ALL},
    {SCOPE_ROUTE, FATE_SENT, true, BUG},
    {SCOPE_ROUTE, FATE_SENT, false, BUG},
    {SCOPE_ROUTE, FATE_FAIL, true, ACTION_BOUNCE_ALL},
    {SCOPE_ROUTE, FATE_FAIL, false, ACTION_BOUNCE_ALL},
    {SCOPE_ROUTE, FATE_RETRY, true, ACTION_DEFER_ALL},
    {SCOPE_ROUTE, FATE_RETRY, false, ACTION_DEFER_ALL},
};

/* Whether asking for the action aborts; in a child, so that the tests also run without forking. */
static bool
aborts(const struct verdict *v, bool hops_left)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		int null = open("/dev/null", O_WRONLY);

		if (null >= 0)
			dup2(null, 2);
		verdict_action(v, hops_left);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

START_TEST(action_for_every_scope_fate_and_hops_left)
{
	size_t i;

	ck_assert_uint_eq(sizeof(table) / sizeof(table[0]), 4 * 3 * 2);
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct verdict v =
		    verdict_make(table[i].fate, table[i].scope, "4.0.0", NULL, "row %zu", i);

		if (table[i].action == BUG)
			ck_assert_msg(aborts(&v, table[i].hops_left), "row %zu", i);
		else
			ck_assert_msg(
			    (int)verdict_action(&v, table[i].hops_left) == table[i].action,
			    "row %zu", i);
	}
}
END_TEST

START_TEST(make_fills_every_field)
{
	struct verdict v = verdict_make(FATE_RETRY, SCOPE_HOST, "4.4.1", "connecting", "%s: %s",
	    "192.0.2.1", "connection refused");

	ck_assert_int_eq(v.fate, FATE_RETRY);
	ck_assert_int_eq(v.scope, SCOPE_HOST);
	ck_assert_int_eq(v.code, 0);
	ck_assert(!v.no_attempt);
	ck_assert_str_eq(v.enhanced, "4.4.1");
	ck_assert_str_eq(v.doing, "connecting");
	ck_assert_str_eq(v.text, "192.0.2.1: connection refused");
}
END_TEST

START_TEST(make_never_leaves_the_enhanced_code_empty)
{
	struct verdict v = verdict_make(FATE_FAIL, SCOPE_RCPT, "", NULL, "no");

	ck_assert_str_eq(v.enhanced, "5.0.0");
	v = verdict_make(FATE_RETRY, SCOPE_RCPT, NULL, NULL, "later");
	ck_assert_str_eq(v.enhanced, "4.0.0");
	v = verdict_make(FATE_SENT, SCOPE_RCPT, "", NULL, "ok");
	ck_assert_str_eq(v.enhanced, "2.0.0");
}
END_TEST

START_TEST(make_cleans_and_cuts_the_text)
{
	char big[3000];
	struct verdict v = verdict_make(FATE_RETRY, SCOPE_MSG, "4.3.0", NULL, "a\r\nb\033[31m");

	ck_assert_str_eq(v.text, "a b?[31m");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	v = verdict_make(FATE_RETRY, SCOPE_MSG, "4.3.0", NULL, "%s", big);
	ck_assert_uint_eq(strlen(v.text), VERDICT_TEXT_MAX - 1);
}
END_TEST

START_TEST(line_shows_reply_and_own_reason)
{
	struct verdict v = verdict_make(FATE_RETRY, SCOPE_HOST, "4.4.1", NULL, "refused");
	char line[600], small[8];

	ck_assert_str_eq(verdict_line(&v, line, sizeof(line)), "4.4.1 refused");
	v.code = 451;
	ck_assert_str_eq(verdict_line(&v, line, sizeof(line)), "451 4.4.1 refused");
	v.text[0] = '\0';
	ck_assert_str_eq(verdict_line(&v, line, sizeof(line)), "451 4.4.1");
	ck_assert_str_eq(verdict_line(&v, small, sizeof(small)), "451 4.4");
}
END_TEST

Suite *
suite_verdict(void)
{
	Suite *s = suite_create("verdict");
	TCase *tc = tcase_create("verdict");

	tcase_add_test(tc, action_for_every_scope_fate_and_hops_left);
	tcase_add_test(tc, make_fills_every_field);
	tcase_add_test(tc, make_never_leaves_the_enhanced_code_empty);
	tcase_add_test(tc, make_cleans_and_cuts_the_text);
	tcase_add_test(tc, line_shows_reply_and_own_reason);
	suite_add_tcase(s, tc);
	return s;
}
