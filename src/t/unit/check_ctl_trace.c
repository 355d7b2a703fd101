/* check_ctl_trace.c: sortiectl trace: what is asked for, shown and forgotten. */
#include <sys/stat.h>

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "jtree.h"
#include "suites.h"
#include "testctl.h"
#include "testspool.h"
#include "trace.h"
#include "vclock.h"

enum { T0 = 1764000000 }; /* 2025-11-24T16:00:00Z */

#define SCHEMA "src/t/system/trace.schema.json"

static struct spool *sp;
static struct testctl t;
static struct reactor *r;
static struct traces *ts;

static void
setup(void)
{
	sp = testctl_begin(&t, T0);
	r = reactor_new();
	ts = traces_new(sp, r);
}

static void
teardown(void)
{
	traces_free(&ts);
	reactor_free(&r);
	testctl_end(&t, &sp);
}

#define RUN(...) testctl_run(&t, ctl_trace, "trace", __VA_ARGS__, NULL)
#define LIST() testctl_run(&t, ctl_trace, "trace", NULL)

static void
configure(const char *lines)
{
	char why[512];

	config_free(&t.c.program.config);
	config_init(&t.c.program.config);
	ck_assert_msg(
	    config_parse(&t.c.program.config, "conf", lines, strlen(lines), why, sizeof(why)) == 0,
	    "%s", why);
}

static const char *
path_of(const char *file)
{
	static char path[2048];

	snprintf(path, sizeof(path), "%s/" TRACE_FOLDER "/%s", spool_path(sp), file);
	return path;
}

/* The file is there, and so long. */
static off_t
size_of(const char *file)
{
	struct stat st;

	ck_assert_msg(lstat(path_of(file), &st) == 0, "no %s", file);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	return st.st_size;
}

static struct trace *
begin(const char *name)
{
	struct trace *trace;

	traces_look(ts);
	trace = trace_begin(ts, name);
	ck_assert_ptr_nonnull(trace);
	return trace;
}

/* All that a run would write about it. */
static void
converse(const char *name)
{
	struct trace *trace = begin(name);

	trace_line(&trace, "<<< mx.example.net[192.0.2.1]:25 220 hello");
	vclock_advance(1234);
	trace_end(&trace);
}

