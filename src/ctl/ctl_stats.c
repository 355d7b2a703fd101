/*
 * ctl_stats.c: what runs have counted, and the queue now: for people, as JSON, or as Prometheus reads it.
 *
 * The folder in which its node exporter looks for files is root's, and the queue is only looked at with the
 * owner's rights: so with --output another process looks, and this one, with the caller's rights, writes.
 */
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/str.h"
#include "ctl/ctl.h"
#include "ctl/ctl_json.h"
#include "ctl/ctl_term.h"
#include "ledger.h"
#include "view.h"

enum { OUTPUT_MAX = 1 << 20, OUTPUT_NAME_MAX = 4096 };

enum state { DUE, WAITING, HELD, DAMAGED, NSTATES };

static const char *const state_words[] = {"due", "waiting", "held", "damaged"};

struct stats {
	struct ctl *c;
	struct ledger_record all;
	uint64_t messages[NSTATES],
	    recipients[NSTATES]; /* who have not got it; of damaged ones: 0 */
	uint64_t bytes;
	int64_t oldest_at; /* when it was submitted; 0: there is none */
	uint64_t free_bytes, free_inodes;
	bool has_inodes; /* some file systems make them as they are needed */
	int rc;
};

struct format {
	bool prometheus;
	const char *output; /* NULL: standard output */
};

/* --- looking ------------------------------------------------------------------------------ */

static void
count_message(struct stats *s, const struct envelope *e)
{
	int64_t now = s->c->now, submitted = envelope_submitted(e, now);
	enum state state = e->hold ? HELD : envelope_due_at(e) <= now ? DUE : WAITING;

	s->messages[state]++;
	s->bytes += e->size;
	if (s->oldest_at == 0 || submitted < s->oldest_at)
		s->oldest_at = submitted;
	for (size_t i = 0; i < e->nrcpts; i++)
		s->recipients[state] += view_is_open(e, &e->rcpts[i]);
}

static bool
look_at(void *ctx, const char *id)
{
	struct stats *s = ctx;
	struct envelope e;
	char why[256];
	off_t size;

	envelope_init(&e);
	switch (spool_load(s->c->program.spool, id, -1, &e, &size, why, sizeof(why))) {
	case SPOOL_LOADED:
		count_message(s, &e);
		break;
	case SPOOL_MISSING:
		break;
	case SPOOL_CORRUPT:
		s->messages[DAMAGED]++;
		break;
	case SPOOL_UNREADABLE:
		s->rc = ctl_fail(EX_TEMPFAIL, "%s cannot be read: %s", id, strerror(errno));
		break;
	}
	envelope_free(&e);
	return true;
}

static void
look_at_queue(struct stats *s)
{
	struct spool *sp = s->c->program.spool;
	size_t corrupt = 0;

	if (view_walk(sp, look_at, s) != 0 || spool_count_corrupt(sp, &corrupt) != 0)
		s->rc = ctl_fail(EX_TEMPFAIL, "not all of the spool %s could be read: %s",
		    spool_path(sp), strerror(errno));
	s->messages[DAMAGED] += corrupt;
}

static void
look_at_disk(struct stats *s)
{
	const char *path = spool_path(s->c->program.spool);
	struct statvfs v;

	if (statvfs(path, &v) == -1) {
		s->rc = ctl_fail(EX_TEMPFAIL, "%s: %s", path, strerror(errno));
		return;
	}
	s->free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
	s->free_inodes = (uint64_t)v.f_favail;
	s->has_inodes = v.f_files > 0;
}

static void
look_at_ledger(struct stats *s)
{
	struct ledger_book book;

	if (ledger_read(s->c->program.spool, &book) == -1)
		s->rc =
		    ctl_fail(EX_TEMPFAIL, "what was counted cannot be read: %s", strerror(errno));
	s->all = book.all;
	ledger_book_free(&book);
}

/* --- for people --------------------------------------------------------------------------- */

static void
heading(const struct ctl *c, const char *text)
{
	fprintf(c->out, "%s%s%s\n", term_begin(c, TERM_BOLD), text, term_end(c, TERM_BOLD));
}

