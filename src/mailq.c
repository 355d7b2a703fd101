/*
 * The shape is the one that scripts know: a line an entry that begins with the id, its mark (* being
 * delivered, ! held), size, date and sender; and as the very last line either "Mail queue is empty"
 * or "-- N Kbytes in N Requests."
 *
 * Entries come oldest first (ids begin with the time), as far as bounded memory allows: names are
 * collected, sorted and printed a batch at a time, so only a queue larger than a batch is printed
 * in more than one run of them.
 */
#include "mailq.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"

enum { BATCH = 10000 };

static const char heading[] =
    "-Queue ID-            --Size-- ----Arrival Time---- -Sender/Recipient-------\n";

struct mailq {
	struct spool *sp;
	FILE *out;
	long long uid; /* -1: everybody's mail */
	int64_t now;
	char (*names)[ENVELOPE_ID_MAX + 1]; /* a batch of them */
	size_t nnames;
	size_t shown;
	uint64_t bytes;
	int status; /* sysexits(3) */
};

/* "Tue Nov 24 06:10:00", as the fixed columns have it. */
static void
date_column(int64_t at, char dst[32])
{
	char rfc[64];

	clock_rfc5322(at, rfc, sizeof(rfc)); /* Tue, 24 Nov 2026 06:10:00 +0000 */
	if (strlen(rfc) < 25)
		str_copy(dst, 32, "-");
	else
		snprintf(dst, 32, "%.3s %.3s %.2s %.8s", rfc, rfc + 8, rfc + 5, rfc + 17);
}

static void
print_next_try(FILE *out, const struct envelope *e, bool active, int64_t now)
{
	int64_t due = envelope_due_at(e);
	char text[32], date[32];

	if (active)
		fputs("being delivered now", out);
	else if (e->hold)
		fputs("held", out);
	else if (due <= now)
		fputs("due now", out);
	else {
		date_column(due, date);
		fprintf(out, "next try in %s (%s)",
		    str_duration_text(due - now, text, sizeof(text)), date);
	}
}

/* Recipients that wait, and those that failed without anybody having been told. */
static bool
is_listed(const struct envelope *e, const struct recipient *rc)
{
	if (rc->status == RCPT_FAILED)
		return rc->report == 0 || rc->report > e->reported;
	return rc->status != RCPT_DELIVERED;
}

/* Texts of a control file are printable, but for newlines. */
static void
print_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		putc(*text == '\n' ? '?' : *text, out);
}

static void
print_recipients(FILE *out, const struct envelope *e)
{
	size_t i;

	for (i = 0; i < e->nrcpts; i++) {
		const struct recipient *rc = &e->rcpts[i];

		if (!is_listed(e, rc))
			continue;
		if (rc->reason != NULL) {
			fputs(rc->status == RCPT_FAILED ? "        (failed: " : "        (", out);
			print_text(out, rc->reason);
			fputs(")\n", out);
		}
		fprintf(out, "%41s", "");
		print_text(out, rc->address);
		putc('\n', out);
	}
}

static void
begin_entry(struct mailq *q)
{
	if (q->shown++ == 0)
		fputs(heading, q->out);
}

static void
print_entry(struct mailq *q, const char *id, const struct envelope *e)
{
	int64_t submitted = envelope_submitted(e, q->now);
	const char *sender = e->sender;
	bool active = spool_is_locked(q->sp, id);
	char marked[ENVELOPE_ID_MAX + 2], date[32], age[32];

	if (sender == NULL)
		sender = "(from the message)";
	else if (sender[0] == '\0')
		sender = "MAILER-DAEMON";
	snprintf(marked, sizeof(marked), "%s%s", id, active ? "*" : e->hold ? "!" : "");
	date_column(submitted, date);
	str_duration_text(q->now - submitted, age, sizeof(age));
	begin_entry(q);
	fprintf(q->out, "%-21s %8" PRIu64 " %s  ", marked, e->size, date);
	print_text(q->out, sender);
	fprintf(q->out, "\n%41s%s old, ", "", age);
	print_next_try(q->out, e, active, q->now);
	fputc('\n', q->out);
	print_recipients(q->out, e);
	fputc('\n', q->out);
	q->bytes += e->size;
}

/* One that cannot be shown is said to be there all the same, to those who may see everything. */
static void
print_unreadable(struct mailq *q, const char *id, const char *why)
{
	if (q->uid >= 0)
		return;
	begin_entry(q);
	fprintf(q->out, "%-21s cannot be read: %s\n\n", id, why);
}

static void
show(struct mailq *q, const char *id)
{
	struct envelope e;
	char why[256];
	off_t size;

	if (q->uid >= 0 && spool_owner(q->sp, id) != q->uid)
		return;
	envelope_init(&e);
	switch (spool_load(q->sp, id, -1, &e, &size, why, sizeof(why))) {
	case SPOOL_LOADED:
		print_entry(q, id, &e);
		break;
	case SPOOL_MISSING: /* delivered meanwhile */
		break;
	case SPOOL_CORRUPT:
		print_unreadable(q, id, why);
		break;
	case SPOOL_UNREADABLE:
		print_unreadable(q, id, strerror(errno));
		q->status = EX_TEMPFAIL;
		break;
	}
	envelope_free(&e);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
show_batch(struct mailq *q)
{
	size_t i;

	qsort(q->names, q->nnames, sizeof(q->names[0]), by_name);
	for (i = 0; i < q->nnames && !ferror(q->out); i++)
		show(q, q->names[i]);
	q->nnames = 0;
}

static bool
collect(void *ctx, const struct spool_entry *entry)
{
	struct mailq *q = ctx;

	str_copy(q->names[q->nnames++], sizeof(q->names[0]), entry->id);
	if (q->nnames == BATCH)
		show_batch(q);
	return !ferror(q->out);
}

static void
print_totals(struct mailq *q)
{
	size_t damaged;

	if (q->uid < 0 && spool_count_corrupt(q->sp, &damaged) == 0 && damaged > 0)
		fprintf(q->out, "%zu damaged, kept in %s/corrupt for a person to look at.\n",
		    damaged, spool_path(q->sp));
	if (q->shown == 0)
		fputs("Mail queue is empty\n", q->out);
	else
		fprintf(q->out, "-- %" PRIu64 " Kbytes in %zu Request%s.\n",
		    (q->bytes + 1023) / 1024, q->shown, q->shown == 1 ? "" : "s");
}

int
mailq_print(struct spool *sp, FILE *out, long long uid, int64_t now)
{
	struct mailq q = {.sp = sp, .out = out, .uid = uid, .now = now, .status = EX_OK};

	q.names = xcalloc(BATCH, sizeof(q.names[0]));
	if (spool_scan(sp, collect, &q) != 0) {
		/* Never "empty" about a queue that could not be looked at. */
		fprintf(out, "Mail queue %s cannot be read: %s\n", spool_path(sp), strerror(errno));
		q.status = EX_TEMPFAIL;
	} else {
		show_batch(&q);
		print_totals(&q);
	}
	free(q.names);
	if (fflush(out) != 0 || ferror(out))
		return EX_IOERR;
	return q.status;
}
