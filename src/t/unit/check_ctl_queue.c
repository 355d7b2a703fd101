/* check_ctl_queue.c: what sortiectl shows of a queue, and what it does to it. */
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
#include "base/sys.h"
#include "jtree.h"
#include "logcap.h"
#include "suites.h"
#include "testctl.h"
#include "testspool.h"
#include "vclock.h"

enum { T0 = 1764000000, HOUR = 3600, DAY = 24 * HOUR };

#define LIST_SCHEMA "src/t/system/list.schema.json"

static struct spool *sp;
static struct testctl t;

static void
setup(void)
{
	setenv("TZ", "UTC0", 1);
	vclock_install(T0);
	logcap_start();
	sp = testspool_open();
	testctl_init(&t, sp);
}

static void
teardown(void)
{
	testctl_free(&t);
	testspool_close(&sp);
	logcap_stop();
	sys = sys_libc;
}

/* --- a queue ------------------------------------------------------------------------------ */

static void
add(char id[ENVELOPE_ID_MAX + 1], const char *sender, int64_t age_s, const char *a, const char *b)
{
	const char *const recipients[] = {a, b, NULL};

	testspool_add(sp,
	    &(struct testspool_message){.sender = sender,
		.recipients = recipients,
		.body = "Subject: x\r\n\r\nhello\rthere\r\n",
		.source_room = "cron",
		.uid = 1000,
		.submitted = T0 - age_s},
	    id);
}

/* As a runner appends to it. */
static void
append(const char *id, const char *lines)
{
	char path[1100];
	int fd;

	snprintf(path, sizeof(path), "%s/ctl/%s", spool_path(sp), id);
	fd = open(path, O_WRONLY | O_APPEND);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, lines, strlen(lines)), (ssize_t)strlen(lines));
	close(fd);
}

static bool
is_there(const char *part, const char *id)
{
	char path[1100];

	snprintf(path, sizeof(path), "%s/%s/%s", spool_path(sp), part, id);
	return access(path, F_OK) == 0;
}

static int64_t
hint_of(const char *id)
{
	char path[1100];
	struct stat st;

	snprintf(path, sizeof(path), "%s/ctl/%s", spool_path(sp), id);
	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_mtime;
}

/* The queue of most tests: young to one site, old to two, held. */
static struct {
	char young[ENVELOPE_ID_MAX + 1], old[ENVELOPE_ID_MAX + 1], held[ENVELOPE_ID_MAX + 1];
} q;

static void
fill(void)
{
	add(q.young, "root@host.example.org", 60, "bob@one.example", NULL);
	add(q.old, "alice@example.org", 2 * DAY, "carol@one.example", "dave@mx.two.example");
	add(q.held, "", HOUR, "erin@three.example", NULL);
	append(q.old,
	    "remote|carol@one.example|2|250 ok\nremote|dave@mx.two.example|4|451 4.7.1 later\n"
	    "attempted|1763999000\nretry|7200\n");
	append(q.held, "hold|1\n");
}

static size_t
count_lines(const char *text)
{
	size_t n = 0;

	for (; (text = strchr(text, '\n')) != NULL; text++)
		n++;
	return n;
}

static void
has(const char *all, const char *part)
{
	ck_assert_msg(strstr(all, part) != NULL, "no \"%s\" in:\n%s", part, all);
}

static void
shows(const char *part)
{
	has(t.out, part);
}

static void
tells(const char *part)
{
	has(t.err, part);
}

#define RUN(...) testctl_run(&t, __VA_ARGS__, NULL)

/* --- showing it --------------------------------------------------------------------------- */

