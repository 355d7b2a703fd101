/*
 * helper.h: small processes that do for a runner what it has given up by confining itself.
 *
 * A helper is forked before that, talks over a socket pair (base/packet.h), and ends when the
 * runner's end is closed, however that came to be. It has its socket and nothing else: descriptors 0 to
 * 2 lead to /dev/null, all others are closed, its folder is /, the system-call table is libc's. It
 * ignores SIGINT, SIGHUP and SIGTERM: what a terminal or a service manager sends to a whole group is
 * for the runner, whose last words have still to be passed on. A packet that makes no sense ends it,
 * so that a runner that was taken over gets nothing out of it but what it is for:
 *
 *	helper_log.c		a finished line of the log -> syslog(3), which finds a restarted syslogd again
 *	helper_connect.c	a number -> a connection to the configuration's lmtp:/path of that number
 *	helper_local.c		a user's name and a message -> his mailbox (local/local.h); it is started
 *				by root's run before that becomes the spool's owner, and stays root
 *	auth_helper.c		a machine and a login -> what the command prints that the credentials file
 *				has for them; auth_new() starts it
 *
 * The first two are processes of their own, because syslog(3) waits for a syslogd that is stuck, and
 * a connection must not. They give up what they can themselves (SANDBOX_BROKER).
 */
#ifndef HELPER_H
#define HELPER_H

#include <sys/types.h>

#include <stdbool.h>

#include "config.h"

/*
 * Starts the log's and the connections' helper if this configuration needs them, and has log.h and
 * sys.connect_path use them. Once its log is open, before threads, secrets or OpenSSL. What cannot
 * be started is warned of: it is done by the process itself then, as long as it may.
 */
void helpers_begin(const struct config *c);
/* Waits until they have done what was asked of them, a few seconds at most. Harmless without them. */
void helpers_end(void);
/* One has ended before its time: a resident runner should begin anew. */
bool helpers_lost(void);

/* --- users' mailboxes --- */

/*
 * Starts the local helper where this configuration wants one and the caller may have one: root, where the file is
 * root's, and whoever runs the program as himself, for his own mailbox alone. Before
 * privilege_as_owner(). It is the run's own child, and is there for one runner after the other (keeper.h).
 */
void helper_local_begin(const struct config *c);
/* Its socket; -1: there is none. why: what is to be said of those whom it does not serve. */
int helper_local(const char **why);
bool helper_local_is_root(void); /* it serves everybody */
void helper_local_end(void);

/* --- for those who have one --- */

struct helper {
	int fd; /* the runner's end: nonblocking, close-on-exec; -1: there is none */
	pid_t pid;
};

/* What the helper does: returns at the end of the socket, or when something made no sense. */
typedef void helper_fn(int sock, const void *ctx);

/*
 * Forks one. name: what ps(1) shows of it on some systems, "sortie-log". keep_stderr: its standard error
 * stays as it is. 0, or -1 and errno.
 */
int helper_start(
    struct helper *h, const char *name, bool keep_stderr, helper_fn *serve, const void *ctx);
/* Closes the socket and waits for the end, a few seconds at most; no zombie stays. fd is -1 then. */
void helper_end(struct helper *h);

#endif
