/*
 * sortie_background.c: delivery in the background, by a child that is nobody's business any more.
 */
#include "sortie_background.h"

#include <sys/types.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptors.h"
#include "base/log.h"
#include "runner.h"

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
		descriptors_to_null(false);
		/* whoever reads the other end of a pipe that the caller had open would wait for us */
		descriptors_close(ready[1], true);
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