START_TEST(a_table_tells_who_waits_why_and_for_how_long)
{
	char expected[1024];

	fill();
	ck_assert_int_eq(RUN(ctl_list, "list"), EX_OK);
	ck_assert_msg(count_lines(t.out) == 4, "%s", t.out);
	snprintf(expected, sizeof(expected), "\n%s    27B    60s  now       ", q.young);
	shows(expected);
	snprintf(
	    expected, sizeof(expected), "\n%s    27B     2d  103m      alice@example.org", q.old);
	shows(expected);
	shows("dave@mx.two.example  451 4.7.1 later\n");
	ck_assert_ptr_null(strstr(t.out, "carol"));
	snprintf(expected, sizeof(expected), "\n%s    27B    60m  held      <>  ", q.held);
	shows(expected);
}
END_TEST

/* The line of that message as JSON; it must be as the schema says. Freed by the caller. */
static struct jtree *
json_line(const char *id)
{
	static char text[16384];
	struct jtree *schema, *value;
	char why[512] = "", start[100];
	const char *line;
	FILE *f = fopen(LIST_SCHEMA, "r");

	ck_assert_msg(f != NULL, "no " LIST_SCHEMA);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	snprintf(start, sizeof(start), "{\"id\":\"%s\",", id);
	line = strstr(t.out, start);
	ck_assert_msg(line != NULL, "no %s in %s", id, t.out);
	schema = jtree_parse(text, strlen(text), why, sizeof(why));
	ck_assert_msg(schema != NULL, "schema: %s", why);
	value = jtree_parse(line, strcspn(line, "\n"), why, sizeof(why));
	ck_assert_msg(value != NULL, "%s: %s", why, line);
	ck_assert_msg(jtree_is(schema, value, why, sizeof(why)), "%s: %s", why, line);
	jtree_free(&schema);
	return value;
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

	fill();
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

	add(id, "\"a \\\"b\\\\c\"@x.example", 60, "\"q|\\\"\"@x.example", NULL);
	append(
	    id, "remote|\"q\\|\\\\\"\"@x.example|4|\033]0;owned\007 \"quoted\" \xff\xc2\x9b\\\\\n");
	for (int width = 0; width <= 80; width += 80) {
		t.c.width = (unsigned)width;
		ck_assert_int_eq(RUN(ctl_list, "list"), EX_OK);
		ck_assert_msg(strstr(t.out, width == 0 ? "?]0;owned? \"quoted\" " : "?]0;") != NULL,
		    "%s", t.out);
		ck_assert_int_eq(RUN(ctl_show, "show", id), EX_OK);
		shows("?]0;owned? \"quoted\" ");
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
	shows("damaged");
}
END_TEST

START_TEST(show_tells_what_happened_and_cat_gives_the_message)
{
	fill();
	ck_assert_int_eq(RUN(ctl_show, "show", q.old), EX_OK);
	shows("carol@one.example: delivered: 250 ok\n");
	shows("next try Mon Nov 24 17:43:20, in 1h43m");
	shows("2d ago by uid 1000 from cron\n");
	shows("  history\n    carol@one.example: delivered: 250 ok\n"
	      "    dave@mx.two.example: deferred: 451 4.7.1 later\n"
	      "    attempted Mon Nov 24 15:43:20\n    retry 2h\n");
	ck_assert_int_eq(RUN(ctl_show, "show", q.held, "nobody"), EX_NOINPUT);
	shows("held");
	tells("nobody is not in the queue");
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

	fill();
	add(id, NULL, 5 * 60, "x@One.Example", "y@two.example");
	add(id, NULL, 5 * 60 + 1, "x@one.example", NULL);
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
	shows("SITE                        T    5   10   20   40   80  160  320  640 1280 1280+\n"
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
	    {{"--older", "60"}, true, true, true}, /* that very second counts */
	    {{"--newer", "60"}, false, false, false},
	    {{"--newer", "61s"}, true, false, false},
	    {{"--older", "2m", "--newer", "1d"}, false, false, true},
	    {{"--held", "--sender", "*@*"}, false, false, false},
	};

	fill();
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

	fill();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(
		    RUN(ctl_remove, "remove", bad[i][0], bad[i][1], bad[i][2]), EX_USAGE);
	/* and none at all is not all */
	ck_assert_int_eq(RUN(ctl_remove, "remove"), EX_USAGE);
	tells("--all");
	ck_assert_int_eq(RUN(ctl_remove, "remove", "-n"), EX_USAGE);
	ck_assert_int_eq(RUN(ctl_remove, "remove", "../ctl"), EX_DATAERR);
	ck_assert_uint_eq(testspool_count(sp), 3);
}
END_TEST

/* --- doing something ---------------------------------------------------------------------- */

static void
load(const char *id, struct envelope *e)
{
	envelope_init(e);
	testspool_load(sp, id, e);
}

START_TEST(hold_keeps_and_release_frees_and_makes_due)
{
	struct envelope e;

	fill();
	ck_assert_int_eq(RUN(ctl_hold, "hold", "--all"), EX_OK);
	ck_assert_str_eq(t.out, "held 2 messages; 1 were held already\n");
	load(q.old, &e);
	ck_assert(e.hold);
	envelope_free(&e);
	ck_assert_int_eq(hint_of(q.old), T0 + t.c.program.config.retry_max_s);
	ck_assert(logcap_has(": held by sortiectl (uid "));
	ck_assert_int_eq(RUN(ctl_release, "release", q.old, q.young), EX_OK);
	ck_assert_str_eq(
	    t.out, "released 2 messages; no runner is there, sortie -q delivers now\n");
	load(q.old, &e);
	ck_assert(!e.hold);
	ck_assert_int_le(envelope_due_at(&e), T0);
	envelope_free(&e);
	ck_assert_int_eq(hint_of(q.old), T0);
	ck_assert_int_eq(RUN(ctl_release, "release", q.old), EX_OK);
	ck_assert_str_eq(t.out, "released 0 messages\n");
}
END_TEST

START_TEST(retry_makes_due_and_begins_with_the_first_interval)
{
	struct envelope e;

	fill();
	append(q.young, "attempted|1764000500\nretry|900\n"); /* by a clock that was ahead */
	ck_assert_int_eq(RUN(ctl_retry, "retry", "--all"), EX_OK);
	ck_assert_str_eq(
	    t.out, "retrying 2 messages; 1 are held; no runner is there, sortie -q delivers now\n");
	load(q.old, &e);
	ck_assert_int_le(envelope_due_at(&e), T0);
	ck_assert_int_eq(e.retry, 0);
	ck_assert_int_eq(e.attempted, 1763999000);
	envelope_free(&e);
	load(q.young, &e);
	ck_assert_int_le(envelope_due_at(&e), T0);
	envelope_free(&e);
	ck_assert_int_eq(hint_of(q.old), T0);
}
END_TEST

START_TEST(remove_takes_the_control_file_first_and_says_so_in_the_log)
{
	fill();
	ck_assert_int_eq(RUN(ctl_remove, "remove", "-n", "--older", "1d"), EX_OK);
	shows(q.old);
	shows("would remove 1 message\n");
	ck_assert(is_there("ctl", q.old));
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--older", "1d"), EX_OK);
	ck_assert_str_eq(t.out, "removed 1 message\n");
	ck_assert(!is_there("ctl", q.old));
	ck_assert(!is_there("msg", q.old));
	ck_assert(logcap_has(": to=<dave@mx.two.example>, relay=none, delay=172800, "
			     "delays=172800/0/0/0, dsn=5.0.0, status=removed (by sortiectl, uid "));
	ck_assert(!logcap_has("carol"));
	ck_assert(logcap_has(": removed by sortiectl (uid "));
	ck_assert_int_eq(RUN(ctl_remove, "remove", q.young, q.old), EX_NOINPUT);
	ck_assert_str_eq(t.out, "removed 1 message\n");
	ck_assert_uint_eq(testspool_count(sp), 1);
}
END_TEST

static int no_sync_of_directories;

static int
failing_sync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && no_sync_of_directories) {
		errno = EIO;
		return -1;
	}
	return 0;
}

