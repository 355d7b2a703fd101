/* confine.c: the list of what a run may still open, made from the configuration. */
#include "confine.h"

#include <sys/stat.h>

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/sandbox.h"
#include "net/tls.h"

struct seen { /* a file as it was */
	char *path;
	bool exists;
	dev_t dev;
	ino_t ino;
};

static struct {
	bool allowed;
	struct seen *seen;
	size_t n, cap;
} the;

struct list {
	struct sandbox_path *v;
	size_t n, cap;
};

void
confine_allow(void)
{
	the.allowed = true;
}

bool
confine_allowed(void)
{
	return the.allowed;
}

/* --- files that may be replaced ----------------------------------------------------------- */

static struct seen
look(const char *path)
{
	struct seen s = {.exists = false};
	struct stat st;

	if (stat(path, &st) == 0) {
		s.exists = true;
		s.dev = st.st_dev;
		s.ino = st.st_ino;
	}
	return s;
}

static void
remember(const char *path)
{
	the.seen = xgrow(the.seen, the.n, &the.cap, sizeof(*the.seen));
	the.seen[the.n] = look(path);
	the.seen[the.n++].path = xstrdup(path);
}

bool
confine_outdated(void)
{
	for (size_t i = 0; i < the.n; i++) {
		struct seen now = look(the.seen[i].path);

		if (now.exists != the.seen[i].exists || now.dev != the.seen[i].dev ||
		    now.ino != the.seen[i].ino)
			return true;
	}
	return false;
}

/* --- the list ----------------------------------------------------------------------------- */

static void
add(struct list *l, const char *path, enum sandbox_access access)
{
	l->v = xgrow(l->v, l->n, &l->cap, sizeof(*l->v));
	l->v[l->n++] = (struct sandbox_path){xstrdup(path), access};
}

static bool
has(const struct list *l, const char *path)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].path, path) == 0)
			return true;
	return false;
}

/* path NULL or empty: there is no such file. */
static void
add_file(struct list *l, const char *path)
{
	if (path == NULL || path[0] == '\0')
		return;
	add(l, path, SANDBOX_READ);
	remember(path);
}

/* The folder of what a symlink leads to. */
static void
add_folder_of(struct list *l, const char *link)
{
	char *target = realpath(link, NULL), *slash;

	if (target != NULL && (slash = strrchr(target, '/')) != NULL && slash > target) {
		*slash = '\0';
		if (!has(l, target))
			add(l, target, SANDBOX_READ);
	}
	free(target);
}

/* Certificates by their hash are symlinks, mostly to where packages keep the files themselves. */
static void
add_ca_folder(struct list *l, const char *path)
{
	char name[PATH_MAX];
	const struct dirent *e;
	DIR *d = opendir(path);

	add(l, path, SANDBOX_READ);
	while (d != NULL && (e = readdir(d)) != NULL) {
		int n = snprintf(name, sizeof(name), "%s/%s", path, e->d_name);

		if (e->d_name[0] != '.' && n > 0 && (size_t)n < sizeof(name))
			add_folder_of(l, name);
	}
	if (d != NULL)
		closedir(d);
}

/* Whether there is one. */
static bool
add_ca(struct list *l, const char *path)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return false;
	if (S_ISDIR(st.st_mode))
		add_ca_folder(l, path);
	else
		add_file(l, path);
	return true;
}

/* The system's store is not read before somebody has to be verified. */
static void
add_ca_store(struct list *l, const char *ca)
{
	const char *place;

	if (ca != NULL) {
		add_ca(l, ca);
		return;
	}
	for (size_t i = 0; (place = tls_ca_place(i)) != NULL; i++)
		if (add_ca(l, place))
			return;
}

int
confine_enter(const struct config *c)
{
	struct list l = {NULL, 0, 0};
	int holds;

	if (!the.allowed)
		return 0;
	tzset(); /* from /etc/localtime, once */
	add(&l, c->spool, SANDBOX_SPOOL);
	/* glibc's res_mkquery(3) reads these, for nothing that matters here */
	add(&l, "/etc/resolv.conf", SANDBOX_READ);
	add(&l, "/etc/host.conf", SANDBOX_READ);
	if (c->nnameservers == 0)
		add_file(&l, c->resolv_conf);
	add_file(&l, c->hosts);
	add_file(&l, c->auth);
	if (c->local == CONFIG_LOCAL_MAILDIR || c->local == CONFIG_LOCAL_MBOX)
		add_file(&l, c->aliases); /* which a .forward may name */
	add_ca_store(&l, c->ca);
	holds = sandbox_enter(SANDBOX_RUNNER, l.v, l.n);
	for (size_t i = 0; i < l.n; i++)
		free((void *)(uintptr_t)l.v[i].path);
	free(l.v);
	return holds;
}
