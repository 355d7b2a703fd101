/*
 * aliases.c: what an address stands for.
 *
 * A walk over the graph of names, depth first. Each alias and each list is looked at once, whatever else names
 * it, so the work is bounded by the files; what is met again while it is still being walked is a loop.
 */
#include "aliases_impl.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"

struct chain { /* what is inside what, from the inmost out */
	const struct chain *out;
	struct alias *alias; /* NULL: a list */
	const char *list; /* its path */
	unsigned depth;
};

struct expansion {
	struct aliases *a;
	aliases_fn *fn;
	void *ctx;
	size_t given; /* or passed over, for they have been given before */
	int rc;
	bool stopped; /* fn wants no more */
	char *why; /* if rc != 0: that; until then the first complaint */
	size_t whysize;
};

struct aliases *
aliases_new(const struct config *c, const char *hostname)
{
	struct aliases *a = xcalloc(1, sizeof(*a));

	a->config = c;
	a->hostname = hostname;
	return a;
}

struct aliases *
aliases_new_for_run(const struct config *c, const char *hostname)
{
	struct aliases *a = aliases_new(c, hostname);

	a->for_run = true;
	return a;
}

void
aliases_free(struct aliases **a)
{
	if (*a == NULL)
		return;
	aliases_lists_free(&(*a)->lists);
	aliases_file_free(&(*a)->file);
	free(*a);
	*a = NULL;
}

bool
aliases_discarded(const struct aliases *a)
{
	return a->discarded;
}

int
aliases_load(struct aliases *a, aliases_bad_fn *bad, void *ctx, char *why, size_t whysize)
{
	const char *path = a->config->aliases;
	struct buf b;
	int rc = EX_OK;

	buf_init(&b, ALIASES_FILE_MAX);
	if (path != NULL && path[0] != '\0')
		rc = aliases_read(path, false, &b, why, whysize);
	if (rc == EX_NOINPUT && a->config->aliases_missing_ok)
		rc = EX_OK;
	if (rc == EX_OK) {
		aliases_parse(&a->file, buf_data(&b), buf_len(&b), bad, ctx);
		a->loaded = true;
	}
	buf_free(&b);
	return rc == EX_NOINPUT ? EX_CONFIG : rc;
}

/* --- complaints --------------------------------------------------------------------------- */

/* The first one of all is enough: newaliases shows the others. */
static void
log_bad_entry(void *ctx, int line, const char *why)
{
	struct aliases *a = ctx;

	if (!a->complained)
		log_warn("%s:%d: %s", a->config->aliases, line, why);
	a->complained = true;
}

static const char *
file_name(const struct expansion *x, const struct chain *chain)
{
	return chain->alias != NULL ? x->a->config->aliases : chain->list;
}

/* Nothing comes of this target; the others stand. */
static void
complain(struct expansion *x, const struct chain *chain, const struct aliases_target *t)
{
	char text[2 * ALIASES_WHY_MAX];

	snprintf(text, sizeof(text), "%.900s:%d: %s", file_name(x, chain), t->line, t->text);
	if (!x->a->checking)
		log_warn("%s", text);
	if (x->why[0] == '\0')
		str_clean(x->why, x->whysize, text, strlen(text));
}

static void
refuse(struct expansion *x, int rc, const char *text)
{
	x->rc = rc;
	str_clean(x->why, x->whysize, text, strlen(text));
}

/* RFC 3463 3.5: x.4.6. Names it from the outmost inwards: "a -> b -> a". */
static void
refuse_loop(struct expansion *x, const struct chain *chain, const char *again, const char *what)
{
	enum { NAMES_MAX = 10 };
	const struct chain *names[NAMES_MAX];
	char text[ALIASES_WHY_MAX];
	struct buf b;
	size_t n = 0;

	for (; chain != NULL && n < NAMES_MAX; chain = chain->out)
		names[n++] = chain;
	buf_init(&b, sizeof(text) - 1);
	buf_addf(&b, "%s: %s (5.4.6): ", x->a->config->aliases, what);
	if (chain != NULL)
		buf_adds(&b, "... -> ");
	while (n-- > 0)
		buf_addf(&b, "%.60s -> ",
		    names[n]->alias != NULL ? names[n]->alias->name : names[n]->list);
	buf_addf(&b, "%.60s", again);
	refuse(x, EX_CONFIG, buf_str(&b));
	buf_free(&b);
	x->a->looped = true;
}

/* --- names -------------------------------------------------------------------------------- */

/* What the local part of a mailbox says, without the quotes. */
static void
local_name(const char *mailbox, char name[ADDRESS_MAX + 1])
{
	const char *domain = address_domain(mailbox), *p = mailbox;
	const char *end = domain != NULL ? domain - 1 : mailbox + strlen(mailbox);
	bool quoted = *p == '"';
	size_t n = 0;

	if (quoted) {
		p++;
		end--;
	}
	for (; p < end && n < ADDRESS_MAX; p++) {
		if (quoted && *p == '\\' && p + 1 < end)
			p++;
		name[n++] = *p;
	}
	name[n] = '\0';
}

