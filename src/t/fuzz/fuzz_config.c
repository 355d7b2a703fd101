/*
 * fuzz_config.c: a configuration is taken, with every value within its bounds, or refused with one
 * clean line that names the file. Comments, blanks and CRs behind its lines change neither.
 */
#include <arpa/inet.h>

#include <string.h>
#include <sysexits.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "config.h"
#include "dns/resolvconf.h"
#include "fuzz.h"

enum { TEXT_MAX = 1 << 20 };

struct parsed {
	struct config c;
	char why[300];
	int rc;
};

static void
require(bool holds, const char *what)
{
	if (!holds)
		bug(what);
}

static const char *
shown(const char *s)
{
	return s != NULL ? s : "(none)";
}

/* --- what must hold --- */

static void
check_targets(const struct targets *ts)
{
	struct in6_addr ip;

	for (size_t i = 0; i < ts->n; i++) {
		const struct target *t = &ts->v[i];

		require(t->host != NULL && t->host[0] != '\0' && t->line >= 1,
		    "a target that leads nowhere");
		require(t->kind != TARGET_ADDRESS || inet_pton(AF_INET, t->host, &ip) == 1 ||
			    inet_pton(AF_INET6, t->host, &ip) == 1,
		    "an address that is none");
		require(t->kind != TARGET_LMTP_PATH || t->host[0] == '/', "half a path");
	}
}

static bool
is_path(const char *s)
{
	return s == NULL || s[0] == '/';
}

static void
check_values(struct config *c)
{
	struct sockaddr_storage ss;

	require(c->retry_min_s >= 1 && c->retry_min_s <= c->retry_max_s && c->expire_s >= 1 &&
		    c->warn_s >= 0 && c->connect_s >= 1 && c->tls_s >= 1,
	    "a time out of bounds");
	for (size_t i = 0; i < SMTP_NWAITS; i++)
		require(c->patience_s[i] >= 1 && c->patience_s[i] <= 24 * 60 * 60,
		    "a patience out of bounds");
	require(c->sessions >= 1 && c->sessions_per_site >= 1 && c->recipients >= 1 &&
		    c->addresses >= 1 && c->port >= 1,
	    "a number out of bounds");
	require(is_path(c->spool) && is_path(c->ca) && is_path(c->client_cert) &&
		    is_path(c->client_key) && is_path(c->auth) && is_path(c->resolv_conf) &&
		    (c->hosts[0] == '\0' || is_path(c->hosts)),
	    "half a path");
	for (size_t i = 0; i < c->nnameservers; i++)
		require(resolvconf_server(c->nameservers[i], &ss), "no name server");
	for (size_t i = 0; i < c->nrefuse; i++)
		require(c->refuse[i].bits <= 128, "a network of too many bits");
	for (size_t i = 0; i < c->ntls_rules; i++)
		require((c->tls_rules[i].policy.level == TLS_FINGERPRINT) ==
			    (c->tls_rules[i].policy.nfingerprints > 0),
		    "a fingerprint that nothing fits, or anything");
	check_targets(&c->relays);
	check_targets(&c->fallbacks);
	check_targets(&c->routes);
	require(config_hostname(c) == NULL || smtp_helo_ok(config_hostname(c)), "no host name");
}

/* --- the whole of it as a text --- */

static void
describe_targets(struct buf *b, const struct targets *ts)
{
	for (size_t i = 0; i < ts->n; i++) {
		const struct target *t = &ts->v[i];

		buf_addf(b, "%d %s %u line %d %d %d %s %s\n", t->kind, t->host, t->port, t->line,
		    t->tls_first, t->submission, shown(t->user), shown(t->pattern));
	}
	buf_adds(b, ".\n");
}

static void
describe_tls(struct buf *b, const char *name, const struct tls_policy *p)
{
	buf_addf(b, "%s %d %d", name, p->level, p->old_versions);
	for (size_t i = 0; i < p->nfingerprints; i++)
		buf_addf(b, " %s", p->fingerprints[i]);
	buf_adds(b, "\n");
}

