/*
 * runners.c: who runs. Calls go to runners by the FIFO; a runner's lock in run/ shows that he is there.
 *
 * To ask whether somebody has a lock is to have one for a moment. Who asks takes a shared one, and who
 * means to keep his an exclusive one: so that a lock that is not to be had can be told from a question.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "spool/spool_impl.h"

enum { ASKERS_MS = 200 }; /* for them to be gone */

static const char ANEW[] = "a";

/* --- the wake-up --- */

/* The FIFO; whatever else has its name is refused. */
static int
open_wake(struct spool *sp, int flags)
{
	struct stat st;
	int fd = sys.openat(sp->dir, "wake", flags | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC, 0);

	if (fd >= 0 && (sys.fstat(fd, &st) == -1 || !S_ISFIFO(st.st_mode))) {
		spool_close_fd(&fd);
		errno = EINVAL;
	}
	return fd;
}

int
spool_wake_open(struct spool *sp)
{
	/* Our own writing end: no end-of-file when the last one leaves. */
	return open_wake(sp, O_RDWR);
}

static void
call(struct spool *sp, const char *what)
{
	int fd = open_wake(sp, O_WRONLY); /* ENXIO: nobody reads */

	if (fd == -1)
		return;
	if (sys.write(fd, what, 1) == -1 && errno != EAGAIN && errno != EPIPE)
		log_warn("spool %s: wake: %s", sp->path, strerror(errno));
	spool_close_fd(&fd);
}

void
spool_wake(struct spool *sp)
{
	call(sp, "");
}

void
spool_wake_anew(struct spool *sp)
{
	call(sp, ANEW);
}

bool
spool_wake_drain(int fd)
{
	char bytes[512];
	bool anew = false;
	ssize_t n;

	do {
		n = sys.read(fd, bytes, sizeof(bytes));
		anew |= n > 0 && memchr(bytes, ANEW[0], (size_t)n) != NULL;
	} while (n == (ssize_t)sizeof(bytes));
	return anew;
}

/* --- locks --- */

static int
open_run(struct spool *sp, const char *name, int flags)
{
	struct stat st;
	int run = spool_open_dir(sp->dir, "run"), fd;

	if (run == -1)
		return -1;
	fd = spool_open_file(run, name, flags, &st);
	spool_close_fd(&run);
	return fd;
}

/*
 * A runner's lock keeps a shared one out. Where that can be had, only askers are in the way, who will be
 * gone in a moment; the bound is for one that was stopped in just that.
 */
static int
lock_among_askers(int fd)
{
	for (int tries = 0;; tries++) {
		if (spool_flock(fd, LOCK_EX) == 0)
			return 0;
		if (errno != EWOULDBLOCK || spool_flock(fd, LOCK_SH) == -1)
			return -1;
		(void)spool_flock(fd, LOCK_UN);
		errno = EWOULDBLOCK;
		if (tries == ASKERS_MS)
			return -1;
		(void)sys.poll(NULL, 0, 1);
	}
}

int
spool_runner_lock(struct spool *sp, const char *name)
{
	int fd = open_run(sp, name, O_RDWR | O_CREAT);

	if (fd == -1)
		return -1;
	if ((sp->fix_modes && sys.fchmod(fd, 0600) == -1) || lock_among_askers(fd) == -1)
		spool_close_fd(&fd);
	else
		(void)sys.futimens(fd, NULL); /* for spool_runner_since() */
	return fd;
}

bool
spool_runner_since(struct spool *sp, const char *name, struct timespec *since)
{
	struct stat st;
	int fd = open_run(sp, name, O_RDONLY);
	bool known = fd != -1 && sys.fstat(fd, &st) == 0;

	spool_close_fd(&fd);
	if (known)
		*since = st.st_mtim;
	return known;
}

/* Whether fd is that file, and has come through an exec, which no descriptor of our own does. */
static bool
is_inherited(struct spool *sp, const char *name, int fd)
{
	struct stat st, there;
	int own, flags = fcntl(fd, F_GETFD);
	bool same;

	if (flags == -1 || (flags & FD_CLOEXEC) != 0 || sys.fstat(fd, &st) == -1)
		return false;
	own = open_run(sp, name, O_RDWR);
	same = own >= 0 && sys.fstat(own, &there) == 0 && st.st_dev == there.st_dev &&
	       st.st_ino == there.st_ino;
	spool_close_fd(&own);
	return same;
}

int
spool_runner_adopt(struct spool *sp, const char *name, int fd)
{
	if (!is_inherited(sp, name, fd) || spool_flock(fd, LOCK_EX) == -1)
		return spool_runner_lock(sp, name);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

bool
spool_runner_present(struct spool *sp, const char *name)
{
	int fd = open_run(sp, name, O_RDWR);
	bool present = fd != -1 && spool_is_flocked(fd);

	spool_close_fd(&fd);
	return present;
}
