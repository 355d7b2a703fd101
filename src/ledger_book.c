/*
 * ledger_book.c: the ledger read: its lines added up, for people and to be written anew.
 */
#include "ledger_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"

enum {
	TABS = LEDGER_NCOUNTERS + 6,
	LINE_SIZE = 4096, /* the longest that ledger_line() writes has 2,000 */
	READ_SIZE = 65536,
};

/* --- lines -------------------------------------------------------------------------------- */

static char *
take_text(char **at)
{
	char *text = *at, *tab = strchr(text, '\t');

	if (tab != NULL) {
		*tab = '\0';
		*at = tab + 1;
	}
	return text;
}

static bool
take_number(char **at, uint64_t *n)
{
	return str_u64(take_text(at), INT64_MAX, n);
}

/* The texts point into line. False: it is none, or was cut short. */
static bool
parse(char *line, const char **name, struct ledger_record *r)
{
	uint64_t times[3] = {0};
	size_t tabs = 0;
	bool ok = true;

	for (const char *p = line; (p = strchr(p, '\t')) != NULL; p++)
		tabs++;
	if (tabs != TABS)
		return false;
	*name = take_text(&line);
	for (size_t i = 0; i < 3; i++)
		ok &= take_number(&line, &times[i]);
	for (size_t i = 0; i < LEDGER_NCOUNTERS; i++)
		ok &= take_number(&line, &r->counts[i]);
	r->since = (int64_t)times[0];
	r->ok_at = (int64_t)times[1];
	r->bad_at = (int64_t)times[2];
	r->relay = take_text(&line);
	r->tls = take_text(&line);
	r->reason = line;
	return ok && strlen(*name) <= LEDGER_NAME_MAX;
}

/* --- adding them up ----------------------------------------------------------------------- */

static void
add(struct ledger_record *to, const struct ledger_record *r)
{
	for (size_t i = 0; i < LEDGER_NCOUNTERS; i++)
		to->counts[i] += r->counts[i];
	if (to->since == 0 || (r->since != 0 && r->since < to->since))
		to->since = r->since;
	if (r->ok_at > to->ok_at)
		to->ok_at = r->ok_at;
	if (r->bad_at > to->bad_at)
		to->bad_at = r->bad_at;
}

static void
set_text(char **to, const char **shown, const char *text)
{
	if (text[0] == '\0' || (*to != NULL && strcmp(*to, text) == 0))
		return;
	free(*to);
	*shown = *to = xstrdup(text);
}

static struct ledger_site *
site_of(struct ledger_book *b, const char *name)
{
	struct map_node *n = map_get(&b->sites, name);
	struct ledger_site *s;
	size_t len = strlen(name) + 1;

	if (n != NULL)
		return map_item(n, struct ledger_site, node);
	s = xcalloc(1, sizeof(*s) + len);
	memcpy(s->name, name, len);
	map_put(&b->sites, &s->node, s->name);
	return s;
}

static void
add_line(struct ledger_book *b, char *line)
{
	struct ledger_record r;
	struct ledger_site *s;
	const char *name;

	if (!parse(line, &name, &r))
		return;
	if (name[0] == '\0') {
		add(&b->all, &r);
		return;
	}
	s = site_of(b, name);
	if (r.relay[0] != '\0') /* without TLS says something, too */
		set_text(&s->tls, &s->r.tls, r.tls[0] != '\0' ? r.tls : "none");
	set_text(&s->relay, &s->r.relay, r.relay);
	set_text(&s->reason, &s->r.reason, r.reason);
	add(&s->r, &r);
}

/* The whole lines of text, and at the end of the file what is behind them. Returns how many bytes they had. */
static size_t
add_lines(struct ledger_book *b, const char *text, size_t n, bool last)
{
	const char *at = text, *end;
	char line[LINE_SIZE];

	while ((end = memchr(at, '\n', n)) != NULL || (last && n > 0)) {
		size_t len = end != NULL ? (size_t)(end - at) : n;

		if (len < sizeof(line)) {
			memcpy(line, at, len);
			line[len] = '\0';
			add_line(b, line);
		}
		at += len + (end != NULL);
		n -= len + (end != NULL);
	}
	return (size_t)(at - text);
}

