/* smtp_script.c: lines of a server's script -> rules. */
#include "smtp_script.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"

void
smtp_script_init(struct smtp_script *s)
{
	*s = (struct smtp_script){0};
	list_init(&s->rules);
}

void
smtp_script_free(struct smtp_script *s)
{
	while (!list_empty(&s->rules)) {
		struct smtp_rule *r = list_item(s->rules.next, struct smtp_rule, link);

		list_remove(&r->link);
		free(r->match);
		free(r->reply);
		free(r);
	}
	free(s->offers);
	free(s->offers_secured);
	free(s->tls);
	free(s->user);
	free(s->secret);
	free(s->mechanisms);
}

bool
smtp_script_time(const char *s, int64_t *ms)
{
	size_t n = strlen(s);
	uint64_t v;

	if (n > 2 && strcmp(s + n - 2, "ms") == 0 && str_u64n(s, n - 2, 1000000000, &v)) {
		*ms = (int64_t)v;
		return true;
	}
	if (!str_duration(s, 1, ms))
		return false;
	*ms *= 1000;
	return true;
}

/* The next word of *s into word[size]; *s moves behind it and the blanks that follow. */
static bool
take_word(const char **s, char *word, size_t size)
{
	size_t n = strcspn(*s, " \t");

	if (n == 0 || n >= size)
		return false;
	memcpy(word, *s, n);
	word[n] = '\0';
	*s += n;
	*s += strspn(*s, " \t");
	return true;
}

static char *
with_line_ends(const char *text, size_t *outlen)
{
	struct buf b;
	char *all;

	buf_init(&b, 1 << 20);
	for (size_t i = 0; text[i] != '\0'; i++)
		if (text[i] == '|')
			buf_adds(&b, "\r\n");
		else
			buf_addc(&b, text[i]);
	buf_adds(&b, "\r\n");
	*outlen = buf_len(&b);
	all = xstrdup(buf_str(&b));
	buf_free(&b);
	return all;
}

/* \r \n \t \\ and \xHH. */
static char *
unescape(const char *text, size_t n, size_t *outlen)
{
	char *out = xmalloc(n + 1);
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		char c = text[i];
		unsigned v;

		if (c == '\\' && i + 1 < n) {
			c = text[++i];
			if (c == 'x' && i + 2 < n && sscanf(text + i + 1, "%2x", &v) == 1) {
				c = (char)v;
				i += 2;
			} else if (c == 'r')
				c = '\r';
			else if (c == 'n')
				c = '\n';
			else if (c == 't')
				c = '\t';
		}
		out[len++] = c;
	}
	out[len] = '\0';
	*outlen = len;
	return out;
}

static bool
parse_action(struct smtp_rule *r, const char *s, size_t n)
{
	char verb[SMTP_SCRIPT_VERB_MAX], *arg = xstrndup(s, n);
	const char *p = arg;
	bool ok = take_word(&p, verb, sizeof(verb));

	if (ok && strcmp(verb, "delay") == 0)
		ok = smtp_script_time(p, &r->delay_ms);
	else if (ok && strcmp(verb, "drip") == 0)
		ok = smtp_script_time(p, &r->drip_ms);
	else if (ok && strcmp(verb, "reply") == 0)
		r->reply = with_line_ends(p, &r->reply_len);
	else if (ok && strcmp(verb, "raw") == 0)
		r->reply = unescape(p, strlen(p), &r->reply_len);
	else if (ok && strcmp(verb, "close") == 0)
		r->close = true;
	else if (ok && strcmp(verb, "reset") == 0)
		r->reset = true;
	else if (ok && strcmp(verb, "half-close") == 0)
		r->half_close = true;
	else if (ok && strcmp(verb, "take") == 0)
		r->take = true;
	else if (ok && strcmp(verb, "silence") == 0)
		r->silence = true;
	else if (ok && strcmp(verb, "stall") == 0)
		r->stall = r->silence = true;
	else
		ok = false;
	free(arg);
	return ok;
}

