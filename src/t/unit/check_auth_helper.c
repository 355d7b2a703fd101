/*
 * check_auth_helper.c: the process that runs the credentials file's commands, asked as a runner asks
 * it, and as one that was taken over might.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth_helper.h"
#include "base/log.h"
#include "base/packet.h"
#include "base/str.h"
#include "fault.h"
#include "helper.h"
#include "suites.h"

enum { PATIENCE_MS = 20000, LIMIT_S = 2 };

static char dir[40], path[64], script_path[64], held_path[64], go_path[64];
static char *env[] = {NULL};
static struct auth_helper options;
static struct helper h;
static unsigned fds;
static int held; /* the reading end of a FIFO that commands have open for writing */
static int go; /* the writing end of one that they have as descriptor 4 */

static void
write_file(const char *name, mode_t mode, const char *content)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

/* What there are secrets for. The command for a is the script; b's is quick, c's prints what it is told. */
static void
write_credentials(void)
{
	char content[512];

	snprintf(content, sizeof(content),
	    "machine a login me command %s\nmachine b login me command \"/bin/echo fast\"\n"
	    "machine c port 25 login me command \"/bin/echo one\"\n"
	    "machine c port 587 login me command \"/bin/echo two\"\n"
	    "machine c login you command \"/bin/echo three\"\n"
	    "machine p login me password s3cret\nmachine x external\n",
	    script_path);
	write_file(path, 0600, content);
}

static void
setup(void)
{
	fds = fault_open_fds();
	memcpy(dir, "/tmp/check_auth_helper.XXXXXX", sizeof("/tmp/check_auth_helper.XXXXXX"));
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/auth", dir);
	snprintf(script_path, sizeof(script_path), "%s/script", dir);
	snprintf(held_path, sizeof(held_path), "%s/held", dir);
	ck_assert_int_eq(mkfifo(held_path, 0600), 0);
	held = open(held_path, O_RDONLY | O_NONBLOCK);
	snprintf(go_path, sizeof(go_path), "%s/go", dir);
	ck_assert_int_eq(mkfifo(go_path, 0600), 0);
	go = open(go_path, O_RDWR);
	write_credentials();
	options = (struct auth_helper){.path = path, .env = env, .limit_s = LIMIT_S};
	ck_assert_int_eq(helper_start(&h, "check", false, auth_helper_serve, &options), 0);
}

static void
teardown(void)
{
	helper_end(&h);
	ck_assert(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	close(held);
	close(go);
	unlink(held_path);
	unlink(go_path);
	unlink(script_path);
	unlink(path);
	rmdir(dir);
	ck_assert_uint_eq(fault_open_fds(), fds);
}

static void
ask(uint32_t number, const char *host, uint32_t port, const char *login)
{
	const struct secret_question q = {.number = number, .port = port};
	char packet[SECRET_QUESTION_MAX];
	size_t n = sizeof(q), more = strlen(host) + 1;

	memcpy(packet, &q, n);
	memcpy(packet + n, host, more);
	n += more;
	if (login != NULL) {
		more = strlen(login) + 1;
		memcpy(packet + n, login, more);
		n += more;
	}
	ck_assert_int_eq(packet_send(h.fd, packet, n, -1), 0);
}

static struct secret_answer head;
static char text[SECRET_ANSWER_MAX + 1];

static const char *
hear(void)
{
	struct pollfd p = {.fd = h.fd, .events = POLLIN};
	char packet[SECRET_ANSWER_MAX];
	ssize_t n;

	ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
	n = packet_receive(h.fd, packet, sizeof(packet), NULL);
	ck_assert_int_ge(n, (ssize_t)sizeof(head));
	memcpy(&head, packet, sizeof(head));
	memcpy(text, packet + sizeof(head), (size_t)n - sizeof(head));
	text[(size_t)n - sizeof(head)] = '\0';
	return text;
}

static void
hears(uint32_t number, bool found, const char *what)
{
	hear();
	ck_assert_uint_eq(head.number, number);
	ck_assert_uint_eq(head.found, found);
	if (found)
		ck_assert_str_eq(text, what);
	else
		ck_assert_msg(str_has_i(text, what), "not \"%s\": %s", what, text);
}

static void LOG_PRINTF(1, 2) use_script(const char *fmt, ...)
{
	char content[1024];
	int n = snprintf(content, sizeof(content), "#!/bin/sh\n");
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(content + n, sizeof(content) - (size_t)n, fmt, ap);
	va_end(ap);
	write_file(script_path, 0700, content);
}

/* Runs until it is killed, with a child and a grandchild. */
static void
use_endless_script(void)
{
	use_script("exec 3>%s\necho running >&3\n/bin/sh -c '/bin/sleep 1000 & wait' &\nwait\n",
	    held_path);
}

static void
wait_until_it_runs(void)
{
	struct pollfd p = {.fd = held, .events = POLLIN};
	char said[16];

	ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
	ck_assert_int_ge(read(held, said, sizeof(said)), 8);
}

/* None of its processes is left. */
static void
wait_until_it_is_gone(void)
{
	struct pollfd p = {.fd = held};
	char c;

	ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
	ck_assert_int_eq(read(held, &c, 1), 0);
}

/* --- honest questions --------------------------------------------------------------------- */

START_TEST(each_gets_what_is_for_it)
{
	ask(7, "b", 587, "me");
	hears(7, true, "fast");
	ask(8, "c", 587, "me");
	hears(8, true, "two");
	ask(9, "c", 25, NULL);
	hears(9, true, "one");
	ask(9, "C", 2525, "you"); /* a number is the runner's own matter */
	hears(9, true, "three");
}
END_TEST

START_TEST(nothing_to_run)
{
	static const char *const hosts[] = {"p", "x", "unknown", "/bin/echo", "b\nmachine p"};

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		ask((uint32_t)i, hosts[i], 587, NULL);
		hears((uint32_t)i, false, "not what the credentials file has");
		ck_assert_ptr_null(strstr(text, "s3cret"));
	}
	ask(6, "b", 587, "you");
	hears(6, false, "not what the credentials file has");
}
END_TEST

