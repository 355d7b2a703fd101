/* check_helper.c: the brokers, as the processes that they are. */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/packet.h"
#include "base/str.h"
#include "base/sys.h"
#include "fault.h"
#include "helper_impl.h"
#include "suites.h"

enum { PATIENCE_MS = 20000 };

static char dir[32], path[64], other[64], said_path[64];
static struct helper h;
static unsigned fds;

static void
setup(void)
{
	fds = fault_open_fds();
	memcpy(dir, "/tmp/check_helper.XXXXXX", sizeof("/tmp/check_helper.XXXXXX"));
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/lmtp", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	snprintf(said_path, sizeof(said_path), "%s/said", dir);
	h = (struct helper){.fd = -1, .pid = -1};
}

static void
teardown(void)
{
	helper_end(&h);
	ck_assert(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	unlink(path);
	unlink(other);
	unlink(said_path);
	rmdir(dir);
	ck_assert_uint_eq(fault_open_fds(), fds);
}

static void
wait_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
}

/* It has had enough: its end of the socket is closed, and nothing was said. */
static void
ends_by_itself(void)
{
	char c;
	ssize_t n;

	wait_readable(h.fd);
	n = recv(h.fd, &c, 1, 0);
	ck_assert(n == 0 || (n == -1 && errno == ECONNRESET));
}

static void
hand(const void *data, size_t n, int fd)
{
	ck_assert_int_eq(packet_send(h.fd, data, n, fd), 0);
}

/* --- every helper ------------------------------------------------------------------------- */

/* Says what it is told to, one packet for one. */
static void
echo(int sock, const void *ctx)
{
	char data[256], cwd[256];
	ssize_t n;

	(void)ctx;
	while ((n = packet_receive(sock, data, sizeof(data), NULL)) > 0) {
		if (data[0] == 'd')
			n = getcwd(cwd, sizeof(cwd)) == NULL ? 0 : (ssize_t)strlen(cwd);
		packet_send(sock, data[0] == 'd' ? cwd : data, (size_t)n, -1);
	}
}

static void
answers(const char *question, const char *answer)
{
	char data[256] = "";

	hand(question, strlen(question), -1);
	wait_readable(h.fd);
	ck_assert_int_gt(packet_receive(h.fd, data, sizeof(data) - 1, NULL), 0);
	ck_assert_str_eq(data, answer);
}

START_TEST(holds_nothing_of_the_runners)
{
	int inherited[2];
	char c;

	ck_assert_int_eq(pipe(inherited), 0);
	ck_assert_int_eq(helper_start(&h, "check", false, echo, NULL), 0);
	close(inherited[1]);
	ck_assert_int_eq(read(inherited[0], &c, 1), 0); /* or it would wait for ever */
	close(inherited[0]);
	answers("x", "x");
	answers("d", "/");
}
END_TEST

START_TEST(what_is_sent_to_the_whole_group_is_not_for_it)
{
	static const int signals[] = {SIGINT, SIGHUP, SIGTERM};

	ck_assert_int_eq(helper_start(&h, "check", false, echo, NULL), 0);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		ck_assert_int_eq(kill(h.pid, signals[i]), 0);
		answers("x", "x");
	}
}
END_TEST

/* A runner that is killed cannot say that it ends. */
/* ^Z and ^\ reach the group in front, and /dev/tty is who started the run. */
START_TEST(terminal_is_not_its_own)
{
	ck_assert_int_eq(helper_start(&h, "check", false, echo, NULL), 0);
	answers("x", "x");
	ck_assert_int_eq(getsid(h.pid), h.pid);
}
END_TEST

START_TEST(runner_is_killed)
{
	int alive[2];
	pid_t runner;
	char c;

	ck_assert_int_eq(pipe(alive), 0);
	if ((runner = fork()) == 0) {
		dup2(alive[1], 2); /* what a helper keeps */
		helper_start(&h, "check", true, echo, NULL);
		answers("x", "x");
		kill(getpid(), SIGKILL);
	}
	close(alive[1]);
	wait_readable(alive[0]);
	ck_assert_int_eq(read(alive[0], &c, 1), 0);
	close(alive[0]);
	ck_assert_int_eq(waitpid(runner, NULL, 0), runner);
}
END_TEST

START_TEST(nothing_to_end)
{
	helper_end(&h);
	helpers_end();
	ck_assert(!helpers_lost());
}
END_TEST

/* --- the log's ---------------------------------------------------------------------------- */

