/*
 * disk_impl.h: what the files of the model share.
 */
#ifndef T_FAULT_DISK_IMPL_H
#define T_FAULT_DISK_IMPL_H

#include "disk.h"

struct change { /* of a file */
	bool truncate;
	size_t at, n; /* truncate: at is the new size */
	char *data;
	unsigned when;
	bool doubtful; /* a sync failed on it */
	bool certain; /* and kept only because something doubtful is before it */
};

struct value { /* of a name */
	int inode; /* or DISK_NOTHING */
	unsigned when;
};

struct name {
	char *text;
	struct value *values; /* what it showed at the directory's last sync, and since */
	size_t n, cap;
};

struct inode {
	enum disk_kind kind;
	char *data; /* a file's certain content */
	size_t size;
	uint64_t digest; /* of that */
	struct change *changes;
	size_t nchanges, changes_cap;
	struct name *names; /* a directory's, those that are gone as well */
	size_t nnames, names_cap;
};

/* Something that is not certain: alternative 0 is the oldest, the last is the newest. */
struct unsure {
	int inode; /* the file; or the directory */
	size_t index; /* of its change; or name */
	bool is_name;
	unsigned n; /* alternatives */
};

struct rename {
	int olddir, newdir;
	size_t old, new; /* names */
	unsigned when;
};

struct disk {
	struct inode *inodes;
	size_t n, cap;
	unsigned now; /* counts what was done */
	struct rename *renames;
	size_t nrenames, renames_cap;
	struct unsure *unsure; /* of disk_each_state() */
	size_t nunsure, unsure_cap;
};

/* What may have become of a write. */
enum wrote { ABSENT, FIRST_LINE, HALF, LATER_HALF, HALF_ZEROS, ZEROS, NO_NEWLINE, PRESENT, NWROTE };

/* What the name shows in that state. */
const struct value *disk_shows(const struct disk *d, const disk_state *state, int dir, size_t name);
/* The file's content in that state; the caller frees it. */
char *disk_content(const struct disk *d, const disk_state *state, int file, size_t *size);

#endif