/* A power cut may bring the control file back; its body must be there then. */
START_TEST(no_body_goes_before_the_sync)
{
	fill();
	sys.fsync = failing_sync;
	no_sync_of_directories = 1;
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--all"), EX_IOERR);
	ck_assert(!is_there("ctl", q.old));
	ck_assert(is_there("msg", q.old));
	ck_assert(is_there("msg", q.young));
}
END_TEST

START_TEST(remove_for_one_site_leaves_the_other_recipients)
{
	char id[ENVELOPE_ID_MAX + 1];
	struct envelope e;

	fill();
	add(id, NULL, 60, "a@one.example", "b@four.example");
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--site", "one.example"), EX_OK);
	ck_assert_str_eq(t.out, "removed 1 message and 1 recipient of others\n");
	ck_assert(!is_there("ctl", q.young));
	load(id, &e);
	ck_assert_uint_eq(e.waiting, 1);
	ck_assert_int_eq(e.rcpts[0].status, RCPT_DELIVERED);
	ck_assert_int_eq(e.rcpts[1].status, RCPT_NEW);
	envelope_free(&e);
	ck_assert_int_eq(RUN(ctl_list, "list", "--site", "one.example"), EX_OK);
	ck_assert_str_eq(t.out, "");
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--recipient", "b@*"), EX_OK);
	ck_assert_str_eq(t.out, "removed 1 message\n");
}
END_TEST

