/*
 * sweep_spool.h: the spool of a story, kept as it is and brought back again and again. It looks at
 * the disk itself, past sys.
 */
#ifndef T_FAULT_SWEEP_SPOOL_H
#define T_FAULT_SWEEP_SPOOL_H

#include "t/story/story.h"

void sweep_spool_keep(const struct story *s);
void sweep_spool_restore(const struct story *s);
void sweep_spool_remove(const struct story *s); /* the story's directory */
size_t sweep_spool_count(const struct story *s, const char *dir); /* files in tmp, msg, ... */

#endif
