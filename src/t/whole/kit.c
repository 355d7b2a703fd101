#include "kit.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "suites.h"
#include "whole.h"

enum { ARGS_MAX = 32 };

struct kit kit;

void
kit_setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	str_copy(kit.dir, sizeof(kit.dir), "/tmp/sortie-whole.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(kit.dir));
	snprintf(kit.conf, sizeof(kit.conf), "%s/conf", kit.dir);
	snprintf(kit.spool, sizeof(kit.spool), "%s/spool", kit.dir);
	snprintf(kit.log, sizeof(kit.log), "%s/log", kit.dir);
	kit_configure("%s", "");
}

void
kit_teardown(void)
{
	whole_remove(kit.dir);
}

void
kit_configure(const char *fmt, ...)
{
	char more[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(more, sizeof(more), fmt, ap);
	va_end(ap);
	whole_write_file(kit.conf,
	    "hostname here.example\nspool %s\nlog %s\nrefuse none\nretry 1s 1s\n%s\n", kit.spool,
	    kit.log, more);
}

int64_t
kit_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
kit_moment(void)
{
	poll(NULL, 0, 5);
}

static void
wait_readable(int fd, const char *for_what)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	ck_assert_msg(poll(&p, 1, PATIENCE_MS) == 1, "in vain: %s (see %s)", for_what, kit.dir);
}

/* --- the program as a child --------------------------------------------------------------- */

static void
make_pipe(int fds[2])
{
	ck_assert_int_eq(pipe(fds), 0);
	fcntl(fds[0], F_SETFD, FD_CLOEXEC);
	fcntl(fds[1], F_SETFD, FD_CLOEXEC);
}

void
child_start_argv(struct child *c, void (*prepare)(void), const char *const argv[])
{
	child_start_file(c, prepare, kit_program(), argv);
}

