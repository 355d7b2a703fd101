/*
 * testctl.h: commands of sortiectl in this process, on a spool of the test's.
 */
#ifndef T_LIB_TESTCTL_H
#define T_LIB_TESTCTL_H

#include "ctl/ctl.h"
#include "spool/spool.h"

enum { TESTCTL_ARGS = 16 };

struct testctl {
	struct ctl c; /* as after its start; terminal and width may be set */
	char *out, *err; /* what the last command printed */
};

/* No terminal; now is clock_wall_s(), asked anew for each command. */
void testctl_init(struct testctl *t, struct spool *sp);
void testctl_free(struct testctl *t);
/* Runs it with these words; what it returns. The last is NULL. */
int testctl_run(struct testctl *t, ctl_fn *command, const char *name, ...);

#endif
