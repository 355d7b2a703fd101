/*
 * ctl_shape.c: how old the mail is that waits for each site, as qshape(1) shows it.
 *
 * A row a domain, those with most of it first, below the sum; a column counts the recipients that are
 * no older than its minutes and older than those of the one before.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/map.h"
#include "base/str.h"
#include "ctl/ctl.h"
#include "ctl/ctl_json.h"
#include "ctl/ctl_term.h"
#include "proto/address.h"
#include "view.h"

enum { AGES = 10 };

static const struct {
	int minutes;
	const char *head;
} ages[AGES] = {{5, "5"}, {10, "10"}, {20, "20"}, {40, "40"}, {80, "80"}, {160, "160"},
    {320, "320"}, {640, "640"}, {1280, "1280"}, {INT32_MAX, "1280+"}};

struct site {
	struct map_node node;
	uint64_t total, by_age[AGES];
	char name[];
};

struct shape {
	struct ctl *c;
	struct map sites;
	struct site *total;
	bool senders;
	int rc;
};

static struct site *
new_site(const char *name)
{
	size_t n = strlen(name) + 1;
	struct site *s = xcalloc(1, sizeof(*s) + n);

	memcpy(s->name, name, n);
	return s;
}

static struct site *
site_of(struct shape *sh, const char *address)
{
	const char *domain = address_domain(address);
	char name[ADDRESS_MAX + 1];
	struct map_node *node;
	struct site *s;

	if (domain == NULL)
		domain = address[0] == '\0' ? "<>" : "(none)";
	str_copy(name, sizeof(name), domain);
	str_lowercase(name);
	if ((node = map_get(&sh->sites, name)) != NULL)
		return map_item(node, struct site, node);
	s = new_site(name);
	map_put(&sh->sites, &s->node, s->name);
	return s;
}

static void
count_one(struct shape *sh, const char *address, int64_t age_s)
{
	struct site *s = site_of(sh, address);
	size_t i = 0;

	while (age_s > (int64_t)ages[i].minutes * 60)
		i++;
	s->by_age[i]++;
	s->total++;
	sh->total->by_age[i]++;
	sh->total->total++;
}

static void
count_message(struct shape *sh, const struct envelope *e)
{
	int64_t now = sh->c->now, age = now - envelope_submitted(e, now);

	if (sh->senders)
		count_one(sh, e->sender == NULL ? "" : e->sender, age);
	for (size_t i = 0; i < e->nrcpts && !sh->senders; i++)
		if (view_is_open(e, &e->rcpts[i]))
			count_one(sh, e->rcpts[i].address, age);
}

static bool
consider(void *ctx, const char *id)
{
	struct shape *sh = ctx;
	struct envelope e;
	char why[256];
	off_t size;

	envelope_init(&e);
	switch (spool_load(sh->c->program.spool, id, -1, &e, &size, why, sizeof(why))) {
	case SPOOL_LOADED:
		count_message(sh, &e);
		break;
	case SPOOL_MISSING:
		break;
	case SPOOL_CORRUPT:
		ctl_fail(EX_OK, "%s is damaged: %s", id, why);
		break;
	case SPOOL_UNREADABLE:
		sh->rc = ctl_fail(EX_TEMPFAIL, "%s cannot be read: %s", id, strerror(errno));
		break;
	}
	envelope_free(&e);
	return true;
}

/* --- showing it --------------------------------------------------------------------------- */

static int
most_first(const void *a, const void *b)
{
	const struct site *x = *(struct site *const *)a, *y = *(struct site *const *)b;

	if (x->total != y->total)
		return x->total > y->total ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* The sum, then the sites; freed by the caller, and the sites with it. */
static struct site **
sorted(struct shape *sh, size_t *n)
{
	struct site **all = xcalloc(sh->sites.count + 1, sizeof(struct site *));
	struct map_node *node;

	all[0] = sh->total;
	for (*n = 1; (node = map_any(&sh->sites)) != NULL; ++*n) {
		map_remove(&sh->sites, node);
		all[*n] = map_item(node, struct site, node);
	}
	qsort(all + 1, *n - 1, sizeof(struct site *), most_first);
	return all;
}

static void
print_table(const struct shape *sh, struct site *const all[], size_t n)
{
	struct table_column columns[AGES + 2] = {
	    {.head = "SITE", .width = 12, .share = 1},
	    {.head = "T", .width = 5, .right = true, .tight = true},
	};
	const char *cells[AGES + 2];
	char text[AGES + 1][24];
	struct table t;

	for (size_t i = 0; i < AGES; i++)
		columns[i + 2] = (struct table_column){
		    .head = ages[i].head, .width = 4, .right = true, .tight = true};
	columns[AGES + 1].width = 5;
	table_init(&t, sh->c, columns, AGES + 2);
	for (size_t i = 0; i < n && !ferror(sh->c->out); i++) {
		cells[0] = all[i]->name;
		cells[1] = term_count(sh->c, all[i]->total, text[AGES]);
		for (size_t k = 0; k < AGES; k++)
			cells[k + 2] = term_count(sh->c, all[i]->by_age[k], text[k]);
		table_row(&t, i == 0 ? TERM_BOLD : TERM_PLAIN, cells);
	}
	table_free(&t);
}

/* The sum has no site; the minutes are keys, the last of them "more". */
static void
print_json(const struct shape *sh, struct site *const all[], size_t n)
{
	for (size_t i = 0; i < n && !ferror(sh->c->out); i++) {
		struct json j = {.out = sh->c->out};

		json_open(&j, NULL, '{');
		json_string(&j, "site", i == 0 ? NULL : all[i]->name);
		json_number(&j, "total", (int64_t)all[i]->total);
		json_open(&j, "minutes", '{');
		for (size_t k = 0; k < AGES; k++)
			json_number(
			    &j, k == AGES - 1 ? "more" : ages[k].head, (int64_t)all[i]->by_age[k]);
		json_close(&j, '}');
		json_close(&j, '}');
		putc('\n', sh->c->out);
	}
}

int
ctl_shape(struct ctl *c, int argc, char **argv)
{
	struct shape sh = {.c = c, .rc = EX_OK};
	const struct ctl_option options[] = {
	    {"--sender", &sh.senders, NULL}, {"--json", &c->json, NULL}, {NULL, NULL, NULL}};
	struct spool *sp = c->program.spool;
	struct site **all;
	size_t n;

	if (ctl_options(c, options, &argc, argv) != EX_OK)
		return EX_USAGE;
	if (argc > 1)
		return ctl_usage(c, "%s takes no operands", argv[0]);
	map_init(&sh.sites);
	sh.total = new_site("TOTAL");
	if (view_walk(sp, consider, &sh) != 0)
		sh.rc = ctl_fail(EX_TEMPFAIL, "not all of the spool %s could be read: %s",
		    spool_path(sp), strerror(errno));
	all = sorted(&sh, &n);
	if (c->json)
		print_json(&sh, all, n);
	else
		print_table(&sh, all, n);
	for (size_t i = 0; i < n; i++)
		free(all[i]);
	free(all);
	map_free(&sh.sites);
	return sh.rc;
}
