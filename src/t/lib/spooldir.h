/*
 * spooldir.h: a spool in a directory of its own, and what is in it.
 *
 * Names are relative to the spool: "ctl/ID". It looks at the disk itself, not through sys, so that
 * it can be asked while sys is made to fail.
 */
#ifndef T_LIB_SPOOLDIR_H
#define T_LIB_SPOOLDIR_H

#include <sys/stat.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/spool.h"

/* Makes a temporary directory; the spool is to be made in it. Returns the spool's path. */
const char *spooldir_make(void);
void spooldir_remove(void); /* with all that is in it */
struct spool *spooldir_open(void); /* makes the directory, and the spool in it */
void spooldir_reopen(struct spool **sp); /* as another process would */
void spooldir_close(struct spool **sp); /* and removes all of it */

const char *spooldir_path(const char *name); /* its full path; valid until the next call */
bool spooldir_has(const char *name);
mode_t spooldir_mode(const char *name); /* lstat's type and mode, 0: not there */
size_t spooldir_count(const char *dir); /* entries of tmp, msg, ctl, ... */
const char *spooldir_first(const char *dir); /* the name of any entry, NULL: none */
void spooldir_write(const char *name, const char *text);
const char *spooldir_read(const char *name); /* valid until the next call */
void spooldir_append(const char *name, const char *text);
void spooldir_move(const char *from, const char *to);
void spooldir_age(const char *name, int64_t at_s); /* sets its mtime */
/* Queues a message of uid 1000 to bob and carol @example.net, as if by hand; the id is its name. */
void spooldir_queue(const char *id);
int spooldir_lock(struct spool *sp, const char *id); /* fails the test unless it is free */

/* The state of the table in spool.c, "S1" to "S5"; tmp/ID and its likes count as +tmp. */
const char *spooldir_state(const char *id);

#endif
