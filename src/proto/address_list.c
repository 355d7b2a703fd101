/*
 * address_list.c: the addresses in a header field or an argument.
 *
 * The walker reads the grammar of RFC 5322 3.4 with the obsolete forms of 4.4:
 *
 *	address-list = (address / empty) *("," (address / empty))
 *	address      = mailbox / phrase ":" [mailbox-list] ";"
 *	mailbox      = [phrase] "<" [route ":"] addr-spec ">" / addr-spec
 *	addr-spec    = local-part "@" domain
 *	local-part   = word *("." word)
 *
 * with comments and white space between any two tokens. It is one loop over the tokens and keeps
 * what it has seen of one element, so nesting costs no stack and length no second look. It is
 * generous (dots anywhere in a local part, a missing ";" at the end, phrases with "." or "@" in
 * them) and leaves the judgement of what it has put together to address_check().
 */
#include "proto/address.h"

#include <string.h>

#include "base/str.h"

static bool
is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* RFC 5322 3.2.3 */
static bool
is_special(char c)
{
	return is_white(c) || (c != '\0' && strchr("()<>[]:;@\\,.\"", c) != NULL);
}

enum token { TOKEN_NONE, TOKEN_WORD, TOKEN_DOT, TOKEN_AT };

struct part { /* of an address, without comments and quotes */
	char text[ADDRESS_MAX + 1];
	size_t n;
};

struct walk {
	const char *text, *p, *end;
	address_fn *fn; /* one of them */
	address_place_fn *place_fn;
	void *ctx;
	size_t count;
	bool in_group;

	/* the element at hand */
	const char *start;
	bool seen; /* any token but comments */
	bool in_angle, behind_angle;
	bool in_route; /* <@a,@b: */
	bool at; /* the local part is complete */
	enum token last;
	enum address_error error; /* the first one sticks */
	const char *from, *to; /* where the address is; NULL: nothing of it has come */
	struct part local, domain;
};

static void
fail(struct walk *w, enum address_error e)
{
	if (w->error == ADDRESS_OK)
		w->error = e;
}

/* Forgets what looked like an address: it was a phrase or a route. */
static void
restart(struct walk *w)
{
	w->local.n = w->domain.n = 0;
	w->at = false;
	w->last = TOKEN_NONE;
	w->error = ADDRESS_OK;
	w->from = w->to = NULL;
}

static void
new_element(struct walk *w)
{
	restart(w);
	w->seen = w->in_angle = w->behind_angle = w->in_route = false;
	w->start = w->p;
}

static void
put(struct walk *w, char c)
{
	struct part *part = w->at ? &w->domain : &w->local;

	if (c == '\0')
		fail(w, ADDRESS_CONTROL);
	else if (part->n == ADDRESS_MAX)
		fail(w, ADDRESS_TOO_LONG);
	else
		part->text[part->n++] = c;
}

/* What every token but white space and comments goes through. Two words need a dot or an @ between
 * them, unless they turn out to be a phrase. */
static void
note(struct walk *w, enum token token)
{
	if (w->behind_angle || (token == TOKEN_WORD && w->last == TOKEN_WORD))
		fail(w, ADDRESS_SYNTAX);
	w->seen = true;
	w->last = token;
}

static void
skip_comment(struct walk *w)
{
	size_t depth = 0;

	for (; w->p < w->end; w->p++) {
		if (*w->p == '\\' && w->p + 1 < w->end)
			w->p++;
		else if (*w->p == '(')
			depth++;
		else if (*w->p == ')' && --depth == 0) {
			w->p++;
			return;
		}
	}
	w->seen = true;
	fail(w, ADDRESS_SYNTAX);
}

