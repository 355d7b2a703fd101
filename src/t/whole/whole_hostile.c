/*
 * The program as it is against what is not in the spool's own hand: a name server that looks at what it
 * is asked, things of the wrong kind in the spool, callers' options.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <netinet/in.h>
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

/* --- what the name server sees --- */

enum { NAMES = 256, TYPE_A = 1, TYPE_MX = 15, TYPE_AAAA = 28, HEADER = 12 };

static struct {
	size_t n;
	uint16_t id[NAMES], port[NAMES];
} asked;

static int
resolver_listen(int *port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), space = 1 << 20;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &space, sizeof(space));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

/* The type in the question; the name is the first thing there, uncompressed. */
static unsigned
question_type(const uint8_t *q, size_t n)
{
	size_t at = HEADER;

	while (at < n && q[at] != 0)
		at += 1U + q[at];
	ck_assert_uint_lt(at + 4, n);
	return (unsigned)(q[at + 1] << 8 | q[at + 2]);
}

/* Every question is noted, and answered with SERVFAIL, so that there is one for each name. */
static void
answer_what_is_there(int fd)
{
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	uint8_t q[1500];
	ssize_t n;

	while ((n = recvfrom(fd, q, sizeof(q), 0, (struct sockaddr *)&from, &len)) > 0) {
		unsigned type = question_type(q, (size_t)n);

		ck_assert_msg(type == TYPE_MX || type == TYPE_A || type == TYPE_AAAA,
		    "a question of type %u", type);
		if (asked.n < NAMES) {
			asked.id[asked.n] = (uint16_t)(q[0] << 8 | q[1]);
			asked.port[asked.n++] = ntohs(from.sin_port);
		}
		q[2] |= 0x80; /* a response, */
		q[3] = 2; /* SERVFAIL */
		sendto(fd, q, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
}

static int
ascending(const void *a, const void *b)
{
	uint16_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

/* How often the commonest of the values is there. */
static size_t
commonest(uint16_t *v, size_t n)
{
	size_t most = 0, same = 0;

	qsort(v, n, sizeof(*v), ascending);
	for (size_t i = 0; i < n; i++) {
		same = i > 0 && v[i] == v[i - 1] ? same + 1 : 1;
		most = same > most ? same : most;
	}
	return most;
}

/*
 * Nothing about the next one can be told from the last ones: no value and no step between two comes
 * again and again (10 of 256 once in 10^15 at random, also of 28,000 ports), and every bit is as
 * often set as not.
 */
static void
cannot_be_told(const char *what, const uint16_t *v, size_t n, unsigned bits)
{
	uint16_t values[NAMES], steps[NAMES];
	size_t set;

	for (unsigned b = 0; b < bits; b++) {
		set = 0;
		for (size_t i = 0; i < n; i++)
			set += v[i] >> b & 1;
		/* 5.5 standard deviations from the middle */
		ck_assert_msg(set > n / 2 - 44 && set < n / 2 + 44,
		    "%s: bit %u is set in %zu of %zu", what, b, set, n);
	}
	memcpy(values, v, n * sizeof(*v));
	for (size_t i = 1; i < n; i++)
		steps[i] = (uint16_t)(v[i] - v[i - 1]);
	ck_assert_msg(commonest(values, n) < 10, "%s: one value is too common", what);
	ck_assert_msg(commonest(steps + 1, n - 1) < 10, "%s: one step is too common", what);
}

/*
 * A forger who sees none of our packets has to guess id and port (RFC 5452). And what the name server
 * is asked is all that there is: no TLSA, as there is no DANE.
 */
START_TEST(a_forger_must_guess_id_and_port)
{
	static char text[64 * NAMES];
	size_t n = 0;
	struct child c;
	int port, fd = resolver_listen(&port), status = 0;

	kit_configure("nameserver 127.0.0.1:%d", port);
	for (int i = 0; i < NAMES; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "Cc: bob@d%d.example\n", i);
	ck_assert_int_eq(submit(NULL, text, "-odq", "-t", NULL), 0);
	child_start(&c, NULL, "-q", NULL);
	WAIT_FOR((answer_what_is_there(fd), waitpid(c.pid, &status, WNOHANG) == c.pid));
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(asked.n, NAMES);
	cannot_be_told("id", asked.id, NAMES, 16);
	cannot_be_told("port", asked.port, NAMES, 0);
	ck_assert_uint_eq(files_in("ctl"), 1);
	close(fd);
}
END_TEST

/* --- things of the wrong kind in the spool --- */

static const char *
in_spool(const char *part, const char *name)
{
	static char paths[4][256];
	static int next;
	char *p = paths[next++ % 4];

	snprintf(p, sizeof(paths[0]), "%s/%s/%s", kit.spool, part, name);
	return p;
}

/* A control file of ours for a body that is something else. */
static void
write_ctl(const char *id)
{
	whole_write_file(in_spool("ctl", id),
	    "Content-type: application/x-citadel-delivery-list\n\nformat|1\nmsgid|%s\n"
	    "submitted|1764000000\nenvelope_from|a@whole.example\nuid|%lld\nsize|20\n"
	    "remote|b@whole.example|0|\nrecipients|1\n",
	    id, (long long)getuid());
}

/*
 * In place of control files and bodies a FIFO, a device, a symbolic link, a directory, a socket's
 * worth of nothing: nobody waits for them or follows them, the mail is delivered, and each is named in
 * the log.
 */
START_TEST(fifo_device_symlink_and_directory_for_a_message)
{
	char target[128], *before;
	struct child c;
	struct sink s;

	sink_start(&s, "0");
	kit_configure("relay smtp://[127.0.0.1]:%d", s.port);
	fill_spool(3);
	snprintf(target, sizeof(target), "%s/target", kit.dir);
	whole_write_file(target, "not yours\n");
	ck_assert_int_eq(mkfifo(in_spool("ctl", "fifo1"), 0600), 0);
	ck_assert_int_eq(symlink(target, in_spool("ctl", "link1")), 0);
	ck_assert_int_eq(symlink("/dev/zero", in_spool("ctl", "zero1")), 0);
	ck_assert_int_eq(mkdir(in_spool("ctl", "dir1"), 0700), 0);
	write_ctl("fifo2");
	ck_assert_int_eq(mkfifo(in_spool("msg", "fifo2"), 0600), 0);
	write_ctl("link2");
	ck_assert_int_eq(symlink(target, in_spool("msg", "link2")), 0);
	write_ctl("zero2");
	ck_assert_int_eq(symlink("/dev/zero", in_spool("msg", "zero2")), 0);
	write_ctl("dir2");
	ck_assert_int_eq(mkdir(in_spool("msg", "dir2"), 0700), 0);
	child_start(&c, NULL, "-q", NULL);
	ck_assert_int_eq(child_end(&c), 0);
	sink_stop(&s);
	sink_has_each_once(&s, 3);
	before = file_text(target);
	ck_assert_str_eq(before, "not yours\n");
	free(before);
	ck_assert_uint_eq(count_text(kit.log, "4 entries of ctl/ are not files"), 1);
	ck_assert_uint_eq(count_text(kit.log, "2: moved to corrupt/: its body is no file"), 4);
	ck_assert_uint_ge(
	    files_in("corrupt"), 4); /* the control files, and bodies where they may */
	ck_assert_uint_eq(files_in("ctl"), 4);
	child_start(&c, NULL, "-bp", NULL);
	ck_assert_int_eq(child_end(&c), 0);
}
END_TEST

static void
as_nobody(void)
{
	if (setgid(65534) != 0 || setuid(65534) != 0)
		_exit(126);
}

/* Somebody has restored the spool from a backup as root: what the program may not open stays, the rest goes. */
START_TEST(files_of_another_owner)
{
	struct child c;
	struct sink s;

	if (getuid() != 0)
		return;
	sink_start(&s, "0");
	kit_configure("relay smtp://[127.0.0.1]:%d", s.port);
	kit_copy_program();
	ck_assert_int_eq(chown(kit.dir, 65534, 65534), 0);
	ck_assert_int_eq(chmod(kit.conf, 0644), 0);
	ck_assert_int_eq(
	    submit(as_nobody, "Subject: x\n\nx\n", "-odq", "1@whole.example", NULL), 0);
	write_ctl("root1");
	whole_write_file(in_spool("msg", "root1"), "Subject: x\r\n\r\nx\r\n");
	ck_assert_int_eq(chmod(in_spool("ctl", "root1"), 0600), 0);
	ck_assert_int_eq(chmod(in_spool("msg", "root1"), 0600), 0);
	write_ctl("root2"); /* its body alone cannot be read */
	ck_assert_int_eq(chown(in_spool("ctl", "root2"), 65534, 65534), 0);
	whole_write_file(in_spool("msg", "root2"), "Subject: x\r\n\r\nx\r\n");
	ck_assert_int_eq(chmod(in_spool("msg", "root2"), 0600), 0);
	child_start(&c, as_nobody, "-q", NULL);
	child_end(&c);
	ck_assert_uint_eq(sink_messages(&s), 1);
	ck_assert_uint_ge(count_text(kit.log, " root1: "), 1);
	ck_assert_uint_ge(count_text(kit.log, " root2: "), 1);
	ck_assert_uint_eq(files_in("ctl"), 2);
	ck_assert_uint_eq(files_in("msg"), 2);
	ck_assert_uint_eq(files_in("corrupt"), 0);
	sink_stop(&s);
}
END_TEST

/* The pipe that wakes a runner is filled with nonsense, again and again: it is emptied, and mail goes out. */
START_TEST(a_flood_of_wake_ups)
{
	static char bytes[65536];
	struct child c;
	struct sink s;
	size_t all = 0;
	int fd;

	sink_start(&s, "0");
	kit_configure("relay smtp://[127.0.0.1]:%d", s.port);
	child_start(&c, NULL, "-q5m", NULL);
	/* it has its lock before it listens, and looks at the queue only then */
	WAIT_FOR((fd = open(in_spool("", "wake"), O_WRONLY | O_NONBLOCK | O_CLOEXEC)) >= 0);
	while (all < 20 * sizeof(bytes)) {
		ssize_t n = 0;

		WAIT_FOR((n = write(fd, bytes, sizeof(bytes))) > 0);
		all += (size_t)n;
	}
	close(fd);
	fill_spool(1);
	wake_runners();
	WAIT_FOR(sink_messages(&s) == 1);
	kill(c.pid, SIGTERM);
	ck_assert_int_eq(child_end(&c), 0);
	sink_stop(&s);
}
END_TEST

/* --- callers' options --- */

/*
 * A web form that lets its visitor choose the sender's address has often let him choose options: to
 * have sendmail write a transcript, or queue elsewhere (CVE-2016-10033). No file is made.
 */
START_TEST(a_web_form_lets_its_visitor_choose_options)
{
	char transcript[128], folder[128], setting[160], old_setting[160];
	struct stat st;

	snprintf(transcript, sizeof(transcript), "-X%s/x.php", kit.dir);
	snprintf(folder, sizeof(folder), "%s/queue", kit.dir);
	snprintf(setting, sizeof(setting), "-OQueueDirectory=%s", folder);
	snprintf(old_setting, sizeof(old_setting), "-oQ%s", folder);
	ck_assert_int_eq(mkdir(folder, 0777), 0);
	ck_assert_int_eq(
	    submit(NULL, "<?php\n", "-odq", "-t", "-i", "-fx@x", transcript, NULL), EX_USAGE);
	ck_assert_int_eq(
	    submit(NULL, "<?php\n", "-odq", "-t", "-i", "-fx@x", setting, NULL), EX_USAGE);
	ck_assert_int_eq(
	    submit(NULL, "<?php\n", "-odq", "-t", "-i", "-fx@x", old_setting, NULL), EX_USAGE);
	ck_assert_int_eq(rmdir(folder), 0); /* it is empty */
	ck_assert_int_eq(stat(transcript + 2, &st), -1);
	ck_assert_uint_eq(files_in("ctl"), 0);
}
END_TEST

Suite *
suite_whole_hostile(void)
{
	const TTest *const tests[] = {a_forger_must_guess_id_and_port,
	    fifo_device_symlink_and_directory_for_a_message, files_of_another_owner,
	    a_flood_of_wake_ups, a_web_form_lets_its_visitor_choose_options};

	return whole_suite("whole_hostile", tests, sizeof(tests) / sizeof(tests[0]));
}
