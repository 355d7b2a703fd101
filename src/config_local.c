/*
 * config_local.c: the lines `local`, `local-domains` and `deliver`: whose mail stays on this machine, what is
 * done with it, and whether any other mail goes out.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "config_keys.h"
#include "config_value.h"

enum { WHY_MAX = 512 };

/* It is opened as the user, below his home; with ".." it would be anywhere else. */
static bool
is_below_home(const char *path)
{
	const char *p = path;

	while (*p != '\0') {
		size_t n = strcspn(p, "/");

		if (n == 0 || (n == 2 && strncmp(p, "..", 2) == 0))
			return false;
		p += n;
		if (*p == '/' && *++p == '\0')
			return false;
	}
	return p != path;
}

static bool
parse_maildir(struct config_line *l, const char *path)
{
	if (!is_below_home(path))
		return config_bad(l,
		    "local maildir:%s: write the folder's name below the users' homes, like "
		    "maildir:Maildir",
		    path);
	l->c->local = CONFIG_LOCAL_MAILDIR;
	config_set(&l->c->local_path, path);
	return true;
}

static bool
parse_mbox(struct config_line *l, const char *path)
{
	if (path[0] != '/')
		return config_bad(l,
		    "local mbox:%s: write the whole path of the folder that has the mboxes, like "
		    "mbox:/var/mail",
		    path);
	l->c->local = CONFIG_LOCAL_MBOX;
	config_set(&l->c->local_path, path);
	return true;
}

static bool
parse_lmtp(struct config_line *l, const char *url)
{
	struct targets *ts = &l->c->local_lmtp;
	char why[WHY_MAX];

	ts->v = xgrow(ts->v, ts->n, &ts->cap, sizeof(*ts->v));
	ts->v[ts->n] = (struct target){.line = l->number};
	l->c->local = CONFIG_LOCAL_LMTP;
	return config_value_target(url, &ts->v[ts->n++], why, sizeof(why)) ||
	       config_bad(l, "%s", why);
}

bool
config_local_parse(struct config_line *l)
{
	const char *how = l->words[1];

	if (strcmp(how, "maildir") == 0)
		return parse_maildir(l, "Maildir");
	if (str_starts(how, "maildir:"))
		return parse_maildir(l, how + strlen("maildir:"));
	if (strcmp(how, "mbox") == 0)
		return parse_mbox(l, "/var/mail");
	if (str_starts(how, "mbox:"))
		return parse_mbox(l, how + strlen("mbox:"));
	if (str_starts(how, "lmtp:"))
		return parse_lmtp(l, how);
	if (strcmp(how, "discard") == 0) {
		l->c->local = CONFIG_LOCAL_DISCARD;
		return true;
	}
	return config_bad(l,
	    "local %s: write maildir[:FOLDER], mbox[:/FOLDER], lmtp:/PATH, lmtp://HOST:PORT or "
	    "discard",
	    how);
}

bool
config_local_domains_parse(struct config_line *l)
{
	struct config *c = l->c;

	for (int i = 1; i < l->nwords; i++) {
		str_lowercase(l->words[i]);
		if (!config_value_domain(l->words[i]))
			return config_bad(l, "local-domains: %s: not a domain", l->words[i]);
		c->local_domains = xgrow((void *)c->local_domains, c->nlocal_domains,
		    &c->local_domains_cap, sizeof(*c->local_domains));
		c->local_domains[c->nlocal_domains++] = xstrdup(l->words[i]);
	}
	return true;
}

bool
config_deliver_parse(struct config_line *l)
{
	if (strcmp(l->words[1], "local-only") == 0)
		l->c->local_only = l->number;
	else if (strcmp(l->words[1], "anywhere") != 0)
		return config_bad(l, "deliver %s: write anywhere, or local-only", l->words[1]);
	return true;
}

bool
config_is_local(const struct config *c, const char *hostname, const char *domain)
{
	return c->local != CONFIG_LOCAL_AS_ANY && config_is_ours(c, hostname, domain);
}

bool
config_is_ours(const struct config *c, const char *hostname, const char *domain)
{
	if (domain == NULL || domain[0] == '\0' || str_eqi(domain, "localhost") ||
	    (hostname != NULL && str_eqi(domain, hostname)))
		return true;
	if (hostname != NULL && strlen(domain) == strcspn(hostname, ".") &&
	    str_neqi(domain, hostname, strlen(domain)))
		return true;
	for (size_t i = 0; i < c->nlocal_domains; i++)
		if (str_eqi(c->local_domains[i], domain))
			return true;
	return false;
}
