/*
 * sortie_background.c: delivery in the background, by a child that is nobody's business any more.
 */
#include "sortie_background.h"

#include <sys/types.h>
#include <sys/resource.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "runner.h"

static void
to_dev_null(void)
{
	int fd = open("/dev/null", O_RDWR);

	if (fd < 0)
		return;
	for (int i = 0; i <= 2; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
}

/* It has come through an exec, and whatever we open is closed by one: that tells them apart. */
static bool
is_inherited(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	return flags != -1 && (flags & FD_CLOEXEC) == 0;
}

/*
 * What the submitter's caller had open besides: whoever reads the other end of a pipe would wait for
 * us. poll(2) says of many descriptors at once which of them are open.
 */
static void
close_inherited(int keep)
{
	enum { BATCH = 256, FD_MAX = 65536 };
	struct pollfd p[BATCH];
	struct rlimit rl;
	int end = FD_MAX;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < FD_MAX)
		end = (int)rl.rlim_cur;
	for (int first = 3; first < end; first += BATCH) {
		int n = end - first < BATCH ? end - first : BATCH;

		for (int i = 0; i < n; i++)
			p[i] = (struct pollfd){.fd = first + i};
		if (poll(p, (nfds_t)n, 0) < 0)
			continue;
		for (int i = 0; i < n; i++)
			if ((p[i].revents & POLLNVAL) == 0 && p[i].fd != keep &&
			    is_inherited(p[i].fd))
				close(p[i].fd);
	}
}

/*
 * The background child delivers mail of its own user until none is left. It is detached before the
 * parent exits, so that whoever waits for the parent's pipes or terminal is not kept waiting.
 */
static void
deliver_as_child(struct spool *sp, struct config *config, long long uid, int lock)
{
	struct runner_options o = {
	    .kind = RUNNER_USER,
	    .spool = sp,
	    .config = config,
	    .uid = uid,
	    .lock = lock,
	};
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready) != 0)
		return; /* the message is queued: the next run takes it */
	fflush(stdout);
	fflush(stderr);
	if ((pid = fork()) == 0) {
		setsid();
		if (chdir("/") != 0)
			log_warn("cannot change to /: %s", strerror(errno));
		to_dev_null();
		close_inherited(ready[1]);
		close(ready[1]); /* the parent may go */
		log_verbose(false);
		_exit(runner_run(&o));
	}
	close(ready[1]);
	if (pid > 0)
		while (read(ready[0], &c, 1) < 0 && errno == EINTR)
			;
	close(ready[0]);
}

void
sortie_deliver_in_background(struct spool *sp, struct config *config, long long uid)
{
	char name[32];
	int lock;

	if (spool_runner_present(sp, "full")) {
		spool_wake(sp);
		return;
	}
	snprintf(name, sizeof(name), "%lld", uid);
	lock = spool_runner_lock(sp, name);
	if (lock < 0) {
		spool_wake(sp);
		return;
	}
	deliver_as_child(sp, config, uid, lock);
	spool_unlock(&lock); /* the child's copy holds */
}
