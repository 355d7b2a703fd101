/* ctl_select.c: which messages. */
#include "ctl/ctl_select.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/str.h"
#include "proto/address.h"
#include "view.h"

enum { OPTIONS_MAX = 24, SHOWN_MAX = 80 };

/* --- options ------------------------------------------------------------------------------ */

static int
parse_age(const struct ctl *c, const char *option, const char *text, int64_t *seconds)
{
	*seconds = -1;
	if (text == NULL || str_duration(text, 1, seconds))
		return EX_OK;
	return ctl_usage(c, "%s is a time like 90s, 15m, 2h or 3d, at most 3660d", option);
}

static int
check(const struct ctl *c, struct selection *s)
{
	if (s->site != NULL && (s->site[0] == '\0' || strchr(s->site, '@') != NULL))
		return ctl_usage(c, "--site is a domain; --recipient takes addresses");
	if ((s->sender != NULL && s->sender[0] == '\0') ||
	    (s->recipient != NULL && s->recipient[0] == '\0'))
		return ctl_usage(c, "a pattern may not be empty; <> is the null sender");
	if (parse_age(c, "--older", s->older, &s->older_s) != EX_OK ||
	    parse_age(c, "--newer", s->newer, &s->newer_s) != EX_OK)
		return EX_USAGE;
	if (s->all && s->nids > 0)
		return ctl_usage(c, "either --all or ids");
	return EX_OK;
}

int
selection_parse(
    struct ctl *c, struct selection *s, const struct ctl_option *more, int argc, char **argv)
{
	const struct ctl_option own[] = {
	    {"--sender", NULL, &s->sender},
	    {"--recipient", NULL, &s->recipient},
	    {"--site", NULL, &s->site},
	    {"--older", NULL, &s->older},
	    {"--newer", NULL, &s->newer},
	    {"--held", &s->held, NULL},
	    {"--all", &s->all, NULL},
	};
	struct ctl_option all[OPTIONS_MAX] = {{NULL, NULL, NULL}};
	size_t n = sizeof(own) / sizeof(own[0]);

	memset(s, 0, sizeof(*s));
	s->now = c->now;
	memcpy(all, own, sizeof(own));
	for (; more->name != NULL && n < OPTIONS_MAX - 1; more++)
		all[n++] = *more;
	if (ctl_options(c, all, &argc, argv) != EX_OK)
		return EX_USAGE;
	s->ids = argv + 1;
	s->nids = (size_t)argc - 1;
	return check(c, s);
}

bool
selection_given(const struct selection *s)
{
	return s->nids > 0 || s->all || s->held || s->sender != NULL || s->recipient != NULL ||
	       s->site != NULL || s->older != NULL || s->newer != NULL;
}

/* --- matching ----------------------------------------------------------------------------- */

/* As a relay's `from` has it; or that very address, whatever is in it. */
static bool
pattern_matches(const char *pattern, const char *address)
{
	return pattern == NULL || strcmp(pattern, address) == 0 ||
	       config_sender_matches(pattern, address);
}

/* An address literal is no pattern: its brackets mean themselves. */
static bool
site_matches(const char *site, const char *address)
{
	const char *domain = address_domain(address);

	if (site == NULL)
		return true;
	if (domain == NULL)
		return false;
	return str_eqi(site, domain) || config_sender_matches(site, address);
}

bool
selection_recipient(const struct selection *s, const struct envelope *e, size_t rcpt)
{
	const struct recipient *r = &e->rcpts[rcpt];

	return view_is_open(e, r) && pattern_matches(s->recipient, r->address) &&
	       site_matches(s->site, r->address);
}

static bool
some_recipient(const struct selection *s, const struct envelope *e)
{
	if (s->recipient == NULL && s->site == NULL)
		return true;
	for (size_t i = 0; i < e->nrcpts; i++)
		if (selection_recipient(s, e, i))
			return true;
	return false;
}

bool
selection_matches(const struct selection *s, const struct envelope *e)
{
	int64_t age = s->now - envelope_submitted(e, s->now);

	if ((s->older_s >= 0 && age < s->older_s) || (s->newer_s >= 0 && age >= s->newer_s))
		return false;
	if (s->held && !e->hold)
		return false;
	/* A list that names no sender has the one in its From: what that is stands in the body. */
	if (s->sender != NULL && (e->sender == NULL || !pattern_matches(s->sender, e->sender)))
		return false;
	return some_recipient(s, e);
}

/* --- the walk ----------------------------------------------------------------------------- */

struct walk {
	selection_fn *fn;
	void *ctx;
	bool over;
};

static int
give(struct walk *w, const char *id)
{
	char shown[SHOWN_MAX];

	if (envelope_id_ok(id)) {
		w->over = !w->fn(w->ctx, id);
		return EX_OK;
	}
	str_clean(shown, sizeof(shown), id, strlen(id));
	return ctl_fail(EX_DATAERR, "%s is no id of a message", shown);
}

/* One a line; what stands behind a blank is for people. */
static int
give_lines(struct walk *w)
{
	char line[1024];
	int rc = EX_OK, r;

	while (!w->over && fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, " \t\r\n")] = '\0';
		if (line[0] != '\0' && (r = give(w, line)) != EX_OK)
			rc = r;
	}
	return ferror(stdin) ? ctl_fail(EX_IOERR, "standard input: %s", strerror(errno)) : rc;
}

static int
walk_ids(struct walk *w, const struct selection *s)
{
	int rc = EX_OK, r;

	for (size_t i = 0; i < s->nids && !w->over; i++) {
		r = strcmp(s->ids[i], "-") == 0 ? give_lines(w) : give(w, s->ids[i]);
		if (r != EX_OK)
			rc = r;
	}
	return rc;
}

int
selection_walk(struct ctl *c, const struct selection *s, selection_fn *fn, void *ctx)
{
	struct walk w = {.fn = fn, .ctx = ctx};
	struct spool *sp = c->program.spool;

	if (s->nids > 0)
		return walk_ids(&w, s);
	if (view_walk(sp, fn, ctx) == 0)
		return EX_OK;
	return ctl_fail(EX_TEMPFAIL, "not all of the spool %s could be read: %s", spool_path(sp),
	    strerror(errno));
}