/* The line breaks of folding are no part of a quoted-string (RFC 5322 3.2.4), the blanks are. */
static void
take_quoted(struct walk *w)
{
	note(w, TOKEN_WORD);
	if (w->at)
		fail(w, ADDRESS_SYNTAX);
	for (w->p++; w->p < w->end; w->p++) {
		if (*w->p == '"') {
			w->p++;
			return;
		}
		if (*w->p == '\\' && w->p + 1 < w->end)
			w->p++;
		if (*w->p != '\r' && *w->p != '\n')
			put(w, *w->p);
	}
	fail(w, ADDRESS_SYNTAX);
}

static void
take_literal(struct walk *w)
{
	note(w, TOKEN_WORD);
	if (!w->at || w->domain.n > 0)
		fail(w, ADDRESS_SYNTAX);
	for (; w->p < w->end; w->p++) {
		if (!is_white(*w->p))
			put(w, *w->p);
		if (*w->p == ']') {
			w->p++;
			return;
		}
	}
	fail(w, ADDRESS_SYNTAX);
}

/* A run of what is not special; address_check() judges its characters later. */
static void
take_atom(struct walk *w)
{
	note(w, TOKEN_WORD);
	do {
		put(w, *w->p);
		w->p++;
	} while (w->p < w->end && !is_special(*w->p));
}

static void
take_at(struct walk *w)
{
	if (w->in_angle && !w->seen)
		w->in_route = true;
	if (w->at || w->last == TOKEN_NONE)
		fail(w, ADDRESS_SYNTAX);
	note(w, TOKEN_AT);
	w->at = true;
}

static void
open_angle(struct walk *w)
{
	if (w->in_angle || w->behind_angle) {
		fail(w, ADDRESS_SYNTAX);
		return;
	}
	restart(w);
	w->in_angle = true;
	w->seen = false;
}

static void
close_angle(struct walk *w)
{
	if (!w->in_angle || w->in_route || w->last == TOKEN_NONE)
		fail(w, ADDRESS_SYNTAX);
	w->seen = w->behind_angle = true;
	w->in_angle = false;
}

/*
 * The local part bare where it can be, else quoted (RFC 5321 4.1.2: the simplest form), and the
 * domain without the root's dot. Returns false when it does not fit.
 */
static bool
compose(const struct walk *w, char mailbox[ADDRESS_MAX + 1])
{
	struct buf b;
	size_t ndomain = w->domain.n;
	bool fits;

	buf_init(&b, ADDRESS_MAX);
	if (address_is_dot_atom(w->local.text, w->local.n)) {
		buf_add(&b, w->local.text, w->local.n);
	} else {
		buf_addc(&b, '"');
		for (size_t i = 0; i < w->local.n; i++) {
			if (w->local.text[i] == '"' || w->local.text[i] == '\\')
				buf_addc(&b, '\\');
			buf_addc(&b, w->local.text[i]);
		}
		buf_addc(&b, '"');
	}
	if (ndomain > 1 && w->domain.text[ndomain - 1] == '.')
		ndomain--;
	if (w->at)
		buf_addc(&b, '@');
	buf_add(&b, w->domain.text, ndomain);
	fits = !b.overflow;
	if (fits)
		(void)str_copy(mailbox, ADDRESS_MAX + 1, buf_str(&b));
	buf_free(&b);
	return fits;
}

static void
give(struct walk *w, const char *mailbox)
{
	bool good = w->error == ADDRESS_OK;

	if (w->place_fn != NULL)
		w->place_fn(w->ctx, mailbox, w->error, good ? (size_t)(w->from - w->text) : 0,
		    good ? (size_t)(w->to - w->text) : 0);
	else
		w->fn(w->ctx, mailbox, w->error);
}

static void
give_raw(struct walk *w)
{
	char raw[ADDRESS_MAX + 1];
	const char *from = w->start, *to = w->p;

	while (from < to && is_white(*from))
		from++;
	while (from < to && is_white(to[-1]))
		to--;
	str_clean(raw, sizeof(raw), from, (size_t)(to - from));
	give(w, raw);
}