static void
print_counters(const struct ctl *c, const struct ledger_record *r)
{
	const uint64_t *n = r->counts;
	char text[80], size[16], title[100];

	if (r->since == 0) {
		heading(c, "Nothing has been counted yet");
		return;
	}
	snprintf(title, sizeof(title), "Counted since %s", term_when(c, r->since, text));
	heading(c, title);
	term_fact(c, "recipients",
	    "%" PRIu64 " sent, %" PRIu64 " bounced, %" PRIu64 " expired; deferred %" PRIu64
	    " times",
	    n[LEDGER_SENT], n[LEDGER_BOUNCED], n[LEDGER_EXPIRED], n[LEDGER_DEFERRED]);
	if (n[LEDGER_DUPLICATES] > 0)
		term_fact(c, "twice", "perhaps %" PRIu64 " of them", n[LEDGER_DUPLICATES]);
	term_fact(c, "messages", "%" PRIu64 " finished; %s were sent", n[LEDGER_MESSAGES],
	    term_size(n[LEDGER_BYTES], size));
	term_fact(c, "connections", "%" PRIu64 ", %" PRIu64 " with TLS; %" PRIu64 " failed",
	    n[LEDGER_SESSIONS], n[LEDGER_TLS], n[LEDGER_FAILED]);
	term_fact(c, "runs", "%" PRIu64 " over the whole queue%s%s", n[LEDGER_PASSES],
	    r->ok_at == 0 ? "" : ", the last ", r->ok_at == 0 ? "" : term_when(c, r->ok_at, text));
}

static void
print_queue(const struct stats *s)
{
	const struct ctl *c = s->c;
	char text[80], inodes[48] = "";

	heading(c, "Queued now");
	for (int i = 0; i < DAMAGED; i++)
		term_fact(c, state_words[i], "%" PRIu64 " message%s, %" PRIu64 " recipient%s",
		    s->messages[i], s->messages[i] == 1 ? "" : "s", s->recipients[i],
		    s->recipients[i] == 1 ? "" : "s");
	term_fact(c, state_words[DAMAGED], "%" PRIu64, s->messages[DAMAGED]);
	term_fact(c, "oldest", "%s", s->oldest_at == 0 ? "none" : term_when(c, s->oldest_at, text));
	term_fact(c, "size", "%s", term_size(s->bytes, text));
	if (s->has_inodes)
		snprintf(inodes, sizeof(inodes), ", %" PRIu64 " inodes", s->free_inodes);
	term_fact(c, "disk", "%s%s free", term_size(s->free_bytes, text), inodes);
}

/* --- for programs ------------------------------------------------------------------------- */

static const struct {
	const char *key; /* of JSON */
	const char *name, *help; /* of Prometheus, in front of "_total" */
} counters[LEDGER_NCOUNTERS] = {
    [LEDGER_SENT] = {"sent", "recipients_sent", "Recipients whose server took the message."},
    [LEDGER_DEFERRED] = {"deferred", "recipients_deferred",
	"Attempts at recipients that did not succeed and are made again."},
    [LEDGER_BOUNCED] = {"bounced", "recipients_bounced", "Recipients who were refused for good."},
    [LEDGER_EXPIRED] = {"expired", "recipients_expired",
	"Recipients who were given up after too long a time."},
    [LEDGER_MESSAGES] = {"messages", "messages_finished",
	"Messages that have left the queue, delivered or returned."},
    [LEDGER_BYTES] = {"bytes", "sent_bytes", "Size of what sites took, once for each of them."},
    [LEDGER_SESSIONS] = {"connections", "connections", "Connections that could be used."},
    [LEDGER_TLS] = {"tls_connections", "tls_connections", "Those of them with TLS."},
    [LEDGER_FAILED] = {"failed_connections", "connections_failed",
	"Connections that could not be had, or broke."},
    [LEDGER_DUPLICATES] = {"duplicates", "recipients_duplicated",
	"Recipients who may get a message twice, for a server took it and did not say so."},
    [LEDGER_PASSES] = {"passes", "passes", "Queue runs over all of the queue."},
};

