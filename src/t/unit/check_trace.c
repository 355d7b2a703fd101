/* check_trace.c: conversations that are kept: what asks for one, who has it, what is written. */
#include <sys/file.h>
#include <sys/stat.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "fault.h"
#include "logcap.h"
#include "suites.h"
#include "testspool.h"
#include "trace.h"
#include "vclock.h"

enum { T0 = 1764000000 }; /* 2025-11-24T16:00:00Z */

static struct spool *sp;
static struct reactor *r;
static struct traces *ts;
static char folder[1100];

static void
setup(void)
{
	vclock_install(T0);
	logcap_start();
	sp = testspool_open();
	r = reactor_new();
	ts = traces_new(sp, r);
	snprintf(folder, sizeof(folder), "%s/" TRACE_FOLDER, spool_path(sp));
}

static void
teardown(void)
{
	traces_free(&ts);
	ck_assert(!reactor_turn(r));
	reactor_free(&r);
	testspool_close(&sp);
	logcap_stop();
	sys = sys_libc;
}

static const char *
path_of(const char *file)
{
	static char path[2048];

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	return path;
}

static void
ask(const char *file)
{
	int dir = spool_state_folder(sp, TRACE_FOLDER, true), fd;

	ck_assert_int_ge(dir, 0);
	fd = openat(dir, file, O_WRONLY | O_CREAT | O_EXCL, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	close(dir);
	traces_look(ts);
}

/* What is in it; freed by the caller. */
static char *
kept(const char *file)
{
	char *text = xcalloc(1, 2 * TRACE_MAX);
	int fd = open(path_of(file), O_RDONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(read(fd, text, 2 * TRACE_MAX - 1), 0);
	close(fd);
	return text;
}

/* All of it, but for the first line, which has the time of the request. */
static void
is_kept(const char *file, const char *rest)
{
	char *text = kept(file), *lf = strchr(text, '\n');

	ck_assert_ptr_nonnull(lf);
	ck_assert_str_eq(lf + 1, rest);
	free(text);
}

START_TEST(a_name_becomes_that_of_a_file)
{
	static const struct {
		const char *name, *file; /* NULL: none */
	} cases[] = {
	    {"example.net", "example.net"},
	    {"MX.Example.NET", "mx.example.net"},
	    {"relay joe@mx.example.net:587 submission", "relay joe@mx.example.net:587 submission"},
	    {"relay [2001:db8::1]:25,mx:25", "relay [2001:db8::1]:25,mx:25"},
	    {"a/b", "a%2Fb"},
	    {"../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"},
	    {".", "%2E"},
	    {"..", "%2E."},
	    {" a", "%20a"},
	    {"a%2Fb", "a%252fb"},
	    {"a\nb\x7f", "a%0Ab%7F"},
	    {"gr\xc3\xbc\xc3\x9f.example", "gr%C3%BC%C3%9F.example"},
	    {"", NULL},
	};
	char file[TRACE_NAME_MAX + 1], longest[TRACE_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool ok = trace_file_name(file, cases[i].name);

		ck_assert_int_eq(ok, cases[i].file != NULL);
		if (ok)
			ck_assert_str_eq(file, cases[i].file);
	}
	memset(longest, 'a', sizeof(longest));
	longest[TRACE_NAME_MAX - 2] = '\0';
	ck_assert(trace_file_name(file, longest));
	longest[TRACE_NAME_MAX - 2] = 'a';
	longest[TRACE_NAME_MAX + 1] = '\0';
	ck_assert(!trace_file_name(file, longest));
}
END_TEST

START_TEST(what_nobody_asks_for_costs_one_call_a_pass)
{
	fault_arm(1000, FAULT_ONCE, EIO);
	traces_look(ts);
	ck_assert_uint_eq(fault_calls(NULL), 1);
	ck_assert_ptr_null(trace_begin(ts, "example.net"));
	ck_assert_ptr_null(trace_begin(NULL, "example.net"));
	ck_assert_uint_eq(fault_calls(NULL), 1);
	fault_disarm();
}
END_TEST

START_TEST(a_conversation_is_kept_with_its_times)
{
	struct trace *t;
	char *text;

	ask("example.net");
	ck_assert_ptr_null(trace_begin(ts, "example.com"));
	ck_assert_ptr_nonnull(t = trace_begin(ts, "Example.NET"));
	trace_line(&t, "<<< %s %d hello", "mx", 220);
	vclock_advance(1234);
	trace_note(&t, "-- a note");
	trace_end(&t);
	ck_assert_ptr_null(t);
	text = kept("example.net");
	ck_assert(str_starts(text, "2025-11-24T16:00:00.000Z -- Example.NET, " TRACE_ASKED "20"));
	free(text);
	is_kept("example.net", "2025-11-24T16:00:00.000Z <<< mx 220 hello\n"
			       "2025-11-24T16:00:01.234Z -- a note\n"
			       "2025-11-24T16:00:01.234Z " TRACE_END "\n");
	ck_assert_str_eq(logcap_text(), "");
}
END_TEST

/* The same line to whoever asked with -v, and a note to nobody else. */
START_TEST(verbose_hears_the_lines_alone)
{
	struct trace *t = NULL;

	log_verbose(true);
	trace_line(NULL, "one");
	trace_line(&t, "two");
	ask("example.net");
	t = trace_begin(ts, "example.net");
	trace_line(&t, "three");
	trace_note(&t, "four");
	trace_end(&t);
	log_verbose(false);
	trace_line(&t, "five");
	ck_assert_str_eq(logcap_trace(), "one\ntwo\nthree\n");
}
END_TEST

START_TEST(foreign_text_does_nothing_to_a_terminal)
{
	struct trace *t;

	ask("example.net");
	t = trace_begin(ts, "example.net");
	trace_line(&t, "<<< %s", "a\033[31mb\r\nc\x9b");
	trace_end(&t);
	is_kept("example.net",
	    "2025-11-24T16:00:00.000Z <<< a?[31mb c?\n2025-11-24T16:00:00.000Z " TRACE_END "\n");
}
END_TEST

START_TEST(one_request_is_one_conversation)
{
	struct trace *t;

	ask("example.net");
	t = trace_begin(ts, "example.net");
	ck_assert_ptr_null(trace_begin(ts, "example.net"));
	trace_end(&t);
	ck_assert_ptr_null(trace_begin(ts, "example.net"));
	traces_look(ts);
	ck_assert_ptr_null(trace_begin(ts, "example.net"));
	ck_assert_int_eq(unlink(path_of("example.net")), 0);
	ask("example.net");
	ck_assert_ptr_nonnull(t = trace_begin(ts, "example.net"));
	trace_end(&t);
}
END_TEST

/* Of two runs one has it, whether the other comes before the first line, in the middle, or afterwards. */
START_TEST(of_two_runs_one_has_it)
{
	struct traces *other = traces_new(sp, r);
	struct trace *t;

	ask("example.net");
	traces_look(other);
	t = trace_begin(ts, "example.net");
	ck_assert_ptr_null(trace_begin(other, "example.net"));
	while (reactor_turn(r))
		;
	ck_assert_ptr_null(trace_begin(other, "example.net"));
	trace_end(&t);
	ck_assert_ptr_null(trace_begin(other, "example.net"));
	is_kept("example.net", "2025-11-24T16:00:00.000Z " TRACE_END "\n");
	traces_free(&other);
}
END_TEST

/* What was said in a turn is there when it is over: a run that is killed leaves all up to that. */
START_TEST(a_turn_is_written_at_once)
{
	struct trace *t;
	char *text;

	ask("example.net");
	t = trace_begin(ts, "example.net");
	fault_arm(1000, FAULT_ONCE, EIO);
	for (int i = 0; i < 100; i++)
		trace_line(&t, "%d", i);
	ck_assert_uint_eq(fault_calls("write"), 0);
	while (reactor_turn(r))
		;
	ck_assert_uint_eq(fault_calls("write"), 1);
	fault_disarm();
	text = kept("example.net");
	ck_assert(str_ends_i(text, "Z 99\n"));
	free(text);
	trace_end(&t);
}
END_TEST

START_TEST(what_is_no_file_of_ours_is_left_alone)
{
	struct stat st;

	ask("dummy");
	ck_assert_int_eq(symlink("dummy", path_of("a.example")), 0);
	ck_assert_int_eq(mkfifo(path_of("b.example"), 0600), 0);
	ck_assert_int_eq(mkdir(path_of("c.example"), 0700), 0);
	ck_assert_int_eq(symlink("/nowhere", path_of("d.example")), 0);
	traces_look(ts);
	ck_assert_ptr_null(trace_begin(ts, "a.example"));
	ck_assert_ptr_null(trace_begin(ts, "b.example"));
	ck_assert_ptr_null(trace_begin(ts, "c.example"));
	ck_assert_ptr_null(trace_begin(ts, "d.example"));
	ck_assert_int_eq(stat(path_of("dummy"), &st), 0);
	ck_assert_int_eq(st.st_size, 0);
}
END_TEST

START_TEST(a_folder_that_is_none_is_no_trouble)
{
	char elsewhere[1200];
	int fd = open(folder, O_WRONLY | O_CREAT, 0600);

	close(fd);
	traces_look(ts);
	ck_assert_ptr_null(trace_begin(ts, "example.net"));
	ck_assert_int_eq(unlink(folder), 0);
	ask("example.net");
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", spool_path(sp));
	ck_assert_int_eq(rename(folder, elsewhere), 0);
	ck_assert_int_eq(symlink("elsewhere", folder), 0);
	ck_assert_ptr_null(trace_begin(ts, "example.net"));
	ck_assert_int_eq(unlink(folder), 0);
	ask("example.net");
	ck_assert_int_eq(unlink(path_of("example.net")), 0);
	ck_assert_int_eq(rmdir(folder), 0);
	ck_assert_ptr_null(trace_begin(ts, "example.net"));
}
END_TEST

/* Nothing was kept, so the next conversation is what was asked for. */
START_TEST(a_full_disk_is_said_once_and_the_request_stands)
{
	struct trace *t;

	ask("example.net");
	t = trace_begin(ts, "example.net");
	fault_arm(1, FAULT_FULL, ENOSPC);
	while (reactor_turn(r))
		;
	trace_line(&t, "one");
	while (reactor_turn(r))
		;
	trace_end(&t);
	fault_disarm();
	ck_assert_str_eq(logcap_text(),
	    "warning: cannot keep a conversation that was asked for: No space left on device\n");
	t = trace_begin(ts, "example.net");
	ck_assert_ptr_nonnull(t);
	trace_end(&t);
	is_kept("example.net", "2025-11-24T16:00:00.000Z " TRACE_END "\n");
}
END_TEST

/* It fails in the middle: what is there has no end, and nobody takes it for the whole. */
START_TEST(what_could_be_written_in_part_has_no_end)
{
	struct trace *t;
	char *text;

	ask("example.net");
	t = trace_begin(ts, "example.net");
	while (reactor_turn(r))
		;
	fault_arm(1, FAULT_FULL, EDQUOT);
	trace_line(&t, "one");
	trace_end(&t);
	fault_disarm();
	text = kept("example.net");
	ck_assert_ptr_null(strstr(text, TRACE_END));
	free(text);
	ck_assert_ptr_null(trace_begin(ts, "example.net"));
}
END_TEST

/* Whatever call fails: no more comes of it than that nothing is kept. */
START_TEST(no_call_that_fails_does_any_harm)
{
	struct trace *t;
	unsigned n = 0;
	bool fired;

	do {
		ask("example.net");
		fault_arm(++n, FAULT_ONCE, EIO);
		traces_look(ts);
		t = trace_begin(ts, "example.net");
		trace_line(&t, "one");
		trace_end(&t);
		fired = fault_fired();
		fault_disarm();
		ck_assert_int_eq(unlink(path_of("example.net")), 0);
	} while (fired);
	ck_assert_uint_gt(n, 8);
}
END_TEST

START_TEST(a_mebibyte_is_kept_and_that_there_was_more)
{
	struct trace *t;
	char *text, line[1000];
	size_t n;

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	ask("example.net");
	t = trace_begin(ts, "example.net");
	for (int i = 0; i < 2000; i++) {
		trace_line(&t, "%s", line);
		if (i % 100 == 0)
			(void)reactor_turn(r);
	}
	trace_end(&t);
	text = kept("example.net");
	n = strlen(text);
	ck_assert_uint_le(n, TRACE_MAX);
	ck_assert_uint_gt(n, TRACE_MAX - 64 * 1024);
	ck_assert_ptr_nonnull(strstr(
	    text, "Z -- and so on: no more is kept\n2025-11-24T16:00:00.000Z " TRACE_END "\n"));
	free(text);
}
END_TEST

/* --off in the middle: what is written has no name any more, and is nobody's. */
START_TEST(what_is_removed_meanwhile_is_gone)
{
	struct trace *t;

	ask("example.net");
	t = trace_begin(ts, "example.net");
	ck_assert_int_eq(unlink(path_of("example.net")), 0);
	trace_line(&t, "one");
	trace_end(&t);
	ck_assert_int_eq(access(path_of("example.net"), F_OK), -1);
	ck_assert_str_eq(logcap_text(), "");
}
END_TEST

Suite *
suite_trace(void)
{
	Suite *s = suite_create("trace");
	TCase *tc = tcase_create("trace");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_name_becomes_that_of_a_file);
	tcase_add_test(tc, what_nobody_asks_for_costs_one_call_a_pass);
	tcase_add_test(tc, a_conversation_is_kept_with_its_times);
	tcase_add_test(tc, verbose_hears_the_lines_alone);
	tcase_add_test(tc, foreign_text_does_nothing_to_a_terminal);
	tcase_add_test(tc, one_request_is_one_conversation);
	tcase_add_test(tc, of_two_runs_one_has_it);
	tcase_add_test(tc, a_turn_is_written_at_once);
	tcase_add_test(tc, what_is_no_file_of_ours_is_left_alone);
	tcase_add_test(tc, a_folder_that_is_none_is_no_trouble);
	tcase_add_test(tc, a_full_disk_is_said_once_and_the_request_stands);
	tcase_add_test(tc, what_could_be_written_in_part_has_no_end);
	tcase_add_test(tc, no_call_that_fails_does_any_harm);
	tcase_add_test(tc, a_mebibyte_is_kept_and_that_there_was_more);
	tcase_add_test(tc, what_is_removed_meanwhile_is_gone);
	suite_add_tcase(s, tc);
	return s;
}
