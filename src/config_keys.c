/*
 * config_keys.c: every key of sortie.conf is a row of one table: its name, its parser, the field it
 * fills, and the bounds of its value.
 */
#include "config_keys.h"

#include <arpa/inet.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "config_value.h"
#include "proto/address.h"

enum { LINE_SIZE = 512, DAY_S = 24 * 60 * 60 };

typedef bool key_fn(struct config_line *l);

struct config_key {
	const char *name;
	key_fn *fn;
	size_t field; /* offset in struct config */
	int64_t min, max;
	int least, most; /* words behind the key */
	bool again; /* may be given more than once */
};

bool
config_bad(struct config_line *l, const char *fmt, ...)
{
	char text[2 * LINE_SIZE];
	va_list ap;
	int n = snprintf(text, sizeof(text), "%.*s:%d: ", LINE_SIZE, l->file, l->number);

	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - (size_t)n, fmt, ap);
	va_end(ap);
	str_clean(l->why, l->whysize, text, strlen(text));
	return false;
}

void
config_set(char **at, const char *value)
{
	free(*at);
	*at = xstrdup(value);
}

static void *
field(struct config_line *l)
{
	return (char *)l->c + l->key->field;
}

/* --- values --- */

static bool
parse_hostname(struct config_line *l)
{
	str_lowercase(l->words[1]);
	if (!smtp_helo_ok(l->words[1]) ||
	    (l->words[1][0] != '[' && !config_value_domain(l->words[1])))
		return config_bad(
		    l, "%s: not a host name; write it in full, like mail.example.org", l->words[1]);
	config_set(field(l), l->words[1]);
	return true;
}

static bool
parse_domain(struct config_line *l)
{
	str_lowercase(l->words[1]);
	if (!config_value_domain(l->words[1]))
		return config_bad(l, "%s: not a domain; write it like example.org", l->words[1]);
	config_set(field(l), l->words[1]);
	return true;
}

static bool
parse_path(struct config_line *l)
{
	if (l->words[1][0] != '/')
		return config_bad(
		    l, "%s: write the whole path, starting with a slash", l->words[1]);
	config_set(field(l), l->words[1]);
	return true;
}

static bool
parse_path_or_none(struct config_line *l)
{
	if (strcmp(l->words[1], "none") != 0)
		return parse_path(l);
	config_set(field(l), "");
	return true;
}

static bool
parse_log(struct config_line *l)
{
	if (strcmp(l->words[1], "syslog") != 0 && strcmp(l->words[1], "stderr") != 0 &&
	    l->words[1][0] != '/')
		return config_bad(l, "log %s: write syslog, stderr or a whole path", l->words[1]);
	config_set(field(l), l->words[1]);
	return true;
}

static bool
parse_address(struct config_line *l)
{
	enum address_error e = address_check(l->words[1], false);

	if (e == ADDRESS_SYNTAX)
		return config_bad(
		    l, "%s: write an address with its domain, like root@example.org", l->words[1]);
	if (e != ADDRESS_OK)
		return config_bad(l, "%s: %s", l->words[1], address_error_text(e));
	config_set(field(l), l->words[1]);
	return true;
}

static bool
parse_yes_no(struct config_line *l)
{
	bool *at = field(l);

	*at = strcmp(l->words[1], "yes") == 0;
	if (!*at && strcmp(l->words[1], "no") != 0)
		return config_bad(l, "%s %s: write yes or no", l->words[0], l->words[1]);
	return true;
}

static bool
parse_count(struct config_line *l)
{
	unsigned *at = field(l);
	uint64_t n;

	if (!str_u64(l->words[1], (uint64_t)l->key->max, &n) || n < (uint64_t)l->key->min)
		return config_bad(l, "%s %s: write a number from %lld to %lld", l->key->name,
		    l->words[1], (long long)l->key->min, (long long)l->key->max);
	*at = (unsigned)n;
	return true;
}

static bool
parse_port(struct config_line *l)
{
	if (!config_value_port(l->words[1], field(l)))
		return config_bad(l, "port %s: write a number from 1 to 65535", l->words[1]);
	return true;
}