/* What is longer than a line may be is passed over. */
static int
read_book(int fd, struct ledger_book *b)
{
	struct buf piece;
	off_t at = 0;
	ssize_t n;

	memset(b, 0, sizeof(*b));
	map_init(&b->sites);
	buf_init(&piece, 2 * READ_SIZE + LINE_SIZE);
	do {
		char *room = buf_reserve(&piece, READ_SIZE);
		size_t used;

		n = sys.pread(fd, room, READ_SIZE, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		at += n;
		buf_commit(&piece, (size_t)n);
		used = add_lines(b, buf_data(&piece), buf_len(&piece), n == 0);
		if (used == 0 && buf_len(&piece) >= LINE_SIZE)
			used = buf_len(&piece);
		buf_consume(&piece, used);
	} while (n != 0 && at < LEDGER_ROOM);
	buf_free(&piece);
	return n < 0 ? -1 : 0;
}

int
ledger_read(struct spool *sp, struct ledger_book *b)
{
	int fd = spool_state_open(sp, ledger_file), rc;

	memset(b, 0, sizeof(*b));
	map_init(&b->sites);
	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	rc = read_book(fd, b);
	sys.close(fd);
	return rc;
}

static void
site_free(struct ledger_site *s)
{
	free(s->relay);
	free(s->tls);
	free(s->reason);
	free(s);
}

void
ledger_book_free(struct ledger_book *b)
{
	struct map_node *n;

	while ((n = map_any(&b->sites)) != NULL) {
		map_remove(&b->sites, n);
		site_free(map_item(n, struct ledger_site, node));
	}
	map_free(&b->sites);
}

int64_t
ledger_used_at(const struct ledger_record *r)
{
	return r->ok_at > r->bad_at ? r->ok_at : r->bad_at;
}

static int
used_last_first(const void *a, const void *b)
{
	const struct ledger_site *x = *(struct ledger_site *const *)a;
	const struct ledger_site *y = *(struct ledger_site *const *)b;
	int64_t tx = ledger_used_at(&x->r), ty = ledger_used_at(&y->r);

	if (tx != ty)
		return tx > ty ? -1 : 1;
	return strcmp(x->name, y->name);
}

struct ledger_site **
ledger_sorted(const struct ledger_book *b)
{
	struct ledger_site **all = xcalloc(b->sites.count + 1, sizeof(struct ledger_site *));
	struct map_node *n = NULL;

	for (size_t i = 0; (n = map_next(&b->sites, n)) != NULL; i++)
		all[i] = map_item(n, struct ledger_site, node);
	qsort(all, b->sites.count, sizeof(struct ledger_site *), used_last_first);
	return all;
}

/* --- written anew ------------------------------------------------------------------------- */

long long
ledger_base(int fd)
{
	char head[64];
	long long base;
	ssize_t n = sys.pread(fd, head, sizeof(head) - 1, 0);

	head[n > 0 ? n : 0] = '\0';
	return sscanf(head, LEDGER_HEADER_SCAN, &base) == 1 ? base : -1;
}

/* The book as a file; how long it is stands at its head, which has always the same length. */
static void
write_book(struct buf *to, const struct ledger_book *b, ledger_forget_fn *forget, void *ctx)
{
	struct ledger_site **all = ledger_sorted(b);
	char text[64];
	size_t head;

	buf_addf(to, LEDGER_HEADER, 0LL);
	head = buf_len(to);
	ledger_line(to, "", &b->all);
	for (size_t i = 0; i < b->sites.count && i < LEDGER_SITES; i++)
		if (forget == NULL || !forget(ctx, all[i]))
			ledger_line(to, all[i]->name, &all[i]->r);
	snprintf(text, sizeof(text), LEDGER_HEADER, (long long)(buf_len(to) - head));
	memcpy(to->mem + to->start, text, head);
	free(all);
}

static int
put_in_place(struct spool *sp, const struct buf *text)
{
	int fd = spool_state_create(sp, ledger_file);

	if (fd == -1)
		return -1;
	if (durable_write(fd, buf_data(text), buf_len(text)) == -1) {
		spool_state_forget(sp, ledger_file);
		sys.close(fd);
		return -1;
	}
	return spool_state_replace(sp, ledger_file, fd);
}

int
ledger_write_anew(struct spool *sp, int fd, ledger_forget_fn *forget, void *ctx)
{
	struct ledger_book b;
	struct buf text;
	int rc;

	if (spool_state_seize(fd) == -1)
		return -1;
	buf_init(&text, LEDGER_ROOM + 100);
	rc = read_book(fd, &b);
	if (rc == 0) {
		write_book(&text, &b, forget, ctx);
		rc = put_in_place(sp, &text);
	}
	ledger_book_free(&b);
	buf_free(&text);
	return rc;
}

int
ledger_forget(struct spool *sp, ledger_forget_fn *forget, void *ctx)
{
	int fd = spool_state_append(sp, ledger_file), rc, saved;

	if (fd == -1)
		return -1;
	rc = ledger_write_anew(sp, fd, forget, ctx);
	saved = errno;
	sys.close(fd);
	errno = saved;
	return rc;
}
