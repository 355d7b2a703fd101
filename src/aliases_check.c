/*
 * aliases_check.c: newaliases: there is no database to make, so it looks whether the file is right.
 */
#include "aliases_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/str.h"

enum { SAID_MAX = 8192 };

struct complaint {
	int at; /* line of the file of aliases, which may have named the list it is about */
	size_t nth; /* of those that were made */
	char *text;
};

struct check {
	struct aliases *a;
	FILE *out;
	int at; /* line that is being looked at */
	struct complaint *bad; /* the whole file is read before what its entries lead to */
	size_t nbad, cap;
	struct aliases_lists lists; /* looked at */
	size_t longest, total; /* of the values */
};

static void
say(struct check *c, const char *file, int line, const char *what)
{
	struct buf text;

	buf_init(&text, SAID_MAX);
	buf_addf(&text, "%s:%d: %s", file, line, what);
	c->bad = xgrow(c->bad, c->nbad, &c->cap, sizeof(*c->bad));
	c->bad[c->nbad] = (struct complaint){
	    .at = file == c->a->config->aliases ? line : c->at,
	    .nth = c->nbad,
	    .text = xstrdup(buf_str(&text)),
	};
	c->nbad++;
	buf_free(&text);
}

static int
by_line(const void *a, const void *b)
{
	const struct complaint *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->nth < y->nth ? -1 : 1;
}

static void
print_complaints(struct check *c)
{
	if (c->nbad > 0)
		qsort(c->bad, c->nbad, sizeof(*c->bad), by_line);
	for (size_t i = 0; i < c->nbad; i++) {
		fprintf(c->out, "%s\n", c->bad[i].text);
		free(c->bad[i].text);
	}
	free(c->bad);
}

static void
on_bad_entry(void *ctx, int line, const char *why)
{
	struct check *c = ctx;

	say(c, c->a->config->aliases, line, why);
}

static size_t check_targets(struct check *c, const char *file, struct aliases_text *t, bool deep);

/* Each once, and those that it names. */
static void
check_list(struct check *c, const char *file, const struct aliases_target *where)
{
	struct aliases_text t = {.line = 1, .start = true, .secret = true};
	size_t before = c->lists.n;
	char why[ALIASES_WHY_MAX];
	struct buf b;

	if (aliases_lists_add(&c->lists, where->text) < before)
		return;
	if (aliases_lists_read(&c->lists, where->text, &b, why, sizeof(why)) != EX_OK)
		say(c, file, where->line, why);
	t.at = buf_data(&b);
	t.end = t.at + buf_len(&b);
	(void)check_targets(c, where->text, &t, c->lists.n < ALIASES_DEPTH_MAX);
	buf_free(&b);
}

/* Returns how many there are. */
static size_t
check_targets(struct check *c, const char *file, struct aliases_text *t, bool deep)
{
	struct aliases_target target;
	size_t n = 0;

	for (; aliases_next(t, &target); n++) {
		if (file == c->a->config->aliases)
			c->at = target.line;
		if (target.kind == ALIASES_BAD)
			say(c, file, target.line, target.text);
		else if (target.kind == ALIASES_INCLUDE && deep)
			check_list(c, file, &target);
	}
	return n;
}

static bool
take_nothing(void *ctx, const char *mailbox)
{
	(void)ctx;
	(void)mailbox;
	return true;
}

/* Targets one by one, then all that they lead to: that is where loops are. */
static void
check_entry(struct check *c, const struct alias *alias)
{
	const char *file = c->a->config->aliases;
	struct aliases_text t = {
	    .at = alias->value, .end = alias->value + alias->n, .line = alias->line};
	char why[ALIASES_WHY_MAX];
	const char *from = alias->value;
	size_t n = alias->n;

	c->lists.bytes = c->a->lists.bytes = 0; /* what two aliases need is not needed at once */
	if (check_targets(c, file, &t, true) == 0)
		say(c, file, alias->line, "nothing stands behind the colon; write an address");
	(void)aliases_expand(c->a, alias->name, take_nothing, NULL, why, sizeof(why));
	if (c->a->looped)
		say(c, file, alias->line, why + strlen(file) + 2);
	while (n > 0 && strchr(" \t\r\n", from[n - 1]) != NULL)
		n--;
	for (; n > 0 && strchr(" \t\r\n", *from) != NULL; n--)
		from++;
	c->total += n;
	c->longest = n > c->longest ? n : c->longest;
}

int
aliases_check(const struct config *config, const char *hostname, FILE *out)
{
	struct check c = {.a = aliases_new(config, hostname), .out = out};
	char why[ALIASES_WHY_MAX];
	int rc = EX_OK;

	c.a->checking = true;
	if (config->aliases == NULL || config->aliases[0] == '\0') {
		fprintf(out, "the configuration names no file of aliases\n");
	} else if ((rc = aliases_load(c.a, on_bad_entry, &c, why, sizeof(why))) != EX_OK) {
		fprintf(out, "%s\n", why);
		rc = EX_CONFIG;
	} else {
		for (size_t i = 0; i < c.a->file.n; i++)
			check_entry(&c, &c.a->file.v[i]);
		print_complaints(&c);
		fprintf(out, "%s: %zu aliases, longest %zu bytes, %zu bytes total\n",
		    config->aliases, c.a->file.n, c.longest, c.total);
	}
	aliases_lists_free(&c.lists);
	aliases_free(&c.a);
	return rc == EX_OK && c.nbad > 0 ? EX_DATAERR : rc;
}
