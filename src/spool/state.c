/*
 * state.c: small files of state that may be lost: replaced as a whole, or appended to.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/sys.h"
#include "spool/spool_impl.h"

enum { REPLACED_MS = 200 }; /* for somebody to have replaced a file that is to be appended to */

/* Its name in tmp/ while it is written; what a crash leaves there is cleaned like anything else. */
static void
state_name(char dst[SPOOL_NAME_MAX + 16], const char *name)
{
	snprintf(dst, SPOOL_NAME_MAX + 16, "%.40s.%ld", name, (long)getpid());
}

int
spool_state_open(struct spool *sp, const char *name)
{
	struct stat st;

	return spool_open_file(sp->dir, name, O_RDONLY, &st);
}

int
spool_state_create(struct spool *sp, const char *name)
{
	char own[SPOOL_NAME_MAX + 16];

	state_name(own, name);
	durable_unlink(sp->tmp, own);
	return spool_create(sp, sp->tmp, own, 0);
}

int
spool_state_replace(struct spool *sp, const char *name, int fd)
{
	char own[SPOOL_NAME_MAX + 16];
	int rc;

	state_name(own, name);
	rc = durable_rename(sp->tmp, own, sp->dir, name);
	spool_close_fd(&fd);
	if (rc == -1)
		spool_state_forget(sp, name);
	return rc;
}

void
spool_state_forget(struct spool *sp, const char *name)
{
	char own[SPOOL_NAME_MAX + 16];
	int err = errno;

	state_name(own, name);
	durable_unlink(sp->tmp, own);
	errno = err;
}

/* It has its name still, as long as nobody who has it alone takes that away. */
static int
state_lock(int fd, int op)
{
	struct stat st;

	if (spool_flock(fd, op) == -1 || sys.fstat(fd, &st) == -1)
		return -1;
	if (st.st_nlink > 0)
		return 0;
	errno = EWOULDBLOCK;
	return -1;
}

int
spool_state_append(struct spool *sp, const char *name)
{
	struct stat st;

	for (int tries = 0;; tries++) {
		int fd = spool_open_file(sp->dir, name, O_RDWR | O_APPEND | O_CREAT, &st);

		if (fd == -1 ||
		    ((!sp->fix_modes || sys.fchmod(fd, 0600) == 0) && state_lock(fd, LOCK_SH) == 0))
			return fd;
		spool_close_fd(&fd);
		if (errno != EWOULDBLOCK || tries == REPLACED_MS)
			return -1;
		(void)sys.poll(NULL, 0, 1);
	}
}

int
spool_state_seize(int fd)
{
	return state_lock(fd, LOCK_EX);
}

/* --- folders of them ---------------------------------------------------------------------- */

int
spool_state_folder(struct spool *sp, const char *name, bool make)
{
	int fd = spool_open_dir(sp->dir, name);

	if (fd >= 0 || errno != ENOENT || !make)
		return fd;
	if (sys.mkdirat(sp->dir, name, 0700) == -1 && errno != EEXIST)
		return -1;
	fd = spool_open_dir(sp->dir, name);
	if (fd >= 0 && sp->fix_modes && sys.fchmod(fd, 0700) == -1)
		spool_close_fd(&fd);
	return fd;
}

int
spool_state_claim(struct spool *sp, const char *folder, const char *name, int64_t *made_ms)
{
	int dir = spool_state_folder(sp, folder, false), fd;
	struct stat st;

	if (dir == -1)
		return -1;
	fd = spool_open_file(dir, name, O_WRONLY | O_APPEND, &st);
	spool_close_fd(&dir);
	if (fd == -1)
		return -1;
	if (state_lock(fd, LOCK_EX) == -1 || sys.fstat(fd, &st) == -1 || st.st_size != 0)
		spool_close_fd(&fd);
	*made_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	return fd;
}
