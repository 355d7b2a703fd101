/* ehlo.c: the reply to EHLO. */
#include "proto/ehlo.h"

#include <string.h>

#include "base/str.h"

struct word {
	const char *s;
	size_t n;
};

/* The next word of a line; false: there is none. */
static bool
next_word(struct word *line, struct word *w)
{
	while (line->n > 0 && *line->s == ' ') {
		line->s++;
		line->n--;
	}
	w->s = line->s;
	w->n = 0;
	while (w->n < line->n && w->s[w->n] != ' ')
		w->n++;
	line->s += w->n;
	line->n -= w->n;
	return w->n > 0;
}

static bool
word_is(const struct word *w, const char *keyword)
{
	return w->n == strlen(keyword) && str_neqi(w->s, keyword, w->n);
}

/* "SIZE" or "SIZE 0": no limit said; more digits than we can count to: none that could matter. */
static void
take_size(struct ehlo *e, struct word line)
{
	struct word w;
	uint64_t n = 0;

	if (next_word(&line, &w) && !str_u64n(w.s, w.n, UINT64_MAX, &n)) {
		for (size_t i = 0; i < w.n; i++)
			if (w.s[i] < '0' || w.s[i] > '9')
				return; /* "SIZE -1" */
		n = 0;
	}
	e->offers |= EHLO_SIZE;
	e->size = n;
}

/* A mechanism's name is 1*20 of upper case, digits, hyphen and underscore (RFC 4422 3.1). */
static void
add_mechanism(struct ehlo *e, const struct word *w)
{
	char name[21];
	size_t used = strlen(e->auth);

	if (w->n >= sizeof(name) || used + 1 + w->n >= sizeof(e->auth))
		return;
	for (size_t i = 0; i < w->n; i++) {
		int c = str_lower((unsigned char)w->s[i]);

		if (c >= 'a' && c <= 'z')
			c -= 'a' - 'A';
		else if ((c < '0' || c > '9') && c != '-' && c != '_')
			return;
		name[i] = (char)c;
	}
	name[w->n] = '\0';
	if (ehlo_has_auth(e, name))
		return;
	if (used > 0)
		e->auth[used++] = ' ';
	memcpy(e->auth + used, name, w->n + 1);
}

static void
take_auth(struct ehlo *e, struct word line)
{
	struct word w;

	e->offers |= EHLO_AUTH;
	while (next_word(&line, &w))
		add_mechanism(e, &w);
}

/* limits = name "=" value *( SP name "=" value ) (RFC 9422 4); a limit of 0 would be none at all. */
static void
take_limits(struct ehlo *e, struct word line)
{
	struct word w;
	uint64_t n;

	while (next_word(&line, &w)) {
		const char *eq = memchr(w.s, '=', w.n);
		struct word name = {w.s, eq != NULL ? (size_t)(eq - w.s) : w.n};

		if (eq == NULL || !str_u64n(eq + 1, w.n - name.n - 1, 999999, &n) || n == 0)
			continue;
		if (word_is(&name, "RCPTMAX"))
			e->rcptmax = (uint32_t)n;
		else if (word_is(&name, "MAILMAX"))
			e->mailmax = (uint32_t)n;
	}
}

/* ehlo-line = ehlo-keyword *( SP ehlo-param ) */
static void
take_line(struct ehlo *e, struct word line)
{
	static const struct {
		const char *keyword;
		enum ehlo_offer offer;
	} plain[] = {
	    {"PIPELINING", EHLO_PIPELINING},
	    {"8BITMIME", EHLO_8BITMIME},
	    {"ENHANCEDSTATUSCODES", EHLO_ENHANCEDSTATUSCODES},
	    {"CHUNKING", EHLO_CHUNKING},
	    {"DSN", EHLO_DSN},
	    {"SMTPUTF8", EHLO_SMTPUTF8},
	    {"STARTTLS", EHLO_STARTTLS},
	};
	struct word w;

	if (!next_word(&line, &w))
		return;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (word_is(&w, plain[i].keyword))
			e->offers |= plain[i].offer;
	if (word_is(&w, "SIZE"))
		take_size(e, line);
	else if (word_is(&w, "LIMITS"))
		take_limits(e, line);
	else if (word_is(&w, "AUTH"))
		take_auth(e, line);
	else if (w.n > 5 && str_neqi(w.s, "AUTH=", 5)) /* as before RFC 2554; some still do */
		take_auth(e, (struct word){w.s + 5, w.n - 5 + line.n});
}

void
ehlo_parse(struct ehlo *e, const struct reply *r)
{
	size_t pos = 0, n;
	const char *s;
	bool first = true;

	memset(e, 0, sizeof(*e));
	while (reply_line(r, &pos, &s, &n)) {
		if (!first && n > 4)
			take_line(e, (struct word){s + 4, n - 4});
		first = false;
	}
}

bool
ehlo_is_named(const struct reply *r, const char *name)
{
	size_t pos = 0, n;
	const char *s;
	struct word line, w;

	if (!reply_line(r, &pos, &s, &n) || n <= 4)
		return false;
	line = (struct word){s + 4, n - 4};
	return next_word(&line, &w) && word_is(&w, name);
}

bool
ehlo_has_auth(const struct ehlo *e, const char *mechanism)
{
	struct word list = {e->auth, strlen(e->auth)}, w;

	while (next_word(&list, &w))
		if (word_is(&w, mechanism))
			return true;
	return false;
}
