/* resolvconf.c: the lines of resolv.conf, and addresses of servers as text. */
#include <netinet/in.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/sys.h"
#include "dns/resolvconf.h"

enum { DNS_PORT = 53, TIMEOUT_S = 5, TIMEOUT_MAX_S = 30, ATTEMPTS = 2, ATTEMPTS_MAX = 5 };
enum { WORD_MAX = 128 };

/* --- addresses --- */

static bool
parse_ipv4(const char *text, unsigned port, struct sockaddr_storage *ss)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	if (inet_pton(AF_INET, text, &sin.sin_addr) != 1)
		return false;
	memcpy(ss, &sin, sizeof(sin));
	return true;
}

/* With a zone behind '%', an interface's name or number (RFC 4007 11), for link-local addresses. */
static bool
parse_ipv6(const char *text, unsigned port, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
	char address[WORD_MAX];
	char *zone;
	uint64_t number;

	if (!str_copy(address, sizeof(address), text))
		return false;
	zone = strchr(address, '%');
	if (zone != NULL) {
		*zone++ = '\0';
		sin6.sin6_scope_id =
		    str_u64(zone, UINT32_MAX, &number) ? (uint32_t)number : sys_interface(zone);
		if (sin6.sin6_scope_id == 0)
			return false;
	}
	if (inet_pton(AF_INET6, address, &sin6.sin6_addr) != 1)
		return false;
	memcpy(ss, &sin6, sizeof(sin6));
	return true;
}

bool
resolvconf_server(const char *text, struct sockaddr_storage *ss)
{
	char address[WORD_MAX];
	uint64_t port = DNS_PORT;
	const char *colon = strrchr(text, ':');
	bool bracket = text[0] == '[';
	char *end;

	memset(ss, 0, sizeof(*ss));
	if (!str_copy(address, sizeof(address), text + bracket))
		return false;
	if (bracket) { /* "[::1]", "[::1]:53" */
		end = strchr(address, ']');
		if (end == NULL)
			return false;
		*end++ = '\0';
		if (*end != '\0' &&
		    (*end != ':' || !str_u64(end + 1, UINT16_MAX, &port) || port == 0))
			return false;
		return parse_ipv6(address, (unsigned)port, ss);
	}
	if (colon == NULL)
		return parse_ipv4(address, DNS_PORT, ss);
	if (strchr(text, ':') != colon)
		return parse_ipv6(address, DNS_PORT, ss);
	address[colon - text] = '\0'; /* one colon: a port */
	return str_u64(colon + 1, UINT16_MAX, &port) && port > 0 &&
	       parse_ipv4(address, (unsigned)port, ss);
}

socklen_t
resolvconf_server_len(const struct sockaddr_storage *ss)
{
	return ss->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

const char *
resolvconf_server_text(const struct sockaddr_storage *ss, char *dst)
{
	char ip[INET6_ADDRSTRLEN] = "?", zone[16] = "";
	unsigned port;

	if (ss->ss_family == AF_INET6) {
		struct sockaddr_in6 sin6;

		memcpy(&sin6, ss, sizeof(sin6));
		port = ntohs(sin6.sin6_port);
		inet_ntop(AF_INET6, &sin6.sin6_addr, ip, sizeof(ip));
		if (sin6.sin6_scope_id != 0)
			snprintf(zone, sizeof(zone), "%%%u", (unsigned)sin6.sin6_scope_id);
	} else {
		struct sockaddr_in sin;

		memcpy(&sin, ss, sizeof(sin));
		port = ntohs(sin.sin_port);
		inet_ntop(AF_INET, &sin.sin_addr, ip, sizeof(ip));
	}
	if (port == DNS_PORT)
		snprintf(dst, RESOLVCONF_SERVER_TEXT, "%s%s", ip, zone);
	else if (ss->ss_family == AF_INET6)
		snprintf(dst, RESOLVCONF_SERVER_TEXT, "[%s%s]:%u", ip, zone, port);
	else
		snprintf(dst, RESOLVCONF_SERVER_TEXT, "%s:%u", ip, port);
	return dst;
}

/* --- the file --- */

struct words { /* of one line */
	const char *at, *end;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word; false at the end of the line. A word too long for us comes out empty. */
static bool
next_word(struct words *w, char *dst)
{
	const char *start;
	size_t n;

	while (w->at < w->end && is_blank(*w->at))
		w->at++;
	start = w->at;
	while (w->at < w->end && !is_blank(*w->at))
		w->at++;
	n = (size_t)(w->at - start);
	dst[0] = '\0';
	if (n < WORD_MAX) {
		memcpy(dst, start, n);
		dst[n] = '\0';
	}
	return n > 0;
}

/* No port in resolv.conf (OpenBSD takes "[192.0.2.1]:53"; nobody else does). */
static void
add_server(struct resolvconf *rc, const char *word)
{
	struct sockaddr_storage *ss = &rc->servers[rc->nservers];

	if (rc->nservers == RESOLVCONF_SERVERS)
		return;
	memset(ss, 0, sizeof(*ss));
	if (parse_ipv4(word, DNS_PORT, ss) || parse_ipv6(word, DNS_PORT, ss))
		rc->nservers++;
}

/* "timeout:3"; what is too large is the most, as in libc. */
static bool
option_number(const char *word, const char *name, unsigned max, unsigned *out)
{
	uint64_t n;

	if (!str_starts(word, name) || !str_u64(word + strlen(name), UINT64_MAX, &n))
		return false;
	*out = n > max ? max : n == 0 ? 1 : (unsigned)n;
	return true;
}

static void
add_option(struct resolvconf *rc, const char *word)
{
	if (strcmp(word, "rotate") == 0)
		rc->rotate = true;
	else if (!option_number(word, "timeout:", TIMEOUT_MAX_S, &rc->timeout_s))
		option_number(word, "attempts:", ATTEMPTS_MAX, &rc->attempts);
}

/* A keyword counts at the line's first byte only; so a comment is a keyword nobody knows. */
static void
parse_line(struct resolvconf *rc, struct words w)
{
	char word[WORD_MAX];

	if (w.at == w.end || is_blank(*w.at) || !next_word(&w, word))
		return;
	if (strcmp(word, "nameserver") == 0) {
		if (next_word(&w, word))
			add_server(rc, word);
	} else if (strcmp(word, "options") == 0) {
		while (next_word(&w, word))
			add_option(rc, word);
	}
}

void
resolvconf_parse(struct resolvconf *rc, const char *text, size_t len)
{
	const char *end = text + len;

	memset(rc, 0, sizeof(*rc));
	rc->timeout_s = TIMEOUT_S;
	rc->attempts = ATTEMPTS;
	while (text < end) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));

		if (eol == NULL)
			eol = end;
		parse_line(rc, (struct words){text, eol});
		text = eol < end ? eol + 1 : end;
	}
	if (rc->nservers == 0)
		add_server(rc, "127.0.0.1");
}
