/* jschema.c: whether JSON is as a schema says. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "jtree.h"

struct place { /* of the value that is looked at, and where to say what is wrong with it */
	const char *key;
	char *why;
	size_t size;
};

static bool no(const struct place *at, const char *fmt, ...) LOG_PRINTF(2, 3);

static bool
no(const struct place *at, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(at->why, at->size, "%s: ", at->key);

	va_start(ap, fmt);
	if (n >= 0 && (size_t)n < at->size)
		vsnprintf(at->why + n, at->size - (size_t)n, fmt, ap);
	va_end(ap);
	return false;
}

static bool
is_of_type(const char *name, const struct jtree *v)
{
	static const char *const names[] = {
	    "null", "boolean", "number", "string", "array", "object"};

	if (strcmp(name, "integer") == 0)
		return v->kind == J_NUMBER && v->integer;
	return strcmp(name, names[v->kind]) == 0;
}

static bool
check_type(const struct jtree *s, const struct jtree *v, const struct place *at)
{
	const struct jtree *one = s->kind == J_STRING ? s : s->first;

	for (; one != NULL; one = s->kind == J_STRING ? NULL : one->next)
		if (one->kind == J_STRING && is_of_type(one->string, v))
			return true;
	return no(at, "is of another type");
}

static bool
check_enum(const struct jtree *s, const struct jtree *v, const struct place *at)
{
	for (const struct jtree *one = s->first; one != NULL; one = one->next)
		if (one->kind == v->kind &&
		    (v->kind == J_NULL ||
			(v->kind == J_STRING && strcmp(one->string, v->string) == 0)))
			return true;
	return no(at, "is none of the values: %s", v->kind == J_STRING ? v->string : "?");
}

static bool
check_required(const struct jtree *s, const struct jtree *v, const struct place *at)
{
	for (const struct jtree *one = s->first; one != NULL; one = one->next)
		if (jtree_get(v, one->string) == NULL)
			return no(at, "has no %s", one->string);
	return true;
}

static bool
check_properties(const struct jtree *s, const struct jtree *v, const struct place *at)
{
	for (const struct jtree *member = v->first; member != NULL; member = member->next) {
		const struct jtree *rule = jtree_get(s, member->key);

		if (rule != NULL && !jtree_is(rule, member, at->why, at->size))
			return false;
	}
	return true;
}

/* additionalProperties: false */
static bool
check_nothing_else(const struct jtree *schema, const struct jtree *v, const struct place *at)
{
	const struct jtree *known = jtree_get(schema, "properties");

	for (const struct jtree *member = v->first; member != NULL; member = member->next)
		if (jtree_get(known, member->key) == NULL)
			return no(at, "has %s, of which the schema knows nothing", member->key);
	return true;
}

static bool
check_items(const struct jtree *s, const struct jtree *v, const struct place *at)
{
	for (const struct jtree *one = v->first; one != NULL; one = one->next)
		if (!jtree_is(s, one, at->why, at->size))
			return false;
	return true;
}

static bool
check_one_of(const struct jtree *s, const struct jtree *v, const struct place *at)
{
	size_t n = 0;
	char first[256] = "";

	for (const struct jtree *one = s->first; one != NULL; one = one->next) {
		n += jtree_is(one, v, at->why, at->size);
		if (one == s->first)
			snprintf(first, sizeof(first), "%s", at->why);
	}
	return n == 1 ? true : no(at, "is %zu of the alternatives; first: %s", n, first);
}

static bool
check_rule(const struct jtree *schema, const struct jtree *rule, const struct jtree *v,
    const struct place *at)
{
	const char *word = rule->key;

	if (strcmp(word, "type") == 0)
		return check_type(rule, v, at);
	if (strcmp(word, "enum") == 0)
		return check_enum(rule, v, at);
	if (strcmp(word, "oneOf") == 0)
		return check_one_of(rule, v, at);
	if (strcmp(word, "minimum") == 0)
		return v->kind != J_NUMBER || v->number >= rule->number || no(at, "is too small");
	if (strcmp(word, "required") == 0)
		return v->kind != J_OBJECT || check_required(rule, v, at);
	if (strcmp(word, "properties") == 0)
		return v->kind != J_OBJECT || check_properties(rule, v, at);
	if (strcmp(word, "additionalProperties") == 0 && rule->kind == J_BOOL && !rule->yes)
		return v->kind != J_OBJECT || check_nothing_else(schema, v, at);
	if (strcmp(word, "items") == 0)
		return v->kind != J_ARRAY || check_items(rule, v, at);
	if (strcmp(word, "$schema") == 0 || strcmp(word, "title") == 0 ||
	    strcmp(word, "description") == 0)
		return true;
	return no(at, "the schema says %s, which nobody looks at", word);
}

bool
jtree_is(const struct jtree *schema, const struct jtree *value, char *why, size_t whysize)
{
	struct place at = {value->key != NULL ? value->key : "value", why, whysize};

	for (const struct jtree *rule = schema->first; rule != NULL; rule = rule->next)
		if (!check_rule(schema, rule, value, &at))
			return false;
	return true;
}