static bool
parse_size(struct config_line *l)
{
	if (!str_size(l->words[1], field(l)))
		return config_bad(
		    l, "%s: not a size; write it like 50M, 0 for no limit", l->words[1]);
	return true;
}

static bool
time_value(struct config_line *l, const char *word, int64_t *seconds)
{
	char min[32], max[32];
	int64_t value;

	if (str_duration(word, 1, &value) && value >= l->key->min && value <= l->key->max) {
		*seconds = value;
		return true;
	}
	return config_bad(l, "%s %s: write a time from %s to %s, like 90s, 15m, 12h or 5d",
	    l->key->name, word, str_duration_text(l->key->min, min, sizeof(min)),
	    str_duration_text(l->key->max, max, sizeof(max)));
}

static bool
parse_time(struct config_line *l)
{
	return time_value(l, l->words[1], field(l));
}

static bool
parse_retry(struct config_line *l)
{
	int64_t min = 0, max = 0;

	if (!time_value(l, l->words[1], &min) || !time_value(l, l->words[2], &max))
		return false;
	if (min > max)
		return config_bad(
		    l, "retry %s %s: write the shorter time first", l->words[1], l->words[2]);
	l->c->retry_min_s = min;
	l->c->retry_max_s = max;
	return true;
}

static bool
parse_timeout(struct config_line *l)
{
	struct config *c = l->c;
	const struct {
		const char *name;
		int *at;
	} waits[] = {
	    {"connect", &c->connect_s},
	    {"tls", &c->tls_s},
	    {"greeting", &c->patience_s[SMTP_WAIT_GREETING]},
	    {"ehlo", &c->patience_s[SMTP_WAIT_EHLO]},
	    {"mail", &c->patience_s[SMTP_WAIT_MAIL]},
	    {"rcpt", &c->patience_s[SMTP_WAIT_RCPT]},
	    {"data", &c->patience_s[SMTP_WAIT_DATA]},
	    {"block", &c->patience_s[SMTP_WAIT_BLOCK]},
	    {"dot", &c->patience_s[SMTP_WAIT_DOT]},
	    {"rset", &c->patience_s[SMTP_WAIT_RSET]},
	};
	int64_t seconds = 0;

	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		if (strcmp(l->words[1], waits[i].name) != 0)
			continue;
		if (!time_value(l, l->words[2], &seconds))
			return false;
		*waits[i].at = (int)seconds;
		return true;
	}
	return config_bad(l,
	    "timeout %s: unknown; known are connect tls greeting ehlo mail rcpt data "
	    "block dot rset",
	    l->words[1]);
}

/* --- where to --- */

static bool
add_target(struct config_line *l, const char *url, const char *pattern)
{
	struct targets *ts = field(l);
	struct target t = {.line = l->number};

	char why[LINE_SIZE];

	if (!config_value_target(url, &t, why, sizeof(why))) {
		free(t.host);
		free(t.user);
		return config_bad(l, "%s", why);
	}
	t.pattern = pattern == NULL ? NULL : xstrdup(pattern);
	ts->v = xgrow(ts->v, ts->n, &ts->cap, sizeof(*ts->v));
	ts->v[ts->n++] = t;
	return true;
}

static bool
parse_relay(struct config_line *l)
{
	if (l->nwords == 2)
		return add_target(l, l->words[1], NULL);
	if (l->nwords != 4 || strcmp(l->words[2], "from") != 0)
		return config_bad(l, "write: relay URL, or: relay URL from PATTERN");
	return add_target(l, l->words[1], l->words[3]);
}

static bool
parse_fallback(struct config_line *l)
{
	return add_target(l, l->words[1], NULL);
}

static bool
parse_route(struct config_line *l)
{
	const char *domain = l->words[1];

	str_lowercase(l->words[1]);
	if (domain[0] == '.') /* those below it, as in sendmail's mailertable */
		domain++;
	if (!config_value_domain(domain) && strcmp(domain, "*") != 0)
		return config_bad(l,
		    "route %s: not a domain; write: route DOMAIN URL, or .DOMAIN for all below it",
		    l->words[1]);
	return add_target(l, l->words[2], l->words[1]);
}

