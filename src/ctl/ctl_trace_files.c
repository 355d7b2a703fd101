/* ctl_trace_files.c: what was asked for and what was kept, shown. */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "ctl/ctl_json.h"
#include "ctl/ctl_term.h"
#include "ctl/ctl_trace.h"

enum {
	EDGE = 4096, /* for a file's first and last line */
	READ_MAX = 2 * TRACE_MAX,
};

/* --- what is there ------------------------------------------------------------------------ */

static const char *const state_words[] = {
    "asked for", "under way", "kept", "unfinished", "no file"};

/* Days since 1970 of a date, by the Gregorian calendar; a year that begins in March has its leap day last. */
static int64_t
days(int year, int month, int day)
{
	int64_t y = month > 2 ? year : year - 1, m = (month + 9) % 12;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 719469;
}

/* As clock_utc() writes it; 0: it is none. */
static int64_t
parse_utc(const char *text)
{
	int y, mo, d, h, mi, s, ms;

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &y, &mo, &d, &h, &mi, &s, &ms) != 7 ||
	    y < 1970 || mo < 1 || mo > 12)
		return 0;
	return (((days(y, mo, d) * 24 + h) * 60 + mi) * 60 + s) * 1000 + ms;
}

/* At most EDGE bytes from there on, as a string. */
static void
read_edge(int fd, off_t at, char dst[EDGE + 1])
{
	ssize_t n = sys.pread(fd, dst, EDGE, at);

	dst[n > 0 ? n : 0] = '\0';
}

