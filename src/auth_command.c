/* auth_command.c: running a command for its first line of output. */
#include "auth_command.h"

#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth_file.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"

enum { POLL_FIRST_MS = 5, POLL_LAST_MS = 500, REAP_MS = 20, REAP_TRIES = 100 };

/* --- the reaper --- */

/* Whether the child is gone. */
static bool
reap(pid_t pid, int *status)
{
	pid_t got;

	while ((got = waitpid(pid, status, WNOHANG)) == -1 && errno == EINTR)
		;
	return got != 0;
}

static void
reap_all(struct reaper *p)
{
	int status;

	for (size_t i = 0; i < p->n;) {
		if (reap(p->pids[i], &status))
			p->pids[i] = p->pids[--p->n];
		else
			i++;
	}
}

static void
on_reap(void *ctx)
{
	struct reaper *p = ctx;

	reap_all(p);
	/* One that a dead file server holds in the kernel must not keep a run from ending. */
	if (p->n > 0 && ++p->tries < REAP_TRIES)
		timer_arm(p->reactor, &p->timer, reactor_now(p->reactor) + REAP_MS);
}

void
reaper_init(struct reaper *p, struct reactor *r)
{
	*p = (struct reaper){.reactor = r};
	timer_init(&p->timer, on_reap, p);
}

static void
reaper_add(struct reaper *p, pid_t pid)
{
	p->pids = xgrow(p->pids, p->n, &p->cap, sizeof(*p->pids));
	p->pids[p->n++] = pid;
	p->tries = 0;
	timer_arm(p->reactor, &p->timer, reactor_now(p->reactor) + REAP_MS);
}

void
reaper_end(struct reaper *p)
{
	timer_disarm(p->reactor, &p->timer);
	reap_all(p);
	free(p->pids);
	p->pids = NULL;
	p->n = p->cap = 0;
}

/* --- the child --- */

/*
 * Between fork(2) and execve(2): only what may be called there. Ignored signals and the mask would
 * outlive execve. Where the program is setuid, the command is the spool's owner's entirely: a
 * shell script would otherwise run as whoever called us.
 */