static bool
parse_actions(struct smtp_rule *r, const char *s)
{
	for (;;) {
		const char *end = strstr(s, "; ");

		if (!parse_action(r, s, end != NULL ? (size_t)(end - s) : strlen(s)))
			return false;
		if (end == NULL)
			return true;
		s = end + 2;
	}
}

/* "session 2", "skip 1", "times 3": the number behind the word, if it is the word. */
static bool
take_number(const char **s, const char *name, unsigned *to)
{
	const char *p = *s;
	char word[32];
	uint64_t v;

	if (!take_word(&p, word, sizeof(word)) || strcmp(word, name) != 0)
		return false;
	if (!take_word(&p, word, sizeof(word)) || !str_u64(word, 1000000, &v))
		return false;
	*to = (unsigned)v;
	*s = p;
	return true;
}

static bool
parse_on(struct smtp_script *s, const char *p)
{
	struct smtp_rule *r = xcalloc(1, sizeof(*r));
	const char *rest;
	char word[256];

	list_add_tail(&s->rules, &r->link);
	if (!take_word(&p, r->on, sizeof(r->on)))
		return false;
	rest = p;
	if (take_word(&rest, word, sizeof(word)) && strpbrk(word, "@*<") != NULL) {
		r->match = xstrdup(word);
		p = rest;
	}
	while (take_number(&p, "session", &r->session) || take_number(&p, "skip", &r->skip) ||
	       take_number(&p, "times", &r->times))
		;
	return parse_actions(r, p);
}

static bool
parse_tls(struct smtp_script *s, const char *p)
{
	char name[64];

	if (!take_word(&p, name, sizeof(name)))
		return false;
	s->tls = xstrdup(name);
	s->tls_first = strcmp(p, "first") == 0;
	return *p == '\0' || s->tls_first;
}

static bool
parse_auth(struct smtp_script *s, const char *p)
{
	char user[128], secret[128];

	if (!take_word(&p, user, sizeof(user)) || !take_word(&p, secret, sizeof(secret)))
		return false;
	s->user = xstrdup(user);
	s->secret = xstrdup(secret);
	s->mechanisms = *p != '\0' ? xstrdup(p) : NULL;
	return true;
}

bool
smtp_script_line(struct smtp_script *s, const char *line)
{
	char verb[SMTP_SCRIPT_VERB_MAX];
	const char *p = line + strspn(line, " \t");
	struct buf b;
	bool ok;

	if (!take_word(&p, verb, sizeof(verb)))
		return false;
	if (strcmp(verb, "on") == 0)
		return parse_on(s, p);
	if (strcmp(verb, "latency") == 0)
		return smtp_script_time(p, &s->latency_ms);
	if (strcmp(verb, "offer") == 0) {
		free(s->offers);
		s->offers = xstrdup(strcmp(p, "nothing") == 0 ? "" : p);
		return true;
	}
	if (strcmp(verb, "offer-secured") == 0) {
		free(s->offers_secured);
		s->offers_secured = xstrdup(strcmp(p, "nothing") == 0 ? "" : p);
		return true;
	}
	if (strcmp(verb, "tls") == 0)
		return parse_tls(s, p);
	if (strcmp(verb, "auth") == 0)
		return parse_auth(s, p);
	if (strcmp(verb, "auth-in-clear") == 0)
		return s->auth_in_clear = true;
	if (strcmp(verb, "greeting") != 0)
		return false;
	buf_init(&b, 1 << 20);
	buf_addf(&b, "CONNECT reply %s", p);
	ok = parse_on(s, buf_str(&b));
	buf_free(&b);
	return ok;
}

const struct smtp_rule *
smtp_script_find(struct smtp_script *s, const char *on, const char *address, unsigned session)
{
	list_each (l, &s->rules) {
		struct smtp_rule *r = list_item(l, struct smtp_rule, link);

		if (!str_eqi(r->on, on) || (r->session != 0 && r->session != session))
			continue;
		if (r->match != NULL && fnmatch(r->match, address, 0) != 0)
			continue;
		if (r->seen++ < r->skip || (r->times != 0 && r->used >= r->times))
			continue;
		r->used++;
		return r;
	}
	return NULL;
}
