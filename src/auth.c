/* auth.c: credentials for whoever asks. */
#include "auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "auth_file.h"
#include "auth_secret.h"
#include "base/alloc.h"
#include "base/str.h"
#include "privilege.h"

static const char doing[] = "looking for credentials";

struct fetch { /* one command of the file, run or running; kept for the run */
	struct list link;
	struct secret secret;
	char *line; /* the command line, its key */
	struct list waiting; /* queries */
};

enum { ENV_MAX = 8 };

struct auth {
	struct reactor *reactor;
	char *path;
	bool missing_ok;
	char *env[ENV_MAX]; /* all that commands get */
	size_t nenv;
	struct list fetches;
	struct secrets secrets;
	size_t queries; /* under way */
};

/* --- the answer --- */

/* One piece that holds all of q's strings. */
static void
make_room(struct auth_query *q, const char *const *strings, size_t n)
{
	q->size = 0;
	for (size_t i = 0; i < n; i++)
		q->size += strings[i] != NULL ? strlen(strings[i]) + 1 : 0;
	q->memory = xmalloc(q->size + 1);
}

/* Puts s, which may be NULL, into q's memory at *at. */
static const char *
put(char **at, const char *s)
{
	char *start = *at;
	size_t n;

	if (s == NULL)
		return NULL;
	n = strlen(s) + 1;
	memcpy(start, s, n);
	*at += n;
	return start;
}

/* Copies what c points to, and c, into q. */
static void
keep(struct auth_query *q, const struct sasl_credentials *c)
{
	const char *strings[] = {c->user, c->secret, c->mechanism, c->host};
	char *at;

	make_room(q, strings, sizeof(strings) / sizeof(strings[0]));
	at = q->memory;
	q->c = *c;
	q->c.user = put(&at, c->user);
	q->c.secret = put(&at, c->secret);
	q->c.mechanism = put(&at, c->mechanism);
	q->c.host = put(&at, c->host);
}

static void
forget(struct auth_query *q)
{
	xwipe(q->memory, q->memory != NULL ? q->size : 0);
	free(q->memory);
	q->memory = NULL;
	memset(&q->c, 0, sizeof(q->c));
	q->found = q->failed = false;
}

static void
fail(struct auth_query *q, const char *why)
{
	forget(q);
	q->failed = true;
	q->v = verdict_make(FATE_RETRY, SCOPE_ROUTE, "4.7.8", doing, "%s", why);
}

/* The last thing done here with q: it may be gone, or ask anew, when fn returns. */
static void
answer(void *ctx)
{
	struct auth_query *q = ctx;

	q->auth->queries--;
	q->auth = NULL;
	q->fn(q->ctx, q->found ? &q->c : NULL, q->failed ? &q->v : NULL);
}

/* --- commands --- */

/* Everything but the secret is in q already. */
static void
fill_in(struct auth_query *q, const struct fetch *f)
{
	char *old = q->memory, why[VERDICT_TEXT_MAX];
	size_t size = q->size;
	struct sasl_credentials c = q->c;

	if (f->secret.state == SECRET_FAILED) {
		snprintf(why, sizeof(why),
		    "%.*s %s; run by hand it must print the secret and end with 0",
		    (int)strcspn(f->line, " \t"), f->line, f->secret.why);
		fail(q, why);
		return;
	}
	c.secret = f->secret.text;
	keep(q, &c);
	xwipe(old, size);
	free(old);
	q->found = true;
}

static void
on_fetched(void *ctx)
{
	struct fetch *f = ctx;

	while (!list_empty(&f->waiting)) {
		struct auth_query *q = list_item(f->waiting.next, struct auth_query, link);

		list_remove(&q->link);
		fill_in(q, f);
		answer(q);
	}
}

static struct fetch *
find_fetch(struct auth *a, const char *line)
{
	list_each (pos, &a->fetches) {
		struct fetch *f = list_item(pos, struct fetch, link);

		if (strcmp(f->line, line) == 0)
			return f;
	}
	return NULL;
}

