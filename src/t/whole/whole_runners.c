/*
 * Several runners on one spool, and hosts that do not answer.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kit.h"
#include "suites.h"
#include "whole.h"

/* The sink's n messages, and some that went elsewhere. */
static void
all_is_delivered_once(struct sink *s, size_t n, size_t elsewhere)
{
	sink_stop(s);
	sink_has_each_once(s, n);
	ck_assert_uint_eq(files_in("ctl") + files_in("msg") + files_in("corrupt"), 0);
	ck_assert_uint_eq(count_text(kit.log, "status=sent"), n + elsewhere);
	ck_assert_uint_eq(count_text(kit.log, "warning"), 0);
}

/* A runner's processes: a resident one has a keeper. */
static void
own_group(void)
{
	setpgid(0, 0);
}

static void
stop_group(pid_t pid)
{
	int status;

	ck_assert_int_eq(kill(-pid, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ck_assert(WIFSTOPPED(status));
}

START_TEST(ten_runners)
{
	enum { N = 300, RUNNERS = 10 };
	static struct child r[RUNNERS];
	struct sink s;

	sink_start(&s, "1");
	kit_configure("relay smtp://[127.0.0.1]:%d", s.port);
	fill_spool(N);
	for (size_t i = 0; i < RUNNERS; i++)
		child_start(&r[i], NULL, "-q", NULL);
	for (size_t i = 0; i < RUNNERS; i++)
		ck_assert_int_eq(child_end(&r[i]), 0);
	all_is_delivered_once(&s, N, 0);
}
END_TEST

/* Whoever calls is greeted, and has nothing for us. */
static void
see_off(int listener)
{
	int fd;

	if (!server_called(listener))
		return;
	server_greet(fd = server_accept(listener));
	server_hear_end(fd);
}

/*
 * The one that is stopped keeps its locks: the other leaves those messages alone. One at least there is,
 * because its server, the test, does not answer before the other has done.
 */
START_TEST(stopped_runner)
{
	enum { N = 300 };
	static struct child r[2];
	int port, listener = server_listen(&port), fd, status;
	struct sink s;

	sink_start(&s, "5");
	kit_configure(
	    "route slow.example smtp://[127.0.0.1]:%d\nrelay smtp://[127.0.0.1]:%d", port, s.port);
	ck_assert_int_eq(submit(NULL, "Subject: x\n\nx\n", "-odq", "x@slow.example", NULL), 0);
	fill_spool(N);
	child_start(&r[0], own_group, "-q", NULL);
	server_greet(fd = server_accept(listener));
	server_envelope(fd);
	WAIT_FOR(sink_messages(&s) > 20);
	stop_group(r[0].pid);
	child_start(&r[1], NULL, "-q", NULL);
	WAIT_FOR((see_off(listener), waitpid(r[1].pid, &status, WNOHANG) == r[1].pid));
	ck_assert_int_eq(status, 0);
	ck_assert_uint_gt(files_in("ctl"), 0);
	kill(-r[0].pid, SIGCONT);
	server_say(fd, "250 2.0.0 taken");
	ck_assert_int_eq(child_end(&r[0]), 0);
	server_hear_end(fd);
	all_is_delivered_once(&s, N, 1);
}
END_TEST

/*
 * A user's runner that outlives the start of a full one hears its calls as well; what is not for him
 * must not end with him. The full one is stopped, so that the other is sure to hear it first.
 */
START_TEST(call_reaches_the_full_runner)
{
	long long other = (long long)getuid() + 1;
	static struct child full;
	struct sink s;

	sink_start(&s, "0");
	kit_configure("relay smtp://[127.0.0.1]:%d", s.port);
	ck_assert_int_eq(submit(NULL, "Subject: 1\n\n1\n", "bob@example.net", NULL), 0);
	WAIT_FOR(sink_messages(&s) == 1); /* and now his runner waits for more */
	fill_spool_for(1, other);
	child_start(&full, own_group, "-q5m", NULL);
	WAIT_FOR(sink_messages(&s) == 2 && files_in("msg") == 0);
	stop_group(full.pid);
	fill_spool_for(1, other);
	wake_runners();
	for (int i = 0; i < 10; i++)
		kit_moment();
	kill(-full.pid, SIGCONT);
	WAIT_FOR(sink_messages(&s) == 3);
	kill(full.pid, SIGTERM);
	ck_assert_int_eq(child_end(&full), 0);
	sink_stop(&s);
}
END_TEST

/*
 * A listener whose queue of connections is full: Linux drops SYNs to it, other systems may refuse
 * or take them; either way the mail must come to the next host.
 */
static int
listen_and_never_accept(int *port, int filler[], size_t n)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(listen(fd, 0), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*port = ntohs(sin.sin_port);
	for (size_t i = 0; i < n; i++) {
		filler[i] = socket(AF_INET, SOCK_STREAM, 0);
		fcntl(filler[i], F_SETFD, FD_CLOEXEC);
		fcntl(filler[i], F_SETFL, O_NONBLOCK);
		ck_assert(connect(filler[i], (struct sockaddr *)&sin, sizeof(sin)) == 0 ||
			  errno == EINPROGRESS);
	}
	return fd;
}

START_TEST(first_host_is_silent)
{
	enum { N = 100, FILLERS = 4 };
	int silent, filler[FILLERS], fd;
	struct child r;
	struct sink s;

	fd = listen_and_never_accept(&silent, filler, FILLERS);
	sink_start(&s, "0");
	kit_configure("relay smtp://[127.0.0.1]:%d\nrelay smtp://[127.0.0.1]:%d", silent, s.port);
	fill_spool(N);
	child_start(&r, NULL, "-q", NULL);
	ck_assert_int_eq(child_end(&r), 0);
	all_is_delivered_once(&s, N, 0);
	close(fd);
}
END_TEST

/* A socket in the file system is no machine: neither `default` in the credentials nor `tls` means it. */
START_TEST(local_socket_is_no_machine)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	char path[sizeof(un.sun_path)];
	static struct child r;
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/lmtp", kit.dir);
	snprintf(path, sizeof(path), "%s/auth", kit.dir);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&un, sizeof(un)), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	whole_write_file(path, "default login me password geheim\n");
	ck_assert_int_eq(chmod(path, 0600), 0);
	kit_configure("route net.example lmtp:%s\nauth %s\ntls encrypt", un.sun_path, path);
	ck_assert_int_eq(submit(NULL, "Subject: 1\n\n1\n", "-odq", "bob@net.example", NULL), 0);
	child_start(&r, NULL, "-q", NULL);
	fd = server_accept(listener);
	server_say(fd, "220 whole LMTP");
	server_hear(fd, "LHLO here.example");
	server_say(fd, "250-whole\r\n250 PIPELINING");
	server_take(fd);
	ck_assert_int_eq(child_end(&r), 0);
	server_hear_end(fd);
	ck_assert_uint_eq(files_in("ctl"), 0);
	close(listener);
}
END_TEST

Suite *
suite_whole_runners(void)
{
	const TTest *const tests[] = {ten_runners, stopped_runner, call_reaches_the_full_runner,
	    local_socket_is_no_machine, first_host_is_silent};

	return whole_suite("whole_runners", tests, sizeof(tests) / sizeof(tests[0]));
}
