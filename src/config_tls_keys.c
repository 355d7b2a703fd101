/*
 * config_tls_keys.c: the lines `tls`, `client-cert` and `auth-in-clear`: how well connections must be secured,
 * who we are there, and who may see a password without that. config_tls.c finds the policy for a host.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "config_keys.h"

static const struct {
	const char *word;
	enum tls_level level;
} tls_levels[] = {
    {"none", TLS_NONE},
    {"may", TLS_MAY},
    {"encrypt", TLS_ENCRYPT},
    {"verify", TLS_VERIFY},
    {"fingerprint", TLS_FINGERPRINT},
};

static bool
tls_level(const char *word, enum tls_level *level)
{
	for (size_t i = 0; i < sizeof(tls_levels) / sizeof(tls_levels[0]); i++) {
		if (strcmp(word, tls_levels[i].word) == 0) {
			*level = tls_levels[i].level;
			return true;
		}
	}
	return false;
}

/* "sha256:" and 64 hex digits, with or without colons between the bytes. */
static bool
fingerprint_ok(const char *s)
{
	size_t digits = 0;

	if (!str_starts(s, "sha256:"))
		return false;
	for (s += strlen("sha256:"); *s != '\0'; s++) {
		if (strchr("0123456789abcdefABCDEF", *s) != NULL)
			digits++;
		else if (*s != ':' || digits % 2 != 0)
			return false;
	}
	return digits == 64;
}

/* What stands behind the level: fingerprints, or the word old. */
static bool
tls_rest(struct config_line *l, int i, struct tls_policy *p)
{
	size_t cap = 0;

	for (; i < l->nwords; i++) {
		if (strcmp(l->words[i], "old") == 0 && p->level != TLS_NONE) {
			p->old_versions = true;
		} else if (p->level == TLS_FINGERPRINT && fingerprint_ok(l->words[i])) {
			p->fingerprints = xgrow((void *)p->fingerprints, p->nfingerprints, &cap,
			    sizeof(*p->fingerprints));
			p->fingerprints[p->nfingerprints++] = xstrdup(l->words[i]);
		} else {
			return config_bad(l,
			    "tls: %s: behind fingerprint stand sha256:HEX of 64 digits, behind any "
			    "level "
			    "perhaps old (for TLS 1.0)",
			    l->words[i]);
		}
	}
	if (p->level == TLS_FINGERPRINT && p->nfingerprints == 0)
		return config_bad(l, "tls: behind fingerprint belongs sha256:HEX");
	return true;
}

/* tls LEVEL [old]; tls NAME LEVEL [old]; tls NAME fingerprint sha256:HEX... */
bool
config_tls_parse(struct config_line *l)
{
	struct config *c = l->c;
	struct tls_rule *r;
	enum tls_level level;

	if (tls_level(l->words[1], &level)) {
		if (level == TLS_FINGERPRINT)
			return config_bad(
			    l, "tls: one fingerprint cannot fit every host; name the host first");
		if (c->tls_given)
			return config_bad(l, "tls: one policy for everybody; remove one");
		c->tls_given = true;
		c->tls.level = level;
		return tls_rest(l, 2, &c->tls);
	}
	if (l->nwords < 3 || !tls_level(l->words[2], &level))
		return config_bad(l, "tls: write tls LEVEL or tls NAME LEVEL, where LEVEL is none, "
				     "may, encrypt, verify or "
				     "fingerprint");
	str_lowercase(l->words[1]);
	for (size_t i = 0; i < c->ntls_rules; i++)
		if (strcmp(c->tls_rules[i].name, l->words[1]) == 0)
			return config_bad(
			    l, "tls %s: one policy for each name; remove one", l->words[1]);
	c->tls_rules = xgrow(c->tls_rules, c->ntls_rules, &c->tls_rules_cap, sizeof(*c->tls_rules));
	r = &c->tls_rules[c->ntls_rules++];
	*r = (struct tls_rule){.name = xstrdup(l->words[1]), .policy.level = level};
	return tls_rest(l, 3, &r->policy);
}

bool
config_client_cert_parse(struct config_line *l)
{
	for (int i = 1; i < l->nwords; i++)
		if (l->words[i][0] != '/')
			return config_bad(
			    l, "%s: write the whole path, starting with a slash", l->words[i]);
	config_set(&l->c->client_cert, l->words[1]);
	if (l->nwords > 2)
		config_set(&l->c->client_key, l->words[2]);
	return true;
}

bool
config_auth_in_clear_parse(struct config_line *l)
{
	struct config *c = l->c;

	for (int i = 1; i < l->nwords; i++) {
		str_lowercase(l->words[i]);
		c->auth_in_clear = xgrow((void *)c->auth_in_clear, c->nauth_in_clear,
		    &c->auth_in_clear_cap, sizeof(*c->auth_in_clear));
		c->auth_in_clear[c->nauth_in_clear++] = xstrdup(l->words[i]);
	}
	return true;
}
