/*
 * helper_connect.c: connections to the configuration's lmtp: paths, by a process that may make them.
 *
 * The loop waits for the answer: connecting to a socket in the file system never takes time (one
 * whose queue is full refuses), and the process does nothing else.
 */
#include "helper_impl.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/packet.h"
#include "base/sandbox.h"
#include "base/sys.h"

enum { PATIENCE_MS = 1000 };

/* --- the runner's side --- */

static struct {
	struct helper helper;
	struct helper_paths paths;
	uint32_t number; /* of the last call */
	bool lost; /* it has ended, makes no sense, or could not be started */
} the = {.helper = {.fd = -1, .pid = -1}};

/* Whether *answer is there. errno: EAGAIN, it did not come in time; EPIPE, it never will. */
static bool
await(struct helper_answer *answer, int *fd)
{
	struct pollfd p = {.fd = the.helper.fd, .events = POLLIN};
	ssize_t n;

	do {
		errno = EAGAIN;
		if (poll(&p, 1, PATIENCE_MS) != 1 && errno != EINTR)
			return false;
		n = packet_receive(p.fd, answer, sizeof(*answer), fd);
	} while (n == -1 && errno == EAGAIN);
	if (n == (ssize_t)sizeof(*answer))
		return true;
	if (*fd != -1)
		close(*fd);
	errno = EPIPE;
	return false;
}

/* The descriptor, or -1 and errno: EPIPE, the helper has gone. */
static int
call(uint32_t path)
{
	struct helper_call c = {.number = ++the.number, .path = path};
	struct helper_answer answer;
	int fd;

	if (packet_send(the.helper.fd, &c, sizeof(c), -1) == -1)
		return -1;
	for (;;) {
		if (!await(&answer, &fd))
			return -1;
		if (answer.number == c.number)
			break;
		if (fd != -1) /* nobody waited for it any more */
			close(fd);
	}
	if (answer.error != 0)
		errno = answer.error;
	return fd;
}

static int
connect_path(const char *path)
{
	uint32_t i = 0;
	int fd;

	while (i < the.paths.n && strcmp(the.paths.v[i], path) != 0)
		i++;
	if (i == the.paths.n) {
		errno = EACCES;
		return -1;
	}
	fd = call(i);
	if (fd != -1 || errno != EPIPE)
		return fd;
	/* Where this process is not confined, it can do without. */
	the.lost = true;
	sys.connect_path = sys_libc.connect_path;
	return sys.connect_path(path);
}

static void
add_paths(const struct targets *t, size_t *cap)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i].kind != TARGET_LMTP_PATH)
			continue;
		the.paths.v = xgrow(the.paths.v, the.paths.n, cap, sizeof(*the.paths.v));
		the.paths.v[the.paths.n++] = t->v[i].host;
	}
}

int
helper_connect_begin(const struct config *c)
{
	size_t cap = 0;

	the.lost = false;
	add_paths(&c->relays, &cap);
	add_paths(&c->fallbacks, &cap);
	add_paths(&c->routes, &cap);
	add_paths(&c->local_lmtp, &cap);
	if (the.paths.n == 0)
		return 0;
	the.lost =
	    helper_start(&the.helper, "sortie-lmtp", false, helper_connect_serve, &the.paths) == -1;
	if (the.lost)
		return -1;
	sys.connect_path = connect_path;
	return 0;
}

void
helper_connect_end(void)
{
	if (the.helper.fd != -1)
		sys.connect_path = sys_libc.connect_path;
	helper_end(&the.helper);
	free(the.paths.v);
	the.paths = (struct helper_paths){.v = NULL};
}

bool
helper_connect_lost(void)
{
	return the.lost;
}

pid_t
helper_connect_pid(void)
{
	return the.helper.pid;
}

/* --- the helper's --- */

void
helper_connect_serve(int sock, const void *ctx)
{
	const struct helper_paths *paths = ctx;
	struct helper_call c;

	sandbox_enter(SANDBOX_BROKER, NULL, 0);
	while (
	    packet_receive(sock, &c, sizeof(c), NULL) == (ssize_t)sizeof(c) && c.path < paths->n) {
		int fd = sys.connect_path(paths->v[c.path]);
		struct helper_answer a = {.number = c.number, .error = fd == -1 ? errno : 0};

		if (packet_send(sock, &a, sizeof(a), fd) == -1)
			return;
		if (fd != -1)
			close(fd);
	}
}