START_TEST(bounce_fails_those_who_wait_and_leaves_the_report_to_the_runner)
{
	struct envelope e;

	fill();
	ck_assert_int_eq(RUN(ctl_bounce, "bounce", q.old, q.held), EX_OK);
	ck_assert_str_eq(
	    t.out, "returned 2 messages; no runner is there, sortie -q delivers now\n");
	load(q.old, &e);
	ck_assert_uint_eq(e.waiting, 0);
	ck_assert_uint_eq(e.unreported, 1);
	ck_assert_int_eq(e.rcpts[0].status, RCPT_DELIVERED);
	ck_assert_str_eq(
	    e.rcpts[1].reason, "5.0.0 returned by the administrator; last: 451 4.7.1 later");
	ck_assert_int_le(envelope_due_at(&e), T0);
	envelope_free(&e);
	load(q.held, &e);
	ck_assert(!e.hold); /* or no runner would look at it */
	ck_assert_str_eq(e.rcpts[0].reason, "5.0.0 returned by the administrator");
	envelope_free(&e);
	ck_assert(logcap_has("dsn=5.0.0, status=bounced (by sortiectl, uid "));
	ck_assert_int_eq(RUN(ctl_bounce, "bounce", q.old), EX_OK);
	ck_assert_str_eq(t.out, "returned 0 messages\n");
}
END_TEST

/* --- while somebody else works on it ------------------------------------------------------ */

static struct {
	int fd;
	int64_t until_ms;
	const char *id, *lines;
} other; /* has a message's lock until then, and appends these lines before it lets go */

static bool
other_acts(void)
{
	if (other.fd < 0 || vclock_ms() < other.until_ms)
		return false;
	if (other.lines != NULL)
		append(other.id, other.lines);
	else
		ck_assert_int_eq(spool_finish(sp, other.id), 0);
	spool_unlock(&other.fd);
	return true;
}

static int64_t
other_next(void)
{
	return other.fd < 0 ? INT64_MAX : other.until_ms;
}

static bool
other_knows(int fd)
{
	(void)fd;
	return true;
}

static void
other_has(const char *id, int64_t for_ms, const char *lines)
{
	static const struct vclock_world world = {other_acts, other_next, other_knows};

	ck_assert_int_eq(spool_lock(sp, id, &other.fd), SPOOL_LOCKED);
	other.until_ms = vclock_ms() + for_ms;
	other.id = id;
	other.lines = lines;
	vclock_world(&world);
}

START_TEST(what_is_being_delivered_is_waited_for)
{
	int64_t start = vclock_ms();

	fill();
	other_has(q.young, 3000, "remote|bob@one.example|4|451 no\n");
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--all"), EX_OK);
	ck_assert_str_eq(t.out, "removed 3 messages\n");
	ck_assert_int_ge(vclock_ms() - start, 3000);
	ck_assert_int_lt(vclock_ms() - start, 4000);
	ck_assert_uint_eq(testspool_count(sp), 0);
}
END_TEST

