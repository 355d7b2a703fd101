/*
 * program.h: one command: its options, its configuration, its rights, its spool. What sortie.c decides
 * and deliver.h carries out.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <limits.h>
#include <stdbool.h>

#include "config.h"
#include "options.h"
#include "spool/spool.h"

struct program {
	struct options options;
	struct config config;
	struct spool *spool;
	char why[512]; /* one line: what went wrong */
	/* For program_take_rights(): called when the configuration is known and root is root yet. NULL: none. */
	void (*while_root)(struct program *p);
};

/* Every error is one line on stderr: what, where, what to do. Returns rc. */
int program_complain(int rc, const char *why);

/* The rights, the configuration, the log, in the one order that is safe (privilege.h). EX_OK, or a
 * sysexits(3) code and p->why. */
int program_take_rights(struct program *p);

/* The configuration alone; EX_OK, or EX_CONFIG and p->why. */
int program_read_config(struct program *p);
/* To be called when we have become whoever we become: the log is to be his. */
void program_open_log(const char *where);

/*
 * Another program of ours, by its name: where our file's set-id bits gave us rights, the one that was installed, and
 * no other: the caller may have linked that file to a place of his. Without them we have nothing that he has
 * not, and it is the one beside us, so that what has just been built works where it was built.
 */
const char *program_beside(const char *name, char path[PATH_MAX]);

/* Whether the caller is root or the spool's owner. */
bool program_may_see_all(const struct program *p);

#endif