/* The file is read for each question. */
START_TEST(file_is_changed)
{
	ask(1, "b", 587, NULL);
	hears(1, true, "fast");
	write_file(path, 0600, "machine b login me command \"/bin/echo faster\"\n");
	ask(2, "b", 587, NULL);
	hears(2, true, "faster");
	write_file(path, 0600, "machine b login me password s3cret\n");
	ask(3, "b", 587, NULL);
	hears(3, false, "any more");
	write_file(path, 0644, "machine b login me command \"/bin/echo fast\"\n");
	ask(4, "b", 587, NULL);
	hears(4, false, "chmod 600");
	write_file(path, 0600, "machine b login me comand \"/bin/echo s3cret\"\n");
	ask(5, "b", 587, NULL);
	hears(5, false, "auth:1: an unknown keyword");
	ck_assert_ptr_null(strstr(text, "s3cret"));
	unlink(path);
	ask(6, "b", 587, NULL);
	hears(6, false, "No such file");
	write_credentials();
	ask(7, "b", 587, NULL);
	hears(7, true, "fast");
}
END_TEST

static const struct {
	const char *script;
	bool found;
	const char *what;
} ends[] = {
    {"exit 3", false, "ended with status 3"},
    {"kill -9 $$", false, "killed by signal 9"},
    {"echo s3cret; while :; do echo 1234567890123456789012345678901234567890; done", false,
	"without end"},
    {"while :; do printf 1234567890123456789012345678901234567890; done", false, "too long"},
    {"sleep 1000", false, "took too long"},
    {"echo s3cret; sleep 1000", false, "took too long"},
    /* one that leaves something behind has said what it had to say; without the end of the line, or
       of the output, that is sure only when its time is over */
    {"echo s3cret; cat <&4 &", true, "s3cret"},
    {"printf s3cret; cat <&4 &", true, "s3cret"},
    {"cat <&4 & exit 3", false, "status 3"},
    {"printf '%08192d' 5", true, NULL},
    {"printf '%08193d' 5", false, "too long"},
};

START_TEST(how_commands_end)
{
	char longest[COMMAND_SECRET_MAX + 1];

	memset(longest, '0', sizeof(longest));
	longest[COMMAND_SECRET_MAX - 1] = '5';
	longest[COMMAND_SECRET_MAX] = '\0';
	use_script("exec 3>%s 4<%s\n%s\n", held_path, go_path, ends[_i].script);
	ask(1, "a", 587, NULL);
	hears(1, ends[_i].found, ends[_i].what != NULL ? ends[_i].what : longest);
	if (!ends[_i].found)
		ck_assert_ptr_null(strstr(text, "s3cret"));
	if (str_has_i(text, "too l") || str_has_i(text, "without end"))
		wait_until_it_is_gone();
	ask(2, "b", 587, NULL);
	hears(2, true, "fast");
}
END_TEST

START_TEST(a_slow_one_holds_up_nobody)
{
	use_endless_script();
	ask(1, "a", 587, NULL);
	wait_until_it_runs();
	ask(2, "b", 587, NULL);
	hears(2, true, "fast");
	ask(3, "b", 587, NULL);
	hears(3, true, "fast");
	hears(1, false, "took too long");
	wait_until_it_is_gone();
}
END_TEST

