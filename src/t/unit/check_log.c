#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "logcap.h"
#include "suites.h"
#include "vclock.h"

static char dir[] = "/tmp/check_log.XXXXXX";
static char path[64], err_path[64];
static char text[16384];

static void
setup(void)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 7);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/log", dir);
	snprintf(err_path, sizeof(err_path), "%s/err", dir);
	setenv("TZ", "UTC0", 1);
	vclock_install(1764000000);
}

static void
teardown(void)
{
	logcap_stop();
	log_verbose(false);
	unlink(path);
	unlink(err_path);
	rmdir(dir);
}

static const char *
content(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? 0 : read(fd, text, sizeof(text) - 1);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	if (fd != -1)
		close(fd);
	return text;
}

/* Runs fn in a child whose standard error is err_path; returns its wait(2) status. */
static int
status_of(void (*fn)(void))
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		int fd = open(err_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		if (dup2(fd, STDERR_FILENO) == -1)
			_exit(99);
		fn();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

START_TEST(captured_lines_keep_their_level)
{
	logcap_start();
	log_info("%d of %s", 3, "four");
	log_warn("look");
	ck_assert_str_eq(logcap_text(), "3 of four\nwarning: look\n");
}
END_TEST

START_TEST(no_control_byte_gets_out)
{
	logcap_start();
	log_info("%s", "a\r\n\r\nNov 24 06:10:00 host sshd[1]: forged\033[2J\xc2\x9b");
	ck_assert_str_eq(logcap_text(), "a Nov 24 06:10:00 host sshd[1]: forged?[2J?\n");
	log_verbose(true);
	log_trace("%s", "x\ny\x07");
	ck_assert_str_eq(logcap_trace(), "x y?\n");
}
END_TEST

START_TEST(a_long_line_is_cut_between_characters)
{
	char big[4096];
	const char *line;

	for (size_t i = 0; i + 1 < sizeof(big); i += 2)
		memcpy(big + i, "\xc3\xa4", 2);
	big[4094] = '\0';
	logcap_start();
	log_info("x%s", big);
	log_info("xx%s", big);
	line = logcap_text();
	ck_assert(str_is_clean(line, strcspn(line, "?\n")));
	ck_assert_uint_gt(strlen(line), 4000);
	ck_assert_uint_le(strlen(line), 4098);
	for (const char *p = strchr(line, '?'); p != NULL; p = strchr(p + 1, '?'))
		ck_assert_int_eq(p[1], '\n'); /* nothing but a cut character was replaced */
}
END_TEST

START_TEST(trace_is_silent_unless_verbose)
{
	logcap_start();
	log_trace("a");
	ck_assert(!log_is_verbose());
	log_verbose(true);
	log_trace("b");
	ck_assert(log_is_verbose());
	ck_assert_str_eq(logcap_trace(), "b\n");
	ck_assert_str_eq(logcap_text(), "");
}
END_TEST

static void
without_log_open(void)
{
	log_info("hello");
	log_warn("careful");
	log_verbose(true);
	log_trace(">>> QUIT");
}

START_TEST(before_it_is_opened_lines_go_to_stderr)
{
	ck_assert_int_eq(status_of(without_log_open), 0);
	ck_assert_str_eq(content(err_path), "sortie: hello\nsortie: careful\n>>> QUIT\n");
}
END_TEST

static void
to_stderr(void)
{
	log_open("stderr", "sortie/smtp");
	log_info("hello");
}

/* "Mon dd hh:mm:ss host ident[pid]: " and then `rest`. */
static void
assert_stamped(const char *line, const char *ident, const char *rest)
{
	static const char when[] = "Nov 24 16:00:00 ";
	size_t n;

	ck_assert(str_starts(line, when));
	line += strlen(when);
	n = strcspn(line, " .");
	ck_assert_uint_gt(n, 0);
	ck_assert_int_eq(line[n], ' ');
	line += n + 1;
	ck_assert(str_starts(line, ident));
	line += strlen(ident);
	ck_assert_int_eq(line[0], '[');
	n = strspn(line + 1, "0123456789");
	ck_assert_uint_gt(n, 0);
	ck_assert(str_starts(line + 1 + n, "]: "));
	ck_assert_str_eq(line + n + 4, rest);
}

START_TEST(stderr_lines_are_stamped)
{
	ck_assert_int_eq(status_of(to_stderr), 0);
	assert_stamped(content(err_path), "sortie/smtp", "hello\n");
}
END_TEST

START_TEST(a_file_gets_classic_lines_and_is_private)
{
	struct stat st;

	ck_assert_int_eq(log_open(path, "sortie"), 0);
	log_warn("full: %d%%", 99);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	assert_stamped(content(path), "sortie", "warning: full: 99%\n");
	ck_assert_int_eq(log_open(path, "sortie"), 0); /* appends */
	log_info("again");
	assert_stamped(strchr(content(path), '\n') + 1, "sortie", "again\n");
}
END_TEST

START_TEST(reopening_follows_a_rotated_file)
{
	char old[80];

	snprintf(old, sizeof(old), "%s.0", path);
	ck_assert_int_eq(log_open(path, "sortie"), 0);
	ck_assert_int_eq(rename(path, old), 0);
	log_info("one");
	ck_assert_int_eq(log_open(path, "sortie"), 0);
	log_info("two");
	assert_stamped(content(old), "sortie", "one\n");
	assert_stamped(content(path), "sortie", "two\n");
	unlink(old);
}
END_TEST

/* A user whose limit keeps his lines out of the log. */
static void
open_with_little_room(void)
{
	static const struct {
		rlim_t limit;
		int result;
	} limits[] = {{8 << 20, 0}, {1 << 20, -1}, {100, -1}, {0, -1}};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const struct rlimit rl = {limits[i].limit, limits[i].limit};

		if (setrlimit(RLIMIT_FSIZE, &rl) != 0)
			_exit(1);
		errno = 0;
		if (log_open(path, "sortie") != limits[i].result ||
		    (limits[i].result == -1 && errno != EFBIG))
			_exit(2 + (int)i);
		if (log_open("/dev/null", "sortie") != 0)
			_exit(10);
	}
}

