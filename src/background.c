/*
 * background.c: delivery in the background, by a child that is nobody's business any more.
 */
#include "background.h"

#include <sys/stat.h>
#include <sys/types.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/log.h"
#include "base/sys.h"

enum { LEAVES_MS = 200 };

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

/*
 * Who has the lock may have read the configuration before it was changed. He has been called, sees that,
 * and lets go. Times of change, which nobody sets: one in the future would make each call wait.
 */
static int
lock_behind(struct spool *sp, const char *name, const char *config)
{
	struct timespec since;
	struct stat st;
	int lock = -1;

	if (config == NULL || stat(config, &st) == -1 || !spool_runner_since(sp, name, &since) ||
	    st.st_ctim.tv_sec < since.tv_sec ||
	    (st.st_ctim.tv_sec == since.tv_sec && st.st_ctim.tv_nsec < since.tv_nsec))
		return -1;
	for (int waited = 0; lock < 0 && waited < LEAVES_MS; waited += LEAVES_MS / 20) {
		(void)sys.poll(NULL, 0, LEAVES_MS / 20);
		lock = spool_runner_lock(sp, name);
	}
	return lock;
}

void
background_deliver(
    struct spool *sp, long long uid, const char *config, background_fn *deliver, void *ctx)
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
		lock = lock_behind(sp, name, config);
	}
	if (lock < 0)
		return;
	start_child(uid, lock, deliver, ctx);
	spool_unlock(&lock); /* the child's copy holds */
}
