/*
 * mailq.h: what people look at: the queue as a table.
 */
#ifndef MAILQ_H
#define MAILQ_H

#include <stdbool.h>
#include <stdio.h>

#include "spool/spool.h"

/*
 * Prints id, size, age, sender, each waiting recipient with its last reason and the next try, active (locked by a
 * runner) or held, then totals. uid >= 0 shows that user's mail only. Returns EX_OK, EX_TEMPFAIL (something could
 * not be read) or EX_IOERR (out could not be written).
 */
int mailq_print(struct spool *sp, FILE *out, long long uid, int64_t now);

#endif
