/* keeper.c: a process that stays, and children that work for it. */
#include "keeper.h"

#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "confine.h"

enum { PAUSE_MS = 60000, STEP_MS = 1000 };

static const int passed_on[] = {SIGTERM, SIGINT, SIGHUP};
enum { NSIGNALS = sizeof(passed_on) / sizeof(passed_on[0]) };

static struct {
	int orders[2];
	volatile sig_atomic_t stopping;
	struct sigaction before[NSIGNALS];
} the = {.orders = {-1, -1}};

static void
on_signal(int sig)
{
	int saved = errno;
	char c = (char)sig;

	if (sig != SIGHUP)
		the.stopping = 1;
	/* A full pipe has signals not yet seen: enough. Otherwise its end says that it is over. */
	if (write(the.orders[1], &c, 1) < 0 && errno != EAGAIN && the.stopping) {
		close(the.orders[1]);
		the.orders[1] = -1;
	}
	errno = saved;
}

int
keeper_begin(void)
{
	struct sigaction sa;

	if (!confine_allowed())
		return 0;
	if (pipe(the.orders) != 0)
		return -1;
	for (int i = 0; i < 2; i++) {
		fcntl(the.orders[i], F_SETFD, FD_CLOEXEC);
		fcntl(the.orders[i], F_SETFL, O_NONBLOCK);
	}
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < NSIGNALS; i++)
		sigaction(passed_on[i], &sa, &the.before[i]);
	return 0;
}

void
keeper_end(void)
{
	if (the.orders[0] == -1)
		return;
	for (size_t i = 0; i < NSIGNALS; i++)
		sigaction(passed_on[i], &the.before[i], NULL);
	for (int i = 0; i < 2; i++) {
		close(the.orders[i]);
		the.orders[i] = -1;
	}
}

/* exit(3), not _exit(2): what looks for leaks, or counts lines, does so there. */
LOG_NORETURN static void
be_child(keeper_fn *fn, void *ctx)
{
	for (size_t i = 0; i < NSIGNALS; i++)
		signal(passed_on[i], SIG_IGN);
	close(the.orders[1]); /* so that the pipe ends with the keeper */
	exit(fn(ctx, the.orders[0]));
}

/* Runs a child to its end. Its wait(2) status, or -1 and errno. */
static int
child(keeper_fn *fn, void *ctx)
{
	int status;
	pid_t pid;

	fflush(stdout);
	fflush(stderr);
	if ((pid = fork()) == 0)
		be_child(fn, ctx);
	if (pid == -1)
		return -1;
	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	return status;
}

bool
keeper_pause(void)
{
	int64_t end = clock_mono_ms() + PAUSE_MS;

	if (!confine_allowed())
		return false;
	/* A signal that comes between looking and waiting costs no more than a step. */
	while (!the.stopping && clock_mono_ms() < end)
		(void)poll(NULL, 0, STEP_MS);
	return !the.stopping;
}

int
keeper_run(keeper_fn *fn, void *ctx)
{
	int status;

	if (!confine_allowed())
		return fn(ctx, 0);
	for (;;) {
		status = child(fn, ctx);
		if (status != -1 && WIFEXITED(status))
			return WEXITSTATUS(status);
		if (status == -1)
			log_warn("cannot start a runner: %s; tried again in %d s", strerror(errno),
			    PAUSE_MS / 1000);
		else
			log_warn("the runner was killed by signal %d; another starts in %d s",
			    WTERMSIG(status), PAUSE_MS / 1000);
		if (!keeper_pause())
			return EX_TEMPFAIL;
	}
}

int
keeper_try(keeper_fn *fn, void *ctx)
{
	int status;

	if (!confine_allowed())
		return fn(ctx, 0);
	status = child(fn, ctx);
	return status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}
