/*
 * durable.c: the calls that change the disk, finished whatever interrupts them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/sys.h"
#include "spool/durable.h"

int
durable_write(int fd, const void *data, size_t n)
{
	const char *p = data;

	while (n > 0) {
		ssize_t done = sys.write(fd, p, n);

		if (done == -1 && errno == EINTR)
			continue;
		if (done == 0)
			errno = EIO; /* POSIX knows no such answer for a file; do not spin on it */
		if (done <= 0)
			return -1;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

int
durable_sync(int fd)
{
	int r;

	do
		r = sys.fsync(fd);
	while (r == -1 && errno == EINTR);
	return r;
}

int
durable_datasync(int fd)
{
	int r;

	do
		r = sys.fdatasync(fd);
	while (r == -1 && errno == EINTR);
	return r;
}

int
durable_truncate(int fd, off_t size)
{
	int r;

	do
		r = sys.ftruncate(fd, size);
	while (r == -1 && errno == EINTR);
	return r;
}

int
durable_append(int fd, off_t size, const void *data, size_t n)
{
	int why;

	if (durable_write(fd, data, n) == 0)
		return 0;
	why = errno;
	durable_truncate(fd, size);
	errno = why;
	return -1;
}

int
durable_link(int olddir, const char *old, int newdir, const char *new)
{
	int r;

	do
		r = sys.linkat(olddir, old, newdir, new, 0);
	while (r == -1 && errno == EINTR);
	return r;
}

int
durable_rename(int olddir, const char *old, int newdir, const char *new)
{
	int r;

	do
		r = sys.renameat(olddir, old, newdir, new);
	while (r == -1 && errno == EINTR);
	return r;
}

int
durable_unlink(int dir, const char *name)
{
	int r;

	do
		r = sys.unlinkat(dir, name, 0);
	while (r == -1 && errno == EINTR);
	return r == -1 && errno == ENOENT ? 0 : r;
}

void
durable_batch_init(struct durable_batch *b)
{
	*b = (struct durable_batch){.files = NULL};
}

void
durable_batch_free(struct durable_batch *b)
{
	free(b->files);
	durable_batch_init(b);
}

/* Index of fd, or n. From the end: what is touched again was mostly touched just now. */
static size_t
find_last(const int *fds, size_t n, int fd)
{
	for (size_t i = n; i > 0; i--)
		if (fds[i - 1] == fd)
			return i - 1;
	return n;
}

void
durable_touch_file(struct durable_batch *b, int fd)
{
	if (find_last(b->files, b->nfiles, fd) < b->nfiles)
		return;
	b->files = xgrow(b->files, b->nfiles, &b->cap, sizeof(*b->files));
	b->files[b->nfiles++] = fd;
}

void
durable_forget_file(struct durable_batch *b, int fd)
{
	size_t i = find_last(b->files, b->nfiles, fd);

	if (i < b->nfiles)
		b->files[i] = b->files[--b->nfiles];
}

void
durable_touch_dir(struct durable_batch *b, int fd)
{
	if (find_last(b->dirs, b->ndirs, fd) < b->ndirs)
		return;
	if (b->ndirs == sizeof(b->dirs) / sizeof(b->dirs[0]))
		bug("more directories touched than the spool has");
	b->dirs[b->ndirs++] = fd;
}

int
durable_commit(struct durable_batch *b)
{
	int why = 0;

	/* After a failure the others are synced all the same: the less is lost the better. */
	for (size_t i = 0; i < b->nfiles; i++)
		if (durable_datasync(b->files[i]) == -1 && why == 0)
			why = errno;
	for (size_t i = 0; i < b->ndirs; i++)
		if (durable_sync(b->dirs[i]) == -1 && why == 0)
			why = errno;
	b->syncs += b->nfiles + b->ndirs;
	b->nfiles = b->ndirs = 0;
	if (why == 0)
		return 0;
	errno = why;
	return -1;
}
