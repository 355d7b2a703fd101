/*
 * Submission by the real program: what comes in is queued whole and exit 0 says so, or it is not
 * queued and the exit status says that.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/str.h"
#include "kit.h"
#include "suites.h"
#include "whole.h"

#define HELLO "Subject: hello\n\nHello.\n"

static void
nothing_is_queued(void)
{
	ck_assert_uint_eq(files_in("ctl"), 0);
	ck_assert_uint_eq(files_in("msg"), 0);
	ck_assert_uint_eq(files_in("tmp"), 0);
}

static void
one_is_queued(void)
{
	ck_assert_uint_eq(files_in("ctl"), 1);
	ck_assert_uint_eq(files_in("msg"), 1);
	ck_assert_uint_eq(files_in("tmp"), 0);
}

/* The path of the one file in a part of the spool. */
static void
only_file(const char *part, char *path, size_t size)
{
	char dir[128];
	struct dirent *e;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/%s", kit.spool, part);
	ck_assert_ptr_nonnull(d = opendir(dir));
	while ((e = readdir(d)) != NULL && e->d_name[0] == '.')
		;
	ck_assert_ptr_nonnull(e);
	ck_assert_uint_lt(strlen(dir) + strlen(e->d_name) + 1, size);
	snprintf(path, size, "%.100s/%.100s", dir, e->d_name);
	closedir(d);
}

static void
ends_with(const char *part, const char *end)
{
	char path[256], *text;
	size_t n, m = strlen(end);

	only_file(part, path, sizeof(path));
	text = file_text(path);
	n = strlen(text);
	ck_assert_msg(n >= m && strcmp(text + n - m, end) == 0, "%s: %s", path, text);
	free(text);
}

START_TEST(exit_0_means_queued)
{
	ck_assert_int_eq(submit(NULL, HELLO, "-odq", "bob@example.net", NULL), 0);
	one_is_queued();
	ends_with("msg", "\r\n\r\nHello.\r\n");
	ends_with("ctl", "remote|bob@example.net|0|\nrecipients|1\n");
}
END_TEST

/* --- standard input ----------------------------------------------------------------------- */

static void
close_input(void)
{
	close(0);
}

START_TEST(closed_input)
{
	ck_assert_int_eq(submit(close_input, "", "-odq", "bob@example.net", NULL), EX_NOINPUT);
	nothing_is_queued();
}
END_TEST

static void
directory_as_input(void)
{
	close(0);
	if (open("/", O_RDONLY) != 0)
		_exit(125);
}

START_TEST(directory_for_input)
{
	ck_assert_int_eq(
	    submit(directory_as_input, "", "-odq", "bob@example.net", NULL), EX_NOINPUT);
	nothing_is_queued();
}
END_TEST

/* An empty message is one all the same: `sendmail bob < /dev/null` has its uses. */
START_TEST(empty_input)
{
	ck_assert_int_eq(submit(NULL, "", "-odq", "bob@example.net", NULL), 0);
	one_is_queued();
	ends_with("msg", "\r\n\r\n");
}
END_TEST

START_TEST(no_recipients)
{
	ck_assert_int_eq(submit(NULL, HELLO, "-odq", NULL), EX_USAGE);
	ck_assert_int_eq(submit(NULL, HELLO, "-odq", "-t", NULL), EX_USAGE);
	nothing_is_queued();
}
END_TEST

/* --- ended from outside ------------------------------------------------------------------- */

/* A submitter that has read half a message. */
static void
start_half(struct child *c)
{
	child_start(c, NULL, "-odq", "bob@example.net", NULL);
	child_feed(c, "Subject: half\n\nSo far so go");
	WAIT_FOR(files_in("tmp") == 1);
}

START_TEST(signal_in_mid_message)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	struct child c;

	start_half(&c);
	kill(c.pid, signals[_i]);
	ck_assert_int_eq(child_wait(&c), EX_TEMPFAIL);
	ck_assert_ptr_nonnull(strstr(c.said, "nothing was queued"));
	nothing_is_queued();
}
END_TEST

static void
age(const char *path)
{
	const struct timeval old[2] = {{.tv_sec = 1600000000}, {.tv_sec = 1600000000}};

	ck_assert_int_eq(utimes(path, old), 0);
}

/* Makes what is in tmp/ look left over, and the last cleaning long ago. */
static void
make_old(void)
{
	char path[256];

	only_file("tmp", path, sizeof(path));
	age(path);
	snprintf(path, sizeof(path), "%s/run/clean", kit.spool);
	if (access(path, F_OK) == 0)
		age(path);
}

START_TEST(kill_9_in_mid_message)
{
	struct child c;

	start_half(&c);
	kill(c.pid, SIGKILL);
	ck_assert_int_eq(child_wait(&c), 128 + SIGKILL);
	ck_assert_uint_eq(files_in("ctl") + files_in("msg"), 0);
	ck_assert_int_eq(submit(NULL, "", "-q", NULL), 0);
	ck_assert_uint_eq(files_in("tmp"), 1); /* not yet: it could be somebody's who is slow */
	make_old();
	ck_assert_int_eq(submit(NULL, "", "-q", NULL), 0);
	nothing_is_queued();
}
END_TEST