/* --- addresses of the network --- */

static bool
parse_nameserver(struct config_line *l)
{
	struct config *c = l->c;

	if (!config_value_nameserver(l->words[1]))
		return config_bad(l,
		    "nameserver %s: write an address, like 192.0.2.53, 127.0.0.1:5353 or "
		    "[::1]:53",
		    l->words[1]);
	c->nameservers = xgrow(
	    (void *)c->nameservers, c->nnameservers, &c->nameservers_cap, sizeof(*c->nameservers));
	c->nameservers[c->nnameservers++] = xstrdup(l->words[1]);
	return true;
}

/* One of each family. */
static bool
parse_bind(struct config_line *l)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct sockaddr_storage *at;

	if (inet_pton(AF_INET, l->words[1], &in.sin_addr) == 1)
		at = &l->c->bind4;
	else if (inet_pton(AF_INET6, l->words[1], &in6.sin6_addr) == 1)
		at = &l->c->bind6;
	else
		return config_bad(l, "bind %s: not an IPv4 or IPv6 address", l->words[1]);
	if (at->ss_family != 0)
		return config_bad(
		    l, "bind %s: one address of each kind, IPv4 and IPv6; remove one", l->words[1]);
	if (at == &l->c->bind4)
		memcpy(at, &in, sizeof(in));
	else
		memcpy(at, &in6, sizeof(in6));
	return true;
}

static bool
parse_refuse(struct config_line *l)
{
	struct config *c = l->c;
	struct net net;

	c->refuse_default = false;
	if (strcmp(l->words[1], "none") == 0 && l->nwords == 2 && c->nrefuse == 0)
		return true;
	for (int i = 1; i < l->nwords; i++) {
		if (strcmp(l->words[i], "none") == 0)
			return config_bad(l, "refuse none stands alone");
		if (!config_value_net(l->words[i], &net))
			return config_bad(l,
			    "refuse %s: write addresses or networks, like 192.0.2.7, "
			    "192.0.2.0/24 or 2001:db8::/32",
			    l->words[i]);
		c->refuse = xgrow(c->refuse, c->nrefuse, &c->refuse_cap, sizeof(*c->refuse));
		c->refuse[c->nrefuse++] = net;
	}
	return true;
}

/* --- addresses --- */

/* user, user@domain, @domain, or * for all. */
static bool
masquerade_fits(const char *whom)
{
	return strcmp(whom, "*") == 0 || (whom[0] == '@' ? config_value_domain(whom + 1)
							 : address_check(whom, true) == ADDRESS_OK);
}

static bool
parse_masquerade(struct config_line *l)
{
	struct config *c = l->c;
	const char *whom = l->words[1], *as = l->words[2];
	struct masquerade *m;

	if (!masquerade_fits(whom))
		return config_bad(l,
		    "masquerade %s: write whom it is about as root, root@host.example.org, "
		    "@host.example.org, or * for everybody",
		    whom);
	if (as[0] == '@' ? !config_value_domain(as + 1) : address_check(as, false) != ADDRESS_OK)
		return config_bad(l,
		    "masquerade %s %s: write what it becomes as admin@example.org, or as "
		    "@example.org to change the domain alone",
		    whom, as);
	c->masquerades =
	    xgrow(c->masquerades, c->nmasquerades, &c->masquerades_cap, sizeof(*c->masquerades));
	m = &c->masquerades[c->nmasquerades++];
	m->whom = xstrdup(whom);
	m->as = xstrdup(as);
	return true;
}

/* --- the table --- */

#define FIELD(name) offsetof(struct config, name)