/* Writes the line to standard error; one ends it. */
static void
say(void *ctx, enum log_level level, const char *line)
{
	char out[4096];
	int n = snprintf(out, sizeof(out), "%c %s\n", level == LOG_LEVEL_WARN ? 'w' : 'i', line);

	(void)ctx;
	if (strcmp(line, "die") == 0)
		_exit(1);
	if (write(2, out, (size_t)n) != n)
		_exit(1);
}

static const struct helper_log log_options = {.say = say};

/* The helper's standard error is said_path. */
static int
begin_log(void)
{
	int out = open(said_path, O_WRONLY | O_CREAT | O_APPEND, 0600), old_stderr, rc;

	ck_assert_int_ge(out, 0);
	old_stderr = dup(2);
	dup2(out, 2);
	close(out);
	log_open("syslog", "check");
	rc = helper_log_begin_with(&log_options, true);
	dup2(old_stderr, 2);
	close(old_stderr);
	return rc;
}

static const char *
said(void)
{
	static char text[1024 * 1024];
	int fd = open(said_path, O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	ck_assert_int_ge(n, 0);
	close(fd);
	text[n] = '\0';
	return text;
}

static void
end_log(void)
{
	helper_log_end();
	log_open("stderr", "check");
}

START_TEST(lines_arrive_in_their_order)
{
	char line[64];
	const char *p;

	ck_assert_int_eq(begin_log(), 0);
	for (int i = 0; i < 5000; i++) {
		if (i % 7 == 0)
			log_warn("line %d", i);
		else
			log_info("line %d", i);
	}
	ck_assert(!helpers_lost());
	end_log();
	p = said();
	for (int i = 0; i < 5000; i++) {
		snprintf(line, sizeof(line), "%c line %d\n", i % 7 == 0 ? 'w' : 'i', i);
		ck_assert_msg(str_starts(p, line), "line %d: %.40s", i, p);
		p += strlen(line);
	}
	ck_assert_str_eq(p, "");
}
END_TEST

START_TEST(the_longest_line)
{
	char line[5000];

	memset(line, 'a', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	ck_assert_int_eq(begin_log(), 0);
	log_info("%s", line);
	log_info("next");
	end_log();
	ck_assert_uint_gt(strlen(said()), 2000);
	ck_assert_ptr_nonnull(strstr(said(), "a\ni next\n"));
}
END_TEST

START_TEST(runner_is_killed_after_its_last_line)
{
	int alive[2];
	pid_t runner;
	char text[65536];
	size_t n = 0;
	ssize_t got;

	ck_assert_int_eq(pipe(alive), 0);
	if ((runner = fork()) == 0) {
		dup2(alive[1], 2);
		log_open("syslog", "check");
		helper_log_begin_with(&log_options, true);
		for (int i = 0; i < 100; i++)
			log_info("line %d", i);
		kill(getpid(), SIGKILL);
	}
	close(alive[1]);
	while ((got = read(alive[0], text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	text[n] = '\0';
	close(alive[0]);
	ck_assert_ptr_nonnull(strstr(text, "i line 98\ni line 99\n"));
	ck_assert_int_eq(waitpid(runner, NULL, 0), runner);
}
END_TEST

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* With _i 1 nothing is logged after it, and the end says it. */
START_TEST(syslogd_is_stuck)
{
	const char *p;
	unsigned long lost;
	int64_t start = now_ms();

	ck_assert_int_eq(begin_log(), 0);
	ck_assert_int_eq(kill(helper_log_pid(), SIGSTOP), 0);
	for (int i = 0; i < 20000; i++)
		log_info("line %d", i);
	ck_assert_int_lt(now_ms() - start, 5000); /* the runner went on */
	ck_assert(!helpers_lost());
	ck_assert_int_eq(kill(helper_log_pid(), SIGCONT), 0);
	while (strstr(said(), "line 100\n") == NULL)
		poll(NULL, 0, 1);
	if (_i == 0)
		log_info("again");
	end_log();
	p = strstr(said(), " lines of the log were lost");
	ck_assert_ptr_nonnull(p);
	while (p[-1] != ' ')
		p--;
	lost = strtoul(p, NULL, 10);
	ck_assert_uint_gt(lost, 0);
	for (p = said(); *p != '\0'; p++)
		lost += *p == '\n';
	ck_assert_uint_eq(lost, 20000UL + 2 - (unsigned long)_i);
	ck_assert_ptr_nonnull(strstr(said(), _i == 0 ? "i again\n" : "lost"));
}
END_TEST

START_TEST(broker_has_died)
{
	ck_assert_int_eq(begin_log(), 0);
	log_info("one");
	log_info("die");
	for (int i = 0; i < 20000 && !helpers_lost(); i++)
		log_info("line %d", i);
	ck_assert(helpers_lost());
	log_info("goes to syslog(3)");
	end_log();
	ck_assert_str_eq(said(), "i one\n");
	/* and another can be had */
	ck_assert_int_eq(begin_log(), 0);
	ck_assert(!helpers_lost());
	log_warn("two");
	end_log();
	ck_assert_str_eq(said(), "i one\nw two\n");
}
END_TEST

static const struct {
	const char *data;
	size_t n;
} bad_lines[] = {
    {"xline", 5},
    {"Iline", 5},
    {"\0line", 5},
    {"itwo\nlines", 10},
    {"wnul\0in it", 10},
    {"i\xff\xfe", 3},
    {"i\033[31m", 6},
};

START_TEST(line_that_log_c_does_not_make)
{
	ck_assert_int_eq(helper_start(&h, "check", false, helper_log_serve, &log_options), 0);
	hand(bad_lines[_i].data, bad_lines[_i].n, -1);
	ends_by_itself();
}
END_TEST

START_TEST(line_without_end)
{
	static char line[HELPER_LINE_MAX + 1];

	memset(line, 'i', sizeof(line));
	ck_assert_int_eq(helper_start(&h, "check", false, helper_log_serve, &log_options), 0);
	hand(line, sizeof(line), -1);
	ends_by_itself();
}
END_TEST

START_TEST(line_with_a_descriptor)
{
	ck_assert_int_eq(helper_start(&h, "check", false, helper_log_serve, &log_options), 0);
	hand("iline", 5, 0);
	ends_by_itself();
}
END_TEST

/* --- connections' ------------------------------------------------------------------------- */

static struct config config;

static void
setup_connect(void)
{
	char text[512], why[256];

	setup();
	config_init(&config);
	snprintf(text, sizeof(text),
	    "relay smtp://a.example\nroute b.example lmtp:%s\nfallback lmtp:%s\n", other, path);
	ck_assert_int_eq(config_parse(&config, "conf", text, strlen(text), why, sizeof(why)), 0);
	log_open("stderr", "check");
}

static void
teardown_connect(void)
{
	helpers_end();
	ck_assert(sys.connect_path == sys_libc.connect_path);
	config_free(&config);
	teardown();
}

static int
listen_at(const char *where)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	str_copy(un.sun_path, sizeof(un.sun_path), where);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	return fd;
}

static void
is_connected(int fd, int listener)
{
	char data[16] = "";
	int peer;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	wait_readable(listener);
	ck_assert_int_ge(peer = accept(listener, NULL, NULL), 0);
	ck_assert_int_eq(write(peer, "220 hello", 9), 9);
	ck_assert_int_eq(read(fd, data, sizeof(data)), 9);
	ck_assert_str_eq(data, "220 hello");
	close(fd);
	/* nobody else holds it */
	ck_assert_int_eq(read(peer, data, sizeof(data)), 0);
	close(peer);
}

START_TEST(a_connection_to_each_path)
{
	int first = listen_at(path), second = listen_at(other);

	helpers_begin(&config);
	ck_assert(sys.connect_path != sys_libc.connect_path);
	for (int i = 0; i < 3; i++) {
		is_connected(sys.connect_path(path), first);
		is_connected(sys.connect_path(other), second);
	}
	close(first);
	close(second);
	ck_assert(!helpers_lost());
}
END_TEST

START_TEST(paths_that_lead_nowhere)
{
	int fd;

	helpers_begin(&config);
	ck_assert_int_eq(sys.connect_path(path), -1);
	ck_assert_int_eq(errno, ENOENT);
	close(listen_at(path));
	ck_assert_int_eq(sys.connect_path(path), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	ck_assert_int_eq(sys.connect_path("/dev/log"), -1);
	ck_assert_int_eq(errno, EACCES);
	ck_assert_int_eq(sys.connect_path(""), -1);
	fd = listen_at(other);
	is_connected(sys.connect_path(other), fd);
	close(fd);
}
END_TEST

START_TEST(no_path_no_process)
{
	struct config none;

	config_init(&none);
	helpers_begin(&none);
	ck_assert(sys.connect_path == sys_libc.connect_path);
	ck_assert(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	helpers_end();
	config_free(&none);
}
END_TEST

START_TEST(who_connects_has_died)
{
	int fd = listen_at(path);

	helpers_begin(&config);
	ck_assert_int_eq(kill(helper_connect_pid(), SIGKILL), 0);
	is_connected(sys.connect_path(path), fd); /* not confined, it needs none */
	ck_assert(helpers_lost());
	close(fd);
}
END_TEST

/* Whoever runs for long would defer all mail for these paths until it expires. */
START_TEST(who_connects_cannot_be_started)
{
	struct rlimit before, none;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	helpers_begin(&config);
	setrlimit(RLIMIT_NOFILE, &before);
	ck_assert(helpers_lost());
	helpers_end();
	helpers_begin(&config);
	ck_assert(!helpers_lost());
}
END_TEST

/* It answers the second call with what the first one wanted, then with what was asked. */
START_TEST(who_connects_is_late)
{
	int fd = listen_at(path), got, peer;

	helpers_begin(&config);
	ck_assert_int_eq(kill(helper_connect_pid(), SIGSTOP), 0);
	ck_assert_int_eq(sys.connect_path(path), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(kill(helper_connect_pid(), SIGCONT), 0);
	got = sys.connect_path(path);
	wait_readable(fd);
	peer = accept(fd, NULL, NULL); /* the first: nobody wants it, and it is closed */
	wait_readable(peer);
	ck_assert_int_eq(read(peer, &(char){0}, 1), 0);
	close(peer);
	is_connected(got, fd);
	ck_assert(!helpers_lost());
	close(fd);
}
END_TEST

/* The second is there, but not for the asking. */
static const char *one_path[] = {path, other};
static const struct helper_paths paths = {.v = one_path, .n = 1};

START_TEST(number_that_no_path_has)
{
	struct helper_call c = {.number = 1, .path = (uint32_t)_i};
	int fd = listen_at(other);

	ck_assert_int_eq(helper_start(&h, "check", false, helper_connect_serve, &paths), 0);
	hand(&c, sizeof(c), -1);
	ends_by_itself();
	close(fd);
}
END_TEST

START_TEST(call_of_another_size)
{
	char call[sizeof(struct helper_call) + 1] = "";

	ck_assert_int_eq(helper_start(&h, "check", false, helper_connect_serve, &paths), 0);
	hand(call, sizeof(call) - (size_t)_i, -1);
	ends_by_itself();
}
END_TEST

START_TEST(call_with_a_descriptor)
{
	struct helper_call c = {.number = 1, .path = 0};

	ck_assert_int_eq(helper_start(&h, "check", false, helper_connect_serve, &paths), 0);
	hand(&c, sizeof(c), 0);
	ends_by_itself();
}
END_TEST

Suite *
suite_helper(void)
{
	Suite *s = suite_create("helper");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, holds_nothing_of_the_runners);
	tcase_add_test(t, what_is_sent_to_the_whole_group_is_not_for_it);
	tcase_add_test(t, terminal_is_not_its_own);
	tcase_add_test(t, runner_is_killed);
	tcase_add_test(t, nothing_to_end);
	suite_add_tcase(s, t);

	t = tcase_create("log");
	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, lines_arrive_in_their_order);
	tcase_add_test(t, the_longest_line);
	tcase_add_test(t, runner_is_killed_after_its_last_line);
	tcase_add_loop_test(t, syslogd_is_stuck, 0, 2);
	tcase_add_test(t, broker_has_died);
	tcase_add_loop_test(
	    t, line_that_log_c_does_not_make, 0, (int)(sizeof(bad_lines) / sizeof(bad_lines[0])));
	tcase_add_test(t, line_without_end);
	tcase_add_test(t, line_with_a_descriptor);
	suite_add_tcase(s, t);

	t = tcase_create("connect");
	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup_connect, teardown_connect);
	tcase_add_test(t, a_connection_to_each_path);
	tcase_add_test(t, paths_that_lead_nowhere);
	tcase_add_test(t, no_path_no_process);
	tcase_add_test(t, who_connects_has_died);
	tcase_add_test(t, who_connects_cannot_be_started);
	tcase_add_test(t, who_connects_is_late);
	tcase_add_loop_test(t, number_that_no_path_has, 1, 3);
	tcase_add_loop_test(t, call_of_another_size, 0, 1);
	tcase_add_loop_test(t, call_of_another_size, 2, 5);
	tcase_add_test(t, call_with_a_descriptor);
	suite_add_tcase(s, t);
	return s;
}
