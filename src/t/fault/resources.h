/*
 * resources.h: what the files of the program `resources` share: the unmodified program with too
 * little of something, against two sinks, of which one puts every recipient off once.
 *
 * Each message has two recipients, N@ok.example and N@later.example. What must be true of it:
 *	- its submission ended with 0, or in some other way with one line that says why;
 *	- in the first case each recipient gets it, in the end, when there is enough again;
 *	- in the second nobody gets it, unless the program was killed, and so could not say;
 *	- twice it comes only to whoever got it from a run that did not end with 0.
 */
#ifndef T_FAULT_RESOURCES_H
#define T_FAULT_RESOURCES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"

enum { POST_PATH_MAX = 200 };

struct post {
	const char *sortie, *sink; /* paths */
	char dir[64];
	char spool[POST_PATH_MAX]; /* where the next configuration puts it */
	unsigned others; /* more recipients of each message, so many */
	bool keep; /* the directory stays */
};
extern struct post post;

struct tally {
	unsigned points, lost, duplicated, other;
	unsigned repeated; /* where that is allowed */
};

/* Starts the sinks and makes the directory; post.sortie and post.sink are set. */
void post_begin(void);
void post_end(void);
void post_configure(void); /* anew, for post.spool */

/* What a child does to itself before the program is run; NULL: nothing. */
typedef void post_prepare_fn(void);

/* Submits the next message, "-odq" say. Whether it was accepted. */
bool post_submit(struct tally *t, post_prepare_fn *prepare, const char *delivery);
/* One queue run. exact: it must record what it did even if it does not end with 0. Its wait(2) status. */
int post_run(struct tally *t, post_prepare_fn *prepare, bool exact);
/* Runs, with enough of everything, until the queue is empty, and judges all messages so far. */
void post_finish(struct tally *t);
/* How many recipients have got messages since post_finish(). */
unsigned post_arrived(void);
/* Something else that must not be. */
void post_complain(unsigned *count, const char *fmt, ...) LOG_PRINTF(2, 3);
/* What is being tried, for complaints. */
void post_point(const char *fmt, ...) LOG_PRINTF(1, 2);
void post_row(const char *name, const struct tally *t);

/* resources_disk.c. false, and a line on standard output: it cannot be done here. */
bool disk_sweep(unsigned every);

#endif
