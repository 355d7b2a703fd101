/*
 * jtree.h: JSON, read as strictly as RFC 8259 allows, and checked against a schema.
 */
#ifndef T_LIB_JTREE_H
#define T_LIB_JTREE_H

#include <stdbool.h>
#include <stddef.h>

enum jkind { J_NULL, J_BOOL, J_NUMBER, J_STRING, J_ARRAY, J_OBJECT };

struct jtree {
	enum jkind kind;
	bool yes; /* BOOL */
	double number;
	bool integer; /* NUMBER without fraction and exponent */
	char *string; /* STRING: UTF-8; a U+0000 in it is an error */
	char *key; /* in an object; NULL elsewhere */
	struct jtree *first, *next; /* members and elements */
};

/*
 * One value and nothing behind it. NULL, and what is wrong in why, for what RFC 8259 does not allow, and for
 * what it leaves open and readers differ in: a name twice, a half of a surrogate pair, bytes that are no UTF-8.
 */
struct jtree *jtree_parse(const char *text, size_t n, char *why, size_t whysize);
void jtree_free(struct jtree **t);
const struct jtree *jtree_get(const struct jtree *object, const char *key); /* NULL: not there */
size_t jtree_count(const struct jtree *t); /* members or elements */

/*
 * Whether value is as schema says, which is JSON Schema as far as it has type, properties, required,
 * additionalProperties: false, items, enum, oneOf and minimum; any other word in it is a failure, so that
 * nothing stands there that is not looked at (but for $schema, title and description). why: where and what.
 */
bool jtree_is(const struct jtree *schema, const struct jtree *value, char *why, size_t whysize);

#endif
