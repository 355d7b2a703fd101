/*
 * keeper.h: the two processes of a resident runner.
 *
 * The keeper is the one that was started, whose pid the administrator knows. It reads the
 * configuration, and works through a child, the runner, which confines itself for good: a new
 * configuration, or a new file in place of one that the runner may read, is a new runner's.
 *
 * What SIGTERM, SIGINT and SIGHUP mean is told to the keeper, and by it to the runner: a byte, the
 * signal's number, through a pipe, whose end means that the keeper is no more. The runner ignores the signals
 * themselves, because a terminal or a service manager sends them to both, and two would be one too
 * many. A byte that one runner has not read is read by the next.
 *
 * Where the program may not be split (confine_allowed()) there is one process: functions are called,
 * and orders is 0.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include <stdbool.h>

/* Its result is the child's exit status, 0 to 255. orders: the pipe, nonblocking; 0: there is none. */
typedef int keeper_fn(void *ctx, int orders);

/* 0, or -1 and errno. Signals go to the runner from now on. */
int keeper_begin(void);
void keeper_end(void);

/* A runner, and another when it is killed, some time after; what the last one returned. */
int keeper_run(keeper_fn *fn, void *ctx);
/* The same once, for something short. EX_SOFTWARE: it was killed. */
int keeper_try(keeper_fn *fn, void *ctx);
/* Lets some time pass before something is tried again; false, at once: we are to stop. */
bool keeper_pause(void);

#endif