/* An error is no proof that there is none; whoever delivers asks again. */
static bool
has_mailbox(const struct config *c, const char *name)
{
	if (c->local != CONFIG_LOCAL_MAILDIR && c->local != CONFIG_LOCAL_MBOX &&
	    c->local != CONFIG_LOCAL_LMTP)
		return false;
	errno = 0;
	return getpwnam(name) != NULL || errno != 0;
}

static struct alias *
find_catch_all(const struct aliases *a, const char *name)
{
	struct alias *all = aliases_find(&a->file, "*");

	if (a->for_run)
		return NULL;
	if (all == NULL)
		all = aliases_find(&a->file, "default");
	return all != NULL && !all->open && !has_mailbox(a->config, name) ? all : NULL;
}

/*
 * RFC 5321 4.5.1: somebody reads what is sent to postmaster, or to whom our reports come from. Where they have
 * no alias that is the postmaster of the configuration, else root. NULL: whoever has that name.
 */
static const char *
stand_in(const struct aliases *a, const char *name)
{
	const struct config *c = a->config;

	if (!str_eqi(name, "postmaster") && !str_eqi(name, "MAILER-DAEMON"))
		return NULL;
	if (aliases_find(&a->file, "postmaster") != NULL)
		return "postmaster";
	if (c->postmaster != NULL)
		return c->postmaster;
	if (aliases_find(&a->file, "root") != NULL)
		return "root";
	return c->local != CONFIG_LOCAL_AS_ANY && find_catch_all(a, name) == NULL ? "root" : NULL;
}

static bool
is_ours(const struct aliases *a, const char *mailbox)
{
	return config_is_ours(a->config, a->hostname, address_domain(mailbox));
}

/* --- the walk ----------------------------------------------------------------------------- */

static void expand(struct expansion *x, const char *mailbox, const struct chain *chain);

static void
give(struct expansion *x, const char *mailbox)
{
	x->given++;
	x->stopped = !x->fn(x->ctx, mailbox);
}

static bool
begin(struct expansion *x, struct chain *inner, const struct chain *out)
{
	inner->out = out;
	inner->depth = out == NULL ? 1 : out->depth + 1;
	if (inner->depth <= ALIASES_DEPTH_MAX)
		return true;
	refuse_loop(x, out, "...", "too many aliases inside each other");
	return false;
}

static bool
is_inside(const struct chain *chain, const char *list)
{
	for (; chain != NULL; chain = chain->out)
		if (chain->list != NULL && strcmp(chain->list, list) == 0)
			return true;
	return false;
}

static void walk(struct expansion *x, struct aliases_text *t, const struct chain *chain);

static void
include(struct expansion *x, const struct aliases_target *target, const struct chain *out)
{
	struct chain inner = {.list = target->text};
	struct aliases_text t = {.line = 1, .start = true, .secret = true};
	char why[ALIASES_WHY_MAX / 2], text[ALIASES_WHY_MAX];
	size_t list, known = x->a->lists.n, given = x->given;
	struct buf b;
	int rc;

	if (is_inside(out, target->text))
		refuse_loop(x, out, target->text, "a loop");
	if (x->rc != 0 || !begin(x, &inner, out))
		return;
	list = aliases_lists_add(&x->a->lists, target->text);
	if (list < known) {
		x->given += !x->a->lists.v[list].empty;
		return;
	}
	buf_init(&b, 0);
	if (x->a->for_run)
		snprintf(why, sizeof(why), "lists are not read any more by now");
	else
		snprintf(why, sizeof(why), "more than %d lists", ALIASES_LISTS_MAX);
	rc = x->a->for_run || x->a->lists.n > ALIASES_LISTS_MAX
		 ? EX_CONFIG
		 : aliases_lists_read(&x->a->lists, target->text, &b, why, sizeof(why));
	t.at = buf_data(&b);
	t.end = t.at + buf_len(&b);
	if (rc == EX_OK) {
		walk(x, &t, &inner);
		x->a->lists.v[list].empty = x->given == given;
	} else {
		snprintf(
		    text, sizeof(text), "%s:%d: %s (4.3.5)", file_name(x, out), target->line, why);
		refuse(x, rc == EX_TEMPFAIL ? EX_TEMPFAIL : EX_CONFIG, text);
	}
	buf_free(&b);
}

static void
walk(struct expansion *x, struct aliases_text *t, const struct chain *chain)
{
	struct aliases_target target;

	while (x->rc == 0 && !x->stopped && aliases_next(t, &target)) {
		switch (target.kind) {
		case ALIASES_ADDRESS:
			expand(x, target.text, chain);
			break;
		case ALIASES_AS_IT_IS:
			give(x, target.text);
			break;
		case ALIASES_INCLUDE:
			include(x, &target, chain);
			break;
		case ALIASES_NOBODY:
			x->given++;
			x->a->discarded = true;
			break;
		case ALIASES_BAD:
			complain(x, chain, &target);
			break;
		}
	}
}

