/*
 * spool.c: the spool's directories, and the small files beside them.
 *
 *	tmp/ID     being written (body or control file)
 *	msg/ID     the message: CRLF lines, immutable
 *	ctl/ID     the control file: sender, recipients, what became of each, when to try next
 *	corrupt/   what could not be understood, kept for a person
 *	wake       a FIFO;  run/ locks of runners;  ballast  1 MiB to give back when the disk is full
 *
 * A message is in the state that the directories show, and moves between them like this:
 *
 *	S1  -tmp -msg -ctl   nothing
 *	S2  +tmp  .    .     being written                     spool_clean -> S1
 *	S3   .   +msg -ctl   a body without a control file     spool_clean -> S1
 *	S4   .   +msg +ctl   queued: it is ours to deliver
 *	S5   .   -msg +ctl   never made by us: damage          spool_quarantine
 *
 *	S1 -> S2 -> S3 -> S4    draft.c: draft_open, draft_commit
 *	S4 -> S3 -> S1          item.c: spool_finish, then, after the commit, spool_remove_body
 *
 * A crash at any instruction may repeat a delivery that was in flight; it never loses a message and
 * never forgets a recorded success: each arrow is one rename, link or unlink, and what it relies on
 * was synced before.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/sys.h"
#include "spool/spool_impl.h"

enum { BALLAST_SIZE = 1 << 20, BALLAST_BLOCK = 1 << 17 };

/* Why an open failed, on its way to the caller: a sysexits(3) code and a line. */
struct failure {
	char *why;
	size_t size;
	const char *path;
};

/* --- descriptors --- */

void
spool_close_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		sys.close(*fd);
	*fd = -1;
	errno = saved;
}

int
spool_flock(int fd, int op)
{
	int r;

	do
		r = sys.flock(fd, op | LOCK_NB);
	while (r == -1 && errno == EINTR);
	return r;
}

/* A shared lock, so that two who ask at once do not take each other for a runner. */
bool
spool_is_flocked(int fd)
{
	return spool_flock(fd, LOCK_SH) == -1 && errno == EWOULDBLOCK;
}

int
spool_open_dir(int dir, const char *name)
{
	return sys.openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
}

int
spool_open_any(int dir, const char *name, int flags)
{
	return sys.openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
}

int
spool_stat_file(int fd, struct stat *st)
{
	if (sys.fstat(fd, st) == -1)
		return -1;
	if (S_ISREG(st->st_mode))
		return 0;
	errno = EINVAL;
	return -1;
}

int
spool_open_file(int dir, const char *name, int flags, struct stat *st)
{
	int fd = spool_open_any(dir, name, flags);

	if (fd != -1 && spool_stat_file(fd, st) == -1)
		spool_close_fd(&fd);
	return fd;
}

