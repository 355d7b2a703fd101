/* leakwatch.c: whether a secret gets out. */
#include "t/dialogue/leakwatch.h"

#include <string.h>

#include "proto/sasl_impl.h"

enum { WATCH_MAX = 1 << 20, SHORT = 4 };

void
leakwatch_init(struct leakwatch *w)
{
	buf_init(&w->seen, WATCH_MAX);
	buf_init(&w->hidden, WATCH_MAX);
}

void
leakwatch_free(struct leakwatch *w)
{
	buf_free(&w->seen);
	buf_free(&w->hidden);
}

void
leakwatch_saw(struct leakwatch *w, const char *line, size_t n)
{
	buf_add(&w->seen, line, n);
	buf_addc(&w->seen, '\n');
}

void
leakwatch_hide(struct leakwatch *w, const char *text, size_t n)
{
	if (n < SHORT)
		return;
	buf_add(&w->hidden, text, n);
	buf_addc(&w->hidden, '\n');
}

void
leakwatch_hide_base64(struct leakwatch *w, const char *text, size_t n)
{
	struct buf coded;

	buf_init(&coded, WATCH_MAX);
	sasl_encode(&coded, text, n);
	leakwatch_hide(w, buf_data(&coded), buf_len(&coded));
	buf_free(&coded);
}

bool
leakwatch_has_seen(struct leakwatch *w, const char *line)
{
	size_t n = strlen(line);

	for (const char *p = buf_str(&w->seen); *p != '\0'; p += strcspn(p, "\n") + 1)
		if (strncmp(p, line, n) == 0 && p[n] == '\n')
			return true;
	return false;
}

const char *
leakwatch_leak(struct leakwatch *w)
{
	const char *seen = buf_str(&w->seen);
	char *hidden, *end;

	buf_str(&w->hidden);
	for (hidden = w->hidden.mem + w->hidden.start; *hidden != '\0'; hidden = end + 1) {
		bool found;

		end = hidden + strcspn(hidden, "\n");
		*end = '\0';
		found = strstr(seen, hidden) != NULL;
		*end = '\n';
		if (found) {
			*end = '\0';
			return hidden;
		}
	}
	return NULL;
}
