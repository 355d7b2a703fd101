/* jtree.c: JSON, read strictly. */
#include "jtree.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"

enum { DEPTH_MAX = 32, STRING_MAX = 1 << 20 };

struct reader {
	const char *p, *end, *start;
	const char *wrong; /* sticks */
	int depth;
};

static struct jtree *read_value(struct reader *r);

static void
fail(struct reader *r, const char *what)
{
	if (r->wrong == NULL)
		r->wrong = what;
	r->end = r->p; /* nothing more is read */
}

/* ws = *( space / tab / LF / CR ) */
static void
skip_space(struct reader *r)
{
	while (r->p < r->end && strchr(" \t\n\r", *r->p) != NULL && *r->p != '\0')
		r->p++;
}

static bool
take(struct reader *r, char c)
{
	skip_space(r);
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

static bool
take_word(struct reader *r, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
		return false;
	r->p += n;
	return true;
}

/* --- strings ------------------------------------------------------------------------------ */

static uint32_t
read_hex(struct reader *r)
{
	static const char digits[] = "0123456789abcdef";
	uint32_t n = 0;

	for (int i = 0; i < 4; i++) {
		const char *d = r->p == r->end ? NULL : strchr(digits, str_lower(*r->p));

		if (d == NULL || *d == '\0') {
			fail(r, "four hexadecimal digits are wanted");
			return 0xfffd;
		}
		n = n << 4 | (uint32_t)(d - digits);
		r->p++;
	}
	return n;
}

static void
add_utf8(struct buf *b, uint32_t cp)
{
	if (cp < 0x80) {
		buf_addc(b, (char)cp);
	} else if (cp < 0x800) {
		buf_addc(b, (char)(0xc0 | cp >> 6));
		buf_addc(b, (char)(0x80 | (cp & 0x3f)));
	} else {
		if (cp < 0x10000) {
			buf_addc(b, (char)(0xe0 | cp >> 12));
		} else {
			buf_addc(b, (char)(0xf0 | cp >> 18));
			buf_addc(b, (char)(0x80 | (cp >> 12 & 0x3f)));
		}
		buf_addc(b, (char)(0x80 | (cp >> 6 & 0x3f)));
		buf_addc(b, (char)(0x80 | (cp & 0x3f)));
	}
}

/* Behind "\u". Above U+FFFF it takes two of them. */
static void
read_unicode(struct reader *r, struct buf *b)
{
	uint32_t cp = read_hex(r), low;

	if (cp == 0)
		fail(r, "U+0000 in a string");
	if (cp >= 0xdc00 && cp <= 0xdfff)
		fail(r, "half of a surrogate pair");
	if (cp >= 0xd800 && cp <= 0xdbff) {
		low = take_word(r, "\\u") ? read_hex(r) : 0;
		if (low < 0xdc00 || low > 0xdfff)
			fail(r, "half of a surrogate pair");
		cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
	}
	add_utf8(b, cp);
}

static void
read_escape(struct reader *r, struct buf *b)
{
	static const char letters[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	const char *at = r->p == r->end || *r->p == '\0' ? NULL : strchr(letters, *r->p);

	if (at != NULL)
		buf_addc(b, means[at - letters]);
	else if (r->p < r->end && *r->p == 'u')
		at = r->p;
	else
		fail(r, "an escape that is none");
	if (at == NULL)
		return;
	r->p++;
	if (at >= letters && at < letters + sizeof(letters))
		return;
	read_unicode(r, b);
}

/* Behind the opening quotation mark. */
static char *
read_string(struct reader *r)
{
	struct buf b;
	char *copy;
	uint32_t cp;
	size_t n;

	buf_init(&b, STRING_MAX);
	while (r->p < r->end && *r->p != '"') {
		n = str_char(r->p, (size_t)(r->end - r->p), &cp);
		if (n == 0) {
			fail(r, "bytes that are no UTF-8");
		} else if (cp < 0x20) {
			fail(r, "a control character in a string");
		} else if (cp == '\\') {
			r->p++;
			read_escape(r, &b);
		} else {
			buf_add(&b, r->p, n);
			r->p += n;
		}
	}
	if (r->p == r->end)
		fail(r, "a string without an end");
	else
		r->p++;
	copy = xstrdup(buf_str(&b));
	buf_free(&b);
	return copy;
}

/* --- values ------------------------------------------------------------------------------- */

static size_t
digits(struct reader *r)
{
	size_t n = 0;

	for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++)
		n++;
	return n;
}

/* number = [ "-" ] ( "0" / digit1-9 *DIGIT ) [ "." 1*DIGIT ] [ ( "e" / "E" ) [ "-" / "+" ] 1*DIGIT ] */
static void
read_number(struct reader *r, struct jtree *t)
{
	const char *start = r->p;
	char text[64];
	size_t n;

	t->kind = J_NUMBER;
	t->integer = true;
	take_word(r, "-");
	if (!take_word(r, "0") && digits(r) == 0)
		fail(r, "not a value");
	if (take_word(r, ".")) {
		t->integer = false;
		if (digits(r) == 0)
			fail(r, "a fraction without digits");
	}
	if (take_word(r, "e") || take_word(r, "E")) {
		t->integer = false;
		if (!take_word(r, "-"))
			take_word(r, "+");
		if (digits(r) == 0)
			fail(r, "an exponent without digits");
	}
	n = (size_t)(r->p - start);
	if (n >= sizeof(text)) {
		fail(r, "a number that is too long");
		return;
	}
	memcpy(text, start, n);
	text[n] = '\0';
	t->number = strtod(text, NULL);
}

static void
read_member(struct reader *r, struct jtree *t, struct jtree ***last)
{
	char *key = NULL;

	if (t->kind == J_OBJECT) {
		if (!take(r, '"')) {
			fail(r, "a name is wanted");
			return;
		}
		key = read_string(r);
		if (jtree_get(t, key) != NULL)
			fail(r, "a name twice");
		if (!take(r, ':'))
			fail(r, "a colon is wanted");
	}
	**last = read_value(r);
	(**last)->key = key;
	*last = &(**last)->next;
}

static void
read_members(struct reader *r, struct jtree *t, char close)
{
	struct jtree **last = &t->first;

	if (take(r, close))
		return;
	do
		read_member(r, t, &last);
	while (r->wrong == NULL && take(r, ','));
	if (!take(r, close))
		fail(r, "neither a comma nor the end");
}

static struct jtree *
read_value(struct reader *r)
{
	struct jtree *t = xcalloc(1, sizeof(*t));

	if (++r->depth > DEPTH_MAX)
		fail(r, "too deep");
	skip_space(r);
	if (take_word(r, "{")) {
		t->kind = J_OBJECT;
		read_members(r, t, '}');
	} else if (take_word(r, "[")) {
		t->kind = J_ARRAY;
		read_members(r, t, ']');
	} else if (take_word(r, "\"")) {
		t->kind = J_STRING;
		t->string = read_string(r);
	} else if (take_word(r, "true") || take_word(r, "false")) {
		t->kind = J_BOOL;
		t->yes = r->p[-2] == 'u';
	} else if (!take_word(r, "null")) {
		read_number(r, t);
	}
	r->depth--;
	return t;
}

struct jtree *
jtree_parse(const char *text, size_t n, char *why, size_t whysize)
{
	struct reader r = {.p = text, .end = text + n, .start = text};
	struct jtree *t = read_value(&r);

	skip_space(&r);
	if (r.p != r.end)
		fail(&r, "something behind the value");
	if (r.wrong == NULL)
		return t;
	snprintf(why, whysize, "at %zu: %s", (size_t)(r.p - r.start), r.wrong);
	jtree_free(&t);
	return NULL;
}

void
jtree_free(struct jtree **tp)
{
	struct jtree *t = *tp, *next;

	for (*tp = NULL; t != NULL; t = next) {
		next = t->next;
		jtree_free(&t->first);
		free(t->string);
		free(t->key);
		free(t);
	}
}

const struct jtree *
jtree_get(const struct jtree *object, const char *key)
{
	const struct jtree *t = object == NULL ? NULL : object->first;

	while (t != NULL && (t->key == NULL || strcmp(t->key, key) != 0))
		t = t->next;
	return t;
}

size_t
jtree_count(const struct jtree *t)
{
	size_t n = 0;

	for (t = t->first; t != NULL; t = t->next)
		n++;
	return n;
}