/* The helper finds the command by who wants it, as we have. */
static struct fetch *
start_fetch(struct auth *a, const char *line, const struct auth_want *w)
{
	struct fetch *f = xcalloc(1, sizeof(*f));

	f->line = xstrdup(line);
	list_init(&f->waiting);
	list_init(&f->link);
	list_add_tail(&a->fetches, &f->link);
	secret_init(&f->secret, &a->secrets, on_fetched, f);
	secret_ask(&f->secret, w);
	return f;
}

static void
drop_fetch(struct fetch *f)
{
	list_remove(&f->link);
	secret_forget(&f->secret);
	xwipe(f->line, strlen(f->line));
	free(f->line);
	free(f);
}

/* Whether the answer is there already. */
static bool
fetch(struct auth *a, struct auth_query *q, const char *line, const struct auth_want *w)
{
	struct fetch *f = find_fetch(a, line);

	if (f == NULL)
		f = start_fetch(a, line, w);
	if (f->secret.state == SECRET_ASKED) {
		list_add_tail(&f->waiting, &q->link);
		return false;
	}
	fill_in(q, f);
	return true;
}

/* --- queries --- */

/* What the entry says goes into q. Whether the answer is there already. */
static bool
use_entry(
    struct auth *a, struct auth_query *q, const struct auth_entry *e, const struct auth_want *w)
{
	struct sasl_credentials c = {
	    .user = e->user != NULL ? e->user : w->user,
	    .secret = e->secret,
	    .token = e->token,
	    .external = e->external,
	    .mechanism = e->mechanism,
	    .host = w->host,
	    .port = w->port,
	};
	char why[VERDICT_TEXT_MAX];

	if (c.user == NULL && !c.external) {
		snprintf(why, sizeof(why),
		    "%s:%d: no login for %s, neither here nor in the relay's URL (user@%s)",
		    a->path, e->line, w->host, w->host);
		fail(q, why);
		return true;
	}
	keep(q, &c);
	if (e->command != NULL)
		return fetch(a, q, e->command, w);
	q->found = true;
	return true;
}

/* Whether the answer is there already. */
static bool
look(struct auth *a, struct auth_query *q, const struct auth_want *w)
{
	char why[VERDICT_TEXT_MAX];
	struct auth_text t = {.text = NULL};
	struct auth_entry e;
	bool there = true;
	int found;

	if (a->path != NULL && auth_file_read(&t, a->path, a->missing_ok, why, sizeof(why)) == -1) {
		fail(q, why);
		return true;
	}
	found = auth_file_find(a->path, &t, w, &e, why, sizeof(why));
	if (found == 0 && w->user != NULL)
		snprintf(why, sizeof(why), "no password for %s at %s%s%s", w->user, w->host,
		    a->path != NULL ? " in " : "; there is no file of credentials",
		    a->path != NULL ? a->path : "");
	if (found == 1)
		there = use_entry(a, q, &e, w);
	else if (found == -1 || w->user != NULL)
		fail(q, why);
	auth_file_free(&t);
	return there;
}

void
auth_query_init(struct auth_query *q)
{
	memset(q, 0, sizeof(*q));
	list_init(&q->link);
	task_init(&q->task, answer, q);
}

void
auth_lookup(struct auth *a, struct auth_query *q, const char *host, unsigned port, const char *user,
    auth_fn *fn, void *ctx)
{
	const struct auth_want w = {.host = host, .port = port, .user = user};

	if (q->auth != NULL)
		bug("auth_lookup with a query that is under way");
	forget(q);
	q->auth = a;
	q->fn = fn;
	q->ctx = ctx;
	a->queries++;
	if (look(a, q, &w))
		task_queue(a->reactor, &q->task);
}

void
auth_release(struct auth_query *q)
{
	struct auth *a = q->auth;

	forget(q);
	if (a == NULL)
		return;
	q->auth = NULL;
	task_cancel(&q->task);
	a->queries--;
	if (list_linked(&q->link))
		list_remove(&q->link);
}

/* --- all of it --- */

static void
add_env(struct auth *a, const char *name, const char *value)
{
	size_t size;

	if (value == NULL)
		return;
	size = strlen(name) + strlen(value) + 2;
	a->env[a->nenv] = xmalloc(size);
	snprintf(a->env[a->nenv++], size, "%s=%s", name, value);
}

