/*
 * message_impl.h: what the files of the messages share; nobody else includes it.
 *
 *	message.c		in and out: admission, its jobs
 *	message_lock.c		the lock, the body, and what another runner has recorded
 *	message_outcome.c	what becomes of a recipient, in the control file and the log
 *	message_commit.c	making it durable; closing
 *	message_forward.c	copies for the addresses that a .forward names
 *	message_report.c	what follows in a later turn: bodies go, reports are made
 *
 * A crash at any instruction may repeat a delivery that was in flight; it never loses a message and
 * never forgets a recorded success. So: the control file is open for writing and locked before the
 * first byte goes out; what became of a recipient is appended, or the file unlinked when nothing is
 * left to do, and synced with all else of the turn; the body goes in a later turn than the control
 * file; a failure is durable before its report is made, the report before the failure counts as reported,
 * and that before either of them goes: a report's name is what says after a crash that it was made.
 * A warning of a delay is noted before it is made: a crash may cost it, and never repeats it.
 */
#ifndef MESSAGE_IMPL_H
#define MESSAGE_IMPL_H

#include "message.h"

#include <sys/types.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "job.h"
#include "spool/envelope.h"

enum stage {
	STAGE_WORKING, /* jobs are out */
	STAGE_CLOSING, /* they are done; the commit sees what follows */
	STAGE_REPORT, /* report|N is durable: make it */
	STAGE_WARN, /* tell the sender about the delay */
	STAGE_LEAVING, /* nothing more to do in this pass */
	STAGE_FINISHED, /* unlinked from ctl/ */
};

struct message {
	struct map_node node;
	struct list touched; /* on messages->touched: the commit has to look at it */
	struct list next_stage; /* on messages->staged */
	struct messages *all;
	struct envelope envelope;
	off_t size; /* of the control file, as last seen */
	struct list works;
	size_t jobs, holds, rcpts;
	int fd, body; /* the locked control file; the message; -1: not open */
	struct buf lines; /* progress not appended yet */
	bool durable; /* ... and some of it must be synced */
	bool deferred; /* some recipient was */
	bool attempted; /* ... and some host or route had been tried */
	bool ignore_due, skip, changed;
	bool not_ours; /* some recipient waits for another kind of run */
	bool busy; /* why it is skipped: another has the lock */
	enum stage stage;
	int64_t admitted_ms;
};

enum { BODIES_MAX = 100000, BODIES_MAX_BYTES = 256 * 1024 * 1024 }; /* that wait to be removed */

struct messages {
	struct reactor *reactor;
	struct spool *spool;
	struct sites *sites;
	struct messages_options options;
	struct map by_id;
	struct list touched, staged, bodies;
	size_t nbodies;
	uint64_t body_bytes;
	struct task commit, stages, sweep;
	struct messages_counts counts;
	size_t rcpts;
	bool broken, full;
};

/* message.c */
void message_touch(struct message *m); /* the commit at the end of the turn sees to it */
void message_free(struct message *m);

/* message_lock.c */
bool message_lock(struct message *m); /* the lock is had, and what the file says is known */
bool message_open_body(struct message *m);
void message_drop_lock(struct message *m);
void message_let_go(struct message *m); /* of the lock and the body */

/* message_outcome.c */
void message_settle(struct job *j, size_t rcpt, const struct verdict *v);

/* message_forward.c */
int message_may_forward(struct job *j, char *const to[], size_t n);
int message_forward(struct job *j, size_t rcpt, char *const to[], size_t n);

/* message_commit.c */
void messages_commit(void *messages); /* a task */

/* message_report.c */
void messages_remove_body(
    struct messages *ms, const char *msgid, uint64_t size); /* in a later turn */
/* At once, until so many are left. */
void messages_remove_bodies(struct messages *ms, size_t left, uint64_t bytes_left);
void messages_sweep(void *messages); /* an idle task */
void messages_next_stages(void *messages); /* a task */

#endif
