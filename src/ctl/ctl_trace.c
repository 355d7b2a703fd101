/*
 * ctl_trace.c: asks for the next conversation with a site (trace.h), and shows what was kept.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "ctl/ctl.h"
#include "ctl/ctl_json.h"
#include "ctl/ctl_term.h"
#include "route.h"
#include "trace.h"

enum {
	SITE_MAX = 1024,
	EDGE = 4096, /* for a file's first and last line */
	READ_MAX = 2 * TRACE_MAX,
};

/* --- which site --------------------------------------------------------------------------- */

struct site {
	char said[SITE_MAX], name[SITE_MAX]; /* by the caller; by us */
	char file[TRACE_NAME_MAX + 1];
};

/* Sites have names of several words, "relay mx.example.net:25", which need not be quoted. */
static int
join(struct ctl *c, int argc, char **argv, char said[SITE_MAX])
{
	size_t n = 0;

	for (int i = 1; i < argc; i++) {
		int more = snprintf(said + n, SITE_MAX - n, i > 1 ? " %s" : "%s", argv[i]);

		if (more < 0 || (size_t)more >= SITE_MAX - n)
			return ctl_usage(c, "no site has so long a name");
		n += (size_t)more;
	}
	if (strchr(said, '@') != NULL && strchr(said, ' ') == NULL)
		return ctl_usage(c, "an address is no site, its domain may be one");
	return EX_OK;
}

static bool
names_host(const struct targets *t, const char *host)
{
	for (size_t i = 0; i < t->n; i++)
		if (str_eqi(t->v[i].host, host))
			return true;
	return false;
}

/* A host of the configuration may have been meant, and not what its domain's mail is sent to. */
static bool
is_host(const struct config *c, const char *said)
{
	return names_host(&c->relays, said) || names_host(&c->routes, said) ||
	       names_host(&c->fallbacks, said) || names_host(&c->local_lmtp, said);
}

/* Mail for a domain may go by a relay, and then that is the site. */
static void
find_site(struct config *c, const char *domain, char name[SITE_MAX])
{
	struct router *r = router_new(NULL, NULL, c, config_hostname(c));
	struct buf key;

	buf_init(&key, SITE_MAX);
	router_site_key(r, "", domain, &key);
	str_copy(name, SITE_MAX, buf_str(&key));
	buf_free(&key);
	router_free(&r);
}

static int
parse_site(struct ctl *c, struct site *s, int argc, char **argv)
{
	int rc = join(c, argc, argv, s->said);

	if (rc != EX_OK)
		return rc;
	if (strchr(s->said, ' ') != NULL || str_eqi(s->said, "local") ||
	    is_host(&c->program.config, s->said))
		str_copy(s->name, sizeof(s->name), s->said);
	else
		find_site(&c->program.config, s->said, s->name);
	str_lowercase(s->name);
	if (!trace_file_name(s->file, s->name))
		return ctl_usage(c, "so long a name cannot be asked for; one of its hosts can");
	return EX_OK;
}

/* The name of a site out of a file's; what cannot be one stays as it is. */
static const char *
site_of_file(const char *file, char dst[TRACE_NAME_MAX + 1])
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

/* --- what is there ------------------------------------------------------------------------ */

enum state { ASKED, UNDER_WAY, KEPT, UNFINISHED, NO_FILE };

static const char *const state_words[] = {
    "asked for", "under way", "kept", "unfinished", "no file"};

struct kept {
	enum state state;
	int64_t asked_ms, begun_ms, ended_ms; /* since 1970; 0: not yet, or not known */
	off_t size;
};

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
		k->state = KEPT;
		k->ended_ms = parse_utc(line);
		return;
	}
	k->state =
	    sys.flock(fd, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK ? UNDER_WAY : UNFINISHED;
}