static void
describe(struct buf *b, const struct parsed *p)
{
	const struct config *c = &p->c;

	buf_addf(b, "%d %s\n", p->rc, p->why);
	buf_addf(b, "%s %s %s %s %s %s %s\n", shown(c->hostname), shown(c->domain), c->spool,
	    c->hosts, c->resolv_conf, shown(c->postmaster), c->log);
	buf_addf(b, "%s %s %s %s\n", shown(c->ca), shown(c->client_cert), shown(c->client_key),
	    shown(c->auth));
	buf_addf(b, "%u %u %u %u %u %d %llu\n", c->port, c->sessions, c->sessions_per_site,
	    c->recipients, c->addresses, c->refuse_default, (unsigned long long)c->max_size);
	buf_addf(b, "%lld %lld %lld %lld %d %d\n", (long long)c->retry_min_s,
	    (long long)c->retry_max_s, (long long)c->expire_s, (long long)c->warn_s, c->connect_s,
	    c->tls_s);
	buf_add(b, c->patience_s, sizeof(c->patience_s));
	buf_add(b, &c->bind4, sizeof(c->bind4));
	buf_add(b, &c->bind6, sizeof(c->bind6));
	describe_targets(b, &c->relays);
	describe_targets(b, &c->fallbacks);
	describe_targets(b, &c->routes);
	for (size_t i = 0; i < c->nnameservers; i++)
		buf_addf(b, "%s\n", c->nameservers[i]);
	for (size_t i = 0; i < c->nauth_in_clear; i++)
		buf_addf(b, "%s\n", c->auth_in_clear[i]);
	for (size_t i = 0; i < c->nrefuse; i++) {
		buf_add(b, &c->refuse[i].ip, sizeof(c->refuse[i].ip));
		buf_addf(b, "/%u\n", c->refuse[i].bits);
	}
	describe_tls(b, "", &c->tls);
	for (size_t i = 0; i < c->ntls_rules; i++)
		describe_tls(b, c->tls_rules[i].name, &c->tls_rules[i].policy);
}

static void
parse(struct parsed *p, const char *text, size_t n)
{
	memset(p, 0, sizeof(*p));
	config_init(&p->c);
	p->rc = config_parse(&p->c, "x.conf", text, n, p->why, sizeof(p->why));
}

static void
decorate(struct buf *b, const char *text, size_t n)
{
	const char *end = text + n, *lf;

	for (int i = 0; (lf = memchr(text, '\n', (size_t)(end - text))) != NULL; text = lf + 1) {
		buf_adds(b, "\t ");
		buf_add(b, text, (size_t)(lf - text));
		buf_adds(b, i++ % 2 == 0 ? " \r\n" : " # relay x\n");
	}
	buf_add(b, text, (size_t)(end - text));
}

void
fuzz_config(const uint8_t *data, size_t size)
{
	struct parsed plain, again;
	struct buf text, a, b;

	buf_init(&text, TEXT_MAX);
	buf_init(&a, TEXT_MAX);
	buf_init(&b, TEXT_MAX);
	parse(&plain, (const char *)data, size);
	require(plain.rc == 0 || plain.rc == EX_CONFIG, "an exit code that is none of ours");
	require(plain.rc == 0 || (str_starts(plain.why, "x.conf:") &&
				     str_is_clean(plain.why, strlen(plain.why))),
	    "no clean line that names the file");
	decorate(&text, (const char *)data, size);
	parse(&again, buf_data(&text), buf_len(&text));
	describe(&a, &plain);
	describe(&b, &again);
	require(buf_len(&a) == buf_len(&b) && memcmp(buf_data(&a), buf_data(&b), buf_len(&a)) == 0,
	    "another configuration because of blanks and comments");
	if (plain.rc == 0)
		check_values(&plain.c);
	config_free(&plain.c);
	config_free(&again.c);
	buf_free(&text);
	buf_free(&a);
	buf_free(&b);
}
