/*
 * spool.h: the directories and their transitions; the table of states is at the top of spool.c.
 *
 * A message is its id. Nothing here keeps a message in memory; whoever works on one holds its lock
 * (a descriptor). Errors of the system are -1 and errno; the two that mean something are enums.
 */
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/durable.h"
#include "spool/envelope.h"

struct spool;

/*
 * Opens (and makes, where missing, whatever the umask) the spool at dir. Returns 0, or a sysexits(3)
 * code and a line in why: EX_TEMPFAIL for a spool that is not the effective user's, EX_CANTCREAT,
 * EX_IOERR, EX_CONFIG.
 */
int spool_open(struct spool **out, const char *dir, char *why, size_t whysize);
void spool_close(struct spool **sp);
const char *spool_path(const struct spool *sp);
/* The sharing of syncs in a turn; the queue commits it. */
struct durable_batch *spool_batch(struct spool *sp);

/* --- in: submission (S1 -> S2 -> S3 -> S4) --- */

struct draft {
	char id[ENVELOPE_ID_MAX + 1];
	int fd; /* the body in tmp/, O_RDWR, locked; write through durable_write */
	bool in_msg; /* the body has been moved to msg/ */
};
int draft_open(struct spool *sp, struct draft *d);
/* A second body file to replace the first by (the rewriting pass): same id, the old one is gone
 * when draft_replace_end succeeds; its descriptor is d->fd then. */
int draft_replace_begin(struct spool *sp, const struct draft *d, int *fd);
int draft_replace_end(struct spool *sp, struct draft *d, int fd);
/* Body synced and moved to msg/, control file written from e and linked into ctl/: acceptance.
 * id (NULL: d->id) names the control file; EEXIST when it is there already. On failure nothing is queued. */
int draft_commit(struct spool *sp, struct draft *d, const struct envelope *e, const char *id);
void draft_abort(struct spool *sp, struct draft *d); /* also after commit: then only closes */

/* --- scan --- */

struct spool_entry {
	const char *id;
	int64_t due_at; /* mtime of ctl/ID, a hint */
	uint64_t size;
};
/* Returning false stops the scan. */
typedef bool spool_scan_fn(void *ctx, const struct spool_entry *e);
int spool_scan(struct spool *sp, spool_scan_fn *fn, void *ctx);
/* The uid line of an item without parsing all of it; -1: unknown or gone. */
long long spool_owner(struct spool *sp, const char *id);
/* S2, S3 and unlocked leftovers older than 36 h; now in seconds. */
void spool_clean(struct spool *sp, int64_t now);
int spool_count_corrupt(struct spool *sp, size_t *n);

/* --- one message --- */

enum spool_lock { SPOOL_LOCKED, SPOOL_BUSY, SPOOL_GONE, SPOOL_FAILED /* errno */ };
/* flock on ctl/ID, checked against the name afterwards. *fd is O_RDWR|O_APPEND. */
enum spool_lock spool_lock(struct spool *sp, const char *id, int *fd);
void spool_unlock(int *fd); /* closes; -1 is fine */

enum spool_load {
	SPOOL_LOADED,
	SPOOL_MISSING,
	SPOOL_CORRUPT /* why */,
	SPOOL_UNREADABLE /* errno */
};
/* Reads ctl/ID (fd >= 0: that descriptor) into an envelope that envelope_init() made; *size is the size read. */
enum spool_load spool_load(struct spool *sp, const char *id, int fd, struct envelope *e,
    off_t *size, char *why, size_t whysize);
/* Moves ctl/ID and its body to corrupt/. The lock (fd) is held. One warning with why. */
int spool_quarantine(struct spool *sp, const char *id, const char *msgid, const char *why);

/* Appends progress to the locked control file of size *size (updated) and touches it in the batch if
 * `durable`. ENOSPC and EDQUOT: the ballast is given up and the append tried once more. */
int spool_append(struct spool *sp, int fd, off_t *size, const struct buf *lines, bool durable);
int spool_set_due(int fd, int64_t due_at); /* mtime; a hint, not synced */
/* Writes the control file anew from memory (tmp/, sync, rename): after a failed sync. progress is the text
 * behind the first part. The new file is locked into *newfd before it takes the name. */
int spool_rewrite(struct spool *sp, const char *id, const struct buf *whole, int *newfd);

int spool_open_body(struct spool *sp, const char *msgid); /* O_RDONLY descriptor, or -1 */
/* Done: unlinks ctl/ID, touches ctl/ in the batch. The body is removed by spool_remove_body after the commit. */
int spool_finish(struct spool *sp, const char *id);
int spool_remove_body(struct spool *sp, const char *msgid);

bool spool_ballast_ok(struct spool *sp); /* present, or made again now; false: still full */

/* --- who runs --- */

int spool_wake_open(struct spool *sp); /* the FIFO, O_RDWR|O_NONBLOCK */
void spool_wake(struct spool *sp); /* a byte into it; a reader missing or a full pipe is fine */
void spool_wake_drain(int fd);
/* A runner's lock in run/NAME, never waiting: descriptor; -1 with EWOULDBLOCK: somebody else has it. */
int spool_runner_lock(struct spool *sp, const char *name);
bool spool_runner_present(struct spool *sp, const char *name); /* somebody holds it */

#endif