static void
print_json(const struct stats *s, FILE *out)
{
	struct json j = {.out = out};

	json_open(&j, NULL, '{');
	json_time(&j, "since", s->all.since);
	json_time(&j, "last_pass", s->all.ok_at);
	json_open(&j, "counters", '{');
	for (size_t i = 0; i < LEDGER_NCOUNTERS; i++)
		json_number(&j, counters[i].key, (int64_t)s->all.counts[i]);
	json_close(&j, '}');
	json_open(&j, "queue", '{');
	json_open(&j, "messages", '{');
	for (int i = 0; i < NSTATES; i++)
		json_number(&j, state_words[i], (int64_t)s->messages[i]);
	json_close(&j, '}');
	json_open(&j, "recipients", '{');
	for (int i = 0; i < DAMAGED; i++)
		json_number(&j, state_words[i], (int64_t)s->recipients[i]);
	json_close(&j, '}');
	json_number(&j, "bytes", (int64_t)s->bytes);
	json_time(&j, "oldest", s->oldest_at);
	json_close(&j, '}');
	json_open(&j, "spool", '{');
	json_number(&j, "free_bytes", (int64_t)s->free_bytes);
	if (s->has_inodes)
		json_number(&j, "free_inodes", (int64_t)s->free_inodes);
	else
		json_null(&j, "free_inodes");
	json_close(&j, '}');
	json_close(&j, '}');
	putc('\n', out);
}

/*
 * The text format, version 0.0.4: HELP and TYPE in front of all samples of a metric. No help of ours has a
 * backslash and no label anything that would have to be escaped.
 */
static void
describe(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP sortie_%s %s\n# TYPE sortie_%s %s\n", name, help, name, type);
}

static void
gauge(FILE *out, const char *name, int64_t value, const char *help)
{
	describe(out, name, "gauge", help);
	fprintf(out, "sortie_%s %" PRId64 "\n", name, value);
}

static void
gauge_by_state(FILE *out, const char *name, const uint64_t values[], int n, const char *help)
{
	describe(out, name, "gauge", help);
	for (int i = 0; i < n; i++)
		fprintf(
		    out, "sortie_%s{state=\"%s\"} %" PRIu64 "\n", name, state_words[i], values[i]);
}

static void
print_prometheus(const struct stats *s, FILE *out)
{
	int64_t now = s->c->now;
	char name[64];

	for (size_t i = 0; i < LEDGER_NCOUNTERS; i++) {
		snprintf(name, sizeof(name), "%s_total", counters[i].name);
		describe(out, name, "counter", counters[i].help);
		fprintf(out, "sortie_%s %" PRIu64 "\n", name, s->all.counts[i]);
	}
	gauge(out, "counted_since_timestamp_seconds", s->all.since,
	    "When counting began; 0: nothing was counted yet.");
	gauge(out, "last_pass_timestamp_seconds", s->all.ok_at,
	    "When the last run over all of the queue began; 0: never.");
	gauge_by_state(out, "queue_messages", s->messages, NSTATES,
	    "Queued messages: due, waiting for their time, held, damaged.");
	gauge_by_state(out, "queue_recipients", s->recipients, DAMAGED,
	    "Recipients of queued messages who have not got theirs.");
	gauge(out, "queue_bytes", (int64_t)s->bytes, "Size of all queued messages.");
	gauge(out, "queue_oldest_age_seconds", s->oldest_at == 0 ? 0 : now - s->oldest_at,
	    "Age of the oldest queued message; 0: there is none.");
	gauge(out, "spool_free_bytes", (int64_t)s->free_bytes,
	    "What is left of the file system of the spool.");
	if (s->has_inodes)
		gauge(out, "spool_free_inodes", (int64_t)s->free_inodes,
		    "Files that can still be made there.");
}

/* --- either ------------------------------------------------------------------------------- */

static int
print(struct ctl *c, const struct format *f)
{
	struct stats s = {.c = c, .rc = EX_OK};

	if (c->program.spool == NULL) {
		s.rc = ctl_take_rights(c);
		if (s.rc == EX_OK)
			s.rc = ctl_open_spool(c);
		if (s.rc != EX_OK)
			return s.rc;
	}
	look_at_ledger(&s);
	look_at_queue(&s);
	look_at_disk(&s);
	if (c->json) {
		print_json(&s, c->out);
	} else if (f->prometheus) {
		print_prometheus(&s, c->out);
	} else {
		print_counters(c, &s.all);
		print_queue(&s);
	}
	return s.rc;
}

