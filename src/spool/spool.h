/*
 * spool.h: the directories and their transitions; the table of states is at the top of spool.c.
 *
 * A message is its id, the name of its body in msg/ and of its control file in ctl/. Nothing here keeps
 * a message in memory; whoever works on one holds its lock (a descriptor). Errors of the system are
 * -1 and errno; the two that mean something are enums. SIGPIPE must be ignored.
 */
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "spool/durable.h"
#include "spool/envelope.h"

struct spool;

/*
 * Opens (and makes, where missing, whatever the umask, which must not change later) the spool at dir;
 * its parent must exist. Returns 0, or a sysexits(3) code and a line in why, and *out NULL:
 * EX_TEMPFAIL for a spool that is not the effective user's or a lack of resources, EX_CANTCREAT,
 * EX_CONFIG when something has the wrong type or others may write to it, EX_IOERR.
 */
int spool_open(struct spool **out, const char *dir, char *why, size_t whysize);
void spool_close(struct spool **sp);
/* Makes an empty directory at dir for another user's spool, durably; root alone can. One that is there
 * already is left as it is. 0, or -1 and errno. */
int spool_make(const char *dir, uid_t uid, gid_t gid);
const char *spool_path(const struct spool *sp);
/* The sharing of syncs in a turn; the queue commits it. */
struct durable_batch *spool_batch(struct spool *sp);

/* --- in: submission (S1 -> S2 -> S3 -> S4) --- */

struct draft {
	char id[ENVELOPE_ID_MAX + 1]; /* after draft_commit: the name it is queued under */
	int fd; /* the body in tmp/, O_RDWR, locked; write through durable_write */
	int other; /* the second body, -1: none */
	bool in_msg; /* the body has been moved to msg/ */
	bool keep_body; /* its control file is there, or may be */
};
int draft_open(struct spool *sp, struct draft *d); /* whatever comes, draft_abort() ends it */
/* A second body file to replace the first by (the rewriting pass): same id, the old one is gone
 * when draft_replace_end succeeds; its descriptor is d->fd then. Both are the draft's to close. */
int draft_replace_begin(struct spool *sp, struct draft *d, int *fd);
int draft_replace_end(struct spool *sp, struct draft *d, int fd);
/*
 * Body synced and moved to msg/, control file written from e (but for its msgid, which is the
 * name) and moved into ctl/: acceptance; 0 means durable. The name is d->id, or id where
 * that is not NULL: EEXIST when that is queued already; the caller excludes others who make the same.
 *
 * On failure nothing is queued, with one exception: when the last step, the sync of ctl/, fails and
 * taking the control file back fails too (or a power cut undoes it). Then the message, whole,
 * is delivered although its sender has been told otherwise: better twice than never.
 */
int draft_commit(struct spool *sp, struct draft *d, const struct envelope *e, const char *id);
/* What is queued now stays, whoever put it there: he may have died before his sync. 0, or -1 and errno. */
int spool_sync_queued(struct spool *sp);
void draft_abort(struct spool *sp, struct draft *d); /* also after commit: then only closes */

/* --- scan --- */

struct spool_entry {
	const char *id;
	int64_t due_at; /* mtime of ctl/ID, a hint */
	uint64_t size;
};
/* Returning false stops the scan. */
typedef bool spool_scan_fn(void *ctx, const struct spool_entry *e);
/* -1 when some entry or the rest could not be read; what could be has been passed to fn. */
int spool_scan(struct spool *sp, spool_scan_fn *fn, void *ctx);
/* The same, but for entries that are not worth a look: false from `worth`. */
typedef bool spool_worth_fn(void *ctx, const char *id);
int spool_scan_some(struct spool *sp, spool_worth_fn *worth, spool_scan_fn *fn, void *ctx);
/* The uid line of an item without parsing all of it; -1: unknown or gone. */
long long spool_owner(struct spool *sp, const char *id);
/* Removes S2 and S3 where they are older than 36 h and nobody has a lock; now in seconds. */
void spool_clean(struct spool *sp, int64_t now);
/* Whether it is six hours since this last said so, to whichever process: spool_clean() asks twice
 * about every message, and most passes have better things to do. */
bool spool_clean_due(struct spool *sp, int64_t now);
int spool_count_corrupt(struct spool *sp, size_t *n);

/* --- one message --- */

enum spool_lock { SPOOL_LOCKED, SPOOL_BUSY, SPOOL_GONE, SPOOL_FAILED /* errno */ };
/* flock on ctl/ID, checked against the name afterwards. *fd is O_RDWR|O_APPEND. */
enum spool_lock spool_lock(struct spool *sp, const char *id, int *fd);
/* The same, and how long the file is now that it is locked. */
enum spool_lock spool_lock_sized(struct spool *sp, const char *id, int *fd, off_t *size);
void spool_unlock(int *fd); /* closes; -1 is fine */
/* Whether somebody has it. A runner that wants it in just this moment finds it busy. */
bool spool_is_locked(struct spool *sp, const char *id);

