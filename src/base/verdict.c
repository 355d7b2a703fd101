/* verdict.c: what became of something, and what to do then. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/verdict.h"

/* SENT cannot be said of a host or a route: whoever does so has lost count of his recipients. */
#define NEVER (-1)

/*
 * What to do about a verdict. The columns in which another hop is left come before those of the
 * last hop. What FAILs at a host (a server that cannot take this mail at all) may still succeed at
 * another one of the same site, and is never a reason to return mail: it is deferred at the end.
 */
/* clang-format off */
static const int actions[][3][2] = {
	/*                              hops left          last hop */
	[SCOPE_RCPT]  = {[FATE_SENT]  = {ACTION_DONE,       ACTION_DONE},
	                 [FATE_FAIL]  = {ACTION_BOUNCE,     ACTION_BOUNCE},
	                 [FATE_RETRY] = {ACTION_DEFER,      ACTION_DEFER}},
	[SCOPE_MSG]   = {[FATE_SENT]  = {ACTION_DONE_ALL,   ACTION_DONE_ALL},
	                 [FATE_FAIL]  = {ACTION_BOUNCE_ALL, ACTION_BOUNCE_ALL},
	                 [FATE_RETRY] = {ACTION_DEFER_ALL,  ACTION_DEFER_ALL}},
	[SCOPE_HOST]  = {[FATE_SENT]  = {NEVER,             NEVER},
	                 [FATE_FAIL]  = {ACTION_NEXT_HOP,   ACTION_DEFER_ALL},
	                 [FATE_RETRY] = {ACTION_NEXT_HOP,   ACTION_DEFER_ALL}},
	[SCOPE_ROUTE] = {[FATE_SENT]  = {NEVER,             NEVER},
	                 [FATE_FAIL]  = {ACTION_BOUNCE_ALL, ACTION_BOUNCE_ALL},
	                 [FATE_RETRY] = {ACTION_DEFER_ALL,  ACTION_DEFER_ALL}},
};
/* clang-format on */

enum action
verdict_action(const struct verdict *v, bool hops_left)
{
	int a = actions[v->scope][v->fate][hops_left ? 0 : 1];

	if (a == NEVER)
		bug("a host or a route cannot be SENT");
	return (enum action)a;
}

/* The class of the enhanced code that says no more than the fate does (RFC 3463 3.1). */
static const char *
enhanced_default(enum fate fate)
{
	switch (fate) {
	case FATE_SENT:
		return "2.0.0";
	case FATE_RETRY:
		return "4.0.0";
	case FATE_FAIL:
		return "5.0.0";
	}
	return "4.0.0";
}

struct verdict
verdict_make(
    enum fate fate, enum scope scope, const char *enhanced, const char *doing, const char *fmt, ...)
{
	struct verdict v = {.fate = fate, .scope = scope, .doing = doing};
	char raw[2 * VERDICT_TEXT_MAX];
	va_list ap;
	int n;

	if (enhanced == NULL || enhanced[0] == '\0')
		enhanced = enhanced_default(fate);
	str_copy(v.enhanced, sizeof(v.enhanced), enhanced);

	va_start(ap, fmt);
	n = vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	if (n < 0)
		raw[0] = '\0';
	str_clean(v.text, sizeof(v.text), raw, strlen(raw));
	return v;
}

void
verdict_keep(struct verdict **to, const struct verdict *v)
{
	if (*to == NULL)
		*to = xmalloc(sizeof(**to));
	**to = *v;
}

const char *
verdict_line(const struct verdict *v, char *dst, size_t size)
{
	char line[16 + VERDICT_ENHANCED_MAX + VERDICT_TEXT_MAX];
	const char *space = v->text[0] != '\0' ? " " : "";

	if (v->code > 0)
		snprintf(line, sizeof(line), "%d %s%s%s", v->code, v->enhanced, space, v->text);
	else
		snprintf(line, sizeof(line), "%s%s%s", v->enhanced, space, v->text);
	str_copy(dst, size, line);
	return dst;
}