static void
look_into(int fd, struct kept *k)
{
	char edge[EDGE + 1], *line;
	const char *asked;

	read_edge(fd, 0, edge);
	edge[strcspn(edge, "\n")] = '\0';
	asked = strstr(edge, TRACE_ASKED);
	k->asked_ms = asked != NULL ? parse_utc(asked + strlen(TRACE_ASKED)) : 0;
	k->begun_ms = parse_utc(edge);
	read_edge(fd, k->size > EDGE ? k->size - EDGE : 0, edge);
	if (edge[0] != '\0' && edge[strlen(edge) - 1] == '\n')
		edge[strlen(edge) - 1] = '\0';
	line = strrchr(edge, '\n');
	line = line != NULL ? line + 1 : edge;
	if (str_ends_i(line, " " TRACE_END)) {
		k->state = TRACE_KEPT;
		k->ended_ms = parse_utc(line);
		return;
	}
	k->state = sys.flock(fd, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK
		       ? TRACE_UNDER_WAY
		       : TRACE_UNFINISHED;
}

/* -1 and errno; a file that is none is there all the same. An empty one is not locked: a run may want to. */
int
kept_look(int folder, const char *file, struct kept *k)
{
	struct stat st;
	int fd;

	*k = (struct kept){.state = TRACE_NO_FILE};
	if (sys.fstatat(folder, file, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return -1;
	if (!S_ISREG(st.st_mode))
		return 0;
	k->size = st.st_size;
	k->state = TRACE_ASKED_FOR;
	k->asked_ms = (int64_t)st.st_mtim.tv_sec * 1000;
	if (st.st_size == 0)
		return 0;
	fd = sys.openat(folder, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	look_into(fd, k);
	sys.close(fd);
	return 0;
}

/* The folder; -1 where there is none, and *rc is EX_OK, or where it cannot be had, which has been said. */
int
kept_folder(struct ctl *c, bool make, int *rc)
{
	struct spool *sp = c->program.spool;
	int folder = spool_state_folder(sp, TRACE_FOLDER, make);

	*rc = EX_OK;
	if (folder == -1 && (make || errno != ENOENT))
		*rc =
		    ctl_fail(EX_IOERR, "%s/" TRACE_FOLDER ": %s", spool_path(sp), strerror(errno));
	return folder;
}

/* --- showing ------------------------------------------------------------------------------ */

static void
print_lines(struct ctl *c, int fd)
{
	char *text = xmalloc(READ_MAX + 1), *p = text, *end = text;
	ssize_t n = 1;

	while (n > 0 && end < text + READ_MAX)
		if ((n = sys.read(fd, end, (size_t)(text + READ_MAX - end))) > 0)
			end += n;
	*end = '\0';
	for (size_t len; p < end; p += len + 1) {
		len = strcspn(p, "\n");
		p[len] = '\0';
		term_print(c, p);
		putc('\n', c->out);
	}
	free(text);
}

static int
show_it(struct ctl *c, int folder, const struct trace_site *s)
{
	struct kept k;
	int fd = -1;

	if (kept_look(folder, s->file, &k) == -1)
		return ctl_fail(errno == ENOENT ? EX_NOINPUT : EX_IOERR, "%s: %s", s->name,
		    errno == ENOENT ? "no conversation was asked for" : strerror(errno));
	if (k.state == TRACE_ASKED_FOR)
		return ctl_fail(EX_NOINPUT, "%s: there was no conversation yet", s->name);
	if (k.state != TRACE_NO_FILE)
		fd = sys.openat(folder, s->file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd == -1)
		return ctl_fail(EX_IOERR, "%s: %s", s->name,
		    k.state == TRACE_NO_FILE ? "not a file" : strerror(errno));
	print_lines(c, fd);
	sys.close(fd);
	if (k.state == TRACE_UNDER_WAY)
		ctl_fail(EX_OK, "it goes on; this is what there was up to now");
	if (k.state == TRACE_UNFINISHED)
		ctl_fail(
		    EX_OK, "its end is missing: the run was ended before, or the disk was full");
	return EX_OK;
}

int
kept_show(struct ctl *c, const struct trace_site *s)
{
	int rc, folder = kept_folder(c, false, &rc);

	if (folder == -1)
		return rc != EX_OK
			   ? rc
			   : ctl_fail(EX_NOINPUT, "%s: no conversation was asked for", s->name);
	rc = show_it(c, folder, s);
	sys.close(folder);
	return rc;
}

/* --- all of them -------------------------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Their names, sorted, n of them; all of it is freed by free_names(). */
char **
kept_names(int folder, size_t *n)
{
	int own = fcntl(folder, F_DUPFD_CLOEXEC, 0);
	DIR *d = own == -1 ? NULL : sys.fdopendir(own);
	const struct dirent *e;
	char **names = NULL;
	size_t cap = 0;

	*n = 0;
	if (d == NULL && own != -1)
		sys.close(own);
	while (d != NULL && (e = sys.readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		names = xgrow(names, *n, &cap, sizeof(*names));
		names[(*n)++] = xstrdup(e->d_name);
	}
	if (d != NULL)
		sys.closedir(d);
	if (names != NULL)
		qsort(names, *n, sizeof(*names), by_name);
	return names;
}

void
kept_free_names(char **names, size_t n)
{
	while (n > 0)
		free(names[--n]);
	free(names);
}

/* The name of a site out of a file's; what cannot be one stays as it is. */
const char *
kept_site(const char *file, char dst[TRACE_NAME_MAX + 1])
{
	size_t n = 0;
	unsigned byte;

	for (const char *p = file; *p != '\0' && n < TRACE_NAME_MAX; p++) {
		if (*p == '%' && sscanf(p + 1, "%2x", &byte) == 1 && byte != 0 && p[2] != '\0') {
			dst[n++] = (char)byte;
			p += 2;
		} else {
			dst[n++] = *p;
		}
	}
	dst[n] = '\0';
	return dst;
}

static void
list_json(struct ctl *c, const char *name, const struct kept *k)
{
	struct json j = {.out = c->out};

	json_open(&j, NULL, '{');
	json_string(&j, "site", name);
	json_string(&j, "state", state_words[k->state]);
	json_time(&j, "asked", k->asked_ms / 1000);
	json_time(&j, "begun", k->begun_ms / 1000);
	json_time(&j, "ended", k->ended_ms / 1000);
	if (k->ended_ms >= k->begun_ms && k->begun_ms > 0)
		json_number(&j, "milliseconds", k->ended_ms - k->begun_ms);
	else
		json_null(&j, "milliseconds");
	json_number(&j, "size", (int64_t)k->size);
	json_close(&j, '}');
	putc('\n', c->out);
}

/* How long it took. */
static const char *
took(const struct kept *k, char dst[32])
{
	int64_t ms = k->ended_ms - k->begun_ms;

	dst[0] = '\0';
	if (k->begun_ms == 0 || ms < 0)
		return dst;
	if (ms < 60000)
		snprintf(dst, 32, "%" PRId64 ".%" PRId64 "s", ms / 1000, ms % 1000 / 100);
	else
		term_span(ms / 1000, dst);
	return dst;
}

/* How long ago; empty when it was not yet. */
static const char *
ago(const struct ctl *c, int64_t at_ms, char dst[32])
{
	dst[0] = '\0';
	return at_ms == 0 ? dst : term_span(c->now - at_ms / 1000, dst);
}

static void
list_row(struct table *t, const char *name, const struct kept *k)
{
	static const enum term_colour colours[] = {[TRACE_ASKED_FOR] = TERM_YELLOW,
	    [TRACE_UNDER_WAY] = TERM_GREEN,
	    [TRACE_KEPT] = TERM_PLAIN,
	    [TRACE_UNFINISHED] = TERM_RED,
	    [TRACE_NO_FILE] = TERM_RED};
	char asked[32], kept[32], time[32], size[16];
	const char *cells[] = {name, state_words[k->state], ago(t->c, k->asked_ms, asked),
	    ago(t->c, k->ended_ms, kept), took(k, time),
	    k->size > 0 ? term_size((uint64_t)k->size, size) : NULL};

	table_row(t, colours[k->state], cells);
}

int
kept_list(struct ctl *c)
{
	static const struct table_column columns[] = {
	    {.head = "SITE", .width = 20, .share = 1},
	    {.head = "STATE", .width = 10},
	    {.head = "ASKED", .width = 5, .right = true},
	    {.head = "KEPT", .width = 4, .right = true},
	    {.head = "TOOK", .width = 5, .right = true},
	    {.head = "SIZE", .width = 5, .right = true, .wide = 66},
	};
	char name[TRACE_NAME_MAX + 1], **names;
	int rc, folder = kept_folder(c, false, &rc);
	struct table t;
	struct kept k;
	size_t n;

	if (folder == -1)
		return rc;
	table_init(&t, c, columns, sizeof(columns) / sizeof(columns[0]));
	names = kept_names(folder, &n);
	for (size_t i = 0; i < n && !ferror(c->out); i++) {
		if (kept_look(folder, names[i], &k) == -1)
			continue;
		if (c->json)
			list_json(c, kept_site(names[i], name), &k);
		else
			list_row(&t, kept_site(names[i], name), &k);
	}
	kept_free_names(names, n);
	table_free(&t);
	sys.close(folder);
	return EX_OK;
}
