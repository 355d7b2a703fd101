/*
 * fuzz_aliases.c: any text as a file of aliases. What its names stand for is what a look at the entries as a
 * matrix of who leads to whom says: the same addresses, or a loop where there is one. Written out in another
 * way, entry by entry, the file means the same.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "aliases_impl.h"
#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "fuzz.h"

enum { ENTRIES = 48, GIVEN = 4096 };

struct given {
	char *v[GIVEN];
	size_t n;
};

static struct config config;

static int
no_file(int dir, const char *path, int flags, mode_t mode)
{
	(void)dir;
	(void)path;
	(void)flags;
	(void)mode;
	errno = ENOENT;
	return -1;
}

static void
on_bad(void *ctx, int line, const char *why)
{
	(void)ctx;
	if (line < 1 || strchr(why, '\n') != NULL)
		bug("a complaint that is not about a line");
}

static struct aliases *
make(const char *text, size_t n)
{
	struct aliases *a = aliases_new(&config, "out.example.org");

	aliases_parse(&a->file, text, n, on_bad, NULL);
	a->loaded = a->checking = true;
	return a;
}

/* --- sets of addresses --- */

static bool
has(const struct given *g, const char *mailbox)
{
	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->v[i], mailbox) == 0)
			return true;
	return false;
}

static bool
take(void *ctx, const char *mailbox)
{
	struct given *g = ctx;

	if (address_check(mailbox, true) != ADDRESS_OK)
		bug("what is given is no address");
	if (!has(g, mailbox) && g->n < GIVEN)
		g->v[g->n++] = xstrdup(mailbox);
	return true;
}

static void
forget(struct given *g)
{
	while (g->n > 0)
		free(g->v[--g->n]);
}

static void
require_same(const struct given *a, const struct given *b)
{
	for (size_t i = 0; i < a->n; i++)
		if (!has(b, a->v[i]))
			bug("an address too many or too few");
	if (a->n != b->n)
		bug("other addresses");
}

/* --- the matrix --- */

struct matrix {
	const struct aliases *a;
	bool leads[ENTRIES][ENTRIES]; /* to another */
	struct given own[ENTRIES]; /* addresses that end there */
	bool counts[ENTRIES]; /* somebody, or nobody by /dev/null, comes of it itself */
	bool lists; /* that cannot be read are in it */
};

/* Of names that need no quotes. */
static int
entry_of(const struct aliases *a, const char *mailbox)
{
	const char *domain = address_domain(mailbox);
	size_t n = domain != NULL ? (size_t)(domain - 1 - mailbox) : strlen(mailbox);

	if (!config_is_ours(&config, "out.example.org", domain))
		return -1;
	for (size_t i = 0; i < a->file.n; i++)
		if (strlen(a->file.v[i].name) == n && str_neqi(a->file.v[i].name, mailbox, n))
			return (int)i; /* the first */
	return -1;
}

static void
look_at(struct matrix *m, size_t i, const struct aliases_target *t)
{
	int to = t->kind == ALIASES_ADDRESS ? entry_of(m->a, t->text) : -1;

	m->lists = m->lists || t->kind == ALIASES_INCLUDE;
	if (to >= 0 && to != (int)i)
		m->leads[i][to] = true;
	else
		m->counts[i] = m->counts[i] || t->kind != ALIASES_BAD;
	if ((to < 0 || to == (int)i) && (t->kind == ALIASES_ADDRESS || t->kind == ALIASES_AS_IT_IS))
		(void)take(&m->own[i], t->text);
}

static void
fill(struct matrix *m)
{
	size_t n = m->a->file.n;

	for (size_t i = 0; i < n; i++) {
		const struct alias *e = &m->a->file.v[i];
		struct aliases_text t = {.at = e->value, .end = e->value + e->n, .line = e->line};
		struct aliases_target target;

		while (aliases_next(&t, &target))
			look_at(m, i, &target);
	}
	for (size_t k = 0; k < n; k++)
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < n; j++)
				m->leads[i][j] =
				    m->leads[i][j] || (m->leads[i][k] && m->leads[k][j]);
}

/* What entry i stands for; false: it is in a loop, or leads to one. */
static bool
stands_for(struct matrix *m, size_t i, struct given *g, bool *counts)
{
	*counts = false;
	for (size_t j = 0; j < m->a->file.n; j++) {
		if (j != i && !m->leads[i][j])
			continue;
		if (m->leads[j][j])
			return false;
		*counts = *counts || m->counts[j];
		for (size_t k = 0; k < m->own[j].n; k++)
			(void)take(g, m->own[j].v[k]);
	}
	return true;
}

