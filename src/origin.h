/*
 * origin.h: messages that another message in the spool has brought forth: reports about it (ID.rN), and
 * copies for the addresses that a .forward names (ID.fN).
 */
#ifndef ORIGIN_H
#define ORIGIN_H

#include <stdbool.h>

#include "spool/spool.h"

/*
 * The name of such a message in ctl/ is what tells its original, after a crash, that it was made. Until that
 * is recorded there the name stays, or the original would make another. Whether it may go; any other
 * message's may.
 */
bool origin_knows(struct spool *sp, const char *id);

#endif