void
child_start_file(struct child *c, void (*prepare)(void), const char *path, const char *const argv[])
{
	int in[2], out[2];

	memset(c, 0, sizeof(*c));
	make_pipe(in);
	make_pipe(out);
	c->pid = fork();
	ck_assert_int_ge(c->pid, 0);
	if (c->pid == 0) {
		if (dup2(in[0], 0) != 0 || dup2(out[1], 1) != 1 || dup2(out[1], 2) != 2)
			_exit(126);
		if (prepare != NULL)
			prepare();
		execv(path, (char *const *)(void *)argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	c->in = in[1];
	c->out = out[0];
}

static void
start_va(struct child *c, void (*prepare)(void), const char *arg, va_list ap)
{
	const char *argv[ARGS_MAX] = {"sortie", "-C", kit.conf};
	size_t n = 3;

	for (; arg != NULL; arg = va_arg(ap, const char *)) {
		ck_assert_uint_lt(n, ARGS_MAX - 1);
		argv[n++] = arg;
	}
	child_start_argv(c, prepare, argv);
}

void
child_start(struct child *c, void (*prepare)(void), const char *arg, ...)
{
	va_list ap;

	va_start(ap, arg);
	start_va(c, prepare, arg, ap);
	va_end(ap);
}

void
child_feed(struct child *c, const char *text)
{
	size_t n = strlen(text);

	while (n > 0) {
		ssize_t done = write(c->in, text, n);

		if (done < 0 && errno == EPIPE)
			return; /* it has seen enough */
		ck_assert_int_gt(done, 0);
		text += done;
		n -= (size_t)done;
	}
}

void
child_end_of_input(struct child *c)
{
	if (c->in >= 0)
		close(c->in);
	c->in = -1;
}

void
child_output(struct child *c)
{
	ssize_t n;

	do {
		wait_readable(c->out, "end of the program's output");
		n = read(c->out, c->said + c->nsaid, SAID_MAX - 1 - c->nsaid);
		if (n > 0)
			c->nsaid += (size_t)n;
	} while (n > 0);
	close(c->out);
	c->out = -1;
}

int
child_wait(struct child *c)
{
	int status = 0;

	WAIT_FOR(waitpid(c->pid, &status, WNOHANG) == c->pid);
	child_end_of_input(c);
	if (c->out >= 0)
		child_output(c);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
child_end(struct child *c)
{
	child_end_of_input(c);
	child_output(c);
	return child_wait(c);
}

int
submit(void (*prepare)(void), const char *text, const char *arg, ...)
{
	struct child c;
	va_list ap;

	va_start(ap, arg);
	start_va(&c, prepare, arg, ap);
	va_end(ap);
	child_feed(&c, text);
	return child_end(&c);
}

/* --- the spool ---------------------------------------------------------------------------- */

size_t
files_in(const char *part)
{
	char path[128];
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", kit.spool, part);
	if ((d = opendir(path)) == NULL)
		return 0;
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static struct spool *
open_spool(void)
{
	struct spool *sp;
	char why[256];

	ck_assert_msg(spool_open(&sp, kit.spool, why, sizeof(why)) == 0, "%s", why);
	return sp;
}

static void
fill_one(struct spool *sp, size_t i, long long uid)
{
	struct envelope e;
	struct draft d;
	char text[256], address[64];

	snprintf(text, sizeof(text),
	    "From: <a@whole.example>\r\nMessage-ID: <%zu@whole.example>\r\n\r\nnumber %zu\r\n", i,
	    i);
	snprintf(address, sizeof(address), "%zu@whole.example", i);
	envelope_init(&e);
	e.sender = xstrdup("a@whole.example");
	e.uid = uid;
	e.submitted = time(NULL);
	e.size = strlen(text);
	envelope_add(&e, address);
	ck_assert_int_eq(draft_open(sp, &d), 0);
	ck_assert_int_eq(durable_write(d.fd, text, strlen(text)), 0);
	ck_assert_int_eq(draft_commit(sp, &d, &e, NULL), 0);
	draft_abort(sp, &d);
	envelope_free(&e);
}

static int
no_sync(int fd)
{
	(void)fd;
	return 0;
}

void
fill_spool_for(size_t n, long long uid)
{
	struct spool *sp;

	umask(077);
	sys.fsync = no_sync; /* nothing crashes here */
	sp = open_spool();
	for (size_t i = 0; i < n; i++)
		fill_one(sp, i, uid);
	spool_close(&sp);
	sys.fsync = sys_libc.fsync;
}

void
fill_spool(size_t n)
{
	fill_spool_for(n, (long long)getuid());
}

void
wake_runners(void)
{
	struct spool *sp = open_spool();

	spool_wake(sp);
	spool_close(&sp);
}

static bool
keep_smallest(void *ctx, const struct spool_entry *e)
{
	char *id = ctx;

	if (id[0] == '\0' || strcmp(e->id, id) < 0)
		str_copy(id, ENVELOPE_ID_MAX + 1, e->id);
	return true;
}

int
lock_oldest(void)
{
	struct spool *sp = open_spool();
	char id[ENVELOPE_ID_MAX + 1] = "";
	int fd = -1;

	ck_assert_int_eq(spool_scan(sp, keep_smallest, id), 0);
	ck_assert_int_eq(spool_lock(sp, id, &fd), SPOOL_LOCKED);
	spool_close(&sp);
	return fd;
}

bool
runner_present(const char *name)
{
	struct spool *sp = open_spool();
	bool present = spool_runner_present(sp, name);

	spool_close(&sp);
	return present;
}

char *
file_text(const char *path)
{
	FILE *f = fopen(path, "r");
	struct buf b;
	char *text, part[4096];
	size_t n;

	buf_init(&b, 64 * 1024 * 1024);
	while (f != NULL && (n = fread(part, 1, sizeof(part), f)) > 0)
		buf_add(&b, part, n);
	if (f != NULL)
		fclose(f);
	text = xstrdup(buf_len(&b) > 0 ? buf_str(&b) : "");
	buf_free(&b);
	return text;
}

size_t
count_text(const char *path, const char *text)
{
	char *whole = file_text(path), *at = whole;
	size_t n = 0;

	while ((at = strstr(at, text)) != NULL) {
		n++;
		at += strlen(text);
	}
	free(whole);
	return n;
}

/* Lines look like "Nov 24 06:10:00 host sortie[PID]: text". */
size_t
count_pids(const char *text)
{
	enum { PIDS_MAX = 1000 };
	char *whole = file_text(kit.log), *line = whole, *end;
	long pids[PIDS_MAX];
	size_t n = 0, i;

	for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		const char *at = strstr(line, "sortie[");
		long pid = at != NULL ? strtol(at + strlen("sortie["), NULL, 10) : 0;

		*end = '\0';
		if (pid == 0 || strstr(line, text) == NULL)
			continue;
		for (i = 0; i < n && pids[i] != pid; i++)
			;
		if (i == n && n < PIDS_MAX)
			pids[n++] = pid;
	}
	free(whole);
	return n;
}

/* --- the test as a server ----------------------------------------------------------------- */

int
server_listen(int *port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(listen(fd, 100), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	*port = ntohs(sin.sin_port);
	return fd;
}

bool
server_called(int listener)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

int
server_accept(int listener)
{
	int fd;

	wait_readable(listener, "a connection");
	fd = accept(listener, NULL, NULL);
	ck_assert_int_ge(fd, 0);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

void
server_say(int fd, const char *text)
{
	char line[HEARD_MAX];
	int n = snprintf(line, sizeof(line), "%s\r\n", text);

	ck_assert_int_eq(write(fd, line, (size_t)n), n);
}

const char *
server_hear(int fd, const char *start)
{
	static char line[HEARD_MAX];
	size_t n = 0;

	while (n == 0 || line[n - 1] != '\n') {
		ck_assert_uint_lt(n, sizeof(line) - 1);
		wait_readable(fd, start);
		ck_assert_msg(
		    read(fd, line + n, 1) == 1, "the end instead of %s (see %s)", start, kit.dir);
		n++;
	}
	line[n] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	ck_assert_msg(strncasecmp(line, start, strlen(start)) == 0, "not %s but: %s (see %s)",
	    start, line, kit.dir);
	return line;
}

void
server_greet(int fd)
{
	server_say(fd, "220 whole ESMTP");
	server_hear(fd, "EHLO here.example");
	server_say(fd, "250-whole\r\n250 PIPELINING");
}

void
server_envelope(int fd)
{
	server_hear(fd, "MAIL FROM:<");
	server_say(fd, "250 2.1.0 ok");
	server_hear(fd, "RCPT TO:<");
	server_say(fd, "250 2.1.5 ok");
	server_hear(fd, "DATA");
	server_say(fd, "354 go on");
	while (strcmp(server_hear(fd, ""), ".") != 0)
		;
}

void
server_take(int fd)
{
	server_envelope(fd);
	server_say(fd, "250 2.0.0 taken");
}

void
server_hear_end(int fd)
{
	char c;

	wait_readable(fd, "QUIT or the end");
	if (recv(fd, &c, 1, MSG_PEEK) == 1) {
		server_hear(fd, "QUIT");
		wait_readable(fd, "the end");
		ck_assert_int_le(read(fd, &c, 1), 0);
	}
	close(fd);
}

/* --- the sink ----------------------------------------------------------------------------- */

void
sink_start(struct sink *s, const char *latency_ms)
{
	char port_file[96], output[96];
	const char *const argv[] = {kit.sink, "--latency", latency_ms, "--record", s->record,
	    "--port-file", port_file, NULL};

	snprintf(s->record, sizeof(s->record), "%s/record", kit.dir);
	snprintf(port_file, sizeof(port_file), "%s/port", kit.dir);
	snprintf(output, sizeof(output), "%s/sink", kit.dir);
	s->pid = whole_start(argv, output);
	s->port = whole_wait_for_port(port_file);
}

void
sink_stop(struct sink *s)
{
	whole_stop(s->pid);
}

size_t
sink_messages(const struct sink *s)
{
	return count_text(s->record, "\n");
}

void
sink_has_each_once(const struct sink *s, size_t n)
{
	unsigned *times = xcalloc(n, sizeof(*times));
	char *whole = file_text(s->record), *line = whole, *end;

	for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		unsigned long i = strtoul(line + 1, NULL, 10);

		ck_assert_uint_lt(i, n);
		ck_assert_msg(++times[i] == 1, "message %lu came twice (see %s)", i, kit.dir);
	}
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(times[i] == 1, "message %zu never came (see %s)", i, kit.dir);
	free(whole);
	free(times);
}

/* --- suites ------------------------------------------------------------------------------- */

static TCase *
new_case(Suite *s, const char *name)
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, kit_setup, kit_teardown);
	tcase_set_timeout(t, 3 * PATIENCE_MS / 1000);
	suite_add_tcase(s, t);
	return t;
}

Suite *
whole_suite(const char *name, const TTest *const tests[], size_t n)
{
	Suite *s = suite_create(name);
	TCase *t = new_case(s, name);

	for (size_t i = 0; i < n; i++)
		tcase_add_test(t, tests[i]);
	return s;
}

void
whole_loop(Suite *s, const TTest *test, int n)
{
	tcase_add_loop_test(new_case(s, test->name), test, 0, n);
}

/* --- copies ------------------------------------------------------------------------------- */

const char *
kit_program(void)
{
	return kit.front != NULL ? kit.front : kit.sortie;
}

void
kit_copy_file(const char *path, const char *as)
{
	static char block[65536];
	int from = open(path, O_RDONLY), to = open(as, O_WRONLY | O_CREAT | O_EXCL, 0700);
	ssize_t n;

	ck_assert_int_ge(from, 0);
	ck_assert_int_ge(to, 0);
	while ((n = read(from, block, sizeof(block))) > 0)
		ck_assert_int_eq(write(to, block, (size_t)n), n);
	ck_assert_int_eq(fchmod(to, 0755), 0);
	close(from);
	close(to);
}

void
kit_copy_program(void)
{
	static char sortie[sizeof(kit.dir) + 16], front[sizeof(kit.dir) + 16];

	snprintf(sortie, sizeof(sortie), "%s/sortie", kit.dir);
	snprintf(front, sizeof(front), "%s/sendmail", kit.dir);
	kit_copy_file(kit.sortie, sortie);
	kit.sortie = sortie;
	if (kit.front == NULL)
		return;
	kit_copy_file(kit.front, front);
	kit.front = front;
}

void
kit_remove_program(void)
{
	unlink(kit.sortie);
	if (kit.front != NULL)
		unlink(kit.front);
}