START_TEST(what_was_delivered_meanwhile_is_not_removed)
{
	fill();
	other_has(q.young, 3000, NULL);
	ck_assert_int_eq(RUN(ctl_remove, "remove", q.young, q.old), EX_OK);
	ck_assert_str_eq(t.out, "removed 1 message\n");
	ck_assert_str_eq(t.err, "");
}
END_TEST

/* Read before the lock, changed before it: what is there under the lock counts. */
START_TEST(what_does_not_match_any_more_is_left)
{
	fill();
	other_has(q.young, 1000, "remote|bob@one.example|2|250 ok\n");
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--site", "one.example"), EX_OK);
	ck_assert_str_eq(t.out, "removed 0 messages\n");
	ck_assert(is_there("ctl", q.young));
}
END_TEST

START_TEST(nobody_is_waited_for_longer_than_ten_seconds)
{
	int64_t start = vclock_ms();

	fill();
	other_has(q.young, 3600000, "");
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--all"), EX_TEMPFAIL);
	ck_assert_str_eq(t.out, "removed 2 messages\n");
	tells(q.young);
	tells(" is being delivered right now\n");
	ck_assert_int_le(vclock_ms() - start, 10200);
	ck_assert(is_there("ctl", q.young));
	/* to try it again is what is being done */
	ck_assert_int_eq(RUN(ctl_retry, "retry", "--all"), EX_OK);
	ck_assert_str_eq(t.out, "retrying 0 messages; 1 are being delivered right now\n");
	spool_unlock(&other.fd);
}
END_TEST

/* --- the disk ----------------------------------------------------------------------------- */

static int
full_disk(int fd, const void *data, size_t n)
{
	(void)fd, (void)data, (void)n;
	errno = ENOSPC;
	return -1;
}

static ssize_t
no_room(int fd, const void *data, size_t n)
{
	return full_disk(fd, data, n);
}

START_TEST(what_cannot_be_written_is_not_counted)
{
	fill();
	sys.write = no_room;
	ck_assert_int_eq(RUN(ctl_hold, "hold", q.old), EX_TEMPFAIL);
	ck_assert_str_eq(t.out, "held 0 messages\n");
	tells("cannot hold it: No space left");
	ck_assert(!logcap_has("held by sortiectl"));
	/* and a full disk is made room on */
	ck_assert_int_eq(RUN(ctl_remove, "remove", "--all"), EX_OK);
	ck_assert_uint_eq(testspool_count(sp), 0);
}
END_TEST

Suite *
suite_ctl_queue(void)
{
	Suite *s = suite_create("ctl_queue");
	TCase *tc = tcase_create("show");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_table_tells_who_waits_why_and_for_how_long);
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
	tc = tcase_create("act");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, hold_keeps_and_release_frees_and_makes_due);
	tcase_add_test(tc, retry_makes_due_and_begins_with_the_first_interval);
	tcase_add_test(tc, remove_takes_the_control_file_first_and_says_so_in_the_log);
	tcase_add_test(tc, no_body_goes_before_the_sync);
	tcase_add_test(tc, remove_for_one_site_leaves_the_other_recipients);
	tcase_add_test(tc, bounce_fails_those_who_wait_and_leaves_the_report_to_the_runner);
	tcase_add_test(tc, what_cannot_be_written_is_not_counted);
	suite_add_tcase(s, tc);
	tc = tcase_create("busy");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_being_delivered_is_waited_for);
	tcase_add_test(tc, what_was_delivered_meanwhile_is_not_removed);
	tcase_add_test(tc, what_does_not_match_any_more_is_left);
	tcase_add_test(tc, nobody_is_waited_for_longer_than_ten_seconds);
	suite_add_tcase(s, tc);
	return s;
}
