/*
 * mailq.c: the queue as a table.
 *
 * The shape is the one that scripts know: a line an entry that begins with the id, its mark (* being
 * delivered, ! held), size, date and sender; and as the very last line either "Mail queue is empty"
 * or "-- N Kbytes in N Requests."
 */
#include "mailq.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/str.h"
#include "view.h"

static const char heading[] =
    "-Queue ID-            --Size-- ----Arrival Time---- -Sender/Recipient-------\n";

struct mailq {
	struct spool *sp;
	FILE *out;
	long long uid; /* -1: everybody's mail */
	int64_t now;
	size_t shown;
	uint64_t bytes;
	int status; /* sysexits(3) */
};

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
		fprintf(out, "next try in %s (%s)",
		    str_duration_text(due - now, text, sizeof(text)), view_date(due, date));
	}
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

		if (!view_is_open(e, rc))
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
	str_duration_text(q->now - submitted, age, sizeof(age));
	begin_entry(q);
	fprintf(q->out, "%-21s %8" PRIu64 " %s  ", marked, e->size, view_date(submitted, date));
	print_text(q->out, sender);
	fprintf(q->out, "\n%22s%s old, ", "", age); /* fits 80 columns */
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

static bool
show(void *ctx, const char *id)
{
	struct mailq *q = ctx;
	struct envelope e;
	char why[256];
	off_t size;

	if (q->uid >= 0 && spool_owner(q->sp, id) != q->uid)
		return true;
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

	if (view_walk(sp, show, &q) != 0) {
		/* Never "empty" about a queue that could not be looked at. */
		fprintf(out, "Mail queue %s cannot be read: %s\n", spool_path(sp), strerror(errno));
		q.status = EX_TEMPFAIL;
	} else {
		print_totals(&q);
	}
	if (fflush(out) != 0 || ferror(out))
		return EX_IOERR;
	return q.status;
}