/* Whoever is still writing keeps his file, however old it looks. */
START_TEST(cleaning_spares_the_living)
{
	struct child c;

	start_half(&c);
	make_old();
	ck_assert_int_eq(submit(NULL, "", "-q", NULL), 0);
	child_feed(&c, "od.\n");
	ck_assert_int_eq(child_end(&c), 0);
	one_is_queued();
	ends_with("msg", "So far so good.\r\n");
}
END_TEST

/* --- limits ------------------------------------------------------------------------------- */

static void
limit(int what, rlim_t n)
{
	const struct rlimit rl = {.rlim_cur = n, .rlim_max = n};

	if (setrlimit(what, &rl) != 0)
		_exit(125);
}

static void
no_file_size(void)
{
	limit(RLIMIT_FSIZE, 0);
}

static void
small_file_size(void)
{
	limit(RLIMIT_FSIZE, 300);
}

START_TEST(no_room_for_files)
{
	int rc;

	ck_assert_int_eq(submit(NULL, "", "-q", NULL), 0); /* the spool is there */
	rc = submit(no_file_size, HELLO, "-odq", "bob@example.net", NULL);
	ck_assert_int_eq(rc, EX_TEMPFAIL);
	nothing_is_queued();
}
END_TEST

START_TEST(no_room_for_the_spool)
{
	ck_assert_int_eq(submit(no_file_size, HELLO, "-odq", "bob@example.net", NULL), EX_TEMPFAIL);
	nothing_is_queued();
}
END_TEST

START_TEST(no_room_for_the_body)
{
	char text[2000] = "Subject: long\n\n";

	memset(text + strlen(text), 'x', 900);
	ck_assert_int_eq(submit(NULL, "", "-q", NULL), 0);
	ck_assert_int_eq(
	    submit(small_file_size, text, "-odq", "bob@example.net", NULL), EX_TEMPFAIL);
	nothing_is_queued();
}
END_TEST

static void
eight_files(void)
{
	limit(RLIMIT_NOFILE, 8);
}

/* Whether it fits or not: queued whole and 0, or not queued and the caller is told to try again. */
START_TEST(eight_files_only)
{
	int rc = submit(eight_files, HELLO, "-odq", "bob@example.net", NULL);

	if (rc == 0) {
		one_is_queued();
	} else {
		ck_assert_int_eq(rc, EX_TEMPFAIL);
		nothing_is_queued();
	}
}
END_TEST

/* --- a hostile environment ---------------------------------------------------------------- */

static void
close_outputs(void)
{
	close(1);
	close(2);
}

/* What the program says when nobody listens must not end up in a file that it opened. */
START_TEST(closed_outputs)
{
	ck_assert_int_eq(submit(close_outputs, HELLO, "-odq", "bob@example.net", NULL), 0);
	one_is_queued();
	ends_with("msg", "\r\n\r\nHello.\r\n");
	ends_with("ctl", "recipients|1\n");
	ck_assert_int_eq(submit(close_outputs, HELLO, "-odq", "-v", NULL), EX_USAGE);
}
END_TEST

static void
umask_0(void)
{
	umask(0);
}

static void
umask_0777(void)
{
	umask(0777);
}

static void
mode_is(const char *path, mode_t mode)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_msg((st.st_mode & 07777) == mode, "%s: %o", path, (unsigned)st.st_mode);
}

START_TEST(any_umask)
{
	static void (*const masks[])(void) = {umask_0, umask_0777};
	static const char *const dirs[] = {"ctl", "msg", "tmp", "run", "corrupt"};
	char path[256];

	ck_assert_int_eq(submit(masks[_i], HELLO, "-odq", "bob@example.net", NULL), 0);
	one_is_queued();
	mode_is(kit.spool, 0700);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", kit.spool, dirs[i]);
		mode_is(path, 0700);
	}
	only_file("ctl", path, sizeof(path));
	mode_is(path, 0600);
	only_file("msg", path, sizeof(path));
	mode_is(path, 0600);
	mode_is(kit.log, 0600);
}
END_TEST