int
spool_create(const struct spool *sp, int dir, const char *name, int flags)
{
	int fd =
	    sys.openat(dir, name, flags | O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int saved;

	if (fd == -1)
		return -1;
	if ((sp->fix_modes && sys.fchmod(fd, 0600) == -1) || spool_flock(fd, LOCK_EX) == -1) {
		saved = errno;
		durable_unlink(dir, name);
		errno = saved;
		spool_close_fd(&fd);
	}
	return fd;
}

/* --- opening --- */

static int fail(const struct failure *f, int code, const char *fmt, ...) LOG_PRINTF(3, 4);

static int
fail(const struct failure *f, int code, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(f->why, f->size, "spool %s: ", f->path);

	va_start(ap, fmt);
	if (n >= 0 && (size_t)n < f->size)
		vsnprintf(f->why + n, f->size - (size_t)n, fmt, ap);
	va_end(ap);
	return code;
}

/* For a call on `what` that failed with errno. */
static int
fail_errno(const struct failure *f, const char *what)
{
	int err = errno;
	const char *text = strerror(err);

	switch (err) {
	case EACCES:
	case EPERM:
		return fail(f, EX_TEMPFAIL,
		    "%s: %s (uid %ld); where the program is setuid, no_new_privs or a nosuid mount "
		    "takes its rights away",
		    what, text, (long)geteuid());
	case ENOENT:
	case EROFS:
		return fail(f, EX_CANTCREAT, "%s: %s", what, text);
	case ENOTDIR:
	case ELOOP:
	case EMLINK: /* FreeBSD's answer to O_NOFOLLOW */
		return fail(f, EX_CONFIG, "%s is not a directory (%s)", what, text);
	case ENOSPC:
	case EDQUOT:
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return fail(f, EX_TEMPFAIL, "%s: %s", what, text);
	default:
		return fail(f, EX_IOERR, "%s: %s", what, text);
	}
}

/* Makes the new directory's name durable, or takes it back. */
static int
sync_parent(const char *path)
{
	char *parent = xstrdup(path), *slash = parent + strlen(parent);
	int fd, r;

	while (slash > parent + 1 && slash[-1] == '/')
		*--slash = '\0';
	slash = strrchr(parent, '/');
	if (slash != NULL)
		slash[slash == parent] = '\0';
	fd = sys.openat(
	    AT_FDCWD, slash == NULL ? "." : parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	free(parent);
	r = fd == -1 ? -1 : durable_sync(fd);
	spool_close_fd(&fd);
	if (r == -1) {
		int saved = errno;

		sys.unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
		errno = saved;
	}
	return r;
}

/* The spool's own directory may be a symlink: an administrator put it there. */
static int
open_top(const char *path)
{
	int fd = sys.openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (sys.mkdirat(AT_FDCWD, path, 0700) == 0) {
		if (sync_parent(path) == -1)
			return -1;
	} else if (errno != EEXIST)
		return -1;
	return sys.openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

int
spool_make(const char *dir, uid_t uid, gid_t gid)
{
	int fd, r;

	if (sys.mkdirat(AT_FDCWD, dir, 0700) == -1)
		return errno == EEXIST ? 0 : -1;
	fd = sys.openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	r = fd == -1 ? -1 : fchown(fd, uid, gid);
	spool_close_fd(&fd);
	return r == -1 ? -1 : sync_parent(dir);
}

/*
 * Not ours: we were meant to run as somebody else. Writable by others: not a spool (perhaps /tmp,
 * by a slip in the configuration), and nothing in it could be believed.
 */
static int
check_top(const struct spool *sp, const struct failure *f)
{
	struct stat st;

	if (sys.fstat(sp->dir, &st) == -1)
		return fail_errno(f, "fstat");
	if (st.st_uid != geteuid())
		return fail(f, EX_TEMPFAIL,
		    "it belongs to uid %ld, but this process is uid %ld; where the program is "
		    "setuid, "
		    "no_new_privs or a nosuid mount takes its rights away",
		    (long)st.st_uid, (long)geteuid());
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return fail(f, EX_CONFIG, "others than its owner may write to it");
	return 0;
}

/* Opens a directory of the spool, made if missing. fd NULL: it only has to be there. */
static int
open_part(struct spool *sp, const char *name, int *fd, bool *made)
{
	int got = spool_open_dir(sp->dir, name);

	if (got == -1 && errno == ENOENT) {
		if (sys.mkdirat(sp->dir, name, 0700) == -1 && errno != EEXIST)
			return -1;
		*made = true;
		got = spool_open_dir(sp->dir, name);
	}
	if (got >= 0 && fd == NULL)
		sys.close(got);
	else if (fd != NULL)
		*fd = got;
	return got == -1 ? -1 : 0;
}

static int
open_parts(struct spool *sp, const struct failure *f, bool *made)
{
	const struct {
		const char *name;
		int *fd;
	} parts[] = {{"tmp", &sp->tmp}, {"msg", &sp->msg}, {"ctl", &sp->ctl}, {"corrupt", NULL},
	    {"run", NULL}};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (open_part(sp, parts[i].name, parts[i].fd, made) == -1)
			return fail_errno(f, parts[i].name);
	return 0;
}

static int
check_wake(struct spool *sp, const struct failure *f, bool *made)
{
	struct stat st;

	if (sys.fstatat(sp->dir, "wake", &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISFIFO(st.st_mode) ? 0 : fail(f, EX_CONFIG, "wake is not a FIFO");
	if (errno != ENOENT || (sys.mkfifoat(sp->dir, "wake", 0600) == -1 && errno != EEXIST))
		return fail_errno(f, "wake");
	*made = true;
	return 0;
}

static int
check_ballast(struct spool *sp, const struct failure *f, bool *missing)
{
	struct stat st;

	if (sys.fstatat(sp->dir, "ballast", &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISREG(st.st_mode) ? 0 : fail(f, EX_CONFIG, "ballast is not a file");
	*missing = errno == ENOENT;
	return *missing ? 0 : fail_errno(f, "ballast");
}

/*
 * The names of all that was made, and of the spool itself: its parent may be one that we cannot read,
 * whoever made the spool in there.
 */
static int
sync_made(struct spool *sp, const struct failure *f)
{
	if (sync_parent(sp->path) == -1 && errno != EACCES)
		return fail_errno(f, "fsync of its parent");
	return durable_sync(sp->dir) == -1 ? fail_errno(f, "fsync") : 0;
}

static int
open_all(struct spool *sp, const struct failure *f)
{
	bool made = false, missing = false;
	int code;

	sp->dir = open_top(sp->path);
	if (sp->dir == -1)
		return fail_errno(f, "the directory");
	code = check_top(sp, f);
	if (code == 0)
		code = open_parts(sp, f, &made);
	if (code == 0)
		code = check_wake(sp, f, &made);
	if (code == 0)
		code = check_ballast(sp, f, &missing);
	/* Without ballast: perhaps another made them, and died before he came to this. */
	if (code == 0 && (made || missing))
		code = sync_made(sp, f);
	if (code == 0 && missing)
		(void)spool_ballast_ok(sp); /* a full disk need not stop a small message */
	return code;
}

int
spool_open(struct spool **out, const char *dir, char *why, size_t whysize)
{
	struct spool *sp = xcalloc(1, sizeof(*sp));
	struct failure f = {.why = why, .size = whysize, .path = dir};
	mode_t old;
	int code;

	sp->path = xstrdup(dir);
	sp->dir = sp->tmp = sp->msg = sp->ctl = -1;
	durable_batch_init(&sp->batch);
	/* With another umask a new directory could not even be opened to repair its mode. */
	old = umask(077);
	sp->fix_modes = (old & 0600) != 0;
	code = open_all(sp, &f);
	umask(old);
	if (code != 0)
		spool_close(&sp);
	*out = sp;
	return code;
}

void
spool_close(struct spool **sp)
{
	if (*sp == NULL)
		return;
	spool_close_fd(&(*sp)->tmp);
	spool_close_fd(&(*sp)->msg);
	spool_close_fd(&(*sp)->ctl);
	spool_close_fd(&(*sp)->dir);
	durable_batch_free(&(*sp)->batch);
	free((*sp)->path);
	free(*sp);
	*sp = NULL;
}

const char *
spool_path(const struct spool *sp)
{
	return sp->path;
}

struct durable_batch *
spool_batch(struct spool *sp)
{
	return &sp->batch;
}

/* --- ballast --- */

/* Noise, so that no file system stores less than was written. */
static int
write_ballast(int fd)
{
	unsigned char *block = xmalloc(BALLAST_BLOCK);
	uint32_t x = 1;
	int r = 0;

	for (size_t i = 0; i < BALLAST_BLOCK; i++) {
		x = x * 1103515245U + 12345U;
		block[i] = (unsigned char)(x >> 16 & 0xff);
	}
	for (int done = 0; r == 0 && done < BALLAST_SIZE; done += BALLAST_BLOCK)
		r = durable_write(fd, block, BALLAST_BLOCK);
	free(block);
	return r == 0 ? durable_sync(fd) : -1;
}

bool
spool_ballast_ok(struct spool *sp)
{
	struct stat st;
	int fd, r;

	if (sys.fstatat(sp->dir, "ballast", &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (S_ISREG(st.st_mode) && st.st_size >= BALLAST_SIZE)
			return true;
		durable_unlink(sp->dir, "ballast"); /* whoever made it did not get to the end */
	}
	fd = spool_create(sp, sp->dir, "ballast", 0);
	if (fd == -1)
		return false;
	r = write_ballast(fd);
	if (r == -1)
		durable_unlink(sp->dir, "ballast");
	spool_close_fd(&fd);
	return r == 0;
}
