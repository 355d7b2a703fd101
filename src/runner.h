/*
 * runner.h: who works the spool, how long, and what stops it.
 */
#ifndef RUNNER_H
#define RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "options.h"
#include "spool/spool.h"

enum runner_kind {
	RUNNER_PASS, /* -q: one pass */
	RUNNER_RESIDENT, /* -q5m: a pass every interval, and when woken */
	RUNNER_USER, /* a submission's background child: mail of one user, and what he submits meanwhile */
	RUNNER_ONE, /* one message, in the foreground */
};

struct runner_options {
	enum runner_kind kind;
	struct spool *spool;
	struct config *config;
	int64_t interval_s; /* RESIDENT */
	long long uid; /* USER */
	int lock; /* USER: run/UID, held; runner_run gives it back */
	const char *id; /* ONE */
	const struct queue_filter *filters; /* PASS */
	size_t nfilters;
	bool progress; /* a line for people, on standard error */
	int orders; /* RESIDENT, ONE: a pipe that brings signals (keeper.h); 0: they come themselves */
};

enum { RUNNER_RELOAD = 100 }; /* none of sysexits(3), and fit for an exit status */

/*
 * Runs until the work is done or a signal ends it. Returns EX_OK, EX_TEMPFAIL (the spool could not
 * be read or written), EX_CONFIG, or RUNNER_RELOAD: a resident runner got SIGHUP, or it needs what it
 * has given up by confining itself, which it does for good, and with it this process.
 */
int runner_run(const struct runner_options *o);

#endif
