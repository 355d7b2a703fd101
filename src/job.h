/*
 * job.h: recipients of one message for one site, which is how the queue hands work over.
 *
 * The queue owns jobs; a site holds one from site_add() until it has called `done`. Between, in
 * this order: `begin` once or several times (a job that comes back for another hop begins again;
 * each GO is followed by `pause` or `done`), `settle` at most once a recipient, `done` once.
 * The job may be freed from a later task than the one `done` ran in.
 */
#ifndef JOB_H
#define JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/verdict.h"

struct job;

enum job_answer {
	JOB_GO, /* the lock is held, job->body is open */
	JOB_GONE, /* nothing left to do */
	JOB_BUSY, /* another runner has it: left for a later pass */
};

struct job_ops {
	enum job_answer (*begin)(struct job *j);
	void (*settle)(struct job *j, size_t rcpt, const struct verdict *v);
	void (*pause)(struct job *j); /* the body may be closed; begin comes again */
	void (*done)(struct job *j); /* what is not settled was not tried */
	/* Whether forward() would know today who they are; 0, or -1 and errno. */
	int (*may_forward)(struct job *j, char *const to[], size_t n);
	/* Between GO and pause: queues a copy for these instead. 0: durable, by this call or an earlier
	 * one; or -1 and errno. NULL for those who have no mailboxes. */
	int (*forward)(struct job *j, size_t rcpt, char *const to[], size_t n);
};

struct job_rcpt {
	const char *address;
	size_t index; /* the queue's */
	bool settled;
};

struct job { /* recipients of one message for one site: one transaction */
	struct list link; /* the site's */
	const struct job_ops *ops;
	void *ctx; /* the queue's */
	const char *id, *sender;
	struct job_rcpt *rcpts;
	size_t nrcpts, unsettled;
	size_t rcpts_max; /* at once, as the site has learned; 0: all */
	uint64_t size;
	bool eightbit, no_dots;
	bool verbatim; /* CRLF lines, and no host has left it with a "later" yet: may go by BDAT */
	bool body_wanted; /* for begin: false when it only is to be settled */
	int body; /* descriptor, valid from GO to pause or done; read with pread */
	bool taken; /* some recipient of it was */
	unsigned returned; /* how often a host gave it back */
	int64_t queued_ms; /* handed to the site, reactor time */
	/* for the log, at settle */
	const char *relay; /* "mx.example.net[192.0.2.1]:25"; NULL: no host was reached */
	int64_t begun_ms; /* its transaction began; 0: none did */
	int64_t setup_ms; /* how long the connection took, for the first on it */
};

#endif