/* -1 and errno; a file that is none is there all the same. An empty one is not locked: a run may want to. */
static int
look(int folder, const char *file, struct kept *k)
{
	struct stat st;
	int fd;

	*k = (struct kept){.state = NO_FILE};
	if (sys.fstatat(folder, file, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return -1;
	if (!S_ISREG(st.st_mode))
		return 0;
	k->size = st.st_size;
	k->state = ASKED;
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
static int
open_folder(struct ctl *c, bool make, int *rc)
{
	struct spool *sp = c->program.spool;
	int folder = spool_state_folder(sp, TRACE_FOLDER, make);

	*rc = EX_OK;
	if (folder == -1 && (make || errno != ENOENT))
		*rc =
		    ctl_fail(EX_IOERR, "%s/" TRACE_FOLDER ": %s", spool_path(sp), strerror(errno));
	return folder;
}

/* --- asking ------------------------------------------------------------------------------- */

static int
make_request(int folder, const char *file)
{
	int fd =
	    sys.openat(folder, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd == -1)
		return -1;
	sys.close(fd);
	return 0;
}

/* What was kept before is not wanted any more. */
static int
ask(int folder, const struct site *s)
{
	struct kept k;

	for (int tries = 0; tries < 3; tries++) {
		if (make_request(folder, s->file) == 0)
			return EX_OK;
		if (errno != EEXIST)
			break;
		if (look(folder, s->file, &k) == 0 && k.state == ASKED)
			return EX_OK;
		if (k.state == UNDER_WAY)
			return ctl_fail(
			    EX_TEMPFAIL, "a conversation with %s is being kept just now", s->name);
		if (sys.unlinkat(folder, s->file, 0) == -1 && errno != ENOENT)
			break;
	}
	return ctl_fail(EX_IOERR, "%s cannot be asked for: %s", s->name, strerror(errno));
}

/* What is typed next; a resident run would come to it by itself, with the next mail. */
static void
say_asked(struct ctl *c, const struct site *s)
{
	bool domain = !is_host(&c->program.config, s->said) && strchr(s->said, ' ') == NULL &&
		      !str_eqi(s->said, "local");

	if (!str_eqi(s->said, s->name)) {
		term_print(c, s->said);
		fputs(" is sent to ", c->out);
		term_print(c, s->name);
		putc('\n', c->out);
	}
	fputs("the next conversation with ", c->out);
	term_print(c, s->name);
	fputs(" will be kept\nnow:   sortiectl retry ", c->out);
	fputs(domain ? "--site " : "--all", c->out);
	term_print(c, domain ? s->said : "");
	if (!spool_runner_present(c->program.spool, "full"))
		fputs("; sortie -q", c->out);
	fputs("\nthen:  sortiectl trace --show ", c->out);
	term_print(c, s->said);
	putc('\n', c->out);
}

static int
trace_ask(struct ctl *c, const struct site *s)
{
	int rc, folder;

	if (strcmp(s->name, "local") == 0 && c->program.config.local != CONFIG_LOCAL_LMTP)
		return ctl_fail(EX_USAGE, "what stays on this machine is not sent to anybody");
	if ((folder = open_folder(c, true, &rc)) == -1)
		return rc;
	rc = ask(folder, s);
	sys.close(folder);
	if (rc != EX_OK)
		return rc;
	spool_wake_anew(c->program.spool);
	say_asked(c, s);
	return EX_OK;
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
show_kept(struct ctl *c, int folder, const struct site *s)
{
	struct kept k;
	int fd = -1;

	if (look(folder, s->file, &k) == -1)
		return ctl_fail(errno == ENOENT ? EX_NOINPUT : EX_IOERR, "%s: %s", s->name,
		    errno == ENOENT ? "no conversation was asked for" : strerror(errno));
	if (k.state == ASKED)
		return ctl_fail(EX_NOINPUT, "%s: there was no conversation yet", s->name);
	if (k.state != NO_FILE)
		fd = sys.openat(folder, s->file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd == -1)
		return ctl_fail(EX_IOERR, "%s: %s", s->name,
		    k.state == NO_FILE ? "not a file" : strerror(errno));
	print_lines(c, fd);
	sys.close(fd);
	if (k.state == UNDER_WAY)
		ctl_fail(EX_OK, "it goes on; this is what there was up to now");
	if (k.state == UNFINISHED)
		ctl_fail(
		    EX_OK, "its end is missing: the run was ended before, or the disk was full");
	return EX_OK;
}

static int
trace_show(struct ctl *c, const struct site *s)
{
	int rc, folder = open_folder(c, false, &rc);

	if (folder == -1)
		return rc != EX_OK
			   ? rc
			   : ctl_fail(EX_NOINPUT, "%s: no conversation was asked for", s->name);
	rc = show_kept(c, folder, s);
	sys.close(folder);
	return rc;
}

/* --- all of them -------------------------------------------------------------------------- */

/* Their names, sorted, n of them; all of it is freed by free_names(). */
static char **
read_names(int folder, size_t *n)
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
	return names;
}

static void
free_names(char **names, size_t n)
{
	while (n > 0)
		free(names[--n]);
	free(names);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
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
	static const enum term_colour colours[] = {[ASKED] = TERM_YELLOW,
	    [UNDER_WAY] = TERM_GREEN,
	    [KEPT] = TERM_PLAIN,
	    [UNFINISHED] = TERM_RED,
	    [NO_FILE] = TERM_RED};
	char asked[32], kept[32], time[32], size[16];
	const char *cells[] = {name, state_words[k->state], ago(t->c, k->asked_ms, asked),
	    ago(t->c, k->ended_ms, kept), took(k, time),
	    k->size > 0 ? term_size((uint64_t)k->size, size) : NULL};

	table_row(t, colours[k->state], cells);
}

static int
trace_list(struct ctl *c)
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
	int rc, folder = open_folder(c, false, &rc);
	struct table t;
	struct kept k;
	size_t n;

	if (folder == -1)
		return rc;
	table_init(&t, c, columns, sizeof(columns) / sizeof(columns[0]));
	names = read_names(folder, &n);
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n && !ferror(c->out); i++) {
		if (look(folder, names[i], &k) == -1)
			continue;
		if (c->json)
			list_json(c, site_of_file(names[i], name), &k);
		else
			list_row(&t, site_of_file(names[i], name), &k);
	}
	free_names(names, n);
	table_free(&t);
	sys.close(folder);
	return EX_OK;
}

/* --- removing ----------------------------------------------------------------------------- */

static int
remove_one(int folder, const char *file, size_t *n)
{
	char name[TRACE_NAME_MAX + 1];

	if (sys.unlinkat(folder, file, 0) == 0)
		++*n;
	else if (errno != ENOENT)
		return ctl_fail(EX_IOERR, "%s: %s", site_of_file(file, name), strerror(errno));
	return EX_OK;
}

static int
remove_all(int folder, size_t *removed)
{
	size_t n;
	char **names = read_names(folder, &n);
	int rc = EX_OK;

	for (size_t i = 0; i < n; i++)
		if (remove_one(folder, names[i], removed) != EX_OK)
			rc = EX_IOERR;
	free_names(names, n);
	return rc;
}

/* The folder, too, if it is empty: without it no run has anything to look into. */
static int
trace_off(struct ctl *c, const struct site *s)
{
	int rc, folder = open_folder(c, false, &rc);
	char path[SITE_MAX];
	size_t n = 0;

	if (folder != -1) {
		rc = s != NULL ? remove_one(folder, s->file, &n) : remove_all(folder, &n);
		sys.close(folder);
		snprintf(path, sizeof(path), "%s/" TRACE_FOLDER, spool_path(c->program.spool));
		(void)sys.unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
	}
	if (rc == EX_OK && s != NULL && n == 0)
		return ctl_fail(EX_NOINPUT, "%s: no conversation was asked for", s->name);
	fprintf(c->out, "removed %zu\n", n);
	return rc;
}

/* --- the command -------------------------------------------------------------------------- */

int
ctl_trace(struct ctl *c, int argc, char **argv)
{
	bool show = false, off = false;
	const struct ctl_option options[] = {{"--show", &show, NULL}, {"--off", &off, NULL},
	    {"--json", &c->json, NULL}, {NULL, NULL, NULL}};
	struct site s = {.said = ""};
	int rc = ctl_options(c, options, &argc, argv);

	if (rc == EX_OK && argc > 1)
		rc = parse_site(c, &s, argc, argv);
	if (rc != EX_OK)
		return rc;
	if ((show && off) || (c->json && (show || off || argc > 1)))
		return ctl_usage(c, "only one of these at once");
	if (show)
		return argc > 1 ? trace_show(c, &s) : ctl_usage(c, "whose conversation?");
	if (off)
		return trace_off(c, argc > 1 ? &s : NULL);
	return argc > 1 ? trace_ask(c, &s) : trace_list(c);
}
