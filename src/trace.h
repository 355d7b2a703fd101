/*
 * trace.h: conversations that are kept, when somebody has asked for one (sortiectl trace).
 *
 * An empty file trace/NAME in the spool asks. The next conversation with the site, or the host, of that name
 * is written into it as -v shows it, from looking up where the site is to its end, each line behind the time;
 * so one request is one conversation. Of several runs that one has it which has locked the empty file first.
 * The last line is TRACE_END; where it is missing the conversation goes on, if the file is locked, or its run
 * is no more. Nothing of this is in mail's way: what cannot be written is not kept.
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdbool.h>

#include "base/log.h" /* LOG_PRINTF */
#include "net/reactor.h"
#include "spool/spool.h"

struct traces; /* what is asked for */
struct trace; /* a conversation that is kept */

enum { TRACE_NAME_MAX = 200, TRACE_MAX = 1 << 20 /* bytes of one */ };

#define TRACE_FOLDER "trace"
#define TRACE_ASKED "asked for at " /* in the first line, before that time */
#define TRACE_END "-- end"

/* Both must outlive it. */
struct traces *traces_new(struct spool *sp, struct reactor *r);
void traces_free(struct traces **ts);
void traces_look(struct traces *ts); /* what is asked for now */

/* The one that begins now, with what is called so. NULL: it is not asked for, or others have it. ts may be NULL. */
struct trace *trace_begin(struct traces *ts, const char *name);
void trace_end(struct trace **t);

/* A line for -v, and for what is kept: t and *t may be NULL, the conversation need not be. */
void trace_line(struct trace *const *t, const char *fmt, ...) LOG_PRINTF(2, 3);
/* A line of which -v knows already, or need not know. */
void trace_note(struct trace *const *t, const char *fmt, ...) LOG_PRINTF(2, 3);

/*
 * The file's name of what is called so: in lower case, %XX for what no name of a file may hold or begin with.
 * false: it would be empty, or too long.
 */
bool trace_file_name(char dst[TRACE_NAME_MAX + 1], const char *name);

#endif
