/*
 * deliver.h: delivery, as a command comes to it.
 *
 * There are two of it, and which one a program has is decided when it is linked. deliver.c delivers in
 * this process. front.c is for a program that takes mail in and is small and quick, without TLS and
 * name server: where something is to be delivered it starts the whole program.
 */
#ifndef DELIVER_H
#define DELIVER_H

#include "program.h"

/*
 * For a command that is about delivery alone, before any rights are taken: where another program is to
 * run it, this process becomes that program. Returns EX_OK where it is to go on here, or a sysexits(3)
 * code after a line on stderr.
 */
int deliver_exec(char **argv);

/* What it needs of root, in root's run, while that is root: program's while_root. */
void deliver_with_rights(struct program *p);

/* ... and here it is run: MODE_QUEUE, MODE_VERIFY, MODE_DELIVER. Its exit code. */
int deliver_run(struct program *p);

/*
 * A message that has just been queued: delivers it before it returns, or leaves that to a child.
 * Whatever becomes of it, it is queued, and that is what the caller has asked for.
 */
void deliver_one(struct program *p, const char *id);
void deliver_in_background(struct program *p, long long uid);

#endif
