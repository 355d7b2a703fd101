/*
 * envelope.c: the envelope in memory, and writing it. Reading is in envelope_parse.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/str.h"
#include "spool/envelope.h"

enum { UNKNOWN_MAX = 1 << 20 };

/* 2020-01-01: no message was submitted to this program before. */
static const int64_t first_possible = 1577836800;

void
envelope_init(struct envelope *e)
{
	memset(e, 0, sizeof(*e));
	e->uid = -1;
	map_init(&e->by_address);
	buf_init(&e->unknown, UNKNOWN_MAX);
}

void
envelope_free(struct envelope *e)
{
	map_free(&e->by_address);
	for (size_t i = 0; i < e->nrcpts; i++) {
		free(e->rcpts[i].address);
		free(e->rcpts[i].extra);
		free(e->rcpts[i].reason);
		free(e->rcpts[i].mta);
	}
	free(e->rcpts);
	free(e->sender);
	free(e->bounceto);
	free(e->source_room);
	buf_free(&e->unknown);
	envelope_init(e);
}

/* The nodes live in the array: when it moves they are put into the map anew. */
static void
grow_rcpts(struct envelope *e)
{
	if (e->nrcpts < e->rcpts_cap)
		return;
	map_free(&e->by_address);
	e->rcpts = xgrow(e->rcpts, e->nrcpts, &e->rcpts_cap, sizeof(*e->rcpts));
	map_init(&e->by_address);
	for (size_t i = 0; i < e->nrcpts; i++)
		map_put(&e->by_address, &e->rcpts[i].node, e->rcpts[i].address);
}

/* A copy as it will be read back: str_clean()ed, but for newlines, which have an escape. */
static char *
clean_address(const char *address)
{
	size_t n = strlen(address);
	char *copy = xstrndup(address, n), *to = copy;

	if (str_is_clean(address, n))
		return copy;
	for (;;) {
		n = strcspn(address, "\n");
		str_clean(to, n + 1, address, n);
		to += strlen(to);
		address += n;
		if (*address++ == '\0')
			return copy;
		*to++ = '\n';
	}
}

bool
envelope_add(struct envelope *e, const char *address)
{
	char *copy = clean_address(address);
	struct recipient *r;

	if (map_get(&e->by_address, copy) != NULL) {
		free(copy);
		return false;
	}
	grow_rcpts(e);
	r = &e->rcpts[e->nrcpts++];
	memset(r, 0, sizeof(*r));
	r->address = copy;
	map_put(&e->by_address, &r->node, r->address);
	e->waiting++;
	return true;
}

struct recipient *
envelope_find(const struct envelope *e, const char *address)
{
	struct map_node *n = map_get(&e->by_address, address);

	return n == NULL ? NULL : map_item(n, struct recipient, node);
}

/* --- what happened, in memory --- */

static bool
is_waiting(enum rcpt_status status)
{
	return status == RCPT_NEW || status == RCPT_UNREACHED || status == RCPT_DEFERRED;
}

static void
set_reason(struct recipient *r, const char *reason)
{
	char clean[ENVELOPE_REASON_MAX + 1];

	free(r->reason);
	r->reason = NULL;
	if (reason == NULL || *reason == '\0')
		return;
	str_clean(clean, sizeof(clean), reason, strlen(reason));
	r->reason = xstrdup(clean);
}

void
envelope_settle(struct envelope *e, size_t rcpt, enum rcpt_status status, const char *reason)
{
	struct recipient *r = &e->rcpts[rcpt];
	bool failed_anew = status == RCPT_FAILED && r->status != RCPT_FAILED;
	bool no_more_failed = status != RCPT_FAILED && r->status == RCPT_FAILED;

	if (no_more_failed && r->report == 0)
		e->unreported--;
	if (failed_anew)
		e->unreported++;
	if (failed_anew || no_more_failed)
		r->report = 0;
	if (is_waiting(r->status) && !is_waiting(status))
		e->waiting--;
	else if (!is_waiting(r->status) && is_waiting(status))
		e->waiting++;
	r->status = status;
	set_reason(r, reason);
}

void
envelope_attempted(struct envelope *e, int64_t at, int64_t retry)
{
	if (e->first_attempted == 0)
		e->first_attempted = at;
	e->attempted = at;
	e->retry = retry;
}

void
envelope_report(struct envelope *e, unsigned n)
{
	if (n <= e->reports)
		return; /* said twice: it covers what it covered the first time */
	e->reports = n;
	for (size_t i = 0; i < e->nrcpts && e->unreported > 0; i++) {
		struct recipient *r = &e->rcpts[i];

		if (r->status == RCPT_FAILED && r->report == 0) {
			r->report = n;
			e->unreported--;
		}
	}
}

int64_t
envelope_due_at(const struct envelope *e)
{
	if (e->hold)
		return INT64_MAX;
	if (e->attempted == 0)
		return 0;
	return e->attempted > INT64_MAX - e->retry ? INT64_MAX : e->attempted + e->retry;
}

int64_t
envelope_submitted(const struct envelope *e, int64_t now)
{
	if (e->submitted >= first_possible && e->submitted <= now)
		return e->submitted;
	return e->first_attempted != 0 && e->first_attempted <= now ? e->first_attempted : now;
}

bool
envelope_id_ok(const char *name)
{
	static const char alnum[] =
	    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	size_t n = strlen(name);

	if (n < 1 || n > ENVELOPE_ID_MAX || strchr(alnum, name[0]) == NULL)
		return false;
	while (*name != '\0' && (strchr(alnum, *name) != NULL || strchr("._-", *name) != NULL))
		name++;
	return *name == '\0';
}