/* name, parser, field, least and greatest value, fewest and most words, may be given again */
static const struct config_key keys[] = {
    {"hostname", parse_hostname, FIELD(hostname), 0, 0, 1, 1, false},
    {"domain", parse_domain, FIELD(domain), 0, 0, 1, 1, false},
    {"spool", parse_path, FIELD(spool), 0, 0, 1, 1, false},
    {"relay", parse_relay, FIELD(relays), 0, 0, 1, 3, true},
    {"fallback", parse_fallback, FIELD(fallbacks), 0, 0, 1, 1, true},
    {"route", parse_route, FIELD(routes), 0, 0, 2, 2, true},
    {"local", config_local_parse, 0, 0, 0, 1, 1, false},
    {"local-domains", config_local_domains_parse, 0, 0, 0, 1, CONFIG_WORDS_MAX, true},
    {"deliver", config_deliver_parse, 0, 0, 0, 1, 1, false},
    {"nameserver", parse_nameserver, 0, 0, 0, 1, 1, true},
    {"hosts", parse_path_or_none, FIELD(hosts), 0, 0, 1, 1, false},
    {"resolv-conf", parse_path, FIELD(resolv_conf), 0, 0, 1, 1, false},
    {"port", parse_port, FIELD(port), 0, 0, 1, 1, false},
    {"bind", parse_bind, 0, 0, 0, 1, 1, true},
    {"sessions", parse_count, FIELD(sessions), 1, 100000, 1, 1, false},
    {"sessions-per-site", parse_count, FIELD(sessions_per_site), 1, 10000, 1, 1, false},
    {"recipients", parse_count, FIELD(recipients), 1, 10000, 1, 1, false},
    {"addresses", parse_count, FIELD(addresses), 1, 1000, 1, 1, false},
    {"chunking", parse_yes_no, FIELD(chunking), 0, 0, 1, 1, false},
    {"retry", parse_retry, 0, 1, 30 * DAY_S, 2, 2, false},
    {"expire", parse_time, FIELD(expire_s), 1, 365 * DAY_S, 1, 1, false},
    {"warn", parse_time, FIELD(warn_s), 0, 365 * DAY_S, 1, 1, false},
    {"timeout", parse_timeout, 0, 1, DAY_S, 2, 2, true},
    {"aliases", parse_path_or_none, FIELD(aliases), 0, 0, 1, 1, false},
    {"masquerade", parse_masquerade, 0, 0, 0, 2, 2, true},
    {"masquerade-domain", parse_domain, FIELD(masquerade_domain), 0, 0, 1, 1, false},
    {"postmaster", parse_address, FIELD(postmaster), 0, 0, 1, 1, false},
    {"max-size", parse_size, FIELD(max_size), 0, 0, 1, 1, false},
    {"log", parse_log, FIELD(log), 0, 0, 1, 1, false},
    {"refuse", parse_refuse, 0, 0, 0, 1, CONFIG_WORDS_MAX, true},
    {"tls", config_tls_parse, 0, 0, 0, 1, CONFIG_WORDS_MAX, true},
    {"ca", parse_path, FIELD(ca), 0, 0, 1, 1, false},
    {"client-cert", config_client_cert_parse, 0, 0, 0, 1, 2, false},
    {"auth", parse_path, FIELD(auth), 0, 0, 1, 1, false},
    {"auth-in-clear", config_auth_in_clear_parse, 0, 0, 0, 1, CONFIG_WORDS_MAX, true},
};

enum { NKEYS = sizeof(keys) / sizeof(keys[0]) };
_Static_assert((int)NKEYS <= (int)CONFIG_KEYS_MAX, "first_at has room");

bool
config_keys_take(struct config_line *l, int first_at[CONFIG_KEYS_MAX])
{
	size_t i = 0;

	while (i < NKEYS && strcmp(l->words[0], keys[i].name) != 0)
		i++;
	if (i == NKEYS)
		return config_bad(
		    l, "%s: unknown key; see the list of keys in the manual", l->words[0]);
	l->key = &keys[i];
	if (l->nwords - 1 < l->key->least)
		return config_bad(l, "%s: the value is missing", l->key->name);
	if (l->nwords - 1 > l->key->most)
		return config_bad(
		    l, "%s: remove what stands behind %s", l->key->name, l->words[l->key->most]);
	if (first_at[i] != 0 && !l->key->again)
		return config_bad(
		    l, "%s: given before, in line %d; remove one", l->key->name, first_at[i]);
	first_at[i] = l->number;
	return l->key->fn(l);
}
