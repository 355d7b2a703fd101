/*
 * record.h: what an unmodified program does to its spool, in order: names, data, syncs; and between
 * them what it has said and when it has come to rest, which is what it can be held to afterwards.
 *
 * A record begins with the spool as it is, as if all of it were durable, and goes on over any number of
 * runs. It can be replayed on the model of disk.h. The program is watched with tracer.h, so this
 * works where that does; before each of its system calls the receiver has a turn. A call that changes
 * the spool in a way that is not known here ends everything: what is not recorded would not be
 * tested.
 */
#ifndef T_FAULT_RECORD_H
#define T_FAULT_RECORD_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "disk.h"

enum record_kind {
	/* changes and syncs; each happened when its call had returned */
	RECORD_CREATE,
	RECORD_LINK,
	RECORD_RENAME,
	RECORD_UNLINK,
	RECORD_WRITE,
	RECORD_TRUNCATE,
	RECORD_SYNC,
	RECORD_SYNC_FAILED,
	/* what else matters */
	RECORD_SAID, /* the log got the line in data */
	RECORD_REST, /* it waits for the network: a turn of its loop is over */
	RECORD_END, /* the run has ended; at: what wait(2) says */
};

struct record_event {
	enum record_kind kind;
	enum disk_kind made; /* CREATE */
	int inode; /* the file; or the directory of name */
	int other_dir; /* LINK and RENAME: of other, the new name */
	char *name, *other;
	size_t at; /* WRITE: where; TRUNCATE: the new size */
	char *data; /* WRITE, SAID: n bytes, and a NUL */
	size_t n;
	size_t receipts; /* how many the receiver had then */
	char what[160]; /* in words */
};

struct record {
	const char *dir; /* absolute; the spool is dir/spool, the program's log dir/log */
	struct record_event *events;
	size_t n, cap;
	size_t first; /* the first that is not the spool as it was */
	struct record_inode *inodes;
	size_t ninodes, inodes_cap;
	int last; /* inode made */
};

void record_begin(struct record *r, const char *dir);
void record_free(struct record *r);

struct record_run {
	const char *const *argv;
	const char *input, *output; /* files; NULL: /dev/null */
	unsigned kill_at; /* killed before the n-th change or sync of this run; 0: never */
	unsigned fail_sync; /* the n-th sync of this run fails (EIO); 0: none */
	unsigned changes, syncs; /* out: how many it came to */
	int status; /* out: what wait(2) says */
};
void record_run(struct record *r, struct record_run *run);

void record_replay(const struct record *r, size_t event, struct disk *d);

#endif