LOG_NORETURN static void
become(char *const *argv, char *const *env, int out, int null)
{
	static const int ours[] = {SIGHUP, SIGINT, SIGTERM, SIGPIPE, SIGXFSZ, SIGCHLD};
	sigset_t none;

	setpgid(0, 0);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		signal(ours[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (setregid(getegid(), getegid()) == -1 || setreuid(geteuid(), geteuid()) == -1)
		_exit(126);
	if (dup2(null, 0) == -1 || dup2(out, 1) == -1 || chdir("/") == -1)
		_exit(126);
	execve(argv[0], argv, env);
	_exit(errno == ENOENT ? 127 : 126); /* as a shell says it */
}

/* A pipe whose ends do not outlive execve(2); its reading end does not block. -1 and errno. */
static int
make_pipe(int fds[2])
{
	int err;

	if (pipe(fds) == -1)
		return -1;
	if (fcntl(fds[0], F_SETFD, FD_CLOEXEC) != -1 && fcntl(fds[1], F_SETFD, FD_CLOEXEC) != -1 &&
	    fcntl(fds[0], F_SETFL, O_NONBLOCK) != -1)
		return 0;
	err = errno;
	sys.close(fds[0]);
	sys.close(fds[1]);
	errno = err;
	return -1;
}

/* The pipe to read from, and the pid; -1 and errno. */
static int
spawn(char *const *argv, char *const *env, pid_t *pid)
{
	int fds[2], err, null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null == -1)
		return -1;
	if (make_pipe(fds) == -1) {
		err = errno;
		sys.close(null);
		errno = err;
		return -1;
	}
	*pid = fork();
	if (*pid == 0)
		become(argv, env, fds[1], null);
	err = errno;
	if (*pid > 0)
		setpgid(*pid, *pid); /* the child does it too: whoever comes first */
	sys.close(fds[1]);
	sys.close(null);
	if (*pid > 0)
		return fds[0];
	sys.close(fds[0]);
	errno = err;
	return -1;
}

/* --- one command --- */

static void
close_pipe(struct command *c)
{
	watch_remove(c->reactor, &c->watch);
	if (c->fd != -1)
		sys.close(c->fd);
	c->fd = -1;
}

static void
kill_child(struct command *c)
{
	int status;

	if (c->pid == -1)
		return;
	/* Not reaped yet, so the number is still this group's. */
	kill(-c->pid, SIGKILL);
	if (!reap(c->pid, &status))
		reaper_add(c->reaper, c->pid);
	c->pid = -1;
}

/* The end; why NULL: the secret is there. */
static void
finish(struct command *c, const char *why)
{
	timer_disarm(c->reactor, &c->limit);
	timer_disarm(c->reactor, &c->poll);
	close_pipe(c);
	kill_child(c);
	c->state = why == NULL ? COMMAND_DONE : COMMAND_FAILED;
	if (why != NULL) {
		if (why != c->why)
			str_copy(c->why, sizeof(c->why), why);
		xwipe(c->secret, COMMAND_SECRET_MAX + 1);
	}
	c->fn(c->ctx);
}

/* What is wrong with the line that was printed; NULL: nothing. Makes it a string. */
static const char *
take_line(struct command *c)
{
	if (c->n > 0 && c->secret[c->n - 1] == '\r')
		c->n--;
	if (c->n == 0)
		return "printed nothing, or an empty first line";
	if (memchr(c->secret, '\0', c->n) != NULL)
		return "printed something that is not text";
	c->secret[c->n] = '\0';
	return NULL;
}

static const char *
describe(int status, char *dst, size_t size)
{
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;

	if (WIFSIGNALED(status))
		snprintf(dst, size, "was killed by signal %d", WTERMSIG(status));
	else if (code == 127)
		snprintf(dst, size, "was not found (status 127)");
	else if (code == 126)
		snprintf(dst, size, "cannot be executed (status 126)");
	else
		snprintf(dst, size, "ended with status %d", code);
	return dst;
}

/* Whether it has ended; if so, that is the end of the command too. */
static bool
ended(struct command *c)
{
	int status = 0;
	char text[64];

	if (!reap(c->pid, &status))
		return false;
	c->pid = -1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		finish(c, take_line(c));
	else
		finish(c, describe(status, text, sizeof(text)));
	return true;
}

static void
on_poll(void *ctx)
{
	struct command *c = ctx;

	if (c->pid == -1) {
		finish(c, c->why);
		return;
	}
	if (ended(c))
		return;
	timer_arm(c->reactor, &c->poll, reactor_now(c->reactor) + c->poll_ms);
	if (c->poll_ms < POLL_LAST_MS)
		c->poll_ms *= 2;
}

/* Its line is there or will not come: now it is to end. */
static void
await_end(struct command *c)
{
	if (!timer_armed(&c->poll))
		timer_arm(c->reactor, &c->poll, reactor_now(c->reactor) + POLL_FIRST_MS);
}

static void
on_limit(void *ctx)
{
	struct command *c = ctx;

	/* It may have ended while a child of its own holds the pipe open. */
	if (!ended(c))
		finish(c, "took too long, and was killed");
}

/* n more bytes of the first line stand behind what there is, and perhaps of what follows it. */
static void
take_output(struct command *c, size_t n)
{
	char *more = c->secret + c->n, *newline = memchr(more, '\n', n);

	if (newline == NULL) {
		c->n += n;
		return;
	}
	xwipe(newline, (size_t)(more + n - newline));
	c->n = (size_t)(newline - c->secret);
	c->line = true;
	await_end(c);
}

/*
 * What follows the first line is read and thrown away: a program must not die of a closed pipe while it
 * prints the rest of an entry.
 */
static void
on_output(void *ctx, short events)
{
	struct command *c = ctx;
	char rest[4096];
	char *to = c->line ? rest : c->secret + c->n;
	size_t room = c->line ? sizeof(rest) : COMMAND_SECRET_MAX + 1 - c->n;
	ssize_t n = sys.read(c->fd, to, room);

	(void)events;
	if (n == -1 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (n <= 0) {
		close_pipe(c);
		c->line = true;
		await_end(c);
		return;
	}
	c->printed += (size_t)n;
	if (c->line)
		xwipe(rest, (size_t)n);
	else
		take_output(c, (size_t)n);
	if (c->n > COMMAND_SECRET_MAX)
		finish(c, "printed a first line that is too long");
	else if (c->printed > COMMAND_OUTPUT_MAX)
		finish(c, "printed without end, and was killed");
}

void
command_init(struct command *c, struct reactor *r, struct reaper *p, command_fn *fn, void *ctx)
{
	*c = (struct command){.reactor = r, .reaper = p, .fn = fn, .ctx = ctx, .pid = -1, .fd = -1};
	watch_init(&c->watch, on_output, c);
	timer_init(&c->limit, on_limit, c);
	timer_init(&c->poll, on_poll, c);
}

void
command_start(struct command *c, const char *line, char *const *env, int limit_s)
{
	char *copy = xstrdup(line), *argv[AUTH_WORDS_MAX];
	size_t size = strlen(copy);

	if (c->secret == NULL)
		c->secret = xcalloc(1, COMMAND_SECRET_MAX + 1);
	c->state = COMMAND_RUNNING;
	c->n = c->printed = 0;
	c->line = false;
	c->poll_ms = POLL_FIRST_MS;
	if (auth_split(copy, argv, AUTH_WORDS_MAX) == 0)
		str_copy(c->why, sizeof(c->why), "is not a command line");
	else if ((c->fd = spawn(argv, env, &c->pid)) == -1)
		snprintf(c->why, sizeof(c->why), "cannot be started: %s", strerror(errno));
	xwipe(copy, size);
	free(copy);
	if (c->fd == -1) {
		c->pid = -1;
		timer_arm(c->reactor, &c->poll, reactor_now(c->reactor));
		return;
	}
	watch_add(c->reactor, &c->watch, c->fd, POLLIN);
	timer_arm(c->reactor, &c->limit, reactor_now(c->reactor) + (int64_t)limit_s * 1000);
}

void
command_stop(struct command *c)
{
	timer_disarm(c->reactor, &c->limit);
	timer_disarm(c->reactor, &c->poll);
	close_pipe(c);
	kill_child(c);
	if (c->secret != NULL)
		xwipe(c->secret, COMMAND_SECRET_MAX + 1);
	free(c->secret);
	c->secret = NULL;
	c->state = COMMAND_IDLE;
}