static void
signals_off(void)
{
	sigset_t all;

	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

/* nohup(1) and worse: the program still hears what ends it. */
START_TEST(signals_blocked_and_ignored)
{
	struct child c;

	child_start(&c, signals_off, "-odq", "bob@example.net", NULL);
	child_feed(&c, "Subject: half\n");
	WAIT_FOR(files_in("tmp") == 1);
	kill(c.pid, SIGTERM);
	ck_assert_int_eq(child_wait(&c), EX_TEMPFAIL);
	nothing_is_queued();
	ck_assert_int_eq(submit(signals_off, HELLO, "-odq", "bob@example.net", NULL), 0);
	one_is_queued();
}
END_TEST

extern char **environ;
static char *nothing[] = {NULL};

static void
odd_variables(void)
{
	static char longest[100000];

	memset(longest, 'A', sizeof(longest) - 1);
	environ = nothing;
	setenv("TZ", ":/etc/passwd", 1);
	setenv("LANG", "tr_TR.UTF-8", 1);
	setenv("LC_ALL", "tr_TR.UTF-8", 1);
	setenv("PATH", "", 1);
	setenv("TMPDIR", "/nonexistent", 1);
	setenv("HOME", longest, 1);
	setenv("RES_OPTIONS", "ndots:15 timeout:1000000", 1);
	setenv("LOCALDOMAIN", "evil.example", 1);
	setenv("HOSTALIASES", "/etc/passwd", 1);
	setenv("USER", "root\nBcc: eve@example.org", 1);
	setenv("LOGNAME", "root\nBcc: eve@example.org", 1);
	setenv("NAME", "\r\nBcc: eve@example.org", 1);
}

static void
long_time_zone(void)
{
	static char zone[100000];

	memset(zone, 'Z', sizeof(zone) - 1);
	setenv("TZ", zone, 1);
}

static void
no_variables(void)
{
	environ = nothing;
}

START_TEST(any_environment)
{
	static void (*const environments[])(void) = {odd_variables, long_time_zone, no_variables};
	char path[256];

	ck_assert_int_eq(submit(environments[_i], HELLO, "-odq", "bob@example.net", NULL), 0);
	one_is_queued();
	only_file("msg", path, sizeof(path));
	ck_assert_uint_eq(count_text(path, "eve@"), 0);
	ck_assert_uint_eq(count_text(path, "evil."), 0);
	ck_assert_uint_eq(count_text(path, "\r\n\r\n"), 1);
}
END_TEST

/*
 * Without -C it would be the machine's own spool: so as nobody, who cannot make one. Where
 * the kernel makes argc 1 of it, that is as good.
 */
START_TEST(no_argv_0)
{
	char *const none[] = {NULL};
	pid_t pid = fork();
	struct child c = {.pid = pid, .in = -1, .out = -1};

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		if (getuid() == 0 && setuid(65534) != 0)
			_exit(EX_USAGE);
		execv(kit_program(), none);
		_exit(EX_USAGE); /* nobody may run it: nothing to see */
	}
	ck_assert_int_lt(child_wait(&c), 128);
}
END_TEST

/* --- codes -------------------------------------------------------------------------------- */

START_TEST(usage)
{
	ck_assert_int_eq(submit(NULL, "", "-bx", NULL), EX_USAGE);
	ck_assert_int_eq(submit(NULL, "", "-qnever", NULL), EX_USAGE);
}
END_TEST

START_TEST(bad_address)
{
	ck_assert_int_eq(submit(NULL, HELLO, "-odq",
			     "b\xc3\xb6"
			     "b@example.net",
			     NULL),
	    EX_DATAERR);
	nothing_is_queued();
}
END_TEST

START_TEST(bad_configuration)
{
	static const char *const bad[] = {"frobnicate yes", "relay smtp//x", "retry soon"};

	kit_configure("%s", bad[_i]);
	ck_assert_int_eq(submit(NULL, HELLO, "-odq", "bob@example.net", NULL), EX_CONFIG);
	ck_assert_int_eq(submit(NULL, "", "-q", NULL), EX_CONFIG);
	ck_assert_int_eq(access(kit.spool, F_OK), -1);
}
END_TEST

/* The log is not the mail. */
START_TEST(log_that_cannot_be_opened)
{
	whole_write_file(
	    kit.conf, "hostname here.example\nspool %s\nlog %s/none/log\n", kit.spool, kit.dir);
	ck_assert_int_eq(submit(NULL, HELLO, "-odq", "bob@example.net", NULL), 0);
	one_is_queued();
}
END_TEST

START_TEST(missing_configuration)
{
	ck_assert_int_eq(unlink(kit.conf), 0);
	ck_assert_int_eq(submit(NULL, HELLO, "-odq", "bob@example.net", NULL), EX_CONFIG);
}
END_TEST

/* --- the suite ---------------------------------------------------------------------------- */

Suite *
suite_whole_submit(void)
{
	const TTest *const tests[] = {exit_0_means_queued, closed_input, directory_for_input,
	    empty_input, no_recipients, kill_9_in_mid_message, cleaning_spares_the_living,
	    no_room_for_files, no_room_for_the_spool, no_room_for_the_body, eight_files_only,
	    closed_outputs, signals_blocked_and_ignored, no_argv_0, usage, bad_address,
	    missing_configuration, log_that_cannot_be_opened};
	Suite *s = whole_suite("whole_submit", tests, sizeof(tests) / sizeof(tests[0]));

	whole_loop(s, signal_in_mid_message, 3);
	whole_loop(s, any_umask, 2);
	whole_loop(s, any_environment, 3);
	whole_loop(s, bad_configuration, 3);
	return s;
}
