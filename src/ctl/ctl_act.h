/*
 * ctl_act.h: doing something to messages while runners work on them: retry, hold, release, remove, bounce.
 *
 *	ctl_act.c	how: selection, locks, commits, waiting, counting
 *	ctl_action.c	what: the five actions
 *
 * It is done under the message's lock and as a runner would do it: lines are appended to the control file,
 * or it is unlinked, synced, and only then its body goes. A runner that has the message in memory sees that
 * the file has grown, or is gone, when it takes the lock.
 */
#ifndef CTL_CTL_ACT_H
#define CTL_CTL_ACT_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "ctl/ctl_list.h"
#include "ctl/ctl_select.h"
#include "spool/envelope.h"

struct item { /* a message, locked */
	const char *id;
	int fd;
	off_t size; /* of the control file */
	struct envelope e;
	struct buf lines; /* to be appended */
	int64_t due_at; /* the hint to go with them; -1: as it is */
	bool remove; /* all of it goes instead */
	size_t recipients; /* those it was done to, where not to all that are open */
};

struct act;

struct ctl_action {
	bool (*concerns)(const struct act *a, const struct envelope *e); /* NULL: every message */
	void (*apply)(
	    struct act *a, struct item *it); /* says what is to be done, does nothing yet */
	void (*log)(
	    const struct act *a, const struct item *it); /* it has been done; NULL: nothing more */
	const char *verb, *done; /* "retry", "retrying" */
	const char *logged; /* "due now"; NULL: as done */
	const char
	    *left; /* what is said of held messages that it does not concern; NULL: nothing */
	bool durable; /* it must survive a power cut; what it does not, nobody misses */
	bool wakes; /* a runner has something to do */
	bool waits; /* for messages that are being delivered */
};

struct act {
	struct ctl *c;
	const struct ctl_action *action;
	struct selection selection;
	bool dry_run;
	struct list list; /* of a dry run */
	size_t seen;
	size_t messages, recipients; /* recipients of others, where only some were meant */
	size_t held; /* were met and left as they are */
	int rc;
	int *fds; /* locked, until the commit */
	size_t nfds;
	char (*bodies)[ENVELOPE_ID_MAX + 1]; /* to be removed after it */
	size_t nbodies;
	char (*busy)[ENVELOPE_ID_MAX + 1]; /* somebody else had the lock */
	size_t nbusy, busy_cap;
	bool again; /* those are looked at again */
	bool broken; /* a sync has failed */
};

int act_run(struct ctl *c, const struct ctl_action *action, int argc, char **argv);

#endif
