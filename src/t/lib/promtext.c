/* promtext.c: Prometheus' text format, read strictly. */
#include "promtext.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"

enum { NAME_LEN = 128, SEEN_MAX = 256 };

struct reader {
	char metric[NAME_LEN]; /* of the HELP and TYPE before */
	bool helped, typed, counter, sampled;
	char seen[SEEN_MAX][NAME_LEN]; /* metrics that have begun, and samples with their labels */
	size_t nseen;
	char *why;
	size_t size;
};

static bool no(struct reader *r, const char *fmt, ...) LOG_PRINTF(2, 3);

static bool
no(struct reader *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->why, r->size, fmt, ap);
	va_end(ap);
	return false;
}

/* [a-zA-Z_:][a-zA-Z0-9_:]*; a label has no colon. */
static size_t
name_length(const char *p, bool label)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789:";
	size_t all = sizeof(letters) - 1 - label, n = 0;

	if (*p >= '0' && *p <= '9')
		return 0;
	while (p[n] != '\0' && memchr(letters, p[n], all) != NULL)
		n++;
	return n;
}

static bool
is_new(struct reader *r, const char *what, size_t n)
{
	if (n >= NAME_LEN || r->nseen == SEEN_MAX)
		return no(r, "too long, or too many");
	for (size_t i = 0; i < r->nseen; i++)
		if (strlen(r->seen[i]) == n && memcmp(r->seen[i], what, n) == 0)
			return no(r, "%s is there twice", r->seen[i]);
	memcpy(r->seen[r->nseen], what, n);
	r->seen[r->nseen++][n] = '\0';
	return true;
}

static bool
read_help(struct reader *r, const char *p)
{
	size_t n = name_length(p, false);
	char begun[NAME_LEN + 1];

	if (n == 0 || n >= NAME_LEN - 1 || p[n] != ' ' || p[n + 1] == '\0')
		return no(r, "HELP of what?");
	if (r->helped && !r->sampled)
		return no(r, "%s has no samples", r->metric);
	for (const char *at = p + n; *at != '\0'; at++)
		if (*at == '\\' && *++at != '\\' && *at != 'n')
			return no(r, "no such escape");
	snprintf(r->metric, sizeof(r->metric), "%.*s", (int)n, p);
	snprintf(begun, sizeof(begun), "#%s", r->metric);
	r->helped = true;
	r->typed = r->sampled = false;
	return is_new(r, begun, n + 1);
}

static bool
ends_in_total(const char *name)
{
	size_t n = strlen(name);

	return n > 6 && strcmp(name + n - 6, "_total") == 0;
}

static bool
read_type(struct reader *r, const char *p)
{
	size_t n = name_length(p, false);

	if (!r->helped || r->typed || strlen(r->metric) != n || memcmp(p, r->metric, n) != 0)
		return no(r, "TYPE does not follow its HELP");
	r->counter = strcmp(p + n, " counter") == 0;
	if (!r->counter && strcmp(p + n, " gauge") != 0)
		return no(r, "neither counter nor gauge");
	if (r->counter != ends_in_total(r->metric))
		return no(r, "counters end in _total, gauges do not");
	r->typed = true;
	return true;
}

/* {name="value",...}: how long it is, 0: it is none. In a value \\, \" and \n stand for themselves. */
static size_t
labels_length(const char *start)
{
	const char *p = start + 1;

	for (;;) {
		size_t n = name_length(p, true);

		if (n == 0 || p[n] != '=' || p[n + 1] != '"')
			return 0;
		for (p += n + 2; *p != '"'; p++)
			if (*p == '\0' || (*p == '\\' && strchr("\\\"n", *++p) == NULL) ||
			    *p == '\0')
				return 0;
		if (*++p == '}')
			return (size_t)(p + 1 - start);
		if (*p++ != ',')
			return 0;
	}
}

static bool
read_sample(struct reader *r, const char *p)
{
	size_t n = name_length(p, false), all = n;
	char *end;
	double value;

	if (!r->typed || strlen(r->metric) != n || memcmp(p, r->metric, n) != 0)
		return no(r, "a sample without HELP and TYPE of its own in front");
	if (p[n] == '{') {
		all += labels_length(p + n);
		if (all == n)
			return no(r, "labels");
	}
	if (!is_new(r, p, all))
		return false;
	if (p[all] != ' ' || strchr(" \t", p[all + 1]) != NULL)
		return no(r, "one blank, and a value");
	value = strtod(p + all + 1, &end);
	if (*end != '\0' || value != value)
		return no(r, "no number");
	if (r->counter && value < 0)
		return no(r, "a counter below 0");
	r->sampled = true;
	return true;
}

static bool
read_line(struct reader *r, const char *line)
{
	if (str_starts(line, "# HELP "))
		return read_help(r, line + 7);
	if (str_starts(line, "# TYPE "))
		return read_type(r, line + 7);
	return read_sample(r, line);
}

bool
promtext_ok(const char *text, char *why, size_t whysize)
{
	static struct reader r;
	char line[1024], what[256] = "";
	int number = 1;

	memset(&r, 0, sizeof(r));
	r.why = what;
	r.size = sizeof(what);
	for (const char *end; *text != '\0'; text = end + 1, number++) {
		end = strchr(text, '\n');
		if (end == NULL || end - text >= (ptrdiff_t)sizeof(line)) {
			snprintf(why, whysize, "line %d does not end", number);
			return false;
		}
		snprintf(line, sizeof(line), "%.*s", (int)(end - text), text);
		if (!read_line(&r, line)) {
			snprintf(why, whysize, "line %d: %s: %s", number, what, line);
			return false;
		}
	}
	if (r.sampled)
		return true;
	snprintf(why, whysize, "no samples in the end");
	return false;
}

bool
promtext_value(const char *text, const char *sample, double *value)
{
	size_t n = strlen(sample);

	for (const char *p = text; p != NULL; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, sample, n) == 0 && p[n] == ' ') {
			*value = strtod(p + n + 1, NULL);
			return true;
		}
	}
	return false;
}
