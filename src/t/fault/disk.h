/*
 * disk.h: what a disk may hold after a power cut, given what was done to it and what was synced.
 *
 * The weakest file system that still keeps the letter of POSIX (fsync(), fdatasync()):
 *
 *	- What was in a file when a sync of it ended well is certain. Each later change may be there, or
 *	  not, or in part, whatever became of the others: a write may have left its beginning, its end
 *	  or nothing but zeros (the size reached the disk and the data did not, as with delayed
 *	  allocation on ext4 and XFS), and a later write may be there when an earlier is not.
 *	- fdatasync() is as good as fsync() for a file: both cover data and size. Neither covers the
 *	  file's name (Linux, fsync(2): "For that an explicit fsync() on a file descriptor for the
 *	  directory is also needed").
 *	- A name in a directory shows what it showed at the directory's last sync or anything that it
 *	  has shown since, each name for itself. So a rename may be there with both of its names; but
 *	  not with neither: ext4, XFS, btrfs and ZFS put it into one transaction, FFS enters the new
 *	  name before it takes the old one out (ext2 promises nothing, and is no place for a spool).
 *	- A sync that failed may have thrown away what it was to write, and a later one that ends well
 *	  says nothing about that (Linux marks the pages clean); for directories nothing is assumed.
 *
 * What a name shows is one of its values, never garbage: all of these keep their metadata in order with a
 * journal, soft updates or fsck. Times and modes are not modelled.
 */
#ifndef T_FAULT_DISK_H
#define T_FAULT_DISK_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct disk;

enum disk_kind { DISK_FILE, DISK_DIR, DISK_FIFO };
enum { DISK_ROOT = 0, DISK_NOTHING = -1 }; /* inodes: the root; what a name without a file shows */

struct disk *disk_new(void); /* with an empty root */
void disk_free(struct disk **d);

/* --- what is done to it. Inodes are numbered in the order in which they are made. --- */

int disk_create(struct disk *d, int dir, const char *name, enum disk_kind kind);
int disk_lookup(const struct disk *d, int dir, const char *name); /* as it is now */
void disk_link(struct disk *d, int olddir, const char *old, int newdir, const char *new);
void disk_rename(struct disk *d, int olddir, const char *old, int newdir, const char *new);
void disk_unlink(struct disk *d, int dir, const char *name);
void disk_write(struct disk *d, int file, size_t at, const void *data, size_t n);
void disk_truncate(struct disk *d, int file, size_t size);
void disk_sync(struct disk *d, int inode);
void disk_sync_failed(struct disk *d, int inode);

/* --- what may be there after a cut now --- */

/* One alternative for each thing that is not certain, in an order of disk.c's own; until the disk is
 * changed. */
typedef unsigned char disk_state;
typedef void disk_state_fn(void *ctx, const disk_state *state);

/*
 * Calls fn for the states there may be: for every one when they are at most `most`; otherwise
 * for the oldest and the newest, for those in which one thing alone differs from them, for those
 * that come of a cut in order or backwards, and then for random ones (the same for the same seed),
 * in all about `most`. Different states may be the same tree.
 */
void disk_each_state(struct disk *d, size_t most, uint64_t seed, disk_state_fn *fn, void *ctx);

uint64_t disk_digest(const struct disk *d, const disk_state *state); /* of the tree that it shows */
/* Makes that tree in an empty folder. */
void disk_make(const struct disk *d, const disk_state *state, const char *folder);
/* What of the newest is missing in it, a line each. */
void disk_describe(const struct disk *d, const disk_state *state, FILE *out);

#endif