/* --- writing --- */

static void
write_clean(struct buf *out, const char *s, size_t n)
{
	char *dst;

	if (str_is_clean(s, n)) {
		buf_add(out, s, n);
		return;
	}
	dst = buf_reserve(out, n + 1);
	if (dst == NULL)
		return;
	str_clean(dst, n + 1, s, n);
	buf_commit(out, strlen(dst));
}

/* A field: | \ and newline escaped, whatever else is not printable UTF-8 replaced. */
static void
write_field(struct buf *out, const char *s)
{
	for (;;) {
		size_t n = strcspn(s, "|\\\n");

		write_clean(out, s, n);
		s += n;
		if (*s == '\0')
			return;
		buf_addc(out, '\\');
		buf_addc(out, *s == '\n' ? 'n' : *s);
		s++;
	}
}

static void
write_text(struct buf *out, const char *instruction, const char *value)
{
	if (value == NULL)
		return;
	buf_adds(out, instruction);
	buf_addc(out, '|');
	write_field(out, value);
	buf_addc(out, '\n');
}

void
envelope_write_number(struct buf *out, const char *instruction, int64_t n)
{
	buf_addf(out, "%s|%lld\n", instruction, (long long)n);
}

static void
write_body_line(struct buf *out, const struct envelope *e)
{
	buf_adds(out, "body|");
	if (e->eightbit)
		buf_adds(out, "8bit,");
	if (e->utf8)
		buf_adds(out, "utf8,");
	if (e->dots)
		buf_adds(out, "dots,");
	buf_addf(out, "longest=%u\n", e->longest);
}

/* A recipient as it was submitted. */
static void
write_recipient(struct buf *out, const struct recipient *r)
{
	buf_adds(out, "remote|");
	write_field(out, r->address);
	buf_adds(out, "|0|");
	if (r->extra != NULL && str_is_clean(r->extra, strlen(r->extra))) {
		buf_addc(out, '|');
		buf_adds(out, r->extra);
	}
	buf_addc(out, '\n');
}

void
envelope_write(struct buf *out, const struct envelope *e)
{
	buf_adds(out, "Content-type: application/x-citadel-delivery-list\n\nformat|1\n");
	write_text(out, "msgid", e->msgid);
	envelope_write_number(out, "submitted", e->submitted);
	write_text(out, "envelope_from", e->sender);
	write_text(out, "bounceto", e->bounceto);
	write_text(out, "source_room", e->source_room);
	if (e->uid >= 0)
		envelope_write_number(out, "uid", e->uid);
	buf_addf(out, "size|%llu\n", (unsigned long long)e->size);
	write_body_line(out, e);
	buf_add(out, buf_data(&e->unknown), buf_len(&e->unknown));
	for (size_t i = 0; i < e->nrcpts; i++)
		write_recipient(out, &e->rcpts[i]);
	envelope_write_number(out, "recipients", (int64_t)e->nrcpts);
}

void
envelope_write_remote(
    struct buf *out, const struct recipient *r, enum rcpt_status status, const char *reason)
{
	char clean[ENVELOPE_REASON_MAX + 1];

	buf_adds(out, "remote|");
	write_field(out, r->address);
	buf_addf(out, "|%d|", (int)status);
	str_clean(clean, sizeof(clean), reason != NULL ? reason : "",
	    reason != NULL ? strlen(reason) : 0);
	write_field(out, clean);
	buf_addc(out, '\n');
}

/* Those a report covers first, by its number; those that none covers last. */
static int
by_report(const void *a, const void *b)
{
	const struct recipient *x = *(struct recipient *const *)a;
	const struct recipient *y = *(struct recipient *const *)b;
	unsigned nx = x->report - 1U, ny = y->report - 1U; /* 0 becomes the highest */

	return nx < ny ? -1 : nx > ny;
}

/* Each report|N comes right behind the recipients that it covers, the highest one even if it
 * covers nobody any more, so that its number is not given out twice. */
static void
write_outcomes(struct buf *out, const struct envelope *e)
{
	struct recipient **order = xcalloc(e->nrcpts + 1, sizeof(struct recipient *));
	unsigned said = 0;
	size_t n = 0, i;

	for (i = 0; i < e->nrcpts; i++)
		if (e->rcpts[i].status != RCPT_NEW || e->rcpts[i].reason != NULL)
			order[n++] = &e->rcpts[i];
	qsort(order, n, sizeof(struct recipient *), by_report);
	for (i = 0; i < n && order[i]->report != 0; i++) {
		if (said != 0 && order[i]->report != said)
			envelope_write_number(out, "report", said);
		said = order[i]->report;
		envelope_write_remote(out, order[i], order[i]->status, order[i]->reason);
	}
	if (said != 0)
		envelope_write_number(out, "report", said);
	if (said != e->reports)
		envelope_write_number(out, "report", e->reports);
	for (; i < n; i++)
		envelope_write_remote(out, order[i], order[i]->status, order[i]->reason);
	free(order);
}

void
envelope_write_progress(struct buf *out, const struct envelope *e)
{
	if (e->first_attempted != 0 && e->first_attempted != e->attempted)
		envelope_write_number(out, "attempted", e->first_attempted);
	if (e->attempted != 0)
		envelope_write_number(out, "attempted", e->attempted);
	if (e->retry != 0)
		envelope_write_number(out, "retry", e->retry);
	write_outcomes(out, e);
	if (e->reported != 0)
		envelope_write_number(out, "reported", e->reported);
	if (e->warned)
		envelope_write_number(out, "warned", 1);
	if (e->hold)
		envelope_write_number(out, "hold", 1);
}
