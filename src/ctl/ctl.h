/*
 * ctl.h: sortiectl, the operators' program: what its commands share.
 *
 * A command is a function, in ctl_NAME.c, and a row of the table in sortiectl.c. It gets its own words
 * (argv[0] is its name), takes its options out of them with ctl_options(), writes to c->out and returns
 * a sysexits(3) code; errors are one line on stderr, by ctl_fail(). What it shows of a message has been
 * through term_clean() (ctl_term.h) or json_string() (ctl_json.h): a server's words obey nobody here.
 *
 * The program is not setuid: it is root's, who becomes the spool's owner before anything is looked at,
 * and the owner's.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/log.h" /* LOG_PRINTF */
#include "program.h"

/* What is done before a command is called. */
enum ctl_needs {
	CTL_NOTHING, /* the caller's rights, no configuration; it does the rest itself, if at all */
	CTL_CONFIG, /* the owner's rights, the configuration, the log */
	CTL_SPOOL, /* and the spool */
};

struct ctl {
	struct program program; /* .options.config is -C's, .config read, .spool open */
	const struct ctl_command *command;
	FILE *out;
	int64_t now; /* seconds since 1970 */
	bool json; /* --json, where the command has it */
	bool tty, colours, utf8; /* of standard output; utf8: it shows more than ASCII */
	bool progress; /* standard error is a terminal: who looks on is told how far it is */
	unsigned width; /* of the terminal; 0: no terminal, nothing is cut */
};

struct ctl_command {
	const char *name;
	int (*run)(struct ctl *c, int argc, char **argv);
	enum ctl_needs needs;
	const char *synopsis; /* what stands behind the name */
	const char *help; /* one line */
	const char *more; /* for `help NAME`; NULL: nothing */
};

/* What a command with CTL_NOTHING may call, in this order. EX_OK, or a sysexits(3) code; it has been said why. */
int ctl_take_rights(struct ctl *c); /* EX_NOPERM for those whom the spool is none of */
int ctl_open_spool(struct ctl *c);

/* "sortiectl: ..." on stderr; returns rc. */
int ctl_fail(int rc, const char *fmt, ...) LOG_PRINTF(2, 3);
/* The same, and how the command is called. EX_USAGE. */
int ctl_usage(const struct ctl *c, const char *fmt, ...) LOG_PRINTF(2, 3);

/*
 * How far it is, where somebody looks on: in one line that changes four times a second, that nothing of is seen
 * in what takes less time than that, and that is gone when something else is said, and at the end.
 */
void ctl_progress(const struct ctl *c, const char *fmt, ...) LOG_PRINTF(2, 3);
void ctl_progress_end(void);

struct ctl_option { /* flag or value, the other NULL; the last row's name is NULL */
	const char *name; /* "-n" or "--sender" */
	bool *flag;
	const char **value; /* NULL there: not given; --sender VALUE or --sender=VALUE */
};

/*
 * Takes options out of argv, wherever they stand up to a "--"; what is left are the operands,
 * argv[1] ... argv[*argc - 1], which keep their order. EX_OK or EX_USAGE, which has been said.
 */
int ctl_options(struct ctl *c, const struct ctl_option *options, int *argc, char **argv);

/* --- the commands ------------------------------------------------------------------------- */

typedef int ctl_fn(struct ctl *c, int argc, char **argv);
ctl_fn ctl_list, ctl_show, ctl_cat, ctl_shape;
ctl_fn ctl_sites, ctl_stats, ctl_trace;
ctl_fn ctl_import, ctl_check;
ctl_fn ctl_retry, ctl_hold, ctl_release, ctl_remove, ctl_bounce;

#endif