static bool
is_plain(const struct aliases *a)
{
	static const char *const special[] = {"*", "default", "postmaster", "mailer-daemon", NULL};

	if (a->file.n > ENTRIES)
		return false;
	for (size_t i = 0; i < a->file.n; i++) {
		const char *name = a->file.v[i].name;

		if (!address_is_dot_atom(name, strlen(name)))
			return false;
		for (size_t k = 0; special[k] != NULL; k++)
			if (strcmp(name, special[k]) == 0)
				return false;
	}
	return true;
}

/* Names that some entry mentions and that stand_in() has words of its own for. */
static bool
mentions_postmaster(const char *text)
{
	return str_has_i(text, "postmaster") || str_has_i(text, "mailer-daemon");
}

static void
check_matrix(const char *text, size_t n)
{
	struct aliases *a = make(text, n);
	struct matrix *m = xcalloc(1, sizeof(*m));
	struct given want = {.n = 0}, got = {.n = 0};
	char why[2048];
	bool counts;

	m->a = a;
	if (is_plain(a) && !mentions_postmaster(text))
		fill(m);
	else
		m->lists = true;
	for (size_t i = 0; i < a->file.n && !m->lists; i++) {
		struct aliases *fresh = make(text, n);
		size_t first = (size_t)entry_of(a, a->file.v[i].name);
		bool good = stands_for(m, first, &want, &counts);
		int rc = aliases_expand(fresh, a->file.v[i].name, take, &got, why, sizeof(why));

		if (!good && (rc != EX_CONFIG || !fresh->looped))
			bug("a loop is not found");
		if (good && (rc == EX_OK) != counts)
			bug("refused, or not, for what it is");
		if (rc == EX_OK)
			require_same(&want, &got);
		forget(&want);
		forget(&got);
		aliases_free(&fresh);
	}
	for (size_t i = 0; i < ENTRIES; i++)
		forget(&m->own[i]);
	free(m);
	aliases_free(&a);
}

/* --- the file, written anew --- */

static void
write_target(struct buf *out, const struct aliases_target *t)
{
	if (t->kind == ALIASES_ADDRESS || t->kind == ALIASES_AS_IT_IS)
		buf_addf(out, "\n\t%s<%s>", t->kind == ALIASES_AS_IT_IS ? "\\" : "", t->text);
	else if (t->kind == ALIASES_NOBODY)
		buf_adds(out, ",\n# nobody\n /dev/null ,");
	else if (t->kind == ALIASES_INCLUDE)
		buf_addf(out, "\r\n \":include:%s\"", t->text);
	else
		buf_adds(out, ", |x");
}

static void
write_entry(struct buf *out, const struct alias *e)
{
	struct aliases_text t = {.at = e->value, .end = e->value + e->n, .line = e->line};
	struct aliases_target target;

	buf_addc(out, '"');
	for (const char *p = e->name; *p != '\0'; p++)
		buf_addf(out, "%s%c", *p == '"' || *p == '\\' ? "\\" : "", *p);
	buf_adds(out, "\" :");
	while (aliases_next(&t, &target))
		write_target(out, &target);
	buf_adds(out, "\n\n# the next one\n");
}

static void
check_anew(const char *text, size_t n)
{
	struct aliases *a = make(text, n), *b;
	struct given one = {.n = 0}, two = {.n = 0};
	char why[2048];
	struct buf out;

	buf_init(&out, 1 << 24);
	for (size_t i = 0; i < a->file.n; i++)
		write_entry(&out, &a->file.v[i]);
	b = make(buf_data(&out), buf_len(&out));
	if (a->file.n != b->file.n)
		bug("written anew, it has other entries");
	for (size_t i = 0; i < a->file.n; i++) {
		if (strcmp(a->file.v[i].name, b->file.v[i].name) != 0)
			bug("written anew, it has other names");
		if (aliases_expand(a, a->file.v[i].name, take, &one, why, sizeof(why)) !=
		    aliases_expand(b, b->file.v[i].name, take, &two, why, sizeof(why)))
			bug("written anew, it ends in another way");
	}
	require_same(&one, &two);
	forget(&one);
	forget(&two);
	buf_free(&out);
	aliases_free(&a);
	aliases_free(&b);
}

void
fuzz_aliases(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);

	sys.openat = no_file;
	config = (struct config){.aliases = (char[]){"aliases"}};
	check_matrix(text, strlen(text));
	check_anew(text, strlen(text));
	free(text);
	sys.openat = sys_libc.openat;
}
