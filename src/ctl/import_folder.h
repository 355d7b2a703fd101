/*
 * import_folder.h: the folder of somebody else's queue.
 *
 * Root, who imports, becomes the spool's owner before anything of a message is looked at, and he may not
 * read there. So a process of its own is forked first, which opens the folder, becomes the folder's owner
 * (so that no link in it leads where he may not look himself), and opens and removes files by name: all
 * that is in them is read by the one who has given up his rights.
 */
#ifndef CTL_IMPORT_FOLDER_H
#define CTL_IMPORT_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "helper.h"

struct folder {
	struct helper helper;
};

struct folder_file {
	int fd; /* O_RDONLY, at the beginning; the caller's */
	int64_t mtime; /* seconds since 1970 */
	long long uid;
	uint64_t size;
};

/*
 * Before the rights are given up. below: its subfolder of that name, where there is one; NULL: none. 0, or
 * -1 and errno.
 */
int folder_open(struct folder *f, const char *path, const char *below);
void folder_close(struct folder *f); /* what folder_mark() made is gone then */

/* The next entry but those that start with a dot, in the order of their names; false: there is none. */
bool folder_next(struct folder *f, char *name, size_t size);

/*
 * A regular file, not through a symlink. lock: with flock(2), not waiting, and it has that name still:
 * EWOULDBLOCK, ENOENT. It is locked as long as fd is open. 0, or -1 and errno.
 */
int folder_file(struct folder *f, const char *name, bool lock, struct folder_file *file);
int folder_remove(struct folder *f, const char *name); /* one that has gone already is fine */
int folder_sync(struct folder *f);
/* Makes a folder in it that says that somebody works here; until the end, however that comes. */
int folder_mark(struct folder *f, const char *name);
/* Whether somebody reads from the FIFO ../name. */
bool folder_has_reader(struct folder *f, const char *name);

#endif
