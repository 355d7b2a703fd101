/*
 * The helpers of a run that has confined itself: what it logs, and a secret that a command prints.
 * syslog's socket has a fixed place, so the program gets a /dev of its own; that takes root.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#if defined(__linux__)
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#endif

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "kit.h"
#include "suites.h"
#include "whole.h"

static char socket_path[80];

#if defined(__linux__) && defined(SYS_unshare)
enum { OWN_MOUNTS = 0x00020000 }; /* CLONE_NEWNS, which glibc hides */

/* In the child. */
static void
own_dev(void)
{
	if (syscall(SYS_unshare, OWN_MOUNTS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", "/dev", "tmpfs", 0, NULL) != 0 ||
	    mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3)) != 0 ||
	    mknod("/dev/urandom", S_IFCHR | 0444, makedev(1, 9)) != 0 ||
	    symlink(socket_path, "/dev/log") != 0)
		_exit(77);
}
#else
static void
own_dev(void)
{
	_exit(77);
}
#endif

static bool
can_have_dev(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		own_dev();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (status != 0)
		printf("whole_helpers: skipped, only root can give the program a /dev/log\n");
	return status == 0;
}

static int
syslogd_start(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	unlink(socket_path);
	str_copy(un.sun_path, sizeof(un.sun_path), socket_path);
	ck_assert_int_ge(fd, 0);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

/* The next line that syslogd gets with that text. */
static const char *
syslogd_hear(int fd, const char *text)
{
	static char line[HEARD_MAX];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	do {
		ck_assert_msg(poll(&p, 1, PATIENCE_MS) == 1, "in vain: %s", text);
		n = recv(fd, line, sizeof(line) - 1, 0);
		ck_assert_int_gt(n, 0);
		line[n] = '\0';
	} while (strstr(line, text) == NULL);
	return line;
}

static void
configure(const struct sink *s)
{
	snprintf(socket_path, sizeof(socket_path), "%s/syslog", kit.dir);
	whole_write_file(kit.conf,
	    "hostname here.example\nspool %s\nlog syslog\nrefuse none\nretry 1s 1s\n"
	    "relay smtp://[127.0.0.1]:%d\n",
	    kit.spool, s->port);
}

/* As syslog(3) would have written it in the runner itself. */
START_TEST(lines_reach_syslog)
{
	static struct child r;
	struct sink s;
	char ident[64];
	const char *line;
	int fd;

	sink_start(&s, "0");
	configure(&s);
	fd = syslogd_start();
	if (can_have_dev()) {
		fill_spool(2);
		child_start(&r, own_dev, "-q", NULL);
		snprintf(ident, sizeof(ident), " sortie[%ld]: ", (long)r.pid);
		for (int i = 0; i < 2; i++) {
			line = syslogd_hear(fd, "status=sent");
			ck_assert_msg(str_starts(line, "<22>"), "%s", line);
			ck_assert_msg(strstr(line, ident) != NULL, "%s", line);
		}
		ck_assert_int_eq(child_end(&r), 0);
	}
	close(fd);
	sink_stop(&s);
}
END_TEST

START_TEST(syslogd_begins_anew)
{
	static struct child r;
	struct sink s;
	int fd;

	sink_start(&s, "0");
	configure(&s);
	fd = syslogd_start();
	if (can_have_dev()) {
		fill_spool(1);
		child_start(&r, own_dev, "-q1h", NULL);
		syslogd_hear(fd, "status=sent");
		close(fd);
		fd = syslogd_start();
		fill_spool(1);
		wake_runners();
		syslogd_hear(fd, "status=sent");
		kill(r.pid, SIGTERM);
		ck_assert_int_eq(child_end(&r), 0);
	}
	close(fd);
	sink_stop(&s);
}
END_TEST

/* It takes no line for ever: the mail goes all the same. */
START_TEST(syslogd_is_stuck)
{
	enum { N = 1000 };
	static struct child r;
	struct sink s;
	int fd;

	sink_start(&s, "0");
	configure(&s);
	fd = syslogd_start();
	if (can_have_dev()) {
		fill_spool(N);
		child_start(&r, own_dev, "-q", NULL);
		child_end_of_input(&r);
		ck_assert_int_eq(child_wait(&r), 0);
		ck_assert_uint_eq(sink_messages(&s), N);
		ck_assert_uint_eq(files_in("ctl"), 0);
	}
	close(fd);
	sink_stop(&s);
}
END_TEST

/* No program can be run by a run that has confined itself; another process runs the command. */
START_TEST(secret_from_a_command)
{
	static struct child r;
	char path[sizeof(kit.dir) + 8];
	int port, listener = server_listen(&port), fd;

	snprintf(path, sizeof(path), "%s/auth", kit.dir);
	whole_write_file(path, "machine 127.0.0.1 login me command \"/bin/echo geheim\"\n");
	ck_assert_int_eq(chmod(path, 0600), 0);
	kit_configure(
	    "relay smtp://me@[127.0.0.1]:%d\nauth %s\nauth-in-clear 127.0.0.1\ntls 127.0.0.1 none",
	    port, path);
	fill_spool(1);
	child_start(&r, NULL, "-q", NULL);
	fd = server_accept(listener);
	server_say(fd, "220 whole ESMTP");
	server_hear(fd, "EHLO here.example");
	server_say(fd, "250-whole\r\n250 AUTH PLAIN");
	server_hear(fd, "AUTH PLAIN AG1lAGdlaGVpbQ==");
	server_say(fd, "235 2.7.0 it is you");
	server_take(fd);
	ck_assert_int_eq(child_end(&r), 0);
	server_hear_end(fd);
	ck_assert_uint_eq(files_in("ctl"), 0);
	close(listener);
}
END_TEST

Suite *
suite_whole_helpers(void)
{
	const TTest *const tests[] = {
	    lines_reach_syslog, syslogd_begins_anew, syslogd_is_stuck, secret_from_a_command};

	return whole_suite("whole_helpers", tests, sizeof(tests) / sizeof(tests[0]));
}
