/*
 * background.c: delivery in the background, by a child that is nobody's business any more.
 */
#include "background.h"

#include <sys/types.h>

#include <errno.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/log.h"

/*
 * The child is detached before the parent exits, so that whoever waits for the parent's pipes or
 * terminal is not kept waiting. Its working directory stays for the moment: names in a configuration
 * that is read again may be relative to it.
 */
static void
start_child(long long uid, int lock, background_fn *deliver, void *ctx)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe(ready) != 0)
		return; /* the message is queued: the next run takes it */
	fflush(stdout);
	fflush(stderr);
	if ((pid = fork()) == 0) {
		setsid();
		descriptors_to_null(false);
		/* whoever reads the other end of a pipe that the caller had open would wait for us */
		descriptors_close(ready[1], true);
		close(ready[1]); /* the parent may go */
		log_verbose(false);
		deliver(ctx, uid, lock);
		_exit(EX_OK);
	}
	close(ready[1]);
	if (pid > 0)
		while (read(ready[0], &c, 1) < 0 && errno == EINTR)
			;
	close(ready[0]);
}

void
background_deliver(struct spool *sp, long long uid, background_fn *deliver, void *ctx)
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
	start_child(uid, lock, deliver, ctx);
	spool_unlock(&lock); /* the child's copy holds */
}
