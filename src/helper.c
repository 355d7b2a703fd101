/* helper.c: a helper's birth and end. */
#include "helper.h"

#if defined(__linux__)
#include <sys/prctl.h>
#endif
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/log.h"
#include "base/packet.h"
#include "base/sys.h"
#include "helper_impl.h"

enum { END_FIRST_MS = 1, END_LAST_MS = 64, END_MS = 3000 };

static const int not_for_us[] = {SIGINT, SIGHUP, SIGTERM};
enum { NSIGNALS = sizeof(not_for_us) / sizeof(not_for_us[0]) };

static void
name_process(const char *name)
{
#if defined(__linux__)
	prctl(PR_SET_NAME, name, 0, 0, 0);
#elif defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)
	setproctitle("%s", name);
#else
	(void)name;
#endif
}

/* The new process. mask: what was blocked before the fork. */
LOG_NORETURN static void
live(int sock, const char *name, bool keep_stderr, helper_fn *serve, const void *ctx,
    const sigset_t *mask)
{
	/* The terminal is our caller's: he must not stop us with ^Z, nor answer what a command asks there. */
	setsid();
	for (size_t i = 0; i < NSIGNALS; i++)
		signal(not_for_us[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	descriptors_to_null(keep_stderr);
	descriptors_close(sock, false);
	if (chdir("/") == -1) {
		/* then it holds the file system that it is in */
	}
	sys = sys_libc;
	name_process(name);
	serve(sock, ctx);
	_exit(0);
}

int
helper_start(
    struct helper *h, const char *name, bool keep_stderr, helper_fn *serve, const void *ctx)
{
	sigset_t block, before;
	int ends[2], err;

	*h = (struct helper){.fd = -1, .pid = -1};
	if (packet_pair(ends) == -1)
		return -1;
	/* The runner's handlers write into the runner's pipe: none may run in the new process. */
	sigemptyset(&block);
	for (size_t i = 0; i < NSIGNALS; i++)
		sigaddset(&block, not_for_us[i]);
	sigprocmask(SIG_BLOCK, &block, &before);
	h->pid = fork();
	err = errno;
	if (h->pid == 0)
		live(ends[1], name, keep_stderr, serve, ctx, &before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(ends[1]);
	if (h->pid == -1)
		close(ends[0]);
	else
		h->fd = ends[0];
	errno = err;
	return h->pid == -1 ? -1 : 0;
}

/* Whether it is there no more. */
static bool
reap(pid_t pid)
{
	pid_t got;

	while ((got = waitpid(pid, NULL, WNOHANG)) == -1 && errno == EINTR)
		;
	return got != 0;
}

void
helper_end(struct helper *h)
{
	int waited_ms = 0, step_ms = END_FIRST_MS;

	if (h->fd == -1)
		return;
	close(h->fd);
	h->fd = -1;
	/* A syslogd that is stuck holds it up: then it ends after us. */
	while (!reap(h->pid) && waited_ms < END_MS) {
		poll(NULL, 0, step_ms);
		waited_ms += step_ms;
		if (step_ms < END_LAST_MS)
			step_ms *= 2;
	}
	h->pid = -1;
}

void
helpers_begin(const struct config *c)
{
	if (log_is_syslog() && helper_log_begin() == -1)
		log_warn("no process could be started for the log: %s", strerror(errno));
	if (helper_connect_begin(c) == -1)
		log_warn("no process could be started for lmtp:/ paths: %s", strerror(errno));
}

void
helpers_end(void)
{
	helper_connect_end();
	helper_log_end();
}

bool
helpers_lost(void)
{
	return helper_log_lost() || helper_connect_lost();
}
