/*
 * ctl_trace.h: what the files of sortiectl trace share: requests and kept conversations (trace.h) in the spool.
 *
 *	ctl_trace.c		asking, forgetting, the command
 *	ctl_trace_files.c	what there is, shown
 */
#ifndef CTL_CTL_TRACE_H
#define CTL_CTL_TRACE_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "ctl/ctl.h"
#include "trace.h"

enum { TRACE_SITE_MAX = 1024 };

struct trace_site {
	char said[TRACE_SITE_MAX], name[TRACE_SITE_MAX]; /* by the caller; by runs */
	char file[TRACE_NAME_MAX + 1];
};

enum trace_state { TRACE_ASKED_FOR, TRACE_UNDER_WAY, TRACE_KEPT, TRACE_UNFINISHED, TRACE_NO_FILE };

struct kept {
	enum trace_state state;
	int64_t asked_ms, begun_ms, ended_ms; /* since 1970; 0: not yet, or not known */
	off_t size;
};

/* The folder; -1 where there is none, and *rc is EX_OK, or where it cannot be had, which has been said. */
int kept_folder(struct ctl *c, bool make, int *rc);
/* 0, or -1 and errno; a file that is none is there all the same. */
int kept_look(int folder, const char *file, struct kept *k);
/* The names of all files, sorted, n of them; freed by kept_free_names(). */
char **kept_names(int folder, size_t *n);
void kept_free_names(char **names, size_t n);
/* The name of a site out of a file's; what cannot be one stays as it is. Returns dst. */
const char *kept_site(const char *file, char dst[TRACE_NAME_MAX + 1]);

/* A sysexits(3) code; errors have been said. */
int kept_show(struct ctl *c, const struct trace_site *s);
int kept_list(struct ctl *c);

#endif
