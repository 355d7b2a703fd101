/*
 * config_tls.c: which TLS policy holds for whom.
 */
#include <string.h>

#include "base/str.h"
#include "config.h"

static const struct tls_policy verify = {.level = TLS_VERIFY};

static bool
covers(const char *rule, const char *name)
{
	if (name == NULL)
		return false;
	if (rule[0] == '.')
		return strlen(name) > strlen(rule) && str_ends_i(name, rule);
	return str_eqi(rule, name);
}

/* The rule for exactly this name before one for a domain above it, and of those the nearest. */
static const struct tls_policy *
rule_for(const struct config *c, const char *name)
{
	const struct tls_rule *best = NULL;

	for (size_t i = 0; i < c->ntls_rules; i++) {
		const struct tls_rule *r = &c->tls_rules[i];

		if (!covers(r->name, name))
			continue;
		if (r->name[0] != '.')
			return &r->policy;
		if (best == NULL || strlen(r->name) > strlen(best->name))
			best = r;
	}
	return best != NULL ? &best->policy : NULL;
}

bool
config_tls_names(const struct config *c, const char *domain)
{
	return rule_for(c, domain) != NULL;
}

const struct tls_policy *
config_tls_policy(const struct config *c, const char *host, const char *domain, bool provider)
{
	/* the name of an exchange is what the DNS says, which whoever wants to read the mail may say */
	const struct tls_policy *p = provider ? NULL : rule_for(c, domain);

	if (p == NULL)
		p = rule_for(c, host);
	if (p == NULL)
		p = provider ? &verify : &c->tls;
	return p;
}

bool
config_auth_in_clear(const struct config *c, const char *host)
{
	for (size_t i = 0; i < c->nauth_in_clear; i++)
		if (covers(c->auth_in_clear[i], host))
			return true;
	return false;
}

static bool
provider_among(
    const struct config *c, const struct targets *ts, config_login_fn *gets_login, const void *ctx)
{
	for (size_t i = 0; i < ts->n; i++) {
		const struct target *t = &ts->v[i];

		if (config_tls_policy(c, t->host, NULL, true)->level == TLS_VERIFY &&
		    (t->submission || t->user != NULL ||
			(gets_login != NULL && gets_login(ctx, t))))
			return true;
	}
	return false;
}

bool
config_wants_ca(const struct config *c, config_login_fn *gets_login, const void *ctx)
{
	if (c->tls.level == TLS_VERIFY)
		return true;
	for (size_t i = 0; i < c->ntls_rules; i++)
		if (c->tls_rules[i].policy.level == TLS_VERIFY)
			return true;
	return provider_among(c, &c->relays, gets_login, ctx) ||
	       provider_among(c, &c->fallbacks, gets_login, ctx) ||
	       provider_among(c, &c->routes, gets_login, ctx);
}

static const char *
never_and_from_the_start(const struct config *c, const struct targets *ts)
{
	for (size_t i = 0; i < ts->n; i++) {
		const struct target *t = &ts->v[i];

		if (t->tls_first && config_tls_policy(c, t->host, NULL, true)->level == TLS_NONE)
			return t->host;
	}
	return NULL;
}

const char *
config_tls_contradiction(const struct config *c)
{
	const char *host = never_and_from_the_start(c, &c->relays);

	if (host == NULL)
		host = never_and_from_the_start(c, &c->fallbacks);
	if (host == NULL)
		host = never_and_from_the_start(c, &c->routes);
	return host;
}