static bool
is_within(const char *path, const char *folder)
{
	size_t n = folder != NULL ? strlen(folder) : 0;

	return path != NULL && n > 0 && strncmp(path, folder, n) == 0 &&
	       (path[n] == '\0' || path[n] == '/');
}

/*
 * Whoever takes over a confined run may write to the spool. Were it a home, he could leave there what
 * commands obey (.curlrc, .netrc, .gnupg), and these are not confined.
 */
static const char *
safe_home(const char *home, const char *spool)
{
	char *h = home != NULL ? realpath(home, NULL) : NULL;
	char *s = spool != NULL ? realpath(spool, NULL) : NULL;
	/* one that is not there yet may be put there */
	bool inside = is_within(home, spool) || is_within(h, s);

	free(h);
	free(s);
	return inside ? "/" : home;
}

static bool
has_command(const struct auth *a)
{
	const struct auth_want nobody = {.host = ""};
	struct auth_text t = {.text = NULL};
	struct auth_entry e;
	char why[256];
	bool has;

	if (a->path != NULL && auth_file_read(&t, a->path, a->missing_ok, why, sizeof(why)) == 0)
		auth_file_find(a->path, &t, &nobody, &e, why, sizeof(why));
	has = t.ncommands > 0;
	auth_file_free(&t);
	return has;
}

struct auth *
auth_new(struct reactor *r, const struct auth_options *o)
{
	struct auth *a = xcalloc(1, sizeof(*a));

	a->reactor = r;
	a->path = o->path != NULL ? xstrdup(o->path) : NULL;
	a->missing_ok = o->missing_ok;
	list_init(&a->fetches);
	/* Ours, not that of whoever called us. */
	add_env(a, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	add_env(a, "LANG", "C.UTF-8");
	add_env(a, "HOME", safe_home(o->home, o->spool));
	add_env(a, "USER", o->user);
	add_env(a, "LOGNAME", o->user);
	secrets_init(&a->secrets, r,
	    &(struct auth_helper){.path = a->path,
		.env = a->env,
		.show_errors = o->show_errors,
		.limit_s = AUTH_COMMAND_S});
	if (a->path != NULL)
		privilege_forbid_core();
	if (has_command(a))
		secrets_begin(&a->secrets); /* if it fails now, whoever asks hears why */
	return a;
}

void
auth_free(struct auth **ap)
{
	struct auth *a = *ap;

	if (a == NULL)
		return;
	if (a->queries > 0)
		bug("auth_free while somebody waits");
	*ap = NULL;
	while (!list_empty(&a->fetches))
		drop_fetch(list_item(a->fetches.next, struct fetch, link));
	secrets_end(&a->secrets);
	for (size_t i = 0; i < a->nenv; i++)
		free(a->env[i]);
	free(a->path);
	free(a);
}

int
auth_check(const struct auth *a, char *why, size_t whysize)
{
	const struct auth_want nobody = {.host = ""};
	struct auth_text t = {.text = NULL};
	struct auth_entry e;
	int rc = 0;

	if (a->path == NULL)
		return 0;
	if (auth_file_read(&t, a->path, a->missing_ok, why, whysize) == -1 ||
	    auth_file_find(a->path, &t, &nobody, &e, why, whysize) == -1)
		rc = EX_CONFIG;
	auth_file_free(&t);
	return rc;
}

bool
auth_has(const struct auth *a, const char *host, unsigned port, const char *user)
{
	const struct auth_want want = {.host = host, .port = port, .user = user};
	struct auth_text t = {.text = NULL};
	struct auth_entry e;
	char why[256];
	bool has;

	if (a->path == NULL)
		return false;
	has = auth_file_read(&t, a->path, a->missing_ok, why, sizeof(why)) == 0 &&
	      auth_file_find(a->path, &t, &want, &e, why, sizeof(why)) == 1;
	auth_file_free(&t);
	return has;
}

bool
auth_wants_helper(const struct auth *a)
{
	return a->secrets.refused;
}

void
auth_new_run(struct auth *a)
{
	struct list *next;

	for (struct list *pos = a->fetches.next; pos != &a->fetches; pos = next) {
		struct fetch *f = list_item(pos, struct fetch, link);

		next = pos->next;
		if (f->secret.state != SECRET_ASKED)
			drop_fetch(f);
	}
}
