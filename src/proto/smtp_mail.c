/* smtp_mail.c: transactions: what became of each recipient, and the events that say so. */
#include <stdlib.h>

#include "base/alloc.h"
#include "proto/smtp_impl.h"

/* Adds an event; the verdict is copied. The note may be completed until the next one is added. */
struct smtp_note *
smtp_note(struct smtp *s, enum smtp_event_type type, const struct verdict *v)
{
	struct smtp_note *note;

	if (s->notes_first == s->notes_n)
		s->notes_first = s->notes_n = s->verdicts_n = 0;
	s->notes = xgrow(s->notes, s->notes_n, &s->notes_cap, sizeof(*s->notes));
	note = &s->notes[s->notes_n++];
	*note = (struct smtp_note){.e = {.type = type}};
	if (v != NULL) {
		if (s->verdicts_n == s->verdicts_cap) { /* large, and mostly there is one */
			s->verdicts_cap = s->verdicts_cap > 0 ? s->verdicts_cap * 2 : 1;
			s->verdicts =
			    xreallocarray(s->verdicts, s->verdicts_cap, sizeof(*s->verdicts));
		}
		s->verdicts[s->verdicts_n++] = *v;
		note->verdict = s->verdicts_n;
	}
	return note;
}

/* The last note's verdict once more, for another recipient. */
static struct smtp_note *
note_same(struct smtp *s, enum smtp_event_type type)
{
	struct smtp_note *note = smtp_note(s, type, NULL);

	note->verdict = s->verdicts_n;
	return note;
}

static void
settled(struct smtp_transaction *t, size_t rcpt, struct smtp_note *note)
{
	t->rcpt[rcpt] = R_SETTLED;
	note->e.mail = t->number;
	note->e.rcpt = rcpt;
}

void
smtp_settle(struct smtp *s, struct smtp_transaction *t, size_t rcpt, const struct verdict *v)
{
	settled(t, rcpt, smtp_note(s, SMTP_SETTLED, v));
}

static void
settle_from(
    struct smtp *s, struct smtp_transaction *t, enum smtp_rcpt_state least, const struct verdict *v)
{
	bool first = true;

	for (size_t i = 0; i < t->m.nrcpts; i++) {
		if (t->rcpt[i] == R_SETTLED || t->rcpt[i] < least)
			continue;
		settled(t, i, first ? smtp_note(s, SMTP_SETTLED, v) : note_same(s, SMTP_SETTLED));
		first = false;
	}
}

void
smtp_settle_all(struct smtp *s, struct smtp_transaction *t, const struct verdict *v)
{
	settle_from(s, t, R_OPEN, v);
}

/* Those accepted, and behind a BDAT those whose RCPT has no answer yet. */
void
smtp_settle_sent(struct smtp *s, struct smtp_transaction *t, const struct verdict *v)
{
	settle_from(s, t, R_SENT, v);
}

void
smtp_give_up(struct smtp *s, struct smtp_transaction *t)
{
	t->over = true;
	/* RFC 5321 4.1.4: a second MAIL in an open transaction is refused. */
	if (t->mail == MAIL_SENT || t->mail == MAIL_ACCEPTED)
		s->needs_reset = true;
	if (s->current == t)
		s->current = NULL;
}

static bool
has_unsettled(const struct smtp_transaction *t)
{
	for (size_t i = 0; i < t->m.nrcpts; i++)
		if (t->rcpt[i] != R_SETTLED)
			return true;
	return false;
}

void
smtp_done(struct smtp *s, struct smtp_transaction *t, const struct verdict *host)
{
	bool left = has_unsettled(t);
	struct smtp_note *note = smtp_note(s, SMTP_DONE, left ? host : NULL);

	note->e.mail = t->number;
	note->e.again = left && host == NULL;
	note->e.taken = t->taken;
	if (host == NULL && t->answered)
		s->served = true;
	if (s->current == t)
		s->current = NULL;
	if (s->queued == t)
		s->queued = NULL;
	list_remove(&t->link);
	spares_give(&s->spares, t);
}

/* Sent to its end, and somebody waits for the answer: only the server knows what became of it. */
bool
smtp_is_past_dot(const struct smtp *s, const struct smtp_transaction *t)
{
	if (!t->dot_written || t->dot_end > s->sent)
		return false;
	for (size_t i = 0; i < t->m.nrcpts; i++)
		if (t->rcpt[i] == R_ACCEPTED || t->rcpt[i] == R_SENT)
			return true;
	return false;
}
