/*
 * durable.h: write, sync, link, rename, unlink: the only place that makes things durable.
 *
 * All calls go through sys. EINTR is repeated, short writes are finished; errors are -1 and errno.
 * A change to a directory is durable when the directory has been synced afterwards.
 */
#ifndef SPOOL_DURABLE_H
#define SPOOL_DURABLE_H

#include <sys/types.h>

#include <stddef.h>

int durable_write(int fd, const void *data, size_t n); /* all of it, or -1 (a part may be there) */
int durable_sync(int fd); /* fsync: file or directory */
int durable_datasync(int fd);
int durable_truncate(int fd, off_t size);

/*
 * Appends all of it at the end, or leaves the file as it was (ftruncate to size); if even that fails a
 * part stays, as after a crash. fd is O_APPEND, size is its size.
 */
int durable_append(int fd, off_t size, const void *data, size_t n);

int durable_link(int olddir, const char *old, int newdir, const char *new);
int durable_rename(int olddir, const char *old, int newdir, const char *new);
int durable_unlink(int dir, const char *name); /* gone already is fine */

/*
 * What a turn touched: each control file is fdatasync()ed once, each directory fsync()ed once.
 * A failed sync is never repeated and believed. A touched descriptor stays open until the commit
 * (or durable_forget_file(), for one that need not be durable any more).
 */
struct durable_batch {
	int *files;
	size_t nfiles, cap;
	int dirs[4];
	size_t ndirs;
	unsigned long long syncs; /* made so far, for the figures */
};
void durable_batch_init(struct durable_batch *b);
void durable_batch_free(struct durable_batch *b);
void durable_touch_file(struct durable_batch *b, int fd);
void durable_forget_file(struct durable_batch *b, int fd);
void durable_touch_dir(struct durable_batch *b, int fd);
/* 0; or -1 and errno of the first failure: all of the batch counts as not durable. Empties it. */
int durable_commit(struct durable_batch *b);

#endif
