/*
 * whole.h: what runs of the whole program need: children, port files, a directory to throw away.
 * Whatever goes wrong in here ends the run with a line that says what.
 */
#ifndef T_LIB_WHOLE_H
#define T_LIB_WHOLE_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "base/log.h" /* LOG_PRINTF */

/* Starts argv[0] (a path) with nothing on standard input and both outputs appended to a file. */
pid_t whole_start(const char *const argv[], const char *output);
/* Ends a child with SIGTERM and waits for it; its wait(2) status. */
int whole_stop(pid_t child);

/* Appears under its name only when it is complete, so that whoever waits for it reads all of it. */
void whole_write_port(const char *path, int port);
int whole_wait_for_port(const char *path); /* at most ten seconds */

void whole_write_file(const char *path, const char *fmt, ...) LOG_PRINTF(2, 3);
void whole_remove(const char *path); /* a file, or a directory and everything below it */

/* A digest that nobody attacks (FNV-1a), of pieces: begin with WHOLE_DIGEST, go on with the last answer. */
#define WHOLE_DIGEST UINT64_C(14695981039346656037)
uint64_t whole_digest(uint64_t digest, const void *data, size_t n);

#endif
