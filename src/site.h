/*
 * site.h: one destination (a domain, or a relay): its route, its waiting jobs, its sessions, how
 * well it is doing. And the job, which is how the queue hands work over.
 *
 * The queue owns jobs; a site holds one from site_add() until it has called `done`. Between, in
 * this order: `begin` once or several times (a job that comes back for another hop begins again;
 * each GO is followed by `pause` or `done`), `settle` at most once a recipient, `done` once.
 * The job may be freed from a later task than the one `done` ran in.
 */
#ifndef SITE_H
#define SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/verdict.h"
#include "net/reactor.h"
#include "route.h"

struct job;
struct site;
struct sites;

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
	uint64_t size;
	bool eightbit, no_dots;
	bool body_wanted; /* for begin: false when it only is to be settled */
	int body; /* descriptor, valid from GO to pause or done; read with pread */
	unsigned returned; /* how often a host gave it back */
	int64_t queued_ms; /* handed to the site, reactor time */
	/* for the log, at settle */
	const char *relay; /* "mx.example.net[192.0.2.1]:25"; NULL: no host was reached */
	int64_t begun_ms; /* its transaction began; 0: none did */
	int64_t setup_ms; /* how long the connection took, for the first on it */
};

struct sites_options {
	unsigned sessions, sessions_per_site; /* at once: in all; for a site, and for an address */
	int connect_s;
	int patience_s[SMTP_NWAITS];
	const char *helo; /* NULL: the address literal of the connection's own end */
	const struct sockaddr_storage *bind4, *bind6;
	int64_t idle_ms; /* how long a session without work is kept */
};

struct sites *sites_new(struct reactor *r, struct router *router, const struct sites_options *o);
void sites_free(struct sites **ss); /* after sites_stop() and when sites_busy() is false */

/* A new pass: what was learned about hosts is forgotten; a site still busy keeps its state. */
void sites_new_pass(struct sites *ss);

struct site *sites_find(struct sites *ss, const char *sender, const char *domain);
void site_add(struct site *s, struct job *j); /* first come, first served */
size_t site_waiting(const struct site *s); /* jobs that no session has */
const char *site_name(const struct site *s);

bool sites_busy(const struct sites *ss); /* jobs or sessions are left */
size_t sites_in_flight(const struct sites *ss); /* transactions under way */
size_t sites_sessions(const struct sites *ss); /* open or opening */
void sites_quit_idle(struct sites *ss); /* sessions without work close now */
/* Stop: waiting jobs are done at once, sessions that have not sent a final dot close, the others are
 * waited for. hard: all close now. */
void sites_stop(struct sites *ss, bool hard);

#endif