START_TEST(more_than_run_at_once)
{
	enum { N = 3 * SECRETS_AT_ONCE };
	bool heard[N] = {false};

	use_script("exec 4<%s\nread x <&4\necho $$", go_path);
	for (uint32_t i = 0; i < N; i++)
		ask(i, "a", 587, NULL);
	for (uint32_t i = 0; i < N; i++)
		ck_assert_int_eq(write(go, "\n", 1), 1);
	for (uint32_t i = 0; i < N; i++) {
		hear();
		ck_assert_uint_eq(head.found, 1);
		ck_assert_uint_lt(head.number, N);
		ck_assert(!heard[head.number]);
		heard[head.number] = true;
	}
}
END_TEST

/* --- the end ------------------------------------------------------------------------------ */

START_TEST(runner_ends)
{
	use_endless_script();
	ask(1, "a", 587, NULL);
	wait_until_it_runs();
	helper_end(&h);
	wait_until_it_is_gone();
}
END_TEST

/* So many run that no further question is read: the end is seen all the same. */
START_TEST(runner_ends_while_all_are_busy)
{
	helper_end(&h);
	options.limit_s = 1000;
	ck_assert_int_eq(helper_start(&h, "check", false, auth_helper_serve, &options), 0);
	use_endless_script();
	for (uint32_t i = 0; i < SECRETS_AT_ONCE + 4; i++)
		ask(i, "a", 587, NULL);
	wait_until_it_runs();
	helper_end(&h);
	while (read(held, text, sizeof(text)) > 0)
		;
	wait_until_it_is_gone();
}
END_TEST

/* --- questions of a runner that was taken over -------------------------------------------- */

static const struct {
	const char *data; /* behind the number; the port is little or big */
	size_t n;
} nonsense[] = {
    {"", 0}, {"\1\1\0\0", 4}, /* no host */
    {"\1\1\0\0b", 5}, /* without end */
    {"\1\1\0\0\0", 5}, /* empty */
    {"\1\1\0\0\0me\0", 8}, {"\1\1\0\0b\0me", 8}, {"\1\1\0\0b\0\0", 7},
    {"\1\1\0\0b\0me\0/bin/sh\0", 17}, /* something more */
    {"\1\1\0\0b\0me\0\0", 10}, {"\1\1\1\1b\0me\0", 9}, /* no port has such a number */
};

static void
ends_by_itself(void)
{
	struct pollfd p = {.fd = h.fd, .events = POLLIN};
	char packet[16];

	ck_assert_int_eq(poll(&p, 1, PATIENCE_MS), 1);
	ck_assert_int_le(packet_receive(h.fd, packet, sizeof(packet), NULL), 0);
}

START_TEST(question_that_makes_no_sense)
{
	char packet[64] = "\1\0\0";

	use_endless_script();
	ask(1, "a", 587, NULL);
	wait_until_it_runs();
	memcpy(packet + 4, nonsense[_i].data, nonsense[_i].n);
	ck_assert_int_eq(packet_send(h.fd, packet, 4 + nonsense[_i].n, -1), 0);
	ends_by_itself();
	wait_until_it_is_gone();
}
END_TEST

START_TEST(question_without_end)
{
	static char packet[SECRET_QUESTION_MAX + 1];

	memset(packet + 8, 'a', sizeof(packet) - 9);
	ck_assert_int_eq(packet_send(h.fd, packet, sizeof(packet), -1), 0);
	ends_by_itself();
}
END_TEST

START_TEST(host_that_is_too_long)
{
	static char packet[8 + SECRET_HOST_MAX + 2];

	memset(packet + 8, 'a', sizeof(packet) - 9);
	ck_assert_int_eq(packet_send(h.fd, packet, sizeof(packet), -1), 0);
	ends_by_itself();
}
END_TEST

START_TEST(question_with_a_descriptor)
{
	ck_assert_int_eq(packet_send(h.fd, "\1\0\0\0\0\0\0\0b", 10, 0), 0);
	ends_by_itself();
}
END_TEST

Suite *
suite_auth_helper(void)
{
	Suite *s = suite_create("auth_helper");
	TCase *t = tcase_create("auth_helper");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, each_gets_what_is_for_it);
	tcase_add_test(t, nothing_to_run);
	tcase_add_test(t, file_is_changed);
	tcase_add_loop_test(t, how_commands_end, 0, (int)(sizeof(ends) / sizeof(ends[0])));
	tcase_add_test(t, a_slow_one_holds_up_nobody);
	tcase_add_test(t, more_than_run_at_once);
	tcase_add_test(t, runner_ends);
	tcase_add_test(t, runner_ends_while_all_are_busy);
	tcase_add_loop_test(
	    t, question_that_makes_no_sense, 0, (int)(sizeof(nonsense) / sizeof(nonsense[0])));
	tcase_add_test(t, question_without_end);
	tcase_add_test(t, host_that_is_too_long);
	tcase_add_test(t, question_with_a_descriptor);
	suite_add_tcase(s, t);
	return s;
}
