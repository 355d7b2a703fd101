/*
 * config.c: sortie.conf as a struct: built-in values, the file, the host's name.
 */
#include "config.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "config_keys.h"

#ifndef SPOOLDIR
#define SPOOLDIR "/var/spool/sortie"
#endif

enum { FILE_MAX = 1024 * 1024, DAY_S = 24 * 60 * 60 };

void
config_init(struct config *c)
{
	*c = (struct config){
	    .tls = {.level = TLS_MAY},
	    .spool = xstrdup(SPOOLDIR),
	    .hosts = xstrdup("/etc/hosts"),
	    .resolv_conf = xstrdup("/etc/resolv.conf"),
	    .log = xstrdup("syslog"),
	    .port = 25,
	    .sessions = 500,
	    .sessions_per_site = 20,
	    .chunking = true,
	    .recipients = 100,
	    .addresses = 5,
	    .retry_min_s = 15 * 60,
	    .retry_max_s = DAY_S / 2,
	    .expire_s = 5 * DAY_S,
	    .warn_s = 4 * 60 * 60,
	    .connect_s = 30,
	    .tls_s = 60,
	    .refuse_default = true,
	};
	memcpy(c->patience_s, smtp_default_patience_s, sizeof(c->patience_s));
}

static void
free_targets(struct targets *ts)
{
	for (size_t i = 0; i < ts->n; i++) {
		free(ts->v[i].host);
		free(ts->v[i].user);
		free(ts->v[i].pattern);
	}
	free(ts->v);
}

static void
free_words(char **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free((void *)v);
}

static void
free_tls(struct config *c)
{
	free_words(c->tls.fingerprints, c->tls.nfingerprints);
	for (size_t i = 0; i < c->ntls_rules; i++) {
		struct tls_policy *p = &c->tls_rules[i].policy;

		free_words(p->fingerprints, p->nfingerprints);
		free(c->tls_rules[i].name);
	}
	free(c->tls_rules);
	free(c->ca);
	free(c->client_cert);
	free(c->client_key);
	free(c->auth);
	free(c->home);
	free(c->user);
	free_words(c->auth_in_clear, c->nauth_in_clear);
}

void
config_free(struct config *c)
{
	free_tls(c);
	free_targets(&c->relays);
	free_targets(&c->fallbacks);
	free_targets(&c->routes);
	free_targets(&c->local_lmtp);
	free(c->local_path);
	free_words(c->local_domains, c->nlocal_domains);
	for (size_t i = 0; i < c->nmasquerades; i++) {
		free(c->masquerades[i].whom);
		free(c->masquerades[i].as);
	}
	free(c->masquerades);
	free(c->masquerade_domain);
	free(c->aliases);
	free_words(c->nameservers, c->nnameservers);
	free(c->refuse);
	free(c->path);
	free(c->hostname);
	free(c->domain);
	free(c->spool);
	free(c->hosts);
	free(c->resolv_conf);
	free(c->postmaster);
	free(c->log);
	*c = (struct config){0};
}

/* --- the file --- */

/* Words are separated by blanks; a word that starts with # starts a comment. */
static bool
split(struct config_line *l, char *text)
{
	for (char *p = text;;) {
		p += strspn(p, " \t\r");
		if (*p == '\0' || *p == '#')
			return true;
		if (l->nwords == CONFIG_WORDS_MAX)
			return config_bad(
			    l, "more than %d words; use several lines", CONFIG_WORDS_MAX);
		l->words[l->nwords++] = p;
		p += strcspn(p, " \t\r");
		if (*p != '\0')
			*p++ = '\0';
	}
}

static bool
parse_line(struct config_line *l, char *text, int first_at[CONFIG_KEYS_MAX])
{
	if (!split(l, text))
		return false;
	if (l->nwords == 0)
		return true;
	return config_keys_take(l, first_at);
}

int
config_parse(
    struct config *c, const char *name, const char *text, size_t n, char *why, size_t whysize)
{
	int first_at[CONFIG_KEYS_MAX] = {0};
	char *copy = xstrndup(text, n), *next;
	const char *host;
	bool ok = true, bad = false;
	struct config_line l;
	int number = 0;

	if (strlen(copy) != n) {
		snprintf(why, whysize, "%s: holds a NUL byte; not a configuration file", name);
		free(copy);
		return EX_CONFIG;
	}
	for (char *p = copy; ok && p != NULL; p = next) {
		next = strchr(p, '\n');
		if (next != NULL)
			*next++ = '\0';
		l = (struct config_line){
		    .c = c, .file = name, .number = ++number, .why = why, .whysize = whysize};
		ok = parse_line(&l, p, first_at);
		if (!ok && c->on_bad != NULL) {
			c->on_bad(c->on_bad_ctx, number, why);
			ok = bad = true;
		}
	}
	free(copy);
	if (bad) /* what follows asks how lines fit together */
		return EX_CONFIG;
	if (ok && (host = config_tls_contradiction(c)) != NULL) {
		snprintf(why, whysize,
		    "%s: smtps://%s is TLS from the start, but the tls line for it says none", name,
		    host);
		ok = false;
	}
	if (ok && c->local_only > 0 && c->local == CONFIG_LOCAL_AS_ANY) {
		snprintf(why, whysize,
		    "%s:%d: deliver local-only: there is no `local` line, so no mail could go "
		    "anywhere; add one",
		    name, c->local_only);
		ok = false;
	}
	return ok ? 0 : EX_CONFIG;
}

/* roots: whether nobody but root can have written it. */
static int
read_all(struct buf *b, const char *path, bool *roots)
{
	enum { PIECE = 1024 }; /* what most files fit into: every page touched is one more to get */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), saved;
	struct stat st;
	ssize_t n;
	char *at;

	if (fd == -1)
		return -1;
	*roots = fstat(fd, &st) == 0 && st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
	do {
		at = buf_reserve(b, PIECE);
		n = at == NULL ? -1 : read(fd, at, PIECE);
		if (at == NULL)
			errno = EFBIG;
		if (n > 0)
			buf_commit(b, (size_t)n);
	} while (n > 0 || (n == -1 && errno == EINTR));
	saved = errno;
	(void)close(fd);
	errno = saved;
	return n == -1 ? -1 : 0;
}

int
config_read(struct config *c, const char *path, bool missing_ok, char *why, size_t whysize)
{
	struct buf b;
	int rc = 0;

	config_set(&c->path, path);
	buf_init(&b, FILE_MAX);
	if (read_all(&b, path, &c->roots) == -1) {
		if (errno != ENOENT || !missing_ok) {
			snprintf(why, whysize, "%s: %s", path, strerror(errno));
			rc = EX_CONFIG;
		}
	} else {
		rc = config_parse(c, path, buf_data(&b), buf_len(&b), why, whysize);
	}
	buf_free(&b);
	return rc;
}

/* --- questions --- */

const char *
config_hostname(struct config *c)
{
	enum { NAME_SIZE = 256 };
	char name[NAME_SIZE], full[2 * NAME_SIZE];

	if (c->hostname != NULL)
		return c->hostname;
	if (gethostname(name, sizeof(name)) == -1)
		return NULL;
	name[sizeof(name) - 1] = '\0';
	if (strchr(name, '.') != NULL)
		(void)str_copy(full, sizeof(full), name);
	else if (c->domain != NULL)
		snprintf(full, sizeof(full), "%s.%s", name, c->domain);
	else
		return NULL;
	str_lowercase(full);
	if (!smtp_helo_ok(full))
		return NULL;
	config_set(&c->hostname, full);
	return c->hostname;
}