/* At a "," or ";" or the end. */
static void
end_element(struct walk *w)
{
	char mailbox[ADDRESS_MAX + 1];

	if (!w->seen && !w->in_angle)
		return;
	w->count++;
	if (w->in_angle || (w->at && w->domain.n == 0))
		fail(w, ADDRESS_SYNTAX);
	if (w->error == ADDRESS_OK && !compose(w, mailbox))
		fail(w, ADDRESS_TOO_LONG);
	if (w->error == ADDRESS_OK)
		fail(w, address_check(mailbox, true));
	if (w->error == ADDRESS_OK)
		give(w, mailbox);
	else
		give_raw(w);
}

/* "," ";" and ":" separate elements, except in angle brackets, where they belong to a route. */
static void
take_separator(struct walk *w, char c)
{
	if (w->in_angle) {
		if (w->in_route && c == ':') {
			w->in_route = false;
			restart(w);
		} else if (!w->in_route || c == ';') {
			fail(w, ADDRESS_SYNTAX);
		}
		w->p++;
		return;
	}
	if (c == ':' && !w->in_group && !w->behind_angle) { /* that was a group's name */
		w->in_group = true;
	} else if (c == ':') {
		note(w, TOKEN_NONE);
		fail(w, ADDRESS_SYNTAX);
		w->p++;
		return;
	} else {
		end_element(w);
	}
	if (c == ';')
		w->in_group = false;
	w->p++;
	new_element(w);
}

/* Tokens of one character; all others have moved the cursor themselves. */
static void
take_char(struct walk *w, char c)
{
	switch (c) {
	case '<':
		open_angle(w);
		break;
	case '>':
		close_angle(w);
		break;
	case '@':
		take_at(w);
		break;
	case '.':
		note(w, TOKEN_DOT);
		put(w, '.');
		break;
	default: /* ")" "]" "\" */
		note(w, TOKEN_WORD);
		fail(w, ADDRESS_SYNTAX);
		break;
	}
	w->p++;
}

/* What addresses are made of. */
static void
take_word(struct walk *w)
{
	const char *from = w->p;

	switch (*w->p) {
	case '"':
		take_quoted(w);
		break;
	case '[':
		take_literal(w);
		break;
	case '@':
	case '.':
		take_char(w, *w->p);
		break;
	default:
		take_atom(w);
		break;
	}
	if (w->from == NULL)
		w->from = from;
	w->to = w->p;
}

static void
take_token(struct walk *w)
{
	switch (*w->p) {
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		w->p++;
		break;
	case '(':
		skip_comment(w);
		break;
	case ',':
	case ';':
	case ':':
		take_separator(w, *w->p);
		break;
	case '<':
	case '>':
	case ')':
	case ']':
	case '\\':
		take_char(w, *w->p);
		break;
	default:
		take_word(w);
		break;
	}
}

static size_t
walk_all(struct walk *w, const char *text, size_t n)
{
	w->text = w->p = text;
	w->end = text + n;
	new_element(w);
	while (w->p < w->end)
		take_token(w);
	end_element(w);
	return w->count;
}

size_t
address_list(const char *text, size_t n, address_fn *fn, void *ctx)
{
	struct walk w = {.fn = fn, .ctx = ctx};

	return walk_all(&w, text, n);
}

size_t
address_list_places(const char *text, size_t n, address_place_fn *fn, void *ctx)
{
	struct walk w = {.place_fn = fn, .ctx = ctx};

	return walk_all(&w, text, n);
}

size_t
address_argument(const char *arg, address_fn *fn, void *ctx)
{
	char raw[ADDRESS_MAX + 1];

	for (const char *p = arg; *p != '\0'; p++) {
		if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f) {
			str_clean(raw, sizeof(raw), arg, strlen(arg));
			fn(ctx, raw, ADDRESS_CONTROL);
			return 1;
		}
	}
	return address_list(arg, strlen(arg), fn, ctx);
}
