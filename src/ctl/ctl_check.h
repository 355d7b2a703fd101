/*
 * ctl_check.h: sortiectl check: what is wrong with an installation, and what to type.
 *
 *	ctl_check.c		the checks in their order; how they report
 *	ctl_check_install.c	what make install and the administrator have made
 *	ctl_check_run.c		spool, queue, log, who runs
 *	ctl_check_network.c	what asks others
 *
 * A check says at least one line. Those that come first look with the caller's rights, at names, owners and
 * modes, never at what a user wrote; the others have the owner's.
 */
#ifndef CTL_CTL_CHECK_H
#define CTL_CTL_CHECK_H

#include <sys/stat.h>

#include <stdbool.h>
#include <stdint.h>

#include "ctl/ctl.h"

#ifndef SORTIEUSER
#define SORTIEUSER "sortie"
#endif

enum check_result { CHECK_OK, CHECK_WARN, CHECK_FAIL };

struct check {
	struct ctl *c;
	const char *program; /* of sortie */
	char folder[1024]; /* where it is */
	char front[1100];
	const char *domain; /* to try; NULL: none */
	bool own; /* an installation of somebody's own: -C or --program */
	bool no_network;
	bool configured; /* the configuration has been read */
	bool spool_there;
	struct stat spool; /* if so */
	char owner[80]; /* for chown(8) */
	int64_t deadline_ms; /* of all that asks others */
	const char *name; /* of the check that is being made */
	char command[2400]; /* what to type, for the next line; "" nothing */
	enum check_result worst, worst_of_this;
	int rc; /* what came in between, and was said */
};

/* What is to be typed, shown below the next line. */
void check_type(struct check *k, const char *fmt, ...) LOG_PRINTF(2, 3);
/* The line; clean when shown. */
void check_say(struct check *k, enum check_result result, const char *fmt, ...) LOG_PRINTF(3, 4);

typedef void check_fn(struct check *k);
check_fn check_config, check_user, check_programs, check_names, check_credentials, check_ca;
check_fn check_spool, check_log, check_runs, check_queue;
check_fn check_hostname, check_nameservers, check_delivery;

#endif
