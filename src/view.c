/* view.c: what people are shown of a queue. */
#include "view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"

enum { BATCH = 250000, IDS_MAX = BATCH * (ENVELOPE_ID_MAX + 1) };

/* --- the walk ----------------------------------------------------------------------------- */

struct walk {
	view_fn *fn;
	void *ctx;
	struct buf ids; /* each with its NUL */
	size_t n;
	bool over;
};

static int
by_id(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
hand_out(struct walk *w)
{
	const char **sorted = xcalloc(w->n + 1, sizeof(*sorted));
	const char *id = buf_data(&w->ids);

	for (size_t i = 0; i < w->n; i++, id += strlen(id) + 1)
		sorted[i] = id;
	qsort(sorted, w->n, sizeof(*sorted), by_id);
	for (size_t i = 0; i < w->n && !w->over; i++)
		w->over = !w->fn(w->ctx, sorted[i]);
	free(sorted);
	buf_clear(&w->ids);
	w->n = 0;
}

static bool
collect(void *ctx, const struct spool_entry *entry)
{
	struct walk *w = ctx;

	buf_add(&w->ids, entry->id, strlen(entry->id) + 1);
	if (++w->n == BATCH)
		hand_out(w);
	return !w->over;
}

int
view_walk(struct spool *sp, view_fn *fn, void *ctx)
{
	struct walk w = {.fn = fn, .ctx = ctx};
	int r, error;

	buf_init(&w.ids, IDS_MAX);
	r = spool_scan(sp, collect, &w);
	error = errno;
	hand_out(&w);
	buf_free(&w.ids);
	errno = error;
	return r;
}

/* --- a message ---------------------------------------------------------------------------- */

enum view_state
view_state(const struct envelope *e, bool active)
{
	if (active)
		return VIEW_ACTIVE;
	if (e->hold)
		return VIEW_HELD;
	return e->attempted == 0 ? VIEW_QUEUED : VIEW_DEFERRED;
}

const char *
view_state_word(enum view_state state)
{
	static const char *const words[] = {"queued", "deferred", "held", "active"};

	return words[state];
}

bool
view_is_open(const struct envelope *e, const struct recipient *rc)
{
	if (rc->status == RCPT_FAILED)
		return rc->report == 0 || rc->report > e->reported;
	return rc->status != RCPT_DELIVERED;
}

const char *
view_date(int64_t at, char dst[32])
{
	char rfc[64];

	clock_rfc5322(at, rfc, sizeof(rfc)); /* Tue, 24 Nov 2026 06:10:00 +0000 */
	if (strlen(rfc) < 25)
		str_copy(dst, 32, "-");
	else
		snprintf(dst, 32, "%.3s %.3s %.2s %.8s", rfc, rfc + 8, rfc + 5, rfc + 17);
	return dst;
}
