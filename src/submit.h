/*
 * submit.h: standard input -> a message made good -> the spool. Durable before it returns 0.
 */
#ifndef SUBMIT_H
#define SUBMIT_H

#include <sys/types.h>

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "spool/spool.h"

/* More of the message: as read(2), but it waits, and -1 means that there is none, whatever the reason. */
typedef ssize_t submit_read_fn(void *ctx, char *buf, size_t n);

struct submit_options {
	const char *hostname; /* FQDN or NULL: the Message-ID and Received then use "localhost" */
	const char *domain; /* completes unqualified addresses; NULL: hostname */
	/* Aliases, masquerading, whether mail goes out; NULL: none of it. */
	const struct config *config;
	const char *login; /* of the real uid; NULL or "": its number serves */
	const char *gecos; /* passwd's field, whose first part is the full name; NULL: none */
	long long uid;
	const char *sender; /* -f; NULL: login */
	const char *full_name; /* -F; NULL: from gecos, if the sender is the login */
	bool from_headers, ignore_dots;
	char **recipients;
	int nrecipients;
	const char *source; /* source_room: what called us, "" unknown */
	uint64_t max_size; /* 0: none */
	int input; /* descriptor to read, 0 */
	submit_read_fn *read; /* reads instead, if not NULL */
	void *read_ctx;
	const char *from, *with; /* Received's words for one that came by SMTP; NULL: it did not */
	/* What another program had queued (ctl/import.h): */
	const char *id; /* the name it gets, which is not queued; NULL: a new one */
	int64_t submitted; /* when that was, seconds since 1970; 0: now */
	bool submitted_once; /* it has its Received line already */
};

/*
 * Returns EX_OK and the id, or a sysexits(3) code with one line in why: EX_USAGE no recipients, EX_DATAERR bad
 * addresses or too large or looping, EX_CONFIG an alias, EX_NOPERM a recipient that mail may not go to,
 * EX_NOINPUT, EX_IOERR, EX_TEMPFAIL, EX_CANTCREAT. When submit_stop becomes nonzero (a signal handler sets it;
 * the read is interrupted) it stops with EX_TEMPFAIL and nothing queued.
 */
extern volatile sig_atomic_t submit_stop;
int submit(struct spool *sp, const struct submit_options *o, char id[ENVELOPE_ID_MAX + 1],
    char *why, size_t whysize);

#endif