/* --- into a file -------------------------------------------------------------------------- */

/* In a process of its own: what it printed, all of it, in text. */
static int
print_apart(struct ctl *c, const struct format *f, struct buf *text)
{
	int fds[2], status, rc;
	ssize_t n = 1;
	pid_t child;

	if (pipe(fds) != 0)
		return ctl_fail(EX_OSERR, "cannot make a pipe: %s", strerror(errno));
	fcntl(fds[0], F_SETFD, FD_CLOEXEC);
	fcntl(fds[1], F_SETFD, FD_CLOEXEC);
	if ((child = fork()) == 0) {
		close(fds[0]);
		c->out = fdopen(fds[1], "w");
		rc = c->out == NULL ? EX_OSERR : print(c, f);
		if (c->out != NULL && fclose(c->out) != 0 && rc == EX_OK)
			rc = EX_IOERR;
		_exit(rc);
	}
	close(fds[1]);
	while (child != -1 && n != 0 && buf_room(text) > 0) {
		n = read(fds[0], buf_reserve(text, 4096), 4096);
		if (n > 0)
			buf_commit(text, (size_t)n);
		else if (n < 0 && errno != EINTR)
			break;
	}
	close(fds[0]);
	if (child == -1 || waitpid(child, &status, 0) == -1)
		return ctl_fail(EX_OSERR, "cannot start a process: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

static bool
write_all(int fd, const struct buf *text)
{
	const char *p = buf_data(text);
	size_t left = buf_len(text);

	while (left > 0) {
		ssize_t n = write(fd, p, left);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			p += n;
			left -= (size_t)n;
		}
	}
	return true;
}

/* Whoever reads the file, and it may be anybody, sees the old or the new one, and never a part of it. */
static int
replace(const char *path, const struct buf *text)
{
	char new[OUTPUT_NAME_MAX];
	struct stat st;
	bool written;
	int fd, error;

	if (snprintf(new, sizeof(new), "%s.XXXXXX", path) >= (int)sizeof(new))
		return ctl_fail(EX_USAGE, "--output: that name is too long");
	if (lstat(path, &st) == 0 &&
	    !S_ISREG(st.st_mode)) /* root would replace /dev/null by a file */
		return ctl_fail(EX_CANTCREAT, "%s: not a plain file, and would be replaced", path);
	if ((fd = mkstemp(new)) == -1)
		return ctl_fail(EX_CANTCREAT, "%s: %s", new, strerror(errno));
	written = write_all(fd, text) && fchmod(fd, 0644) == 0;
	error = errno;
	if (close(fd) != 0 && written) {
		written = false;
		error = errno;
	}
	if (written && rename(new, path) == 0)
		return EX_OK;
	if (written)
		error = errno;
	unlink(new);
	return ctl_fail(EX_IOERR, "%s: %s", path, strerror(error));
}

static int
print_into_file(struct ctl *c, const struct format *f)
{
	struct buf text;
	int rc;

	fflush(c->out);
	buf_init(&text, OUTPUT_MAX);
	rc = print_apart(c, f, &text);
	if (rc == EX_OK)
		rc = replace(f->output, &text);
	buf_free(&text);
	return rc;
}

int
ctl_stats(struct ctl *c, int argc, char **argv)
{
	struct format f = {.output = NULL};
	const struct ctl_option options[] = {{"--json", &c->json, NULL},
	    {"--prometheus", &f.prometheus, NULL}, {"--output", NULL, &f.output},
	    {NULL, NULL, NULL}};

	if (ctl_options(c, options, &argc, argv) != EX_OK)
		return EX_USAGE;
	if (argc > 1)
		return ctl_usage(c, "%s takes no operands", argv[0]);
	if (c->json && f.prometheus)
		return ctl_usage(c, "either --json or --prometheus");
	if (f.output != NULL && f.output[0] == '\0')
		return ctl_usage(c, "--output: which file?");
	return f.output != NULL ? print_into_file(c, &f) : print(c, &f);
}
