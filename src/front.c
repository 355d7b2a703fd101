/*
 * front.c: the sendmail command without what delivers. It takes mail in and shows the queue by itself;
 * for all else it starts the whole program, which may load what it likes.
 *
 * Loading and initialising OpenSSL takes longer than everything that a submission does, syncs included.
 */
#include <sys/types.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "background.h"
#include "base/log.h"
#include "base/str.h"
#include "deliver.h"
#include "privilege.h"
#include "sortie.h"

extern char **environ;

int
deliver_exec(char **argv)
{
	char path[PATH_MAX];
	const char *whole = program_beside("sortie", path);

	execve(whole, argv, environ);
	fprintf(stderr, "sortie: %s: %s\n", whole, strerror(errno));
	return EX_OSFILE;
}

void
deliver_with_rights(struct program *p)
{
	(void)p;
}

int
deliver_run(struct program *p)
{
	(void)p;
	bug("delivery by a program that cannot");
}

/*
 * The whole program with the configuration and the rights that the caller's options have given us; it
 * lets only root and the spool's owner have this. Comes back only when it cannot be started.
 */
static void
exec_whole(const struct options *o, char *what)
{
	char name[] = "sortie", verbose[] = "-v", rights[] = "-d", conf[] = "-C";
	char *argv[8] = {name, what}, path[PATH_MAX];
	const char *whole = program_beside("sortie", path);
	size_t n = 2;

	if (o->verbose)
		argv[n++] = verbose;
	if (o->as_caller)
		argv[n++] = rights;
	if (o->config != NULL) {
		argv[n++] = conf;
		argv[n++] = (char *)(uintptr_t)o->config;
	}
	execve(whole, argv, environ);
	log_warn("%s: %s; the message waits for a queue run", whole, strerror(errno));
}

/* --- in the foreground -------------------------------------------------------------------- */

static const int passed_on[] = {SIGTERM, SIGINT, SIGHUP};
enum { NSIGNALS = sizeof(passed_on) / sizeof(passed_on[0]) };
static int orders[2];

static void
pass_on(int sig)
{
	int saved = errno;
	char c = (char)sig;

	if (write(orders[1], &c, 1) < 0)
		errno = saved; /* it has ended, or is full of signals not yet seen */
}

static void
wait_for_child(pid_t child)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sigemptyset(&sa.sa_mask);
	sa.sa_handler = pass_on;
	for (size_t i = 0; i < NSIGNALS; i++)
		sigaction(passed_on[i], &sa, NULL);
	while (waitpid(child, NULL, 0) == -1 && errno == EINTR)
		;
}

static bool
make_orders(void)
{
	if (pipe(orders) != 0)
		return false;
	fcntl(orders[0], F_SETFL, O_NONBLOCK);
	fcntl(orders[1], F_SETFL, O_NONBLOCK);
	fcntl(orders[1], F_SETFD, FD_CLOEXEC);
	return true;
}

/*
 * Signals come to us, who pass them on by a pipe: a terminal, or whoever stops a service, would send them to
 * both of us, and two mean more than one. So the child leaves our session, too. What its end was is nothing
 * that our caller has asked for.
 */
void
deliver_one(struct program *p, const char *id)
{
	char what[sizeof("--deliver=4294967295:2147483647:") + ENVELOPE_ID_MAX];
	pid_t child = -1;

	fflush(stdout);
	fflush(stderr);
	if (make_orders() && (child = fork()) == 0) {
		setsid();
		snprintf(what, sizeof(what), "--deliver=%lld:%d:%s", (long long)privilege_caller(),
		    orders[0], id);
		exec_whole(&p->options, what);
		_exit(EX_OSFILE);
	}
	if (child == -1)
		log_warn("cannot start another process: %s; the message waits for a queue run",
		    strerror(errno));
	else
		wait_for_child(child);
}

/* --- in the background -------------------------------------------------------------------- */

/* The lock goes along, so that nobody else begins before the whole program has come to its work. */
static void
exec_for_user(void *ctx, long long uid, int lock)
{
	const struct program *p = ctx;
	char what[64];

	snprintf(what, sizeof(what), "--deliver-for=%lld:%d", uid, lock);
	fcntl(lock, F_SETFD, 0);
	exec_whole(&p->options, what);
}

void
deliver_in_background(struct program *p, long long uid)
{
	background_deliver(p->spool, uid, p->config.path, exec_for_user, p);
}

/*
 * A C library without NSS (make static-front) knows /etc/passwd alone. Whom that has not, in some
 * directory there may be: the whole program asks, and serves him.
 */
static bool
knows_caller(void)
{
#ifdef NO_NSS
	return getpwuid(privilege_caller()) != NULL;
#else
	return true;
#endif
}

int
main(int argc, char **argv)
{
	sortie_safe_start();
	if (!knows_caller())
		(void)deliver_exec(argv); /* without it: as somebody who has no name */
	return sortie_run(argc, argv);
}