static void
expand_alias(struct expansion *x, struct alias *alias, const struct chain *out)
{
	struct chain inner = {.alias = alias};
	struct aliases_text t = {
	    .at = alias->value, .end = alias->value + alias->n, .line = alias->line};
	size_t given = x->given;

	if (alias->done) {
		x->given += !alias->empty;
		return;
	}
	if (!begin(x, &inner, out))
		return;
	alias->open = true;
	walk(x, &t, &inner);
	alias->open = false;
	alias->done = true;
	alias->empty = x->given == given;
}

/* The alias that a target stands in, or in a list of which. */
static const struct alias *
own_alias(const struct chain *chain)
{
	while (chain != NULL && chain->alias == NULL)
		chain = chain->out;
	return chain == NULL ? NULL : chain->alias;
}

/* The alias of what is of this machine, and the name that it has; NULL: it stands for itself. */
static struct alias *
find_alias(const struct aliases *a, const char **mailbox)
{
	char name[ADDRESS_MAX + 1];
	struct alias *alias;
	const char *other;

	local_name(*mailbox, name);
	alias = aliases_find(&a->file, name);
	if (alias == NULL && (other = stand_in(a, name)) != NULL) {
		*mailbox = other;
		if (!is_ours(a, other))
			return NULL;
		local_name(other, name);
		alias = aliases_find(&a->file, name);
	}
	return alias != NULL ? alias : find_catch_all(a, name);
}

static void
expand(struct expansion *x, const char *mailbox, const struct chain *chain)
{
	struct alias *alias = is_ours(x->a, mailbox) ? find_alias(x->a, &mailbox) : NULL;

	if (alias == NULL || alias == own_alias(chain))
		give(x, mailbox);
	else if (alias->open)
		refuse_loop(x, chain, alias->name, "a loop");
	else
		expand_alias(x, alias, chain);
}

int
aliases_expand(
    struct aliases *a, const char *mailbox, aliases_fn *fn, void *ctx, char *why, size_t whysize)
{
	struct expansion x = {.a = a, .fn = fn, .ctx = ctx, .why = why, .whysize = whysize};
	char text[ALIASES_WHY_MAX];
	int rc;

	why[0] = '\0';
	a->looped = false;
	if (!is_ours(a, mailbox)) {
		(void)fn(ctx, mailbox);
		return EX_OK;
	}
	if (!a->loaded && (rc = aliases_load(a, log_bad_entry, a, text, sizeof(text))) != EX_OK) {
		snprintf(why, whysize, "%s (4.3.5)", text);
		return a->for_run ? EX_TEMPFAIL : rc;
	}
	expand(&x, mailbox, NULL);
	if (x.rc == EX_OK && x.given == 0) {
		snprintf(text, sizeof(text), "%.200s: %.500s (4.3.5)", mailbox,
		    why[0] != '\0' ? why : "its alias is empty");
		refuse(&x, EX_CONFIG, text);
	}
	return x.rc;
}

/* The first address or name among an alias' targets. */
static bool
first_target(const struct alias *alias, struct aliases_target *target)
{
	struct aliases_text t = {
	    .at = alias->value, .end = alias->value + alias->n, .line = alias->line};

	while (aliases_next(&t, target))
		if (target->kind == ALIASES_ADDRESS || target->kind == ALIASES_AS_IT_IS)
			return true;
	return false;
}

bool
aliases_first(struct aliases *a, const char *mailbox, char first[ADDRESS_MAX + 1])
{
	const struct alias *begin = NULL, *before = NULL, *alias;
	struct aliases_target target = {.kind = ALIASES_ADDRESS};
	char why[ALIASES_WHY_MAX];

	if (!is_ours(a, mailbox) || !str_copy(first, ADDRESS_MAX + 1, mailbox) ||
	    (!a->loaded && aliases_load(a, log_bad_entry, a, why, sizeof(why)) != EX_OK))
		return false;
	for (int depth = 0; depth < ALIASES_DEPTH_MAX; depth++) {
		mailbox = first;
		alias = target.kind == ALIASES_ADDRESS && is_ours(a, first)
			    ? find_alias(a, &mailbox)
			    : NULL;
		if (mailbox != first)
			(void)str_copy(first, ADDRESS_MAX + 1, mailbox);
		if (alias == NULL || alias == before)
			return before != NULL && (alias == NULL || alias != begin);
		begin = begin == NULL ? alias : begin;
		before = alias;
		if (!first_target(alias, &target))
			return false;
		(void)str_copy(first, ADDRESS_MAX + 1, target.text);
	}
	return false;
}
