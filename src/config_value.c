/*
 * config_value.c: what the values in sortie.conf may look like.
 */
#include "config_value.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "proto/address.h"

struct url { /* being parsed */
	const char *text;
	struct target *t;
	char *why;
	size_t whysize;
};

static bool bad(const struct url *u, const char *fmt, ...) LOG_PRINTF(2, 3);

static bool
bad(const struct url *u, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(u->why, u->whysize, "%s: ", u->text);

	va_start(ap, fmt);
	if (n > 0 && (size_t)n < u->whysize)
		vsnprintf(u->why + n, u->whysize - (size_t)n, fmt, ap);
	va_end(ap);
	return false;
}

bool
config_value_domain(const char *s)
{
	char mailbox[ADDRESS_MAX + 1];
	int n = snprintf(mailbox, sizeof(mailbox), "x@%s", s);

	return s[0] != '[' && n > 0 && (size_t)n < sizeof(mailbox) &&
	       address_check(mailbox, false) == ADDRESS_OK;
}

static bool
ip_ok(const char *s, int family)
{
	struct in6_addr ip;

	return inet_pton(family, s, &ip) == 1;
}

bool
config_value_port(const char *s, uint16_t *port)
{
	uint64_t n;

	if (!str_u64(s, UINT16_MAX, &n) || n == 0)
		return false;
	*port = (uint16_t)n;
	return true;
}

/* --- where to --- */

static bool
parse_lmtp_path(const struct url *u, const char *path)
{
	if (path[0] != '/')
		return bad(u, "write lmtp:/path/of/socket or lmtp://host:port");
	u->t->kind = TARGET_LMTP_PATH;
	u->t->host = xstrdup(path);
	return true;
}

/* "host", "host:port", "[address]", "[address]:port" behind the two slashes. */
static bool
parse_host_port(const struct url *u, const char *s)
{
	struct target *t = u->t;
	bool literal = s[0] == '[';
	size_t n = literal ? strcspn(++s, "]") : strcspn(s, ":/");
	const char *rest = s + n;

	t->host = xstrndup(s, n);
	str_lowercase(t->host);
	if (literal) {
		if (*rest++ != ']' || (!ip_ok(t->host, AF_INET) && !ip_ok(t->host, AF_INET6)))
			return bad(u, "between [ ] belongs an IPv4 or IPv6 address");
		if (t->kind == TARGET_HOST)
			t->kind = TARGET_ADDRESS;
	} else if (!config_value_domain(t->host)) {
		return bad(u, "not a host; write it like smtp://relay.example.net:25, or with an "
			      "address smtp://[192.0.2.7]:25");
	}
	if (strcmp(rest, "") == 0 || strcmp(rest, "/") == 0)
		return true;
	if (rest[0] == ':' && config_value_port(rest + 1, &t->port))
		return true;
	return bad(u, "behind the host belongs :PORT, from 1 to 65535, or nothing");
}

struct scheme {
	const char *name;
	uint16_t port; /* 0: the configured default */
	bool tls_first, submission;
};

static const struct scheme schemes[] = {
    {"smtp://", 0, false, false}, {"submission://", 587, false, true}, /* RFC 6409 */
    {"smtps://", 465, true, true}, /* RFC 8314 7.3 */
};

static int
hex_value(char c)
{
	const char *digits = "0123456789abcdef", *at = strchr(digits, str_lower((unsigned char)c));

	return c != '\0' && at != NULL ? (int)(at - digits) : -1;
}

/* "me", "me@example.com", "me%40example.com" */
static bool
parse_user(const struct url *u, const char *s, size_t n)
{
	char *user = xmalloc(n + 1), *to = user;

	u->t->user = user;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '%' && i + 2 < n && hex_value(s[i + 1]) >= 0 &&
		    hex_value(s[i + 2]) >= 0) {
			*to++ = (char)(hex_value(s[i + 1]) * 16 + hex_value(s[i + 2]));
			i += 2;
		} else if (s[i] == ':' || s[i] == '/') {
			return bad(u,
			    "no password here, where everybody can read it: it belongs in the "
			    "auth file");
		} else {
			*to++ = s[i];
		}
	}
	*to = '\0';
	return (n > 0 && str_is_clean(user, strlen(user)) && strlen(user) == (size_t)(to - user)) ||
	       bad(u, "before the @ belongs a user name");
}

/* [user@]host[:port] */
static bool
parse_smtp(struct url *u, const struct scheme *scheme)
{
	const char *rest = u->text + strlen(scheme->name), *at = strrchr(rest, '@');

	u->t->kind = TARGET_HOST;
	u->t->tls_first = scheme->tls_first;
	u->t->submission = scheme->submission;
	u->t->port = scheme->port;
	if (at != NULL && !parse_user(u, rest, (size_t)(at - rest)))
		return false;
	return parse_host_port(u, at != NULL ? at + 1 : rest);
}