/* Cut off in the middle. */
static void
write_file(const char *file, const char *text)
{
	FILE *f = fopen(path_of(file), "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

/* --- asking ------------------------------------------------------------------------------- */

START_TEST(a_request_says_what_happens_next)
{
	int lock;

	ck_assert_int_eq(RUN("Example.NET"), EX_OK);
	ck_assert_str_eq(t.out, "the next conversation with example.net will be kept\n"
				"now:   sortiectl retry --site Example.NET; sortie -q\n"
				"then:  sortiectl trace --show Example.NET\n");
	ck_assert_int_eq(size_of("example.net"), 0);
	lock = spool_runner_lock(sp, "full");
	ck_assert_int_eq(RUN("example.net"), EX_OK);
	testctl_shows(&t, "now:   sortiectl retry --site example.net\n");
	close(lock);
}
END_TEST

START_TEST(a_run_that_stays_is_called)
{
	int fd = spool_wake_open(sp);

	ck_assert_int_eq(RUN("example.net"), EX_OK);
	ck_assert(spool_wake_drain(fd));
	ck_assert_int_eq(LIST(), EX_OK);
	ck_assert_int_eq(RUN("--show", "example.net"), EX_NOINPUT);
	ck_assert_int_eq(RUN("--off"), EX_OK);
	ck_assert(!spool_wake_drain(fd));
	close(fd);
}
END_TEST

/* Mail for a domain may go by a relay: then that is what runs call the site. */
START_TEST(a_domain_that_goes_by_a_relay_means_the_relay)
{
	configure("hostname here.example\nrelay submission://joe@MX.example.org\n"
		  "route pipe.example smtp://gate.example:2525\n");
	ck_assert_int_eq(RUN("example.net"), EX_OK);
	testctl_shows(&t, "example.net is sent to relay joe@mx.example.org:587 submission\n"
			  "the next conversation with relay joe@mx.example.org:587 submission "
			  "will be kept\n");
	testctl_shows(&t, "retry --site example.net; sortie -q\n");
	ck_assert_int_eq(size_of("relay joe@mx.example.org:587 submission"), 0);
	ck_assert_int_eq(RUN("pipe.example"), EX_OK);
	ck_assert_int_eq(size_of("route gate.example:2525"), 0);
	converse("relay joe@MX.example.org:587 submission");
	ck_assert_int_eq(RUN("--show", "example.net"), EX_OK);
	ck_assert_int_eq(RUN("--show", "relay", "joe@MX.example.org:587", "submission"), EX_OK);
	ck_assert_int_eq(RUN("--off", "example.com"), EX_OK);
	ck_assert_int_eq(RUN("--show", "example.net"), EX_NOINPUT);
}
END_TEST

START_TEST(a_host_of_the_configuration_means_itself)
{
	configure(
	    "hostname here.example\nrelay smtp://[192.0.2.1]:25\nrelay smtp://mx2.example.org\n");
	ck_assert_int_eq(RUN("MX2.example.org"), EX_OK);
	testctl_shows(&t, "the next conversation with mx2.example.org will be kept\n"
			  "now:   sortiectl retry --all; sortie -q\n");
	ck_assert_int_eq(RUN("192.0.2.1"), EX_OK);
	ck_assert_int_eq(size_of("mx2.example.org") + size_of("192.0.2.1"), 0);
}
END_TEST

START_TEST(what_cannot_be_asked_for_is_said)
{
	char longest[TRACE_NAME_MAX + 10];

	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_int_eq(RUN(longest), EX_USAGE);
	ck_assert_int_eq(RUN("joe@example.net"), EX_USAGE);
	ck_assert_int_eq(RUN("--show"), EX_USAGE);
	ck_assert_int_eq(RUN("--show", "--off", "x.example"), EX_USAGE);
	ck_assert_int_eq(RUN("--json", "x.example"), EX_USAGE);
	ck_assert_int_eq(RUN(""), EX_USAGE);
	configure("hostname here.example\nlocal mbox\n");
	ck_assert_int_eq(RUN("local"), EX_USAGE);
	testctl_tells(&t, "is not sent to anybody");
	ck_assert_int_eq(RUN("here.example"), EX_USAGE);
	ck_assert_int_eq(access(path_of(""), F_OK), -1);
}
END_TEST

/* Two who ask get one conversation; one who asks when it is kept wants another. */
START_TEST(to_ask_again_forgets_what_was_kept)
{
	struct trace *trace;

	ck_assert_int_eq(RUN("example.net"), EX_OK);
	ck_assert_int_eq(RUN("example.net"), EX_OK);
	converse("example.net");
	ck_assert_int_gt(size_of("example.net"), 0);
	ck_assert_int_eq(RUN("example.net"), EX_OK);
	ck_assert_int_eq(size_of("example.net"), 0);
	trace = begin("example.net");
	(void)reactor_turn(r);
	ck_assert_int_eq(RUN("example.net"), EX_TEMPFAIL);
	testctl_tells(&t, "is being kept just now");
	trace_end(&trace);
	write_file("example.net", "2025-11-24T16:00:00.000Z -- example.net\n");
	ck_assert_int_eq(RUN("example.net"), EX_OK);
	ck_assert_int_eq(size_of("example.net"), 0);
}
END_TEST

/* --- showing ------------------------------------------------------------------------------ */

START_TEST(what_was_said_is_shown)
{
	struct trace *trace;

	ck_assert_int_eq(RUN("--show", "example.net"), EX_NOINPUT);
	testctl_tells(&t, "example.net: no conversation was asked for\n");
	ck_assert_int_eq(RUN("example.net"), EX_OK);
	ck_assert_int_eq(RUN("--show", "example.net"), EX_NOINPUT);
	testctl_tells(&t, "example.net: there was no conversation yet\n");
	trace = begin("example.net");
	trace_line(&trace, "<<< mx 220 hello");
	(void)reactor_turn(r);
	ck_assert_int_eq(RUN("--show", "EXAMPLE.net"), EX_OK);
	ck_assert(str_ends_i(t.out, "\n2025-11-24T16:00:00.000Z <<< mx 220 hello\n"));
	testctl_tells(&t, "it goes on");
	trace_end(&trace);
	ck_assert_int_eq(RUN("--show", "example.net"), EX_OK);
	testctl_shows(&t, " <<< mx 220 hello\n2025-11-24T16:00:00.000Z -- end\n");
	ck_assert_str_eq(t.err, "");
}
END_TEST

START_TEST(one_without_an_end_is_said_to_be_so)
{
	ck_assert_int_eq(RUN("example.net"), EX_OK);
	write_file(
	    "example.net", "2025-11-24T16:00:00.000Z -- a\n2025-11-24T16:00:01.000Z <<< b\n");
	ck_assert_int_eq(RUN("--show", "example.net"), EX_OK);
	testctl_tells(&t, "its end is missing");
	ck_assert_int_eq(LIST(), EX_OK);
	testctl_shows(&t, "  unfinished ");
}
END_TEST

/* Whatever has got into the file, or is one, a terminal does nothing that it says. */
START_TEST(damage_is_shown_harmlessly)
{
	ck_assert_int_eq(RUN("example.net"), EX_OK);
	write_file("example.net", "\033]0;owned\a\n\n-- end");
	write_file("a%1bb%zz%", "asked for at never\n -- end\n");
	ck_assert_int_eq(symlink("/etc/passwd", path_of("link.example")), 0);
	ck_assert_int_eq(mkfifo(path_of("pipe.example"), 0600), 0);
	ck_assert_int_eq(mkdir(path_of("folder.example"), 0700), 0);
	ck_assert_int_eq(RUN("--show", "example.net"), EX_OK);
	ck_assert_str_eq(t.out, "?]0;owned?\n\n-- end\n");
	ck_assert_int_eq(LIST(), EX_OK);
	ck_assert_ptr_null(strchr(t.out, '\033'));
	testctl_shows(&t, "\na?b%zz% ");
	ck_assert_int_eq(RUN("--show", "link.example"), EX_IOERR);
	ck_assert_int_eq(RUN("--show", "pipe.example"), EX_IOERR);
	ck_assert_int_eq(RUN("--show", "folder.example"), EX_IOERR);
	ck_assert_int_eq(RUN("link.example"), EX_OK); /* which removes the link */
	ck_assert_int_eq(size_of("link.example"), 0);
	ck_assert_int_eq(RUN("folder.example"), EX_IOERR);
	ck_assert_int_eq(RUN("--off"), EX_IOERR);
	testctl_tells(&t, "folder.example: ");
	ck_assert_int_eq(rmdir(path_of("folder.example")), 0);
}
END_TEST

/* --- all of them -------------------------------------------------------------------------- */

static void
make_three(void)
{
	ck_assert_int_eq(RUN("kept.example"), EX_OK);
	converse("kept.example");
	ck_assert_int_eq(RUN("a-host-with-a-name-that-is-rather-long.example.net"), EX_OK);
	ck_assert_int_eq(RUN("under.way.example"), EX_OK);
}

START_TEST(a_list_tells_what_is_asked_for_and_kept)
{
	struct trace *trace;

	ck_assert_int_eq(LIST(), EX_OK);
	ck_assert_str_eq(t.out, "");
	make_three();
	trace = begin("under.way.example");
	(void)reactor_turn(r);
	vclock_advance(60 * 60 * 1000);
	ck_assert_int_eq(LIST(), EX_OK);
	testctl_shows(&t, "\na-host-with-a-name-that-is-rather-long.example.net ");
	testctl_shows(&t, "\nkept.example ");
	testctl_shows(&t, "  kept      ");
	testctl_shows(&t, "  0s   60m   1.2s   180B\n");
	testctl_shows(&t, "  under way ");
	testctl_shows(&t, "  asked for ");
	trace_end(&trace);
}
END_TEST

/* Of a line: characters, an ellipsis is one. */
static size_t
columns_of(const char *line)
{
	size_t n = 0;

	for (; *line != '\n' && *line != '\0'; line++)
		n += ((unsigned char)*line & 0xc0) != 0x80;
	return n;
}

START_TEST(a_list_fits_every_terminal)
{
	make_three();
	for (unsigned width = 20; width <= 132; width += 4) {
		t.c.width = width;
		t.c.tty = true;
		ck_assert_int_eq(LIST(), EX_OK);
		for (const char *p = t.out; *p != '\0'; p += strcspn(p, "\n") + 1) {
			ck_assert_uint_le(columns_of(p), width);
		}
		if (width >= 60)
			testctl_shows(&t, "  1.2s");
	}
}
END_TEST

static char *
read_schema(void)
{
	char *text = xcalloc(1, 65536);
	FILE *f = fopen(SCHEMA, "r");

	ck_assert_msg(f != NULL, SCHEMA);
	ck_assert_uint_gt(fread(text, 1, 65535, f), 0);
	fclose(f);
	return text;
}

START_TEST(json_is_as_its_schema_has_it)
{
	char why[512] = "", *text = read_schema();
	struct jtree *schema = jtree_parse(text, strlen(text), why, sizeof(why));
	size_t lines = 0;

	ck_assert_msg(schema != NULL, "%s", why);
	make_three();
	write_file("bad\"name", "x");
	ck_assert_int_eq(RUN("--json"), EX_OK);
	for (const char *p = t.out; *p != '\0'; p += strcspn(p, "\n") + 1, lines++) {
		struct jtree *value = jtree_parse(p, strcspn(p, "\n"), why, sizeof(why));

		ck_assert_msg(value != NULL, "%s: %s", why, p);
		ck_assert_msg(jtree_is(schema, value, why, sizeof(why)), "%s: %s", why, p);
		jtree_free(&value);
	}
	ck_assert_uint_eq(lines, 4);
	testctl_shows(&t, "{\"site\":\"kept.example\",\"state\":\"kept\",\"asked\":");
	testctl_shows(
	    &t, ",\"begun\":1764000000,\"ended\":1764000001,\"milliseconds\":1234,\"size\":");
	jtree_free(&schema);
	free(text);
}
END_TEST

START_TEST(off_forgets_one_or_all)
{
	ck_assert_int_eq(RUN("--off"), EX_OK);
	testctl_shows(&t, "removed 0\n");
	ck_assert_int_eq(RUN("--off", "kept.example"), EX_NOINPUT);
	make_three();
	ck_assert_int_eq(RUN("--off", "Kept.example"), EX_OK);
	testctl_shows(&t, "removed 1\n");
	ck_assert_int_eq(access(path_of("kept.example"), F_OK), -1);
	ck_assert_int_eq(RUN("--off", "kept.example"), EX_NOINPUT);
	ck_assert_int_eq(RUN("--off"), EX_OK);
	testctl_shows(&t, "removed 2\n");
	ck_assert_int_eq(access(path_of(""), F_OK), -1);
}
END_TEST

/* What a time is in the file is that time again: days of four hundred years. */
START_TEST(times_are_read_as_they_were_written)
{
	char line[200], want[100], when[32];

	ck_assert_int_eq(RUN("example.net"), EX_OK);
	for (int64_t at = 3600 * 5; at < (int64_t)400 * 366 * 86400; at += 86400 * 997 + 61) {
		snprintf(
		    line, sizeof(line), "%s -- end\n", clock_utc(at * 1000, when, sizeof(when)));
		write_file("example.net", line);
		ck_assert_int_eq(RUN("--json"), EX_OK);
		snprintf(want, sizeof(want), "\"begun\":%lld,\"ended\":%lld,", (long long)at,
		    (long long)at);
		testctl_shows(&t, want);
	}
}
END_TEST

Suite *
suite_ctl_trace(void)
{
	Suite *s = suite_create("ctl_trace");
	TCase *tc = tcase_create("ctl_trace");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_request_says_what_happens_next);
	tcase_add_test(tc, a_run_that_stays_is_called);
	tcase_add_test(tc, a_domain_that_goes_by_a_relay_means_the_relay);
	tcase_add_test(tc, a_host_of_the_configuration_means_itself);
	tcase_add_test(tc, what_cannot_be_asked_for_is_said);
	tcase_add_test(tc, to_ask_again_forgets_what_was_kept);
	tcase_add_test(tc, what_was_said_is_shown);
	tcase_add_test(tc, one_without_an_end_is_said_to_be_so);
	tcase_add_test(tc, damage_is_shown_harmlessly);
	tcase_add_test(tc, a_list_tells_what_is_asked_for_and_kept);
	tcase_add_test(tc, a_list_fits_every_terminal);
	tcase_add_test(tc, json_is_as_its_schema_has_it);
	tcase_add_test(tc, off_forgets_one_or_all);
	tcase_add_test(tc, times_are_read_as_they_were_written);
	suite_add_tcase(s, tc);
	return s;
}
