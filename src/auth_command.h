/*
 * auth_command.h: a program whose first line of output is a secret, run without holding up the loop.
 *
 * fn is called once, never before command_start() has returned, never after command_stop(); whoever
 * embeds a command frees it from elsewhere. The output ends the wait (its first line, or its end),
 * and then the program's exit, asked for with a timer; who takes too long is killed with its group.
 * The child of a command that was killed is left to the reaper, so that no zombie stays.
 */
#ifndef AUTH_COMMAND_H
#define AUTH_COMMAND_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "net/reactor.h"

enum {
	COMMAND_SECRET_MAX = 8192, /* bytes of the first line: tokens have some thousands */
	COMMAND_OUTPUT_MAX = 65536, /* who prints more than this is not a password manager */
};

struct reaper { /* waits, without waiting, for killed children */
	struct reactor *reactor;
	struct timer timer;
	pid_t *pids;
	size_t n, cap;
	unsigned tries;
};

void reaper_init(struct reaper *p, struct reactor *r);
void reaper_end(struct reaper *p); /* one last try; what is left then is init's */

typedef void command_fn(void *ctx);

struct command {
	struct reactor *reactor;
	struct reaper *reaper;
	enum { COMMAND_IDLE, COMMAND_RUNNING, COMMAND_DONE, COMMAND_FAILED } state;
	command_fn *fn;
	void *ctx;
	pid_t pid; /* -1: none, or reaped */
	int fd; /* -1: none, or at its end */
	struct watch watch;
	struct timer limit, poll;
	int64_t poll_ms; /* how long until we ask again */
	char *secret; /* COMMAND_SECRET_MAX + 1 bytes; a string once DONE */
	size_t n, printed;
	bool line; /* the first line is complete */
	char why[128]; /* FAILED: "ended with status 1" */
};

void command_init(
    struct command *c, struct reactor *r, struct reaper *p, command_fn *fn, void *ctx);
/* Starts it, within limit_s seconds; line: see auth_split() in auth_file.h; env: all it gets. */
void command_start(struct command *c, const char *line, char *const *env, int limit_s);
/* Kills it if it still runs, and wipes what it said. IDLE again. */
void command_stop(struct command *c);

#endif