enum spool_load {
	SPOOL_LOADED,
	SPOOL_MISSING,
	SPOOL_CORRUPT /* why */,
	SPOOL_UNREADABLE /* errno */
};
/*
 * Reads ctl/ID into an envelope that envelope_init() made. fd >= 0: the locked descriptor, and the
 * caller means to work on it: lines that were skipped are warned of, a Citadel list gets
 * its end mark. *size is that of the whole lines, what spool_append() wants to know.
 */
enum spool_load spool_load(struct spool *sp, const char *id, int fd, struct envelope *e,
    off_t *size, char *why, size_t whysize);
/* All of ctl/ID as it is, added to text. 0, or -1 and errno. */
int spool_text(struct spool *sp, const char *id, struct buf *text);
/* Moves ctl/ID and its body (msgid NULL: of the same name) to corrupt/ID.ctl and ID.msg. The lock is
 * held. One warning with why. */
int spool_quarantine(struct spool *sp, const char *id, const char *msgid, const char *why);

/*
 * Appends progress to the locked control file, whose whole lines end at *size (updated), and
 * touches it in the batch if `durable`. An unfinished line behind them is cut off first. All of it
 * or nothing. ENOSPC and EDQUOT: the ballast is given up and the append tried once more.
 */
int spool_append(struct spool *sp, int fd, off_t *size, const struct buf *lines, bool durable);
int spool_set_due(int fd, int64_t due_at); /* mtime; a hint, not synced */
/*
 * Writes the control file anew from memory (envelope_write(), envelope_write_progress(); tmp/, sync,
 * rename): after a failed sync. The new file is locked before it takes the name; *newfd, opened with
 * O_APPEND, is -1 unless it has taken it. The caller keeps the old lock until then. 0: durable.
 */
int spool_rewrite(struct spool *sp, const char *id, const struct buf *whole, int *newfd);

/* O_RDONLY descriptor, or -1; how long it is, unless size is NULL. */
int spool_open_body(struct spool *sp, const char *msgid, uint64_t *size);
/* Done: unlinks ctl/ID, touches ctl/ in the batch. The body is removed by spool_remove_body after the commit. */
int spool_finish(struct spool *sp, const char *id);
int spool_remove_body(struct spool *sp, const char *msgid);

bool spool_ballast_ok(struct spool *sp); /* present, or made again now; false: still full */

/* --- small files of state that may be lost, in the spool's own directory --- */

int spool_state_open(struct spool *sp, const char *name); /* O_RDONLY, or -1 */
/*
 * One to append to, whoever else does at the same time (O_APPEND, one write(2) a time), made where it is missing; it
 * stays in its place until it is closed. -1 with EWOULDBLOCK: somebody replaces it and does not get on with it.
 */
int spool_state_append(struct spool *sp, const char *name);
/* The same descriptor for him alone, who means to replace the file. -1 with EWOULDBLOCK: others append, or
 * it is replaced already. */
int spool_state_seize(int fd);
/* A new one to write, mode 0600; it takes the name when it is replaced. Closes fd in any case. */
int spool_state_create(struct spool *sp, const char *name);
int spool_state_replace(struct spool *sp, const char *name, int fd);
void spool_state_forget(
    struct spool *sp, const char *name); /* a new one after all not; errno stays */

/* A folder of them: its descriptor, or -1; made where it is missing, if `make`. */
int spool_state_folder(struct spool *sp, const char *name, bool make);
/*
 * An empty file of that folder, locked, to append to; *made_ms: when it was made. -1: there is none, or somebody
 * else has it, or it is empty no more.
 */
int spool_state_claim(struct spool *sp, const char *folder, const char *name, int64_t *made_ms);

/* --- who runs --- */

int spool_wake_open(struct spool *sp); /* the FIFO, O_RDWR|O_NONBLOCK */
void spool_wake(struct spool *sp); /* a byte into it; a reader missing or a full pipe is fine */
/* The same by somebody who has changed what waits: those that sleep may be due, those passed over free. */
void spool_wake_anew(struct spool *sp);
bool spool_wake_drain(int fd); /* whether one of the calls was such */
/* A runner's lock in run/NAME: its descriptor, to close in the end (the file stays); -1 with
 * EWOULDBLOCK: somebody else has it, and is not waited for. */
int spool_runner_lock(struct spool *sp, const char *name);
/* The same, where fd may be the descriptor that another process had of it, come through an exec. */
int spool_runner_adopt(struct spool *sp, const char *name, int fd);
/* When the last one had it first. */
bool spool_runner_since(struct spool *sp, const char *name, struct timespec *since);
bool spool_runner_present(struct spool *sp, const char *name); /* somebody holds it */

#endif
