/*
 * trace.c: conversations that are kept: what is asked for, and what is written.
 */
#include "trace.h"

#include <sys/stat.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/sys.h"

enum {
	LINE_SIZE = 2048, /* as the log's */
	LAST_LINES = 256, /* room for them, whatever was before */
	NAMES_MAX = 1 << 20,
};

struct traces {
	struct spool *spool;
	struct reactor *reactor;
	struct buf
	    names; /* of files in the folder, a NUL behind each: asked for, or kept already */
};

struct trace {
	int fd; /* -1: it could not be written */
	struct reactor *reactor;
	struct task write; /* at the end of the turn, all that it had */
	struct buf lines;
	size_t size;
	bool cut;
};

/* --- what is asked for -------------------------------------------------------------------- */

struct traces *
traces_new(struct spool *sp, struct reactor *r)
{
	struct traces *ts = xcalloc(1, sizeof(*ts));

	ts->spool = sp;
	ts->reactor = r;
	buf_init(&ts->names, NAMES_MAX);
	return ts;
}

void
traces_free(struct traces **ts)
{
	if (*ts == NULL)
		return;
	buf_free(&(*ts)->names);
	free(*ts);
	*ts = NULL;
}

void
traces_look(struct traces *ts)
{
	int folder = spool_state_folder(ts->spool, TRACE_FOLDER, false);
	const struct dirent *e;
	DIR *d;

	buf_clear(&ts->names);
	if (folder == -1)
		return;
	if ((d = sys.fdopendir(folder)) == NULL) {
		sys.close(folder);
		return;
	}
	while ((e = sys.readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			buf_add(&ts->names, e->d_name, strlen(e->d_name) + 1);
	sys.closedir(d);
}

static bool
is_asked_for(const struct traces *ts, const char *file)
{
	const char *p = buf_data(&ts->names), *end = p + buf_len(&ts->names);

	while (p < end && strcmp(p, file) != 0)
		p += strlen(p) + 1;
	return p < end;
}

bool
trace_file_name(char dst[TRACE_NAME_MAX + 1], const char *name)
{
	size_t n = 0;

	for (const char *p = name; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;
		bool plain = c > ' ' && c < 0x7f && c != '/' && c != '%' && (c != '.' || p > name);

		if (n + 3 > TRACE_NAME_MAX)
			return false;
		if (plain || (c == ' ' && p > name))
			dst[n++] = (char)str_lower(c);
		else
			n += (size_t)snprintf(dst + n, 4, "%%%02X", c);
	}
	dst[n] = '\0';
	return n > 0;
}

/* --- what is written ---------------------------------------------------------------------- */

static void
write_lines(void *ctx)
{
	struct trace *t = ctx;

	if (t->fd == -1)
		return;
	if (durable_write(t->fd, buf_data(&t->lines), buf_len(&t->lines)) == -1) {
		log_warn("cannot keep a conversation that was asked for: %s", strerror(errno));
		sys.close(t->fd);
		t->fd = -1;
	}
	buf_free(&t->lines);
}

static void
add(struct trace *t, const char *line, size_t max)
{
	char when[32];

	if (t->fd == -1 || t->cut)
		return;
	t->cut = t->size + sizeof(when) + strlen(line) > max;
	if (t->cut)
		line = "-- and so on: no more is kept";
	t->size += sizeof(when) + strlen(line);
	buf_addf(&t->lines, "%s %s\n", clock_utc(clock_wall_us() / 1000, when, sizeof(when)), line);
	task_queue_last(t->reactor, &t->write);
}

static void vadd(struct trace *const *t, bool shown, const char *fmt, va_list ap) LOG_PRINTF(3, 0);

static void
vadd(struct trace *const *t, bool shown, const char *fmt, va_list ap)
{
	bool kept = t != NULL && *t != NULL;
	char line[LINE_SIZE];

	if (!kept && !shown)
		return;
	if (vsnprintf(line, sizeof(line), fmt, ap) < 0)
		line[0] = '\0';
	str_clean(line, sizeof(line), line, strlen(line));
	if (shown)
		log_trace("%s", line);
	if (kept)
		add(*t, line, TRACE_MAX - LAST_LINES);
}

void
trace_line(struct trace *const *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vadd(t, log_is_verbose(), fmt, ap);
	va_end(ap);
}

void
trace_note(struct trace *const *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vadd(t, false, fmt, ap);
	va_end(ap);
}

struct trace *
trace_begin(struct traces *ts, const char *name)
{
	char file[TRACE_NAME_MAX + 1], asked[32];
	struct trace *t;
	int64_t asked_ms;
	int fd;

	if (ts == NULL || buf_len(&ts->names) == 0 || !trace_file_name(file, name) ||
	    !is_asked_for(ts, file) ||
	    (fd = spool_state_claim(ts->spool, TRACE_FOLDER, file, &asked_ms)) == -1)
		return NULL;
	t = xcalloc(1, sizeof(*t));
	t->fd = fd;
	t->reactor = ts->reactor;
	task_init(&t->write, write_lines, t);
	buf_init(&t->lines, TRACE_MAX);
	trace_note(&t, "-- %s, " TRACE_ASKED "%s", name, clock_utc(asked_ms, asked, sizeof(asked)));
	return t;
}

void
trace_end(struct trace **tp)
{
	struct trace *t = *tp;

	if (t == NULL)
		return;
	t->cut = false;
	add(t, TRACE_END, TRACE_MAX);
	task_cancel(&t->write);
	write_lines(t);
	if (t->fd != -1)
		sys.close(t->fd);
	free(t);
	*tp = NULL;
}
