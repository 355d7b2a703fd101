/*
 * testctl.h: commands of sortiectl in this process, on a spool of the test's.
 */
#ifndef T_LIB_TESTCTL_H
#define T_LIB_TESTCTL_H

#include "ctl/ctl.h"
#include "jtree.h"
#include "spool/spool.h"

enum { TESTCTL_ARGS = 16 };

struct testctl {
	struct ctl c; /* as after its start; terminal and width may be set */
	char *out, *err; /* what the last command printed */
};

/*
 * A day for the test: commands on a spool of its own, at that second, in UTC, with what is logged kept;
 * and its end.
 */
struct spool *testctl_begin(struct testctl *t, int64_t now_s);
void testctl_end(struct testctl *t, struct spool **sp);
/* No terminal; now is clock_wall_s(), asked anew for each command. */
void testctl_init(struct testctl *t, struct spool *sp);
void testctl_free(struct testctl *t);
/* Runs it with these words; what it returns. The last is NULL. */
int testctl_run(struct testctl *t, ctl_fn *command, const char *name, ...);
/* What it has printed to either must have that in it. */
void testctl_shows(const struct testctl *t, const char *part);
void testctl_tells(const struct testctl *t, const char *part); /* on standard error */

/*
 * The line of its output that begins so, as JSON; it must be as the schema in that file says. Freed by the caller.
 */
struct jtree *testctl_json(const struct testctl *t, const char *start, const char *schema);

/* --- a queue --- */

/* Queues one that came so long ago, to one or two (b NULL). */
void testctl_add(struct spool *sp, char id[ENVELOPE_ID_MAX + 1], const char *sender, int64_t age_s,
    const char *a, const char *b);
/* To its control file, as a runner would. */
void testctl_append(struct spool *sp, const char *id, const char *lines);

/*
 * What most tests begin with: young, a minute, root@host.example.org to bob@one.example; old, two days,
 * alice@example.org to carol@one.example, who has got it, and dave@mx.two.example, who is deferred until
 * clock_wall_s() + 6200; held, an hour, the null sender to erin@three.example.
 */
struct testctl_queue {
	char young[ENVELOPE_ID_MAX + 1], old[ENVELOPE_ID_MAX + 1], held[ENVELOPE_ID_MAX + 1];
};
void testctl_fill(struct spool *sp, struct testctl_queue *q);

#endif
