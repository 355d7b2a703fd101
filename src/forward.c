/* forward.c: .forward files, and Delivered-To. */
#include "forward.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "proto/address.h"

enum { HEAD_MAX = 65536 };

struct parse {
	struct forward *f;
	const struct forward_user *user;
	bool bad; /* this entry is no address */
};

/* --- .forward ----------------------------------------------------------------------------- */

/* Once: the first one is enough to look at. */
static void
complain(struct forward *f, const char *entry, size_t n, const char *why)
{
	char shown[FORWARD_WHY_MAX / 2];

	f->keep = true;
	if (f->why[0] != '\0')
		return;
	str_clean(shown, sizeof(shown), entry, n);
	snprintf(f->why, sizeof(f->why), "%s: %s", shown, why);
}

static void
add(struct forward *f, const char *address)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->to[i], address) == 0)
			return;
	if (f->n == FORWARD_MAX)
		complain(f, address, strlen(address), "too many addresses");
	else
		f->to[f->n++] = xstrdup(address);
}

static void
on_address(void *ctx, const char *mailbox, enum address_error e)
{
	struct parse *p = ctx;
	const struct forward_user *u = p->user;
	char whole[2 * ADDRESS_MAX];

	if (e != ADDRESS_OK) {
		p->bad = true;
	} else if (str_eqi(mailbox, u->name) || str_eqi(mailbox, u->address)) {
		p->f->keep = true;
	} else if (address_domain(mailbox) != NULL) {
		add(p->f, mailbox);
	} else {
		snprintf(whole, sizeof(whole), "%s@%s", mailbox, u->hostname);
		add(p->f, whole);
	}
}

/* What has nothing to do with addresses, though sendmail would do it. */
static const char *
refused(const char *entry)
{
	if (*entry == '"')
		entry++;
	if (*entry == '|')
		return "commands are not run";
	if (*entry == '/' || str_starts(entry, "~/"))
		return "files are not written to";
	if (str_neqi(entry, ":include:", 9))
		return "lists are not read";
	return NULL;
}

static void
take_entry(struct parse *p, const char *at, size_t n)
{
	char *entry = xstrndup(at, n);
	const char *why = refused(entry);

	p->bad = strlen(entry) != n; /* a NUL is in it */
	if (why == NULL && !p->bad &&
	    address_argument(entry[0] == '\\' ? entry + 1 : entry, on_address, p) == 0)
		p->bad = n > 0;
	if (why != NULL || p->bad)
		complain(p->f, at, n, why != NULL ? why : "not an address");
	free(entry);
}

/* Up to the comma; what stands in quotes holds together. */
static size_t
entry_length(const char *s, size_t n)
{
	bool quoted = false;
	size_t i = 0;

	for (; i < n && (quoted || s[i] != ','); i++) {
		if (s[i] == '"')
			quoted = !quoted;
		else if (s[i] == '\\' && quoted && i + 1 < n)
			i++;
	}
	return i;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void
take_line(struct parse *p, const char *line, size_t n)
{
	for (size_t at = 0; at < n;) {
		size_t end = at + entry_length(line + at, n - at), next = end + 1;

		while (at < end && is_blank(line[at]))
			at++;
		while (end > at && is_blank(line[end - 1]))
			end--;
		if (end > at)
			take_entry(p, line + at, end - at);
		at = next;
	}
}

void
forward_parse(struct forward *f, const char *text, size_t n, const struct forward_user *user)
{
	struct parse p = {.f = f, .user = user};

	memset(f, 0, sizeof(*f));
	for (size_t at = 0; at < n;) {
		const char *end = memchr(text + at, '\n', n - at);
		size_t len = end != NULL ? (size_t)(end - text) - at : n - at, blanks = 0;

		while (blanks < len && is_blank(text[at + blanks]))
			blanks++;
		if (blanks < len && text[at + blanks] != '#')
			take_line(&p, text + at, len);
		at += len + 1;
	}
	if (f->n == 0)
		f->keep = true;
}

void
forward_free(struct forward *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->to[i]);
	f->n = 0;
}

/* --- Delivered-To ------------------------------------------------------------------------- */

static bool
names(const char *line, size_t n, const char *address)
{
	static const char name[] = "Delivered-To:";
	size_t at = sizeof(name) - 1;

	if (n < at || !str_neqi(line, name, at))
		return false;
	while (at < n && is_blank(line[at]))
		at++;
	while (n > at && is_blank(line[n - 1]))
		n--;
	return n - at == strlen(address) && str_neqi(line + at, address, n - at);
}

static size_t
read_head(int message, char *head, size_t size)
{
	size_t n = 0;
	ssize_t got;

	while (n < size) {
		got = sys.pread(message, head + n, size - n, (off_t)n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	return n;
}

bool
forward_has_looped(int message, const char *address)
{
	static char head[HEAD_MAX]; /* there is one thread */
	size_t n = read_head(message, head, sizeof(head)), at = 0;

	while (at < n) {
		const char *end = memchr(head + at, '\n', n - at);
		size_t len = end != NULL ? (size_t)(end - head) - at : n - at;

		if (len == 0 || (len == 1 && head[at] == '\r'))
			return false; /* the header ends */
		if (names(head + at, len, address))
			return true;
		at += len + 1;
	}
	return false;
}