bool
config_value_target(const char *url, struct target *t, char *why, size_t whysize)
{
	struct url u = {.text = url, .t = t, .why = why, .whysize = whysize};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (str_starts(url, schemes[i].name))
			return parse_smtp(&u, &schemes[i]);
	if (str_starts(url, "lmtp://")) {
		t->kind = TARGET_LMTP_HOST;
		if (!parse_host_port(&u, url + strlen("lmtp://")))
			return false;
		return t->port != 0 || bad(&u, "LMTP has no port of its own; add :PORT");
	}
	if (str_starts(url, "lmtp:"))
		return parse_lmtp_path(&u, url + strlen("lmtp:"));
	if (str_starts(url, "mx:")) {
		t->kind = TARGET_MX;
		t->host = xstrdup(url + strlen("mx:"));
		str_lowercase(t->host);
		return config_value_domain(t->host) || bad(&u, "behind mx: belongs a domain");
	}
	return bad(&u, "write smtp://HOST[:PORT], submission://USER@HOST, smtps://USER@HOST, "
		       "lmtp://HOST:PORT, "
		       "lmtp:/PATH or mx:DOMAIN");
}

/* --- addresses of the network --- */

bool
config_value_nameserver(const char *s)
{
	char host[INET6_ADDRSTRLEN];
	bool literal = s[0] == '[';
	size_t n = strcspn(s, literal ? "]" : ":");
	const char *rest = s + n;
	uint16_t port;

	if (ip_ok(s, AF_INET) || ip_ok(s, AF_INET6))
		return true;
	if (literal) {
		if (*rest++ != ']')
			return false;
		s++;
		n--;
	}
	if (n >= sizeof(host))
		return false;
	memcpy(host, s, n);
	host[n] = '\0';
	return ip_ok(host, literal ? AF_INET6 : AF_INET) &&
	       (rest[0] == '\0' || (rest[0] == ':' && config_value_port(rest + 1, &port)));
}

bool
config_value_net(const char *s, struct net *net)
{
	char word[INET6_ADDRSTRLEN];
	unsigned char *ip = net->ip.s6_addr;
	size_t n = strcspn(s, "/");
	uint64_t bits, most;

	if (n >= sizeof(word))
		return false;
	memcpy(word, s, n);
	word[n] = '\0';
	memset(ip, 0, 16);
	if (inet_pton(AF_INET, word, ip + 12) == 1) {
		ip[10] = ip[11] = 0xff; /* ::ffff:a.b.c.d */
		most = 32;
	} else if (inet_pton(AF_INET6, word, ip) == 1) {
		most = 128;
	} else {
		return false;
	}
	bits = most;
	if (s[n] == '/' && !str_u64(s + n + 1, most, &bits))
		return false;
	net->bits = (unsigned)(bits + (128 - most));
	return true;
}

/* --- senders --- */

/* fnmatch(3) matches bytes here (setlocale is never called); without case as the domain is. */
static bool
domain_matches(const char *pattern, const char *domain)
{
	char p[ADDRESS_MAX + 1], d[ADDRESS_MAX + 1];

	if (!str_copy(p, sizeof(p), pattern) || !str_copy(d, sizeof(d), domain))
		return false;
	str_lowercase(p);
	str_lowercase(d);
	return fnmatch(p, d, 0) == 0;
}

bool
config_sender_matches(const char *pattern, const char *sender)
{
	const char *domain = address_domain(sender), *wanted = strrchr(pattern, '@');
	char local[ADDRESS_MAX + 1], local_wanted[ADDRESS_MAX + 1];
	size_t n;

	if (strcmp(pattern, "<>") == 0 || sender[0] == '\0')
		return strcmp(pattern, "<>") == 0 && sender[0] == '\0';
	if (domain == NULL)
		domain = "";
	if (wanted == NULL && pattern[0] == '.')
		return str_ends_i(domain, pattern);
	if (wanted == NULL)
		return domain_matches(pattern, domain);
	n = *domain == '\0' ? strlen(sender) : (size_t)(domain - 1 - sender);
	if (n >= sizeof(local) || (size_t)(wanted - pattern) >= sizeof(local_wanted))
		return false;
	memcpy(local, sender, n);
	local[n] = '\0';
	memcpy(local_wanted, pattern, (size_t)(wanted - pattern));
	local_wanted[wanted - pattern] = '\0';
	return fnmatch(local_wanted, local, 0) == 0 && domain_matches(wanted + 1, domain);
}