START_TEST(file_that_may_not_grow_is_no_log)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	close(fd);
	ck_assert_int_eq(status_of(open_with_little_room), 0);
}
END_TEST

START_TEST(a_log_that_cannot_be_opened_leaves_the_old_one)
{
	ck_assert_int_eq(log_open(path, "sortie"), 0);
	ck_assert_int_eq(log_open("/nonexistent/log", "other"), -1);
	ck_assert_int_eq(errno, ENOENT);
	log_info("still here");
	assert_stamped(content(path), "sortie", "still here\n");
}
END_TEST

/* There may be no syslogd to read it; it must not hurt, and the file must be let go. */
START_TEST(syslog_takes_lines)
{
	ck_assert_int_eq(log_open(path, "sortie"), 0);
	ck_assert_int_eq(log_open("syslog", "sortie"), 0);
	log_info("from a test");
	ck_assert_str_eq(content(path), "");
	ck_assert_int_eq(log_open(path, "sortie"), 0);
	log_info("back");
	assert_stamped(content(path), "sortie", "back\n");
}
END_TEST

static void
die_logged(void)
{
	if (log_open(path, "sortie") == 0)
		die(EX_CONFIG, "line %d: bad", 7);
}

static void
die_unopened(void)
{
	die(EX_USAGE, "what?");
}

START_TEST(die_tells_the_log_and_whoever_sits_there)
{
	int status = status_of(die_logged);

	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), EX_CONFIG);
	ck_assert_str_eq(content(err_path), "sortie: line 7: bad\n");
	assert_stamped(content(path), "sortie", "warning: line 7: bad\n");
	status = status_of(die_unopened);
	ck_assert_int_eq(WEXITSTATUS(status), EX_USAGE);
	ck_assert_str_eq(content(err_path), "sortie: what?\n"); /* once */
}
END_TEST

static void
a_death_after_a_promise(void)
{
	die_as(0);
	die(75, "too late for that");
}

/* The message was queued, then memory ran out: whoever submitted it must not do so again. */
START_TEST(die_keeps_a_promise)
{
	int status = status_of(a_death_after_a_promise);

	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

static void
a_bug(void)
{
	if (log_open(path, "sortie") == 0)
		bug_at("x.c", 12, "oops");
}

START_TEST(bug_says_where_and_aborts)
{
	int status = status_of(a_bug);

	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGABRT);
	ck_assert_str_eq(content(err_path), "sortie: x.c:12: bug: oops\n");
	assert_stamped(content(path), "sortie", "warning: x.c:12: bug: oops\n");
}
END_TEST

Suite *
suite_log(void)
{
	Suite *s = suite_create("log");
	TCase *tc = tcase_create("log");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, captured_lines_keep_their_level);
	tcase_add_test(tc, no_control_byte_gets_out);
	tcase_add_test(tc, a_long_line_is_cut_between_characters);
	tcase_add_test(tc, trace_is_silent_unless_verbose);
	tcase_add_test(tc, before_it_is_opened_lines_go_to_stderr);
	tcase_add_test(tc, stderr_lines_are_stamped);
	tcase_add_test(tc, a_file_gets_classic_lines_and_is_private);
	tcase_add_test(tc, reopening_follows_a_rotated_file);
	tcase_add_test(tc, a_log_that_cannot_be_opened_leaves_the_old_one);
	tcase_add_test(tc, file_that_may_not_grow_is_no_log);
	tcase_add_test(tc, syslog_takes_lines);
	tcase_add_test(tc, die_tells_the_log_and_whoever_sits_there);
	tcase_add_test(tc, die_keeps_a_promise);
	tcase_add_test(tc, bug_says_where_and_aborts);
	suite_add_tcase(s, tc);
	return s;
}
